"""One reconcile, top to bottom.

    discover ──► measure ──► decide ──► rewrite ──► propose ──► act

Each step takes the records of the step before it; what fails becomes a row of the report, and
the rest goes on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from operator import attrgetter
from typing import NamedTuple

from reconciler import elsewhere, gather, imaging
from reconciler.act import carry_out, intended
from reconciler.dashboards import keep_current
from reconciler.errors import Problem
from reconciler.gating import brake_on, gated
from reconciler.job import Job, Site
from reconciler.model import (
    Action,
    ContainerRef,
    Decision,
    Evidence,
    Failure,
    Keep,
    LedgerEntry,
    Note,
    Report,
    Workload,
    containers,
)
from reconciler.peers import Peers
from reconciler.planning import judged, plan
from reconciler.proposals.group import routed
from reconciler.proposing import Settled, propose
from reconciler.sites import discovered, homes
from reconciler.sizing import advised, decide_all
from reconciler.source.imageowners import owners_of


def reconcile(job: Job) -> Report:
    sites, failed, notes = discovered(job)
    sites, measured = _measure(job, sites)
    failed += measured.failures
    found, advice = zip(*(_decide(job, site, measured) for site in sites), strict=True) if sites else ((), ())
    pictured, remembered = imaging.decided(_pictures(job, sites), job.images, job.now, job.progress)
    rows = [[*mine, *theirs] for mine, theirs in zip(gather.fitting(found), pictured, strict=True)]
    decided = routed([site.repository.name for site in sites], rows)
    brake = brake_on(job, sites, decided, measured.usage)
    settled = [propose(job, site, mine, brake) for site, mine in zip(sites, decided, strict=True)]
    settled = gated(job, settled)
    actions = []
    for one, entries in zip(settled, remembered, strict=True):
        done, broken = _act(job, one, entries, partial=job.partial or bool(failed))
        actions += done
        failed += broken
    proposals = tuple(proposal for one in settled for proposal in one.proposals)
    return Report(
        now=job.now,
        changes=tuple(change for proposal in proposals for change in proposal.changes),
        kept=tuple(keep for one in settled for keep in one.kept),
        proposals=proposals,
        actions=tuple(actions),
        failed=tuple(dict.fromkeys([*job.failed, *failed])),  # one cause is one row
        notes=(
            *job.notes,
            *notes,
            *measured.notes,
            *(note for some in advice for note in some),
            *brake.notes,
        ),
        stats=_stats(sites, settled),
        costs=measured.costs,
    )


def _pictures(job: Job, sites: Sequence[Site]) -> list[imaging.Where]:
    partial = job.partial and job.images is not None
    return [
        imaging.Where(
            site.discovery,
            site.past,
            site.subjects,
            owners_of(site.estate, site.repository.name),
            _beyond(site) if partial else (),
        )
        for site in sites
    ]


def _beyond(site: Site) -> list[gather.Subject]:
    """Those that `only` leaves out."""
    everyone, _ = gather.subjects(site.estate.discoveries[site.repository.name], site.policies)
    meant = {one.container.ref for one in site.subjects}
    return [one for one in everyone if one.container.ref not in meant]


def _measure(job: Job, sites: Sequence[Site]) -> tuple[list[Site], gather.Measured]:
    """What everyone used; and the sites, with twins for whoever has no history."""
    twins = Peers(homes(sites), rule=attrgetter("twins"))
    subjects = [site.subjects for site in sites]
    subjects, found = elsewhere.measured(subjects, twins, job.sources, job.now, job.progress)
    prices, notes = job.prices({ref.cluster for ref, _ in found.usage}, job.now)
    told = [site._replace(subjects=mine) for site, mine in zip(sites, subjects, strict=True)]
    return told, found._replace(notes=(*found.notes, *notes), prices=prices)


class Weighed(NamedTuple):
    """`known` is everyone that was found, whether or not `only` lets them through."""

    evidence: tuple[Evidence, ...]
    failed: tuple[Failure, ...]
    known: tuple[ContainerRef, ...]


def weigh(job: Job) -> Weighed:
    """The evidence alone, of every container that `only` lets through: what `explain` tells."""
    sites, failed, _ = discovered(job)
    sites, measured = _measure(job, sites)
    found = tuple(
        decided.evidence
        for site in sites
        for decided in decide_all([seen for _, seen in _evidence(job, site, measured)])
    )
    found += tuple(imaging.weighed(_pictures(job, sites), job.images, job.now, job.progress))
    everything = [site.estate.discoveries[site.repository.name].workloads for site in sites]
    known = tuple(container.ref for some in everything for _, container in containers(some))
    return Weighed(found, (*job.failed, *failed, *measured.failures), known)


def _evidence(job: Job, site: Site, measured: gather.Measured) -> Iterator[tuple[Workload, Evidence]]:
    known = gather.known_of(measured, site.subjects, site.estate.discoveries.values(), job.nodes)
    for subject in site.subjects:
        seen = gather.evidence(subject, known, site.discovery, site.history, job.now)
        yield subject.workload, elsewhere.beside(subject, seen, measured)


def _decide(
    job: Job, site: Site, measured: gather.Measured
) -> tuple[list[tuple[Workload, Decision]], tuple[Note, ...]]:
    advance = job.progress.step("Deciding", len(site.subjects))
    found = list(_evidence(job, site, measured))
    decided = decide_all([seen for _, seen in found])
    advance(len(found))
    rows = [
        (workload, _of(one.evidence.consumers[0].ref, row))
        for (workload, _), one in zip(found, decided, strict=True)
        for row in one.rows
    ]
    return rows, advised(seen for _, seen in found)


def _of(ref: ContainerRef, decision: Decision) -> Decision:
    return decision._replace(ref=ref) if isinstance(decision, Keep) else decision


def _act(
    job: Job, one: Settled, remembered: Sequence[LedgerEntry], *, partial: bool
) -> tuple[list[Action], list[Failure]]:
    repository, past = one.site.repository, one.site.past
    hidden = any(unit.refused is not None for unit in one.site.discovery.units)
    planned = plan(one.proposals, past, judged(one.decisions, partial, hidden), job.now)
    try:
        writer = repository.write() if job.write else None
        if writer is None:
            return intended(repository.name, planned), []
        forgotten = one.site.history.forgotten
        done, failed = carry_out(
            repository, writer, past, planned, job.now, job.progress, remembered, forgotten
        )
        # a part of the repository alone would make a page that says too little
        shown = [] if job.partial else keep_current(repository, writer.forge, one, done)
        return done, [*failed, *shown]
    except Problem as problem:
        return [], [problem.failure]


def _stats(sites: Sequence[Site], settled: Sequence[Settled]) -> dict[str, int]:
    return {
        "repositories": len(sites),
        "workloads": sum(len(site.discovery.workloads) for site in sites),
        "containers": sum(len(site.subjects) for site in sites),
        "changes": sum(len(proposal.changes) for one in settled for proposal in one.proposals),
        "kept": sum(len(one.kept) for one in settled),
        "proposals": sum(len(one.proposals) for one in settled),
    }

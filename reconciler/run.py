"""One reconcile, top to bottom.

    discover ──► measure ──► decide ──► rewrite ──► propose ──► act

Each step takes the records of the step before it; what fails becomes a row of the report, and
the rest goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from operator import attrgetter
from types import MappingProxyType
from typing import NamedTuple

from reconciler import elsewhere, gather, imaging
from reconciler.act import carry_out, intended, judged, plan
from reconciler.errors import Problem
from reconciler.model import (
    Action,
    Change,
    ContainerRef,
    Decision,
    Discovery,
    Evidence,
    Failure,
    Keep,
    LedgerEntry,
    NodeSize,
    Note,
    Proposal,
    Reason,
    Report,
    Workload,
    containers,
)
from reconciler.peers import Home, Peers, hidden
from reconciler.ports import Files, Past, Policies, Progress, Repository
from reconciler.pricing import Priced, assumed
from reconciler.proposals.build import Base, Templates, build
from reconciler.proposals.group import (
    Candidate,
    Group,
    group,
    hold_frozen,
    hold_savings,
    keep,
    once,
    routed,
)
from reconciler.proposals.history import History, hold_rejected
from reconciler.sizing import advised, decide_all
from reconciler.source.apart import Batch, Result, change_apart
from reconciler.source.estate import Estate, Land
from reconciler.source.imageowners import owners_of
from reconciler.source.overlaying import in_overlays
from reconciler.source.targets import is_meant

Only = Callable[[ContainerRef, str], bool]


class Job(NamedTuple):
    """Everything one run needs, handed in by the wiring."""

    repositories: Sequence[Repository]
    sources: gather.Sources
    policies: Callable[[Repository, Files], Policies]  # the operator's, and those that teams keep in it
    survey: Callable[[Sequence[Land], Progress], Estate]
    templates: Templates
    now: int
    only: Only
    partial: bool  # `only` leaves something out
    write: bool
    progress: Progress
    failed: tuple[Failure, ...] = ()  # targets that could not even be set up
    notes: tuple[Note, ...] = ()
    prices: Callable[[Iterable[str], int], Priced] = assumed  # of the clusters that the run is about
    nodes: Mapping[str, NodeSize] = MappingProxyType({})  # the largest of each cluster
    images: imaging.Looked | None = None  # None where no registry is asked


class Site(NamedTuple):
    """One repository, opened and read. `unmatched` are policies that mean nothing in it."""

    repository: Repository
    files: Files
    policies: Policies
    estate: Estate  # it and all repositories beside it
    discovery: Discovery
    past: Past
    history: History
    subjects: tuple[gather.Subject, ...]
    unmatched: tuple[Note, ...]


class Settled(NamedTuple):
    """What was decided for one repository."""

    site: Site
    decisions: tuple[Decision, ...]
    proposals: tuple[Proposal, ...]
    kept: tuple[Keep, ...]


def reconcile(job: Job) -> Report:
    sites, failed, notes = _discover(job)
    sites, measured = _measure(job, sites)
    failed += measured.failures
    found, advice = zip(*(_decide(job, site, measured) for site in sites), strict=True) if sites else ((), ())
    pictured, remembered = imaging.decided(_pictures(sites), job.images, job.now, job.progress)
    rows = [[*mine, *theirs] for mine, theirs in zip(gather.fitting(found), pictured, strict=True)]
    decided = routed([site.repository.name for site in sites], rows)
    settled = [_propose(job, site, mine) for site, mine in zip(sites, decided, strict=True)]
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
        notes=(*job.notes, *notes, *measured.notes, *(note for some in advice for note in some)),
        stats=_stats(sites, settled),
        costs=measured.costs,
    )


def _pictures(sites: Sequence[Site]) -> list[imaging.Where]:
    return [
        imaging.Where(site.discovery, site.past, site.subjects, owners_of(site.estate, site.repository.name))
        for site in sites
    ]


class _Opened(NamedTuple):
    """One repository, before it is looked at together with the others."""

    repository: Repository
    files: Files
    policies: Policies
    land: Land


def _discover(job: Job) -> tuple[list[Site], list[Failure], list[Note]]:
    """Every repository opened, then looked at together: one may deploy what another holds."""
    opened: list[_Opened] = []
    lost: list[Failure] = []
    advance = job.progress.step("Reading repositories", len(job.repositories))
    for repository in job.repositories:
        try:
            opened.append(_open(job, repository))
        except Problem as problem:
            lost.append(problem.failure)
        advance(1)
    sites: list[Site] = []
    failed: list[Failure] = []
    notes: list[Note] = []
    for one, estate in zip(opened, _surveyed(job, [one.land for one in opened]), strict=True):
        try:
            site, broken = _site(job, one, estate)
        except Problem as problem:
            lost.append(problem.failure)
        else:
            sites.append(site)
            failed += [*site.discovery.failures, *broken]
            notes += site.discovery.notes
    sites = _with_peers(sites, lost)
    return sites, [*lost, *failed], notes + _unmatched_everywhere(sites)


def _open(job: Job, repository: Repository) -> _Opened:
    files = repository.open()
    policies = job.policies(repository, files)
    return _Opened(repository, files, policies, files.land()._replace(mappings=policies.mappings))


def _surveyed(job: Job, lands: Sequence[Land]) -> Iterator[Estate]:
    """The estate around each repository: one for all, but where two are branches of the same."""
    whole = list({land.name: land for land in reversed(lands)}.values())[::-1]
    estate = job.survey(whole, job.progress)
    for land in lands:
        if land in whole:
            yield estate
        else:
            beside = [land if other.name == land.name else other for other in whole]
            yield job.survey(beside, job.progress)


def _unmatched_everywhere(sites: Sequence[Site]) -> list[Note]:
    """A policy of the operator's need not mean something in each repository, only in one."""
    told = dict.fromkeys(note for site in sites for note in site.unmatched)
    return [note for note in told if note.repository or all(note in site.unmatched for site in sites)]


def _site(job: Job, opened: _Opened, estate: Estate) -> tuple[Site, list[Failure]]:
    repository, files, policies, _ = opened
    discovery = estate.discoveries[repository.name]
    past = repository.past()
    chosen = _chosen(job, discovery, past)
    subjects, failed = gather.subjects(chosen, policies)
    on_top = {one.container.ref for one in subjects if one.policy.place == "overlay"}
    if on_top:
        estate = in_overlays(estate, on_top)
        chosen = _chosen(job, estate.discoveries[repository.name], past)
        subjects, failed = gather.subjects(chosen, policies)
    kept = tuple(one for one in subjects if _is_meant(job, one.workload, one.container.ref))
    site = Site(
        repository,
        files,
        policies,
        estate,
        chosen,
        past,
        gather.with_people(files, chosen, subjects, gather.told(discovery, past, job.now), job.now),
        kept,
        policies.unmatched(discovery.workloads),
    )
    return site, failed


def _with_peers(sites: Sequence[Site], lost: Sequence[Failure]) -> list[Site]:
    """Peers are looked for everywhere, whatever `only` leaves out. `lost` are repositories that failed."""
    everything = [site.estate.discoveries[site.repository.name] for site in sites]
    unread = [*lost, *(failure for found in everything for failure in found.failures)]
    peers = Peers(_homes(sites), hidden(unread, [unit for found in everything for unit in found.units]))
    return [site._replace(subjects=tuple(gather.with_peers(site.subjects, peers))) for site in sites]


def _chosen(job: Job, discovery: Discovery, past: Past) -> Discovery:
    """Only the workloads of which `only` lets a container through."""
    wanted = [
        workload
        for workload in discovery.workloads
        if any(_is_meant(job, workload, container.ref) for container in workload.containers)
    ]
    return replace(discovery, workloads=tuple(wanted), notes=(*discovery.notes, *past.notes))


def _is_meant(job: Job, workload: Workload, ref: ContainerRef) -> bool:
    return not job.partial or is_meant(job.only, workload, ref)


def _measure(job: Job, sites: Sequence[Site]) -> tuple[list[Site], gather.Measured]:
    """What everyone used; and the sites, with twins for whoever has no history."""
    twins = Peers(_homes(sites), rule=attrgetter("twins"))
    subjects = [site.subjects for site in sites]
    subjects, found = elsewhere.measured(subjects, twins, job.sources, job.now, job.progress)
    prices, notes = job.prices({ref.cluster for ref, _ in found.usage}, job.now)
    told = [site._replace(subjects=mine) for site, mine in zip(sites, subjects, strict=True)]
    return told, found._replace(notes=(*found.notes, *notes), prices=prices)


def _homes(sites: Sequence[Site]) -> list[Home]:
    return [Home(site.estate.discoveries[site.repository.name].workloads, site.policies) for site in sites]


class Weighed(NamedTuple):
    """`known` is everyone that was found, whether or not `only` lets them through."""

    evidence: tuple[Evidence, ...]
    failed: tuple[Failure, ...]
    known: tuple[ContainerRef, ...]


def weigh(job: Job) -> Weighed:
    """The evidence alone, of every container that `only` lets through: what `explain` tells."""
    sites, failed, _ = _discover(job)
    sites, measured = _measure(job, sites)
    found = tuple(
        decided.evidence
        for site in sites
        for decided in decide_all([seen for _, seen in _evidence(job, site, measured)])
    )
    found += tuple(imaging.weighed(_pictures(sites), job.images, job.now, job.progress))
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


def _propose(job: Job, site: Site, decisions: Sequence[tuple[Workload, Decision]]) -> Settled:
    candidates = once(
        Candidate(decision, workload.unit) for workload, decision in decisions if isinstance(decision, Change)
    )
    kept = [decision for _, decision in decisions if isinstance(decision, Keep)]
    candidates, frozen = hold_frozen(candidates, job.now)
    candidates, refused = hold_rejected(candidates, site.history)
    candidates, later = hold_savings(candidates)
    kept += frozen + refused + later
    proposals = []
    base = Base(site.repository.name, site.repository.base, site.files.commit)
    groups = group(candidates, site.repository.base, site.repository.default_base)
    for one, made in zip(groups, _written(job, site.estate, groups), strict=True):
        proposal, unproven = _proposal(one, made, base, job.templates)
        kept += unproven
        proposals += [proposal] if proposal else []
    changed = [change for proposal in proposals for change in proposal.changes]
    return Settled(site, (*changed, *kept), tuple(proposals), tuple(kept))


def _written(job: Job, estate: Estate, groups: Sequence[Group]) -> list[Result]:
    """Each group's files with their new bytes, proven as if it were the only one."""
    batches = [
        Batch(
            [change.values for change in one.changes],
            [at for at, change in enumerate(one.changes) if change.evidence.policy.derived == "allow"],
        )
        for one in groups
    ]
    advance = job.progress.step("Writing and proving", len(groups))
    made = change_apart(estate, batches)
    advance(len(groups))
    return made


def _proposal(
    one: Group, made: Result, base: Base, templates: Templates
) -> tuple[Proposal | None, list[Keep]]:
    """What is left of a group; a change that can't be proven leaves it."""
    kept = [
        Keep(value.slot, why.reason, why.detail, one.changes[at].stages)
        for at, why in sorted(made.refused.items())
        for value in one.changes[at].values
    ]
    left = tuple(
        change._replace(proofs=made.proofs.get(at, ()))
        for at, change in enumerate(one.changes)
        if at not in made.refused
    )
    files = [change for (repository, _), change in made.files.items() if repository == base.repository]
    if len(files) < len(made.files):
        words = "its values lie in several repositories, which no single merge request can change"
        kept += [one for change in left for one in keep(change, Reason.UNSUPPORTED, words)]
        return None, kept
    if not left or not files:
        return None, kept
    return build(one._replace(changes=left), files, base, templates), kept


def _act(
    job: Job, one: Settled, remembered: Sequence[LedgerEntry], *, partial: bool
) -> tuple[list[Action], list[Failure]]:
    repository, past = one.site.repository, one.site.past
    hidden = any(unit.refused is not None for unit in one.site.discovery.units)
    planned = plan(one.proposals, past, judged(one.decisions, partial, hidden))
    try:
        writer = repository.write() if job.write else None
        if writer is None:
            return intended(repository.name, planned), []
        return carry_out(repository, writer, past, planned, job.now, job.progress, remembered)
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

"""Decisions made into merge requests: held back, grouped, written and proven."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from reconciler.job import Job, Site
from reconciler.model import Change, Decision, Keep, Proposal, Reason, Workload
from reconciler.proposals.body_kept import Owner, by_workload, neighbours
from reconciler.proposals.build import Base, Templates, build
from reconciler.proposals.gates import Brake, Held, hold_alarmed
from reconciler.proposals.group import Candidate, Group, group, hold_frozen, hold_savings, keep, once
from reconciler.proposals.history import hold_rejected
from reconciler.proposals.surface import Surface
from reconciler.source.apart import Batch, Result, change_apart
from reconciler.source.estate import Estate


class Settled(NamedTuple):
    """What was decided for one repository."""

    site: Site
    decisions: tuple[Decision, ...]
    proposals: tuple[Proposal, ...]
    kept: tuple[Keep, ...]
    held: tuple[Held, ...] = ()  # proposals that wait; their changes are among what is kept


def propose(job: Job, site: Site, decisions: Sequence[tuple[Workload, Decision]], brake: Brake) -> Settled:
    candidates = once(
        Candidate(decision, workload.unit) for workload, decision in decisions if isinstance(decision, Change)
    )
    kept = [decision for _, decision in decisions if isinstance(decision, Keep)]
    candidates, unbelieved = hold_alarmed(candidates, brake)
    candidates, frozen = hold_frozen(candidates, job.now)
    candidates, refused = hold_rejected(candidates, site.history, job.now)
    candidates, later = hold_savings(candidates)
    kept += unbelieved + frozen + refused + later
    proposals = []
    base = Base(site.repository.name, site.repository.base, site.files.commit)
    surface, near = site.repository.surface, by_workload(kept)
    groups = group(candidates, site.repository.base, site.repository.default_base)
    for one, made in zip(groups, _written(job, site.estate, groups), strict=True):
        proposal, unproven = _proposal(one, made, base, job.templates, surface, near)
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
    one: Group,
    made: Result,
    base: Base,
    templates: Templates,
    surface: Surface,
    near: Mapping[Owner, Sequence[Keep]],
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
    beside = [*neighbours(left, near), *kept]
    return build(one._replace(changes=left), files, base, templates, surface, beside), kept

"""A first request for what has no history of its own: the need of the same container elsewhere.

Twins add, and raise what was copied from them; they never lower, and count no more once the
container has sound evidence of its own.
"""

from __future__ import annotations

from reconciler.model import Consumer, NoUsage, Reason, SizingPolicy, Usage
from reconciler.sizing.case import Case, with_samples
from reconciler.sizing.estimate import Need, needs_of
from reconciler.sizing.guards.evidence import MIN_SAMPLES, guessed, partial, stale, unsound


def needs_of_twins(case: Case, own: tuple[Need, ...]) -> tuple[Need, ...]:
    """Of those with sound evidence, in the order of their names; none where they don't count."""
    if not case.evidence.twins or not _is_cold(case, own):
        return ()
    found = needs_of(case._replace(consumers=_twins(case), peers=()))
    return tuple(
        need._replace(twin=True)
        for need in found
        if not (unsound(case, need) or guessed(case, need) or partial(case, need) or stale(case, need))
        and _speaks_for(case, need)
    )


def is_thin(used: Usage | NoUsage, sizing: SizingPolicy) -> bool:
    """Whether twins may count at all, before anybody asks for which resource."""
    if isinstance(used, NoUsage):
        return used.reason is Reason.NO_METRICS
    days = sum(1 for day in used.days if day.samples > 0)
    enough = days >= sizing.min_days and used.samples >= MIN_SAMPLES
    return not enough or used.coverage_permille < sizing.min_coverage_permille


def _is_cold(case: Case, own: tuple[Need, ...]) -> bool:
    """Whether everyone on the line has too little history; whose use is told apart from nobody's has some."""
    if any(usage.reason is not Reason.NO_METRICS for _, usage in case.unmeasured):
        return False
    return all(unsound(case, need) for need in own if not need.is_peer)


def _twins(case: Case) -> tuple[Consumer, ...]:
    mine = {one.ref for one in case.consumers}
    found = (one for one in case.evidence.twins if one.peer is not None and mine & {*one.peer.of})
    return tuple(with_samples(one, case.slot) for one in sorted(found, key=lambda one: one.ref))


def _speaks_for(case: Case, need: Need) -> bool:
    """A request that somebody set is another environment's business, unless it was copied from there."""
    cpu, memory = need.consumer.stated
    return case.in_force is None or case.in_force == (cpu if case.resource == "cpu" else memory)

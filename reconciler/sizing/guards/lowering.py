"""What keeps a request from being lowered: nothing goes down against a policy, or on doubtful evidence."""

from __future__ import annotations

from collections.abc import Callable
from fnmatch import fnmatchcase

from reconciler.model import Reason, Refused
from reconciler.sizing import devices, limits, runtimes
from reconciler.sizing.case import Case
from reconciler.sizing.estimate import Need
from reconciler.sizing.guards.censored import at_limit, killed, restarts, throttled
from reconciler.sizing.guards.evidence import coverage, guessed, partial, stale, thin, weekend
from reconciler.sizing.guards.standing import applies, shared_reason
from reconciler.sizing.target import Way

_Guard = Callable[[Case, Need], Refused | None]
_LOWERING: tuple[_Guard, ...] = (
    guessed, partial, thin, weekend, coverage, stale, killed, throttled, at_limit, restarts,
)  # fmt: skip


def lowering(way: Way) -> Refused | None:
    """Nothing is lowered against a policy, nor on thin or censored evidence of anyone whose need counts."""
    answers = (standing(way.case) for standing in _STANDING)
    refused = next((answer for answer in answers if answer), None)
    if refused:
        return refused
    own = [need for need in way.needs if not need.twin]
    found = (guard(way.case, need) for guard in _LOWERING for need in own)
    return next((answer for answer in found if answer), None)


def _only_raised(case: Case) -> Refused | None:
    said = case.evidence.raise_only
    if applies(said, case.resource):
        return Refused(Reason.ONLY_RAISED, f"the annotation {said} lets it only be raised")
    kinds = case.evidence.policy.sizing.raised_only_kinds
    for consumer in case.consumers:
        if any(fnmatchcase(consumer.ref.kind, kind) for kind in kinds):
            return Refused(
                Reason.ONLY_RAISED, f"requests of a {consumer.ref.kind} are only raised by the policy"
            )
    return None


def _planned(case: Case) -> Refused | None:
    if case.planned is None or not case.planned.unknown:
        return None
    return Refused(
        Reason.PLANNED_PEAK,
        f"{case.planned.words}; {case.planned.unknown}, so nothing is lowered until it is over",
    )


def _unmeasured(case: Case) -> Refused | None:
    absent = [usage for _, usage in case.unmeasured]
    if absent and len(absent) == len(case.consumers):  # then only peers are measured
        detail = f"{absent[0].detail}; what peers use is no reason to lower it"
        return Refused(shared_reason(absent), detail)
    for consumer, usage in case.unmeasured:
        return Refused(
            Reason.CONSUMER_WITHOUT_METRICS,
            f"the line also feeds {consumer.ref}, of which no use is known: {usage.detail}",
        )
    for consumer, usage in case.unmeasured_peers:
        return Refused(
            Reason.PEER_WITHOUT_METRICS,
            f"it is sized with its peer {consumer.ref}, of which no use is known: {usage.detail}",
        )
    return None


_STANDING: tuple[Callable[[Case], Refused | None], ...] = (
    _only_raised, devices.only_raised, limits.pair_stays, runtimes.keeps_share, _unmeasured, _planned,
)  # fmt: skip

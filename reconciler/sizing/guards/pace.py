"""Worth and pace: what is too small for a merge request, or comes too soon after the last one."""

from __future__ import annotations

from reconciler.model import LastChange, Reason, Refused
from reconciler.sizing.case import Case
from reconciler.sizing.estimate import Need
from reconciler.sizing.target import Step, Way
from reconciler.sizing.words import DAY, count, figure, span, wait


def replicas(way: Way) -> int:
    """Of everyone that the line feeds; one at least, because none running is no reason either way."""
    seen = {need.consumer.ref: need.usage.replicas for need in way.needs}
    return sum(max(1, seen.get(one.ref, 0) or one.replicas) for one in way.case.consumers)


def too_small(way: Way) -> Refused | None:
    case = way.case
    assert case.in_force is not None
    pods = replicas(way)
    worth = abs(way.target.value - case.in_force) * pods
    if worth >= case.level.smallest_change:
        return None
    return Refused(
        Reason.TOO_SMALL,
        f"{figure(case.resource, way.target.value)} instead of {figure(case.resource, case.in_force)} "
        f"for {count(pods, 'pod')} would move {figure(case.resource, worth)}, "
        f"less than the {figure(case.resource, case.level.smallest_change)} that is worth a merge request",
    )


def standstill(way: Way, step: Step) -> Refused | None:
    """A few per cent of very little is nothing in whole millicores."""
    if step.value != way.case.in_force:
        return None
    figured = figure(way.case.resource, step.value)
    return Refused(Reason.TOO_SMALL, f"a step of at most {step.percent} % of {figured} is less than one unit")


def cool_down(case: Case) -> Refused | None:
    last = case.last_change
    if last is None:
        return None
    left = last.at + case.evidence.policy.sizing.cool_down - case.evidence.now
    if left <= 0:
        return None
    return Refused(
        Reason.COOL_DOWN,
        f"{_last_in_words(case, last)}; the policy waits {span(case.evidence.policy.sizing.cool_down)} "
        f"between changes, {wait(left)} more",
    )


def unmeasured_yet(case: Case, alarmed: tuple[Need, ...]) -> Refused | None:
    """Safety doesn't wait for the cool-down, but for a day measured under the last new value."""
    last = case.last_change
    if last is None or any(need.usage.end >= last.at + DAY for need in alarmed):
        return None
    return Refused(
        Reason.COOL_DOWN,
        f"{_last_in_words(case, last)}, and no whole day has been measured under it yet",
    )


def _last_in_words(case: Case, last: LastChange) -> str:
    ago = max(0, case.evidence.now - last.at)
    old, new = figure(case.resource, last.old), figure(case.resource, last.new)
    return f"it was changed from {old} to {new} {span(ago)} ago"

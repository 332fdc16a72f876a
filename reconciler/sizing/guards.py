"""Every reason not to change a request: one small question each, answered with a `Refused`."""

from __future__ import annotations

from collections.abc import Callable
from fnmatch import fnmatchcase

from reconciler.model import Evidence, LastChange, NoUsage, Reason, Refused, Scaler, Slot, Usage
from reconciler.sizing import limits
from reconciler.sizing.case import Case
from reconciler.sizing.estimate import Need
from reconciler.sizing.target import Step, Way
from reconciler.sizing.words import DAY, count, figure, permille, span, wait

# Below this a percentile says nothing; daily jobs of twenty minutes pass it within two weeks.
MIN_SAMPLES = 50
# What a raise for safety needs: an hour at a sample each five minutes. A kill needs none.
MIN_SAFETY_SAMPLES = 12
# A peak within the last 5 % of a limit was probably cut off by it.
AT_LIMIT_PERCENT = 95

_SCALED_BY = {
    "HorizontalPodAutoscaler": Reason.SCALED_BY_HPA,
    "VerticalPodAutoscaler": Reason.SCALED_BY_VPA,
    "ScaledObject": Reason.SCALED_BY_KEDA,
}

# ---------------------------------------------------------------------------------------------
# Whatever the numbers say
# ---------------------------------------------------------------------------------------------


def outright(evidence: Evidence, slot: Slot) -> Refused | None:
    """People's words and the place in the file come before any number."""
    if _is_opted_out(evidence.opted_out, slot.field.resource):
        return Refused(Reason.OPTED_OUT, f"the annotation {evidence.opted_out} opts it out")
    mine = [one for one in evidence.fed if not slot.consumers or one.ref in slot.consumers]
    if not evidence.policy.sizing.manage_init and any(one.init and not one.sidecar for one in mine):
        return Refused(
            Reason.INIT_CONTAINER,
            "an init container runs for moments, so its use is hardly measured; the policy doesn't manage it",
        )
    return slot.refused


def _is_opted_out(annotation: str, resource: str) -> bool:
    """`KEY: cpu` and `KEY: memory` opt out of that resource alone; anything else of both."""
    said = {word.strip() for word in annotation.rpartition(": ")[2].split(",")}
    return bool(annotation) and (resource in said or not said <= {"cpu", "memory"})


def standing(case: Case) -> Refused | None:
    """What stands in the way for as long as the manifests and the policy stay as they are."""
    if case.slot.value is None and case.level.missing == "keep":
        return Refused(Reason.UNSET, f"no {case.slot.field} is set, and the policy adds none (missing: keep)")
    return _upside_down(case) or _scaled(case)


def _upside_down(case: Case) -> Refused | None:
    """Kubernetes refuses such a container, so what is measured is another one."""
    if case.stated is None or case.limit is None or case.stated <= case.limit:
        return None
    request, limit = figure(case.resource, case.stated), figure(case.resource, case.limit)
    return Refused(
        Reason.LIMIT_BELOW,
        f"the request of {request} is above the limit of {limit}, which Kubernetes refuses: "
        "somebody has to say which of them is meant",
    )


def _scaled(case: Case) -> Refused | None:
    for consumer in case.consumers:
        for scaler in sorted(consumer.scalers):
            if _scales(scaler, case.resource, consumer.ref.container):
                return Refused(
                    _SCALED_BY.get(scaler.kind, Reason.SCALED_BY_HPA),
                    f"{scaler.kind} {scaler.name} ({scaler.path}:{scaler.line}) acts on the {case.resource} "
                    f"of {consumer.ref}; another request would change what it does",
                )
    return _scaled_unseen(case)


def _scaled_unseen(case: Case) -> Refused | None:
    """By a scaler that only the metrics know of."""
    fed = {one.ref for one in case.consumers}
    for one in sorted(case.evidence.consumers, key=lambda one: one.ref):
        if one.ref in fed and isinstance(one.usage, Usage) and case.resource in one.usage.scaled_on:
            return Refused(
                Reason.SCALED_BY_HPA,
                f"the metrics show a HorizontalPodAutoscaler, which isn't in the repository, that scales "
                f"{one.ref} on its {case.resource}; another request would change what it does",
            )
    return None


def _scales(scaler: Scaler, resource: str, container: str) -> bool:
    return resource in scaler.resources and (not scaler.containers or container in scaler.containers)


def without_usage(case: Case) -> Refused:
    """Nobody that the line feeds has metrics: the reason they share, or else that there are none."""
    absent = [usage for _, usage in (*case.unmeasured, *case.unmeasured_peers)]
    if not absent:
        return Refused(Reason.NO_METRICS, "no container is known that gets its value from this line")
    return Refused(_shared_reason(absent), absent[0].detail)


def _shared_reason(absent: list[NoUsage]) -> Reason:
    reasons = {one.reason for one in absent}
    return absent[0].reason if len(reasons) == 1 else Reason.NO_METRICS


# ---------------------------------------------------------------------------------------------
# The evidence
# ---------------------------------------------------------------------------------------------


def thin(case: Case, need: Need) -> Refused | None:
    sizing, usage = case.evidence.policy.sizing, need.usage
    if need.days < sizing.min_days:
        detail = (
            f"the use of {need.whose} is known on {count(need.days, 'day')}, "
            f"and the policy wants {sizing.min_days}"
        )
        return Refused(Reason.THIN_EVIDENCE, detail)
    if usage.samples < MIN_SAMPLES:
        detail = (
            f"only {count(usage.samples, 'sample')} of {need.whose} within the window, "
            f"and fewer than {MIN_SAMPLES} say little"
        )
        return Refused(Reason.THIN_EVIDENCE, detail)
    return None


def coverage(case: Case, need: Need) -> Refused | None:
    wanted, found = case.evidence.policy.sizing.min_coverage_permille, need.usage.coverage_permille
    if found >= wanted:
        return None
    return Refused(
        Reason.LOW_COVERAGE,
        f"{permille(found)} of the samples that {need.whose} should have are there "
        f"({need.usage.samples} of {need.usage.expected}), and the policy wants {permille(wanted)}",
    )


def unsound(case: Case, need: Need) -> Refused | None:
    """Why this evidence carries no change that could as well wait."""
    return thin(case, need) or coverage(case, need)


def guessed(case: Case, need: Need) -> Refused | None:
    if not need.usage.owner_guessed:
        return None
    return Refused(
        Reason.GUESSED_OWNER,
        f"the pods of {need.whose} were found by their names alone, and could be another's",
    )


def partial(case: Case, need: Need) -> Refused | None:
    if not need.usage.incomplete:
        return None
    return Refused(
        Reason.PARTIAL_METRICS,
        f"{need.usage.incomplete}, and what is missing may have held the highest use of {need.whose}",
    )


def killed(case: Case, need: Need) -> Refused | None:
    if not need.kills:
        return None
    return Refused(Reason.OOM_KILLED, f"{need.whose} was {kills_in_words(need)} within the window")


def throttled(case: Case, need: Need) -> Refused | None:
    share, most = need.usage.throttled_permille, case.evidence.policy.sizing.throttled_permille
    if case.resource != "cpu" or share is None or share <= most:
        return None
    return Refused(
        Reason.THROTTLED,
        f"{need.whose} was throttled in {permille(share)} of its periods (over {permille(most)}), "
        "so it would have used more than was measured",
    )


def at_limit(case: Case, need: Need) -> Refused | None:
    limit = case.limit_of(need.consumer)
    if not limit or need.peak * 100 < limit * AT_LIMIT_PERCENT:
        return None
    return Refused(
        Reason.AT_LIMIT,
        f"the peak of {need.whose}, {figure(case.resource, need.peak)}, is at its limit of "
        f"{figure(case.resource, limit)}, so it might have used more than was measured",
    )


def kills_in_words(need: Need) -> str:
    times = count(need.kills, "time")
    at = f" at a limit of {figure('memory', need.killed_at)}" if need.killed_at else ""
    return f"OOM-killed {times}{at}"


# ---------------------------------------------------------------------------------------------
# Lowering
# ---------------------------------------------------------------------------------------------

_Guard = Callable[[Case, Need], Refused | None]
_LOWERING: tuple[_Guard, ...] = (guessed, partial, thin, coverage, killed, throttled, at_limit)


def lowering(way: Way) -> Refused | None:
    """Nothing is lowered against a policy, nor on thin or censored evidence of anyone whose need counts."""
    refused = _only_raised(way.case) or _pair(way.case) or _unmeasured(way.case)
    if refused:
        return refused
    answers = (guard(way.case, need) for guard in _LOWERING for need in way.needs)
    return next((answer for answer in answers if answer), None)


def _only_raised(case: Case) -> Refused | None:
    kinds = case.evidence.policy.sizing.raised_only_kinds
    for consumer in case.consumers:
        if any(fnmatchcase(consumer.ref.kind, kind) for kind in kinds):
            return Refused(
                Reason.ONLY_RAISED, f"requests of a {consumer.ref.kind} are only raised by the policy"
            )
    return None


def _pair(case: Case) -> Refused | None:
    if not limits.paired(case) or limits.may_fall_together(case):
        return None
    why = (
        "memory limits are never lowered"
        if case.resource == "memory"
        else "its line can't be lowered together with the request's"
    )
    return Refused(
        Reason.ONLY_RAISED, f"the policy keeps request and limit equal (limit: equal), and of the limit {why}"
    )


def _unmeasured(case: Case) -> Refused | None:
    absent = [usage for _, usage in case.unmeasured]
    if absent and len(absent) == len(case.consumers):  # then only peers are measured
        detail = f"{absent[0].detail}; what peers use is no reason to lower it"
        return Refused(_shared_reason(absent), detail)
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


# ---------------------------------------------------------------------------------------------
# Worth and pace
# ---------------------------------------------------------------------------------------------


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

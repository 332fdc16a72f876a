"""What would have to change for a kept request to be proposed: time, evidence, a policy, or a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from reconciler.model import Evidence, Field, Keep, Reason
from reconciler.sizing.band import kept_between
from reconciler.sizing.case import Case, open_case
from reconciler.sizing.guards.evidence import MIN_SAMPLES
from reconciler.sizing.words import DAY, count, figure, permille, wait

_TOLD: Final[Mapping[Reason, str]] = {
    Reason.AT_FLOOR: "a lower floor in the policy",
    Reason.AT_CEILING: "a higher ceiling in the policy",
    Reason.ONLY_RAISED: "nothing but a higher need moves it; a policy or an annotation says so",
    Reason.LIMIT_BELOW: "a higher limit, or one that the policy may raise (limit: raise)",
    Reason.HEAP_FLOOR: "a smaller heap or cache; or fixedHeap in the policy, if usage alone shall decide",
    Reason.PERCENTAGE_HEAP: "a heap of a fixed size; or percentageHeap: lower in the policy",
    Reason.HEAP_ABOVE_LIMIT: "a smaller heap or cache, or another rule for its limit",
    Reason.LIMIT_RANGE: "a LimitRange that allows it, in the repository",
    Reason.QUOTA: "a ResourceQuota with more room, or less requested by others in the namespace",
    Reason.NODE_SIZE: "larger nodes, or less in the rest of the pod",
    Reason.QOS_CLASS: "a limit that moves along (limit: equal), or qosClass: change in the policy",
    Reason.ACCELERATOR: "accelerators: manage in the policy",
    Reason.POD_LEVEL: "requests of containers instead of the pod's own (spec.resources)",
    Reason.SCALED_BY_VPA: "an autoscaler that leaves requests alone (updateMode: Off)",
    Reason.NO_METRICS: "samples of it: see that it runs, and that its metrics arrive",
    Reason.PARTIAL_METRICS: "metrics without holes: see what the report lists as failed",
    Reason.STALE_METRICS: "newer samples: see that it still runs, and that its metrics arrive",
    Reason.THROTTLED: "a CPU limit that doesn't hold it back",
    Reason.AT_LIMIT: "a higher limit, under which its true peak shows",
    Reason.RESTARTS: "fewer restarts: find out why it restarts, and whether the last change is the cause",
    Reason.GUESSED_OWNER: "metrics that name the owners of pods (kube-state-metrics)",
    Reason.AMBIGUOUS_CLUSTER: "metricsLabels that tell the clusters apart",
    Reason.CONSUMER_WITHOUT_METRICS: "metrics of the other container on this line, or a line of its own",
    Reason.PEER_WITHOUT_METRICS: "metrics of the peer that has none, or other peers in the policy",
    Reason.OBSERVED: "mode: propose in the policy",
    Reason.OPTED_OUT: "the annotation that opts it out, taken away",
    Reason.PLANNED_PEAK: "the end of the planned peak",
    Reason.INIT_CONTAINER: "initContainers: manage in the policy, and a peak that says more",
    Reason.UNSET: "missing: add in the policy",
}


def remedy(evidence: Evidence, row: Keep) -> str:
    """One line for whoever wonders how long it stays so."""
    case = open_case(evidence, row.slot) if row.slot.field in _REQUESTS else None
    exact = _EXACT.get(row.reason)
    if exact is not None and isinstance(case, Case):
        return exact(case)
    return _TOLD.get(row.reason) or f"docs/reasons.md tells who can mend {row.reason}, and how"


_REQUESTS: Final = (Field.CPU_REQUEST, Field.MEMORY_REQUEST)


def _in_band(case: Case) -> str:
    low, high = (figure(case.resource, bound) for bound in kept_between(case))
    return f"a need below {low} or above {high}"


def _too_small(case: Case) -> str:
    least = figure(case.resource, case.level.smallest_change)
    return f"a difference of {least} or more over all pods, or another smallestChange in the policy"


def _cool_down(case: Case) -> str:
    last = case.last_change
    if last is None:
        return "the end of the cool-down"
    left = max(0, last.at + case.evidence.policy.sizing.cool_down - case.evidence.now)
    return f"{wait(left)} more" if left else "a whole day measured under the last change"


def _thin(case: Case) -> str:
    sizing = case.evidence.policy.sizing
    days = min((sum(1 for day in used.days if day.samples > 0) for _, used in case.measured), default=0)
    samples = min((used.samples for _, used in case.measured), default=0)
    if days < sizing.min_days:
        return f"{count(sizing.min_days - days, 'more day')} with samples"
    if samples < MIN_SAMPLES:
        return f"{count(MIN_SAMPLES - samples, 'more sample')}"
    return "a weekday and a day of a weekend among its days"


def _coverage(case: Case) -> str:
    least = permille(case.evidence.policy.sizing.min_coverage_permille)
    return (
        f"{least} of the expected samples: look for failed scrapes, or wait until the gaps leave the window"
    )


def _killed(case: Case) -> str:
    """A kill leaves the window in the end; under a higher limit it is overcome before."""
    sizing = case.evidence.policy.sizing
    days = [kill.day for _, used in case.measured for kill in used.oom_kills if kill.kills > 0]
    left = max(days, default=0) + sizing.window_days + 1 - case.evidence.now // DAY
    if sizing.quiet_days and sizing.quiet_days < sizing.window_days:
        return (
            f"{count(sizing.quiet_days, 'day')} without a kill under a higher limit, "
            f"or {count(max(1, left), 'more day')} without one under this"
        )
    return f"{count(max(1, left), 'more day')} without another kill"


_EXACT: Final[Mapping[Reason, Callable[[Case], str]]] = {
    Reason.IN_BAND: _in_band,
    Reason.TOO_SMALL: _too_small,
    Reason.COOL_DOWN: _cool_down,
    Reason.THIN_EVIDENCE: _thin,
    Reason.LOW_COVERAGE: _coverage,
    Reason.OOM_KILLED: _killed,
}

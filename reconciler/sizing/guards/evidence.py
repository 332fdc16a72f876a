"""What the evidence can't bear: too little of it, or too old."""

from __future__ import annotations

from itertools import pairwise

from reconciler.model import Reason, Refused
from reconciler.sizing.case import Case
from reconciler.sizing.estimate import Need
from reconciler.sizing.moments import runs_for_moments
from reconciler.sizing.words import DAY, count, permille, span

# Below this a percentile says nothing; daily jobs of twenty minutes pass it within two weeks.
MIN_SAMPLES = 50
# What a raise for safety needs: an hour at a sample each five minutes. A kill needs none.
MIN_SAFETY_SAMPLES = 12
_MONDAY, _SATURDAY = 3, 5  # 1970-01-01 was a Thursday; Monday is 0


def thin(case: Case, need: Need) -> Refused | None:
    sizing, usage = case.evidence.policy.sizing, need.usage
    if need.days < sizing.min_days:
        detail = (
            f"the use of {need.whose} is known on {count(need.days, 'day')}, "
            f"and the policy wants {sizing.min_days}"
        )
        return Refused(Reason.THIN_EVIDENCE, detail)
    least = MIN_SAFETY_SAMPLES if runs_for_moments(need.consumer) else MIN_SAMPLES
    if usage.samples < least:
        detail = (
            f"only {count(usage.samples, 'sample')} of {need.whose} within the window, "
            f"and fewer than {least} say little"
        )
        return Refused(Reason.THIN_EVIDENCE, detail)
    return None


def coverage(case: Case, need: Need) -> Refused | None:
    wanted, found = case.evidence.policy.sizing.min_coverage_permille, need.usage.coverage_permille
    if found >= wanted or runs_for_moments(need.consumer):
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
    if not need.usage.incomplete or _long_known(case, need):
        return None
    return Refused(
        Reason.PARTIAL_METRICS,
        f"{need.usage.incomplete}, and what is missing may have held the highest use of {need.whose}",
    )


def _long_known(case: Case, need: Need) -> bool:
    """Only the begin of the window is forgotten, and the rest is as long as the policy wants."""
    wanted, last = case.evidence.policy.sizing.known_days, need.usage.forgotten
    return bool(wanted and last) and need.usage.end // DAY - last >= wanted


def weekend(case: Case, need: Need) -> Refused | None:
    """Whether it was lived through, not whether it was busy: many a workload has none, and sleeps."""
    days = [day.day for day in need.usage.days if day.samples > 0]
    if not case.evidence.policy.sizing.weekend or not days:
        return None
    kinds = {(day + _MONDAY) % 7 >= _SATURDAY for day in range(days[0], days[-1] + 1)}
    if kinds == {True, False}:
        return None
    missing = "day of a weekend" if False in kinds else "weekday"
    return Refused(
        Reason.THIN_EVIDENCE,
        f"the use of {need.whose} is known on {count(len(days), 'day')}, "
        f"and not one {missing} lies among them, or between them",
    )


def stale(case: Case, need: Need) -> Refused | None:
    """Silent for longer than the policy allows, and for longer than it ever was before."""
    allowed = case.evidence.policy.sizing.stale_after
    if not allowed:
        return None
    days = [day.day for day in need.usage.days if day.samples > 0]
    longest = max((later - day for day, later in pairwise(days)), default=0) * DAY
    silent = case.evidence.now - need.usage.end
    if silent < max(allowed, longest + DAY) + DAY:  # a day that has begun is no day more
        return None
    return Refused(
        Reason.STALE_METRICS,
        f"the last sample of {need.whose} is {span(silent)} old, "
        f"and the policy wants one of the last {span(allowed)}",
    )

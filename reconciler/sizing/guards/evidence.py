"""What the evidence can't bear: too little of it, or use that something cut off."""

from __future__ import annotations

from reconciler.model import Reason, Refused
from reconciler.sizing.case import Case
from reconciler.sizing.estimate import Need
from reconciler.sizing.words import count, figure, permille

# Below this a percentile says nothing; daily jobs of twenty minutes pass it within two weeks.
MIN_SAMPLES = 50
# What a raise for safety needs: an hour at a sample each five minutes. A kill needs none.
MIN_SAFETY_SAMPLES = 12
# A peak within the last 5 % of a limit was probably cut off by it.
AT_LIMIT_PERCENT = 95


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

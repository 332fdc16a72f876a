"""Use that something cut off: what was measured is less than what would have been used."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.model import DayPeaks, Reason, Refused
from reconciler.sizing.case import Case
from reconciler.sizing.estimate import Need
from reconciler.sizing.words import DAY, count, figure, permille, span

# A peak within the last 5 % of a limit was probably cut off by it.
AT_LIMIT_PERCENT = 95


def killed(case: Case, need: Need) -> Refused | None:
    if not need.kills or _overcome(case, need):
        return None
    return Refused(Reason.OOM_KILLED, f"{need.whose} was {kills_in_words(need)} within the window")


def _overcome(case: Case, need: Need) -> bool:
    """Its limit is a higher one now, and under it the container has long lived through its peaks.

    What the kills prove stays part of the need.
    """
    quiet, limit = case.evidence.policy.sizing.quiet_days, case.limit_of(need.consumer)
    kills = [kill for kill in need.usage.oom_kills if kill.kills > 0]
    last = max(kill.day for kill in kills)
    if not quiet or not all(kill.limit for kill in kills) or (limit and limit <= need.killed_at):
        return False
    return sum(1 for day in need.usage.days if day.samples > 0 and day.day > last) >= quiet


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
    for limit, top in _under_limits(case, need):
        if limit and top * 100 >= limit * AT_LIMIT_PERCENT:
            figured = figure(case.resource, limit)
            mine = limit == case.limit_of(need.consumer)
            which = f"its limit of {figured}" if mine else f"the limit of {figured} that it had until lately"
            return Refused(
                Reason.AT_LIMIT,
                f"the peak of {need.whose}, {figure(case.resource, top)}, is at {which}, "
                "so it might have used more than was measured",
            )
    return None


def _under_limits(case: Case, need: Need) -> Iterator[tuple[int, int]]:
    """Each limit within the window, and the peak under it.

    What a limit cut off that was raised since says nothing any more, once as many days have been seen
    under the new one as evidence has to have.
    """
    limit, moved = case.limit_of(need.consumer) or 0, case.last_limit_change
    if moved is None or case.is_peer(need.consumer):
        yield limit, need.peak
        return
    day = moved.at // DAY
    later = [one for one in need.usage.days if one.samples > 0 and one.day > day]
    if len(later) < case.evidence.policy.sizing.min_days:
        yield moved.old, _top(case, [one for one in need.usage.days if one.day <= day])
    yield limit, _top(case, [one for one in need.usage.days if one.day >= day])


def _top(case: Case, days: list[DayPeaks]) -> int:
    return max((day.cpu_max if case.resource == "cpu" else day.memory_max for day in days), default=0)


def restarts(case: Case, need: Need) -> Refused | None:
    """More often since the last change than before it: whatever the cause, nothing more is taken away."""
    most, last = case.evidence.policy.sizing.most_restarts, max(case.evidence.last_changes, default=None)
    if not most or last is None or case.is_peer(need.consumer):
        return None
    day = last.at // DAY
    days = [one.day for one in need.usage.days if one.samples > 0]
    days_before, days_after = sum(1 for one in days if one < day), sum(1 for one in days if one > day)
    before = sum(one.restarts for one in need.usage.restart_days if one.day < day)
    after = sum(one.restarts for one in need.usage.restart_days if one.day > day)
    # The day itself has both; and what was never seen before the change is nothing to compare with.
    if after < most or not days_before or after * days_before <= 2 * before * max(1, days_after):
        return None
    return Refused(
        Reason.RESTARTS,
        f"{need.whose} restarted {count(after, 'time')} on the {count(days_after, 'day')} after its last "
        f"change, {span(max(0, case.evidence.now - last.at))} ago, and {count(before, 'time')} on the "
        f"{count(days_before, 'day')} before it",
    )


def kills_in_words(need: Need) -> str:
    times = count(need.kills, "time")
    at = f" at a limit of {figure('memory', need.killed_at)}" if need.killed_at else ""
    return f"OOM-killed {times}{at}"

"""Memory that rises and rises: a leak, or data that grows. It is told, and where a policy says so not chased.

The slope is the median of those between any two days (Theil and Sen), so one odd day moves nothing.
Two days between which the container restarted say nothing of each other: a restart empties it.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator
from typing import Final, NamedTuple

from reconciler.model import DayPeaks, Reason, Refused, Usage
from reconciler.sizing.case import Case
from reconciler.sizing.estimate import Need
from reconciler.sizing.estimators import named
from reconciler.sizing.words import count, figure

LEAST_DAYS: Final = 7
_LEAST_PAIRS: Final = LEAST_DAYS * (LEAST_DAYS - 1) // 2
_RISING_PERMILLE: Final = 900  # of all pairs of days: the later one is the higher one
_WEEKLY_PERCENT: Final = 5  # of the median peak; slower than that, it lasts for months


class Rise(NamedTuple):
    """Of the daily peaks of memory."""

    a_day: int  # bytes
    days: int

    def __str__(self) -> str:
        over = count(self.days, "day")
        return f"its memory rises by {figure('memory', self.a_day)} a day, over {over}: it may be leaking"


def rise_of(usage: Usage) -> Rise | None:
    """None where it goes up and down, or hardly up."""
    days = sorted((day for day in usage.days if day.samples > 0), key=lambda day: day.day)
    if len(days) < LEAST_DAYS:
        return None
    restarts = [one.day for one in usage.restart_days if one.restarts > 0]
    if not restarts and not _may_rise([day.memory_max for day in days]):
        return None
    slopes = sorted(_slopes(days, restarts))
    if len(slopes) < _LEAST_PAIRS:
        return None
    rising = sum(1 for slope in slopes if slope > 0)
    slope, middle = slopes[len(slopes) // 2], sorted(day.memory_max for day in days)[len(days) // 2]
    if rising * 1000 < len(slopes) * _RISING_PERMILLE or slope * 7 * 100 < middle * _WEEKLY_PERCENT:
        return None
    return Rise(slope, len(days))


def _may_rise(peaks: list[int]) -> bool:
    """Whether enough pairs of days go up at all; quickly, for hardly any container's do."""
    rising, before = 0, list[int]()
    for peak in peaks:
        lower = bisect_left(before, peak)
        rising += lower
        insort(before, peak, lower)
    return rising * 2000 >= len(peaks) * (len(peaks) - 1) * _RISING_PERMILLE


def _slopes(days: list[DayPeaks], restarts: list[int]) -> Iterator[int]:
    """Bytes a day between any two days of one life. On the day of a restart, both lives are seen."""
    lives = [sum(1 for restart in restarts if restart <= day.day) for day in days]
    for later, (day, life) in enumerate(zip(days, lives, strict=True)):
        for earlier in range(later):
            before = days[earlier]
            if lives[earlier] == life and before.day not in restarts:
                yield (day.memory_max - before.memory_max) // (day.day - before.day)


def chased(case: Case, pressing: list[Need]) -> Refused | None:
    """More memory only lets a leak live longer: with estimator `trend` it is for somebody to mend."""
    if case.resource != "memory" or named(case.level, case.resource) != "trend":
        return None
    found = [(need, rise_of(need.usage)) for need in pressing]
    if not found or not all(rise for _, rise in found):
        return None
    need, rise = found[0]
    return Refused(
        Reason.LEAKING,
        f"of {need.whose} {rise}, and more memory would only put off the end (estimator: trend)",
    )


def in_words(case: Case, need: Need) -> str:
    """What a reviewer of a raise should hear; `""` of anything else."""
    if case.resource != "memory" or case.in_force is None or need.wanted <= case.in_force:
        return ""
    rise = rise_of(need.usage)
    return str(rise) if rise else ""

"""The hours of the week in which containers need most CPU, found while days are read one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import nlargest
from typing import Final

import numpy as np

from reconciler.model import BusyHour
from reconciler.usage.days import HOURS
from reconciler.usage.parquet import NONE
from reconciler.usage.sketch import Ints

MOST: Final = 3
_DAYS: Final = 7
WEEK: Final = _DAYS * HOURS
_MONDAY: Final = 3  # 1970-01-01 was a Thursday
_MOST_MILLICORES: Final = (1 << 31) - 1  # what the table holds
_LATER_LAST: Final = np.arange(WEEK)[::-1]  # of hours that are equally busy
_BLOCK: Final = 1024  # containers whose hours are ranked together


class BusyHours:
    """Of some containers the highest value that each hour of the week had, and in how many weeks any."""

    def __init__(self, containers: Ints) -> None:
        """`containers` are their numbers, ascending."""
        self._containers = containers
        self._highest = np.full((len(containers), WEEK), NONE, np.int32)
        self._weeks = np.zeros((len(containers), WEEK), np.uint16)

    def add(self, containers: Ints, days: Ints, hours: Ints) -> None:
        """24 hours for each entry, NONE for one without samples. A container's day comes once."""
        lines = np.searchsorted(self._containers, containers)
        hours = np.minimum(hours, _MOST_MILLICORES).astype(np.int32)
        for day in np.unique(days).tolist():
            mine = np.flatnonzero(days == day)
            begin = (day + _MONDAY) % _DAYS * HOURS
            highest, weeks = (each[:, begin : begin + HOURS] for each in (self._highest, self._weeks))
            at, found = lines[mine], hours[mine]
            highest[at] = np.maximum(highest[at], found)
            weeks[at] += found >= 0

    def busiest(self) -> dict[int, tuple[BusyHour, ...]]:
        """By container the hours that rank highest, of equals the first of the week."""
        found: dict[int, tuple[BusyHour, ...]] = {}
        for begin in range(0, len(self._containers), _BLOCK):
            here = slice(begin, begin + _BLOCK)
            ranked = _ranked(self._highest[here].astype(np.int64), self._weeks[here].astype(np.int64))
            found.update(zip(self._containers[here].tolist(), ranked, strict=True))
        return found


def busiest_of(first: int, hours: Ints) -> tuple[BusyHour, ...]:
    """The same of one container: 24 hours for each day from the first on, whether it lived then or not."""
    since_monday = (first + _MONDAY) % _DAYS
    whole = np.full((-(-(since_monday + len(hours)) // _DAYS) * _DAYS, HOURS), NONE, np.int64)
    whole[since_monday : since_monday + len(hours)] = hours
    weeks = whole.reshape(-1, WEEK)
    ranks = np.minimum(weeks.max(axis=0, initial=NONE), _MOST_MILLICORES) * WEEK + _LATER_LAST
    best = (divmod(rank, WEEK) for rank in nlargest(MOST, ranks.tolist()))
    found = [(WEEK - 1 - after, cpu) for cpu, after in best if cpu != NONE]
    return tuple(BusyHour(hour, cpu, int((weeks[:, hour] != NONE).sum())) for hour, cpu in found)


def _ranked(highest: Ints, weeks: Ints) -> Iterator[tuple[BusyHour, ...]]:
    """A line of the week's hours for each container."""
    ranks = highest * WEEK + _LATER_LAST
    best = np.sort(np.partition(ranks, -MOST, axis=1)[:, -MOST:], axis=1)[:, ::-1]
    cpu, after = np.divmod(best, WEEK)
    hours = WEEK - 1 - after
    found = (column.tolist() for column in (hours, cpu, np.take_along_axis(weeks, hours, axis=1)))
    for columns in zip(*found, strict=True):
        yield tuple(one for one in map(BusyHour, *columns) if one.weeks)

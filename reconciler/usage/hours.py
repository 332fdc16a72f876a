"""The hours of the week in which containers need most CPU, found while days are read one after the other."""

from __future__ import annotations

from collections.abc import Iterator
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
        return dict(self._ranked())

    def _ranked(self) -> Iterator[tuple[int, tuple[BusyHour, ...]]]:
        for begin in range(0, len(self._containers), _BLOCK):
            here = slice(begin, begin + _BLOCK)
            ranks = self._highest[here].astype(np.int64) * WEEK + np.arange(WEEK)[::-1]
            best = np.sort(np.partition(ranks, -MOST, axis=1)[:, -MOST:], axis=1)[:, ::-1]
            cpu, after = np.divmod(best, WEEK)
            hours = WEEK - 1 - after
            weeks = np.take_along_axis(self._weeks[here], hours, axis=1)
            found = (column.tolist() for column in (self._containers[here], hours, cpu, weeks))
            for number, *columns in zip(*found, strict=True):
                yield number, tuple(one for one in map(BusyHour, *columns) if one.weeks)

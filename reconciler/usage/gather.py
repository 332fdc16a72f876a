"""The rows that count, read and merged for all containers at once.

Files are read one after the other and boiled down at once to (container, bucket) → count, so
memory grows with the number of containers and not with the length of the window.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from reconciler.errors import Problem
from reconciler.model import BusyHour, Failure, Sketch
from reconciler.usage.checks import check_busy_hours, check_numbers, check_sketches
from reconciler.usage.days import COLUMNS, HOURS, SKETCHES
from reconciler.usage.decay import WHOLE, Decay
from reconciler.usage.hours import BusyHours
from reconciler.usage.index import Index, Rows
from reconciler.usage.parquet import Columns, Footer, Lists, read_groups
from reconciler.usage.rows import take_lists
from reconciler.usage.sketch import Ints
from reconciler.usage.sums import Sums

# Names were read with the index, and of the hours one column says how busy they were.
_HOURS = "hour_cpu_p95"
READ = [
    column.name
    for column in COLUMNS
    if column.kind != "text" and (not column.is_hours or column.name == _HOURS)
]
_P95 = 950


class Gathered(NamedTuple):
    """Every row that counts with its numbers, and the sketches of each container."""

    rows: Rows
    numbers: dict[str, Ints]  # by column, one entry a row
    sketches: dict[str, dict[int, Sketch]]  # by sketch and container
    busy: dict[int, tuple[BusyHour, ...]]  # by container
    decayed: dict[int, Sketch]  # of CPU, by container; none when nobody asked for it


class _Totals:
    """What is added up of each container while its rows pass by."""

    def __init__(self, index: Index, rows: Rows, decay: Decay | None) -> None:
        self._sums = {name: Sums(len(index.refs)) for name in SKETCHES}
        self._busy = BusyHours(np.unique(rows.ref))
        self._decay = decay
        self._decayed = Sums(len(index.refs))

    def add(self, rows: Rows, columns: Columns, at: Ints) -> None:
        """`at` says where the rows stand in the columns; containers ascend."""
        for name, (values, counts) in SKETCHES.items():
            found = take_lists(columns.lists[values], at)
            numbers = take_lists(columns.lists[counts], at)
            self._sums[name].add(rows.ref, found, numbers.values)
            if name == "cpu" and self._decay is not None:
                weights = np.repeat(self._decay.of(rows.day), np.diff(numbers.offsets))
                self._decayed.add(rows.ref, found, numbers.values * weights)
        hours = columns.lists[_HOURS].values.reshape(-1, HOURS)
        self._busy.add(rows.ref, rows.day, hours[at])

    def sketches(self) -> dict[str, dict[int, Sketch]]:
        return {name: found.sketches() for name, found in self._sums.items()}

    def decayed(self) -> dict[int, Sketch]:
        return self._decayed.sketches(WHOLE)

    def busy(self) -> dict[int, tuple[BusyHour, ...]]:
        return self._busy.busiest()


def gather(index: Index, rows: Rows, decay: Decay | None = None) -> tuple[Gathered, dict[int, Failure]]:
    """Read these rows. Files whose rows turn out to be damaged are failures, by their number."""
    totals = _Totals(index, rows, decay)
    parts: list[tuple[Rows, dict[str, Ints]]] = []
    broken: dict[int, Failure] = {}
    for file in np.unique(rows.file).tolist():
        mine = rows.take(rows.file == file)
        try:
            for footer, columns in read_groups(index.footers[file], READ):
                check_sketches(footer, columns)
                check_numbers(footer, columns)
                check_busy_hours(footer, columns)
                parts.append(_add(mine, footer, columns, totals))
        except Problem as problem:
            broken[file] = problem.failure
    return _together(parts, totals), broken


def _add(rows: Rows, footer: Footer, columns: Columns, totals: _Totals) -> tuple[Rows, dict[str, Ints]]:
    """Add the sketches and hours of the rows in this part of a file, and hand back their other numbers."""
    here = rows.take((rows.row >= footer.before) & (rows.row < footer.before + footer.rows))
    here = here.take(np.argsort(here.ref, kind="stable"))
    at = here.row - footer.before
    totals.add(here, columns, at)
    return here, _numbers(columns, at)


def _together(parts: list[tuple[Rows, dict[str, Ints]]], totals: _Totals) -> Gathered:
    found = totals.sketches(), totals.busy(), totals.decayed()
    if not parts:
        return Gathered(Rows(*(np.zeros(0, np.int64) for _ in Rows._fields)), {}, *found)
    rows = Rows(*(np.concatenate(column) for column in zip(*(part[0] for part in parts), strict=True)))
    order = np.lexsort((rows.day, rows.ref))
    # One column after the other, so that no more than one is there twice.
    numbers = {name: np.concatenate([part[1].pop(name) for part in parts])[order] for name in [*parts[0][1]]}
    return Gathered(rows.take(order), numbers, *found)


def _numbers(columns: Columns, at: Ints) -> dict[str, Ints]:
    found = {name: column[at] for name, column in columns.ints.items()}
    values, counts = SKETCHES["cpu"]
    found["cpu_p95"] = quantiles(columns.lists[values], columns.lists[counts], _P95)[at]
    return found


def quantiles(values: Lists, counts: Lists, permille: int) -> Ints:
    """The quantile of the sketch in each row; 0 where it is empty."""
    found = np.zeros(len(values.offsets) - 1, np.int64)
    full = np.diff(values.offsets) > 0
    running = np.concatenate(([0], np.cumsum(counts.values)))
    before = running[counts.offsets[:-1][full]]
    total = running[counts.offsets[1:][full]] - before
    wanted = np.maximum(1, -(-total * permille // 1000))
    found[full] = values.values[np.searchsorted(running, before + wanted, side="left") - 1]
    return found

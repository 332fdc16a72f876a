"""The rows that count, read and merged for all containers at once.

Files are read one after the other and boiled down at once to (container, bucket) → count, so
memory grows with the number of containers and not with the length of the window.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from reconciler.errors import Problem
from reconciler.model import Failure, Sketch
from reconciler.usage import sketch
from reconciler.usage.checks import check_keys, check_numbers, check_sketches, lasts
from reconciler.usage.days import COLUMNS, SKETCHES
from reconciler.usage.index import Index, Rows
from reconciler.usage.parquet import Columns, Footer, Lists, read_columns
from reconciler.usage.sketch import Ints

# The hours are for later questions; not reading them saves a third of the time.
READ = [column.name for column in COLUMNS if not column.is_hours]
_AT_ONCE = 4_000_000  # entries that wait to be added up
_P95 = 950


class Gathered(NamedTuple):
    """Every row that counts with its numbers, and the sketches of each container."""

    rows: Rows
    numbers: dict[str, Ints]  # by column, one entry a row
    sketches: dict[str, dict[int, Sketch]]  # by sketch and container


class Sums:
    """Counts by container and bucket, added up in between so that they don't pile up."""

    def __init__(self, containers: int) -> None:
        self._keys: list[Ints] = []
        self._counts: list[Ints] = []
        self._waiting = 0
        self._tops = np.zeros(containers, np.int64)

    def add(self, containers: Ints, values: Lists, counts: Ints) -> None:
        """`containers` has one entry a row of `values`."""
        buckets = sketch.buckets_of(values.values)
        keys = np.repeat(containers, np.diff(values.offsets)) * sketch.BUCKETS + buckets
        np.maximum.at(self._tops, containers, lasts(values))
        self._keys.append(keys)
        self._counts.append(counts)
        self._waiting += len(keys)
        if self._waiting > _AT_ONCE:
            self._add_up()

    def _add_up(self) -> None:
        if self._keys:
            keys, counts = sketch.add_up(np.concatenate(self._keys), np.concatenate(self._counts))
            self._keys, self._counts, self._waiting = [keys], [counts], 0

    def sketches(self) -> dict[int, Sketch]:
        self._add_up()
        if not self._keys:
            return {}
        keys, counts = self._keys[0], self._counts[0]
        owners, buckets = np.divmod(keys, sketch.BUCKETS)
        cuts = np.flatnonzero(np.diff(owners)) + 1
        begins = [0, *cuts.tolist()]
        ends = [*cuts.tolist(), len(keys)]
        return {
            owner: sketch.of_buckets(buckets[begin:end], counts[begin:end], top)
            for owner, begin, end, top in zip(
                owners[begins].tolist(), begins, ends, self._tops[owners[begins]].tolist(), strict=True
            )
            if end > begin
        }


def gather(index: Index, rows: Rows) -> tuple[Gathered, dict[int, Failure]]:
    """Read these rows. Files whose rows turn out to be damaged are failures, by their number."""
    sums = {name: Sums(len(index.refs)) for name in SKETCHES}
    parts: list[tuple[Rows, dict[str, Ints]]] = []
    broken: dict[int, Failure] = {}
    for file in np.unique(rows.file).tolist():
        mine = rows.take(rows.file == file)
        mine = mine.take(np.argsort(mine.row))
        try:
            columns = _read(index.footers[file])
        except Problem as problem:
            broken[file] = problem.failure
            continue
        parts.append((mine, _numbers(columns, mine)))
        for name, (values, counts) in SKETCHES.items():
            found = _take(columns.lists[values], mine.row)
            sums[name].add(mine.ref, found, _take(columns.lists[counts], mine.row).values)
    return _together(parts, sums), broken


def _read(footer: Footer) -> Columns:
    columns = read_columns(footer, READ)
    check_keys(footer, columns)
    check_sketches(footer, columns)
    check_numbers(footer, columns)
    return columns


def _together(parts: list[tuple[Rows, dict[str, Ints]]], sums: dict[str, Sums]) -> Gathered:
    sketches = {name: found.sketches() for name, found in sums.items()}
    if not parts:
        return Gathered(Rows(*(np.zeros(0, np.int64) for _ in Rows._fields)), {}, sketches)
    rows = Rows(*(np.concatenate(column) for column in zip(*(part[0] for part in parts), strict=True)))
    numbers = {name: np.concatenate([part[1][name] for part in parts]) for name in parts[0][1]}
    order = np.lexsort((rows.day, rows.ref))
    return Gathered(rows.take(order), {name: column[order] for name, column in numbers.items()}, sketches)


def _numbers(columns: Columns, rows: Rows) -> dict[str, Ints]:
    found = {name: column[rows.row] for name, column in columns.ints.items()}
    values, counts = SKETCHES["cpu"]
    found["cpu_p95"] = quantiles(columns.lists[values], columns.lists[counts], _P95)[rows.row]
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


def _take(lists: Lists, rows: Ints) -> Lists:
    """These rows, in this order."""
    lengths = np.diff(lists.offsets)[rows]
    offsets = np.concatenate(([0], np.cumsum(lengths)))
    if len(rows) == len(lists.offsets) - 1 and offsets[-1] == len(lists.values):
        return Lists(offsets, lists.values)  # all of them: rows are ascending
    entries = np.arange(offsets[-1]) + np.repeat(lists.offsets[:-1][rows] - offsets[:-1], lengths)
    return Lists(offsets, lists.values[entries])

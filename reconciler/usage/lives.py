"""Containers with all their days out of files of a recording, some hundred containers at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from reconciler.errors import Problem
from reconciler.model import ContainerRef, Failure
from reconciler.usage.checks import check_days
from reconciler.usage.days import COLUMNS
from reconciler.usage.index import Index, Rows, Window, build_index, rows_that_count
from reconciler.usage.parquet import Columns, read_groups
from reconciler.usage.rows import concatenate, take

_TOGETHER: Final = 20_000  # rows that are in memory at once, about
_EVERY: Final = [column.name for column in COLUMNS]


class Life(NamedTuple):
    """One container: a row for each of its days in the window, ascending."""

    ref: ContainerRef
    in_pod: int  # containers that its workload has, as far as the files know
    rows: Columns


class Lives:
    """Read each time that they are gone through: all of a large recording needn't fit in memory."""

    def __init__(
        self, paths: Sequence[Path], meant: Callable[[ContainerRef], bool], start: int, end: int
    ) -> None:
        self._index, failures = build_index(paths)
        self._window = Window.between(start, end)
        every = range(len(self._index.refs))
        wanted = [number for number in every if meant(self._index.refs[number])]
        rows = rows_that_count(self._index, wanted, self._window)
        self.days = len(np.unique(rows.day))
        self._wanted = sorted(np.unique(rows.ref).tolist(), key=lambda number: self._index.refs[number])
        self._in_pods = Counter(ref[:4] for ref in self._index.refs)
        self._failures = dict.fromkeys(failures)

    @property
    def failures(self) -> tuple[Failure, ...]:
        """Files that can't be used; complete when all were gone through."""
        return tuple(self._failures)

    @property
    def refs(self) -> list[ContainerRef]:
        return [self._index.refs[number] for number in self._wanted]

    def __len__(self) -> int:
        return len(self._wanted)

    def __iter__(self) -> Iterator[Life]:
        size = max(1, _TOGETHER // max(1, self.days))
        for begin in range(0, len(self._wanted), size):
            yield from self._some(self._wanted[begin : begin + size])

    def _some(self, numbers: list[int]) -> Iterator[Life]:
        found, columns = self._read(numbers)
        order = np.lexsort((found.day, found.ref))
        refs = found.ref[order]
        for number in numbers:
            begin, end = np.searchsorted(refs, [number, number + 1]).tolist()
            if end > begin:
                ref = self._index.refs[number]
                yield Life(ref, self._in_pods[ref[:4]], take(columns, order[begin:end]))

    def _read(self, numbers: list[int]) -> tuple[Rows, Columns]:
        """A file that turns out to be damaged is left out from then on; others may have its rows."""
        while True:
            rows, keys, parts = rows_that_count(self._index, numbers, self._window), [], []
            broken = -1
            for file in np.unique(rows.file).tolist():
                try:
                    for here, columns in _parts(self._index, rows.take(rows.file == file), file):
                        keys.append(here)
                        parts.append(columns)
                except Problem as problem:
                    self._failures[problem.failure] = None
                    broken = file
                    break
            if broken < 0:
                together = [np.concatenate(column) for column in zip(*keys, strict=True)]
                return (Rows(*together) if keys else rows), concatenate(parts)
            self._index = self._index.without([broken])


def _parts(index: Index, rows: Rows, file: int) -> Iterator[tuple[Rows, Columns]]:
    for footer, columns in read_groups(index.footers[file], _EVERY, rows.row):
        check_days(footer, columns)
        here = rows.take((rows.row >= footer.before) & (rows.row < footer.before + footer.rows))
        yield here, take(columns, here.row - footer.before)

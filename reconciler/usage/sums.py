"""Sketches of many containers, added up while files are read one after the other.

Counts lie in a table of containers and buckets, as long as that is no larger than what it holds is
worth; from then on in lists that are added up now and then. Both know every (container, bucket) by
one number, its key.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from reconciler.model import Sketch
from reconciler.usage import sketch
from reconciler.usage.checks import lasts
from reconciler.usage.parquet import Lists
from reconciler.usage.sketch import BUCKETS, Ints

_MOST_CELLS = 8_000_000  # of a table
_ROOM = 32  # by so many buckets a table grows at least
_AT_ONCE = 1_000_000  # entries that wait to be added up
_BLOCK = 128  # containers that are added up, or become records, together

_Counted = tuple[Ints, Ints]  # keys, ascending, and their counts


class Sums:
    """The sketch of each container."""

    def __init__(self, containers: int) -> None:
        self._tops = np.zeros(containers, np.int64)
        self._counts: _Table | _Parts = _Table(containers)

    def add(self, containers: Ints, values: Lists, counts: Ints) -> None:
        """`containers` has one entry a row of `values`, ascending."""
        if not len(values.values):
            return
        np.maximum.at(self._tops, containers, lasts(values))
        buckets = sketch.buckets_of(values.values)
        lengths = np.diff(values.offsets)
        if isinstance(self._counts, _Table):
            if self._counts.reaches(int(buckets.min()), int(buckets.max())):
                self._counts.add(containers, lengths, buckets, counts)
                return
            self._counts = _Parts(len(self._tops), self._counts)
        self._counts.add(np.repeat(containers * BUCKETS, lengths) + buckets, counts)

    def sketches(self, sample: int = 1) -> dict[int, Sketch]:
        """The records, of all that have samples, which count as `sample`. Nothing can be added afterwards."""
        found: dict[int, Sketch] = {}
        for keys, counts in self._counts.blocks():
            containers, buckets = np.divmod(keys, BUCKETS)
            begins = np.flatnonzero(np.diff(containers, prepend=-1))
            known = containers[begins]
            owners = np.repeat(np.arange(len(known)), np.diff(begins, append=len(containers)))
            many = sketch.finished(owners, buckets, counts, self._tops[known], sample)
            found.update(zip(known.tolist(), sketch.records(many), strict=True))
        self._counts = _Table(0)
        return found


class _Table:
    """A line a container, a column a bucket; only of buckets about as large as those that occur."""

    def __init__(self, containers: int) -> None:
        self._cells = np.zeros((containers, 0), np.int32)
        self._low = 0
        self._total = 0

    def reaches(self, low: int, high: int) -> bool:
        """Whether these buckets have columns, or could be given some."""
        containers, width = self._cells.shape
        if self._low <= low and high < self._low + width:
            return True
        first = max(0, (min(low, self._low) if width else low) - _ROOM)
        end = min(BUCKETS, max(high + 1, self._low + width) + _ROOM)
        if containers * (end - first) > _MOST_CELLS:
            return False
        cells = np.zeros((containers, end - first), self._cells.dtype)
        if width:
            cells[:, self._low - first : self._low - first + width] = self._cells
        self._cells, self._low = cells, first
        return True

    def add(self, containers: Ints, lengths: Ints, buckets: Ints, counts: Ints) -> None:
        self._total += int(counts.sum())
        if self._total >= 1 << 31 and self._cells.dtype == np.int32:
            self._cells = self._cells.astype(np.int64)
        cells = np.repeat(containers * self._cells.shape[1] - self._low, lengths) + buckets
        np.add.at(self._cells.reshape(-1), cells, counts.astype(self._cells.dtype))

    def blocks(self) -> Iterator[_Counted]:
        containers, width = self._cells.shape
        for begin in range(0, containers if width else 0, _BLOCK):
            block = self._cells[begin : begin + _BLOCK].reshape(-1)
            used = np.flatnonzero(block > 0)
            line, column = np.divmod(used, width)
            yield (line + begin) * BUCKETS + column + self._low, block[used].astype(np.int64)


class _Parts:
    """Keys and counts as they came, added up now and then so that they don't pile up."""

    def __init__(self, containers: int, before: _Table) -> None:
        self._containers = containers
        # Half the memory where it suffices: for a million containers.
        self._kind = np.int32 if (containers + _BLOCK) * BUCKETS < 1 << 31 else np.int64
        self._parts = [_joined([(keys.astype(self._kind), counts) for keys, counts in before.blocks()])]
        self._waiting = 0

    def add(self, keys: Ints, counts: Ints) -> None:
        narrow = np.int32 if int(counts.max()) < 1 << 31 else np.int64
        self._parts.append((keys.astype(self._kind), counts.astype(narrow)))
        self._waiting += len(keys)
        # Not before as much waits as was added up already, or most would be added up many times.
        if self._waiting > max(_AT_ONCE, len(self._parts[0][0])):
            self._parts = [_joined([(keys.astype(self._kind), counts) for keys, counts in self.blocks()])]
            self._waiting = 0

    def blocks(self) -> Iterator[_Counted]:
        """Counted in a table of a few containers at a time: sorting all would take far longer."""
        edges = np.arange(0, self._containers + _BLOCK, _BLOCK) * BUCKETS
        cuts = [np.searchsorted(keys, edges.astype(self._kind)) for keys, _ in self._parts]
        for block, edge in enumerate(edges[:-1].tolist()):
            keys, counts = _joined(
                [
                    (keys[cut[block] : cut[block + 1]], counts[cut[block] : cut[block + 1]])
                    for (keys, counts), cut in zip(self._parts, cuts, strict=True)
                ]
            )
            table = np.bincount(keys - edge, counts)  # floats, exact far beyond any count
            used = np.flatnonzero(table > 0)
            yield used + edge, table[used].astype(np.int64)


def _joined(parts: Sequence[_Counted]) -> _Counted:
    none = np.zeros(0, np.int32)
    keys, counts = zip((none, none), *parts, strict=True)
    return np.concatenate(keys), np.concatenate(counts)

"""Sketches: histograms whose buckets are the same on every machine.

One table of buckets serves millicores and bytes. It is made with integers only, so the same
samples give the same bytes everywhere: values below 99 have a bucket each, from there on a
bucket is as wide as one percent of error allows. `model.Sketch` holds the representatives of
the buckets that have samples. Its last value is the exact maximum, so what a sketch knows is
(samples a bucket, maximum), and merging loses nothing of that.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from math import ceil
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from reconciler.model import Sketch

Ints = NDArray[np.int64]

LARGEST = 1 << 60  # one exbibyte: nothing that a container uses is larger
EMPTY = Sketch((), ())


def _table() -> tuple[Ints, Ints]:
    """Representatives and upper bounds.

    A bucket that begins at `low` is represented by the largest value within 1 % of `low`, and
    ends with the largest value that is within 1 % of that.
    """
    middles, tops = [0], [0]
    while tops[-1] < LARGEST:
        low = tops[-1] + 1
        middles.append(low + low // 100)
        tops.append(middles[-1] * 100 // 99)
    return np.array(middles, np.int64), np.array(tops, np.int64)


REPRESENTATIVES, _TOPS = _table()
BUCKETS = len(REPRESENTATIVES)
# The same numbers as Python integers, and the counts that most sketches have: a hundred thousand of
# them share what would take four times as much room.
_SHARED: NDArray[Any] = np.array(REPRESENTATIVES.tolist(), dtype=object)
_COUNTS: NDArray[Any] = np.array(range(1 << 15), dtype=object)


# Where a number lies is told by its first bits as a float: its power of two, and which 128th from
# there to the next one. Such a cell is narrower than any bucket, so at most one bucket ends within.
_CELLS_A_POWER = 7
_DROPPED = 52 - _CELLS_A_POWER
_FIRST_CELL = 1023 << _CELLS_A_POWER  # the cell of 1.0


def _guesses() -> Ints:
    """For each cell the bucket of the smallest value in it; before them, -1 for what is negative."""
    powers = LARGEST.bit_length() - 1
    cells = np.arange((powers << _CELLS_A_POWER) + 1, dtype=np.int64)
    begins = [ceil(begin) - 1 for begin in ((cells + _FIRST_CELL) << _DROPPED).view(np.float64).tolist()]
    # Large numbers are rounded on their way to a float, some of them up into the cell.
    lowest = np.array([begin - (begin >> 52) for begin in begins], np.int64)
    return np.concatenate(([-1], np.searchsorted(_TOPS, lowest)))


_GUESSES = _guesses()


def buckets_of(values: Ints) -> Ints:
    """The bucket of each value; they must lie in 0 … LARGEST, but a negative one gives -1."""
    # One more than the value, so that 0 has a power of two as well.
    cells = np.add(values, 1.0, dtype=np.float64).view(np.int64) >> _DROPPED
    found: Ints = _GUESSES.take(cells - (_FIRST_CELL - 1), mode="clip")
    found += values > _TOPS.take(found, mode="wrap")
    return found


def build(values: Ints) -> Sketch:
    """The sketch of these samples."""
    if not len(values):
        return EMPTY
    top = int(values.max())
    if int(values.min()) < 0 or top > LARGEST:
        raise ValueError(f"a sketch holds values from 0 to {LARGEST}")
    buckets, counts = np.unique(buckets_of(values), return_counts=True)
    return of_buckets(buckets.astype(np.int64), counts.astype(np.int64), top)


class Many(NamedTuple):
    """Many sketches: number `i` has values[offsets[i] : offsets[i + 1]], and the same of `counts`."""

    offsets: Ints
    values: Ints
    counts: Ints


def build_many(owners: Ints, buckets: Ints, tops: Ints) -> Many:
    """A sketch for each entry of `tops`, the exact maxima, all at once.

    `buckets` has a line of samples for each entry of `owners`, which says whose they are; -1 is
    no sample.
    """
    # A table of only the buckets that occur, and before them a place for what is no sample, which
    # as a number without a sign is the largest of all.
    before = min(int(buckets.view(np.uint64).min(initial=BUCKETS)), BUCKETS) - 1
    width = max(int(buckets.max(initial=0)) - before, 0) + 1
    keys = np.maximum(buckets - before, 0) + (owners * width)[:, None]
    table = np.bincount(keys.ravel(), minlength=len(tops) * width)
    table[::width] = 0
    used = np.flatnonzero(table)
    owner, place = np.divmod(used, width)
    return finished(owner, place + before, table[used], tops)


def finished(owners: Ints, buckets: Ints, counts: Ints, tops: Ints, sample: int = 1) -> Many:
    """What `of_buckets` does, of many sketches; owners ascend, and buckets within them."""
    lengths = np.bincount(owners, minlength=len(tops))
    full = np.flatnonzero(lengths)
    last = np.cumsum(lengths)[full] - 1
    values = REPRESENTATIVES[buckets]
    top = tops[full]
    replaced = (values[last] >= top) | (counts[last] <= sample)
    values[last[replaced]] = top[replaced]
    split, added = last[~replaced], full[~replaced]
    counts[split] -= sample
    lengths[added] += 1
    offsets = np.concatenate(([0], np.cumsum(lengths)))
    return Many(offsets, np.insert(values, split + 1, tops[added]), np.insert(counts, split + 1, sample))


def records(many: Many) -> list[Sketch]:
    ends = many.offsets[1:][np.diff(many.offsets) > 0]
    objects = _SHARED[buckets_of(many.values)]
    objects[ends - 1] = many.values[ends - 1]  # only these are no representatives
    few = many.counts < len(_COUNTS)
    shared = _COUNTS[np.where(few, many.counts, 0)]
    shared[~few] = many.counts[~few]
    values, counts, offsets = objects.tolist(), shared.tolist(), many.offsets.tolist()
    return [
        Sketch(tuple(values[begin:end]), tuple(counts[begin:end])) if end > begin else EMPTY
        for begin, end in pairwise(offsets)
    ]


def merge(sketches: Iterable[Sketch]) -> Sketch:
    """The sketch of all their samples together."""
    full = [sketch for sketch in sketches if sketch.values]
    if not full:
        return EMPTY
    values = np.concatenate([np.array(sketch.values, np.int64) for sketch in full])
    counts = np.concatenate([np.array(sketch.counts, np.int64) for sketch in full])
    buckets, sums = add_up(buckets_of(values), counts)
    return of_buckets(buckets, sums, int(values.max()))


def of_buckets(buckets: Ints, counts: Ints, top: int, sample: int = 1) -> Sketch:
    """The record of ascending buckets with their counts, of which `top` is the exact maximum.

    One sample of the last bucket, which counts as `sample`, is at the maximum; the others keep their
    representative, unless the maximum lies below it.
    """
    values: list[int] = _SHARED[buckets].tolist()
    numbers: list[int] = counts.tolist()
    if not values:
        return EMPTY
    if values[-1] >= top or numbers[-1] <= sample:
        values[-1] = top
    else:
        numbers[-1] -= sample
        values.append(top)
        numbers.append(sample)
    return Sketch(tuple(values), tuple(numbers))


def add_up(keys: Ints, counts: Ints) -> tuple[Ints, Ints]:
    """Every key once, ascending, with the sum of its counts."""
    if not len(keys):
        return keys, counts
    order = np.argsort(keys)
    keys = keys[order]
    begins = np.flatnonzero(np.concatenate(([True], keys[1:] != keys[:-1])))
    return keys[begins], np.add.reduceat(counts[order], begins)


def nearest_rank(ascending: Ints, permille: int) -> int:
    """The same question as `Sketch.quantile`, of samples instead of a sketch."""
    return int(ascending[max(0, -(-len(ascending) * permille // 1000) - 1)])

"""Sketches: histograms whose buckets are the same on every machine.

One table of buckets serves millicores and bytes. It is made with integers only, so the same
samples give the same bytes everywhere: values below 99 have a bucket each, from there on a
bucket is as wide as one percent of error allows. `model.Sketch` holds the representatives of
the buckets that have samples. Its last value is the exact maximum, so what a sketch knows is
(samples a bucket, maximum), and merging loses nothing of that.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

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
# The same numbers as Python integers, so that a hundred thousand sketches share them.
_SHARED: NDArray[Any] = np.array(REPRESENTATIVES.tolist(), dtype=object)


def buckets_of(values: Ints) -> Ints:
    """The bucket of each value; they must lie in 0 … LARGEST."""
    return np.searchsorted(_TOPS, values).astype(np.int64)


def build(values: Ints) -> Sketch:
    """The sketch of these samples."""
    if not len(values):
        return EMPTY
    top = int(values.max())
    if int(values.min()) < 0 or top > LARGEST:
        raise ValueError(f"a sketch holds values from 0 to {LARGEST}")
    buckets, counts = np.unique(buckets_of(values), return_counts=True)
    return of_buckets(buckets.astype(np.int64), counts.astype(np.int64), top)


def merge(sketches: Iterable[Sketch]) -> Sketch:
    """The sketch of all their samples together."""
    full = [sketch for sketch in sketches if sketch.values]
    if not full:
        return EMPTY
    values = np.concatenate([np.array(sketch.values, np.int64) for sketch in full])
    counts = np.concatenate([np.array(sketch.counts, np.int64) for sketch in full])
    buckets, sums = add_up(buckets_of(values), counts)
    return of_buckets(buckets, sums, int(values.max()))


def of_buckets(buckets: Ints, counts: Ints, top: int) -> Sketch:
    """The record of ascending buckets with their counts, of which `top` is the exact maximum.

    One sample of the last bucket is at the maximum; the others keep their representative, unless
    the maximum lies below it.
    """
    values: list[int] = _SHARED[buckets].tolist()
    numbers: list[int] = counts.tolist()
    if not values:
        return EMPTY
    if values[-1] >= top or numbers[-1] == 1:
        values[-1] = top
    else:
        numbers[-1] -= 1
        values.append(top)
        numbers.append(1)
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

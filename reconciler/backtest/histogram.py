"""The histogram of the vertical pod autoscaler: buckets that grow by 5 %, samples that fade."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from reconciler.usage.sketch import Ints
from reconciler.usage.tabular import Floats

RATIO = 1.05
EPSILON = 0.0001  # what weighs less is nothing


class Buckets(NamedTuple):
    """The first one is `first` wide, each next one 5 % wider, up to `most`."""

    first: float
    most: float

    @property
    def number(self) -> int:
        return math.ceil(math.log(self.most * (RATIO - 1) / self.first + 1, RATIO)) + 1

    def start(self, bucket: int) -> float:
        return float(self.first * (RATIO**bucket - 1) / (RATIO - 1)) if bucket else 0.0

    def find(self, values: Floats) -> Ints:
        inside = np.maximum(values, self.first) * (RATIO - 1) / self.first + 1
        found = np.floor(np.log(inside) / math.log(RATIO)).astype(np.int64)
        return np.where(values < self.first, 0, np.minimum(found, self.number - 1))

    def percentile(self, weights: Floats, share: float) -> float:
        """The end of the bucket in which it lies; 0 of nothing."""
        full = np.flatnonzero(weights >= EPSILON)
        if not len(full):
            return 0.0
        first, last = int(full[0]), int(full[-1])
        sums = np.cumsum(weights[first:last])
        bucket = first + int(np.searchsorted(sums, share * float(weights.sum())))
        return self.start(bucket + 1 if bucket < self.number - 1 else bucket)


CPU = Buckets(0.01, 1000.0)  # cores
MEMORY = Buckets(1e7, 1e12)  # bytes


def summed(buckets: Ints, weights: Floats, number: int) -> Floats:
    """What each bucket weighs."""
    return np.asarray(np.bincount(buckets, weights, number), np.float64)

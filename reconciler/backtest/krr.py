"""The two strategies of robusta-dev/krr, as baselines: `simple` and `simple_limit`.

Two weeks of samples. Memory is the highest of them and 15 % more. CPU is the 95th percentile of the
pod that has the highest, or the 66th of all pods' samples together. Both are rounded up and have a
floor. A strategy has no memory of its own: it answers anew each time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from reconciler.backtest.advice import Requests
from reconciler.backtest.past import Past, Points
from reconciler.model import OomKill
from reconciler.usage.sketch import Ints
from reconciler.usage.tabular import Floats

HISTORY_DAYS = 14
POINTS_REQUIRED = 100  # over all pods
CPU_PERCENTILE = 0.95
LIMIT_STRATEGY_CPU_PERCENTILE = 0.66
MEMORY_BUFFER_PERCENT = 15
LEAST_MILLICORES = 10
LEAST_BYTES = 100 << 20
_MI = 1 << 20


class Krr:
    """`each_pod`: the worst pod's percentile, else that of all samples together."""

    def __init__(self, history: Past, *, percentile: float, each_pod: bool) -> None:
        self._past, self._percentile, self._each_pod = history, percentile, each_pod

    def advise(self, day: int, in_force: Requests, kills: Sequence[OomKill]) -> Requests:
        window = (day - HISTORY_DAYS, day)
        cpu, memory, found = self._past.cpu_points(*window), self._past.memory_points(*window), in_force
        if int(cpu.counts.sum()) >= POINTS_REQUIRED:
            cores = _worst(cpu, self._percentile) if self._each_pod else _pooled(cpu, self._percentile)
            found = found._replace(cpu=rounded_cpu(cores))
        if int(memory.counts.sum()) >= POINTS_REQUIRED:
            most = int(memory.value.max()) * (1 + MEMORY_BUFFER_PERCENT / 100)
            found = found._replace(memory=rounded_memory(most))
        return found


def simple(history: Past) -> Krr:
    return Krr(history, percentile=CPU_PERCENTILE, each_pod=True)


def simple_limit(history: Past) -> Krr:
    return Krr(history, percentile=LIMIT_STRATEGY_CPU_PERCENTILE, each_pod=False)


def _worst(cores: Points, share: float) -> float:
    return max(_pooled(cores.where(cores.pod == pod), share) for pod in np.unique(cores.pod))


def _pooled(cores: Points, share: float) -> float:
    if cores.often is None:
        return quantile(cores.value, share)
    return quantile_of_counts(cores.value, cores.often, share)


def quantile(values: Floats, share: float) -> float:
    """Between two samples in proportion, as numpy's percentile and quantile_over_time have it."""
    rank = (len(values) - 1) * share
    low = math.floor(rank)
    high = min(low + 1, len(values) - 1)
    parted = np.partition(values, (low, high))
    return float(parted[low] + (parted[high] - parted[low]) * (rank - low))


def quantile_of_counts(values: Floats, counts: Ints, share: float) -> float:
    """The same, of values that stand for several samples each."""
    order = np.argsort(values)
    sums = np.cumsum(counts[order])
    rank = (int(sums[-1]) - 1) * share
    low = math.floor(rank)
    ends = np.searchsorted(sums, [low, min(low + 1, int(sums[-1]) - 1)], side="right")
    below, above = values[order][ends].tolist()
    return float(below + (above - below) * (rank - low))


def rounded_cpu(cores: float) -> int:
    """Up to whole millicores, by the same floating-point way: of 2.007 cores it makes 2008."""
    return max(math.ceil(cores * 1000), LEAST_MILLICORES)


def rounded_memory(amount: float) -> int:
    """Up to whole MiB."""
    return max(math.ceil(amount / _MI) * _MI, LEAST_BYTES)

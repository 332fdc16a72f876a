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
from reconciler.backtest.series import History
from reconciler.model import OomKill
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

    def __init__(self, history: History, *, percentile: float, each_pod: bool) -> None:
        self._history, self._percentile, self._each_pod = history, percentile, each_pod

    def advise(self, day: int, in_force: Requests, kills: Sequence[OomKill]) -> Requests:
        history = self._history
        window = history.between(day - HISTORY_DAYS, day)
        cpu, known = history.cpu[window], ~np.isnan(history.cpu[window])
        memory = history.memory[window]
        cores, most = cpu[known], int(memory.max(initial=-1))
        pods = history.pod[window][known] if self._each_pod else np.zeros(len(cores), np.int64)
        found = in_force
        if len(cores) >= POINTS_REQUIRED:
            found = found._replace(cpu=rounded_cpu(_worst(cores, pods, self._percentile)))
        if int((memory >= 0).sum()) >= POINTS_REQUIRED:
            found = found._replace(memory=rounded_memory(most * (1 + MEMORY_BUFFER_PERCENT / 100)))
        return found


def simple(history: History) -> Krr:
    return Krr(history, percentile=CPU_PERCENTILE, each_pod=True)


def simple_limit(history: History) -> Krr:
    return Krr(history, percentile=LIMIT_STRATEGY_CPU_PERCENTILE, each_pod=False)


def _worst(cores: Floats, pods: np.ndarray[tuple[int], np.dtype[np.int64]], share: float) -> float:
    if int(pods.min()) == int(pods.max()):
        return quantile(cores, share)
    return max(quantile(cores[pods == pod], share) for pod in np.unique(pods))


def quantile(values: Floats, share: float) -> float:
    """Between two samples in proportion, as numpy's percentile and quantile_over_time have it."""
    rank = (len(values) - 1) * share
    low = math.floor(rank)
    high = min(low + 1, len(values) - 1)
    parted = np.partition(values, (low, high))
    return float(parted[low] + (parted[high] - parted[low]) * (rank - low))


def rounded_cpu(cores: float) -> int:
    """Up to whole millicores, by the same floating-point way: of 2.007 cores it makes 2008."""
    return max(math.ceil(cores * 1000), LEAST_MILLICORES)


def rounded_memory(amount: float) -> int:
    """Up to whole MiB."""
    return max(math.ceil(amount / _MI) * _MI, LEAST_BYTES)

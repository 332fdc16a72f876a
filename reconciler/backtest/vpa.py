"""The recommender of the Kubernetes vertical pod autoscaler, as a baseline.

CPU: every sample into a histogram in which a sample weighs half as much after a day. Memory: the
peak of each pod and day into another. The 90th percentile of each, 15 % more, and never less than
what a pod has to have. After an OOM kill the day's peak counts as 20 % more than request or peak, at
least 100 MiB more. Its target is in force each day; its updater, which would leave a pod alone
within bounds, is not played.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from reconciler.backtest.advice import Requests
from reconciler.backtest.histogram import CPU, MEMORY, Buckets, summed
from reconciler.backtest.past import Past, PodPeaks
from reconciler.model import OomKill
from reconciler.usage.days import DAY
from reconciler.usage.sketch import Ints
from reconciler.usage.tabular import Floats

HALF_LIFE = 86_400
CPU_SAMPLE_WEIGHT = 0.1
TARGET, LOWER, UPPER = 0.9, 0.5, 0.95
MARGIN = 0.15
POD_LEAST_MILLICORES = 25
POD_LEAST_BYTES = 250 << 20
OOM_EXTRA = 100 << 20
OOM_RATIO = 1.2
LARGEST_AMOUNT = 10**14
SAMPLES_A_DAY = 1440  # what makes a day of confidence: one each minute


class Estimate(NamedTuple):
    """Millicores or bytes."""

    lower: int
    target: int
    upper: int


class Vpa:
    def __init__(self, history: Past) -> None:
        self._history = history
        self._cpu = _daily_weights(history)
        self._samples = _daily_samples(history)
        self._peaks = history.pod_peaks()
        self._kills_seen = 0

    def advise(self, day: int, in_force: Requests, kills: Sequence[OomKill]) -> Requests:
        for kill in kills[self._kills_seen :]:
            _bump(self._peaks, kill)
        self._kills_seen = len(kills)
        past, found = self._history.days < day, in_force
        if past.any():
            fading = np.exp2(self._history.days[past] - float(day - 1))
            cores = fading @ self._cpu[past]
            least = POD_LEAST_MILLICORES // self._history.in_pod
            found = found._replace(cpu=estimate(CPU, cores, 1000, least, self._confidence(day)).target)
        known = self._peaks.day < day
        if known.any():
            fading = np.exp2(self._peaks.day[known] - float(day - 1))
            weights = summed(MEMORY.find(self._peaks.peak[known]), fading, MEMORY.number)
            least = POD_LEAST_BYTES // self._history.in_pod
            found = found._replace(memory=estimate(MEMORY, weights, 1, least, self._confidence(day)).target)
        return found

    def _confidence(self, day: int) -> float:
        past = self._history.days < day
        return confidence(day - int(self._history.days[0]), int(self._samples[past].sum()))


def confidence(days: float, samples: int) -> float:
    """In days: how long it is known, and how many samples there are, whichever is less."""
    return min(days, samples / SAMPLES_A_DAY)


def estimate(buckets: Buckets, weights: Floats, unit: int, least: int, known: float) -> Estimate:
    """Whole units, cut off at every step; the bounds are the wider the less is known."""

    def amount(share: float) -> int:
        return int(int(buckets.percentile(weights, share) * unit) * (1 + MARGIN))

    lower = int(amount(LOWER) * (1 + 0.001 / known) ** -2) if known else 0
    upper = int(amount(UPPER) * (1 + 1 / known)) if known else LARGEST_AMOUNT
    return Estimate(*(max(each, least) for each in (lower, amount(TARGET), min(upper, LARGEST_AMOUNT))))


def oom_sample(used: int) -> int:
    """What a kill counts as: the larger of two steps above request or peak."""
    return max(used + OOM_EXTRA, int(used * OOM_RATIO))


def _bump(peaks: PodPeaks, kill: OomKill) -> None:
    """The pods that passed the request; where none did, the one that came nearest."""
    today = np.flatnonzero(peaks.day == kill.day)
    if not len(today):
        return
    over = today[peaks.peak[today] > kill.limit] if kill.limit else today[:0]
    for which in over if len(over) else [today[int(np.argmax(peaks.peak[today]))]]:
        peaks.peak[which] = oom_sample(max(kill.limit, int(peaks.peak[which])))


def _all(history: Past) -> tuple[int, int]:
    return int(history.days[0]), int(history.days[-1]) + 1


def _daily_weights(history: Past) -> Floats:
    """What each day's samples weigh in each bucket at the end of that day."""
    found = history.cpu_points(*_all(history))
    row = np.searchsorted(history.days, found.time // DAY)
    fading = np.exp2((found.time - (found.time // DAY + 1) * DAY) / HALF_LIFE)
    keys = row * CPU.number + CPU.find(found.value)
    table = summed(keys, CPU_SAMPLE_WEIGHT * fading * found.counts, len(history.days) * CPU.number)
    return table.reshape(len(history.days), CPU.number)


def _daily_samples(history: Past) -> Ints:
    found = history.cpu_points(*_all(history))
    row = np.searchsorted(history.days, found.time // DAY)
    return np.bincount(row, found.counts, len(history.days)).astype(np.int64)

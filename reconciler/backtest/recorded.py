"""The past of a container out of the rows of a recording: what sketches of days tell of samples.

Whose a sample was and when it was taken is known as far as a row has it: the highest pod of each day has
a sketch of its own, and all others are one. Values are at most 1 % off; the peaks of days are exact.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Final, NamedTuple

import numpy as np

from reconciler.backtest.past import Past, PodPeaks, Points, Requests
from reconciler.model import ContainerRef, OomKill
from reconciler.usage.days import DAY, SKETCHES, ContainerDay
from reconciler.usage.lives import Life, Lives
from reconciler.usage.parquet import Columns
from reconciler.usage.rows import days_of
from reconciler.usage.sketch import BUCKETS, REPRESENTATIVES, Ints, buckets_of

# When all samples of an even day would have to be taken to weigh, half as much each day later, what
# they weigh together: so long before its end.
_BEFORE_ITS_END: Final = round(DAY * -np.log2(0.5 / np.log(2)))
_WORST, _OTHERS = 0, 1  # pods


class Recording:
    """Every container of it, each time anew."""

    def __init__(self, lives: Lives) -> None:
        self._lives = lives

    def __len__(self) -> int:
        return len(self._lives)

    def __iter__(self) -> Iterator[Past]:
        for life in self._lives:
            past = RecordedPast(life)
            if len(past.days):
                yield past


class _Counted(NamedTuple):
    """How many samples had which value on which row, ascending."""

    row: Ints
    value: Ints
    often: Ints


class RecordedPast:
    def __init__(self, life: Life) -> None:
        self._life, self._rows = life, life.rows
        self._day = life.rows.ints["day"]

    @property
    def ref(self) -> ContainerRef:
        return self._life.ref

    @property
    def in_pod(self) -> int:
        return self._life.in_pod

    @property
    def step(self) -> int:
        return int(self._rows.ints["step_seconds"][-1])

    @cached_property
    def days(self) -> Ints:
        return self._day[self._seen]

    @cached_property
    def peaks(self) -> Ints:
        return self._rows.ints["memory_max"][self._seen]

    @cached_property
    def _seen(self) -> Ints:
        """The rows of days with a sample of anything."""
        lengths = (np.diff(self._rows.lists[name].offsets) for name in ("cpu_samples", "memory_samples"))
        found: Ints = np.flatnonzero(np.maximum(*lengths))
        return found

    def cpu_points(self, first: int, end: int) -> Points:
        return _between(self._cpu, first, end)

    def memory_points(self, first: int, end: int) -> Points:
        return _between(self._memory, first, end)

    @cached_property
    def _cpu(self) -> Points:
        found = self._points("cpu")
        return found._replace(value=found.value / 1000)

    @cached_property
    def _memory(self) -> Points:
        return self._points("memory")

    def _points(self, name: str) -> Points:
        worst = _counted(self._rows, f"worst_{name}")
        others = _without(_counted(self._rows, name), worst, self._rows.ints[f"{name}_max"])
        row, value, often = (np.concatenate(pair) for pair in zip(worst, others, strict=True))
        pod = np.repeat([_WORST, _OTHERS], [len(worst.row), len(others.row)])
        order = np.argsort(row, kind="stable")
        time = (self._day[row] + 1) * DAY - _BEFORE_ITS_END
        return Points(time[order], pod[order], value[order].astype(np.float64), often[order])

    def pod_peaks(self) -> PodPeaks:
        """That of the highest pod; of the others, each has the highest of what they had."""
        found = self._memory
        row = np.searchsorted(self._day, found.time // DAY)
        peak = np.zeros((len(self._day), 2))
        np.maximum.at(peak, (row, found.pod), found.value)
        others = np.maximum(self._rows.ints["pods"] - 1, 0)
        times = np.stack((np.ones_like(others), others), axis=1)
        times[peak == 0] = 0
        return PodPeaks(np.repeat(self._day, times.sum(axis=1)), np.repeat(peak.ravel(), times.ravel()))

    def rows(self) -> tuple[ContainerDay, ...]:
        return tuple(days_of(self._rows))

    def stated(self, day: int) -> Requests:
        row = int(np.searchsorted(self._day, day)) - 1
        if row < 0:
            return Requests()
        cpu, memory = (int(self._rows.ints[name][row]) for name in ("cpu_request", "memory_request"))
        return Requests(cpu if cpu > 0 else None, memory if memory > 0 else None)

    def kills(self) -> tuple[OomKill, ...]:
        numbers = self._rows.ints
        which = numbers["oom_kills"] > 0
        columns = (numbers["oom_kills"][which], np.maximum(numbers["oom_limit_bytes"][which], 0))
        return tuple(map(OomKill, self._day[which].tolist(), *(column.tolist() for column in columns)))


def _between(points: Points, first: int, end: int) -> Points:
    begin, behind = np.searchsorted(points.time, [first * DAY, end * DAY]).tolist()
    often = points.often[begin:behind] if points.often is not None else None
    return Points(points.time[begin:behind], points.pod[begin:behind], points.value[begin:behind], often)


def _counted(rows: Columns, name: str) -> _Counted:
    values, counts = (rows.lists[each] for each in SKETCHES[name])
    lengths = np.diff(values.offsets)
    return _Counted(np.repeat(np.arange(len(lengths)), lengths), values.values, counts.values)


def _without(every: _Counted, worst: _Counted, tops: Ints) -> _Counted:
    """What is left of all samples without those of the worst pod."""
    keys = [each.row * BUCKETS + buckets_of(each.value) for each in (every, worst)]
    buckets, place = np.unique(np.concatenate(keys), return_inverse=True)
    often = np.concatenate((every.often, -worst.often))
    left = np.zeros(len(buckets), np.int64)
    np.add.at(left, place, often)
    row, bucket = np.divmod(buckets[left > 0], BUCKETS)
    value = np.where(bucket == buckets_of(tops)[row], tops[row], REPRESENTATIVES[bucket])
    return _Counted(row, value, left[left > 0])

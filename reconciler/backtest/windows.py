"""What a source of utilization would have told of one container on any day of its past."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from reconciler.backtest.past import Past
from reconciler.model import BusyHour, DayPeaks, OomKill, Restarts, Sketch, Usage
from reconciler.usage.days import HOURS, ContainerDay
from reconciler.usage.decay import WHOLE, Decay
from reconciler.usage.hours import busiest_of
from reconciler.usage.parquet import NONE
from reconciler.usage.sketch import EMPTY, Ints, buckets_of, of_buckets

SOURCE = "series"


class Windows:
    """Sums over days, taken once: a window of any length is a difference of two of them."""

    def __init__(self, past: Past) -> None:
        self._days = past.rows()
        self._number = np.array([day.day for day in self._days], np.int64)
        self._samples = _sums(day.samples for day in self._days)
        self._expected = _sums(day.expected for day in self._days)
        self._started = _sums(day.pods_started for day in self._days)
        self._first, self._hours = _hours_of(self._days)
        self._peaks = [_peaks_of(day) for day in self._days]
        self._cpu = _Pooled([day.cpu for day in self._days])
        self._memory = _Pooled([day.memory for day in self._days])
        self._alone = all(day.pods <= 1 for day in self._days)
        self._worst_cpu = self._cpu if self._alone else _Pooled([day.worst_cpu for day in self._days])
        self._worst_memory = (
            self._memory if self._alone else _Pooled([day.worst_memory for day in self._days])
        )

    def usage(self, until: int, days: int, kills: Sequence[OomKill], half_life: int = 0) -> Usage | None:
        """Of that many days before the one at whose begin it is asked; None without a sample."""
        first, end = np.searchsorted(self._number, [until - days, until]).tolist()
        samples = int(self._samples[end] - self._samples[first])
        if not samples:
            return None
        seen = [day for day in self._days[first:end] if day.samples]
        step = seen[-1].step
        cpu, memory = self._cpu.sketch(first, end), self._memory.sketch(first, end)
        started = self._started[end] - self._started[first + 1]
        return Usage(
            source=SOURCE,
            query="",
            start=seen[0].first_sample,
            end=seen[-1].last_sample + step,  # a sample stands for the step that it begins
            step=step,
            samples=samples,
            expected=int(self._expected[end] - self._expected[first]),
            pods=self._days[first].pods + int(started),
            replicas=seen[-1].replicas_last,
            cpu=cpu,
            cpu_worst_pod=cpu if self._alone else self._worst_cpu.sketch(first, end),
            memory=memory,
            memory_worst_pod=memory if self._alone else self._worst_memory.sketch(first, end),
            rss_max=max(day.rss_max or 0 for day in seen),
            days=tuple(peaks for peaks in self._peaks[first:end] if peaks.samples),
            oom_kills=tuple(kill for kill in kills if until - days <= kill.day < until),
            throttled_permille=_throttled(self._days[first:end]),
            restarts=sum(day.trouble.restarts for day in self._days[first:end]),
            owner_guessed=any(day.owner_guessed for day in self._days[first:end]),
            restart_days=tuple(
                Restarts(day.day, day.trouble.restarts)
                for day in self._days[first:end]
                if day.trouble.restarts
            ),
            busy_hours=self._busy_hours(until - days, until),
            cpu_decayed=self._decayed(first, end, Decay.over(until - days, until - 1, half_life))
            if half_life
            else EMPTY,
        )

    def _busy_hours(self, begin: int, until: int) -> tuple[BusyHour, ...]:
        begin = max(begin, self._first)
        return busiest_of(begin, self._hours[begin - self._first : until - self._first])

    def _decayed(self, first: int, end: int, decay: Decay) -> Sketch:
        return self._cpu.weighed(first, end, decay.of(self._number[first:end]))


class _Pooled:
    """The sketches of days, so that those of any days in a row are quickly put together."""

    def __init__(self, sketches: Sequence[Sketch]) -> None:
        values = [np.array(sketch.values, np.int64) for sketch in sketches]
        sizes = [len(each) for each in values]
        self._tops = np.array([int(each[-1]) if len(each) else 0 for each in values], np.int64)
        flat = np.concatenate([*values, np.zeros(0, np.int64)])
        counts = np.concatenate([*(np.array(sketch.counts, np.int64) for sketch in sketches), flat[:0]])
        self._buckets, place = np.unique(buckets_of(flat), return_inverse=True)
        table = np.zeros((len(sketches) + 1, len(self._buckets)), np.int64)
        np.add.at(table, (np.repeat(np.arange(1, len(sketches) + 1), sizes), place), counts)
        self._sums = np.cumsum(table, axis=0)

    def sketch(self, first: int, end: int) -> Sketch:
        counts = self._sums[end] - self._sums[first]
        used = np.flatnonzero(counts)
        return of_buckets(self._buckets[used], counts[used], int(self._tops[first:end].max(initial=0)))

    def weighed(self, first: int, end: int, weights: Ints) -> Sketch:
        """With a weight for each day."""
        counts = weights @ np.diff(self._sums[first : end + 1], axis=0)
        used = np.flatnonzero(counts)
        top = int(self._tops[first:end].max(initial=0))
        return of_buckets(self._buckets[used], counts[used], top, WHOLE)


def _hours_of(days: Sequence[ContainerDay]) -> tuple[int, Ints]:
    """From the first day to the last its hours, of those between on which it did not live as well."""
    first = days[0].day if days else 0
    hours = np.full((days[-1].day - first + 1 if days else 0, HOURS), NONE, np.int64)
    for day in days:
        hours[day.day - first] = [NONE if cpu is None else cpu for cpu in day.hours.cpu_p95]
    return first, hours


def _throttled(days: Iterable[ContainerDay]) -> int | None:
    """Whatever the replay asks for: the limit that held it back isn't played."""
    limited = [day.trouble for day in days if day.trouble.periods is not None]
    periods = sum(trouble.periods or 0 for trouble in limited)
    throttled = sum(trouble.throttled_periods or 0 for trouble in limited)
    return None if not limited else throttled * 1000 // max(periods, 1)


def _sums(numbers: Iterable[int]) -> Ints:
    found: Ints = np.concatenate(([0], np.cumsum(np.fromiter(numbers, np.int64))))
    return found


def _peaks_of(day: ContainerDay) -> DayPeaks:
    cpu, memory = day.cpu, day.memory
    most_cpu, most_memory = (each.values[-1] if each.values else 0 for each in (cpu, memory))
    return DayPeaks(day.day, day.samples, cpu.quantile(950), most_cpu, most_memory)

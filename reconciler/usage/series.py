"""Container-days out of raw samples."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from reconciler.model import ContainerRef
from reconciler.usage import sketch
from reconciler.usage.days import DAY, HOURS, ContainerDay, Hourly, Resources, Trouble
from reconciler.usage.sketch import Ints

NO_SAMPLE = -1
WORST_PERMILLE = 950


class Series(NamedTuple):
    """All samples of one container, in any order; one entry each, of equal length.

    `cpu`, `memory` and `rss` are NO_SAMPLE where there was none.
    """

    time: Ints
    pod: Ints  # a number for each pod
    cpu: Ints  # millicores
    memory: Ints  # working set, bytes
    rss: Ints  # resident set, bytes


class Lifetimes(NamedTuple):
    """When pods began and ended, whether samples of them arrived or not."""

    start: Ints
    end: Ints


class Events(NamedTuple):
    """What happened beside the samples."""

    oom_kills: tuple[tuple[int, int | None], ...] = ()  # time, and the limit at that time
    restarts: tuple[int, ...] = ()  # times
    throttling: tuple[tuple[int, int, int], ...] = ()  # time, throttled periods, periods
    in_force: tuple[tuple[int, Resources], ...] = ()  # from which time on; ascending
    owner_guessed: bool = False


def millicores(cores: np.ndarray[tuple[int], np.dtype[np.float64]]) -> Ints:
    """Cores as measured, NaN for none, to the nearest millicore."""
    known = np.isfinite(cores)
    rounded = np.floor(np.where(known, cores, 0) * 1000 + 0.5)
    return np.where(known, rounded, NO_SAMPLE).astype(np.int64)


def days_of_series(
    ref: ContainerRef, series: Series, step: int, events: Events, lifetimes: Lifetimes | None = None
) -> tuple[ContainerDay, ...]:
    """A row for each day on which a pod of it lived, also for one without a single sample.

    Without `lifetimes` a pod lived from its first to its last sample.
    """
    lived = lifetimes or _lifetimes(series)
    if not len(lived.start):
        return ()
    order = np.argsort(series.time, kind="stable")
    series = Series(*(column[order] for column in series))
    first, last = int(lived.start.min()) // DAY, int(lived.end.max()) // DAY
    cuts = np.searchsorted(series.time, np.arange(first, last + 2) * DAY)
    rows = []
    for day in range(first, last + 1):
        alive = _alive(lived, day, step)
        if alive.any():
            part = slice(int(cuts[day - first]), int(cuts[day - first + 1]))
            one = Series(*(column[part] for column in series))
            rows.append(_one_day(ref, day, step, one, lived, alive, events))
    return tuple(rows)


def _lifetimes(series: Series) -> Lifetimes:
    pods, codes = np.unique(series.pod, return_inverse=True)
    start = np.full(len(pods), np.iinfo(np.int64).max)
    end = np.full(len(pods), np.iinfo(np.int64).min)
    np.minimum.at(start, codes, series.time)
    np.maximum.at(end, codes, series.time)
    return Lifetimes(start, end)


def _alive(lived: Lifetimes, day: int, step: int) -> Ints:
    """How many samples of each pod that day should have: one a step since the pod began."""
    begin = np.maximum(lived.start, day * DAY)
    end = np.minimum(lived.end, (day + 1) * DAY - 1)
    found: Ints = (end - lived.start) // step - -(-(begin - lived.start) // step) + 1
    return np.where(end >= begin, np.maximum(found, 0), 0)


def _one_day(
    ref: ContainerRef, day: int, step: int, series: Series, lived: Lifetimes, alive: Ints, events: Events
) -> ContainerDay:
    midnight = day * DAY
    cpu, memory = series.cpu[series.cpu >= 0], series.memory[series.memory >= 0]
    measured = series.time[(series.cpu >= 0) | (series.memory >= 0)]
    last = int(measured[-1]) if len(measured) else midnight
    late = lived.start > midnight + step
    recent = series.time > last - step
    rss = int(series.rss.max(initial=NO_SAMPLE))
    return ContainerDay(
        ref=ref,
        day=day,
        step=step,
        samples=min(len(cpu), len(memory)),
        expected=int(alive.sum()),
        pods=int(np.count_nonzero(alive)),
        pods_started=int(np.count_nonzero(late & (alive > 0))),
        replicas_last=len(np.unique(series.pod[recent])),
        first_sample=int(measured[0]) if len(measured) else midnight,
        last_sample=last,
        cpu=sketch.build(cpu),
        worst_cpu=sketch.build(_worst(series.pod, series.cpu, WORST_PERMILLE)),
        memory=sketch.build(memory),
        worst_memory=sketch.build(_worst(series.pod, series.memory, 1000)),
        rss_max=None if rss < 0 else rss,
        hours=_hours(series, midnight),
        trouble=_trouble(events, midnight),
        resources=_in_force(events, midnight + DAY),
        owner_guessed=events.owner_guessed,
    )


def _worst(pods: Ints, values: Ints, permille: int) -> Ints:
    """The samples of the pod with the highest percentile.

    For a percentile, pods with less than half the samples of the longest-lived are left out:
    the first minutes of a pod say little about its day. A maximum counts whoever had it.
    """
    valid = values >= 0
    pods, values = pods[valid], values[valid]
    if not len(values):
        return values
    order = np.lexsort((values, pods))
    pods, values = pods[order], values[order]
    parts = np.split(values, np.flatnonzero(np.diff(pods)) + 1)
    enough = 0 if permille == 1000 else max(map(len, parts)) / 2
    ranked = [part for part in parts if len(part) >= enough]
    return max(ranked, key=lambda part: (sketch.nearest_rank(part, permille), int(part[-1]), len(part)))


def _hours(series: Series, midnight: int) -> Hourly:
    samples, p95, cpu_max, memory_max = [], [], [], []
    cuts = np.searchsorted(series.time, midnight + np.arange(HOURS + 1) * 3600).tolist()
    for begin, end in pairwise(cuts):
        cpu, memory = series.cpu[begin:end], series.memory[begin:end]
        cpu, memory = np.sort(cpu[cpu >= 0]), memory[memory >= 0]
        samples.append(min(len(cpu), len(memory)))
        p95.append(sketch.nearest_rank(cpu, WORST_PERMILLE) if len(cpu) else None)
        cpu_max.append(int(cpu[-1]) if len(cpu) else None)
        memory_max.append(int(memory.max()) if len(memory) else None)
    return Hourly(tuple(samples), tuple(p95), tuple(cpu_max), tuple(memory_max))


def _trouble(events: Events, midnight: int) -> Trouble:
    def today(time: int) -> bool:
        return midnight <= time < midnight + DAY

    limits = [limit for time, limit in events.oom_kills if today(time)]
    throttling = [(throttled, periods) for time, throttled, periods in events.throttling if today(time)]
    return Trouble(
        oom_kills=len(limits),
        oom_limit_bytes=max((limit for limit in limits if limit), default=None),
        restarts=sum(today(time) for time in events.restarts),
        throttled_periods=sum(row[0] for row in throttling) if throttling else None,
        periods=sum(row[1] for row in throttling) if throttling else None,
    )


def _in_force(events: Events, before: int) -> Resources:
    known = [resources for since, resources in events.in_force if since < before]
    return known[-1] if known else Resources()

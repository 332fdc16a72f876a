"""Container-days out of raw samples."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from reconciler.model import ContainerRef
from reconciler.usage.days import DAY, HOURS, ContainerDay, Resources, Trouble
from reconciler.usage.rows import days_of, fields_of, texts_of
from reconciler.usage.samples import NO_SAMPLE, PodDays, begins_of, measured
from reconciler.usage.sketch import Ints


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
    first, last = int(lived.start.min()) // DAY, int(lived.end.max()) // DAY
    every = ((day, _alive(lived, day, step)) for day in range(first, last + 1))
    found = [(day, alive) for day, alive in every if alive.any()]
    if not found:
        return ()
    days = np.array([day for day, _ in found], np.int64)
    row = np.minimum(np.searchsorted(days, series.time // DAY), len(days) - 1)
    inside = days[row] == series.time // DAY
    series, row = Series(*(column[inside] for column in series)), row[inside]
    rows = measured(_pod_days(series, row, days))
    rows.texts.update(texts_of([ref] * len(days)))
    rows.ints.update(_told(series, row, days, step))
    rows.ints.update(_lived(lived, found, step))
    rows.ints.update(fields_of(Trouble._fields, [_trouble(events, day * DAY) for day, _ in found]))
    rows.ints.update(fields_of(Resources._fields, [_in_force(events, (day + 1) * DAY) for day, _ in found]))
    rows.ints["owner_guessed"] = np.full(len(days), events.owner_guessed, np.int64)
    return tuple(days_of(rows))


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


def _pod_days(series: Series, row: Ints, days: Ints) -> PodDays:
    """The samples by pod, day and hour; a row without any has a pod without any."""
    _, pod = np.unique(series.pod, return_inverse=True)
    pods = int(pod.max(initial=0)) + 1
    empty = np.setdiff1d(np.arange(len(days)), row)
    keys, entry = np.unique(np.concatenate((row * pods + pod, empty * pods)), return_inverse=True)
    entry = entry[: len(row)]
    hour = entry * HOURS + series.time % DAY // 3600
    order = np.argsort(hour, kind="stable")
    hour = hour[order]
    begins = begins_of(hour)
    sizes = np.diff(begins, append=len(hour))
    place = np.arange(len(hour)) - np.repeat(begins, sizes)
    shape = (len(keys) * HOURS, int(sizes.max(initial=1)))
    cpu, memory = np.full(shape, NO_SAMPLE, np.int64), np.full(shape, NO_SAMPLE, np.int64)
    cpu[hour, place], memory[hour, place] = series.cpu[order], series.memory[order]
    rss = np.full(len(keys), NO_SAMPLE, np.int64)
    np.maximum.at(rss, entry, series.rss)
    each = (len(keys), HOURS, -1)
    return PodDays(keys // pods, cpu.reshape(each), memory.reshape(each), rss)


def _told(series: Series, row: Ints, days: Ints, step: int) -> dict[str, Ints]:
    """What follows from when there were samples."""
    seen = (series.cpu >= 0) | (series.memory >= 0)
    time, pod, row = series.time[seen], series.pod[seen], row[seen]
    first, last = (days + 1) * DAY, days * DAY
    np.minimum.at(first, row, time)
    np.maximum.at(last, row, time)
    recent = time > last[row] - step
    at_last = np.unique(np.stack((row[recent], pod[recent])), axis=1)[0]
    return {
        "day": days,
        "step_seconds": np.full(len(days), step, np.int64),
        "replicas_last": np.bincount(at_last, minlength=len(days)),
        "first_sample": np.minimum(first, last),
        "last_sample": last,
    }


def _lived(lived: Lifetimes, found: list[tuple[int, Ints]], step: int) -> dict[str, Ints]:
    """How many pods there were each day, and how many samples they should have."""
    rows = [
        (alive.sum(), (alive > 0).sum(), ((alive > 0) & (lived.start > day * DAY + step)).sum())
        for day, alive in found
    ]
    return dict(zip(("expected_samples", "pods", "pods_started"), np.array(rows, np.int64).T, strict=True))


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

"""What a course of requests was worth: slack, overruns, waiting and changes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from reconciler.backtest.past import Past, Points
from reconciler.backtest.replay import NONE, Course
from reconciler.model import Price
from reconciler.money import HOURS, MILLION
from reconciler.usage.days import DAY
from reconciler.usage.sketch import Ints
from reconciler.usage.tabular import Floats

_WEEK = 7
_GIB = 1 << 30


class Ground(NamedTuple):
    """What was used on the container-days that count, the same ones for everybody."""

    cpu: Floats  # mean cores
    memory: Floats  # mean bytes
    peak: Ints  # bytes
    date: Ints  # days since 1970
    core: Floats  # what an hour of a requested core costs, in all pods that there were samples of
    byte: Floats  # and of a requested byte
    samples: Floats  # cores, of all these days in a row
    day: Ints  # whose day each sample is
    minutes: Floats  # that each sample stands for
    follows: NDArray[np.bool_]  # whether the entry before it is of the same container


class Lived(NamedTuple):
    """Requests in force on these days."""

    cpu: Floats  # cores
    memory: Floats  # bytes
    changes: int  # container-days on which either differs from the day before
    cpu_changes: int
    memory_changes: int


class Measures(NamedTuple):
    container_days: int
    cpu_slack: float
    memory_slack: float
    overruns: float  # share of container-days whose peak passes the memory request
    overrun_size: float  # by how much of the request, on average of these days
    cpu_minutes: float  # over the CPU request, a container-day
    changes: float  # a container and week
    cpu_changes: float
    memory_changes: float
    cost: float  # of all requests in force, a month, in the currency of the prices


Factors = tuple[float, float]  # of CPU and of memory


def kept_days(courses: Iterable[Course]) -> NDArray[np.bool_]:
    """On which of a container's days every course has both requests."""
    found: NDArray[np.bool_] = np.logical_and.reduce(
        [(one.cpu != NONE) & (one.memory != NONE) for one in courses]
    )
    return found


def together(parts: Sequence[Ground]) -> Ground:
    """That of several containers, one after the other."""
    found, before = [], 0
    for part in parts:
        found.append(part._replace(day=part.day + before))
        before += len(part.date)
    return Ground(*(np.concatenate(column) for column in zip(*found, strict=True)))


def ground(history: Past, days: Ints, price: Price) -> Ground:
    """Of one container, on some of its days."""
    window = (int(days[0]), int(days[-1]) + 1)
    cpu, memory = history.cpu_points(*window), history.memory_points(*window)
    cpu, memory = (each.where(np.isin(each.time // DAY, days)) for each in (cpu, memory))
    rows = [np.searchsorted(days, each.time // DAY) for each in (cpu, memory)]
    samples = [_sums(each, row, len(days)) for each, row in zip((cpu, memory), rows, strict=True)]
    pods = np.maximum(*samples) * history.step / DAY
    follows = np.ones(len(days), np.bool_)
    follows[0] = False
    return Ground(
        cpu=_means(cpu, rows[0], samples[0]),
        memory=_means(memory, rows[1], samples[1]),
        peak=history.peaks[np.searchsorted(history.days, days)],
        date=days,
        core=pods * price.core_hour / MILLION,
        byte=pods * price.gib_hour / MILLION / _GIB,
        samples=cpu.value,
        day=rows[0],
        minutes=(cpu.counts * history.step) / 60,
        follows=follows,
    )


def _sums(points: Points, row: Ints, rows: int) -> Floats:
    """How many samples each day has."""
    return np.bincount(row, points.often, rows).astype(np.float64)


def _means(points: Points, row: Ints, samples: Floats) -> Floats:
    """NaN for a day without any."""
    sums = np.bincount(row, points.value * points.counts, len(samples))
    return np.where(samples > 0, sums / np.maximum(samples, 1), np.nan)


def lived(courses: Sequence[Course], kept: Sequence[NDArray[np.bool_]], on: Ground) -> Lived:
    """`on` is what was used on the kept days."""
    cpu, memory = (
        np.concatenate([column[mask] for column, mask in zip(columns, kept, strict=True)])
        for columns in ([one.cpu for one in courses], [one.memory for one in courses])
    )
    differs = [on.follows & (np.diff(column, prepend=0) != 0) for column in (cpu, memory)]
    return Lived(
        cpu / 1000,
        memory.astype(np.float64),
        int((differs[0] | differs[1]).sum()),
        int(differs[0].sum()),
        int(differs[1].sum()),
    )


def measure(on: Ground, what: Lived, factors: Factors = (1.0, 1.0)) -> Measures:
    cpu, memory = what.cpu * factors[0], what.memory * factors[1]
    days = len(cpu)
    over = on.peak > memory
    excess = on.peak[over] / memory[over] - 1
    waits = on.samples > cpu[on.day]
    waiting = np.bincount(on.day[waits], on.minutes[waits], days)
    weeks = days / _WEEK
    return Measures(
        container_days=days,
        cpu_slack=_slack(cpu, on.cpu),
        memory_slack=_slack(memory, on.memory),
        overruns=float(over.mean()),
        overrun_size=float(excess.mean()) if len(excess) else 0.0,
        cpu_minutes=float(waiting.sum() / days),
        changes=what.changes / weeks,
        cpu_changes=what.cpu_changes / weeks,
        memory_changes=what.memory_changes / weeks,
        cost=float((cpu * on.core + memory * on.byte).sum() * HOURS / len(np.unique(on.date))),
    )


def _slack(request: Floats, use: Floats) -> float:
    known = ~np.isnan(use)
    return float(np.mean((request[known] - use[known]) / request[known])) if known.any() else 0.0


def factors_to(mine: Measures, like: Measures) -> Factors:
    """By what all requests of one replay have to be multiplied to leave the slack of another.

    Slack is one less the mean of use over request, so it follows at once.
    """
    return _factor(mine.cpu_slack, like.cpu_slack), _factor(mine.memory_slack, like.memory_slack)


def _factor(mine: float, like: float) -> float:
    """Where nothing is used there is nothing but slack, whatever the factor."""
    return (1 - mine) / (1 - like) if mine < 1 and like < 1 else 1.0

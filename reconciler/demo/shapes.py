"""How load behaves: days, weeks, noise, leaks. Integers only, so that every machine gets the same."""

from __future__ import annotations

import numpy as np

from reconciler.usage.days import DAY, days_since_1970
from reconciler.usage.samples import NO_SAMPLE
from reconciler.usage.series import Series
from reconciler.usage.sketch import Ints

START = days_since_1970("2026-02-01") * DAY  # a Sunday
END = days_since_1970("2026-03-01") * DAY
STEP = 300
MI = 1 << 20
TIME: Ints = np.arange(START, END, STEP, dtype=np.int64)


def _day(text: str) -> tuple[int, ...]:
    """Permille of the day's load at each full hour, UTC."""
    return tuple(map(int, text.split()))


SHOPPERS = _day(
    "180 120 80 60 60 90 180 330 480 600 680 730 780 760 720 720 760 840 950 1000 960 800 560 330"
)
OFFICE = _day("30 30 30 30 30 40 120 420 820 1000 980 930 780 900 960 920 780 480 220 110 70 50 40 30")
STEADY = _day(
    "900 880 870 860 860 870 900 930 950 970 980 990 1000 1000 1000 990 980 980 970 960 950 940 930 910"
)


def load(hours: tuple[int, ...], time: Ints = TIME, weekend: int = 100) -> Ints:
    """Permille at each time, in a straight line from hour to hour; `weekend` is per cent of that."""
    table = np.array((*hours, hours[0]), np.int64)
    hour, second = time % DAY // 3600, time % 3600
    level = (table[hour] * (3600 - second) + table[hour + 1] * second) // 3600
    return np.where(weekday(time) >= 5, level * weekend // 100, level)


def weekday(time: Ints) -> Ints:
    """Monday is 0."""
    return (time // DAY + 3) % 7


def noisy(random: np.random.Generator, level: Ints, percent: int) -> Ints:
    return level * random.integers(1000 - 10 * percent, 1001 + 10 * percent, len(level)) // 1000


def pod(number: int | Ints, time: Ints, cpu: Ints, memory: Ints) -> Series:
    """One pod, or as many as there are numbers; a tenth of its memory is cache."""
    numbers = np.broadcast_to(np.asarray(number, np.int64), time.shape)
    return Series(time, numbers, cpu, memory, memory * 9 // 10)


def together(*pods: Series) -> Series:
    return Series(*(np.concatenate(columns) for columns in zip(*pods, strict=True)))


def alike(
    random: np.random.Generator, count: int, cpu: Ints, memory: Ints, time: Ints = TIME, noise: int = 8
) -> Series:
    """Pods that share the load evenly, each with its own noise."""
    pods = (pod(number, time, noisy(random, cpu, noise), noisy(random, memory, 2)) for number in range(count))
    return together(*pods)


def constant(value: int, time: Ints = TIME) -> Ints:
    return np.full(len(time), value, np.int64)


def sawtooth(period: int, offset: int, low: int, high: int) -> tuple[Ints, tuple[int, ...]]:
    """A leak: from low to high in each period. Also when it begins anew."""
    phase = (TIME + offset) % period
    falls = np.flatnonzero(np.diff(phase) < 0) + 1
    return low + (high - low) * phase // period, tuple(TIME[falls].tolist())


def lost(series: Series, begin: int, end: int) -> Series:
    """The same with the samples between two times missing: a scrape that failed."""
    gone = (series.time >= begin) & (series.time < end)
    columns = (np.where(gone, NO_SAMPLE, column) for column in series[2:])
    return Series(series.time, series.pod, *columns)

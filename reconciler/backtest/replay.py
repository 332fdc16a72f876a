"""The past, lived through once more, a day after the other.

At the begin of a day an adviser knows what was measured before it, and what its own requests have
done: where the memory of a day passed the request in force, it is told of a kill from the next day
on. Samples are not cut off by that, so whoever had too small a request still sees how much it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from reconciler.backtest.advice import Adviser, Requests
from reconciler.backtest.series import History
from reconciler.model import OomKill
from reconciler.usage.days import DAY
from reconciler.usage.sketch import Ints
from reconciler.usage.tabular import Floats

NONE = -1


class Pace(NamedTuple):
    train_days: int  # from the first sample of a container on, in which nothing counts
    step_days: int  # between two questions


class Course(NamedTuple):
    """The requests in force of one container, one entry a day that counts."""

    days: Ints
    cpu: Ints  # millicores; NONE where there is none
    memory: Ints  # bytes


def counted(history: History, pace: Pace) -> Ints:
    """The days with samples after those of training."""
    found: Ints = history.days[history.days >= history.days[0] + max(pace.train_days, 1)]
    return found


def replay(histories: Sequence[History], adviser: Adviser, pace: Pace) -> Iterable[Course]:
    """One course a container, in their order."""
    for history in histories:
        yield _course(history, adviser, pace)


def _course(history: History, adviser: Adviser, pace: Pace) -> Course:
    days = counted(history, pace)
    if not len(days):
        return Course(days, days, days)
    asked = adviser(history)
    peaks = dict(zip(history.days.tolist(), history.peaks.tolist(), strict=True))
    before = [kill for kill in _recorded(history) if kill.day < days[0]]
    later = {kill.day: kill for kill in _recorded(history)}
    kills, in_force, due = before, _stated(history, int(days[0])), int(days[0])
    lived = []
    for day in days.tolist():
        if day >= due:
            in_force, due = asked.advise(day, in_force, kills), day + pace.step_days
        lived.append(in_force)
        if in_force.memory is not None and peaks[day] > in_force.memory:
            kills.append(OomKill(day, 1, in_force.memory))
        elif day in later:
            kills.append(later[day])
    cpu, memory = ([NONE if one is None else one for one in column] for column in zip(*lived, strict=True))
    return Course(days, np.array(cpu, np.int64), np.array(memory, np.int64))


def _stated(history: History, day: int) -> Requests:
    """What the samples say was in force before that day."""
    past = slice(0, int(np.searchsorted(history.time // DAY, day)))
    cpu, memory = _last(history.cpu_request[past]), _last(history.memory_request[past])
    return Requests(None if cpu is None else round(cpu * 1000), None if memory is None else round(memory))


def _last(stated: Floats) -> float | None:
    known = stated[~np.isnan(stated)]
    return float(known[-1]) if len(known) and known[-1] > 0 else None


def _recorded(history: History) -> list[OomKill]:
    """Kills that the samples tell of, under a limit that nobody knows."""
    found = np.flatnonzero(history.oom)
    days, which = np.unique(history.time[found] // DAY, return_inverse=True)
    numbers = np.bincount(which, history.oom[found], len(days)).astype(np.int64)
    return [OomKill(day, number, 0) for day, number in zip(days.tolist(), numbers.tolist(), strict=True)]

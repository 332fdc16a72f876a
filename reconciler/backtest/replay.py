"""The past, lived through once more, a day after the other.

At the begin of a day an adviser knows what was measured before it, and what its own requests have
done: where the memory of a day passed the request in force, it is told of a kill from the next day
on. Samples are not cut off by that, so whoever had too small a request still sees how much it was.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from reconciler.backtest.advice import Adviser
from reconciler.backtest.past import Past, Requests
from reconciler.model import OomKill
from reconciler.usage.sketch import Ints

NONE = -1


class Pace(NamedTuple):
    train_days: int  # from the first sample of a container on, in which nothing counts
    step_days: int  # between two questions


class Course(NamedTuple):
    """The requests in force of one container, one entry a day that counts."""

    days: Ints
    cpu: Ints  # millicores; NONE where there is none
    memory: Ints  # bytes


def counted(history: Past, pace: Pace) -> Ints:
    """The days with samples after those of training."""
    found: Ints = history.days[history.days >= history.days[0] + max(pace.train_days, 1)]
    return found


def replay(history: Past, adviser: Adviser, pace: Pace) -> Course:
    days = counted(history, pace)
    if not len(days):
        return Course(days, days, days)
    asked = adviser(history)
    peaks = dict(zip(history.days.tolist(), history.peaks.tolist(), strict=True))
    later = {kill.day: kill for kill in history.kills()}
    kills = [kill for kill in later.values() if kill.day < days[0]]
    in_force, due = history.stated(int(days[0])), int(days[0])
    lived = []
    for day in days.tolist():
        if day >= due:
            in_force, due = asked.advise(day, in_force, kills), day + pace.step_days
        lived.append(in_force)
        if in_force.memory is not None and peaks[day] > in_force.memory:
            kills.append(OomKill(day, 1, in_force.memory))
        elif day in later and not _would_have_lived(later[day], in_force):
            kills.append(later[day])
    cpu, memory = ([NONE if one is None else one for one in column] for column in zip(*lived, strict=True))
    return Course(days, np.array(cpu, np.int64), np.array(memory, np.int64))


def _would_have_lived(kill: OomKill, in_force: Requests) -> bool:
    """Under a request above the limit at which it was killed, which the limit would have gone along with."""
    return bool(kill.limit) and in_force.memory is not None and in_force.memory > kill.limit

"""What happened beside the samples: kills, restarts, throttling, and the requests in force."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Final, NamedTuple

import numpy as np

from reconciler.usage.days import Resources, Trouble
from reconciler.usage.prometheus.day_ends import stated_within, within
from reconciler.usage.prometheus.events import (
    Key,
    Marks,
    Points,
    as_heard,
    key_of,
    killed,
    limit_before,
    points,
    rises,
)
from reconciler.usage.prometheus.limits import Span
from reconciler.usage.prometheus.probe import Part
from reconciler.usage.prometheus.promql import (
    LAST_REASON,
    PERIODS,
    REASON,
    STEP,
    THROTTLED,
    Names,
)
from reconciler.usage.prometheus.ways import Context, DayEnd, Ways
from reconciler.usage.samples import NO_SAMPLE
from reconciler.usage.sketch import LARGEST, Ints

_BEFORE: Final = 3600  # counters are looked at from an hour before, so that a rise at midnight is one
_PODS_AT_ONCE: Final = 200
_FEW: Final = 4  # of so many pods less than one has a container that ended


def rss_of(ways: Ways, part: Part, context: Context, keys: Sequence[Key]) -> Ints:
    """The highest resident set of each container of a pod."""
    query = partial(ways.questions.rss, ways.batch.namespaces)
    found = _within(ways, part, context, query, max)
    return np.array([min(LARGEST, int(found.get(key, NO_SAMPLE))) for key in keys], np.int64)


def _within(
    ways: Ways,
    part: Part,
    context: Context,
    query: Callable[[int], str],
    combine: Callable[[float, float], float],
) -> dict[Key, float]:
    labels = ways.questions.labels
    answers = ways.asker.within(query, part.span, ways.batch.series, context.interval)
    found: dict[Key, float] = {}
    for answer in answers:
        for series, value in zip(answer.labels, answer.values.tolist(), strict=True):
            if np.isfinite(value):
                key = key_of(series, labels.cadvisor, ways.questions.whose)
                found[key] = combine(found[key], value) if key in found else value
    return found


# ---------------------------------------------------------------------------------------------
# Ends
# ---------------------------------------------------------------------------------------------


class Ends(NamedTuple):
    """Ends of containers, and those of them that were for lack of memory."""

    marks: Marks
    kills: Mapping[Key, Points]


def ends_of(ways: Ways, part: Part, context: Context) -> Ends:
    questions, spaces = ways.questions, ways.batch.namespaces
    labels, window = questions.labels, context.lookback
    span = _around(part)

    def seen(query: str, names: Names) -> dict[Key, Points]:
        few = ways.batch.series // _FEW  # most containers have never ended
        return points(ways.asker.over(query, span, STEP, few), names, questions.whose)

    def counted(query: str, names: Names) -> dict[Key, Points]:
        return {key: as_heard(each, context.heard, STEP) for key, each in seen(query, names).items()}

    marks = Marks(
        restarts=_together(
            counted(questions.restarts(spaces, window, pods), labels.state) for pods in _restarted(ways, part)
        ),
        last_killed=seen(questions.oom_killed(LAST_REASON, spaces, window), labels.state),
        ended_killed=seen(questions.oom_killed(REASON, spaces, window), labels.state),
        oom_events=counted(questions.oom_events(spaces, window), labels.cadvisor),
    )
    return Ends(marks, killed(marks, part.span.start, STEP, -(-window // STEP) * STEP))


def _restarted(ways: Ways, part: Part) -> list[Sequence[str]]:
    """Pods whose restarts are worth a question, a few at a time; an empty group is all pods."""
    questions, spaces = ways.questions, ways.batch.namespaces
    answer = within(ways, part, partial(questions.restarted, spaces), part.span.seconds + _BEFORE)
    pods = sorted({series.get(questions.labels.state.pod, "") for series in answer.labels})
    if len(pods) * _FEW > ways.batch.series:
        return [()]
    if pods:
        return [pods[begin : begin + _PODS_AT_ONCE] for begin in range(0, len(pods), _PODS_AT_ONCE)]
    # Nobody has, or this server doesn't keep the ends of containers.
    some = ways.asker.server.instant(questions.any_restarts(spaces), part.end)
    return [()] if len(some.values) else []


def _together(found: Iterable[Mapping[Key, Points]]) -> dict[Key, Points]:
    return {key: each for group in found for key, each in group.items()}


def _around(part: Part) -> Span:
    return Span(part.span.start - _BEFORE, part.end)


def trouble_of(
    ways: Ways, part: Part, context: Context, keys: Sequence[Key], owner_of_row: Ints, ends: Ends
) -> tuple[Trouble, ...]:
    """Of each owner, over all its rows."""
    limits = _limits_of(ways, part, context, list(ends.kills))
    throttled = _periods(ways, part, context, THROTTLED)
    periods = _periods(ways, part, context, PERIODS) if throttled else {}
    found = [Trouble()] * (int(owner_of_row.max(initial=-1)) + 1)
    for key, owner in zip(keys, owner_of_row.tolist(), strict=True):
        mine = _killed(ends.kills.get(key), limits.get(key))
        if key in ends.marks.restarts:
            risen = rises(ends.marks.restarts[key], part.span.start)
            mine = mine._replace(restarts=int(risen.values.sum()))
        if key in periods:
            total = _count(periods[key])
            mine = mine._replace(throttled_periods=min(total, _count(throttled.get(key, 0))), periods=total)
        if mine != _NONE:
            found[owner] = _added(found[owner], mine)
    return tuple(found)


_NONE: Final = Trouble()


def _killed(kills: Points | None, limits: Points | None) -> Trouble:
    if kills is None:
        return _NONE
    at_limits = [limit_before(limits, at) for at in kills.times.tolist()]
    return Trouble(
        oom_kills=int(kills.values.sum()),
        oom_limit_bytes=max((limit for limit in at_limits if limit), default=None),
    )


def _added(one: Trouble, other: Trouble) -> Trouble:
    return Trouble(
        oom_kills=min(LARGEST, one.oom_kills + other.oom_kills),
        oom_limit_bytes=_larger(one.oom_limit_bytes, other.oom_limit_bytes),
        restarts=min(LARGEST, one.restarts + other.restarts),
        throttled_periods=_sum(one.throttled_periods, other.throttled_periods),
        periods=_sum(one.periods, other.periods),
    )


def _larger(one: int | None, other: int | None) -> int | None:
    return max((each for each in (one, other) if each is not None), default=None)


def _sum(one: int | None, other: int | None) -> int | None:
    return other if one is None else one if other is None else min(LARGEST, one + other)


def _count(value: float) -> int:
    """One number beyond all bounds must not spoil a row, and with it the file of all others."""
    return round(min(max(value, 0), LARGEST))


def _periods(ways: Ways, part: Part, context: Context, metric: str) -> dict[Key, float]:
    def add(one: float, other: float) -> float:
        return one + other

    query = partial(ways.questions.increase, metric, ways.batch.namespaces)
    return _within(ways, part, context, query, add)


def _limits_of(ways: Ways, part: Part, context: Context, keys: Iterable[Key]) -> dict[Key, Points]:
    """The memory limits that were in force around the kills of a few pods."""
    labels = ways.questions.labels
    pods = sorted({(key.namespace, key.pod) for key in keys})
    found: dict[Key, Points] = {}
    for begin in range(0, len(pods), _PODS_AT_ONCE):
        some = pods[begin : begin + _PODS_AT_ONCE]
        spaces = sorted({namespace for namespace, _ in some})
        query = ways.questions.memory_limits(spaces, [pod for _, pod in some], context.lookback)
        answers = ways.asker.over(query, _around(part), STEP, len(some))
        found |= points(answers, labels.state, ways.questions.whose)
    return found


# ---------------------------------------------------------------------------------------------
# Requests and limits
# ---------------------------------------------------------------------------------------------


def resources_of(
    ways: Ways, part: Part, end: DayEnd, keys: Sequence[Key], owner_of_row: Ints, last: Ints
) -> tuple[Resources, ...]:
    """In force at the end, of each owner: of the pods that lived longest, for others may have had others."""
    latest = np.full(int(owner_of_row.max(initial=-1)) + 1, -1, np.int64)
    np.maximum.at(latest, owner_of_row, last)
    gone = latest < part.steps - 1
    stated = end.stated
    spaces = sorted({key.namespace for key, owner in zip(keys, owner_of_row, strict=True) if gone[owner]})
    if spaces:
        stated = {**stated_within(ways, part, spaces), **stated}
    found = [Resources()] * len(latest)
    for row in np.flatnonzero(last == latest[owner_of_row]).tolist():
        if keys[row] in stated:
            both = zip(found[owner_of_row[row]], stated[keys[row]], strict=True)
            found[owner_of_row[row]] = Resources(*(_larger(*each) for each in both))
    return tuple(found)

"""What kube-state-metrics tells of the pods that live when a day ends: their owners, requests and limits.

One question tells it of all days, a point a day. What pods told that ended before is asked only where
it is missed: looking through a whole day costs a server much more than looking at its end.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from multiprocessing.pool import ThreadPool
from typing import Final

import numpy as np

from reconciler.usage.days import DAY, Resources
from reconciler.usage.prometheus.answers import Matrix, Vector
from reconciler.usage.prometheus.events import Key, key_of
from reconciler.usage.prometheus.limits import Span
from reconciler.usage.prometheus.owners import owners_of_pods
from reconciler.usage.prometheus.probe import Part, runs
from reconciler.usage.prometheus.promql import LIMITS, REQUESTS, Questions, of_init
from reconciler.usage.prometheus.ways import DayEnd, Ways
from reconciler.usage.sketch import LARGEST

SLOW: Final = 1800  # what hardly changes costs a server little, however often it is written down
_STATED: Final = {
    each: f"{{}}_{word}"
    for metric, word in ((REQUESTS, "request"), (LIMITS, "limit"))
    for each in (metric, of_init(metric))
}
_OWNERS: Final = ""
_SERIES_A_CONTAINER: Final = 2  # one of CPU, one of memory

Labels = Mapping[str, str]


def day_ends(ways: Ways, parts: Iterable[Part]) -> dict[int, DayEnd]:
    """Of all days, a few questions at a time."""
    asked = [(metric, span) for span in _spans(parts) for metric in (_OWNERS, *_STATED)]

    def ask(which: tuple[str, Span]) -> list[Matrix]:
        metric, span = which
        series = ways.batch.series * _SERIES_A_CONTAINER
        return ways.asker.over(_query(ways, metric)(0), span, DAY, series)

    owners: dict[int, list[Labels]] = defaultdict(list)
    stated: dict[int, _Fields] = defaultdict(_fields)
    with ThreadPool(ways.asker.at_once) as pool:
        for (metric, span), answers in zip(asked, pool.map(ask, asked), strict=True):
            for labels, days, values in _series(answers, span):
                if metric == _OWNERS:
                    for day in days:
                        owners[day].append(labels)
                else:
                    said = zip((stated[day] for day in days), values, strict=True)
                    _add(ways.questions, metric, labels, said)
    return {
        part.day: DayEnd(
            owners_of_pods(ways.questions, owners.get(part.day, ())), _records(stated.get(part.day, {}))
        )
        for part in parts
    }


def _spans(parts: Iterable[Part]) -> Iterator[Span]:
    """Days that end a day apart, together."""
    for run in runs(list(parts)):
        whole = [part for part in run if part.whole]
        if whole:
            yield Span(whole[0].end - DAY, whole[-1].end)
        yield from (Span(part.end - DAY, part.end) for part in run if not part.whole)


def _query(ways: Ways, metric: str) -> Callable[[int], str]:
    spaces = ways.batch.namespaces
    if metric == _OWNERS:
        return partial(ways.questions.pod_owners, spaces)
    return partial(ways.questions.in_force, metric, spaces)


def _series(answers: Iterable[Matrix], span: Span) -> Iterator[tuple[Labels, list[int], list[float]]]:
    """Each series with the days that it was there at the end of, and what it said."""
    for answer in answers:
        offsets, days = answer.offsets.tolist(), ((answer.times - 1) // DAY).tolist()
        values = answer.values.tolist()
        for at, labels in enumerate(answer.labels):
            here = slice(offsets[at], offsets[at + 1])
            yield labels, days[here], values[here]


# ---------------------------------------------------------------------------------------------
# Requests and limits
# ---------------------------------------------------------------------------------------------

_Fields = dict[Key, dict[str, int]]


def _fields() -> _Fields:
    return defaultdict(dict)


def _add(questions: Questions, metric: str, labels: Labels, said: Iterable[tuple[_Fields, float]]) -> None:
    resource = labels.get("resource", "")
    if resource not in ("cpu", "memory"):
        return
    key = key_of(labels, questions.labels.state, questions.whose)
    field = _STATED[metric].format(resource)
    for fields, value in said:
        if np.isfinite(value) and value >= 0:
            amount = round(value * 1000) if resource == "cpu" else int(value)
            fields[key][field] = min(LARGEST, amount)


def _records(fields: Mapping[Key, Mapping[str, int]]) -> dict[Key, Resources]:
    return {key: Resources(**found) for key, found in fields.items()}


def stated_within(ways: Ways, part: Part, spaces: Sequence[str]) -> dict[Key, Resources]:
    """What was stated last on a day, also of pods that ended."""
    found = _fields()
    for metric in _STATED:
        answer = within(ways, part, partial(ways.questions.in_force, metric, spaces), part.span.seconds)
        for labels, value in zip(answer.labels, answer.values.tolist(), strict=True):
            _add(ways.questions, metric, labels, [(found, value)])
    return _records(found)


def within(ways: Ways, part: Part, query: Callable[[int], str], window: int) -> Vector:
    """What was last told in so much time before the end of a part."""
    return joined(ways.asker.within(query, Span(part.end - window, part.end), ways.batch.series, SLOW))


def joined(answers: Sequence[Vector]) -> Vector:
    """Later answers come last, so that they win wherever something is looked up."""
    labels = tuple(series for answer in answers for series in answer.labels)
    times = np.concatenate([answer.times for answer in answers])
    return Vector(labels, times, np.concatenate([answer.values for answer in answers]))

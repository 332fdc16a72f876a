"""What a server has of a cluster, found out with a few small questions before anything large is asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from reconciler.model import Whose
from reconciler.usage.days import DAY
from reconciler.usage.prometheus.answers import Matrix
from reconciler.usage.prometheus.limits import Asked, Span
from reconciler.usage.prometheus.promql import CPU, MEMORY, RULE_WINDOW, STEP, Questions
from reconciler.usage.prometheus.unanswered import Kind, UnansweredError
from reconciler.usage.sketch import Ints

Flags = NDArray[np.bool_]

STEPS: Final = DAY // STEP
_HOUR: Final = 3600
_LOOKS: Final = 6 * _HOUR  # between two looks at how often samples come
_DAYS_AT_ONCE: Final = 30  # Azure refuses questions about more than 32
_RULE_SCRAPES: Final = 75  # with samples further apart a rate of five minutes has holes
_HOLE: Final = 3  # steps without anything in the whole cluster, until it is called a hole
_ALIKE: Final = 0.05


class Part(NamedTuple):
    """A UTC day, or as much of it as has passed."""

    day: int
    end: int  # a multiple of the step

    @property
    def span(self) -> Span:
        return Span(self.day * DAY, self.end)

    @property
    def whole(self) -> bool:
        return self.end == (self.day + 1) * DAY

    @property
    def steps(self) -> int:
        return self.span.seconds // STEP


class Rhythm(NamedTuple):
    """How a cluster's samples came, day by day. A day without any has no interval."""

    intervals: Mapping[int, int]  # seconds between two samples of what was asked for
    heard: frozenset[int]  # days on which the server knows anything of the cluster
    silent: Mapping[int, Flags]  # steps at which the whole cluster was silent
    pulse: str  # series that tell when any node was heard of; none on a server that doesn't keep such
    times: frozenset[int]  # at which any was
    from_before: bool  # rates begin with the sample before their window
    ruled: frozenset[int]  # days on which the recorded rule of CPU can be taken


class Past(NamedTuple):
    """How far back a server knows what it was asked for."""

    forgotten: frozenset[int] = frozenset()  # days of which it may have known more once
    began: frozenset[int] = frozenset()  # the day in whose midst the server, or the cluster, began


def series_of(
    server: Asked, questions: Questions, namespaces: Sequence[str] | None, at: int, seconds: int
) -> dict[str, int]:
    """How many containers' series each namespace had within so many seconds."""
    answer = server.instant(questions.series_counts(namespaces, seconds), at)
    return by_namespace(answer.labels, answer.values, questions.labels.cadvisor.namespace)


def by_namespace(labels: Sequence[Mapping[str, str]], values: Iterable[float], name: str) -> dict[str, int]:
    return {
        series.get(name, ""): int(value)
        for series, value in zip(labels, values, strict=True)
        if np.isfinite(value)
    }


def with_images(server: Asked, questions: Questions, at: int) -> Questions:
    """Rows without an image count only where this server tells images at all."""
    strict = questions._replace(only_images=True)
    for series in (strict.cadvisor(MEMORY, None), _lately(strict)):  # now, or at least lately
        if len(server.instant(f"count({series})", at).values):
            return strict
    return questions._replace(only_images=False)


def _lately(questions: Questions) -> str:
    return f"last_over_time({questions.cadvisor(MEMORY, None)}[{DAY}s])"


def rhythm(
    server: Asked,
    questions: Questions,
    namespaces: Sequence[str] | None,
    parts: Sequence[Part],
    fixed: int | None,
) -> Rhythm:
    """`fixed`: the seconds between two samples, where the settings say them."""
    if not parts:
        return Rhythm({}, frozenset(), {}, "", frozenset(), False, frozenset())
    intervals = _intervals(server, questions, namespaces, parts)
    from_before = _from_before(server, questions, namespaces, parts, intervals)
    if fixed is not None:
        intervals = dict.fromkeys(intervals, fixed)
    pulse = _pulse(server, questions, parts)
    heard = _heard(server, pulse, parts) if pulse else frozenset()
    young = _young(server, pulse, parts[0]) if heard and _is_torn(parts[0], heard) else False
    known = [part for part in parts if part.day in intervals]
    others = _others(server, questions, [part for part in parts if part not in known], heard)
    return Rhythm(
        intervals,
        _days_of(heard, parts) | frozenset(intervals) | others,
        {part.day: _silence(heard, part, min(heard) if young else 0) for part in known},
        pulse,
        heard,
        from_before,
        _ruled(server, questions, namespaces, known, intervals),
    )


def _days_of(times: Iterable[int], parts: Sequence[Part]) -> frozenset[int]:
    # A point at midnight tells of the day that ends with it.
    return frozenset((time - 1) // DAY for time in times) & {part.day for part in parts}


def _others(
    server: Asked, questions: Questions, parts: Sequence[Part], heard: frozenset[int]
) -> frozenset[int]:
    """Days on which anything is known, on a server that doesn't keep the nodes' own series."""
    if heard:
        return frozenset()
    found: set[int] = set()
    for run in runs(parts):
        anything = server.range(
            f"count({questions.cadvisor(MEMORY, None)})", run[0].span.start + STEP, run[-1].end, _LOOKS
        )
        found |= _days_of(_one_line(anything), run)
    return frozenset(found)


def past_of(
    server: Asked,
    questions: Questions,
    first: Part,
    asked: Sequence[Part],
    found: Rhythm,
    cached: Iterable[int],
    keeps_since: int | None,
) -> Past:
    """Of the days asked for, those of which a server may have known more once, and that on which it began.

    The former lie before the first sample that it has since the first day of the window, as a whole or in
    part. Those that it would still have, by its own word, were no different: unless the cache has a
    day that it should have too, for then it lost what it had.
    """
    doubtful = {part.day for part in asked if part.day not in found.heard or _is_torn(part, found.times)}
    if not doubtful:
        return Past()
    series = found.pulse or questions.cadvisor(MEMORY, None)
    if len(server.instant(f"count({series})", min(doubtful) * DAY).values):
        return Past()  # it has known something for longer
    # From an hour before: where samples come seldom, a day need not begin with one. And to the first step of
    # the day after, with which it may have begun.
    span = Span(first.span.start - _HOUR, (max(doubtful) + 1) * DAY + STEP)
    begins = _first(server, f"count({series})", span)

    def is_before(day: int) -> bool:
        return begins is None or day * DAY + STEP < begins

    if any(is_before(day) for day in cached):
        keeps_since = None
    lost = frozenset(
        day for day in doubtful if is_before(day) and (keeps_since is None or day * DAY < keeps_since)
    )
    # Kept, it would look next time like a day of which the server has lost a part.
    torn = frozenset(day for day in doubtful - lost if begins is not None and day == (begins - 1) // DAY)
    return Past(lost, torn)


def _first(server: Asked, query: str, span: Span) -> int | None:
    """When there was anything first."""
    for piece in span.pieces(STEP, _DAYS_AT_ONCE * DAY):
        found = _one_line(server.range(query, piece.start + STEP, piece.end, STEP))
        if found:
            return min(found)
    return None


def _is_torn(part: Part, times: frozenset[int]) -> bool:
    """Whether its beginning isn't known: maybe so, where the nodes' own series aren't kept."""
    return part.span.start + STEP not in times


def _intervals(
    server: Asked, questions: Questions, namespaces: Sequence[str] | None, parts: Sequence[Part]
) -> dict[int, int]:
    """From how many samples an hour has. The fullest hours of a day tell: others may have a hole."""
    found: dict[int, int] = {}
    for run in runs(parts):
        looked = _looked(server, questions, namespaces, run, _HOUR, _LOOKS)
        # A young day may have had no such moment yet, and a torn one may have been silent at all of them.
        for part in run:
            if not any(_on(time, part) for time in looked):
                looked |= _looked(server, questions, namespaces, [part], _HOUR // 2, _HOUR // 2)
            most = max((value for time, value in looked.items() if _on(time, part)), default=0)
            if most > 0:
                found[part.day] = max(1, round(_HOUR / most))
    return found


def _looked(
    server: Asked,
    questions: Questions,
    namespaces: Sequence[str] | None,
    run: Sequence[Part],
    window: int,
    every: int,
) -> dict[int, float]:
    """Samples an hour, each time of no more than the day that it is about."""
    if run[-1].end < run[0].span.start + window:
        return {}
    series = questions.cadvisor(MEMORY, namespaces)
    counts = f"quantile(0.9, count_over_time({series}[{window}s]))"
    answer = server.range(counts, run[0].span.start + window, run[-1].end, every)
    return {time: value * _HOUR / window for time, value in _one_line(answer).items()}


def _from_before(
    server: Asked,
    questions: Questions,
    namespaces: Sequence[str] | None,
    parts: Sequence[Part],
    intervals: Mapping[int, int],
) -> bool:
    """Whether a rate begins with the sample before its window, as VictoriaMetrics' do.

    Half the time between two samples never holds two of them: most servers have no rate for it.
    """
    known = [part for part in parts if part.day in intervals and part.span.seconds >= _HOUR]
    if not known:
        return False
    half = f"{questions.cadvisor(CPU, namespaces)}[{min(intervals.values()) * 500}ms]"
    last = max(known)
    answer = server.range(f"count(rate({half}))", last.span.start + _HOUR, last.end, _LOOKS)
    return bool(_one_line(answer))


def _on(time: int, part: Part) -> bool:
    return part.span.start < time <= part.end


def _one_line(answer: Matrix) -> dict[int, float]:
    """An answer of one series, by time."""
    known = np.isfinite(answer.values)
    return dict(zip(answer.times[known].tolist(), answer.values[known].tolist(), strict=True))


def runs(parts: Sequence[Part]) -> list[list[Part]]:
    """Days that follow each other, together; no more than any server answers a question about."""
    found: list[list[Part]] = []
    for part in sorted(parts):
        last = found[-1] if found else []
        if last and len(last) < _DAYS_AT_ONCE and last[-1].whole and last[-1].day + 1 == part.day:
            last.append(part)
        else:
            found.append([part])
    return found


def _pulse(server: Asked, questions: Questions, parts: Sequence[Part]) -> str:
    """The first of the series that tell of nodes that this server keeps."""
    for series in questions.pulses():
        for run in runs(parts):
            if _one_line(server.range(f"count({series})", run[0].span.start + STEP, run[-1].end, _LOOKS)):
                return series
    return ""


def _heard(server: Asked, pulse: str, parts: Sequence[Part]) -> frozenset[int]:
    """When any node was heard of, from an hour before."""
    found: set[int] = set()
    for run in runs(parts):
        for piece in Span(run[0].span.start - _HOUR, run[-1].end).pieces(STEP, DAY * 30):
            found.update(_one_line(server.range(f"count({pulse})", piece.start + STEP, piece.end, STEP)))
    return frozenset(found)


def _young(server: Asked, pulse: str, first: Part) -> bool:
    """Whether nothing at all was ever heard before: a time before a server began is no silence."""
    ever = f"count(last_over_time({pulse}[{_DAYS_AT_ONCE * DAY}s]))"
    return not len(server.instant(ever, first.span.start).values)


def _silence(heard: frozenset[int], part: Part, since: int) -> Flags:
    """Steps at which no node was heard of. Pods live on through them, whether we see them or not."""
    if not heard:  # this server doesn't keep the nodes' own series
        return np.zeros(STEPS, bool)
    times = range(part.span.start + STEP, part.span.start + DAY + STEP, STEP)
    return _long(np.array([time not in heard and since <= time <= part.end for time in times]))


def _long(quiet: Flags) -> Flags:
    """Only stretches of several steps: a late scrape is no silence."""
    found = np.zeros(len(quiet), bool)
    edges = np.flatnonzero(np.diff(np.concatenate(([0], quiet.astype(np.int8), [0]))))
    for begin, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        found[begin:end] = end - begin >= _HOLE
    return found


def _ruled(
    server: Asked,
    questions: Questions,
    namespaces: Sequence[str] | None,
    parts: Sequence[Part],
    intervals: Mapping[int, int],
) -> frozenset[int]:
    """Days on which the rule knows all containers, and says what their own series say."""
    fitting = [part for part in parts if intervals[part.day] <= _RULE_SCRAPES]
    if not fitting or not len(server.instant(f"count({questions.rule(namespaces)})", fitting[-1].end).values):
        return frozenset()
    rule = f"max {questions.containers} ({questions.rule(namespaces)})"
    own = f"max {questions.containers} ({questions.cpu(namespaces, RULE_WINDOW)})"
    found: set[int] = set()
    for run in runs(fitting):
        lines = [
            _one_line(server.range(f"{way}({of})", run[0].span.start + _HOUR, run[-1].end, _LOOKS))
            for of in (rule, own)
            for way in ("count", "sum")
        ]
        found.update(part.day for part in run if _agree(part, *lines))
    return frozenset(found)


def _agree(
    part: Part,
    rules: Mapping[int, float],
    by_rule: Mapping[int, float],
    containers: Mapping[int, float],
    by_series: Mapping[int, float],
) -> bool:
    looks = [time for time in containers if _on(time, part)]
    return bool(looks) and all(
        rules.get(time, 0) >= containers[time]
        and abs(by_rule.get(time, 0.0) - by_series[time]) <= _ALIKE * by_series[time]
        for time in looks
    )


def require_series(server: Asked, questions: Questions, at: int) -> None:
    """Tells why a server knows nothing of what was asked for; nothing is raised when it may be so."""
    bare = questions.state(MEMORY, None)
    if not len(server.instant(f"count(last_over_time({bare}[{DAY}s]))", at).values):
        words = (
            f"has no series of {MEMORY} within the last day"
            f"{_of(questions)}: does it scrape the kubelet's cAdvisor?"
        )
        if questions.scope.matchers:
            words += " And are these labels, from `metricsLabels`, on its series?"
        raise UnansweredError(Kind.WRONG, words, Whose.YOURS)
    if not len(server.instant(f"count({_lately(questions)})", at).values):
        words = (
            f"has series of {MEMORY}, but none with a label {questions.labels.cadvisor.container}: "
            "say under `labels` of the metrics what they are called"
        )
        raise UnansweredError(Kind.WRONG, words, Whose.YOURS)


def _of(questions: Questions) -> str:
    told = ", ".join(f"{name}={value}" for name, value in questions.scope.matchers)
    return f" with the labels {told}" if told else ""


def indexes(times: Ints, part: Part) -> Ints:
    """The step of each time. A point tells of the step that ends with it."""
    return (times - part.span.start) // STEP - 1

"""A metrics server within the tests' own process: a small PromQL over samples that a test makes up.

It understands what the live source asks, has a clock and a memory of its own, and fails where a test
tells it to.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import promql_parser
from promql_parser import (
    AggregateExpr,
    BinaryExpr,
    Call,
    MatchOp,
    MatrixSelector,
    NumberLiteral,
    ParenExpr,
    SubqueryExpr,
    VectorSelector,
)

from reconciler.model import Note
from reconciler.usage.prometheus.answers import Matrix, Vector
from reconciler.usage.prometheus.wire import Load

LOOKBACK = 300
Labels = Mapping[str, str]


class Series(NamedTuple):
    """Of one metric, with its name under `__name__`."""

    labels: Labels
    times: np.ndarray  # Unix seconds
    values: np.ndarray


class Lines(NamedTuple):
    """What an expression is at some moments; NaN where it is nothing."""

    labels: list[dict[str, str]]
    values: np.ndarray  # lines x moments


class Question(NamedTuple):
    query: str
    start: int
    end: int
    step: int  # 0: of one moment

    def __contains__(self, text: str) -> bool:
        return text in self.query


@dataclass
class InProcess:
    """Attributes may be changed between two questions."""

    series: list[Series] = field(default_factory=list)
    clock: int | None = None  # what it believes the time to be
    keeps: int | None = None  # seconds, as it says
    forgets: int = 0  # it has nothing from before this time
    fails: Callable[[Question], Exception | None] = lambda question: None
    asked: list[Question] = field(default_factory=list)

    def instant(self, query: str, at: int) -> Vector:
        found = self._answer(Question(query, at, at, 0), np.array([at]))
        known = ~np.isnan(found.values[:, 0])
        labels = tuple(series for series, there in zip(found.labels, known, strict=True) if there)
        return Vector(labels, np.full(int(known.sum()), at, np.int64), found.values[known, 0])

    def range(self, query: str, start: int, end: int, step: int) -> Matrix:
        moments = np.arange(start, end + 1, step, dtype=np.int64)
        found = self._answer(Question(query, start, end, step), moments)
        known = ~np.isnan(found.values)
        rows = [row for row in range(len(found.labels)) if known[row].any()]
        lengths = [int(known[row].sum()) for row in rows]
        return Matrix(
            tuple(found.labels[row] for row in rows),
            np.concatenate(([0], np.cumsum(lengths))).astype(np.int64),
            np.concatenate([moments[known[row]] for row in rows] or [np.zeros(0, np.int64)]),
            np.concatenate([found.values[row][known[row]] for row in rows] or [np.zeros(0)]),
        )

    def server_time(self) -> int | None:
        return self.clock

    def retention(self) -> int | None:
        return self.keeps

    def labels(self, name: str, match: Sequence[str] = ()) -> tuple[str, ...]:
        return tuple(sorted({one.labels[name] for one in self.series if name in one.labels}))

    def cautions(self) -> tuple[Note, ...]:
        return ()

    def load(self) -> Load:
        return Load(len(self.asked))

    def asked_for(self, *texts: str) -> list[Question]:
        return [question for question in self.asked if all(text in question for text in texts)]

    def _answer(self, question: Question, moments: np.ndarray) -> Lines:
        self.asked.append(question)
        error = self.fails(question)
        if error is not None:
            raise error
        return self._lines(promql_parser.parse(question.query), moments)

    # ------------------------------------------------------------------------------ expressions

    def _lines(self, tree: object, moments: np.ndarray) -> Lines:
        if isinstance(tree, ParenExpr):
            return self._lines(tree.expr, moments)
        if isinstance(tree, VectorSelector):
            return self._over(tree, LOOKBACK, _last, moments, named=True)
        if isinstance(tree, Call) and isinstance(tree.args[0], MatrixSelector):
            seconds = tree.args[0].range.total_seconds()
            return self._over(tree.args[0].vector_selector, seconds, _CALLS[tree.func.name], moments)
        if isinstance(tree, Call) and isinstance(tree.args[0], SubqueryExpr):
            return self._over_subquery(tree.args[0], _CALLS[tree.func.name], moments)
        if isinstance(tree, AggregateExpr):
            return _aggregated(tree, self._lines(tree.expr, moments))
        if isinstance(tree, BinaryExpr) and isinstance(tree.rhs, NumberLiteral) and str(tree.op) == ">":
            found = self._lines(tree.lhs, moments)
            return found._replace(values=np.where(found.values > tree.rhs.val, found.values, np.nan))
        if isinstance(tree, BinaryExpr) and str(tree.op) == "or":
            return _either(self._lines(tree.lhs, moments), self._lines(tree.rhs, moments))
        if isinstance(tree, BinaryExpr) and str(tree.op) == "or":
            return _either(self._lines(tree.lhs, moments), self._lines(tree.rhs, moments))
        raise NotImplementedError(str(tree))

    def _over_subquery(
        self, tree: SubqueryExpr, call: Callable[..., np.ndarray], moments: np.ndarray
    ) -> Lines:
        seconds, step = tree.range.total_seconds(), int(tree.step.total_seconds())
        first = int(moments[0] - seconds) // step * step + step
        grid = np.arange(first, moments[-1] + 1, step, dtype=np.int64)
        inner = self._lines(tree.expr, grid)
        found = [
            Series(labels, grid[~np.isnan(line)], line[~np.isnan(line)])
            for labels, line in zip(inner.labels, inner.values, strict=True)
        ]
        lines = [_windowed(each, seconds, call, moments) for each in found]
        return Lines(inner.labels, np.array(lines).reshape(len(lines), len(moments)))

    def _over(
        self,
        selector: VectorSelector,
        seconds: float,
        call: Callable[..., np.ndarray],
        moments: np.ndarray,
        named: bool = False,
    ) -> Lines:
        labels, lines = [], []
        for series in self._selected(selector):
            fresh = series.times >= self.forgets
            known = series._replace(times=series.times[fresh], values=series.values[fresh])
            lines.append(_windowed(known, seconds, call, moments))
            labels.append({name: text for name, text in series.labels.items() if named or name != "__name__"})
        return Lines(labels, np.array(lines).reshape(len(labels), len(moments)))

    def _selected(self, selector: VectorSelector) -> Iterable[Series]:
        matchers = selector.matchers.matchers
        for series in self.series:
            if series.labels["__name__"] == selector.name and all(
                _fits(each, series.labels) for each in matchers
            ):
                yield series


def _either(one: Lines, other: Lines) -> Lines:
    """The second where the first has no series of the same labels, but for the metric's name."""

    def bare(labels: Mapping[str, str]) -> frozenset[tuple[str, str]]:
        return frozenset((name, text) for name, text in labels.items() if name != "__name__")

    have = {bare(labels) for labels in one.labels}
    more = [row for row, labels in enumerate(other.labels) if bare(labels) not in have]
    return Lines(
        [*one.labels, *(other.labels[row] for row in more)], np.concatenate((one.values, other.values[more]))
    )


def _either(one: Lines, other: Lines) -> Lines:
    """The other where the one has no line of the same labels at that moment."""
    bare = [{**each, "__name__": ""} for each in one.labels]
    rows = []
    for labels, line in zip(other.labels, other.values, strict=True):
        same = [one.values[row] for row, each in enumerate(bare) if each == {**labels, "__name__": ""}]
        covered = np.logical_or.reduce([~np.isnan(each) for each in same], axis=0) if same else False
        rows.append(np.where(covered, np.nan, line))
    values = np.concatenate([one.values, np.array(rows).reshape(len(rows), one.values.shape[1])])
    return Lines([*one.labels, *other.labels], values)


def _windowed(
    series: Series, seconds: float, call: Callable[..., np.ndarray], moments: np.ndarray
) -> np.ndarray:
    """Whole seconds, and windows that are open to the left."""
    begins = np.searchsorted(series.times, moments - seconds, side="right")
    ends = np.searchsorted(series.times, moments, side="right")
    with np.errstate(invalid="ignore"):
        line = call(series.times, series.values, begins, ends)
    return np.where(ends > begins, line, np.nan)


def _fits(matcher: promql_parser.Matcher, labels: Labels) -> bool:
    text = labels.get(matcher.name, "")
    if matcher.op in (MatchOp.Equal, MatchOp.NotEqual):
        return (text == matcher.value) is (matcher.op == MatchOp.Equal)
    return (re.fullmatch(matcher.value, text) is not None) is (matcher.op == MatchOp.Re)


# ---------------------------------------------------------------------------------- functions


def _at(values: np.ndarray, places: np.ndarray) -> np.ndarray:
    return (
        values[np.clip(places, 0, max(0, len(values) - 1))] if len(values) else np.full(len(places), np.nan)
    )


def _last(times: np.ndarray, values: np.ndarray, begins: np.ndarray, ends: np.ndarray) -> np.ndarray:
    return _at(values, ends - 1)


def _count(times: np.ndarray, values: np.ndarray, begins: np.ndarray, ends: np.ndarray) -> np.ndarray:
    return (ends - begins).astype(float)


def _highest(times: np.ndarray, values: np.ndarray, begins: np.ndarray, ends: np.ndarray) -> np.ndarray:
    found = [
        values[a:b].max() if b > a else np.nan for a, b in zip(begins.tolist(), ends.tolist(), strict=True)
    ]
    return np.array(found, float)


def _increase(times: np.ndarray, values: np.ndarray, begins: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Without guessing what was beyond the samples."""
    falls = np.concatenate(([0.0], np.cumsum(np.where(np.diff(values) < 0, values[:-1], 0.0))))
    whole = values + falls[: len(values)]
    return np.where(ends - begins > 1, _at(whole, ends - 1) - _at(whole, begins), np.nan)


def _rate(times: np.ndarray, values: np.ndarray, begins: np.ndarray, ends: np.ndarray) -> np.ndarray:
    seconds = _at(times, ends - 1) - _at(times, begins)
    return _increase(times, values, begins, ends) / np.where(seconds > 0, seconds, 1)


def _sum(times: np.ndarray, values: np.ndarray, begins: np.ndarray, ends: np.ndarray) -> np.ndarray:
    sums = np.concatenate(([0.0], np.cumsum(values)))
    return sums[ends] - sums[begins]


_CALLS = {
    "sum_over_time": _sum,
    "rate": _rate,
    "increase": _increase,
    "max_over_time": _highest,
    "last_over_time": _last,
    "count_over_time": _count,
}


def _aggregated(tree: AggregateExpr, found: Lines) -> Lines:
    by = list(tree.modifier.labels) if tree.modifier is not None else []
    groups: dict[tuple[tuple[str, str], ...], list[int]] = defaultdict(list)
    for row, labels in enumerate(found.labels):
        groups[tuple((name, labels[name]) for name in by if labels.get(name))].append(row)
    values = [_together(str(tree.op), tree.param, found.values[rows]) for rows in groups.values()]
    labels = [dict(group) for group in groups]
    return Lines(labels, np.array(values).reshape(len(labels), found.values.shape[1]))


def _together(op: str, param: NumberLiteral | None, rows: np.ndarray) -> np.ndarray:
    known = ~np.isnan(rows)
    if op == "quantile":
        found = [np.quantile(column[~np.isnan(column)], param.val) if there else np.nan
                 for column, there in zip(rows.T, known.any(axis=0).tolist(), strict=True)]  # fmt: skip
        return np.array(found)
    calls = {
        "max": lambda: np.where(known, rows, -np.inf).max(axis=0),
        "sum": lambda: np.where(known, rows, 0).sum(axis=0),
        "count": lambda: known.sum(axis=0).astype(float),
    }
    return np.where(known.any(axis=0), calls[op](), np.nan)

"""However much a server refuses: all is asked for once, and nothing refused is asked again."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.usage.prometheus.answers import Matrix, Vector
from reconciler.usage.prometheus.limits import Asker, Limits, Span
from reconciler.usage.prometheus.unanswered import Kind, UnansweredError

STEP = 300
DAY = 86_400
spans = st.builds(
    lambda start, steps: Span(start * STEP, (start + steps) * STEP),
    st.integers(0, 10**6),
    st.integers(1, 600),
)


class Server:
    """Has a point for each step and series, and refuses answers with more points than it will give."""

    def __init__(self, most: int, series: int) -> None:
        self.most, self.series = most, series
        self.given: list[Span] = []
        self.refused: list[int] = []

    def range(self, query: str, start: int, end: int, step: int) -> Matrix:
        times = np.arange(start, end + 1, step, dtype=np.int64)
        self._judge(len(times) * self.series, Span(start - step, end))
        return Matrix(({"pod": "a"},), np.array([0, len(times)]), times, times.astype(float))

    def instant(self, query: str, at: int) -> Vector:
        span = Span(at - int(query), at)
        self._judge(span.seconds // 60 * self.series, span)
        return Vector(({"pod": "a"},), np.array([at]), np.array([float(at)]))

    def _judge(self, cost: int, span: Span) -> None:
        if cost > self.most:
            self.refused.append(cost)
            raise UnansweredError(Kind.TOO_MUCH, "too many samples")
        self.given.append(span)


def check_once(given: list[Span], span: Span) -> None:
    """Without a hole and without a second time, in order."""
    assert given[0].start == span.start
    assert given[-1].end == span.end
    assert all(one.end == other.start for one, other in pairwise(given))
    assert all(one.seconds > 0 for one in given)


@given(span=spans, series=st.integers(1, 5000), most=st.integers(1, 3_000_000), guess=st.integers(0, 9000))
def test_every_second_is_asked_for_once(span: Span, series: int, most: int, guess: int) -> None:
    """Whether we know how many series there are, or guess badly."""
    server = Server(max(most, series), series)
    asker = Asker(server, Limits())
    answers = asker.over("x", span, STEP, guess)
    check_once(server.given, span)
    times = np.concatenate([answer.times for answer in answers])
    assert times.tolist() == list(range(span.start + STEP, span.end + 1, STEP))
    assert len(server.refused) <= 3 + math.log2(span.seconds / STEP + 1)
    assert len(server.refused) == len({*server.refused})  # nothing as large is refused again


@given(span=spans, series=st.integers(1, 5000), most=st.integers(1, 3_000_000), guess=st.integers(0, 9000))
def test_numbers_about_a_whole_time_come_in_pieces_too(
    span: Span, series: int, most: int, guess: int
) -> None:
    server = Server(max(most, series * STEP // 60), series)
    Asker(server, Limits()).within(str, span, guess, 60)
    check_once(server.given, span)
    assert len(server.refused) == len({*server.refused})


@given(
    spans=st.lists(spans, min_size=2, max_size=6), series=st.integers(50, 500), most=st.integers(500, 100_000)
)
def test_what_was_refused_is_not_asked_again_by_later_questions_or_runs(
    spans: list[Span], series: int, most: int
) -> None:
    server = Server(max(most, series), series)
    limits = Limits()
    for span in spans:
        Asker(server, limits).over("x", span, STEP, series)
    assert server.refused == sorted({*server.refused}, reverse=True)
    least = min(server.refused, default=None)
    server.refused.clear()
    server.given.clear()
    again = Limits(limits.learned())
    for span in spans:
        Asker(server, again).over("x", span, STEP, series)
    assert not server.refused
    assert least is None or max(span.seconds // STEP * series for span in server.given) < least


@given(most=st.integers(100, 50_000))
@settings(max_examples=20)
def test_several_who_ask_at_once_learn_together(most: int) -> None:
    server = Server(most, 100)
    asker = Asker(server, Limits())
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda day: asker.over("x", Span(day * DAY, (day + 1) * DAY), STEP, 100), range(16)))
    per_day = [[span for span in server.given if span.start // DAY == day] for day in range(16)]
    for day, given_of_day in enumerate(per_day):
        check_once(sorted(given_of_day), Span(day * DAY, (day + 1) * DAY))
    assert len(server.refused) <= 4 * 9  # each may have one on its way when another learns


@given(
    kinds=st.lists(st.sampled_from([kind for kind in Kind if kind != Kind.TOO_MUCH]), min_size=1, max_size=1)
)
def test_other_failures_are_nobodys_limit(kinds: list[Kind]) -> None:
    limits = Limits()

    class Broken(Server):
        def _judge(self, cost: int, span: Span) -> None:
            self.refused.append(cost)
            raise UnansweredError(kinds[0], "no")

    server = Broken(1, 1)
    with pytest.raises(UnansweredError):
        Asker(server, limits).over("x", Span(0, DAY), STEP, 10)
    assert len(server.refused) == 1
    assert not limits.learned()


def test_a_single_step_that_is_too_much_is_a_failure_after_few_questions() -> None:
    server = Server(1, 5000)
    with pytest.raises(UnansweredError):
        Asker(server, Limits()).over("x", Span(0, DAY), STEP, 5000)
    assert len(server.refused) <= 10


def test_no_more_than_prometheus_answers_about_one_series() -> None:
    server = Server(10**9, 1)
    Asker(server, Limits()).over("x", Span(0, 100 * DAY), STEP, 1)
    assert max(span.seconds // STEP for span in server.given) <= 11_000


@pytest.mark.parametrize("learned", [{}, {"points": 0}, {"points": -5}, {"points": 10**12}, {"other": 3}])
def test_what_was_written_down_can_not_make_it_ask_for_nothing_or_for_more(learned: dict[str, int]) -> None:
    limits = Limits(learned)
    server = Server(10**9, 100)
    Asker(server, limits).over("x", Span(0, DAY), STEP, 100)
    check_once(server.given, Span(0, DAY))
    assert limits.most("points") <= Limits().most("points")

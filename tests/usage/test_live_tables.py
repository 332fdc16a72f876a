"""From the series of an answer to one row a container: the highest wins, and what is no number is none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from servers.in_process import InProcess
from servers.lives import DAY, MEBI, Life, series_of, source_over

from reconciler.model import ContainerRef, NoUsage, Usage
from reconciler.usage.prometheus.answers import Matrix, Vector
from reconciler.usage.prometheus.limits import Asker, Limits
from reconciler.usage.prometheus.probe import STEPS, Part
from reconciler.usage.prometheus.promql import STEP, Questions, Scope
from reconciler.usage.prometheus.tables import Rows, lifetimes, of_all_processors, tables
from reconciler.usage.prometheus.unanswered import Kind, UnansweredError
from reconciler.usage.prometheus.ways import Batch, Context, Ways
from reconciler.usage.samples import NO_SAMPLE
from reconciler.usage.sketch import LARGEST

FIRST = 20_000
PART = Part(FIRST, (FIRST + 1) * DAY)
SILENT = np.zeros(STEPS, bool)
CONTEXT = Context(interval=60, silent=SILENT, heard=frozenset(), from_before=False, ruled=False, chain={})
SHOP = {"namespace": "shop", "pod": "web-0", "container": "app"}


class Says:
    """The same series to the question about CPU and to the one about memory."""

    def __init__(self, series: list[tuple[dict[str, str], dict[int, float]]]) -> None:
        self.series = series

    def range(self, query: str, start: int, end: int, step: int) -> Matrix:
        lengths = [len(points) for _, points in self.series]
        times = [time for _, points in self.series for time in points]
        values = [value for _, points in self.series for value in points.values()]
        return Matrix(
            tuple(labels for labels, _ in self.series),
            np.concatenate(([0], np.cumsum(lengths))).astype(np.int64),
            np.array(times, np.int64),
            np.array(values, float),
        )

    def instant(self, query: str, at: int) -> Vector:
        raise NotImplementedError


def rows_of(*series: tuple[dict[str, str], dict[int, float]], spaces: tuple[str, ...] = ("shop",)) -> Rows:
    asker = Asker(Says(list(series)), Limits())
    return tables(Ways(asker, Questions(Scope("")), Batch(spaces, 3), {}), PART, CONTEXT)


def at(step: int) -> int:
    """When the server is asked about a step: at its end."""
    return FIRST * DAY + (step + 1) * STEP


lines = st.dictionaries(
    st.integers(-3, STEPS + 3), st.floats(width=64), min_size=1, max_size=12
)  # NaN, infinities and negative numbers among them


@given(st.lists(lines, min_size=1, max_size=5))
def test_of_duplicates_the_highest_sound_value_of_a_step_counts(duplicates: list[dict[int, float]]) -> None:
    """Servers in pairs, two jobs, a node's changing labels: all are series of one container."""
    best: dict[int, float] = {}
    for line in duplicates:
        for step, value in line.items():
            if 0 <= step < STEPS and 0 <= value < float("inf"):
                best[step] = max(best.get(step, 0), value)
    series = [
        ({**SHOP, "replica": str(number)}, {at(step): value for step, value in line.items()})
        for number, line in enumerate(duplicates)
    ]
    found = rows_of(*series)
    memory, cpu = found.memory[0], found.cpu[0]
    assert {step: int(memory[step]) for step in np.flatnonzero(memory != NO_SAMPLE).tolist()} == {
        step: int(min(value, LARGEST)) for step, value in best.items()
    }
    assert {*np.flatnonzero(cpu != NO_SAMPLE).tolist()} == {*best}
    assert all(
        cpu[step] == pytest.approx(min(value * 1000, LARGEST), abs=0.51) for step, value in best.items()
    )


@given(st.integers(1, STEP - 1))
def test_a_time_off_the_grid_is_of_the_step_that_it_is_in(offset: int) -> None:
    found = rows_of((SHOP, {at(7) - offset: 5.0, at(9): 6.0}))
    steps = np.flatnonzero(found.memory[0] != NO_SAMPLE).tolist()
    assert len(steps) == 2
    assert steps[0] in (6, 7)
    assert steps[1] == 9


def test_series_of_nobody_are_left_out_and_the_others_stay() -> None:
    found = rows_of(
        (SHOP, {at(1): 1.0}),
        ({**SHOP, "pod": ""}, {at(1): 9.0}),
        ({**SHOP, "container": "a\nb"}, {at(1): 9.0}),
        ({**SHOP, "pod": "x" * 300}, {at(1): 9.0}),
        (SHOP, {at(1): 2.0}),
    )
    assert [key.pod for key in found.keys] == ["web-0"]
    assert found.memory[0][1] == 2


def test_another_namespace_than_was_asked_for_is_a_broken_answer() -> None:
    with pytest.raises(UnansweredError, match="evil, which was not asked for") as caught:
        rows_of((SHOP, {at(1): 1.0}), ({**SHOP, "namespace": "evil"}, {at(1): 9.0}))
    assert caught.value.kind == Kind.BROKEN


@given(
    arrays.arrays(bool, STEPS, elements=st.booleans()),
    st.lists(st.integers(0, STEPS - 1), min_size=1, max_size=6),
)
def test_pods_live_from_their_first_to_their_last_sample_and_through_silences(
    silent: np.ndarray, seen: list[int]
) -> None:
    found = rows_of((SHOP, {at(step): 1.0 for step in sorted({*seen})}))
    first, last = (int(each[0]) for each in lifetimes(found, silent, PART))
    assert first <= min(seen) <= max(seen) <= last
    assert silent[first : min(seen)].all()
    assert silent[max(seen) + 1 : last + 1].all()
    assert first == 0 or not silent[first - 1]
    assert last == STEPS - 1 or not silent[last + 1]


# ---------------------------------------------------------------------------------- names of a repository


@pytest.mark.parametrize("name", ["\ud800", "a\x00b", "x" * 400, 'a"b', "\n", "a|b", "\U0001f600"])
def test_names_of_a_repository_that_no_cluster_has_do_no_harm(tmp_path: Path, name: str) -> None:
    begin, end = FIRST * DAY, (FIRST + 1) * DAY
    server = InProcess(
        series_of([Life("shop", "web-0", ("StatefulSet", "web"), begin, end, memory=77.0 * MEBI)]),
        clock=end,
        keeps=90 * DAY,
    )
    web = ContainerRef("", "shop", "StatefulSet", "web", "app")
    odd = [
        web._replace(namespace=name),
        web._replace(workload=name),
        web._replace(namespace="", workload=name),
    ]
    reading = source_over(server, tmp_path).read([web, *odd], begin, end)
    assert not reading.failures
    usage = reading.usage[web]
    assert isinstance(usage, Usage)
    assert usage.memory.values[-1] == 77 * MEBI
    assert all(isinstance(reading.usage[ref], NoUsage) for ref in odd)


def test_shares_of_processors_are_one_use() -> None:
    labels = [
        {"pod": "a", "container": "app", "id": "/1", "cpu": "cpu00"},
        {"pod": "a", "container": "app", "id": "/1", "cpu": "cpu01"},
        {"pod": "a", "container": "app", "id": "/2", "cpu": "cpu00"},
        {"pod": "b", "container": "app", "id": "/3", "cpu": "total"},
    ]
    times = [[300, 600, 900], [600, 900], [900], [300, 600]]
    values = [[0.1, 0.2, 0.3], [0.5, float("nan")], [0.7], [1.5, 1.6]]
    answer = Matrix(
        tuple(labels),
        np.array([0, 3, 5, 6, 8]),
        np.array([time for line in times for time in line]),
        np.array([value for line in values for value in line]),
    )
    found = of_all_processors(answer)
    ends = zip(found.labels, found.offsets[:-1], found.offsets[1:], strict=True)
    lines = {
        series["id"]: dict(zip(found.times[a:b].tolist(), found.values[a:b].tolist(), strict=True))
        for series, a, b in ends
    }
    assert lines["/1"] == {
        300: 0.1,
        600: 0.7,
        900: pytest.approx(float("nan"), nan_ok=True),
    }  # one is missing
    assert lines["/2"] == {900: 0.7}
    assert lines["/3"] == {300: 1.5, 600: 1.6}
    whole = answer._replace(labels=tuple({**series, "cpu": "total"} for series in labels))
    assert of_all_processors(whole) is whole


class MemoryAlone(Says):
    """There is no CPU of what has memory."""

    def range(self, query: str, start: int, end: int, step: int) -> Matrix:
        whole = super().range(query, start, end, step)
        return (
            whole
            if "memory" in query
            else Matrix((), np.zeros(1, np.int64), whole.times[:0], whole.values[:0])
        )


@pytest.mark.parametrize(
    ("steps", "is_wrong"), [(STEPS, True), (20, True), (3, True), (2, False), (1, False)]
)
def test_no_rate_where_there_are_samples_enough_for_one_is_an_error(steps: int, is_wrong: bool) -> None:
    """And no use of zero. What began in the last minutes of a day has no rate yet."""
    points = {at(step): 1e8 for step in range(STEPS - steps, STEPS)}
    ways = Ways(Asker(MemoryAlone([(SHOP, points)]), Limits()), Questions(Scope("")), Batch(("shop",), 3), {})
    if is_wrong:
        with pytest.raises(UnansweredError, match="memory of these containers, but no CPU") as error:
            tables(ways, PART, CONTEXT)
        assert error.value.kind is Kind.WRONG
    else:
        assert (tables(ways, PART, CONTEXT).memory >= 0).sum() == steps

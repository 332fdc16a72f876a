"""From raw samples to container-days, against plain Python on the same samples."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.model import ContainerRef
from reconciler.usage.days import DAY, Resources, days_since_1970
from reconciler.usage.samples import NO_SAMPLE
from reconciler.usage.series import Events, Lifetimes, Series, days_of_series, millicores

REF = ContainerRef("", "shop", "Deployment", "web", "app")
MONDAY = days_since_1970("2026-02-02")
NO_EVENTS = Events()
ROW = st.tuples(
    st.integers(MONDAY * DAY, (MONDAY + 3) * DAY - 1),
    st.integers(0, 3),
    st.integers(NO_SAMPLE, 2000),
    st.integers(NO_SAMPLE, 1 << 31),
)


def series_of(rows: list[tuple[int, ...]]) -> Series:
    columns = [np.array(column, np.int64) for column in zip(*rows, strict=True)]
    return Series(*columns, np.full(len(rows), NO_SAMPLE, np.int64))


def steady(first: int, last: int, pod: int = 0, cpu: int = 100, memory: int = 1000) -> list[tuple[int, ...]]:
    return [(time, pod, cpu, memory) for time in range(first, last, 300)]


def test_nothing_gives_nothing() -> None:
    none = np.zeros(0, np.int64)
    assert days_of_series(REF, Series(none, none, none, none, none), 300, NO_EVENTS) == ()


@settings(max_examples=60)
@given(st.lists(ROW, min_size=1, max_size=60))
def test_counts_peaks_and_hours_are_those_of_the_samples(rows: list[tuple[int, ...]]) -> None:
    found = {day.day: day for day in days_of_series(REF, series_of(rows), 300, NO_EVENTS)}
    for number, day in found.items():
        mine = [row for row in rows if row[0] // DAY == number]
        cpu = [row[2] for row in mine if row[2] >= 0]
        memory = [row[3] for row in mine if row[3] >= 0]
        assert sum(day.cpu.counts) == len(cpu)
        assert max(day.cpu.values, default=0) == max(cpu, default=0)
        assert max(day.worst_memory.values, default=0) == max(memory, default=0)
        assert day.samples == min(len(cpu), len(memory))
        assert sum(day.worst_cpu.counts) <= len(cpu)
        for hour in range(24):
            this = sorted(row[2] for row in mine if row[0] % DAY // 3600 == hour and row[2] >= 0)
            assert day.hours.cpu_max[hour] == (this[-1] if this else None)
            assert day.hours.cpu_p95[hour] == (this[-(-len(this) * 95 // 100) - 1] if this else None)
    assert {row[0] // DAY for row in rows} <= set(found)


def test_the_order_of_samples_does_not_matter() -> None:
    rows = [*steady(MONDAY * DAY, (MONDAY + 1) * DAY, 0, 500), *steady(MONDAY * DAY, (MONDAY + 1) * DAY, 1)]
    shuffled = np.random.default_rng(3).permutation(np.array(rows)).tolist()
    assert days_of_series(REF, series_of(rows), 300, NO_EVENTS) == days_of_series(
        REF, series_of(shuffled), 300, NO_EVENTS
    )


def test_a_gap_of_a_day_is_a_row_without_samples() -> None:
    rows = [*steady(MONDAY * DAY, (MONDAY + 1) * DAY), *steady((MONDAY + 2) * DAY, (MONDAY + 3) * DAY)]
    found = days_of_series(REF, series_of(rows), 300, NO_EVENTS)
    assert [(day.samples, day.expected) for day in found] == [(288, 288), (0, 288), (288, 288)]


def test_pods_that_come_and_go_count_for_as_long_as_they_lived() -> None:
    noon = MONDAY * DAY + DAY // 2
    rows = [*steady(MONDAY * DAY, noon, 0), *steady(noon, (MONDAY + 2) * DAY, 1)]
    monday, tuesday = days_of_series(REF, series_of(rows), 300, NO_EVENTS)
    assert (monday.pods, monday.pods_started, monday.expected, monday.replicas_last) == (2, 1, 288, 1)
    assert (tuesday.pods, tuesday.pods_started, tuesday.expected) == (1, 0, 288)


def test_known_lifetimes_show_what_is_missing() -> None:
    lifetimes = Lifetimes(np.array([MONDAY * DAY]), np.array([(MONDAY + 1) * DAY - 1]))
    rows = steady(MONDAY * DAY, MONDAY * DAY + DAY // 4)
    (day,) = days_of_series(REF, series_of(rows), 300, NO_EVENTS, lifetimes)
    assert (day.samples, day.expected) == (72, 288)


def test_the_worst_pod_is_one_that_lived_long_enough() -> None:
    day = MONDAY * DAY
    rows = [
        *steady(day, day + DAY, 0, 100),
        *steady(day, day + DAY, 1, 300),
        *steady(day, day + 900, 2, 5000),
    ]
    (found,) = days_of_series(REF, series_of(rows), 300, NO_EVENTS)
    assert found.worst_cpu == ((298, 300), (287, 1))  # a bucket, and its exact maximum
    assert found.cpu.values[-1] == 5000


def test_events_fall_on_their_day() -> None:
    day = MONDAY * DAY
    events = Events(
        oom_kills=((day + 10, 1000), (day + DAY, 2000), (day + DAY + 5, None)),
        restarts=(day + 11,),
        throttling=((day + 60, 3, 10), (day + 120, 1, 10)),
        in_force=((0, Resources(cpu_request=100)), (day + DAY, Resources(cpu_request=200, memory_limit=5))),
        owner_guessed=True,
    )
    one, two = days_of_series(REF, series_of(steady(day, day + 2 * DAY)), 300, events)
    assert one.trouble == (1, 1000, 1, 4, 20)
    assert two.trouble == (2, 2000, 0, None, None)
    assert (one.resources.cpu_request, two.resources) == (100, Resources(200, None, None, 5))
    assert one.owner_guessed


def test_cores_become_millicores() -> None:
    assert millicores(np.array([0.0004, 0.0005, 1.2345, np.nan, np.inf])).tolist() == [0, 1, 1235, -1, -1]

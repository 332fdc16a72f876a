"""The busiest hours of the week, against the samples themselves."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.model import BusyHour, ContainerRef, Restarts, Usage
from reconciler.usage.days import DAY, ContainerDay, days_since_1970
from reconciler.usage.files import write_days
from reconciler.usage.hours import BusyHours
from reconciler.usage.recording import open_recording
from reconciler.usage.samples import NO_SAMPLE
from reconciler.usage.series import Events, Series, days_of_series

MakeDays = Callable[..., tuple[ContainerDay, ...]]
Record = Callable[..., Path]

MONDAY = days_since_1970("2026-02-02")
DAYS = 17  # two weeks and a half
END = (MONDAY + DAYS) * DAY
STEP = 300
NAMES = ("web", "db", "job")

Sample = tuple[str, int, int, int]  # container, pod, time, millicores

samples = st.lists(
    st.tuples(
        st.sampled_from(NAMES),
        st.integers(0, 2),
        st.integers(0, DAYS * DAY // STEP - 1).map(lambda step: MONDAY * DAY + step * STEP),
        st.integers(0, 1200),
    ),
    min_size=1,
    max_size=120,
    unique_by=lambda sample: sample[:3],
)


def ref_of(name: str) -> ContainerRef:
    return ContainerRef("", "shop", "Deployment", name, "app")


def days_of(taken: Sequence[Sample]) -> list[ContainerDay]:
    found: list[ContainerDay] = []
    for name in sorted({sample[0] for sample in taken}):
        mine = [sample[1:] for sample in taken if sample[0] == name]
        pod, time, cpu = (np.array(column, np.int64) for column in zip(*mine, strict=True))
        series = Series(time, pod, cpu, np.full(len(cpu), 1 << 20), np.full(len(cpu), NO_SAMPLE))
        found += days_of_series(ref_of(name), series, STEP, Events())
    return found


def truth(taken: Sequence[Sample], name: str) -> tuple[BusyHour, ...]:
    by_hour: dict[int, list[int]] = defaultdict(list)
    for who, _, time, cpu in taken:
        if who == name:
            by_hour[time // 3600].append(cpu)
    of_week: dict[int, list[int]] = defaultdict(list)
    for hour, found in by_hour.items():
        of_week[(hour - MONDAY * 24) % 168].append(sorted(found)[-(-len(found) * 950 // 1000) - 1])
    every = [BusyHour(hour, max(found), len(found)) for hour, found in of_week.items()]
    return tuple(sorted(every, key=lambda one: (-one.cpu, one.hour))[:3])


def read_back(files: Sequence[Sequence[ContainerDay]]) -> dict[str, Usage]:
    with tempfile.TemporaryDirectory() as folder:
        for number, rows in enumerate(files):
            write_days(Path(folder) / f"{number}.parquet", rows, {"step": STEP}, END)
        reading = open_recording(Path(folder), "main").everything(MONDAY * DAY, END)
    assert not reading.failures
    return {ref.workload: usage for ref, usage in reading.usage.items() if isinstance(usage, Usage)}


@settings(max_examples=60, deadline=None)
@given(samples, st.randoms(use_true_random=False), st.integers(1, 4))
def test_they_are_those_of_the_samples_however_rows_lie_in_files(
    taken: list[Sample], random: object, files: int
) -> None:
    rows = days_of(taken)
    random.shuffle(rows)  # type: ignore[attr-defined]
    found = read_back([rows[number::files] for number in range(min(files, len(rows)))])
    assert {name: usage.busy_hours for name, usage in found.items()} == {
        name: truth(taken, name) for name in found
    }
    assert found.keys() == {sample[0] for sample in taken}


def test_a_busy_monday_morning_is_found_in_every_week_that_has_one(record: Record) -> None:
    steps = np.arange(MONDAY * DAY, (MONDAY + 14) * DAY, STEP)
    hour = steps // 3600 % 168
    monday_nine = (MONDAY * 24 + 9) % 168
    cpu = np.where(hour == monday_nine, 800, 100)
    cpu[steps >= (MONDAY + 7) * DAY] //= 2  # the second week is a quiet one
    pods = np.zeros(len(steps), np.int64)
    series = Series(steps, pods, cpu, cpu << 20, cpu << 20)
    folder = record(days_of_series(ref_of("web"), series, STEP, Events()))
    usage = open_recording(folder, "main").read([ref_of("web")], MONDAY * DAY, (MONDAY + 14) * DAY).usage
    found = usage[ref_of("web")]
    assert isinstance(found, Usage)
    assert found.busy_hours == (BusyHour(9, 800, 2), BusyHour(0, 100, 2), BusyHour(1, 100, 2))


def test_an_hour_without_samples_is_none_of_them() -> None:
    busy = BusyHours(np.array([3, 7]))
    hours = np.full((2, 24), NO_SAMPLE)
    hours[0, [5, 6]] = 0, 40
    busy.add(np.array([3, 7]), np.array([MONDAY, MONDAY]), hours)
    assert busy.busiest() == {3: (BusyHour(6, 40, 1), BusyHour(5, 0, 1)), 7: ()}


def test_what_no_table_holds_is_cut_and_stays_a_peak() -> None:
    busy = BusyHours(np.array([0]))
    hours = np.full((1, 24), 1 << 40)
    busy.add(np.array([0]), np.array([MONDAY + 6]), hours)
    assert busy.busiest()[0][0] == BusyHour(144, (1 << 31) - 1, 1)


def test_many_containers_are_each_ranked_by_their_own_hours() -> None:
    random = np.random.default_rng(4)
    count = 2500  # more than are ranked together
    busy = BusyHours(np.arange(count) * 2)
    table = np.full((count, 168), NO_SAMPLE)
    for day in range(7):
        hours = random.integers(-1, 30, (count, 24))
        table[:, day * 24 : day * 24 + 24] = hours
        order = random.permutation(count)
        busy.add(order * 2, np.full(count, MONDAY + 7 + day), hours[order])
    found = busy.busiest()
    for number in range(count):
        ranked = sorted(range(168), key=lambda hour: (-table[number, hour], hour))[:3]
        assert found[number * 2] == tuple(BusyHour(hour, table[number, hour], 1) for hour in ranked)


def test_restarts_are_told_by_day(make_days: MakeDays, record: Record) -> None:
    at = MONDAY * DAY
    folder = record(make_days(events=Events(restarts=(at + 2 * DAY, at, at + DAY - 1))))
    ref = ContainerRef("", "shop", "Deployment", "web", "app")
    found = open_recording(folder, "main").read([ref], at, at + 7 * DAY).usage[ref]
    assert isinstance(found, Usage)
    assert found.restart_days == (Restarts(MONDAY, 2), Restarts(MONDAY + 2, 1))
    assert found.restarts == 3


@pytest.mark.parametrize("day", ["2026-02-02", "2024-02-26", "1999-12-27", "2026-12-28"])
def test_the_week_begins_on_monday(day: str) -> None:
    busy = BusyHours(np.array([0]))
    hours = np.full((1, 24), NO_SAMPLE)
    hours[0, 0] = 5
    busy.add(np.array([0]), np.array([days_since_1970(day)]), hours)
    assert busy.busiest()[0] == (BusyHour(0, 5, 1),)

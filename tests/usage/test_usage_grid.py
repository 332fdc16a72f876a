"""Grids of samples as rows of a recording, against plain Python and against one container's series."""

from __future__ import annotations

import tracemalloc
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.model import ContainerRef, Sketch
from reconciler.usage import sketch
from reconciler.usage.days import DAY, ContainerDay, Hourly, Resources, Trouble, days_since_1970
from reconciler.usage.files import read_days, write_rows
from reconciler.usage.prometheus.grid import Grid, Pods, rows_of
from reconciler.usage.rows import concatenate, count_of, days_of
from reconciler.usage.samples import NO_SAMPLE
from reconciler.usage.series import Events, Lifetimes, Series, days_of_series

MONDAY = days_since_1970("2026-02-02")
MIDNIGHT = MONDAY * DAY
NOW = MIDNIGHT + 3 * DAY
# Few steps a day find the same faults as many, sooner; the last has the width that servers are asked in.
STEPS = (3600, 1800, 300)


@dataclass(frozen=True)
class Pod:
    """One line of a grid, as lists."""

    owner: int
    first: int
    last: int
    started: bool
    rss: int
    cpu: tuple[int, ...]
    memory: tuple[int, ...]


@st.composite
def pods(draw: st.DrawFn, steps: int, owners: int) -> Pod:
    """Lives of any length, with gaps and without a sample; values that tie and values that don't."""
    first = draw(st.integers(0, steps - 1))
    last = draw(st.integers(first - 1, steps - 1))
    random = np.random.default_rng(draw(st.integers(0, 1 << 32)))
    missing = draw(st.sampled_from([0.0, 0.2, 0.9, 1.0]))
    columns = []
    for largest in (draw(st.sampled_from([1, 900, (1 << 31) - 1])), draw(st.sampled_from([1, 1 << 60]))):
        values = random.integers(0, largest, steps, endpoint=True)
        values[random.random(steps) < missing] = NO_SAMPLE
        values[:first] = NO_SAMPLE
        values[last + 1 :] = NO_SAMPLE
        columns.append(tuple(values.tolist()))
    started = first >= 2  # as one container's series tells it
    rss = draw(st.integers(NO_SAMPLE, 1 << 40)) if max(columns[0]) >= 0 else NO_SAMPLE
    return Pod(draw(st.integers(0, owners - 1)), first, last, started, rss, *columns)


@st.composite
def batches(draw: st.DrawFn) -> tuple[int, int, list[Pod]]:
    step, owners = draw(st.sampled_from(STEPS)), draw(st.integers(1, 4))
    return step, owners, draw(st.lists(pods(DAY // step, owners), max_size=8))


def ref(number: int) -> ContainerRef:
    return ContainerRef("prod", f"team-{number % 2}", "Deployment", f"service-{number}", "app")


def trouble(number: int) -> Trouble:
    return Trouble(number, 1 << 30 if number else None, 0, *((1, 10) if number == 1 else (None, None)))


def grid_of(step: int, owners: int, lines: list[Pod]) -> Grid:
    def column(name: str) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        return np.array([getattr(pod, name) for pod in lines], np.int64)

    shape = (len(lines), DAY // step)
    return Grid(
        day=MONDAY,
        step=step,
        owners=tuple(map(ref, range(owners))),
        guessed=np.arange(owners) % 2 == 1,
        pods=Pods(
            column("owner"), column("first"), column("last"), column("started").astype(bool), column("rss")
        ),
        cpu=column("cpu").reshape(shape),
        memory=column("memory").reshape(shape),
        trouble=tuple(map(trouble, range(owners))),
        resources=tuple(Resources(cpu_request=number or None) for number in range(owners)),
    )


def p95(values: list[int]) -> int | None:
    return sorted(values)[-(-len(values) * 95 // 100) - 1] if values else None


def known(values: tuple[int, ...]) -> list[int]:
    return [value for value in values if value >= 0]


def told(values: list[int]) -> Sketch:
    return sketch.build(np.array(values, np.int64))


def plainly(number: int, step: int, lines: list[Pod]) -> ContainerDay | None:
    """One sample after the other, as the reference of the format has it."""
    mine = [pod for pod in lines if pod.owner == number]
    living = [pod for pod in mine if pod.first <= pod.last]
    if not living:
        return None
    cpu = [one for pod in mine for one in known(pod.cpu)]
    memory = [one for pod in mine for one in known(pod.memory)]
    seen = [k for pod in mine for k in range(DAY // step) if pod.cpu[k] >= 0 or pod.memory[k] >= 0]
    first, last = (min(seen), max(seen)) if seen else (0, 0)
    long = [pod for pod in mine if known(pod.cpu)]
    most = max((len(known(pod.cpu)) for pod in long), default=0)
    long = [pod for pod in long if len(known(pod.cpu)) * 2 >= most]

    def worst(pod: Pod) -> tuple[int, int, int]:
        return p95(known(pod.cpu)) or 0, max(pod.cpu), len(known(pod.cpu))

    def highest(pod: Pod) -> tuple[int, int]:
        return max(pod.memory), len(known(pod.memory))

    hours = [range(hour * 3600 // step, (hour + 1) * 3600 // step) for hour in range(24)]
    hour_cpu = [[pod.cpu[k] for pod in mine for k in hour if pod.cpu[k] >= 0] for hour in hours]
    hour_memory = [[pod.memory[k] for pod in mine for k in hour if pod.memory[k] >= 0] for hour in hours]
    return ContainerDay(
        ref=ref(number),
        day=MONDAY,
        step=step,
        samples=min(len(cpu), len(memory)),
        expected=sum(pod.last - pod.first + 1 for pod in living),
        pods=len(living),
        pods_started=sum(pod.started for pod in living),
        replicas_last=sum(pod.cpu[last] >= 0 or pod.memory[last] >= 0 for pod in mine),
        first_sample=MIDNIGHT + first * step,
        last_sample=MIDNIGHT + last * step,
        cpu=told(cpu),
        worst_cpu=told(known(max(long, key=worst).cpu) if long else []),
        memory=told(memory),
        worst_memory=told(known(max(mine, key=highest).memory)),
        rss_max=max((pod.rss for pod in mine if pod.rss >= 0), default=None),
        hours=Hourly(
            tuple(min(map(len, both)) for both in zip(hour_cpu, hour_memory, strict=True)),
            tuple(map(p95, hour_cpu)),
            tuple(max(hour, default=None) for hour in hour_cpu),
            tuple(max(hour, default=None) for hour in hour_memory),
        ),
        trouble=trouble(number),
        resources=Resources(cpu_request=number or None),
        owner_guessed=number % 2 == 1,
    )


@settings(max_examples=150, deadline=None)
@given(batches())
def test_rows_say_what_plain_python_says(batch: tuple[int, int, list[Pod]]) -> None:
    step, owners, lines = batch
    expected = [plainly(number, step, lines) for number in range(owners)]
    assert list(days_of(rows_of(grid_of(step, owners, lines)))) == [row for row in expected if row]


@settings(max_examples=60, deadline=None)
@given(batches())
def test_rows_are_those_of_each_container_s_series(batch: tuple[int, int, list[Pod]]) -> None:
    step, owners, lines = batch
    found = {row.ref: row for row in days_of(rows_of(grid_of(step, owners, lines)))}
    for number in range(owners):
        mine = [pod for pod in lines if pod.owner == number and pod.first <= pod.last]
        samples = [
            (MIDNIGHT + k * step, name, pod.cpu[k], pod.memory[k], pod.rss)
            for name, pod in enumerate(mine)
            for k in range(DAY // step)
            if pod.cpu[k] >= 0 or pod.memory[k] >= 0
        ]
        series = Series(*np.array(samples, np.int64).reshape(-1, 5).T)
        lives = np.array([(pod.first, pod.last) for pod in mine], np.int64).reshape(-1, 2) * step + MIDNIGHT
        days = days_of_series(ref(number), series, step, Events(), Lifetimes(*lives.T))
        row = found.get(ref(number))
        bare = [row._replace(trouble=Trouble(), resources=Resources(), owner_guessed=False)] if row else []
        assert list(days) == bare


def steady(owner: int, first: int = 0, last: int = 287, cpu: int = 100) -> Pod:
    lived = tuple(cpu if first <= k <= last else NO_SAMPLE for k in range(288))
    return Pod(owner, first, last, False, NO_SAMPLE, lived, lived)


def test_a_pod_that_was_measured_after_its_end_lived_until_then() -> None:
    late = steady(0, 0, 100)
    ended = Pod(0, 0, 90, False, NO_SAMPLE, late.cpu, late.memory)
    unknown = Pod(1, 0, -1, False, NO_SAMPLE, late.cpu, late.memory)
    first, second = days_of(rows_of(grid_of(300, 2, [ended, unknown])))
    assert (first.expected, first.samples) == (second.expected, second.samples) == (101, 101)


def test_who_had_no_pod_has_no_row() -> None:
    gone = Pod(0, 0, -1, False, NO_SAMPLE, (NO_SAMPLE,) * 288, (NO_SAMPLE,) * 288)
    assert [row.ref for row in days_of(rows_of(grid_of(300, 3, [gone, steady(2)])))] == [ref(2)]
    assert count_of(rows_of(grid_of(300, 3, []))) == 0


def test_numbers_that_no_row_can_hold_are_cut_to_the_largest(tmp_path: Path) -> None:
    odd = Pod(0, 0, 287, False, 1 << 62, (1 << 40, *(1,) * 287), (1 << 62, *(1,) * 287))
    write_rows(tmp_path / "odd.parquet", rows_of(grid_of(300, 1, [odd])), {"step": 300}, NOW)
    (row,) = read_days(tmp_path / "odd.parquet")
    assert (row.cpu.values[-1], row.memory.values[-1], row.rss_max) == ((1 << 31) - 1, 1 << 60, 1 << 60)


def test_of_equally_bad_pods_the_first_is_the_worst() -> None:
    """Equal in percentile, peak and number of samples, and yet not the same."""
    lines = [(90,) * 100 + (low,) * 188 for low in (30, 20, 40)]
    (row,) = days_of(rows_of(grid_of(300, 1, [Pod(0, 0, 287, False, NO_SAMPLE, one, one) for one in lines])))
    assert row.worst_cpu.values == row.worst_memory.values == (30, 90)


@pytest.mark.parametrize("step", [7, 700, 7200])
def test_steps_that_do_not_fill_an_hour_are_refused(step: int) -> None:
    grid = grid_of(300, 1, [steady(0)])
    with pytest.raises(ValueError, match="whole ones"):
        rows_of(grid._replace(step=step))


def many(owners: int, pods_each: int) -> Grid:
    random = np.random.default_rng(1)
    lines = owners * pods_each
    cpu, memory = (random.integers(low, 4 * low, (lines, 288)) for low in (100, 100 << 20))
    none = np.zeros(lines, np.int64)
    numbers = random.permutation(np.repeat(np.arange(owners), pods_each))
    lived = Pods(numbers, none, none + 287, none.astype(bool), memory.max(axis=1))
    names = tuple(map(ref, range(owners)))
    plain = np.zeros(owners, bool), (Trouble(),) * owners, (Resources(),) * owners
    return Grid(MONDAY, 300, names, plain[0], lived, cpu, memory, *plain[1:])


def test_what_is_made_on_the_way_is_small() -> None:
    grid = many(500, 3)
    tracemalloc.start()
    try:
        rows = rows_of(grid)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert count_of(rows) == 500
    assert peak < 3 * (grid.cpu.nbytes + grid.memory.nbytes)


def test_batches_are_joined_in_any_order(tmp_path: Path) -> None:
    whole = many(30, 2)
    parts = []
    for number in range(3):
        which = whole.pods.owner % 3 == number
        pods = Pods(*(column[which] for column in whole.pods))
        parts.append(rows_of(whole._replace(pods=pods, cpu=whole.cpu[which], memory=whole.memory[which])))
    contents = set()
    for name, order in {"whole": None, "there": (0, 1, 2), "back": (2, 1, 0)}.items():
        path = tmp_path / f"{name}.parquet"
        rows = rows_of(whole) if order is None else concatenate(parts[part] for part in order)
        write_rows(path, rows, {"step": 300}, NOW)
        contents.add(path.read_bytes())
    assert len(contents) == 1
    assert sorted(days_of(rows_of(whole))) == sorted(read_days(tmp_path / "back.parquet"))


def test_a_day_of_a_container_is_written_once(tmp_path: Path) -> None:
    rows = rows_of(many(3, 1))
    with pytest.raises(ValueError, match="once"):
        write_rows(tmp_path / "twice.parquet", concatenate([rows, rows]), {"step": 300}, NOW)

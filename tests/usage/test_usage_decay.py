"""CPU with older days counting less, against the same with every sample written out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from servers.in_process import InProcess
from servers.lives import Life, series_of, source_over

from reconciler.model import ContainerRef, Sketch, Usage
from reconciler.usage import sketch
from reconciler.usage.days import DAY, ContainerDay, days_since_1970
from reconciler.usage.decay import WHOLE, Decay, weight
from reconciler.usage.recording import open_recording
from reconciler.usage.series import Events, Series, days_of_series

Record = Callable[..., Path]

MONDAY = days_since_1970("2026-02-02")
REF = ContainerRef("", "shop", "Deployment", "web", "app")
NEVER = 10**6  # days
QUANTILES = range(1, 1001)


def days_with(levels: list[int], samples: int = 48, first: int = MONDAY) -> tuple[ContainerDay, ...]:
    """Every day as high as its level says, give or take a tenth."""
    random = np.random.default_rng(sum(levels))
    time = np.concatenate([(first + day) * DAY + np.arange(samples) * 1800 for day in range(len(levels))])
    cpu = (np.repeat(levels, samples) * random.uniform(0.9, 1.1, len(time))).astype(np.int64)
    series = Series(time, np.zeros(len(time), np.int64), cpu, cpu << 20, cpu << 20)
    return days_of_series(REF, series, 1800, Events())


def read_back(folder: Path, days: int, half_life: int, end: int = MONDAY) -> Usage:
    source = open_recording(folder, "main")
    found = source.read([REF], end * DAY, (end + days) * DAY, half_life=half_life).usage[REF]
    assert isinstance(found, Usage)
    return found


# ------------------------------------------------------------------------------------- the weights


@settings(deadline=None)
@given(st.integers(0, 400), st.integers(1, 400))
def test_a_weight_is_the_nearest_whole_number(age: int, half_life: int) -> None:
    exact = WHOLE * 2 ** (-age / half_life)
    assert abs(weight(age, half_life) - exact) <= 0.5001 or (weight(age, half_life) == 1 and exact < 0.5)


@settings(deadline=None)
@given(st.integers(0, 400), st.integers(1, 400))
def test_older_days_never_weigh_more_and_a_longer_half_life_never_makes_them_lighter(
    age: int, half_life: int
) -> None:
    assert 1 <= weight(age + 1, half_life) <= weight(age, half_life) <= weight(age, half_life + 1) <= WHOLE


@pytest.mark.parametrize(
    ("age", "half_life", "expected"),
    [
        (0, 7, 4096),
        (1, 7, 3710),
        (7, 7, 2048),
        (10, 7, 1522),
        (14, 7, 1024),
        (27, 3, 8),
        (1, 2, 2896),
        (84, 7, 1),
        (5000, 1, 1),
    ],
)
def test_weights_are_the_same_on_every_machine(age: int, half_life: int, expected: int) -> None:
    assert weight(age, half_life) == expected


def test_weights_of_a_window_go_by_the_age_of_its_days() -> None:
    decay = Decay.over(MONDAY, MONDAY + 27, 7)
    assert decay.of(np.array([MONDAY + 27, MONDAY + 20, MONDAY])).tolist() == [WHOLE, WHOLE // 2, 283]


# ------------------------------------------------------------------------------------- the sketches


def test_every_sample_counts_as_its_day_weighs(record: Record) -> None:
    rows = days_with([100, 400, 900, 250, 600])
    expected: Counter[int] = Counter()
    for row in rows:
        # The last value of a day is its maximum, which lies in a bucket like all others.
        buckets = sketch.buckets_of(np.array(row.cpu.values)).tolist()
        for bucket, count in zip(buckets, row.cpu.counts, strict=True):
            expected[bucket] += count * weight(MONDAY + 4 - row.day, 2)
    found = read_back(record(rows), 5, 2).cpu_decayed
    told: Counter[int] = Counter()
    for bucket, count in zip(sketch.buckets_of(np.array(found.values)).tolist(), found.counts, strict=True):
        told[bucket] += count
    assert told == expected
    assert found.values[-1] == max(row.cpu.values[-1] for row in rows)


def test_nobody_who_does_not_ask_is_told(record: Record) -> None:
    assert read_back(record(days_with([100, 200])), 2, 0).cpu_decayed == Sketch((), ())


@pytest.mark.parametrize("levels", [[100], [500, 100, 300], [10, 1000] * 14])
def test_a_half_life_beyond_all_bounds_changes_nothing(record: Record, levels: list[int]) -> None:
    found = read_back(record(days_with(levels)), len(levels), NEVER)
    assert [found.cpu_decayed.quantile(each) for each in QUANTILES] == [
        found.cpu.quantile(each) for each in QUANTILES
    ]


@pytest.mark.parametrize(("levels", "sign"), [(range(100, 660, 20), 1), (range(660, 100, -20), -1)])
def test_the_shorter_the_half_life_the_nearer_to_the_last_days(
    record: Record, levels: range, sign: int
) -> None:
    folder = record(days_with(list(levels)))
    found = [read_back(folder, len(levels), half_life).cpu_decayed for half_life in (NEVER, 28, 7, 3, 1)]
    for quantile in (500, 900, 950, 990):
        values = [one.quantile(quantile) * sign for one in found]
        assert values == sorted(values)
    assert abs(found[-1].quantile(500) - levels[-1]) < 30


def test_days_split_over_files_weigh_the_same(record: Record, tmp_path: Path) -> None:
    rows = days_with([100, 400, 900, 250, 600])
    whole = read_back(record(rows), 5, 3)
    (tmp_path / "usage" / "week.parquet").unlink()
    for row in reversed(rows):
        folder = record([row], f"{row.day}.parquet")
    assert read_back(folder, 5, 3) == whole


def test_a_container_that_is_long_gone_is_still_told_of(record: Record) -> None:
    rows = days_with([300])
    found = read_back(record(rows), 60, 1)
    assert found.cpu_decayed.quantile(950) == pytest.approx(found.cpu.quantile(950), rel=0.01)


def test_counts_of_many_samples_do_not_overflow(record: Record) -> None:
    rows = [row._replace(pods=4000, step=60) for row in days_with([300, 500])]
    many = [
        row._replace(
            samples=5_000_000,
            expected=5_000_000,
            cpu=Sketch(row.cpu.values[-1:], (5_000_000,)),
            memory=Sketch(row.memory.values[-1:], (5_000_000,)),
        )
        for row in rows
    ]
    found = read_back(record(many), 2, 1)
    assert sum(found.cpu_decayed.counts) == 5_000_000 * (WHOLE + WHOLE // 2)


# ------------------------------------------------------------------------------------- a server


def test_a_server_is_not_asked_again_for_it(tmp_path: Path) -> None:
    begin, end = MONDAY * DAY, (MONDAY + 5) * DAY
    lives = [
        Life("shop", "web-0", ("Deployment", "web"), begin, end - 2 * DAY, every=300, cpu=0.5),
        Life("shop", "web-1", ("Deployment", "web"), end - 2 * DAY, end, every=300, cpu=0.1),
    ]
    server = InProcess(list(series_of(lives)), clock=end, keeps=90 * DAY)
    source = source_over(server, tmp_path)
    (plain,) = source.read([REF], begin, end).usage.values()
    server.asked.clear()
    (decayed,) = source.read([REF], begin, end, half_life=1).usage.values()
    assert not server.asked
    assert isinstance(plain, Usage)
    assert isinstance(decayed, Usage)
    assert decayed._replace(cpu_decayed=Sketch((), ())) == plain
    assert plain.cpu_decayed == Sketch((), ())
    assert plain.cpu.quantile(500) == pytest.approx(500, rel=0.02)
    assert decayed.cpu_decayed.quantile(500) == pytest.approx(100, rel=0.02)

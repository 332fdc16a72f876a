"""The baseline of the vertical pod autoscaler, against what that project publishes."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from past import MI, START, past

from reconciler.backtest import vpa
from reconciler.backtest.advice import Requests
from reconciler.backtest.histogram import CPU, EPSILON, MEMORY
from reconciler.backtest.vpa import LARGEST_AMOUNT, Vpa, confidence, estimate, oom_sample
from reconciler.model import OomKill


def weighing(buckets, *samples):
    """One sample each."""
    found = buckets.find(np.array(samples, np.float64))
    return np.bincount(found, minlength=buckets.number).astype(np.float64)


def test_there_are_as_many_buckets_as_published() -> None:
    assert (CPU.number, MEMORY.number) == (176, 176)


def test_buckets_begin_where_they_are_published_to() -> None:
    assert [round(CPU.start(bucket), 6) for bucket in range(4)] == [0, 0.01, 0.0205, 0.031525]
    assert [round(MEMORY.start(bucket)) for bucket in range(3)] == [0, 10_000_000, 20_500_000]


@given(st.floats(0, 900))
def test_a_sample_lies_in_its_bucket(cores: float) -> None:
    bucket = int(CPU.find(np.array([cores]))[0])
    assert CPU.start(bucket) <= cores * (1 + 1e-9) + 1e-12
    assert cores < CPU.start(bucket + 1) * (1 + 1e-9)


def test_what_is_larger_than_any_bucket_lies_in_the_last() -> None:
    assert CPU.find(np.array([5000.0])).tolist() == [175]


def test_a_percentile_is_the_end_of_its_bucket() -> None:
    weights = weighing(CPU, *[0.005] * 9, 0.5)
    assert CPU.percentile(weights, 0.9) == CPU.start(1)
    assert CPU.percentile(weights, 0.95) == pytest.approx(0.5, rel=0.06)
    assert CPU.percentile(weights, 0.95) > 0.5


def test_the_last_bucket_gives_its_start_and_nothing_gives_nothing() -> None:
    assert CPU.percentile(weighing(CPU, 5000.0), 0.9) == CPU.start(175)
    assert CPU.percentile(np.zeros(176), 0.9) == 0


@given(st.lists(st.floats(0.001, 100), min_size=1, max_size=30), st.floats(1, 3))
def test_more_use_never_gives_less(samples: list[float], more: float) -> None:
    before, after = weighing(CPU, *samples), weighing(CPU, *(sample * more for sample in samples))
    assert CPU.percentile(after, 0.9) >= CPU.percentile(before, 0.9)


def test_confidence_is_the_lesser_of_days_and_minutes_with_samples() -> None:
    assert confidence(16 / 1440, 9) == 0.00625
    assert confidence(3, 1440 * 8) == 3


def test_bounds_are_wide_while_little_is_known_and_close_in_later() -> None:
    weights = weighing(CPU, *[1.0] * 10)
    young, old = estimate(CPU, weights, 1000, 25, 1.0), estimate(CPU, weights, 1000, 25, 8.0)
    level = math.floor(math.floor(CPU.start(int(CPU.find(np.array([1.0]))[0]) + 1) * 1000) * 1.15)
    assert young.target == old.target == level
    assert young.upper == math.floor(level * 2)
    assert old.upper == math.floor(level * (1 + 1 / 8))
    assert young.lower == math.floor(level * 1.001**-2)
    assert estimate(CPU, weights, 1000, 25, 0.0).upper == LARGEST_AMOUNT


def test_a_kill_counts_as_a_fifth_more_and_at_least_100_mib() -> None:
    assert oom_sample(1000 * MI) == 1200 * MI
    assert oom_sample(MI) == 101 * MI


def test_a_peak_of_last_week_is_forgotten_and_one_of_yesterday_is_not() -> None:
    """400 MiB a day but one of 2 GiB: the published half-life of a day makes of it 488 MiB, or 2.4 GiB."""
    quiet = [400 * MI] * 14
    last_week, yesterday = ([*quiet[:at], 2048 * MI, *quiet[at + 1 :]] for at in (7, 13))
    of_last_week = Vpa(past(memory=[*last_week, 0])).advise(START + 14, Requests(), ())
    of_yesterday = Vpa(past(memory=[*yesterday, 0])).advise(START + 14, Requests(), ())
    assert of_last_week.memory is not None
    assert of_yesterday.memory is not None
    assert of_last_week.memory // MI == 488
    assert round(of_yesterday.memory / 1024 / MI, 2) == 2.36


def test_the_least_of_a_pod_is_divided_among_its_containers() -> None:
    alone = Vpa(past(cpu=0.001, memory=[MI] * 3)).advise(START + 2, Requests(), ())
    of_two = Vpa(past(cpu=0.001, memory=[MI] * 3, in_pod=2)).advise(START + 2, Requests(), ())
    assert alone == Requests(25, 250 * MI)
    assert of_two == Requests(12, 125 * MI)


def test_a_kill_raises_the_peak_of_its_day() -> None:
    history = past(memory=[1000 * MI] * 4)
    calm = Vpa(history).advise(START + 3, Requests(), ())
    killed = Vpa(history).advise(START + 3, Requests(), (OomKill(START + 2, 1, 900 * MI),))
    assert calm.memory is not None
    assert killed.memory is not None
    assert killed.memory / calm.memory == pytest.approx(1.2, rel=0.06)


def test_a_cpu_sample_weighs_half_as_much_a_day_later() -> None:
    history = past(cpu=[1.0] * 4 + [0.1], memory=[MI] * 5)
    one_day, five = Vpa(history), Vpa(past(cpu=[1.0] * 2 + [0.1] * 5, memory=[MI] * 7))
    soon, late = one_day.advise(START + 4, Requests(), ()), five.advise(START + 6, Requests(), ())
    assert soon.cpu is not None
    assert late.cpu is not None
    assert soon.cpu > 1000
    assert late.cpu < 200  # of 6 days the four quiet ones weigh 15/16


def test_its_constants_are_the_published_ones() -> None:
    """Of the recommender's flags and of `model/aggregations_config.go`."""
    assert (vpa.TARGET, vpa.LOWER, vpa.UPPER, vpa.MARGIN) == (0.9, 0.5, 0.95, 0.15)
    assert (vpa.POD_LEAST_MILLICORES, vpa.POD_LEAST_BYTES) == (25, 250 * MI)
    assert (vpa.OOM_EXTRA, vpa.OOM_RATIO) == (100 * MI, 1.2)
    assert (vpa.HALF_LIFE, vpa.CPU_SAMPLE_WEIGHT, EPSILON) == (86_400, 0.1, 0.0001)
    assert (CPU.first, CPU.most, MEMORY.first, MEMORY.most) == (0.01, 1000, 1e7, 1e12)


def test_a_kill_is_one_sample_among_others() -> None:
    """Of ten pods that have 400 MiB, one is killed at 400: nine tenths still lie below, and so does P90."""
    history = past(memory=[400 * MI] * 3)
    ten = replace(
        history,
        time=np.repeat(history.time, 10),
        pod=np.tile(np.arange(10), len(history.time)),
        cpu=np.repeat(history.cpu, 10),
        memory=np.repeat(history.memory, 10),
    )
    calm = Vpa(ten).advise(START + 2, Requests(), ())
    killed = Vpa(ten).advise(START + 2, Requests(), (OomKill(START + 1, 1, 400 * MI),))
    assert killed.memory == calm.memory


def test_a_kill_counts_from_the_request_where_that_was_more_than_the_peak() -> None:
    history = past(memory=[100 * MI] * 4)
    killed = Vpa(history).advise(START + 3, Requests(), (OomKill(START + 2, 1, 1000 * MI),))
    assert killed.memory is not None
    assert killed.memory >= 1200 * MI * 1.15 * 0.999


def test_an_amount_is_cut_off_at_every_step() -> None:
    """Whole millicores before and after the margin, as its int64 amounts."""
    weights = weighing(CPU, *[1.0] * 10)
    level = CPU.percentile(weights, 0.9)
    assert estimate(CPU, weights, 1000, 0, 8.0).target == int(int(level * 1000) * 1.15)

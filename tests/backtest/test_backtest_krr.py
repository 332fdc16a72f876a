"""The baselines of KRR, against its published constants and what its rounding really does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from past import MI, START, past

from reconciler.backtest import krr
from reconciler.backtest.advice import Requests
from reconciler.backtest.krr import quantile, rounded_cpu, rounded_memory, simple, simple_limit


@given(st.lists(st.floats(0, 100), min_size=1, max_size=50), st.sampled_from([0.66, 0.95, 1.0]))
def test_quantiles_are_numpys(values: list[float], share: float) -> None:
    found = np.array(values)
    assert quantile(found, share) == pytest.approx(float(np.percentile(found, share * 100)))


def test_cpu_is_rounded_up_to_millicores_with_its_floating_point_error() -> None:
    off = [value for value in range(10, 4001) if rounded_cpu(value / 1000) != value]
    assert 2007 in off
    assert len(off) == 11
    assert all(rounded_cpu(value / 1000) == value + 1 for value in off)


def test_there_are_floors() -> None:
    assert rounded_cpu(0.0001) == 10
    assert rounded_memory(MI) == 100 * MI


def test_memory_is_the_peak_of_two_weeks_and_15_percent_in_whole_mib() -> None:
    assert rounded_memory(400 * MI * 1.15) == 460 * MI
    forgotten = past(memory=[2000 * MI, *[400 * MI] * 14, 0])
    assert simple(forgotten).advise(START + 14, Requests(), ()).memory == 2300 * MI
    assert simple(forgotten).advise(START + 15, Requests(), ()).memory == 460 * MI


def test_fewer_than_100_points_give_no_answer() -> None:
    before = Requests(7, 7)
    history = past(memory=[400 * MI] * 6)
    assert simple(history).advise(START + 4, before, ()) == before
    assert simple(history).advise(START + 5, before, ()) == Requests(100, 460 * MI)


def test_points_are_those_of_all_pods_together() -> None:
    """60 of each are enough, as long as there are 100 altogether."""
    history = past(memory=[400 * MI] * 6)
    two = replace(history, pod=np.arange(len(history.time)) % 2)
    assert len(two.time) // 2 < 100
    assert simple(two).advise(START + 5, Requests(), ()).cpu == 100


def test_its_constants_are_the_published_ones() -> None:
    """Of `strategies/simple.py`, `strategies/simple_limit.py` and `models/config.py`."""
    assert (krr.CPU_PERCENTILE, krr.LIMIT_STRATEGY_CPU_PERCENTILE) == (0.95, 0.66)
    assert (krr.MEMORY_BUFFER_PERCENT, krr.POINTS_REQUIRED) == (15, 100)
    assert krr.HISTORY_DAYS * 24 == 336
    assert (krr.LEAST_MILLICORES, krr.LEAST_BYTES) == (10, 100 * MI)


def test_simple_takes_the_worst_pod_and_simple_limit_all_samples() -> None:
    history = past(memory=[400 * MI] * 11)
    halves = np.arange(len(history.time)) % 4 == 0
    two = replace(history, pod=halves.astype(np.int64), cpu=np.where(halves, 1.0, 0.1))
    assert simple(two).advise(START + 10, Requests(), ()).cpu == 1000
    assert simple_limit(two).advise(START + 10, Requests(), ()).cpu == 100

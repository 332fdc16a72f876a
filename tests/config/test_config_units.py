"""Durations, percentages and moments."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.config import units


@pytest.mark.parametrize(
    "text", ["", "14", "d", "1.5d", "-1d", "1 d", "1D", "1y", "1d12h", "١d", "9" * 12 + "d"]
)
def test_no_duration(text):
    with pytest.raises(ValueError, match="expected a duration like"):
        units.duration(text)


@pytest.mark.parametrize(
    ("text", "seconds"), [("30s", 30), ("90m", 5400), ("12h", 43_200), ("14d", 1_209_600), ("2w", 1_209_600)]
)
def test_duration(text, seconds):
    assert units.duration(text) == seconds


@pytest.mark.parametrize("text", ["0d", "12h", "36h", "90m"])
def test_parts_of_days_are_no_days(text):
    with pytest.raises(ValueError, match="whole days"):
        units.days(text)


def test_days():
    assert [units.days(text) for text in ("1d", "48h", "2w")] == [1, 2, 14]


@pytest.mark.parametrize("text", ["", "15", "0.15", "15 %", "-5%", "1.25%", "%", "1e2%"])
def test_no_percentage(text):
    with pytest.raises(ValueError, match="expected a percentage like"):
        units.permille(text)


@given(st.integers(0, 9_999_999))
def test_permille(value):
    assert units.permille(f"{value // 10}.{value % 10}%") == value


def test_percent_is_whole():
    assert units.percent("15%") == 15
    assert units.percent("15.0%") == 15
    with pytest.raises(ValueError, match="whole percentage"):
        units.percent("15.5%")


@pytest.mark.parametrize("text", ["0", "100.1", "101", "-5", "95.55", "p95"])
def test_no_percentile(text):
    with pytest.raises(ValueError, match="percentile"):
        units.percentile(text)


def test_percentile():
    assert [units.percentile(text) for text in ("95", "99.5", "95%", "100")] == [950, 995, 950, 1000]


def test_a_bare_date_ends_with_its_day():
    assert units.moment("2026-12-20") == 1_797_724_800
    assert units.moment("2026-12-20", end=True) == 1_797_724_800 + 86_400
    assert units.moment("2026-12-20T01:00+01:00", end=True) == 1_797_724_800
    assert units.moment("2026-12-20T00:00:00Z") == 1_797_724_800


@pytest.mark.parametrize("text", ["", "tomorrow", "2026-13-01", "20.12.2026", "9999-12-31"])
def test_no_moment(text):
    with pytest.raises(ValueError, match="expected a date"):
        units.moment(text, end=True)

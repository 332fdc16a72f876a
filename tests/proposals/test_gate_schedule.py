"""Hours of the week, in the time of a place."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.config.requests import hours
from reconciler.model import Gates, Hours
from reconciler.proposals.gates.schedule import is_open, next_opening, told

ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Apia"]


def gates(*said: str, zone: str = "Europe/Berlin") -> Gates:
    return Gates(hours=tuple(map(hours, said)), time_zone=zone)


def at(text: str) -> int:
    found = datetime.fromisoformat(text)
    return int((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp())


@pytest.mark.parametrize(
    "text",
    ["", "always", "mon-fri 9-17", "mon-fri 09:00", "09:00-09:00", "24:00-02:00", "10:00-24:01", "mon tue",
     "mon-fri 09:00-17:00 UTC", "mon,,tue", "-fri", "25:00-26:00", "mon-fri-sat", "09:60-10:00"],
)  # fmt: skip
def test_what_is_no_schedule(text: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        hours(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mon-fri 09:00-17:00", Hours((0, 1, 2, 3, 4), 540, 1020)),
        ("SAT,sun", Hours((5, 6), 0, 1440)),
        ("22:00-06:00", Hours((0, 1, 2, 3, 4, 5, 6), 1320, 1800)),
        ("fri-mon 00:00-24:00", Hours((0, 4, 5, 6), 0, 1440)),
        ("wed 20:00-00:00", Hours((2,), 1200, 1440)),
    ],
)
def test_how_it_is_written(text: str, expected: Hours) -> None:
    assert hours(text) == expected


# 2026-03-29 and 2026-10-25 are the Sundays on which clocks change in Berlin
@pytest.mark.parametrize(
    ("said", "now", "opened", "opens"),
    [
        ("mon-fri 09:00-17:00", "2026-03-02T07:59:59", False, "2026-03-02T08:00:00"),
        ("mon-fri 09:00-17:00", "2026-03-02T08:00:00", True, ""),
        ("mon-fri 09:00-17:00", "2026-03-06T16:00:00", False, "2026-03-09T08:00:00"),
        # over the change of clocks it stays nine in the morning
        ("mon-fri 09:00-17:00", "2026-03-27T16:00:00", False, "2026-03-30T07:00:00"),
        ("mon-fri 09:00-17:00", "2026-10-23T15:00:00", False, "2026-10-26T08:00:00"),
        # an hour that is left out
        ("sun 02:30-04:00", "2026-03-29T00:59:59", False, "2026-03-29T01:00:00"),
        ("sun 02:30-04:00", "2026-03-29T01:00:00", True, ""),  # 03:00, right after the leap
        ("sun 02:00-03:00", "2026-03-29T01:00:00", False, "2026-04-05T00:00:00"),
        # an hour that comes twice
        ("sun 02:00-03:00", "2026-10-25T00:30:00", True, ""),
        ("sun 02:00-03:00", "2026-10-25T01:30:00", True, ""),
        ("sun 02:00-03:00", "2026-10-25T02:00:00", False, "2026-11-01T01:00:00"),
        # into the next day
        ("fri 22:00-06:00", "2026-03-07T04:59:59", True, ""),
        ("fri 22:00-06:00", "2026-03-07T05:00:00", False, "2026-03-13T21:00:00"),
        ("sun 22:00-06:00", "2026-03-02T04:00:00", True, ""),
    ],
)
def test_in_berlin(said: str, now: str, opened: bool, opens: str) -> None:
    moment = at(now)
    assert is_open(gates(said), moment) is opened
    assert next_opening(gates(said), moment) == (at(opens) if opens else moment)


def test_any_of_several_will_do_and_none_is_always() -> None:
    assert is_open(gates("sat", "mon 08:00-12:00"), at("2026-03-02T09:00:00"))
    assert is_open(gates(), at("2026-03-02T09:00:00"))
    assert told(at("2026-07-06T07:00:00"), "Europe/Berlin") == "Mon 2026-07-06 09:00 Europe/Berlin"
    assert told(at("2026-07-06T07:00:00"), "UTC") == "Mon 2026-07-06 07:00 UTC"


@settings(deadline=None, max_examples=150)
@given(
    st.lists(
        st.builds(
            lambda days, start, length: Hours(tuple(sorted(days)), start, start + length),
            st.sets(st.integers(0, 6), min_size=1),
            st.integers(0, 95).map(lambda quarter: quarter * 15),
            st.integers(1, 95).map(lambda quarter: quarter * 15),
        ),
        min_size=1,
        max_size=3,
    ),
    st.sampled_from(ZONES),
    st.integers(at("2025-01-01"), at("2028-01-01")),
)
def test_it_opens_when_it_says_and_not_before(said: list[Hours], zone: str, now: int) -> None:
    one = Gates(hours=tuple(said), time_zone=zone)
    opens = next_opening(one, now)
    assert is_open(one, opens)
    assert opens >= now
    for share in range(20):
        before = now + (opens - now) * share // 20
        assert before == opens or not is_open(one, before)
    assert opens == now or not is_open(one, opens - 1)

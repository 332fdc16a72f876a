"""Amounts: counted exactly, read exactly, and told as people write them."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler import money
from reconciler.money import ASSUMED, Amount, BadAmount, Price

GIB = 1 << 30
PRICES = st.builds(Price, st.just("USD"), st.integers(0, 10**9), st.integers(0, 10**9), st.just("somebody"))
CPU = st.integers(-(10**9), 10**9)
MEMORY = st.integers(-(2**50), 2**50)


# ---------------------------------------------------------------------------------------------
# Counting
# ---------------------------------------------------------------------------------------------


def test_a_core_and_a_gib_for_a_month() -> None:
    assert money.monthly(ASSUMED, 1000, 0) == 31_611 * 730
    assert money.monthly(ASSUMED, 0, GIB) == 4_237 * 730
    assert money.monthly(ASSUMED, 1000, GIB) == (31_611 + 4_237) * 730


def test_two_cores_and_eight_gib_cost_what_such_a_machine_costs() -> None:
    """The list price of the usual general-purpose machine is 0.096 an hour."""
    hour = money.monthly(ASSUMED, 2000, 8 * GIB) / 730 / money.MILLION
    assert 0.09 < hour < 0.105


@pytest.mark.parametrize(
    ("price", "cpu", "memory", "cost"),
    [
        (Price("USD", 1, 0, ""), 1, 0, 1),  # 0.73 millionths
        (Price("USD", 1, 0, ""), -1, 0, -1),
        (Price("USD", 0, 1, ""), 0, GIB // 2920, 0),  # 0.25
        (Price("USD", 50, 0, ""), 1, 0, 37),  # 36.5
        (Price("USD", 50, 0, ""), -1, 0, -37),
        (Price("USD", 0, 0, ""), 10**9, 2**50, 0),
    ],
)
def test_it_is_rounded_once_and_halves_go_away_from_zero(
    price: Price, cpu: int, memory: int, cost: int
) -> None:
    assert money.monthly(price, cpu, memory) == cost


@given(PRICES, CPU, MEMORY)
def test_giving_back_costs_exactly_what_taking_does(price: Price, cpu: int, memory: int) -> None:
    assert money.monthly(price, -cpu, -memory) == -money.monthly(price, cpu, memory)


@given(PRICES, CPU, MEMORY)
def test_it_is_an_integer_within_half_a_millionth_of_the_truth(price: Price, cpu: int, memory: int) -> None:
    exact = 730 * (Fraction(price.core_hour * cpu, 1000) + Fraction(price.gib_hour * memory, GIB))
    found = money.monthly(price, cpu, memory)
    assert type(found) is int
    assert abs(found - exact) <= Fraction(1, 2)


@given(PRICES, CPU, CPU, MEMORY)
def test_more_is_never_cheaper(price: Price, one: int, other: int, memory: int) -> None:
    less, more = sorted((one, other))
    assert money.monthly(price, less, memory) <= money.monthly(price, more, memory)


def test_sums_keep_currencies_apart() -> None:
    found = money.sums([Amount(5, "USD"), Amount(7, "EUR"), Amount(-9, "USD")])
    assert found == (Amount(7, "EUR"), Amount(-4, "USD"))
    assert money.sums([]) == ()


# ---------------------------------------------------------------------------------------------
# Reading
# ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("5", Amount(5_000_000)),
        ("0", Amount(0)),
        ("12.50", Amount(12_500_000)),
        (".5", Amount(500_000)),
        ("5.", Amount(5_000_000)),
        ("0.031611", Amount(31_611)),
        ("0.0316110000", Amount(31_611)),
        ("$5", Amount(5_000_000, "USD")),
        ("$ 5", Amount(5_000_000, "USD")),
        ("5 €", Amount(5_000_000, "EUR")),
        ("5 EUR", Amount(5_000_000, "EUR")),
        ("CHF 5", Amount(5_000_000, "CHF")),
        ("1000000", Amount(10**12)),
    ],
)
def test_amounts_are_read_exactly(text: str, found: Amount) -> None:
    assert money.amount(text) == found


@pytest.mark.parametrize(
    "text",
    ["", " ", "-1", "+1", "1e3", "1_000", "1,5", "five", "5 eur", "5 EURO", "$5 EUR", "$", "EUR", ".", "٥",
     "5٫5", "0x10", "nan", "inf", "1" * 400],
)  # fmt: skip
def test_what_is_no_amount_is_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(BadAmount, match=r"write|more than a million"):
        money.amount(text)


@pytest.mark.parametrize(
    ("text", "why"), [("0.0000001", "finer than a millionth"), ("1000000.000001", "more than a million")]
)
def test_what_nobody_means_is_refused_with_its_reason(text: str, why: str) -> None:
    with pytest.raises(BadAmount, match=why):
        money.millionths(text)


@given(st.integers(0, 10**12))
def test_millionths_are_what_was_written(value: int) -> None:
    whole, part = divmod(value, money.MILLION)
    assert money.millionths(f"{whole}.{part:06d}") == value


@given(st.text())
def test_any_text_is_an_amount_or_a_sentence(text: str) -> None:
    try:
        assert money.amount(text).millionths >= 0
    except BadAmount:
        assert not text.isdigit() or not text.isascii() or len(text) > 6


# ---------------------------------------------------------------------------------------------
# Telling
# ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("amount", "words"),
    [
        (Amount(12_400_000, "USD"), "$12.40"),
        (Amount(-3_000_000, "USD"), "-$3.00"),
        (Amount(1_234_567_890, "EUR"), "1,234.57 EUR"),
        (Amount(1_240_000_000, "JPY"), "1,240 JPY"),
        (Amount(0, "USD"), "$0.00"),
        (Amount(4_999, "USD"), "less than $0.01"),
        (Amount(5_000, "USD"), "$0.01"),
        (Amount(-4_999, "CHF"), "less than 0.01 CHF"),
        (Amount(499_999, "JPY"), "less than 1 JPY"),
        (Amount(5_000_000), "5.00"),
    ],
)
def test_amounts_are_told_as_people_write_them(amount: Amount, words: str) -> None:
    assert money.words(amount) == words


def test_several_currencies_are_told_beside_each_other() -> None:
    amounts = [Amount(12_400_000, "USD"), Amount(3_000_000, "EUR")]
    assert money.a_month(amounts) == "3.00 EUR and $12.40 a month"


def test_prices_of_an_hour_are_told_to_the_millionth() -> None:
    assert money.hourly(ASSUMED) == "0.031611 USD a core and 0.004237 USD a GiB an hour"
    assert money.hourly(Price("EUR", 1_000_000, 0, "")) == "1 EUR a core and 0 EUR a GiB an hour"

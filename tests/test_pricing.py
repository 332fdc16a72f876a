"""Whose price holds: the first rule that fits and has an answer, and list prices where none does."""

from __future__ import annotations

import pytest

from reconciler.model import Price
from reconciler.money import ASSUMED
from reconciler.pricing import Prices, Rule, Told, asks, assumed

CHEAP = Price("USD", 10_000, 1_000, "prices[0] of the settings")
DEAR = Price("EUR", 90_000, 9_000, "prices[1] of the settings")
TOLD = Told(30_000, 4_000, "OpenCost")
LABELS = {"prod-eu": {"env": "prod", "region": "eu"}, "lab": {"env": "test"}}


def price(rules: list[Rule], cluster: str = "prod-eu", selector: tuple[tuple[str, str], ...] = ()) -> Price:
    return Prices(rules, LABELS, {"prod-eu": TOLD}).of(cluster, selector)


@pytest.mark.parametrize(
    ("rule", "fits"),
    [
        (Rule(), True),
        (Rule(clusters=("prod-*",)), True),
        (Rule(clusters=("lab", "prod-??")), True),
        (Rule(clusters=("prod",)), False),
        (Rule(clusters=("PROD-EU",)), False),
        (Rule(labels=(("env", "prod"),)), True),
        (Rule(labels=(("env", "p*"), ("region", "eu"))), True),
        (Rule(labels=(("env", "prod"), ("region", "us"))), False),
        (Rule(labels=(("tier", "*"),)), False),
        (Rule(clusters=("prod-*",), labels=(("env", "test"),)), False),
        (Rule(selector=(("pool", "spot"),)), True),
        (Rule(selector=(("pool", "s*"),)), True),
        (Rule(selector=(("pool", "spot"), ("zone", "*"))), False),
    ],
)
def test_all_that_a_rule_names_must_hold(rule: Rule, fits: bool) -> None:
    found = price([rule._replace(price=CHEAP)], selector=(("arch", "arm64"), ("pool", "spot")))
    assert found == (CHEAP if fits else ASSUMED)


def test_the_first_that_fits_holds() -> None:
    assert price([Rule(price=CHEAP), Rule(price=DEAR)]) == CHEAP
    assert price([Rule(clusters=("lab",), price=CHEAP), Rule(price=DEAR)]) == DEAR


def test_a_rule_for_nodes_says_nothing_of_pods_that_do_not_choose_them() -> None:
    rules = [Rule(selector=(("pool", "spot"),), price=CHEAP), Rule(price=DEAR)]
    assert price(rules) == DEAR
    assert price(rules, selector=(("pool", "spot"),)) == CHEAP


def test_opencost_holds_where_it_answered_and_the_next_rule_elsewhere() -> None:
    rules = [Rule(currency="EUR"), Rule(clusters=("lab",), price=CHEAP)]
    assert price(rules) == Price("EUR", 30_000, 4_000, "OpenCost")
    assert price(rules, "lab") == CHEAP
    assert price(rules, "elsewhere") == ASSUMED


def test_without_a_word_list_prices_are_assumed_and_said_to_be() -> None:
    found = assumed(["prod-eu"], 0)
    assert found.notes == ()
    assert found.prices.of("prod-eu") == ASSUMED
    assert "assumed" in ASSUMED.source


@pytest.mark.parametrize(
    ("rules", "asked"),
    [
        ([], False),
        ([Rule()], True),
        ([Rule(price=CHEAP), Rule()], False),
        ([Rule(clusters=("lab",), price=CHEAP), Rule()], True),
        ([Rule(selector=(("pool", "spot"),), price=CHEAP), Rule()], True),
        ([Rule(clusters=("lab",))], False),
    ],
)
def test_opencost_is_asked_only_where_its_word_can_count(rules: list[Rule], asked: bool) -> None:
    assert asks(rules, "prod-eu", LABELS["prod-eu"]) is asked

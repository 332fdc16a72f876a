"""The section `prices`: what it says, and which mistakes are told."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from settings_world import SMALL, load

from reconciler.config import BadFile, parse_policies
from reconciler.config.prices import PriceRule


def rules(folder: Path, text: str) -> tuple[PriceRule, ...]:
    return load(folder, f"{SMALL}prices: {text}\n").prices


def test_a_rule_is_exact_to_a_millionth(tmp_path: Path) -> None:
    (found,) = rules(tmp_path, "[{clusters: [a], currency: EUR, cpuHour: 0.031611, gibHour: '.004237'}]")
    assert (found.cpu_hour, found.gib_hour, found.currency) == (31_611, 4_237, "EUR")
    assert found.clusters == ("a",)


def test_one_rule_needs_no_list(tmp_path: Path) -> None:
    (found,) = rules(tmp_path, "{cpuHour: 1, gibHour: 0}")
    assert (found.cpu_hour, found.gib_hour, found.currency) == (1_000_000, 0, "USD")


@pytest.mark.parametrize("text", ["opencost", "{from: opencost}", "[{from: opencost}]"])
def test_opencost_in_a_word(tmp_path: Path, text: str) -> None:
    (found,) = rules(tmp_path, text)
    assert (found.source, found.cpu_hour, found.gib_hour) == ("opencost", None, None)


def test_without_it_there_are_none(tmp_path: Path) -> None:
    assert load(tmp_path, SMALL).prices == ()
    assert load(tmp_path, f"{SMALL}prices:\n").prices == ()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("opencosts", "3:9: prices: expected opencost, or a list like"),
        ("5", "3:9: prices: expected a list"),
        ("[{}]", "3:10: prices[0]: a price needs cpuHour and gibHour, or from: opencost"),
        ("[{cpuHour: 1}]", "prices[0]: a price needs gibHour"),
        ("[{gibHour: 1}]", "prices[0]: a price needs cpuHour"),
        ("[{from: opencost, cpuHour: 1, gibHour: 1}]",
         "prices[0]: from and cpuHour or gibHour both say a price: remove one"),
        ("[{from: kubecost}]", 'prices[0].from: expected opencost, found "kubecost"'),
        ("[{cpuHour: -1, gibHour: 1}]", "3:20: prices[0].cpuHour: '-1' is no amount of money"),
        ("[{cpuHour: 1e-3, gibHour: 1}]", "prices[0].cpuHour: '1e-3' is no amount of money"),
        ("[{cpuHour: $1, gibHour: 1}]", "prices[0].cpuHour: '$1' is no amount of money"),
        ("[{cpuHour: 0.0000001, gibHour: 1}]", "prices[0].cpuHour: '0.0000001' is finer than a millionth"),
        ("[{cpuHour: 1, gibHour: 2000000}]", "prices[0].gibHour: '2000000' is more than a million"),
        ("[{cpuHour: true, gibHour: 1}]", "prices[0].cpuHour: expected the price of an hour like 0.0316"),
        ("[{cpuHour: 1, gibHour: 1, currency: eur}]", "prices[0].currency: 'eur' is no currency"),
        ("[{cpuHour: 1, gibHour: 1, currency: €}]", "prices[0].currency: '€' is no currency"),
        ("[{cpuHour: 1, gibHour: 1, cluster: a}]", 'unknown key "cluster"; did you mean "clusters"?'),
        ("[{cpuHour: 1, gibHour: 1, clusters: a}]", "prices[0].clusters: expected a list, like [a, b]"),
        ("[{cpuHour: 1, gibHour: 1, nodeSelector: {pool: [a]}}]",
         "prices[0].nodeSelector.pool: expected text"),
    ],
)  # fmt: skip
def test_mistakes_are_told_with_their_place(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(BadFile) as caught:
        rules(tmp_path, text)
    assert told in str(caught.value)


def test_the_examples_of_the_docs_load(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "money.md").read_text()
    told, policy = re.findall(r"^```yaml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    found = load(tmp_path, told)
    assert [rule.source for rule in found.prices] == [None, None, "opencost", None]
    (one,) = parse_policies(policy, "money.md")
    assert one.says["resources", "smallestSavings"].value.millionths == 5_000_000

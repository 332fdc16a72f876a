"""What changes are worth, as a run tells it: in the JSON, the terminal and the merge request."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from rich.console import Console
from world import Used, World, manifest, ref

from reconciler.money import HOURS
from reconciler.proposals import worth
from reconciler.report import rows, schemas
from reconciler.report.text import Shown, print_report

MIB = 1 << 20
EUROS = [
    {"nodeSelector": {"pool": "spot"}, "currency": "EUR", "cpuHour": "0.01", "gibHour": 0},
    {"currency": "EUR", "cpuHour": "0.1", "gibHour": "0"},
]


def world(folder: Path, **settings: object) -> World:
    spot = manifest("spot", "1", "120Mi").replace(
        "    spec:\n", "    spec:\n      nodeSelector: {pool: spot}\n", 1
    )
    files = {
        "apps/web/web.yaml": manifest("web", "500m", "120Mi"),
        "apps/spot/spot.yaml": spot,
        "apps/api/api.yaml": manifest("api", "100m", "128Mi"),
    }
    used = [
        Used(ref("web"), 100, 100 * MIB),
        Used(ref("spot"), 100, 100 * MIB),
        Used(ref("api"), 200, 200 * MIB, oom_kills=2, oom_limit=128 * MIB),
    ]
    return World(folder, files, used, **settings)


def cpu_row(found: dict[str, Any], workload: str) -> dict[str, Any]:
    (row,) = [r for r in found["changes"] if (r["workload"], r["field"]) == (workload, "requests.cpu")]
    return row


def told(place: World, **more: object) -> str:
    out = io.StringIO()
    console = Console(file=out, width=10_000, highlight=False)
    how: dict[str, Any] = {"wrote": False, "diffs": False, "verbose": False, "quiet": False, **more}
    print_report(console, place.run(write=False), Shown(**how))
    return out.getvalue()


def test_the_json_has_amounts_that_add_up(tmp_path: Path) -> None:
    found = rows.report(world(tmp_path, prices=EUROS).run(write=False))
    jsonschema.validate(found, schemas.run())
    web = cpu_row(found, "web")
    assert web["new"] == "400m"
    assert web["savings_monthly"] == pytest.approx(2 * 0.1 * HOURS * 0.1)
    assert (web["currency"], web["prices"]) == ("EUR", "prices[1] of the settings")
    assert (web["risk"], web["risk_because"]) == ("low", "300 % above the peak of 14 days")
    for row in found["changes"]:
        if row["field"].startswith("limits."):
            assert row["savings_monthly"] == 0


def test_pods_that_choose_their_nodes_have_the_price_of_those(tmp_path: Path) -> None:
    found = rows.report(world(tmp_path, prices=EUROS).run(write=False))
    spot = cpu_row(found, "spot")
    assert (spot["new"], spot["prices"]) == ("800m", "prices[0] of the settings")
    assert spot["savings_monthly"] == pytest.approx(2 * 0.2 * HOURS * 0.01)


def test_without_a_word_the_prices_are_said_to_be_assumed(tmp_path: Path) -> None:
    place = world(tmp_path)
    found = rows.report(place.run(write=False))
    assert {row["prices"] for row in found["changes"]} == {"public-cloud list prices, assumed"}
    assert "public-cloud list prices, assumed" in told(place)


def test_the_terminal_sums_it_up(tmp_path: Path) -> None:
    text = told(world(tmp_path, prices=EUROS))
    assert "Saves 14.60 EUR a month. Risk: low (300 % above the peak of 14 days)." in text
    (line,) = [line for line in text.splitlines() if "of requests over all replicas" in line]
    assert "of requests over all replicas, saves " in line or ", costs " in line
    assert worth.WHEN_IT_IS_SAVED in text


def test_in_few_words_only_the_sum_is_told(tmp_path: Path) -> None:
    text = told(world(tmp_path, prices=EUROS), quiet=True)
    assert "Prices:" not in text
    assert "EUR a month; " in text


def test_the_merge_request_says_it_first_and_honestly(tmp_path: Path) -> None:
    place = world(tmp_path, prices=EUROS)
    place.run()
    bodies = {one.branch: one.body for one in place.requests()}
    (web,) = [body for branch, body in bodies.items() if "savings" in branch and "web" in branch]
    first, _, second = web.partition("\n\n")
    told = "Frees 200m of requests over all replicas, saves 14.60 EUR a month"
    assert first == f"**{told}; risk: low; confidence: high (14 days, 100 % of samples)**"
    assert second.startswith("Prices: prices\\[1\\] of the settings. This is what the requests cost, not yet")
    assert "money is saved once nodes are made smaller or fewer" in second
    assert "Risk: low" in web


def test_a_raise_says_what_it_costs(tmp_path: Path) -> None:
    place = world(tmp_path, prices=[{"cpuHour": 0, "gibHour": 1}])
    place.run()
    (body,) = [one.body for one in place.requests() if "safety" in one.branch]
    assert ", costs \\$" in body.partition("\n\n")[0], "a forge takes $1 for a snippet, and $…$ for a formula"
    assert "the bill only grows where it takes more or larger nodes" in body


def test_what_is_killed_comes_first(tmp_path: Path) -> None:
    report = world(tmp_path, prices=EUROS).run(write=False)
    assert [one.klass.value for one in report.proposals] == ["safety", "savings", "savings"]
    assert [action.key.partition("/")[0] for action in report.actions] == ["safety", "savings", "savings"]
    assert "web" in report.proposals[1].branch, "14.60 before 2.92 a month"


def test_a_floor_of_money_keeps_what_is_worth_less(tmp_path: Path) -> None:
    policy = (
        "apiVersion: reconciler/v1\nkind: Policy\nmetadata: {name: worth-it}\n"
        "resources: {smallestSavings: 30 EUR}\n"
    )
    (tmp_path / "policies.yaml").write_text(policy)
    report = world(tmp_path, prices=EUROS, policies="policies.yaml").run(write=False)
    kept = {
        keep.slot.consumers[0].workload: keep.detail
        for keep in report.kept
        if keep.reason == "too-small" and keep.slot.field == "requests.cpu"
    }
    assert {*kept} == {"spot"}
    assert "EUR a month (prices[0] of the settings), less than the 30.00 EUR" in kept["spot"]

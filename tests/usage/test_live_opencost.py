"""Prices that OpenCost exports: read from a real Prometheus, and from one in this process for what is odd."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from servers import prometheus
from servers.blocks import Block
from servers.in_process import InProcess, Series
from servers.lives import source_over
from servers.prometheus import Served

from reconciler.config import Found, Settings, load_settings
from reconciler.errors import Problem
from reconciler.model import Price, Whose
from reconciler.money import ASSUMED
from reconciler.usage.port import UsageSource
from reconciler.usage.prometheus.opencost import NodePrices, node_prices
from reconciler.usage.prometheus.promql import Questions, Scope
from reconciler.usage.prometheus.unanswered import Kind, UnansweredError
from reconciler.usage.prometheus.wire import Access, Wire
from reconciler.wiring.metrics import open_metrics, sources_of
from reconciler.wiring.prices import pricing_of

NOW = 1_750_000_000
CPU, RAM = "node_cpu_hourly_cost", "node_ram_hourly_cost"
NAN = math.nan


def nodes(
    metric: str, prices: Sequence[float], ago: int = 60, **more: str
) -> Iterator[tuple[Mapping[str, str], float, int]]:
    """As OpenCost labels them."""
    for number, price in enumerate(prices):
        name = f'node-"{number}"\n'
        labels = {"__name__": metric, "node": name, "instance": name, "arch": "amd64", "job": "opencost"}
        yield {**labels, "provider_id": f"gce://p/z/{number}", **more}, price, ago


TOLD = [
    *nodes(
        CPU, [0.031611, 0.02, 0.04, 0.0, NAN], cluster="eu"
    ),  # without a price: a GPU's node, an unknown one
    *nodes(RAM, [0.004237, 0.001, 0.9, 0.0, NAN], cluster="eu"),
    *nodes(CPU, [0.05, 0.05, 0.09], cluster="us"),
    *nodes(CPU, [0.05, 0.05, 0.09], cluster="us", replica="b"),  # a second OpenCost, or Prometheus
    *nodes(RAM, [0.006, 0.007, 0.008], cluster="us"),
    *nodes(CPU, [0.01], ago=2 * 3600, cluster="old"),
    *nodes(RAM, [0.01], ago=2 * 3600, cluster="old"),
    *nodes(CPU, [0.01], cluster="half"),
    *nodes(CPU, [math.inf, 1e18], cluster="absurd"),
    *nodes(RAM, [1e18], cluster="absurd"),
]


@pytest.fixture(scope="module")
def opencost(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    if prometheus.find() is None:
        if os.environ.get("CI"):
            pytest.fail("Prometheus: install prometheus (needed on CI)", pytrace=False)
        pytest.skip("Prometheus: install prometheus")
    data = tmp_path_factory.mktemp("opencost") / "blocks"
    (data / "wal").mkdir(parents=True)
    block = Block(data, 1)
    for labels, price, ago in TOLD:
        times = np.array([NOW - ago - 60, NOW - ago], np.int64) * 1000
        block.add([labels], times, np.array([[price, price]]))
    block.close()
    running, stop = prometheus.start(data, Path(tempfile.mkdtemp(dir=data.parent)) / "server")
    yield running
    stop()


def settings(folder: Path, url: str, prices: str, *names: str) -> Settings:
    clusters = "".join(f"  - {{name: {name}, metricsLabels: {{cluster: {name}}}}}\n" for name in names)
    path = folder / "reconcile.yaml"
    path.write_text(
        f"apiVersion: reconciler/v1\nrepositories: [{{url: {folder}}}]\ncache: {folder}/cache\n"
        f"metrics: [{{name: main, kind: prometheus, url: {url!r}}}]\nprices: {prices}\n"
        f"clusters:\n{clusters}"
    )
    return load_settings(Found(path, True))


def priced(found: Settings) -> tuple[dict[str, Price], list[str]]:
    sources = sources_of(found, open_metrics(found, None))
    names = [cluster.name for cluster in found.clusters]
    prices, notes = pricing_of(found, sources.of)(names, NOW)
    return {name: prices.of(name) for name in names}, [note.detail for note in notes]


def test_the_median_of_a_clusters_nodes_is_its_price(tmp_path: Path, opencost: Served) -> None:
    found, notes = priced(settings(tmp_path, opencost.url, "opencost", "eu", "us"))
    says = "OpenCost's median of the nodes, from main"
    assert found == {"eu": Price("USD", 31_611, 4_237, says), "us": Price("USD", 50_000, 7_000, says)}
    assert notes == []


def test_the_settings_say_the_currency(tmp_path: Path, opencost: Served) -> None:
    found, _ = priced(settings(tmp_path, opencost.url, "{from: opencost, currency: EUR}", "eu"))
    assert found["eu"].currency == "EUR"


@pytest.mark.parametrize("name", ["old", "half", "absurd", "nobody"])
def test_what_is_old_or_lacks_a_half_is_no_price(tmp_path: Path, opencost: Served, name: str) -> None:
    found, notes = priced(settings(tmp_path, opencost.url, "opencost", name))
    assert found == {name: ASSUMED}
    (told,) = notes
    assert f"main has no prices of OpenCost of {name} of the last hour: other prices hold" in told


def test_the_next_rule_holds_where_opencost_says_nothing(tmp_path: Path, opencost: Served) -> None:
    rules = "[{from: opencost}, {clusters: [old], cpuHour: 1, gibHour: 2}]"
    found, _ = priced(settings(tmp_path, opencost.url, rules, "old", "eu"))
    assert found["old"] == Price("USD", 1_000_000, 2_000_000, "prices[1] of the settings")
    assert found["eu"].core_hour == 31_611


def test_without_labels_that_tell_clusters_apart_all_nodes_count(opencost: Served) -> None:
    server = Wire(Access(opencost.url))
    assert node_prices(server, Questions(Scope("")), NOW) == NodePrices(50_000, 7_000)
    server.close()


def test_a_name_can_not_break_out_of_the_question(opencost: Served) -> None:
    server = Wire(Access(opencost.url))
    nasty = Scope("x", (("cluster", 'eu"} or vector(1) #\n\\"'),))
    assert node_prices(server, Questions(nasty), NOW) is None
    server.close()


def test_a_server_that_is_not_there_is_a_note_and_no_failure(tmp_path: Path) -> None:
    gone = f"http://127.0.0.1:{prometheus.free_port()}"
    found, notes = priced(settings(tmp_path, gone, "opencost", "eu"))
    assert found == {"eu": ASSUMED}
    assert "OpenCost's prices could not be read" in notes[0]


# ---------------------------------------------------------------------------------------------
# In this process
# ---------------------------------------------------------------------------------------------


def serving(*told: tuple[Mapping[str, str], float, int]) -> InProcess:
    times = np.arange(NOW - 600, NOW + 1, 60)
    return InProcess([Series(labels, times, np.full(len(times), price)) for labels, price, _ in told])


def test_nodes_of_a_cluster_that_only_more_labels_tell_are_left_out(tmp_path: Path) -> None:
    """`prod` lets in `prod, tier: data`, which the settings know as another cluster."""
    server = serving(
        *nodes(CPU, [0.02], env="prod"), *nodes(RAM, [0.002], env="prod"),
        *nodes(CPU, [0.5, 0.5, 0.5], env="prod", tier="data"),
        *nodes(RAM, [0.5, 0.5, 0.5], env="prod", tier="data"),
    )  # fmt: skip
    clusters = {"prod": {"env": "prod"}, "data": {"env": "prod", "tier": "data"}}
    source = source_over(server, tmp_path, clusters=clusters)
    assert source.prices("prod", NOW) == NodePrices(20_000, 2_000)
    assert source.prices("data", NOW) == NodePrices(500_000, 500_000)


def test_what_it_can_not_say_is_a_problem_of_its_own(tmp_path: Path) -> None:
    server = serving()
    server.fails = lambda question: UnansweredError(Kind.BUSY, "it is busy", Whose.THEIRS)
    with pytest.raises(Problem, match="it is busy"):
        source_over(server, tmp_path).prices("", NOW)


def test_it_is_asked_once_a_cluster_and_only_where_it_counts(tmp_path: Path) -> None:
    server = serving(*nodes(CPU, [0.02]), *nodes(RAM, [0.002]))
    source = source_over(server, tmp_path)
    found = settings(
        tmp_path, "http://m", "[{clusters: [b], cpuHour: 1, gibHour: 1}, {from: opencost}]", "a", "b"
    )

    def of(cluster: str) -> UsageSource | None:
        return source

    prices, notes = pricing_of(found, of)({"a", "b"}, NOW)
    assert prices.of("a").core_hour == 20_000
    assert prices.of("b").core_hour == 1_000_000
    assert (len(server.asked), notes) == (2, ())


def test_a_rule_about_no_cluster_is_noted(tmp_path: Path) -> None:
    rules = "[{clusters: [prdo], cpuHour: 1, gibHour: 1}]"
    _, notes = priced(settings(tmp_path, "http://m", rules, "prod"))
    assert notes == ["prices[0] is about no cluster there is: check its clusters and clusterLabels"]


def test_the_docs_have_the_questions() -> None:
    page = (Path(__file__).parents[2] / "docs" / "money.md").read_text()
    asked = Questions(Scope("prod-eu", (("cluster", "prod-eu"),)))
    for metric in (CPU, RAM):
        assert asked.node_cost(metric, 3600) in page.splitlines()

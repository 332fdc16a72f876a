"""What an operator is told whose server answers, and can't tell owners."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from servers.in_process import InProcess, Series
from servers.lives import Life, series_of, source_over

from reconciler.model import Note, Secret
from reconciler.usage.prometheus.auth import Bearer
from reconciler.usage.prometheus.hints import cluster_hints, hints
from reconciler.usage.prometheus.promql import PRESETS, Questions, Scope
from reconciler.usage.prometheus.wire import Access, Wire

NOW = 1_750_000_000


def serving(ago: int = 60, **labels: str) -> InProcess:
    told = {"__name__": "kube_pod_owner", "owner_kind": "ReplicaSet", **labels}
    times = np.arange(NOW - ago - 7200, NOW - ago + 1, 60)
    return InProcess([Series(told, times, np.ones(len(times)))])


@pytest.mark.parametrize(
    ("labels", "preset", "said"),
    [
        ({"pod": "web-1"}, "kube-prometheus", ""),
        (
            {"pod": "kube-state-metrics-0", "exported_pod": "web-1"},
            "kube-prometheus",
            "set `labels: exported`",
        ),
        ({"pod": "kube-state-metrics-0", "exported_pod": "web-1"}, "exported", ""),
        ({"pod": "web-1"}, "exported", "no kube_pod_owner with a label exported_pod"),
        ({"name": "web-1"}, "kube-prometheus", "is kube-state-metrics scraped?"),
    ],
)
def test_owners_that_are_not_told_where_they_are_looked_for(
    labels: dict[str, str], preset: str, said: str
) -> None:
    found = hints(serving(**labels), Questions(Scope(""), PRESETS[preset]), NOW)
    assert len(found) == bool(said)
    assert all(said in words and "nothing is lowered" in words for words in found)


def test_only_the_clusters_own_owners_count() -> None:
    server = serving(pod="web-1", cluster="b")
    assert not hints(server, Questions(Scope("b", (("cluster", "b"),))), NOW)
    assert hints(server, Questions(Scope("a", (("cluster", "a"),))), NOW)


def test_a_server_that_is_no_longer_fed_has_no_fault_in_its_labels() -> None:
    questions = Questions(Scope(""))
    assert not hints(serving(ago=5 * 3600, pod="web-1"), questions, NOW)
    renamed = serving(ago=5 * 3600, pod="kube-state-metrics-0", exported_pod="web-1")
    assert "set `labels: exported`" in hints(renamed, questions, NOW)[0]
    assert "is kube-state-metrics scraped?" in hints(serving(ago=3 * 86_400, pod="web-1"), questions, NOW)[0]


@pytest.mark.parametrize("clusters", [(), ("",), ("a",), ("", "a")])
def test_one_cluster_needs_no_telling_apart(clusters: tuple[str, ...]) -> None:
    assert cluster_hints(clusters, "cluster") == ()


def test_several_clusters_are_named_and_no_more_than_a_few() -> None:
    (words,) = cluster_hints(("a\x1b[31m", "b"), "k8s")
    assert "2 clusters under the label k8s (a [31m, b)" in words
    assert "`metricsLabels`" in words
    (words,) = cluster_hints([f"c{number}" for number in range(60)], "cluster")
    assert "60 clusters" in words
    assert "c5" not in words


@pytest.mark.parametrize(
    ("url", "has_login", "is_told"),
    [
        ("http://prometheus.example.com", True, True),
        ("http://prometheus.example.com", False, False),
        ("https://prometheus.example.com", True, False),
        ("http://127.0.0.1:9090", True, False),
    ],
)
def test_a_login_over_plain_http(url: str, has_login: bool, is_told: bool) -> None:
    server = Wire(Access(url, auth=Bearer(lambda: Secret("hidden")) if has_login else None))
    found = server.cautions()
    server.close()
    assert [note.what for note in found] == ["plain-http"] * is_told
    assert "hidden" not in str(found)


class Cautious(InProcess):
    def cautions(self) -> tuple[Note, ...]:
        return (Note("plain-http", "the login travels unencrypted"),)


def test_what_is_to_be_said_of_an_address_is_said_with_each_reading(tmp_path: Path) -> None:
    reading = source_over(Cautious([]), tmp_path).everything(NOW - 86_400, NOW)
    assert Note("plain-http", "the login travels unencrypted") in reading.notes


def test_a_server_of_two_clusters_says_so_when_it_is_looked_at(tmp_path: Path) -> None:
    lives = [
        Life("shop", "web-0", ("StatefulSet", "web"), NOW - 7200, NOW, more={"cluster": name})
        for name in "ab"
    ]
    server = InProcess(series_of(lives), clock=NOW)
    found = source_over(server, tmp_path).state()
    assert found.words == "containers: 2, namespaces: 1, within the last hour"
    assert any("2 clusters under the label cluster (a, b)" in words for words in found.hints)
    told_apart = source_over(
        server, tmp_path, clusters={"a": {"cluster": "a"}, "b": {"cluster": "b"}}
    ).state()
    assert not told_apart.hints

"""What an operator is told whose server answers, and can't tell owners."""

from __future__ import annotations

import numpy as np
import pytest
from servers.in_process import InProcess, Series

from reconciler.usage.prometheus.hints import hints
from reconciler.usage.prometheus.promql import PRESETS, Questions, Scope

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

"""What an operator is told whose server answers, and can't tell owners."""

from __future__ import annotations

import numpy as np
import pytest
from servers.in_process import InProcess, Series

from reconciler.usage.prometheus.hints import hints
from reconciler.usage.prometheus.promql import PRESETS, Questions, Scope

NOW = 1_750_000_000


def serving(**labels: str) -> InProcess:
    told = {"__name__": "kube_pod_owner", "owner_kind": "ReplicaSet", **labels}
    return InProcess([Series(told, np.array([NOW - 60]), np.array([1.0]))])


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

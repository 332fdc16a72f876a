"""One namespace and name in two clusters behind one server: never one's numbers for the other's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from servers.in_process import InProcess, Series
from servers.lives import DAY, MEBI, Life, series_of, source_over

from reconciler.model import ContainerRef, NoUsage, Reason, Usage

BEGIN = 20_000 * DAY
NOW = BEGIN + 2 * DAY
EU, US = (ContainerRef(cluster, "shop", "StatefulSet", "web", "app") for cluster in ("eu", "us"))
ONLY_US = US._replace(workload="cart")
SMALL, LARGE = 100 * MEBI, 700 * MEBI
Clusters = Mapping[str, Mapping[str, str]]


def server_of(eu: Mapping[str, str], us: Mapping[str, str]) -> InProcess:
    """Both have `web`, with pods of the same name; only one has `cart`."""
    lives = [
        Life("shop", "web-0", ("StatefulSet", "web"), BEGIN, NOW, memory=SMALL, more=eu, every=300),
        Life("shop", "web-0", ("StatefulSet", "web"), BEGIN, NOW, memory=LARGE, more=us, every=300),
        Life("shop", "cart-0", ("StatefulSet", "cart"), BEGIN, NOW, memory=LARGE, more=us, every=300),
    ]
    return InProcess(series_of(lives), clock=NOW, keeps=90 * DAY)


def read(
    server: InProcess, folder: Path, clusters: Clusters, *refs: ContainerRef
) -> Mapping[ContainerRef, Usage | NoUsage]:
    """Twice: from the server, and from the cache."""
    found = source_over(server, folder, clusters=clusters).read(refs, BEGIN, NOW).usage
    assert source_over(server, folder, clusters=clusters).read(refs, BEGIN, NOW).usage == found
    return found


def memory_of(usage: Usage | NoUsage) -> int:
    assert isinstance(usage, Usage), usage
    assert not usage.incomplete
    return usage.memory.values[-1]


def reason_of(usage: Usage | NoUsage) -> Reason:
    assert isinstance(usage, NoUsage), usage
    return usage.reason


CLUSTER = ({"cluster": "eu-1"}, {"cluster": "us-1"})
ENV = ({"env": "eu-1"}, {"env": "us-1"})
BOTH = ({"cluster": "eu-1", "env": "prod"}, {"cluster": "us-1", "env": "prod"})


@pytest.mark.parametrize(("eu", "us"), [CLUSTER, ENV, BOTH])
def test_labels_of_the_settings_tell_them_apart(
    tmp_path: Path, eu: Mapping[str, str], us: Mapping[str, str]
) -> None:
    found = read(server_of(eu, us), tmp_path, {"eu": eu, "us": us}, EU, US, ONLY_US)
    assert [memory_of(found[ref]) for ref in (EU, US, ONLY_US)] == [SMALL, LARGE, LARGE]


@pytest.mark.parametrize(("eu", "us"), [CLUSTER, ENV, ({}, {})])
def test_two_clusters_without_labels_are_the_same_question(
    tmp_path: Path, eu: Mapping[str, str], us: Mapping[str, str]
) -> None:
    found = read(server_of(eu, us), tmp_path, {"eu": {}, "us": {}}, EU, US, ONLY_US)
    assert [reason_of(found[ref]) for ref in (EU, US)] == [Reason.AMBIGUOUS_CLUSTER] * 2
    assert memory_of(found[ONLY_US]) == LARGE


def test_two_clusters_with_the_same_labels_too(tmp_path: Path) -> None:
    same = {"env": "prod"}
    found = read(server_of(*BOTH), tmp_path, {"eu": same, "us": same}, EU, US)
    assert [reason_of(found[ref]) for ref in (EU, US)] == [Reason.AMBIGUOUS_CLUSTER] * 2


def test_one_cluster_in_the_settings_and_two_in_the_data(tmp_path: Path) -> None:
    found = read(server_of(*CLUSTER), tmp_path, {"eu": {}}, EU, ONLY_US._replace(cluster="eu"))
    assert reason_of(found[EU]) == Reason.AMBIGUOUS_CLUSTER


def test_none_in_the_settings_and_two_in_the_data(tmp_path: Path) -> None:
    anywhere = EU._replace(cluster="")
    found = read(server_of(*CLUSTER), tmp_path, {}, anywhere, ONLY_US._replace(cluster=""))
    assert reason_of(found[anywhere]) == Reason.AMBIGUOUS_CLUSTER
    assert memory_of(found[ONLY_US._replace(cluster="")]) == LARGE


@pytest.mark.parametrize(("eu", "us"), [CLUSTER, ENV, ({}, {"env": "us-1"})])
def test_one_with_labels_and_one_without(
    tmp_path: Path, eu: Mapping[str, str], us: Mapping[str, str]
) -> None:
    """What the one's labels claim is not the other's."""
    clusters = {"eu": {}, "us": us}
    found = read(server_of(eu, us), tmp_path, clusters, EU, US, ONLY_US, ONLY_US._replace(cluster="eu"))
    assert [memory_of(found[ref]) for ref in (EU, US, ONLY_US)] == [SMALL, LARGE, LARGE]
    assert reason_of(found[ONLY_US._replace(cluster="eu")]) == Reason.NO_METRICS


def test_one_whose_labels_the_other_has_too(tmp_path: Path) -> None:
    """Kept apart by what the other has more."""
    clusters = {"eu": {"env": "prod"}, "us": {"env": "prod", "cluster": "us-1"}}
    found = read(server_of(*BOTH), tmp_path, clusters, EU, US, ONLY_US)
    assert [memory_of(found[ref]) for ref in (EU, US, ONLY_US)] == [SMALL, LARGE, LARGE]


@pytest.mark.parametrize(("eu", "us"), [CLUSTER, ENV, BOTH])
def test_a_cluster_that_the_settings_do_not_name_may_be_any_of_them(
    tmp_path: Path, eu: Mapping[str, str], us: Mapping[str, str]
) -> None:
    lost, cart = EU._replace(cluster=""), ONLY_US._replace(cluster="")
    found = read(server_of(eu, us), tmp_path, {"eu": eu, "us": us}, lost, cart)
    assert reason_of(found[lost]) == Reason.AMBIGUOUS_CLUSTER
    assert memory_of(found[cart]) == LARGE


def test_everything_is_listed_once_and_by_its_cluster(tmp_path: Path) -> None:
    source = source_over(server_of(*ENV), tmp_path, clusters={"eu": {}, "us": ENV[1]})
    found = source.everything(BEGIN, NOW).usage
    assert {ref: memory_of(usage) for ref, usage in found.items()} == {
        EU._replace(cluster=""): SMALL,
        US: LARGE,
        ONLY_US: LARGE,
    }


def test_labels_with_odd_names_and_values_are_only_labels(tmp_path: Path) -> None:
    eu, us = ({"the cluster": text} for text in ('a"} or {b="', "c\\d\ne"))
    found = read(server_of(eu, us), tmp_path, {"eu": eu, "us": us}, EU, US)
    assert [memory_of(found[ref]) for ref in (EU, US)] == [SMALL, LARGE]


def test_kills_are_counted_where_they_were(tmp_path: Path) -> None:
    server = server_of(*ENV)
    for labels, count in zip(ENV, (0, 2), strict=True):
        base = {"namespace": "shop", "pod": "web-0", "container": "app", **labels}
        at = next(each for each in server.series if base.items() <= each.labels.items())
        events = at.values * 0 + count * (at.times > BEGIN + DAY)
        name = {"__name__": "container_oom_events_total", "image": "x", "id": "/pods/web-0/app"}
        server.series.append(at._replace(labels={**base, **name}, values=events))
    found = read(server, tmp_path, {"eu": {}, "us": ENV[1]}, EU, US)
    kills = {ref: sum(each.kills for each in usage.oom_kills) for ref, usage in found.items()}  # type: ignore[union-attr]
    assert kills == {EU: 0, US: 2}


MADE = (BEGIN - 90 * DAY, BEGIN - 30 * DAY)


def told_when_made(clusters: Sequence[Mapping[str, str]], when: Sequence[int]) -> InProcess:
    """By two of kube-state-metrics each, as where it is replaced."""
    server = server_of(clusters[0], clusters[-1])
    times = np.arange(BEGIN, NOW + 1, 300, dtype=np.int64)
    for labels, made in zip(clusters, when, strict=True):
        for instance in ("10.0.0.1", "10.0.0.2"):
            who = {"__name__": "kube_namespace_created", "namespace": "shop", "instance": instance}
            server.series.append(Series({**who, **labels}, times, np.full(len(times), float(made))))
    return server


ODD = ({"k8s_cluster": "eu-1"}, {"k8s_cluster": "us-1"})


@pytest.mark.parametrize("clusters", [{"eu": {}}, {"eu": {"env": "prod"}}, {}])
def test_two_clusters_under_a_label_that_nobody_named_are_noticed(
    tmp_path: Path, clusters: Mapping[str, Mapping[str, str]]
) -> None:
    """Else the busy pods of one would lie among the idle ones of the other."""
    behind = [{**each, **clusters.get("eu", {})} for each in ODD]
    ref = EU._replace(cluster="".join(clusters))
    found = read(told_when_made(behind, MADE), tmp_path, clusters, ref, ref._replace(workload="none"))
    assert [reason_of(each) for each in found.values()] == [Reason.AMBIGUOUS_CLUSTER, Reason.NO_METRICS]
    source = source_over(told_when_made(behind, MADE), tmp_path, clusters=clusters)
    assert "of several clusters" in source.recorded(BEGIN, NOW).failures[0].error


@pytest.mark.parametrize("behind", [CLUSTER, ENV])
def test_namespaces_of_clusters_that_are_told_apart_may_be_made_at_any_time(
    tmp_path: Path, behind: tuple[Mapping[str, str], Mapping[str, str]]
) -> None:
    eu, us = behind
    found = read(told_when_made(behind, MADE), tmp_path, {"eu": eu, "us": us}, EU, US)
    assert [memory_of(found[ref]) for ref in (EU, US)] == [SMALL, LARGE]


def test_one_cluster_that_is_told_of_twice_is_one(tmp_path: Path) -> None:
    eu = {"k8s_cluster": "eu-1"}
    found = read(told_when_made([eu], MADE[:1]), tmp_path, {"eu": {}}, EU)
    assert memory_of(found[EU]) == LARGE

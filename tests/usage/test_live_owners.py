"""Whose a pod is: told by kube-state-metrics, or guessed and said to be."""

from __future__ import annotations

import string
from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.usage.prometheus.answers import Vector
from reconciler.usage.prometheus.owners import (
    STEPS,
    Owner,
    Pod,
    Told,
    guessed,
    owners,
    owners_of_pods,
    wanted_names,
)
from reconciler.usage.prometheus.owners import (
    between as between_of,
)
from reconciler.usage.prometheus.promql import PRESETS, Questions, Scope

PLAIN = Questions(Scope(""))
SHOP = "shop"
names = st.from_regex(r"[a-z]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True)
HASH, FIVE = "6d4cf56db6", "x2k4z"


def vector(*labels: dict[str, str]) -> Vector:
    return Vector(labels, np.zeros(len(labels), np.int64), np.ones(len(labels)))


def pod_owner(pod: str, kind: str, name: str, controller: str = "true", **more: str) -> dict[str, str]:
    owner = {"owner_kind": kind, "owner_name": name, "owner_is_controller": controller}
    return {"namespace": SHOP, "pod": pod, **owner, **more}


def link(label: str, name: str, kind: str, owner: str) -> dict[str, str]:
    return {"namespace": SHOP, label: name, "owner_kind": kind, "owner_name": owner}


def owner_of(
    pod: str,
    pods: Iterable[dict[str, str]] = (),
    links: Iterable[dict[str, str]] = (),
    wanted: Iterable[tuple[str, str, str]] = (),
    containers: Iterable[str] = ("app",),
) -> Owner:
    links = list(links)
    between = {step.kind: vector(*(each for each in links if step.label in each)) for step in STEPS}
    known = Told(owners_of_pods(PLAIN, vector(*pods).labels), between_of(PLAIN, between))
    who = Pod("", SHOP, pod)
    return owners({who: containers}, known, wanted_names(wanted))[who]


# ---------------------------------------------------------------------------------- told


@pytest.mark.parametrize(
    ("between", "label", "above"),
    [
        ("ReplicaSet", "replicaset", "Deployment"),
        ("ReplicaSet", "replicaset", "Rollout"),
        ("ReplicaSet", "replicaset", "SomethingNew"),
        ("Job", "job_name", "CronJob"),
        ("Job", "job_name", "ScaledJob"),
        ("ReplicationController", "replicationcontroller", "DeploymentConfig"),
    ],
)
@given(pod=names, middle=names, top=names)
def test_what_stands_between_is_left_out(
    between: str, label: str, above: str, pod: str, middle: str, top: str
) -> None:
    """Names don't matter where owners are told."""
    found = owner_of(pod, [pod_owner(pod, between, middle)], [link(label, middle, above, top)])
    assert found == Owner(above, top)


@pytest.mark.parametrize("between", ["ReplicaSet", "Job", "ReplicationController"])
@pytest.mark.parametrize("nobody", ["<none>", ""])
def test_one_that_nobody_owns_is_the_workload_itself(between: str, nobody: str) -> None:
    label = next(step.label for step in STEPS if step.kind == between)
    found = owner_of("web-0", [pod_owner("web-0", between, "web")], [link(label, "web", nobody, nobody)])
    assert found == Owner(between, "web")


@given(kind=st.sampled_from(["StatefulSet", "DaemonSet", "Cluster", "Kafka", "SparkApplication"]), name=names)
def test_the_owner_of_other_pods_is_the_workload(kind: str, name: str) -> None:
    assert owner_of("a-0", [pod_owner("a-0", kind, name)]) == Owner(kind, name)


@pytest.mark.parametrize("kind", ["<none>", "", "Node"])
def test_bare_pods_and_those_of_a_node_are_their_own(kind: str) -> None:
    assert owner_of("etcd-node1", [pod_owner("etcd-node1", kind, "<none>")]) == Owner("Pod", "etcd-node1")


@pytest.mark.parametrize("first", [True, False])
def test_of_several_owners_the_one_that_controls_counts(first: bool) -> None:
    both = [
        pod_owner("db-0", "StatefulSet", "db", "true"),
        pod_owner("db-0", "Backup", "nightly", "false"),
    ]
    assert owner_of("db-0", both if first else both[::-1]) == Owner("StatefulSet", "db")


@pytest.mark.parametrize(
    ("containers", "owner"),
    [
        (("user-container", "queue-proxy"), Owner("Service", "hello")),
        (("app",), Owner("Deployment", "hello-00001-deployment")),
    ],
)
def test_a_revision_of_knative_is_told_by_what_runs_beside_it(
    containers: tuple[str, ...], owner: Owner
) -> None:
    pods = [pod_owner("p", "ReplicaSet", "r")]
    links = [link("replicaset", "r", "Deployment", "hello-00001-deployment")]
    assert owner_of("p", pods, links, containers=containers) == owner


def test_namespaces_and_clusters_have_their_own() -> None:
    pods = [
        pod_owner("db-0", "StatefulSet", "db", cluster="a"),
        pod_owner("db-0", "Cluster", "pg", cluster="b"),
    ]
    known = Told(owners_of_pods(PLAIN, vector(*pods).labels), {})
    asked = {Pod(cluster, SHOP, "db-0"): ("app",) for cluster in ("a", "b", "c")}
    found = owners(asked, known, {})
    assert [found[pod] for pod in asked][:2] == [Owner("StatefulSet", "db"), Owner("Cluster", "pg")]
    assert found[Pod("c", SHOP, "db-0")].guessed
    assert owners({Pod("a", "other", "db-0"): ("app",)}, known, {})[Pod("a", "other", "db-0")].guessed


@pytest.mark.parametrize("preset", PRESETS)
def test_label_names_are_those_of_the_preset(preset: str) -> None:
    questions = Questions(Scope(""), PRESETS[preset])
    state = questions.labels.state
    series = pod_owner("db-0", "StatefulSet", "db")
    series |= {state.namespace: series.pop("namespace"), state.pod: series.pop("pod")}
    assert owners_of_pods(questions, vector(series).labels) == {Pod("", SHOP, "db-0"): ("StatefulSet", "db")}


@given(st.text(max_size=300), st.text(max_size=300))
def test_names_that_no_recording_may_hold_are_no_owners(kind: str, name: str) -> None:
    found = owner_of("web-0", [pod_owner("web-0", kind, name)])
    assert 0 < len(found.kind) <= 253
    assert 0 < len(found.name) <= 253
    assert (found.kind + found.name).isprintable()


# ---------------------------------------------------------------------------------- links that are missing


@pytest.mark.parametrize(
    ("kind", "middle", "owner"),
    [
        ("ReplicaSet", f"web-{HASH}", Owner("Deployment", "web", True)),
        ("Job", "nightly-28912345", Owner("CronJob", "nightly", True)),
        ("ReplicationController", "old-3", Owner("DeploymentConfig", "old", True)),
    ],
)
def test_a_missing_link_is_guessed_and_said_to_be(kind: str, middle: str, owner: Owner) -> None:
    assert owner_of("p", [pod_owner("p", kind, middle)]) == owner


@pytest.mark.parametrize(
    ("wanted", "owner"),
    [
        (("shop", "Rollout", "web"), Owner("Rollout", "web", True)),
        (("", "Rollout", "web"), Owner("Rollout", "web", True)),
        (("other", "Rollout", "web"), Owner("Deployment", "web", True)),
        (("shop", "ReplicaSet", f"web-{HASH}"), Owner("ReplicaSet", f"web-{HASH}")),
    ],
)
def test_what_is_asked_for_helps_to_guess(wanted: tuple[str, str, str], owner: Owner) -> None:
    assert owner_of("p", [pod_owner("p", "ReplicaSet", f"web-{HASH}")], wanted=[wanted]) == owner


def test_a_name_without_a_hash_is_its_own() -> None:
    assert owner_of("p", [pod_owner("p", "ReplicaSet", "web")]) == Owner("ReplicaSet", "web")


# ---------------------------------------------------------------------------------- guesses


PODS = {
    "Deployment": f"{{}}-{HASH}-{FIVE}",
    "Rollout": f"{{}}-{HASH}-{FIVE}",
    "CronJob": f"{{}}-28912345-{FIVE}",
    "StatefulSet": "{}-12",
    "DaemonSet": f"{{}}-{FIVE}",
    "Job": f"{{}}-{FIVE}",
    "Pod": "{}",
    "Cluster": "{}-1-abc",
}


@given(kind=st.sampled_from(sorted(PODS)), name=names)
def test_a_workload_that_is_asked_for_is_recognized_by_its_pods_name(kind: str, name: str) -> None:
    found = owner_of(PODS[kind].format(name), wanted=[(SHOP, kind, name)])
    assert found == Owner(kind, name, guessed=True)


def test_of_several_that_fit_the_longest_is_meant() -> None:
    wanted = [(SHOP, "Deployment", "web"), (SHOP, "Deployment", "web-cache")]
    assert owner_of(f"web-cache-{HASH}-{FIVE}", wanted=wanted).name == "web-cache"
    assert owner_of(f"web-{HASH}-{FIVE}", wanted=wanted).name == "web"


@given(pod=st.text(string.printable, min_size=1, max_size=60), name=names)
def test_no_pod_without_an_owner_is_anybodys_for_sure(pod: str, name: str) -> None:
    found = guessed(Pod("", SHOP, pod), wanted_names([(SHOP, "Deployment", name)]))
    assert found.guessed


def test_long_names_are_read_quickly() -> None:
    evil = "a-" * 20_000 + "!"
    assert owners({Pod("", SHOP, evil): ("app",)}, Told({}, {}), {})[Pod("", SHOP, evil)].guessed

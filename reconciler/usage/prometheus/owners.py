"""Whose a pod is: joined here, from what kube-state-metrics tells, never on the server.

A join within a query costs the server a hundred times what this costs us. Where kube-state-metrics
tells nothing of a pod, its name is compared with those of the workloads that were asked for: a guess,
said to be one, and nothing is lowered on it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from reconciler.usage.checks import is_name
from reconciler.usage.prometheus.answers import Vector
from reconciler.usage.prometheus.promql import Questions


class Pod(NamedTuple):
    cluster: str  # by its label; "" where that is known already, or not told
    namespace: str
    name: str


class Owner(NamedTuple):
    kind: str
    name: str
    guessed: bool = False


class Step(NamedTuple):
    """From what belongs to something else to what it belongs to."""

    kind: str  # whose owner is asked for
    metric: str
    label: str  # its name
    every: int  # how often to look whether it is there; 0 for what may be gone in minutes
    guess: tuple[re.Pattern[str], str]  # the owner's name within its own, and the owner's kind


_HOUR: Final = 3600
# What stands between a pod and the object in the repository.
STEPS: Final = (
    Step(
        "ReplicaSet",
        "kube_replicaset_owner",
        "replicaset",
        _HOUR,
        (re.compile(r"(.+)-[a-z0-9]{6,10}"), "Deployment"),
    ),
    Step("Job", "kube_job_owner", "job_name", 0, (re.compile(r"(.+)-\d{8,11}"), "CronJob")),
    Step(
        "ReplicationController",
        "kube_replicationcontroller_owner",
        "replicationcontroller",
        _HOUR,
        (re.compile(r"(.+)-\d+"), "DeploymentConfig"),
    ),
)
_NOBODY: Final = ("<none>", "")
# The Deployment of a Knative Revision; the Revision is the Service's.
_REVISION: Final = re.compile(r"(.+)-\d{5}-deployment")
KNATIVE_SIDECAR: Final = "queue-proxy"

# How pods of each kind are called, for want of anything better: the kind and the name within it.
_HASH: Final = "[bcdfghjklmnpqrstvwxz2456789]"  # the letters that Kubernetes makes names of
_POD_NAMES: Final[tuple[tuple[frozenset[str], re.Pattern[str]], ...]] = (
    (
        frozenset({"Deployment", "Rollout", "ReplicaSet"}),
        re.compile(rf"(.+)-[a-z0-9]{{6,10}}-{_HASH}{{5}}"),
    ),
    (frozenset({"CronJob"}), re.compile(rf"(.+)-\d{{8,11}}-{_HASH}{{5}}")),
    (frozenset({"StatefulSet"}), re.compile(r"(.+)-\d+")),
    (
        frozenset({"DaemonSet", "Job", "ReplicaSet", "ReplicationController"}),
        re.compile(rf"(.+)-{_HASH}{{5}}"),
    ),
    (frozenset({"Pod"}), re.compile(r"(.+)", re.DOTALL)),
)

Wanted = Mapping[str, Mapping[str, frozenset[str]]]  # namespace → name of a workload → kinds that it has


def wanted_names(workloads: Iterable[tuple[str, str, str]]) -> Wanted:
    """(namespace, kind, name) of all workloads that are asked for."""
    found: dict[str, dict[str, frozenset[str]]] = {}
    for namespace, kind, name in workloads:
        here = found.setdefault(namespace, {})
        here[name] = here.get(name, frozenset()) | {kind}
    return found


Named = tuple[str, str]  # an owner, by its kind and its name
Owning = Mapping[tuple[str, str, str], Named]  # by cluster, namespace and name of what is owned


class Told(NamedTuple):
    """What kube-state-metrics says: the owner of each pod, and of what owns pods, by its kind."""

    pods: Mapping[Pod, Named]
    between: Mapping[str, Owning]


def between(questions: Questions, answers: Mapping[str, Vector]) -> dict[str, Owning]:
    """From an answer for each kind of `STEPS`."""
    return {
        step.kind: _owners(questions, answers[step.kind], step.label)
        for step in STEPS
        if step.kind in answers
    }


def owners_of_pods(questions: Questions, told: Iterable[Mapping[str, str]]) -> dict[Pod, Named]:
    """A pod may name several owners; the one that controls it counts."""
    names = questions.labels.state
    found: dict[Pod, Named] = {}
    for series in told:
        cluster, owner = questions.whose(series), _named(series)
        if cluster is None or owner is None:
            continue
        pod = Pod(cluster, series.get(names.namespace, ""), series.get(names.pod, ""))
        if pod not in found or series.get("owner_is_controller") == "true":
            found[pod] = owner
    return found


def _owners(questions: Questions, answer: Vector, label: str) -> Owning:
    space = questions.labels.state.namespace
    return {
        (cluster, series.get(space, ""), series.get(label, "")): owner
        for series in answer.labels
        if (owner := _named(series)) is not None and (cluster := questions.whose(series)) is not None
    }


def _named(series: Mapping[str, str]) -> Named | None:
    """The kind and the name of an owner; None where Kubernetes can't have given them."""
    kind, name = series.get("owner_kind", ""), series.get("owner_name", "")
    return (kind, name) if kind in _NOBODY or (is_name(kind) and is_name(name)) else None


def owners(containers_of: Mapping[Pod, Iterable[str]], known: Told, wanted: Wanted) -> dict[Pod, Owner]:
    """The workload of each pod, as manifests name it."""
    return {pod: _owner(pod, containers, known, wanted) for pod, containers in containers_of.items()}


def _owner(pod: Pod, containers: Iterable[str], known: Told, wanted: Wanted) -> Owner:
    said = known.pods.get(pod)
    if said is None:
        return guessed(pod, wanted)
    kind, name = said
    if kind in _NOBODY:
        return Owner("Pod", pod.name)
    if kind == "Node":  # a static pod: its name ends with the node's
        return Owner("Pod", pod.name)
    for step in STEPS:
        if kind == step.kind:
            return _served(_above(pod, step, name, known, wanted), containers)
    return Owner(kind, name)


def _above(pod: Pod, step: Step, name: str, known: Told, wanted: Wanted) -> Owner:
    found = known.between.get(step.kind, {}).get((pod.cluster, pod.namespace, name))
    if found is not None:
        kind, above = found
        return Owner(step.kind, name) if kind in _NOBODY else Owner(kind, above)
    match = step.guess[0].fullmatch(name)
    if match is None or step.kind in _kinds(pod, name, wanted):
        return Owner(step.kind, name)
    return Owner(min(_kinds(pod, match[1], wanted), default=step.guess[1]), match[1], guessed=True)


def _kinds(pod: Pod, name: str, wanted: Wanted) -> frozenset[str]:
    """Those of the workloads that are asked for under this name; "" is any namespace."""
    found = wanted.get(pod.namespace, {}).get(name)
    return found or wanted.get("", {}).get(name) or frozenset()


def _served(owner: Owner, containers: Iterable[str]) -> Owner:
    """Knative's own container beside it tells that the Deployment is a Revision's."""
    match = _REVISION.fullmatch(owner.name) if owner.kind == "Deployment" else None
    if match is None or KNATIVE_SIDECAR not in containers:
        return owner
    return Owner("Service", match[1], owner.guessed)


def guessed(pod: Pod, wanted: Wanted) -> Owner:
    """By its name: the longest workload that it could be a pod of, else what such names usually are."""
    readings = [
        (match[1], kinds) for kinds, names in _POD_NAMES if (match := names.fullmatch(pod.name)) is not None
    ]
    fitting = [(name, kind) for name, kinds in readings for kind in sorted(_kinds(pod, name, wanted) & kinds)]
    if fitting:
        name, kind = max(fitting, key=lambda one: len(one[0]))
        return Owner(kind, name, guessed=True)
    for base in _shorter(pod.name):
        if own := sorted(_kinds(pod, base, wanted) - _NAMED_AS_USUAL):
            return Owner(own[0], base, guessed=True)
    name, kinds = readings[0]
    return Owner(_USUAL[kinds], name, guessed=True)


_USUAL: Final = {
    kinds: usual
    for (kinds, _), usual in zip(
        _POD_NAMES, ("Deployment", "CronJob", "StatefulSet", "DaemonSet", "Pod"), strict=True
    )
}
_NAMED_AS_USUAL: Final = frozenset().union(*_USUAL)


def _shorter(name: str) -> Iterable[str]:
    """The name without its last parts, longest first: operators call their pods as they like."""
    while "-" in name:
        name = name.rpartition("-")[0]
        yield name

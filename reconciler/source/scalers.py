"""Objects in the repository that scale a workload by themselves, and what they own of it.

Read from plain values in which every scalar is its text; whatever has another shape than its
kind should have is taken as not said.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from reconciler.model import Scaler

_RESOURCES: Final = ("cpu", "memory")
_ALL: Final = "*"

# kind -> API group; a kind of the same name elsewhere is something else.
KINDS: Final = {
    "HorizontalPodAutoscaler": "autoscaling",
    "VerticalPodAutoscaler": "autoscaling.k8s.io",
    "ScaledObject": "keda.sh",
}


class Claim(NamedTuple):
    """What is scaled or owned of one container, or of all that no other claim names (`*`)."""

    container: str
    resources: tuple[str, ...]


class FoundScaler(NamedTuple):
    """A scaler as its manifest has it, before it meets its workload."""

    kind: str
    name: str
    namespace: str
    line: int
    target_group: str
    target_kind: str
    target_name: str
    claims: tuple[Claim, ...]


def read(kind: str, name: str, namespace: str, line: int, body: object) -> FoundScaler | None:
    """What a manifest of one of KINDS scales; None when it scales nothing that has a name."""
    spec = _map(_map(body).get("spec"))
    reference = _map(spec.get("targetRef" if kind == "VerticalPodAutoscaler" else "scaleTargetRef"))
    target = _text(reference.get("name"))
    if not target:
        return None
    keda = kind == "ScaledObject"
    target_kind = _text(reference.get("kind")) or ("Deployment" if keda else "")
    version = _text(reference.get("apiVersion")) or ("apps/v1" if keda else "")
    claims = {
        "HorizontalPodAutoscaler": _horizontal,
        "VerticalPodAutoscaler": _vertical,
        "ScaledObject": _keda,
    }[kind](_map(body), spec)
    group = version.rpartition("/")[0]
    return FoundScaler(kind, name, namespace, line, group, target_kind, target, tuple(claims))


def attach(found: FoundScaler, containers: Sequence[str], path: str) -> Iterator[Scaler]:
    """The scaler as these containers of a workload see it: one record for each set of resources."""
    by_resources: dict[tuple[str, ...], list[str]] = {}
    for container in containers:
        by_resources.setdefault(_claimed(found, container), []).append(container)
    for resources, names in by_resources.items():
        if not resources and (len(by_resources) > 1 or found.kind == "VerticalPodAutoscaler"):
            continue  # nothing of these is scaled; a vertical scaler that owns nothing does nothing
        everyone = len(names) == len(containers)
        only = () if everyone else tuple(names)
        yield Scaler(found.kind, found.name, resources, only, path, found.line)


def _claimed(found: FoundScaler, container: str) -> tuple[str, ...]:
    claims = found.claims
    if found.kind == "VerticalPodAutoscaler":
        # The policy with the container's own name wins over the one for all.
        named = [claim for claim in claims if claim.container == container]
        claims = tuple(named or [claim for claim in claims if claim.container == _ALL])
    wanted = {
        resource for claim in claims if claim.container in (_ALL, container) for resource in claim.resources
    }
    return tuple(resource for resource in _RESOURCES if resource in wanted)


def _horizontal(body: Mapping[str, object], spec: Mapping[str, object]) -> Iterator[Claim]:
    metrics = [*_list(spec.get("metrics")), *_noted_metrics(body)]
    if spec.get("targetCPUUtilizationPercentage") is not None or not metrics:
        yield Claim(_ALL, ("cpu",))  # without any metric Kubernetes itself takes 80 % of the CPU
    for metric in map(_map, metrics):
        source = _text(metric.get("type"))
        # v2beta1 and the annotation know the same two sources under the same keys.
        if source == "Resource":
            yield from _claim(_ALL, _map(metric.get("resource")).get("name"))
        elif source == "ContainerResource":
            inner = _map(metric.get("containerResource"))
            yield from _claim(_text(inner.get("container")), inner.get("name"))


def _noted_metrics(body: Mapping[str, object]) -> Sequence[object]:
    """Further metrics of an autoscaling/v1 object, which keeps them in an annotation."""
    notes = _map(_map(body.get("metadata")).get("annotations"))
    text = _text(notes.get("autoscaling.alpha.kubernetes.io/metrics"))
    try:
        return _list(json.loads(text)) if text else ()
    except (ValueError, RecursionError):
        return ()


def _vertical(body: Mapping[str, object], spec: Mapping[str, object]) -> Iterator[Claim]:
    if _text(_map(spec.get("updatePolicy")).get("updateMode")) == "Off":
        return
    policies = [_map(each) for each in _list(_map(spec.get("resourcePolicy")).get("containerPolicies"))]
    for policy in policies:
        name = _text(policy.get("containerName")) or _ALL
        wanted = policy.get("controlledResources")
        resources = _RESOURCES if wanted is None else tuple(map(_text, _list(wanted)))
        yield Claim(name, () if _text(policy.get("mode")) == "Off" else resources)
    if not any(_text(policy.get("containerName")) in ("", _ALL) for policy in policies):
        yield Claim(_ALL, _RESOURCES)


def _keda(body: Mapping[str, object], spec: Mapping[str, object]) -> Iterator[Claim]:
    for trigger in map(_map, _list(spec.get("triggers"))):
        container = _text(_map(trigger.get("metadata")).get("containerName"))
        yield from _claim(container or _ALL, trigger.get("type"))


def _claim(container: str, resource: object) -> Iterator[Claim]:
    if container and resource in _RESOURCES:
        yield Claim(container, (str(resource),))


def _map(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> Sequence[object]:
    return value if isinstance(value, list) else ()


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""

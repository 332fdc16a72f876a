"""Objects in the repository that scale a workload by themselves, and what they own of it.

Read from plain values in which every scalar is its text; whatever has another shape than its
kind should have is taken as not said.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from reconciler.model import Aim, Key, Reason, Scaler

_RESOURCES: Final = ("cpu", "memory")
ALL: Final = "*"
_V1_TARGET: Final = "targetCPUUtilizationPercentage"
_V1_DEFAULT: Final = "80"  # what Kubernetes takes where nothing is said
# How few and how many pods a kind says, and what holds where it says nothing.
_BOUNDS: Final = {
    "HorizontalPodAutoscaler": (("minReplicas", 1), ("maxReplicas", 0)),
    "ScaledObject": (("minReplicaCount", 0), ("maxReplicaCount", 100)),
}
_NUMBER: Final = re.compile(r"[1-9][0-9]{0,8}")
_NOTES: Final = "autoscaling.alpha.kubernetes.io/metrics"
_UNWRITTEN: Final = (
    Reason.UNSET.value,
    f"it says no target, so that Kubernetes takes {_V1_DEFAULT} %: write it down",
)
_NOTED: Final = (Reason.NOT_A_SCALAR.value, f"its target stands within the annotation {_NOTES}")

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


class FoundAim(NamedTuple):
    """What a horizontal scaler wants the use of a resource to be: so many per cent, or an amount (None)."""

    resource: str
    container: str  # whose use it is, or that of all together (`*`)
    keys: tuple[Key, ...] = ()  # where the per cent stand, from the object on
    percent: str | None = None
    line: int = 0
    refused: tuple[str, str] | None = None  # reason and detail, when it can't be edited


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
    aims: tuple[FoundAim, ...] = ()
    document: int = 0
    fewest: int = 0  # pods; 0 where it says none, or something else
    most: int = 0


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
    aims = {"HorizontalPodAutoscaler": _horizontal_aims, "ScaledObject": _keda_aims}.get(kind, _no_aims)
    found = FoundScaler(
        kind, name, namespace, line, group, target_kind, target, tuple(claims), tuple(aims(_map(body), spec))
    )
    if kind not in _BOUNDS:
        return found
    fewest, most = (_count(spec.get(key), default) for key, default in _BOUNDS[kind])
    return found._replace(fewest=fewest, most=most)


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
        aims = tuple(_aim(one) for one in found.aims if _is_about(one, names))
        aims = tuple(dict.fromkeys(aims))
        bounds = (found.fewest, found.most)
        yield Scaler(found.kind, found.name, resources, only, path, found.line, aims, *bounds)


def _is_about(aim: FoundAim, containers: Sequence[str]) -> bool:
    return aim.container == ALL or aim.container in containers


def _aim(found: FoundAim) -> Aim:
    container = "" if found.container == ALL else found.container
    return Aim(found.resource, container, found.percent is not None)


def _claimed(found: FoundScaler, container: str) -> tuple[str, ...]:
    claims = found.claims
    if found.kind == "VerticalPodAutoscaler":
        # The policy with the container's own name wins over the one for all.
        named = [claim for claim in claims if claim.container == container]
        claims = tuple(named or [claim for claim in claims if claim.container == ALL])
    wanted = {
        resource for claim in claims if claim.container in (ALL, container) for resource in claim.resources
    }
    return tuple(resource for resource in _RESOURCES if resource in wanted)


def _horizontal(body: Mapping[str, object], spec: Mapping[str, object]) -> Iterator[Claim]:
    metrics = [*_list(spec.get("metrics")), *_noted_metrics(body)]
    if spec.get("targetCPUUtilizationPercentage") is not None or not metrics:
        yield Claim(ALL, ("cpu",))  # without any metric Kubernetes itself takes 80 % of the CPU
    for metric in map(_map, metrics):
        source = _text(metric.get("type"))
        # v2beta1 and the annotation know the same two sources under the same keys.
        if source == "Resource":
            yield from _claim(ALL, _map(metric.get("resource")).get("name"))
        elif source == "ContainerResource":
            inner = _map(metric.get("containerResource"))
            yield from _claim(_text(inner.get("container")), inner.get("name"))


def _noted_metrics(body: Mapping[str, object]) -> Sequence[object]:
    """Further metrics of an autoscaling/v1 object, which keeps them in an annotation."""
    notes = _map(_map(body.get("metadata")).get("annotations"))
    text = _text(notes.get(_NOTES))
    try:
        return _list(json.loads(text, parse_int=str, parse_float=str)) if text else ()
    except (ValueError, RecursionError):
        return ()


# -- what a horizontal one aims for ---------------------------------------------------------------


def _no_aims(body: Mapping[str, object], spec: Mapping[str, object]) -> Iterator[FoundAim]:
    yield from ()


def _horizontal_aims(body: Mapping[str, object], spec: Mapping[str, object]) -> Iterator[FoundAim]:
    metrics = _list(spec.get("metrics"))
    noted = [aim for metric in _noted_metrics(body) for aim in _metric_aims(_map(metric), ())]
    percent = _text(spec.get(_V1_TARGET))
    if percent:
        yield _share("cpu", ALL, ("spec", _V1_TARGET), percent)
    elif not metrics and not noted:
        yield FoundAim("cpu", ALL, ("spec", _V1_TARGET), _V1_DEFAULT, 0, _UNWRITTEN)
    for at, metric in enumerate(metrics):
        yield from _metric_aims(_map(metric), ("spec", "metrics", at))
    for aim in noted:
        yield aim._replace(keys=("metadata", "annotations", _NOTES), refused=_NOTED)


def _metric_aims(metric: Mapping[str, object], way: tuple[Key, ...]) -> Iterator[FoundAim]:
    """Of one metric; v2beta1 writes its target beside the name, and not below `target`."""
    at = {"Resource": "resource", "ContainerResource": "containerResource"}.get(_text(metric.get("type")))
    if at is None:
        return
    inner = _map(metric.get(at))
    resource, target = _text(inner.get("name")), _map(inner.get("target"))
    container = _text(inner.get("container")) if at == "containerResource" else ALL
    if resource not in _RESOURCES or not container:
        return
    for keys in (("target", "averageUtilization"), ("targetAverageUtilization",)):
        percent = _text((target if len(keys) > 1 else inner).get(keys[-1]))
        if percent and _text(target.get("type")) in ("", "Utilization"):
            yield _share(resource, container, (*way, at, *keys), percent)
            return
    if any(_text(each) for each in (target.get("averageValue"), inner.get("targetAverageValue"))):
        yield FoundAim(resource, container)


def _keda_aims(body: Mapping[str, object], spec: Mapping[str, object]) -> Iterator[FoundAim]:
    for at, trigger in enumerate(map(_map, _list(spec.get("triggers")))):
        metadata, resource = _map(trigger.get("metadata")), _text(trigger.get("type"))
        how = _text(trigger.get("metricType")) or _text(metadata.get("type"))
        container, value = _text(metadata.get("containerName")) or ALL, _text(metadata.get("value"))
        if resource in _RESOURCES and value and how == "Utilization":
            yield _share(resource, container, ("spec", "triggers", at, "metadata", "value"), value)
        elif resource in _RESOURCES and value and how == "AverageValue":
            yield FoundAim(resource, container)


def _share(resource: str, container: str, keys: tuple[Key, ...], percent: str) -> FoundAim:
    if _NUMBER.fullmatch(percent):
        return FoundAim(resource, container, keys, percent)
    words = f"its target, {percent[:40]!a}, is no whole number of per cent"
    return FoundAim(resource, container, keys, percent, 0, (Reason.BAD_QUANTITY.value, words))


# -------------------------------------------------------------------------------------------------


def _vertical(body: Mapping[str, object], spec: Mapping[str, object]) -> Iterator[Claim]:
    if _text(_map(spec.get("updatePolicy")).get("updateMode")) == "Off":
        return
    policies = [_map(each) for each in _list(_map(spec.get("resourcePolicy")).get("containerPolicies"))]
    for policy in policies:
        name = _text(policy.get("containerName")) or ALL
        wanted = policy.get("controlledResources")
        resources = _RESOURCES if wanted is None else tuple(map(_text, _list(wanted)))
        yield Claim(name, () if _text(policy.get("mode")) == "Off" else resources)
    if not any(_text(policy.get("containerName")) in ("", ALL) for policy in policies):
        yield Claim(ALL, _RESOURCES)


def _keda(body: Mapping[str, object], spec: Mapping[str, object]) -> Iterator[Claim]:
    for trigger in map(_map, _list(spec.get("triggers"))):
        container = _text(_map(trigger.get("metadata")).get("containerName"))
        yield from _claim(container or ALL, trigger.get("type"))


def _claim(container: str, resource: object) -> Iterator[Claim]:
    if container and resource in _RESOURCES:
        yield Claim(container, (str(resource),))


def _count(value: object, default: int) -> int:
    """A number of pods; 0 for what is none, such as a template."""
    if value is None:
        return default
    text = _text(value)
    return int(text) if _NUMBER.fullmatch(text) else 0


def _map(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> Sequence[object]:
    return value if isinstance(value, list) else ()


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""

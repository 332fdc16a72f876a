"""Autoscalers as the cluster has them, which a repository need not know of.

A day is looked back: where kube-state-metrics is away for a night, they still are there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from reconciler.usage.days import DAY
from reconciler.usage.prometheus.answers import Vector
from reconciler.usage.prometheus.limits import Asked
from reconciler.usage.prometheus.promql import Questions

_RESOURCES: Final = ("cpu", "memory")


class Scaled(NamedTuple):
    """A workload as an autoscaler names it."""

    namespace: str
    kind: str
    name: str


def autoscaled(
    server: Asked, questions: Questions, namespaces: Sequence[str], at: int
) -> Mapping[Scaled, tuple[str, ...]]:
    """Workloads that are scaled on how much of a requested resource they use, and on which."""
    infos, targets = (server.instant(query, at) for query in questions.autoscaled(namespaces, DAY))
    space = questions.labels.state.namespace
    resources: dict[tuple[str, str], set[str]] = defaultdict(set)
    for series in _labels(targets):
        # A share of the request: only such a target moves when the request does.
        if series.get("metric_target_type") == "utilization" and series.get("metric_name") in _RESOURCES:
            resources[_scaler(series, space)].add(series["metric_name"])
    found: dict[Scaled, set[str]] = defaultdict(set)
    for series in _labels(infos):
        on = resources.get(_scaler(series, space))
        if on:
            kind, name = series.get("scaletargetref_kind", ""), series.get("scaletargetref_name", "")
            found[Scaled(series.get(space, ""), kind, name)] |= on
    return {who: tuple(sorted(on)) for who, on in found.items()}


def _labels(answer: Vector) -> Iterator[Mapping[str, str]]:
    return iter(answer.labels)


def _scaler(series: Mapping[str, str], space: str) -> tuple[str, str]:
    return series.get(space, ""), series.get("horizontalpodautoscaler", "")

"""Pods that ran, and of which the kubelet's series say nothing: those of a node that nobody scrapes.

What they used may be the most of all. So they count as having lived, for as long as they ran, and the
coverage of their workload tells that it was measured in part.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Final

import numpy as np

from reconciler.usage.prometheus import owners as owning
from reconciler.usage.prometheus.events import Key
from reconciler.usage.prometheus.limits import Span
from reconciler.usage.prometheus.owners import Owner, Pod
from reconciler.usage.prometheus.probe import Part
from reconciler.usage.prometheus.promql import STEP
from reconciler.usage.prometheus.ways import Context, Ways

_PODS_AT_ONCE: Final = 200
_JUST_BEGUN: Final = 3  # steps; such a pod may not have been scraped yet
_Steps = tuple[int, int]  # the first and the last at which it lived


def unseen(
    ways: Ways, part: Part, context: Context, keys: Iterable[Key], by_pod: Mapping[Pod, Owner]
) -> dict[Key, _Steps]:
    """The containers of pods that run at the end without a sample: those that others of the workload have."""
    containers: dict[tuple[str, str, str, str], set[str]] = defaultdict(set)
    for key in keys:
        owner = by_pod[Pod(key.cluster, key.namespace, key.pod)]
        containers[key.cluster, key.namespace, owner.kind, owner.name].add(key.container)
    lost = {
        pod: (pod.cluster, pod.namespace, owner.kind, owner.name)
        for pod, owner in _others(ways, context, by_pod).items()
    }
    lost = {pod: whose for pod, whose in lost.items() if whose in containers}
    return {
        Key(*pod, container): (max(0, part.steps - steps), part.steps - 1)
        for pod, steps in _running(ways, part.span, sorted(lost)).items()
        if pod in lost and steps > _JUST_BEGUN
        for container in sorted(containers[lost[pod]])
    }


def _others(ways: Ways, context: Context, by_pod: Mapping[Pod, Owner]) -> dict[Pod, Owner]:
    spaces = frozenset(ways.batch.namespaces)
    pods = [pod for pod in context.end.owners if pod.namespace in spaces and pod not in by_pod]
    known = owning.Told(context.end.owners, context.chain)
    return owning.owners(dict.fromkeys(pods, (owning.KNATIVE_SIDECAR,)), known, ways.wanted)


def _running(ways: Ways, span: Span, pods: Sequence[Pod]) -> dict[Pod, int]:
    """For how many steps of a time each of them ran."""
    names = ways.questions.labels.state
    found: dict[Pod, int] = defaultdict(int)
    for begin in range(0, len(pods), _PODS_AT_ONCE):
        some = pods[begin : begin + _PODS_AT_ONCE]
        spaces = sorted({pod.namespace for pod in some})
        query = partial(ways.questions.running, spaces, [pod.name for pod in some])
        for answer in ways.asker.within(query, span, len(some), STEP):
            for series, steps in zip(answer.labels, answer.values.tolist(), strict=True):
                cluster = ways.questions.whose(series)
                if cluster is not None and np.isfinite(steps):
                    pod = Pod(cluster, series.get(names.namespace, ""), series.get(names.pod, ""))
                    found[pod] += round(min(max(steps, 0), span.seconds // STEP))
    return found

"""Pods, seen whole: what the other containers of each set, and what all of a namespace ask for together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from reconciler.model import (
    Consumer,
    Container,
    ContainerRef,
    Field,
    NodeSize,
    Sibling,
    Slot,
    Workload,
)
from reconciler.requested import FIELDS, in_force, together


class Pods:
    """All pods that any repository of the run defines; worked out where somebody asks.

    Where several define one under the same name the first counts: none of them is sized.
    """

    def __init__(
        self,
        workloads: Iterable[Workload],
        nodes: Mapping[str, NodeSize] | None = None,
        replicas: Mapping[ContainerRef, int] | None = None,
    ) -> None:
        self._nodes, self._replicas = nodes or {}, replicas or {}
        self._workloads: dict[tuple[str, ...], Workload] = {}
        for workload in workloads:
            who = (workload.cluster, workload.namespace, workload.kind, workload.name)
            self._workloads.setdefault(who, workload)
        self._standing: dict[tuple[str, ...], tuple[Sibling, ...]] = {}
        self._used: dict[tuple[str, str], Mapping[Field, int]] = {}

    def around(self, consumer: Consumer, slots: Mapping[Field, str | None]) -> Consumer:
        """The consumer with its pod and its namespace. `slots` are the texts that its evidence holds."""
        workload = self._workloads.get(consumer.ref[:4])
        name = consumer.ref.container
        pod = {one.container: one for one in self._pod(workload)} if workload is not None else {}
        if workload is None or name not in pod:
            return consumer
        container = next(one for one in workload.containers if one.ref.container == name)
        texts = {slot.field: slot.value for slot in container.slots}
        used = self._used_in(workload) if workload.quotas else {}
        return consumer._replace(
            siblings=tuple(one for other, one in pod.items() if other != name),
            own=None if all(texts.get(field) == text for field, text in slots.items()) else pod[name],
            limit_ranges=workload.limit_ranges,
            quotas=tuple(one._replace(used=used.get(one.field, 0)) for one in workload.quotas),
            node=self._nodes.get(workload.cluster),
            extras=container.extras,
            pod_level=workload.pod_level,
            scalers=workload.scalers,
            targets=_targets(container),
        )

    def _pod(self, workload: Workload) -> tuple[Sibling, ...]:
        who = (workload.cluster, workload.namespace, workload.kind, workload.name)
        if who not in self._standing:
            self._standing[who] = tuple(
                in_force(
                    one.ref,
                    one.init,
                    one.sidecar,
                    {slot.field: slot.value for slot in one.slots},
                    workload.limit_ranges,
                )
                for one in workload.containers
            )
        return self._standing[who]

    def _used_in(self, space: Workload) -> Mapping[Field, int]:
        """What the namespace asks for, as far as its workloads are known."""
        key = (space.cluster, space.namespace)
        if key not in self._used:
            sums = dict.fromkeys(FIELDS, 0)
            for workload in self._workloads.values():
                if (workload.cluster, workload.namespace) == key:
                    for field in sums:
                        sums[field] += self._count(workload) * together(field, self._pod(workload))
            self._used[key] = sums
        return self._used[key]

    def _count(self, workload: Workload) -> int:
        """As many pods as were seen, else as the manifest says."""
        seen = max((self._replicas.get(one.ref, 0) for one in workload.containers), default=0)
        return seen or (1 if workload.replicas is None else workload.replicas)


def _targets(container: Container | None) -> tuple[Slot, ...]:
    return tuple(slot for slot in container.slots if slot.field.is_target) if container is not None else ()

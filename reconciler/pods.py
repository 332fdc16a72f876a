"""Pods, seen whole: what the other containers of each set, and what all of a namespace ask for together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from reconciler.model import (
    Consumer,
    Container,
    ContainerRef,
    Field,
    LimitRange,
    NodeSize,
    Sibling,
    Workload,
)
from reconciler.quantity import BadQuantity, read

REQUESTS = (Field.CPU_REQUEST, Field.MEMORY_REQUEST)
LIMIT_OF = {Field.CPU_REQUEST: Field.CPU_LIMIT, Field.MEMORY_REQUEST: Field.MEMORY_LIMIT}


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
        )

    def _pod(self, workload: Workload) -> tuple[Sibling, ...]:
        who = (workload.cluster, workload.namespace, workload.kind, workload.name)
        if who not in self._standing:
            self._standing[who] = tuple(sibling(workload, one) for one in workload.containers)
        return self._standing[who]

    def _used_in(self, space: Workload) -> Mapping[Field, int]:
        """What the namespace asks for, as far as its workloads are known."""
        key = (space.cluster, space.namespace)
        if key not in self._used:
            sums = dict.fromkeys((*LIMIT_OF, *LIMIT_OF.values()), 0)
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


def together(field: Field, containers: Iterable[Sibling]) -> int:
    """What a pod asks for as a whole: its containers and sidecars, or more while it starts."""
    running = starting = sidecars = 0
    for one in containers:
        amount = amount_of(one, field) or 0
        if not one.init:
            running += amount
        elif one.sidecar:
            sidecars += amount
            starting = max(starting, sidecars)
        else:
            starting = max(starting, sidecars + amount)
    return max(running + sidecars, starting)


def amount_of(one: Sibling, field: Field) -> int | None:
    return {
        Field.CPU_REQUEST: one.cpu_request,
        Field.MEMORY_REQUEST: one.memory_request,
        Field.CPU_LIMIT: one.cpu_limit,
        Field.MEMORY_LIMIT: one.memory_limit,
    }[field]


def sibling(workload: Workload, container: Container) -> Sibling:
    """The container with what is in force of it."""
    texts = {slot.field: slot.value for slot in container.slots}
    unknown, found = False, {}
    for request in REQUESTS:
        for field in (request, LIMIT_OF[request]):
            try:
                text = texts.get(field)
                found[field] = read(field, text) if text is not None else None
            except BadQuantity:
                unknown, found[field] = True, None
        _with_defaults(found, request, workload.limit_ranges)
    amounts = (found[field] for field in (*REQUESTS, *map(LIMIT_OF.__getitem__, REQUESTS)))
    return Sibling(container.ref.container, container.init, container.sidecar, *amounts, unknown)


def _with_defaults(found: dict[Field, int | None], request: Field, ranges: Iterable[LimitRange]) -> None:
    """In the order in which Kubernetes does it: a limit stands for its request first."""
    limit = LIMIT_OF[request]
    if found[request] is None:
        found[request] = found[limit]
    for one in ranges:
        if one.resource == request.resource:
            found[request] = one.default_request if found[request] is None else found[request]
            found[limit] = one.default_limit if found[limit] is None else found[limit]

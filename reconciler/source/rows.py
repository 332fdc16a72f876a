"""What `reconcile scan` prints: five rows a container, in the words of the JSON output."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from reconciler.model import Container, ContainerRef, Discovery, Slot, Workload, containers


def scan_rows(discovery: Discovery) -> list[dict[str, Any]]:
    """Every field of every container, ready for JSON."""
    return [
        row for workload, container in containers(discovery.workloads) for row in _rows(workload, container)
    ]


def _rows(workload: Workload, container: Container) -> Iterator[dict[str, Any]]:
    for slot in container.slots:
        yield {
            "unit": workload.unit,
            **_identity(container.ref),
            "init": container.init,
            "field": slot.field.value,
            "value": slot.value,
            "path": slot.place.path,
            "line": slot.line,
            "document": slot.place.document,
            "keys": [*slot.place.keys, *slot.place.inner],
            "traced": slot.refused is None,
            "shared_with": [_identity(other) for other in _others(slot, container.ref)],
            "reason": slot.refused.reason.value if slot.refused else None,
        }


def _others(slot: Slot, ref: ContainerRef) -> Iterator[ContainerRef]:
    return (other for other in slot.consumers if other != ref)


def _identity(ref: ContainerRef) -> dict[str, object]:
    return {
        "cluster": ref.cluster,
        "namespace": ref.namespace,
        "kind": ref.kind,
        "workload": ref.workload,
        "container": ref.container,
    }

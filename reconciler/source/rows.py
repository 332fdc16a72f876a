"""What `reconcile scan` prints: five rows a container, in the words of the JSON output."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from reconciler.model import FIELDS, Container, ContainerRef, Discovery, Slot, UnitSeen, Workload, containers
from reconciler.source.mapping import via


def scan_rows(discovery: Discovery, *, targets: bool = False) -> list[dict[str, Any]]:
    """Every field of every container, ready for JSON; with the targets of what scales it, if wanted."""
    named = _Named()
    return [
        row
        for workload, container in containers(discovery.workloads)
        for row in _rows(workload, container, named, targets)
    ]


def unit_row(unit: UnitSeen) -> dict[str, Any]:
    """What is rendered in one go, and what came of it."""
    return {
        "unit": unit.name,
        "path": unit.path,
        "line": unit.line,
        "cluster": unit.cluster,
        "namespace": unit.namespace,
        "kind": unit.kind,
        "renderer": unit.renderer,
        "containers": unit.containers,
        "reason": unit.refused.reason.value if unit.refused else None,
        "detail": unit.refused.detail if unit.refused else None,
    }


def _rows(workload: Workload, container: Container, named: _Named, targets: bool) -> Iterator[dict[str, Any]]:
    for slot in container.slots[: None if targets else len(FIELDS)]:
        yield {
            "unit": workload.unit,
            **named[container.ref],
            "init": container.init,
            "field": slot.field.value,
            "value": slot.value,
            "path": slot.place.path,
            "line": slot.line,
            "document": slot.place.document,
            "keys": [*slot.place.keys, *slot.place.inner],
            "via": via(slot.how_traced),
            "traced": slot.refused is None,
            "shared_with": [named[other] for other in _others(slot, container.ref)],
            "reason": slot.refused.reason.value if slot.refused else None,
        }


def _others(slot: Slot, ref: ContainerRef) -> list[ContainerRef]:
    """Everyone else; another of the same name too, for two units can render the same."""
    others = list(slot.consumers)
    others.remove(ref)
    return others


class _Named(dict[ContainerRef, dict[str, str]]):
    """Each container's identity once: a base of hundreds of overlays is named by each of them."""

    def __missing__(self, ref: ContainerRef) -> dict[str, str]:
        self[ref] = named = ref._asdict()
        return named

"""Which Applications bring a container into its cluster."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from reconciler.model import ContainerRef
from reconciler.source.estate import Estate
from reconciler.source.units import Deployed, Unit


def deployers(estate: Estate) -> Mapping[ContainerRef, tuple[Deployed, ...]]:
    """Those of the unit itself, and those that bring forth the Application in turn."""
    found: dict[ContainerRef, dict[Deployed, None]] = {}
    for look in estate.looks:
        for each in _lineage(look.unit):
            for container in look.containers:
                found.setdefault(container.ref, {})[each] = None
    applied: dict[tuple[str, str], list[Unit]] = {}
    for unit in estate.units:
        for path in unit.manifests:
            applied.setdefault((unit.source, path), []).append(unit)
    for discovery in estate.discoveries.values() if applied else ():
        for workload in discovery.workloads:
            for unit in applied.get((workload.repository, workload.path), ()):
                for each in _lineage(unit):
                    for container in workload.containers:
                        found.setdefault(container.ref, {})[each] = None
    return {ref: tuple(each) for ref, each in found.items()}


def _lineage(unit: Unit | None) -> Iterator[Deployed]:
    while unit is not None:
        if unit.application is not None:
            yield unit.application
        unit = unit.parent

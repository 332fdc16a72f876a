"""Edits that would change nothing in the cluster, whatever Git says: by what an Application tells Argo CD."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from reconciler.model import Container, Field, Place, Refused, Slot, Workload
from reconciler.source import lints
from reconciler.source.judging import as_text
from reconciler.source.looks import Look
from reconciler.source.scalers import KINDS as SCALERS
from reconciler.source.tracing.owners import Read
from reconciler.source.tracing.rendered import Object, Render
from reconciler.source.units import Unit

_Home = tuple[str, str, str]  # repository, path and name of a unit


def voided(
    workloads: list[Workload], units: Sequence[Unit], looks: Sequence[Look], read: Read
) -> list[Workload]:
    """The workloads, with a reason at each place of which an edit would not reach everyone it feeds."""
    renders = dict(_renders(units, looks, read))
    if not renders:
        return workloads
    scaling = _scaling(renders.values())
    void: dict[tuple[Place, Field], Refused] = {}
    for workload in workloads:
        known = renders.get((workload.repository, workload.path, workload.unit)) or renders.get(
            (workload.repository, "", workload.unit)
        )
        for container in workload.containers:
            for slot in container.slots:
                if slot.field.is_target:
                    why = _void_target(workload, slot, scaling)
                else:
                    why = lints.void(known[0], slot, container.ref, known[1]) if known is not None else None
                if why is not None and slot.refused is None:
                    void.setdefault((slot.place, slot.field), why)
    if not void:
        return workloads
    return [
        workload._replace(containers=tuple(_marked(one, void) for one in workload.containers))
        for workload in workloads
    ]


_Scaling = dict[tuple[str, str, str], list[tuple[Unit, Object, Render]]]


def _scaling(renders: Iterable[tuple[Unit, Render]]) -> _Scaling:
    """Every autoscaler, by namespace, kind and name."""
    found: _Scaling = {}
    for unit, render in renders:
        for each in render.workloads():
            kind, namespace, name = each.identity[1:4]
            if kind in SCALERS:
                key = (namespace or render.namespace, kind, name)
                found.setdefault(key, []).append((unit, each, render))
    return found


def _void_target(workload: Workload, slot: Slot, scaling: _Scaling) -> Refused | None:
    """By whoever deploys the autoscaler, which need not be who deploys the workload."""
    for scaler in workload.scalers:
        for unit, found, render in scaling.get((workload.namespace, scaler.kind, scaler.name), ()):
            why = lints.void_target(unit, slot, found, render)
            if why is not None:
                return why
    return None


def _renders(
    units: Sequence[Unit], looks: Sequence[Look], read: Read
) -> Iterator[tuple[_Home, tuple[Unit, Render]]]:
    """The units of which something may be void, with what they render; manifests as they stand, too."""
    for look in looks:
        unit = look.unit
        if look.traced is not None and _says_anything(unit):
            render = Render(look.text, unit.cluster, unit.namespace)
            yield (unit.repository, unit.path, unit.name), (unit, render)
    for unit in units:
        if unit.request is None and unit.manifests and _says_anything(unit):
            render = Render(as_text(unit, read), unit.cluster, unit.namespace)
            yield (unit.source, "", unit.name), (unit, render)


def _says_anything(unit: Unit) -> bool:
    one: Unit | None = unit
    while one is not None:
        if one.ignored or one.generate_paths is not None:
            return True
        one = one.parent
    return False


def _marked(container: Container, void: dict[tuple[Place, Field], Refused]) -> Container:
    slots = (
        slot._replace(refused=slot.refused or void.get((slot.place, slot.field))) for slot in container.slots
    )
    return container._replace(slots=tuple(slots))

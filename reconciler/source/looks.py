"""One unit, rendered and traced: the workloads that it brings forth, and what is known of the way back."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, NamedTuple

from reconciler.model import Container, Refused, Workload
from reconciler.source import aiming, kustomizing, namespaces, scalers
from reconciler.source.compose import Where
from reconciler.source.facts import FileFacts, Stand
from reconciler.source.relate import Claims
from reconciler.source.render import HelmRequest, Renderer
from reconciler.source.tracing import helm
from reconciler.source.tracing.helm import Extra
from reconciler.source.tracing.owners import Read
from reconciler.source.tracing.rendered import (
    Identity,
    Render,
    get,
    node_selector,
    objects_of,
    pod_level,
    text_of,
)
from reconciler.source.units import Unit
from reconciler.source.yamledit.values import read_part

Traced = helm.Traced | kustomizing.Traced

_SCALING: Final = re.compile(
    rf"\bkind\b[\"']?\s*:\s*[\"']?(?:{'|'.join((*scalers.KINDS, *namespaces.KINDS, 'Rollout'))}|\w*List)\b"
)


class Look(NamedTuple):
    """What one unit was found to be. `refused`: nothing of it is known, and why."""

    unit: Unit
    traced: Traced | None = None
    renderer: str = ""
    text: str = ""  # as rendered, before any edit
    refused: Refused | None = None
    claims: tuple[Claims, ...] = ()

    @property
    def containers(self) -> tuple[Container, ...]:
        return self.traced.containers if self.traced is not None else ()


def look_at(
    units: Sequence[Unit], renderer: Renderer, read: Read, workers: int, advance: Callable[[int], None]
) -> list[Look]:
    """Every unit looked at, some of them at once: most of the time a renderer is waited for."""

    def one(unit: Unit) -> Look:
        found = look(unit, renderer, read)
        advance(1)
        return found

    if not units:
        return []
    with ThreadPoolExecutor(max(1, min(workers, len(units))), thread_name_prefix="trace") as pool:
        return list(pool.map(one, units))


def look(unit: Unit, renderer: Renderer, read: Read) -> Look:
    if unit.request is None or unit.refused is not None:
        return Look(unit, refused=unit.refused)
    traced: Traced
    if isinstance(unit.request, HelmRequest):
        traced = helm.trace(unit, renderer, read)
        program, text = (traced.plain.renderer, traced.plain.text) if traced.plain else ("", "")
    else:
        traced = kustomizing.trace(unit, renderer, read)
        program, text = traced.renderer, traced.text
    if traced.refused is not None:
        return Look(unit, renderer=program, refused=traced.refused)
    return Look(unit, traced, program, text, None, tuple(_claims(unit, text, traced.extras)))


def workloads_of(look: Look) -> Iterator[Workload]:
    """The objects with pods that were rendered, each with its containers as they were traced."""
    unit = look.unit
    held: dict[Identity, list[Container]] = {}
    known = {container.ref: container for container in look.containers}
    render = Render(look.text, unit.cluster, unit.namespace)
    for each in render.containers():
        if each.ref in known:
            held.setdefault(each.identity, []).append(known[each.ref])
    for found in render.workloads():
        if found.identity in held:
            workload = _workload(unit, *found, tuple(held[found.identity]))
            yield workload._replace(pod_level=pod_level(found), node_selector=node_selector(found))


def _workload(
    unit: Unit, identity: Identity, value: dict[str, Any], inside: tuple[Container, ...]
) -> Workload:
    replicas = text_of(get(value, ("spec", "replicas"))) or ""
    first = inside[0].ref
    return Workload(
        unit=unit.name,
        cluster=first.cluster,
        namespace=first.namespace,
        kind=identity.kind,
        name=identity.name,
        repository=unit.repository,
        path=unit.path,
        line=unit.line,
        replicas=int(replicas) if replicas.isdecimal() and len(replicas) < 10 else None,
        labels=tuple(_words(value, "labels")),
        annotations=tuple(_words(value, "annotations")),
        scalers=(),
        containers=inside,
    )


def _words(value: dict[str, Any], key: str) -> Iterable[tuple[str, str]]:
    found = get(value, ("metadata", key))
    for name, text in found.items() if isinstance(found, dict) else ():
        yield name, text_of(text) or ""


def _claims(unit: Unit, text: str, extras: Sequence[Extra]) -> Iterator[Claims]:
    """Autoscalers that the unit renders, and Rollouts that run another's pods."""
    where = Where(unit.repository, unit.name, unit.cluster, unit.namespace)
    for part in Render(text).parts:
        if _SCALING.search(part) is None:
            continue
        for found in objects_of(read_part(part)):
            identity, value = found
            scaler = aiming.read(found, unit.line)
            if scaler is not None:
                targets = aiming.rendered(unit, found, scaler, extras)
                yield Claims(where, unit.path, FileFacts(scalers=(scaler,)), targets=(targets,))
            elif identity.kind == "Rollout" and isinstance(get(value, ("spec", "workloadRef")), dict):
                yield Claims(where, unit.path, FileFacts(stands=(_stand(identity, value),)))
            elif identity.kind in namespaces.KINDS and identity.version == "v1":
                rule = namespaces.read(identity.kind, identity.name, identity.namespace, unit.line, value)
                if rule is not None:
                    yield Claims(where, unit.path, FileFacts(rules=(rule,)))


def _stand(identity: Identity, value: dict[str, Any]) -> Stand:
    kind, name = (text_of(get(value, ("spec", "workloadRef", key))) or "" for key in ("kind", "name"))
    return Stand(identity.namespace, identity.kind, identity.name, kind, name)

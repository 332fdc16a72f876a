"""Numbers beside the containers: how many replicas there are, and what autoscalers aim for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from reconciler.model import AS_IT_STANDS, Key, Place, Refused, Scaler, Workload
from reconciler.source.estate import Estate
from reconciler.source.tracing.proof import readable
from reconciler.source.tracing.rendered import Path, Render
from reconciler.source.yamledit import Document, decode, parse, where

_REPLICAS: Final = ("spec", "replicas")
_AUTOSCALERS: Final = ("HorizontalPodAutoscaler", "ScaledObject")


class Count(NamedTuple):
    """One number, and where it is set. Without a place nobody knows where."""

    unit: str
    cluster: str
    namespace: str
    kind: str
    name: str
    field: str
    value: str
    place: Place | None
    path: str
    line: int
    via: str
    refused: Refused | None


def counts(estate: Estate) -> list[Count]:
    """Those of every workload and autoscaler, as it stands or as it is rendered."""
    found = [*_rendered(estate), *_standing(estate)]
    return sorted(found, key=lambda one: (one.unit, one.cluster, one.namespace, one.kind, one.name))


def _rendered(estate: Estate) -> Iterator[Count]:
    for look in estate.looks:
        unit = look.unit
        for one in look.traced.extras if look.traced is not None else ():
            kind, name = one.identity.kind, one.identity.name
            who = (unit.name, unit.cluster, one.identity.namespace or unit.namespace, kind, name)
            path = one.place.path if one.place is not None else unit.path
            where_ = (one.place, path, one.line or unit.line)
            yield Count(*who, _field(one.path), one.value, *where_, "rendered", one.refused)


def _standing(estate: Estate) -> Iterator[Count]:
    files = _Files(estate)
    seen: set[tuple[str, str, int]] = set()
    for discovery in estate.discoveries.values():
        for workload in discovery.workloads:
            yield from _replicas(workload, files)
            for scaler in workload.scalers:
                key = (workload.repository, scaler.path, scaler.line)
                if scaler.kind in _AUTOSCALERS and key not in seen:
                    seen.add(key)
                    yield from _targets(workload, scaler, files)


def _replicas(workload: Workload, files: _Files) -> Iterator[Count]:
    slot = workload.containers[0].slots[0] if workload.containers else None
    if slot is None or slot.how_traced != AS_IT_STANDS or workload.replicas is None:
        return
    place = slot.place._replace(keys=(*_object_keys(slot.place.keys), *_REPLICAS))
    yield from files.count(workload, (workload.kind, workload.name), "replicas", place)


def _object_keys(keys: tuple[Key, ...]) -> tuple[Key, ...]:
    """Of a container's value, the keys that lead to its object: none, or the item of a list."""
    at = 0
    while keys[at] == "items":
        at += 2
    return keys[:at]


def _targets(workload: Workload, scaler: Scaler, files: _Files) -> Iterator[Count]:
    """What an autoscaler aims for, read where it stands; a rendered one is told with its unit."""
    document = files.document(workload.repository, scaler.path, scaler.line)
    if document is None:
        return
    text = files.text(workload.repository, scaler.path)
    for number in Render(text[document.start : document.end]).numbers():
        if (number.identity.kind, number.identity.name) == (scaler.kind, scaler.name):
            keys = tuple(_key(one) for one in number.path)
            place = Place(workload.repository, scaler.path, document.index, keys)
            yield from files.count(workload, (scaler.kind, scaler.name), _field(number.path), place)


def _key(label: str) -> Key:
    return int(label[1:-1]) if label.startswith("[") and label[1:-1].isdigit() else label


def _field(path: Path) -> str:
    return readable(path[1:] if path[:1] == ("spec",) else path)


class _Files:
    """The files of the estate, each parsed once."""

    def __init__(self, estate: Estate) -> None:
        self._estate = estate
        self._parsed: dict[tuple[str, str], tuple[str, tuple[Document, ...]]] = {}

    def text(self, repository: str, path: str) -> str:
        return self._read(repository, path)[0]

    def document(self, repository: str, path: str, line: int) -> Document | None:
        """The document that a line stands in, when it is a manifest of its own."""
        _, documents = self._read(repository, path)
        before = [one for one in documents if one.line <= line and one.root is not None]
        return before[-1] if before else None

    def count(self, workload: Workload, who: tuple[str, str], field: str, place: Place) -> Iterator[Count]:
        text, documents = self._read(place.repository, place.path)
        if not 0 <= place.document < len(documents):
            return
        found = where(documents[place.document], text, place.keys)
        if found.value is not None:
            own = (workload.unit, workload.cluster, workload.namespace, *who)
            yield Count(*own, field, found.value, place, place.path, found.line, AS_IT_STANDS, found.refused)

    def _read(self, repository: str, path: str) -> tuple[str, tuple[Document, ...]]:
        key = (repository, path)
        if key not in self._parsed:
            text = decode(self._estate.read(repository, path) or b"")
            self._parsed[key] = ("", ()) if isinstance(text, Refused) else (text, parse(text))
        return self._parsed[key]


def count_rows(found: Sequence[Count]) -> list[dict[str, Any]]:
    """As `scan --all-fields` prints them, beside the rows of containers."""
    fed: dict[Place, list[Count]] = {}
    for one in found:
        if one.place is not None:
            fed.setdefault(one.place, []).append(one)
    return [_row(one, fed.get(one.place, []) if one.place is not None else []) for one in found]


def _row(one: Count, everyone: Sequence[Count]) -> dict[str, Any]:
    return {
        "unit": one.unit,
        **_identity(one),
        "init": False,
        "field": one.field,
        "value": one.value,
        "path": one.path,
        "line": one.line,
        "document": one.place.document if one.place else 0,
        "keys": [*one.place.keys, *one.place.inner] if one.place else [],
        "via": one.via,
        "traced": one.refused is None,
        "shared_with": [_identity(other) for other in everyone if other is not one],
        "reason": one.refused.reason.value if one.refused else None,
    }


def _identity(one: Count) -> dict[str, str]:
    return {
        "cluster": one.cluster,
        "namespace": one.namespace,
        "kind": one.kind,
        "workload": one.name,
        "container": "",
    }

"""What a render holds: objects, and of those with pods what their containers are given.

Objects are read only when somebody asks for them: most of a render are definitions and
configuration that nobody changes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from reconciler.model import FIELDS, ContainerRef, Field
from reconciler.source.objects import AMOUNTS, KINDS, SIZED
from reconciler.source.yamledit.values import Part, UnreadableError, is_null, parts, read_part

Path = tuple[str, ...]

_LISTS: Final = (("initContainers", True), ("containers", False))
_KIND: Final = re.compile(r"\bkind\b[\"']?\s*:\s*[\"']?(\w+)")
_SCALERS: Final = ("HorizontalPodAutoscaler", "ScaledObject")
_DEEPEST_LIST: Final = 4
_LONGEST_NAME: Final = 253


class Identity(NamedTuple):
    """What an object is called; `turn` tells apart two of the same name."""

    version: str
    kind: str
    namespace: str
    name: str
    turn: int = 0

    def __str__(self) -> str:
        return f"{self.kind} {self.name}" if self.name else self.kind or "a document"


class Object(NamedTuple):
    identity: Identity
    value: dict[str, Any]


class RenderedContainer(NamedTuple):
    """One container: where it stands in its object, and the text of each field, or None."""

    ref: ContainerRef
    init: bool
    sidecar: bool
    identity: Identity
    path: Path
    values: dict[Field, str | None]
    resources: dict[Path, str]  # all that `resources` sets, other kinds of storage included

    @property
    def extras(self) -> tuple[str, ...]:
        return tuple(sorted({name for _, name in self.resources} - {*SIZED}))


class Number(NamedTuple):
    """A number that says how many pods there are: replicas, or a target of an autoscaler."""

    identity: Identity
    path: Path
    text: str


class Render:
    """One rendered text. `trouble` is why a part of it can't be read, or ""."""

    def __init__(self, text: str, cluster: str = "", namespace: str = "") -> None:
        self.cluster = cluster
        self.namespace = namespace
        self.trouble = ""
        try:
            self.parts = tuple(parts(text))
        except UnreadableError as error:
            self.parts, self.trouble = (), str(error)
        self._workloads: tuple[Object, ...] | None = None

    def workloads(self) -> tuple[Object, ...]:
        """Objects with pods, and the autoscalers beside them."""
        if self._workloads is None:
            found: list[Object] = []
            for text in self.parts:
                if _may_matter(text):
                    found.extend(self._read(text))
            self._workloads = numbered(found)
        return self._workloads

    def _read(self, text: str) -> Iterator[Object]:
        part = read_part(text)
        if part.error:
            self.trouble = self.trouble or f"a rendered document is no YAML ({part.error})"
        for found in objects_of(part):
            if found.identity.kind in _SCALERS or _has_pods(found):
                yield found

    def containers(self) -> tuple[RenderedContainer, ...]:
        found: dict[ContainerRef, RenderedContainer] = {}
        for each in self.workloads():
            for container in self._containers_of(each):
                found.setdefault(container.ref, container)
        return tuple(found.values())

    def _containers_of(self, found: Object) -> Iterator[RenderedContainer]:
        if found.identity.kind not in KINDS:
            return
        path = KINDS[found.identity.kind][1]
        pods = get(found.value, path)
        for key, init in _LISTS:
            items = pods.get(key) if isinstance(pods, dict) else None
            for label, item in labelled(items if isinstance(items, list) else []):
                name = text_of(item.get("name")) if isinstance(item, dict) else None
                if name and found.identity.name and len(name) <= _LONGEST_NAME:
                    yield self._container(found.identity, (*path, key, label), item, name, init)

    def _container(
        self, identity: Identity, path: Path, item: dict[str, Any], name: str, init: bool
    ) -> RenderedContainer:
        namespace = identity.namespace or self.namespace
        return RenderedContainer(
            ContainerRef(self.cluster, namespace, identity.kind, identity.name, name),
            init,
            init and text_of(item.get("restartPolicy")) == "Always",
            identity,
            path,
            {field: text_of(get(item, way)) for field, way in WAYS.items()},
            dict(_resources(item)),
        )

    def numbers(self) -> Iterator[Number]:
        """Replicas of workloads, and all that autoscalers aim for."""
        for found in self.workloads():
            spec = get(found.value, ("spec",))
            if found.identity.kind in _SCALERS:
                yield from _integers(found.identity, ("spec",), spec, 0)
            elif isinstance(spec, dict) and (text := text_of(spec.get("replicas"))) is not None:
                yield Number(found.identity, ("spec", "replicas"), text)


WAYS: Final[dict[Field, Path]] = {
    field: ("image",) if field is Field.IMAGE else ("resources", *field.value.split(".")) for field in FIELDS
}


def objects_of(part: Part) -> Iterator[Object]:
    """The objects of a document, those of a `List` one by one."""
    yield from _objects(part.value, 0)


def _objects(value: Any, depth: int) -> Iterator[Object]:
    if not isinstance(value, dict):
        return
    kind = text_of(value.get("kind")) or ""
    items = value.get("items")
    if kind.endswith("List") and isinstance(items, list) and depth < _DEEPEST_LIST:
        for item in items:
            yield from _objects(item, depth + 1)
        return
    metadata = value.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    name = text_of(metadata.get("name")) or text_of(metadata.get("generateName")) or ""
    namespace = text_of(metadata.get("namespace")) or ""
    yield Object(Identity(text_of(value.get("apiVersion")) or "", kind, namespace, name), value)


def numbered(found: list[Object]) -> tuple[Object, ...]:
    """Objects of the same name told apart by their turn."""
    seen: dict[Identity, int] = {}
    result = []
    for each in found:
        turn = seen.get(each.identity, 0)
        seen[each.identity] = turn + 1
        result.append(each._replace(identity=each.identity._replace(turn=turn)) if turn else each)
    return tuple(result)


def labelled(items: list[Any]) -> list[tuple[str, Any]]:
    """A list's items by name where all have one of their own, else by position."""
    names = [text_of(item.get("name")) if isinstance(item, dict) else None for item in items]
    if all(names) and len(set(names)) == len(names):
        return [(f"[{name}]", item) for name, item in zip(names, items, strict=True)]
    return [(f"[{at}]", item) for at, item in enumerate(items)]


def get(value: Any, path: Path) -> Any:
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def text_of(value: Any) -> str | None:
    """The text of a scalar; None for nothing, a mapping or a list."""
    return str(value) if isinstance(value, str) and not is_null(value) else None


def _may_matter(text: str) -> bool:
    kinds = set(_KIND.findall(text))
    return any(kind in KINDS or kind in _SCALERS or kind.endswith("List") for kind in kinds)


def _has_pods(found: Object) -> bool:
    kind = found.identity.kind
    groups, path = KINDS.get(kind, ((), ()))
    group = found.identity.version.rpartition("/")[0]
    return group in groups and isinstance(get(found.value, path), dict)


def pod_level(found: Object) -> tuple[str, ...]:
    """Of CPU and memory what the pod itself sets, for all its containers."""
    pods = get(found.value, KINDS[found.identity.kind][1])
    named = {name for _, name in _resources(pods if isinstance(pods, dict) else {})}
    return tuple(name for name in SIZED if name in named)


def node_selector(found: Object) -> tuple[tuple[str, str], ...]:
    """Labels of the nodes that its pods ask for."""
    chosen = get(found.value, (*KINDS[found.identity.kind][1], "nodeSelector"))
    texts = chosen.items() if isinstance(chosen, dict) else ()
    return tuple(sorted((name, text_of(value) or "") for name, value in texts))


def _resources(item: dict[str, Any]) -> Iterator[tuple[Path, str]]:
    resources = item.get("resources")
    for part in AMOUNTS:
        amounts = resources.get(part) if isinstance(resources, dict) else None
        for name, amount in amounts.items() if isinstance(amounts, dict) else ():
            if isinstance(amount, str) and not is_null(amount):
                yield (part, name), amount


def _integers(identity: Identity, path: Path, value: Any, depth: int) -> Iterator[Number]:
    if isinstance(value, dict):
        for key, below in value.items():
            yield from _integers(identity, (*path, key), below, depth + 1)
    elif isinstance(value, list):
        for label, below in labelled(value):
            yield from _integers(identity, (*path, label), below, depth + 1)
    elif isinstance(value, str) and value.isascii() and value.isdigit():
        yield Number(identity, path, str(value))

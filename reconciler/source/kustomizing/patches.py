"""The text of a new patch: strategic where kustomize knows the kind, else a JSON patch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

from reconciler.model import Field
from reconciler.source.objects import KINDS
from reconciler.source.tracing.rendered import WAYS, Identity, Object, RenderedContainer, get, text_of
from reconciler.source.yamledit.scalars import key_written, written

# Their lists have no merge keys, so that a strategic patch would replace them as a whole.
UNMERGED: Final = frozenset(("Rollout", "Service", "DeploymentConfig"))


class Setting(NamedTuple):
    """A field of one rendered container, and what it shall be."""

    container: RenderedContainer
    field: Field
    new: str


class Shape(NamedTuple):
    """How the patch is to look, and what it is to say of the object besides its name."""

    name: str  # of the object where the patch is applied, before this kustomization renames it
    namespace: str
    list_indent: int


def strategic(found: Object, settings: Iterable[Setting], shape: Shape) -> list[str]:
    """The lines of a strategic merge patch for one object.

    Containers before the one that changes are named, too: kustomize moves what a patch names to the front.
    """
    identity = found.identity
    metadata = {"name": shape.name} | ({"namespace": shape.namespace} if shape.namespace else {})
    pods: dict[str, list[dict[str, Any]]] = {}
    for setting in settings:
        *way, label = setting.container.path
        names = [str(item.get("name")) for item in get(found.value, tuple(way))]
        before = names[: names.index(label[1:-1]) + 1]
        containers = pods.setdefault(way[-1], [])
        known = [one["name"] for one in containers]
        containers += [{"name": name} for name in before if name not in known]
        mine = next(one for one in containers if one["name"] == before[-1])
        _put(mine, WAYS[setting.field], _Value(setting.new, setting.field is Field.IMAGE))
    body: dict[str, Any] = {"apiVersion": identity.version, "kind": identity.kind, "metadata": metadata}
    _put(body, KINDS[identity.kind][1], pods)
    return list(_lines(body, 0, shape.list_indent))


def operations(found: dict[str, Any], settings: Iterable[Setting], shape: Shape) -> list[str]:
    """The lines of a JSON patch: one operation a container and `requests`, `limits` or `image`."""
    lines: list[str] = []
    for pointer, exists, value in _operations(found, list(settings)):
        body = {
            "op": _Word("replace" if exists else "add"),
            "path": _Word(pointer),
            "value": value,
        }
        first, *rest = _lines(body, 2, shape.list_indent)
        lines += [f"- {first.lstrip()}", *rest]
    return lines


def target(identity: Identity, shape: Shape) -> list[str]:
    """The lines of a selector that means one object."""
    body = {"kind": identity.kind, "name": shape.name, "namespace": shape.namespace}
    return list(_lines({key: value for key, value in body.items() if value}, 0, 0))


class _Value(NamedTuple):
    value: str
    text: bool


class _Word(NamedTuple):
    """Needs no quotes for any reader."""

    word: str


def _put(body: dict[str, Any], path: Iterable[str], value: Any) -> None:
    *way, last = path
    for key in way:
        body = body.setdefault(key, {})
    body[last] = value


def _operations(found: dict[str, Any], settings: list[Setting]) -> Iterator[tuple[str, bool, Any]]:
    """Pointer, whether something stands there, and the value: as little as the object lets us set."""
    made: dict[tuple[str, ...], tuple[bool, Any]] = {}
    for setting in settings:
        *way, label = setting.container.path
        items = get(found, tuple(way))
        at = next(index for index, item in enumerate(items) if text_of(item.get("name")) == label[1:-1])
        head = (*way, str(at))
        below, rest = items[at], WAYS[setting.field]
        while len(rest) > 1 and isinstance(below.get(rest[0]), dict):
            head, below, rest = (*head, rest[0]), below[rest[0]], rest[1:]
        pointer = (*head, rest[0])
        value: Any = _Value(setting.new, setting.field is Field.IMAGE)
        if len(rest) == 1:
            made[pointer] = (rest[0] in below, value)
        else:
            _put(made.setdefault(pointer, (False, {}))[1], rest[1:], value)
    for pointer, (exists, value) in made.items():
        yield "".join("/" + token.replace("~", "~0").replace("/", "~1") for token in pointer), exists, value


def _lines(value: dict[str, Any], indent: int, list_indent: int) -> Iterator[str]:
    for key, below in value.items():
        head = " " * indent + key_written(key, quotes=False) + ":"
        if isinstance(below, dict):
            yield head
            yield from _lines(below, indent + 2, list_indent)
        elif isinstance(below, list):
            yield head
            for item in below:
                dash = indent + list_indent
                first, *rest = _lines(item, dash + 2, list_indent)
                yield " " * dash + "- " + first.lstrip()
                yield from rest
        else:
            yield f"{head} {_scalar(below)}"


def _scalar(value: str | _Value | _Word) -> str:
    if isinstance(value, _Word):
        return value.word
    if isinstance(value, _Value):
        return written(value.value, text=value.text, json=False)
    return written(value, text=True, json=False)

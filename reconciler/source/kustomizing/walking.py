"""A document's values with the path by which they are meant, and the path where their text stands.

The two differ behind an alias or a merge, and in a JSON patch, whose `path` says what `value` means.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from reconciler.model import Key
from reconciler.source.objects import word
from reconciler.source.view import View
from reconciler.source.yamledit import Alias, Document, Mapping, Node, Scalar, Sequence

_MOST_NODES: Final = 200_000
_SETTING: Final = ("add", "replace")

Keys = tuple[Key, ...]


class Found(NamedTuple):
    meant: Keys
    keys: Keys
    node: Scalar | Mapping
    aliased: bool  # reached through an alias or a merge


def walk(document: Document) -> Iterator[Found]:
    """Every value of a manifest or patch; nothing of what can't be read."""
    root = document.root
    if root is None or document.template:
        return iter(())
    if isinstance(root, Sequence):
        return _operations(document, root)
    return _walk(document, _Step((), (), root, False))


class _Step(NamedTuple):
    meant: Keys
    keys: Keys
    node: Node
    aliased: bool


def _operations(document: Document, root: Sequence) -> Iterator[Found]:
    """The values that a JSON patch sets. What it only tests must stay as it is."""
    view = View(document)
    for at, item in enumerate(root.items):
        entries = view.entries(item)
        value = entries.get("value")
        if value is not None and word(view.followed(entries.get("op"))) in _SETTING:
            meant = _pointed(word(view.followed(entries.get("path"))))
            yield from _walk(document, _Step(meant, (at, "value"), value, False))


def _pointed(pointer: str) -> Keys:
    """`/spec/containers/0/image` as keys; `-` is the end of a list."""
    steps = [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]
    return tuple(int(step) if step.isdigit() else -1 if step == "-" else step for step in steps)


def _walk(document: Document, first: _Step) -> Iterator[Found]:
    own = _own_keys(document) if document.targets else {}
    open_ = [first]
    for _ in range(_MOST_NODES):
        if not open_:
            return
        meant, keys, node, aliased = open_.pop()
        if isinstance(node, Alias):
            node, aliased = document.targets[node.start], True
            keys = own.get(id(node), keys)
        if not isinstance(node, Sequence | Alias):
            yield Found(meant, keys, node, aliased)
        open_.extend(reversed(list(_below(_Step(meant, keys, node, aliased)))))


def _below(step: _Step) -> Iterator[_Step]:
    meant, keys, node, aliased = step
    if isinstance(node, Sequence):
        for at, item in enumerate(node.items):
            yield _Step((*meant, at), (*keys, at), item, aliased)
    elif isinstance(node, Mapping):
        for key, value in node.pairs:
            if not isinstance(key, Scalar):
                continue
            if key.value == "<<" and not key.style:
                sources = value.items if isinstance(value, Sequence) else (value,)
                for source in sources:
                    yield _Step(meant, (*keys, "<<"), source, True)
            else:
                yield _Step((*meant, key.value), (*keys, key.value), value, aliased)


def _own_keys(document: Document) -> dict[int, Keys]:
    """Where each node stands in the text, by its id: two mappings can start at one place."""
    found: dict[int, Keys] = {}
    open_: list[tuple[Keys, Node | None]] = [((), document.root)]
    while open_:
        keys, node = open_.pop()
        found[id(node)] = keys
        if isinstance(node, Sequence):
            open_.extend(((*keys, at), item) for at, item in enumerate(node.items))
        elif isinstance(node, Mapping):
            pairs = ((key, value) for key, value in node.pairs if isinstance(key, Scalar))
            open_.extend(((*keys, key.value), value) for key, value in pairs)
    return found

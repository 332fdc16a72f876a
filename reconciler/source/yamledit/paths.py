"""Follows a path of keys through a document, as far as it leads, and says what stands in the way.

A path is followed only where the text itself stands: through an alias or a merge (`<<`) it ends, and
what they supply is remembered as the `source` that a local copy would have to be made of.
"""

from __future__ import annotations

import re
from typing import NamedTuple, cast

from reconciler.model import Key, Reason, Refused
from reconciler.source.yamledit import scalars
from reconciler.source.yamledit.tree import Alias, Document, Mapping, Node, Scalar, Sequence

_TEMPLATE = re.compile(r"\{[{%]|\$[{(]|<%")
_OWN_TAGS = ("!", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq", "tag:yaml.org,2002:str")


class Spot(NamedTuple):
    """Where a path ends in the text."""

    parents: tuple[Node, ...]  # mappings and lists, from the root down to the last that is there
    key: Scalar | None  # of the last step, when it went through a mapping
    node: Node | None  # what stands there; None: parents[-1] lacks rest[0]
    rest: tuple[Key, ...]  # what is still to be made; () when the path ends in a value
    source: Node | None  # what an alias or a merge supplies at this spot
    value: Scalar | None  # the value in force at the end of the whole path


class _Step(NamedTuple):
    """One step on the way: what stands there, and under which key."""

    key: Scalar | None
    node: Node


Known = dict[Key, "tuple[_Step | Spot | Refused, Known]"]


def spot(document: Document, text: str, keys: tuple[Key, ...], known: Known | None = None) -> Spot | Refused:
    """Follow `keys` from the document's root. `known`, kept between calls, spares walking a way twice."""
    if document.template or document.root is None:
        return _unreadable(document)
    at = _Step(None, document.root)
    parents: list[Node] = []
    known = {} if known is None else known
    for depth, key in enumerate(keys):
        if (next_known := known.get(key)) is None:
            next_known = known[key] = (_next(document, text, at, key), {})
        found, known = next_known
        if isinstance(found, Refused):
            return found
        if isinstance(found, Spot):  # the way ends before: the rest of the keys is still to be made
            below = keys[depth:] if found.node is not None else keys[depth + 1 :]
            value = None if found.source is None else effective(document, found.source, below)
            return Spot((*parents, *found.parents), found.key, found.node, keys[depth:], found.source, value)
        parents.append(at.node)
        at = found
    if (refused := _guarded(document, at.node)) is not None:
        return refused
    return Spot(tuple(parents), at.key, at.node, (), None, effective(document, at.node, ()))


def _next(document: Document, text: str, at: _Step, step: Key) -> _Step | Spot | Refused:
    """One step further, or the end of the way with what stands there."""
    node = at.node
    if (refused := _guarded(document, node)) is not None:
        return refused
    if isinstance(node, Mapping):
        found = _find(document, text, node, step)
        if found is None:
            return Spot((node,), None, None, (), _merged(document, node, str(step), set()), None)
        return found
    if isinstance(node, Sequence):
        if not isinstance(step, int) or not 0 <= step < len(node.items):
            return _refuse(Reason.NOT_A_SCALAR, node, f"is a list without an item `{step}`")
        return _Step(None, node.items[step])
    if isinstance(node, Alias):
        return Spot((), at.key, node, (), document.targets[node.start], None)
    if node.style or node.tag or not scalars.is_null(node.value):
        return _refuse(Reason.NOT_A_SCALAR, node, f"is a single value, so it can't hold `{step}`")
    return Spot((), at.key, node, (), None, None)


def effective(document: Document, node: Node, keys: tuple[Key, ...]) -> Scalar | None:
    """The value in force at the end of a path, aliases and merges followed; None where there is none."""
    for step in keys:
        node = resolved(document, node)
        if isinstance(node, Sequence) and isinstance(step, int) and 0 <= step < len(node.items):
            node = node.items[step]
        elif isinstance(node, Mapping):
            found = supplied(document, node, str(step))
            if found is None:
                return None
            node = found
        else:
            return None
    node = resolved(document, node)
    return node if isinstance(node, Scalar) else None


def resolved(document: Document, node: Node) -> Node:
    return document.targets[node.start] if isinstance(node, Alias) else node


def supplied(document: Document, mapping: Mapping, name: str) -> Node | None:
    """What a mapping has under a key, its own before what it merges."""
    return _supplied(document, mapping, name, set())


def _supplied(document: Document, mapping: Mapping, name: str, seen: set[int]) -> Node | None:
    for key, value in reversed(mapping.pairs):
        if isinstance(key, Scalar) and key.value == name:
            return value
    return _merged(document, mapping, name, seen)


def _merged(document: Document, mapping: Mapping, name: str, seen: set[int]) -> Node | None:
    """What the `<<` of a mapping supply under a key; each source is looked at once."""
    for source in merges(document, mapping):
        if source.start in seen:
            continue
        seen.add(source.start)
        if (found := _supplied(document, source, name, seen)) is not None:
            return found
    return None


def is_merge(key: Node) -> bool:
    return isinstance(key, Scalar) and key.value == "<<" and key.style == ""


def merges(document: Document, mapping: Mapping) -> list[Mapping]:
    """The mappings that a mapping's `<<` names, the strongest first."""
    sources: list[Mapping] = []
    for key, value in mapping.pairs:
        if is_merge(key):
            named = resolved(document, value)
            items = named.items if isinstance(named, Sequence) else (named,)
            found = (resolved(document, item) for item in items)
            sources.extend(source for source in found if isinstance(source, Mapping))
    return sources


def _find(document: Document, text: str, mapping: Mapping, step: Key) -> _Step | Refused | None:
    """The one pair of that key, None when there is none, or why it can't be told."""
    if not isinstance(step, str):
        return _refuse(Reason.NOT_A_SCALAR, mapping, f"is a mapping, so it has no item {step}")
    try:
        names = [key.value for key, _ in mapping.pairs]  # type: ignore[union-attr]
    except AttributeError:
        return _refuse(Reason.COMPLEX_KEY, mapping, "begins a mapping with a key that is no plain word")
    merging = [at for at, (key, _) in enumerate(mapping.pairs) if is_merge(key)] if "<<" in names else []
    if len(merging) > 1:
        return _refuse(Reason.DUPLICATE_KEY, mapping.pairs[merging[1]][0], "is a second `<<` of one mapping")
    if step not in names:
        return None
    if names.count(step) > 1:
        lines = " and ".join(str(key.line) for key, _ in mapping.pairs if cast("Scalar", key).value == step)
        return Refused(Reason.DUPLICATE_KEY, f"`{step}` stands twice in one mapping, in lines {lines}")
    at = names.index(step)
    key, value = mapping.pairs[at]
    assert isinstance(key, Scalar)
    if merging and merging[0] > at and _merged(document, mapping, step, set()) is not None:
        return _refuse(Reason.DUPLICATE_KEY, key, f"sets `{step}` before a `<<` that sets it, too")
    if not _has_colon(text, key, value):
        return _refuse(Reason.COMPLEX_KEY, key, f"writes the key as `? {step}`, or without a colon")
    return _Step(key, value)


def _has_colon(text: str, key: Scalar, value: Node) -> bool:
    """Whether a pair is written `key: value`, without a `?` before it."""
    if text[max(0, key.start - 80) : key.start].rstrip(" \t").endswith("?"):
        return False
    return text[key.end : value.start].lstrip(" \t").startswith(":")


def _unreadable(document: Document) -> Refused:
    if document.template:
        return Refused(Reason.TEMPLATE, f"line {document.template} is a template's, not YAML's")
    return Refused(Reason.UNPROVEN, f"line {document.error_line} can't be read: {document.error}")


def _guarded(document: Document, node: Node) -> Refused | None:
    """Refuses what can't be changed alone, or isn't what it looks like."""
    if isinstance(node, Alias):
        return None
    if node.anchor and node.start in document.shared:
        return _refuse(Reason.SHARED_ANCHOR, node, "has an anchor that is used elsewhere, too")
    if node.tag and node.tag not in _OWN_TAGS:
        return _refuse(Reason.NOT_A_SCALAR, node, f"carries the tag {node.tag}")
    return None


def is_templated(value: str) -> bool:
    return _TEMPLATE.search(value) is not None


def _refuse(reason: Reason, node: Node, what: str) -> Refused:
    return Refused(reason, f"line {node.line} {what}")

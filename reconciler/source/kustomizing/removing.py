"""A key taken out of a mapping, or given way to another one: an entry of `images` from a tag to a digest."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from reconciler.model import Edit, Key, Reason, Refused
from reconciler.source.view import TooMuchError, View
from reconciler.source.yamledit import Alias, Mapping, Node, Scalar, Sequence, apply, decode, parse
from reconciler.source.yamledit.layout import line_end, line_start
from reconciler.source.yamledit.scalars import quoted, written


class Removal(NamedTuple):
    """Of the mapping at `keys`: `key` goes, and `new` with its value comes in its place, if there is one."""

    document: int
    keys: tuple[Key, ...]
    key: str
    new: str = ""
    value: str = ""


def removed(data: bytes, removals: Iterable[Removal]) -> bytes | Refused:
    """The file without them; nothing else of it means anything new."""
    text = decode(data)
    for one in removals:
        if isinstance(text, Refused):
            return text
        after = _removed(text, one)
        text = after if isinstance(after, Refused) else _checked(text, after, one)
    return text if isinstance(text, Refused) else text.encode("utf-8")


def _removed(text: str, one: Removal) -> str | Refused:
    documents = parse(text)
    root = documents[one.document].root if one.document < len(documents) else None
    mapping = _at(root, one.keys)
    if not isinstance(mapping, Mapping) or mapping.anchor:
        return Refused(Reason.UNPROVEN, f"there is no plain mapping that sets `{one.key}`")
    at = [index for index, (key, _) in enumerate(mapping.pairs) if _name(key) == one.key]
    if len(at) != 1:
        return Refused(Reason.DUPLICATE_KEY, f"`{one.key}` doesn't stand there once")
    key, value = mapping.pairs[at[0]]
    if (
        not isinstance(key, Scalar)
        or not isinstance(value, Scalar)
        or value.anchor
        or value.style in ("|", ">")
    ):
        return Refused(Reason.UNPROVEN, f"line {mapping.line} doesn't hold `{one.key}` on a line of its own")
    if one.new:
        name = quoted(one.new) if key.style else one.new
        new = quoted(one.value) if value.style == '"' else written(one.value, text=True, json=False)
        return apply(text, [Edit(key.start, key.end, name), Edit(value.start, value.end, new)])
    start, end = _span(text, mapping, at[0])
    return apply(text, [Edit(start, end, "")])


def _span(text: str, mapping: Mapping, at: int) -> tuple[int, int]:
    """What goes with a pair: its line, or up to the next one, or from the one before."""
    key, value = mapping.pairs[at]
    if at == 0:
        return key.start, mapping.pairs[1][0].start if len(mapping.pairs) > 1 else value.end
    if mapping.flow:
        return mapping.pairs[at - 1][1].end, value.end
    start, end = line_start(text, key.start), line_end(text, value.end)
    return start, text.find("\n", end) + 1 or end


def _at(node: Node | None, keys: tuple[Key, ...]) -> Node | None:
    for key in keys:
        if isinstance(node, Sequence) and isinstance(key, int) and key < len(node.items):
            node = node.items[key]
        elif isinstance(node, Mapping):
            node = next((value for name, value in node.pairs if _name(name) == key), None)
        else:
            return None
    return node


def _name(key: Node) -> str | None:
    return None if isinstance(key, Alias) or not isinstance(key, Scalar) else key.value


def _checked(before: str, after: str, one: Removal) -> str | Refused:
    """Read again: the pair is gone, its successor is there, and all else is as it was."""
    try:
        was, now = _plain(before), _plain(after)
    except TooMuchError as error:
        return Refused(Reason.UNPROVEN, f"the file means too much: {error}")
    entry = was[one.document]
    for key in one.keys:
        entry = entry[key]
    entry.pop(one.key, None)
    if one.new:
        entry[one.new] = one.value
    if was == now:
        return after
    return Refused(Reason.UNPROVEN, f"without `{one.key}` the file would mean something else, too")


def _plain(text: str) -> list[Any]:
    return [View(each).plain(each.root) if each.root is not None else None for each in parse(text)]

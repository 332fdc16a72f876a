"""One more item for a list of a kustomization, in the style of the file; nothing else is touched."""

from __future__ import annotations

from collections.abc import Sequence as Many
from typing import NamedTuple

from reconciler.model import Reason, Refused
from reconciler.source.view import TooMuchError, View, is_null
from reconciler.source.yamledit import Document, Mapping, Scalar, Sequence, parse
from reconciler.source.yamledit.layout import column, last_line_end, line_break, line_end


class Item(NamedTuple):
    """An item of the list `key`, as lines without the indentation of the list."""

    key: str
    lines: tuple[str, ...]


def appended(data_text: str, items: Many[Item]) -> str | Refused:
    """The text with the items at the ends of their lists, which are made where they are missing."""
    text = data_text
    for item in items:
        after = _appended(text, item)
        if isinstance(after, Refused):
            return after
        if (refused := _checked(text, after, item.key)) is not None:
            return refused
        text = after
    return text


def list_indent(text: str) -> int:
    """How far this file's lists are indented below their keys."""
    root = parse(text)[0].root
    for key, value in root.pairs if isinstance(root, Mapping) else ():
        if isinstance(value, Sequence) and not value.flow and value.items:
            return column(text, value.start) - column(text, key.start)
    return 0


def _appended(text: str, item: Item) -> str | Refused:
    documents = parse(text)
    root = documents[0].root if len(documents) == 1 else None
    if not isinstance(root, Mapping) or root.flow or documents[0].template or not root.pairs:
        return Refused(Reason.NOT_A_SCALAR, "the kustomization is not one mapping in block style")
    found = [(key, value) for key, value in root.pairs if isinstance(key, Scalar) and key.value == item.key]
    if len(found) > 1:
        return Refused(Reason.DUPLICATE_KEY, f"`{item.key}` stands twice in it, in line {found[1][0].line}")
    newline = line_break(text, root.start)
    if not found:
        end = last_line_end(text, root)
        margin = " " * column(text, root.pairs[0][0].start)
        lines = [f"{margin}{item.key}:", *(margin + line for line in _indented(item, list_indent(text)))]
        return text[:end] + "".join(newline + line for line in lines) + text[end:]
    key, value = found[0]
    if isinstance(value, Sequence) and value.items and not value.flow:
        end = last_line_end(text, value)
        lines = _indented(item, column(text, value.start))
        return text[:end] + "".join(newline + line for line in lines) + text[end:]
    if is_null(value) or (isinstance(value, Sequence) and not value.items and not value.anchor):
        end = line_end(text, value.end)
        colon = text.index(":", key.end) + 1
        lines = _indented(item, column(text, key.start) + list_indent(text))
        tail = text[value.end : end].rstrip()
        return text[:colon] + tail + "".join(newline + line for line in lines) + text[end:]
    return Refused(Reason.NOT_A_SCALAR, f"line {key.line} doesn't hold `{item.key}` as a list in block style")


def _indented(item: Item, indent: int) -> list[str]:
    return [" " * indent + line for line in item.lines]


def _checked(before: str, after: str, key: str) -> Refused | None:
    """Read again: everything is as it was, and the list has one item more."""
    try:
        was, now = _plain(parse(before)), _plain(parse(after))
    except TooMuchError as error:
        return Refused(Reason.UNPROVEN, f"the kustomization means too much: {error}")
    if isinstance(was, dict) and isinstance(now, dict):
        old, new = was.pop(key, None) or [], now.pop(key, None)
        if was == now and isinstance(new, list) and len(new) == len(old) + 1 and new[: len(old)] == old:
            return None
    return Refused(Reason.UNPROVEN, f"an item added to `{key}` would change more of the kustomization")


def _plain(documents: tuple[Document, ...]) -> object:
    return View(documents[0]).plain(documents[0].root) if len(documents) == 1 else None

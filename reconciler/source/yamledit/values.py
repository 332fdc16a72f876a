"""Whole texts as plain values, for whoever compares what was rendered or merges what is set.

Built from libyaml's events: its own constructor has no bound on depth, and forgets how a value was
written, which is what tells `1` from `"1"`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple, cast

import yaml
from yaml._yaml import CParser
from yaml.events import (
    AliasEvent,
    DocumentEndEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from reconciler.source.yamledit.reading import MAX_CHARACTERS, MAX_DEPTH
from reconciler.source.yamledit.splitting import split
from reconciler.source.yamledit.tree import BOM

MAX_VALUES = 1_000_000

_NULLS = frozenset(("", "~", "null", "Null", "NULL"))
_TRUE = frozenset(("true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON"))
_FALSE = frozenset(("false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF"))
_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,18})")
_OTHER_INTEGER = re.compile(r"[-+]?(?:0b[01_]{1,64}|0o?[0-7_]{1,24}|0x[0-9a-fA-F_]{1,16}|[1-9][0-9_]{0,24})")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]{1,3})?")


class Plain(str):
    """The text of a scalar that is written without quotes, so that it may be no string at all."""

    __slots__ = ()


class Part(NamedTuple):
    """One document of a text: its values, or why it can't be read."""

    text: str
    value: Any  # dict, list, str, Plain or None
    error: str = ""


class UnreadableError(Exception):
    """A text is no YAML, or not such that anyone should read: the sentence says why."""


def parts(text: str) -> list[str]:
    """The text of every document; whoever needs only some of them needs to read no more."""
    if len(text) > MAX_CHARACTERS:
        raise UnreadableError(f"it has more than {MAX_CHARACTERS} characters")
    return [text[start:end] for start, end in split(text)]


def read_part(text: str) -> Part:
    """A text of one document, its scalars as they are written: `Plain` where without quotes."""
    try:
        return Part(text, _read(text, Plain))
    except UnreadableError as error:
        return Part(text, None, str(error))


def read_values(text: str) -> Any:
    """A text of one document as Kubernetes' tools read it: numbers, booleans and null resolved."""
    return _read(text.removeprefix(BOM), resolved)


def resolved(text: str) -> Any:
    """What a scalar without quotes means in YAML 1.1, as Go reads it: no dates, no base 60."""
    if text in _NULLS:
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    if _INTEGER.fullmatch(text):
        return int(text)
    if _OTHER_INTEGER.fullmatch(text):
        return _other_integer(text)
    return float(text) if _FLOAT.fullmatch(text) else text


def _other_integer(text: str) -> Any:
    digits = text.replace("_", "").lower()
    if digits.lstrip("+-").startswith("0") and digits.lstrip("+-")[1:2].isdigit():
        digits = digits.replace("0", "0o", 1)  # as C writes octal
    try:
        return int(digits, 0)
    except ValueError:
        return text


def is_null(value: Any) -> bool:
    return value is None or (isinstance(value, Plain) and value in _NULLS)


class _Open:
    """A mapping or list whose end has not been read yet."""

    __slots__ = ("anchor", "items", "mapping", "size")

    def __init__(self, mapping: bool, anchor: str | None) -> None:
        self.mapping = mapping
        self.anchor = anchor
        self.items: list[Any] = []
        self.size = 1

    def value(self) -> Any:
        if not self.mapping:
            return self.items
        return _mapping(self.items)


def _mapping(items: list[Any]) -> dict[str, Any]:
    """Keys are text, as they are in JSON; of two equal keys the last counts."""
    found: dict[str, Any] = {}
    merged: dict[str, Any] = {}
    turns = iter(items)
    for key, value in zip(turns, turns):  # noqa: B905 (always even; strict is slower)
        if isinstance(key, dict | list):
            raise UnreadableError("a key is a mapping or a list")
        name = str(key) if isinstance(key, str) else _key(key)
        if name == "<<" and isinstance(value, dict | list):
            for source in value if isinstance(value, list) else (value,):
                if not isinstance(source, dict):
                    raise UnreadableError("a merge (`<<`) of what is no mapping")
                merged = source | merged
        else:
            found[name] = value
    return merged | found if merged else found


def _key(key: Any) -> str:
    if isinstance(key, bool):
        return "true" if key else "false"
    return "null" if key is None else str(key)


def _read(text: str, plain: Callable[[str], Any]) -> Any:
    if len(text) > MAX_CHARACTERS:
        raise UnreadableError(f"it has more than {MAX_CHARACTERS} characters")
    try:
        return _events(text, plain)
    except yaml.YAMLError as error:
        raise UnreadableError(" ".join(str(error).split())[:300]) from error


def _events(text: str, plain: Callable[[str], Any]) -> Any:
    """One flat loop on purpose: calls would cost more than the reading itself."""
    stack = [_Open(False, None)]
    anchors: dict[str, tuple[Any, int]] = {}
    documents = 0
    next_event = cast("Callable[[], Any]", CParser(text).get_event)
    while (event := next_event()) is not None:
        kind = type(event)
        if kind is ScalarEvent:
            tag, style = event.tag, event.style
            known = plain(event.value) if not style and tag is None else event.value
            stack[-1].items.append(known)
            stack[-1].size += 1
            if event.anchor:
                anchors[event.anchor] = (known, 1)
        elif kind is MappingStartEvent or kind is SequenceStartEvent:
            if len(stack) > MAX_DEPTH:
                raise UnreadableError(f"nested deeper than {MAX_DEPTH} levels")
            stack.append(_Open(kind is MappingStartEvent, event.anchor))
        elif kind is MappingEndEvent or kind is SequenceEndEvent:
            done = stack.pop()
            value = done.value()
            stack[-1].items.append(value)
            stack[-1].size += done.size
            if done.anchor:
                anchors[done.anchor] = (value, done.size)
        elif kind is AliasEvent:
            if event.anchor not in anchors:
                raise UnreadableError(f"the alias *{event.anchor} has no anchor before it")
            value, size = anchors[event.anchor]
            stack[-1].items.append(value)
            stack[-1].size += size
        elif kind is DocumentEndEvent:
            documents += 1
            if documents > 1:
                raise UnreadableError("more than one document where one should be")
        if stack[-1].size > MAX_VALUES:
            raise UnreadableError(f"it means more than {MAX_VALUES} values")
    return stack[0].items[0] if stack[0].items else None

"""YAML text as a tree of spans: what stands where, to the character.

Built from libyaml's events, because its composer hides where an alias stands. Offsets count code
points of the whole text and lines count "\\n" from 1, so that both mean what an editor shows.
Nothing here resolves a value: `yes`, `1e3` and `~` stay the text that they are.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from typing import Any, NamedTuple

import yaml
from yaml._yaml import CParser

from reconciler.model import Reason, Refused

MAX_CHARACTERS = 8_000_000
MAX_DEPTH = 200
MAX_EXPANDED = 1_000_000
BOM = "\ufeff"


class Scalar(NamedTuple):
    """One value. The span holds its anchor and tag, too; that of a block scalar its blank lines."""

    start: int
    end: int
    line: int
    value: str
    style: str  # "" plain, "'", '"', "|" or ">"
    tag: str
    anchor: str


class Mapping(NamedTuple):
    """Keys and values in the order of the text. In block style it ends where its last leaf ends."""

    start: int
    end: int
    line: int
    flow: bool
    anchor: str
    tag: str
    pairs: tuple[tuple[Node, Node], ...]


class Sequence(NamedTuple):
    """Items in the order of the text. In block style it ends where its last leaf ends."""

    start: int
    end: int
    line: int
    flow: bool
    anchor: str
    tag: str
    items: tuple[Node, ...]


class Alias(NamedTuple):
    start: int
    end: int
    line: int
    name: str


Node = Scalar | Mapping | Sequence | Alias


class Document(NamedTuple):
    """One document of a text, or the reason why it can't be read as one."""

    index: int  # type: ignore[assignment]  # hides a tuple's method of that name
    start: int
    end: int
    line: int
    root: Node | None
    error: str = ""  # "" when it parsed
    error_line: int = 0
    targets: dict[int, Node] = {}  # noqa: RUF012 (never written to): an alias's start -> what it means
    template: int = 0  # the line of the first template instruction between the values, or 0


def decode(data: bytes) -> str | Refused:
    """The text of a file. A byte order mark stays its first character, so that encoding restores it."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff")):
        return Refused(Reason.ENCODING, "the file is UTF-16 or UTF-32; save it as UTF-8")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        return Refused(Reason.ENCODING, f"line {line} is not valid UTF-8; save the file as UTF-8")
    if "\0" in text:
        return Refused(Reason.ENCODING, "the file holds NUL characters, so it is no UTF-8 text")
    return text


def parse(text: str) -> tuple[Document, ...]:
    """All documents of a text, each read alone: a broken one doesn't hide the others."""
    if len(text) > MAX_CHARACTERS:
        error = f"the file has more than {MAX_CHARACTERS} characters"
        return (Document(0, 0, len(text), 1, None, error, 1),)
    lines = _Lines(text)
    documents: list[Document] = []
    for start, end in _chunks(text):
        documents.extend(_read(text, start, end, len(documents), lines))
    return tuple(documents)


# A line that starts with `---` ends whatever is open, block scalars and quotes included.
_MARKER = re.compile(r"^---(?=[ \t\r\n\x85\u2028\u2029]|\Z)", re.MULTILINE)
_DIRECTIVE = re.compile(r"^%", re.MULTILINE)


def _chunks(text: str) -> Iterator[tuple[int, int]]:
    """Where each document's text starts and ends, its `---` included."""
    start = 1 if text.startswith(BOM) else 0
    if _DIRECTIVE.search(text) is None:  # %YAML and %TAG stand before the `---` of their document
        for marker in _MARKER.finditer(text, start):
            if marker.start() > start:
                yield start, marker.start()
                start = marker.start()
    yield start, len(text)


class _Lines:
    """Offset -> line, made only where libyaml's own count can't be used."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._starts: list[int] | None = None

    def at(self, offset: int) -> int:
        if self._starts is None:
            self._starts = [0, *(found.end() for found in re.finditer("\n", self.text))]
        return bisect_right(self._starts, offset)


class _Open:
    """A collection that the events have begun and not yet ended."""

    __slots__ = ("children", "event", "line", "start")

    def __init__(self, event: Any, start: int, line: int) -> None:
        self.event = event
        self.start = start
        self.line = line
        self.children: list[Node] = []

    def close(self, end: int) -> Node:
        event, children = self.event, self.children
        flow = bool(event.flow_style)
        if not flow and children:
            end = children[-1].end
        head = (self.start, end, self.line, flow, event.anchor or "", event.tag or "")
        if isinstance(event, yaml.SequenceStartEvent):
            return Sequence(*head, tuple(children))
        turns = iter(children)
        return Mapping(*head, tuple(zip(turns, turns, strict=True)))


class _BrokenError(Exception):
    """The text is YAML, but not YAML that anyone should read: where, and why."""

    def __init__(self, why: str, line: int) -> None:
        super().__init__(why)
        self.line = line


class _Builder:
    """Turns the events of one chunk into documents."""

    def __init__(self, text: str, start: int, end: int, index: int, lines: _Lines) -> None:
        self.chunk = text[start:end]
        self.base = start
        self.index = index
        # libyaml also ends lines at these; an editor and Git do not
        odd = any(mark in self.chunk for mark in "\x85\u2028\u2029") or "\r" in self.chunk.replace("\r\n", "")
        self.lines = lines
        self.first_line = 0 if odd else (lines.at(start) if start else 1)
        self.begin()

    def begin(self) -> None:
        self.root: Node | None = None
        self.stack: list[_Open] = []
        self.anchors: dict[str, Node | None] = {}  # None while its collection is still open
        self.targets: dict[int, Node] = {}

    def line(self, mark: Any) -> int:
        return self.first_line + mark.line if self.first_line else self.lines.at(self.base + mark.index)

    def documents(self) -> Iterator[Document]:
        parser = CParser(self.chunk)
        try:
            start = self.base
            event: Any  # the type stubs have every mark optional
            while (event := parser.get_event()) is not None:
                kind = type(event)
                if kind is yaml.ScalarEvent:
                    self._scalar(event)
                elif kind is yaml.MappingStartEvent or kind is yaml.SequenceStartEvent:
                    self._open(event)
                elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
                    self._close(event)
                elif kind is yaml.AliasEvent:
                    self._alias(event)
                elif kind is yaml.DocumentEndEvent:
                    end = self.base + event.end_mark.index
                    yield self._finish(start, end)
                    start = end
        finally:
            parser.dispose()

    def _add(self, node: Node) -> None:
        if self.stack:
            self.stack[-1].children.append(node)
        else:
            self.root = node

    def _scalar(self, event: Any) -> None:
        mark, base, anchor = event.start_mark, self.base, event.anchor
        start, line = base + mark.index, self.first_line + mark.line if self.first_line else self.line(mark)
        span = (start, base + event.end_mark.index, line)
        # most of all nodes are scalars: this is the half of the time that is ours
        node = tuple.__new__(Scalar, (*span, event.value, event.style or "", event.tag or "", anchor or ""))
        if anchor:
            self.anchors[anchor] = node
        if self.stack:
            self.stack[-1].children.append(node)
        else:
            self.root = node

    def _open(self, event: Any) -> None:
        mark = event.start_mark
        if len(self.stack) >= MAX_DEPTH:
            raise _BrokenError(f"nested deeper than {MAX_DEPTH} levels", self.line(mark))
        if event.anchor:
            self.anchors[event.anchor] = None
        self.stack.append(_Open(event, self.base + mark.index, self.line(mark)))

    def _close(self, event: Any) -> None:
        node = (top := self.stack.pop()).close(self.base + event.end_mark.index)
        # an inner anchor of the same name came later, and is the one that aliases from here on mean
        if top.event.anchor and self.anchors[top.event.anchor] is None:
            self.anchors[top.event.anchor] = node
        self._add(node)

    def _alias(self, event: Any) -> None:
        mark, name = event.start_mark, event.anchor
        if name not in self.anchors:
            raise _BrokenError(f"the alias *{name} has no anchor before it", self.line(mark))
        target = self.anchors[name]
        if target is None:
            raise _BrokenError(f"the alias *{name} stands inside of what it means", self.line(mark))
        node = Alias(self.base + mark.index, self.base + event.end_mark.index, self.line(mark), name)
        self.targets[node.start] = target
        self._add(node)

    def _finish(self, start: int, end: int) -> Document:
        root = self.root
        if root is not None and self.targets and expanded_size(root, self.targets) > MAX_EXPANDED:
            raise _BrokenError(f"its aliases expand to more than {MAX_EXPANDED} values", root.line)
        line = root.line if root is not None else self.lines.at(start)
        found = Document(self.index, start, end, line, root, targets=self.targets)
        self.index += 1
        self.begin()
        return found


def _read(text: str, start: int, end: int, index: int, lines: _Lines) -> list[Document]:
    builder = _Builder(text, start, end, index, lines)
    documents: list[Document] = []
    try:
        if builder.chunk.startswith(BOM):
            raise _BrokenError("a second byte order mark", lines.at(start))
        documents.extend(builder.documents())
    except _BrokenError as broken:
        documents.append(_failed(builder, str(broken), broken.line))
    except yaml.MarkedYAMLError as broken:
        mark = broken.problem_mark or broken.context_mark
        line = builder.line(mark) if mark is not None else builder.first_line
        why = " ".join(part for part in (broken.context, broken.problem) if part)
        documents.append(_failed(builder, why, line))
    except yaml.reader.ReaderError as broken:
        read = builder.chunk.encode("utf-8")[: broken.position]
        line = lines.at(start) + read.count(b"\n")
        documents.append(_failed(builder, f"the character #x{broken.character:04x} is not allowed", line))
    return documents


def _failed(builder: _Builder, why: str, line: int) -> Document:
    start, end = builder.base, builder.base + len(builder.chunk)
    return Document(builder.index, start, end, builder.lines.at(start), None, why, line)


def expanded_size(root: Node, targets: dict[int, Node]) -> int:
    """How many values there are once every alias is written out, without writing any out."""
    known: dict[int, int] = {}  # start of a node that an alias means -> its size

    def size(node: Node) -> int:
        if isinstance(node, Scalar):
            return 1
        if isinstance(node, Alias):
            target = targets[node.start]
            if target.start not in known:
                known[target.start] = size(target)
            return known[target.start]
        if isinstance(node, Mapping):
            return 1 + sum(size(key) + size(value) for key, value in node.pairs)
        return 1 + sum(size(item) for item in node.items)

    return size(root)

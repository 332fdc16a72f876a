"""Reads text into a tree of spans, each document alone.

Built from libyaml's events, because its composer hides where an alias stands, and is no faster once
its depth is bounded.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Container, Iterator
from typing import Any, cast

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

from reconciler.source.yamledit.splitting import split
from reconciler.source.yamledit.templates import template_line
from reconciler.source.yamledit.tree import BOM, Alias, Document, Mapping, Node, Scalar, Sequence

MAX_CHARACTERS = 8_000_000
MAX_DEPTH = 200
MAX_EXPANDED = 1_000_000


def parse(text: str) -> tuple[Document, ...]:
    """All documents of a text, each read alone: a broken one doesn't hide the others."""
    return _parse(text, None)


def parse_some(text: str, wanted: Container[int]) -> tuple[Document, ...]:
    """As `parse`, but documents other than the wanted may be left unread, with an error that says so."""
    return _parse(text, wanted)


def _parse(text: str, wanted: Container[int] | None) -> tuple[Document, ...]:
    if len(text) > MAX_CHARACTERS:
        error = f"the file has more than {MAX_CHARACTERS} characters"
        return (Document(0, 0, len(text), 1, None, error, 1),)
    lines = _Lines(text)
    documents: list[Document] = []
    line, counted = 1, 0
    for index, (start, end) in enumerate(split(text)):
        if wanted is not None and index not in wanted:
            documents.append(Document(index, start, end, 0, None, "it was not asked for"))
            continue
        line, counted = line + text.count("\n", counted, start), start
        documents.append(_read(_Builder(text, start, end, index, line, lines)))
    if "{{" in text or "{%" in text:
        return tuple(found if found.line == 0 else _marked(text, found) for found in documents)
    return tuple(documents)


def _marked(text: str, found: Document) -> Document:
    line = template_line(text, found)
    return found._replace(template=line) if line else found


class _Lines:
    """Offset -> line, made only where libyaml's own count can't be used."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._starts: list[int] | None = None

    def at(self, offset: int) -> int:
        if self._starts is None:
            self._starts = [0, *(found.end() for found in re.finditer("\n", self.text))]
        return bisect_right(self._starts, offset)


class _BrokenError(Exception):
    """The text is YAML, but not YAML that anyone should read: where, and why."""

    def __init__(self, why: str, line: int) -> None:
        super().__init__(why)
        self.line = line


def _too_deep(line: int) -> _BrokenError:
    return _BrokenError(f"nested deeper than {MAX_DEPTH} levels", line)


class _Builder:
    """Turns the events of one document's text into a tree."""

    def __init__(self, text: str, start: int, end: int, index: int, line: int, lines: _Lines) -> None:
        self.chunk = chunk = text[start:end]
        self.base = start
        self.index = index
        self.lines = lines
        # libyaml also ends lines at these; an editor and Git do not
        odd = "\x85" in chunk or "\u2028" in chunk or "\u2029" in chunk
        odd = odd or ("\r" in chunk and "\r" in chunk.replace("\r\n", ""))
        self.first_line = 0 if odd else line
        self.begins = line
        self.anchors: dict[str, Node | None] = {}  # None while its collection is still open
        self.targets: dict[int, Node] = {}

    def line(self, mark: Any) -> int:
        return self.first_line + mark.line if self.first_line else self.lines.at(self.base + mark.index)

    def documents(self) -> Iterator[Document]:
        """The document, and whatever else libyaml finds there; raises where it can't be read.

        One flat loop on purpose: most of the time of an edit goes into it, and calls cost a third more.
        """
        base, first_line, start = self.base, self.first_line, self.base
        open_end = -1 if self.chunk.endswith("\n") else base + len(self.chunk)
        new, next_event = tuple.__new__, cast("Callable[[], Any]", CParser(self.chunk).get_event)
        siblings: list[Node] = []  # children, so far, of the innermost open collection
        stack: list[tuple[list[Node], Any]] = []  # the siblings of each open collection, and its event
        node: Node
        while (event := next_event()) is not None:
            kind = type(event)
            if kind is ScalarEvent:
                mark, tag, anchor = event.start_mark, event.tag or "", event.anchor or ""
                line = first_line + mark.line if first_line else self.line(mark)
                at, end = base + mark.index, base + event.end_mark.index
                if at == open_end:  # libyaml takes an end without a line break for one line more
                    line = self.lines.at(at)
                node = new(Scalar, (at, end, line, event.value, event.style or "", tag, anchor))
                siblings.append(node)
                if anchor:
                    self.anchors[anchor] = node
            elif kind is MappingStartEvent or kind is SequenceStartEvent:
                stack.append((siblings, event))
                siblings = []
                if len(stack) > MAX_DEPTH:
                    raise _too_deep(self.line(event.start_mark))
                if event.anchor:
                    self.anchors[event.anchor] = None
            elif kind is MappingEndEvent or kind is SequenceEndEvent:
                children, end = siblings, base + event.end_mark.index
                siblings, event = stack.pop()
                mark, flow, tag, anchor = (
                    event.start_mark,
                    event.flow_style,
                    event.tag or "",
                    event.anchor or "",
                )
                line = first_line + mark.line if first_line else self.line(mark)
                at, end = base + mark.index, end if flow or not children else children[-1].end
                if kind is MappingEndEvent:
                    turns = iter(children)
                    pairs = tuple(zip(turns, turns))  # noqa: B905 (always even; strict is slower)
                    node = new(Mapping, (at, end, line, flow, anchor, tag, pairs))
                else:
                    node = new(Sequence, (at, end, line, flow, anchor, tag, tuple(children)))
                siblings.append(node)
                # an inner anchor of the same name came later, and is what aliases from here on mean
                if anchor and self.anchors[anchor] is None:
                    self.anchors[anchor] = node
            elif kind is AliasEvent:
                siblings.append(self._alias(event))
            elif kind is DocumentEndEvent:
                end = base + event.end_mark.index
                yield self._finish(start, end, siblings.pop())
                start = end

    def _alias(self, event: Any) -> Alias:
        mark, name = event.start_mark, event.anchor
        if name not in self.anchors:
            raise _BrokenError(f"the alias *{name} has no anchor before it", self.line(mark))
        target = self.anchors[name]
        if target is None:
            raise _BrokenError(f"the alias *{name} stands inside of what it means", self.line(mark))
        node = Alias(self.base + mark.index, self.base + event.end_mark.index, self.line(mark), name)
        self.targets[node.start] = target
        return node

    def _finish(self, start: int, end: int, root: Node) -> Document:
        targets = self.targets
        if targets and expanded_size(root, targets) > MAX_EXPANDED:
            raise _BrokenError(f"its aliases expand to more than {MAX_EXPANDED} values", root.line)
        shared = frozenset(target.start for target in targets.values())
        found = Document(self.index, start, end, root.line, root, targets=targets, shared=shared)
        self.anchors, self.targets = {}, {}
        return found


def _read(builder: _Builder) -> Document:
    """The one document of a text. What is none, or more to libyaml than to who counts lines, is an error."""
    found: Document | None = None
    try:
        if builder.chunk.startswith(BOM):
            raise _BrokenError("a second byte order mark", builder.begins)
        for document in builder.documents():
            if found is not None:
                raise _BrokenError("a second document begins without a line `---` before it", document.line)
            found = document
        if found is None:
            raise _BrokenError("there is no document in it", builder.begins)
    except (_BrokenError, yaml.YAMLError) as broken:
        why, line = _complaint(builder, broken)
        start, end = builder.base, builder.base + len(builder.chunk)
        return Document(builder.index, start, end, builder.begins, None, why, line)
    return found


def _complaint(builder: _Builder, broken: Exception) -> tuple[str, int]:
    """What is wrong, and in which line."""
    if isinstance(broken, _BrokenError):
        return str(broken), broken.line
    if isinstance(broken, yaml.reader.ReaderError):
        read = builder.chunk.encode("utf-8")[: broken.position]
        line = builder.begins + read.count(b"\n")
        return f"the character #x{broken.character:04x} is not allowed", line
    mark = getattr(broken, "problem_mark", None) or getattr(broken, "context_mark", None)
    line = builder.lines.at(builder.base + mark.index) if mark is not None else builder.begins
    parts = (getattr(broken, "context", None), getattr(broken, "problem", None))
    return " ".join(part for part in parts if part) or "it is no YAML", line


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
            return 1 + sum([size(key) + size(value) for key, value in node.pairs])
        return 1 + sum([size(item) for item in node.items])

    return size(root)

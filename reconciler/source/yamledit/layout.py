"""The look of the text around an edit: its indentation, line ends, quotes and spaces."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from reconciler.model import Edit
from reconciler.source.yamledit.scalars import key_written
from reconciler.source.yamledit.tree import BOM, Mapping, Node, Scalar, Sequence

# What is to be made: written values by key, and more of the same below a key.
New = dict[str, "str | New"]


class Placed(NamedTuple):
    """An edit, and how deep it belongs: of two at one offset the deeper comes first."""

    depth: int
    edit: Edit


def line_start(text: str, offset: int) -> int:
    start = text.rfind("\n", 0, offset) + 1
    return 1 if start == 0 and text.startswith(BOM) else start


def line_end(text: str, offset: int) -> int:
    """Where the line of an offset ends, before its line break."""
    found = text.find("\n", offset)
    end = len(text) if found < 0 else found
    return end - 1 if end > offset and text[end - 1] == "\r" else end


def column(text: str, offset: int) -> int:
    return offset - line_start(text, offset)


def line_break(text: str, offset: int) -> str:
    """The line break that the lines around an offset end with."""
    at = text.find("\n", offset)
    if at < 0:
        at = text.rfind("\n")
    return "\r\n" if at > 0 and text[at - 1] == "\r" else "\n"


def margin(text: str, offset: int) -> str:
    """The blanks that the line of an offset begins with."""
    start = line_start(text, offset)
    line = text[start : line_end(text, start)]
    return line[: len(line) - len(line.lstrip(" \t"))]


def last_leaf(node: Node) -> Node:
    """The node that a collection in block style ends with."""
    while isinstance(node, Mapping | Sequence) and not node.flow:
        children = node.items if isinstance(node, Sequence) else tuple(value for _, value in node.pairs)
        if not children:
            break
        node = children[-1]
    return node


def last_line_end(text: str, node: Node) -> int:
    """The end of the last line that belongs to a node, its end-of-line comment included."""
    leaf = last_leaf(node)
    if not isinstance(leaf, Scalar) or leaf.style not in ("|", ">"):
        return line_end(text, leaf.end)
    body = text[leaf.start : leaf.end]
    if "+" in body.partition("\n")[0].partition("#")[0]:  # then blank lines after it are its value
        return leaf.start + len(body.removesuffix("\n").removesuffix("\r"))
    return leaf.start + len(body.rstrip("\r\n"))


def indent_of(text: str, mapping: Mapping) -> int:
    return column(text, mapping.pairs[0][0].start)


def step(text: str, parents: Iterable[Node]) -> int:
    """How far a mapping below a mapping is indented: as its nearest neighbours are."""
    for parent in reversed(tuple(parents)):
        neighbours = parent.items if isinstance(parent, Sequence) else (parent,)
        for node in neighbours:
            if isinstance(node, Mapping) and not node.flow and (found := _step_within(text, node)):
                return found
    return 2


def _step_within(text: str, mapping: Mapping) -> int:
    for key, value in mapping.pairs:
        if isinstance(value, Mapping) and not value.flow and value.pairs:
            return indent_of(text, value) - column(text, key.start)
    return 0


class Flow(NamedTuple):
    """How flow style, `{a: 1}`, is written in one place."""

    json: bool  # keys and text in double quotes
    colon: str
    comma: str
    pad: str  # within the braces

    def mapping(self, new: New) -> str:
        pairs = (f"{self.key(name)}{self.colon}{self.value(value)}" for name, value in new.items())
        return "{" + self.pad + self.comma.join(pairs) + self.pad + "}"

    def lines(self, new: New, margin: str, unit: str, newline: str) -> str:
        """One pair a line, as pretty JSON is."""
        pairs = []
        for name, value in new.items():
            if isinstance(value, dict):
                inner = self.lines(value, margin + unit, unit, newline)
                value = "{" + newline + inner + newline + margin + "}"
            pairs.append(f"{margin}{self.key(name)}{self.colon}{value}")
        return f",{newline}".join(pairs)

    def key(self, name: str) -> str:
        return key_written(name, quotes=self.json)

    def value(self, value: str | New) -> str:
        return value if isinstance(value, str) else self.mapping(value)


def flow_style(text: str, parents: Iterable[Node]) -> Flow:
    """The flow style of the nearest neighbours that show one."""
    chain = tuple(node for node in parents if isinstance(node, Mapping | Sequence))
    root_is_flow = bool(chain) and chain[0].flow
    for node in reversed(chain):
        if isinstance(node, Mapping) and node.flow and node.pairs:
            key, value = node.pairs[0]
            json = all(isinstance(name, Scalar) and name.style == '"' for name, _ in node.pairs)
            spaced = text[key.end : value.start].rstrip("\r\n") != ":"
            pad = " " if text[node.start + 1 : node.start + 2] == " " else ""
            comma = _comma(text, node)
            return Flow(json, ": " if spaced or not json else ":", comma or (", " if spaced else ","), pad)
    return Flow(root_is_flow, ": ", ", ", "")


def _comma(text: str, mapping: Mapping) -> str:
    """How the first two pairs of a mapping are kept apart; "" where that can't be told."""
    if len(mapping.pairs) < 2:
        return ""
    between = text[mapping.pairs[0][1].end : mapping.pairs[1][0].start]
    return between if between in (",", ", ") else ""


def block_lines(new: New, indent: int, step: int, *, quotes: bool) -> list[str]:
    """Block style, one line a key."""
    lines: list[str] = []
    for name, value in new.items():
        head = " " * indent + key_written(name, quotes=quotes) + ":"
        if isinstance(value, str):
            lines.append(f"{head} {value}")
        else:
            lines.append(head)
            lines.extend(block_lines(value, indent + step, step, quotes=quotes))
    return lines

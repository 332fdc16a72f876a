"""YAML inside YAML: the text of a literal block (`values: |`), and where its characters really stand."""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import NamedTuple

from reconciler.model import Edit, Reason, Refused
from reconciler.source.yamledit import layout
from reconciler.source.yamledit.tree import Node, Scalar

_HEADER = re.compile(r"(?:[&!]\S*[ \t]+)*\|[+-]?[ \t]*(?:#[^\n]*)?\r?\n")


class Block(NamedTuple):
    """The text inside a literal block, without its indentation."""

    text: str
    starts: tuple[int, ...]  # of its lines, inside
    offsets: tuple[int, ...]  # of the same lines, outside
    indent: str
    newline: str

    def offset(self, inside: int) -> int:
        at = bisect_right(self.starts, inside) - 1
        return self.offsets[at] + inside - self.starts[at]

    def outside(self, edit: Edit) -> Edit:
        """The same edit in the file that holds the block."""
        new = edit.text.replace("\n", self.newline + self.indent)
        return Edit(self.offset(edit.start), self.offset(edit.end), new)


def block(text: str, node: Node | None) -> Block | Refused:
    """The inside of a literal block, or why it has none that can be edited."""
    if not isinstance(node, Scalar) or node.style != "|":
        line = node.line if node is not None else 0
        style = node.style if isinstance(node, Scalar) and node.style else "no block"
        return Refused(Reason.BLOCK_SCALAR, f"line {line} is no literal block (`|`) but {style}")
    header = _HEADER.match(text, node.start)
    if header is None:
        return Refused(Reason.BLOCK_SCALAR, f"line {node.line} gives its block an indentation of its own")
    found = _read(text, header.end(), node.end)
    # what comes after the last line that holds something is up to the `-` or `+` of the header
    if found is None or found.text.rstrip("\n") != node.value.rstrip("\n"):
        return Refused(
            Reason.BLOCK_SCALAR, f"line {node.line} begins a block that can't be read line by line"
        )
    return found


def _read(text: str, start: int, end: int) -> Block | None:
    raw = (
        text[start:end].splitlines(keepends=True) if "\n" not in text[start:end] else _lines(text[start:end])
    )
    indent = next((line[: len(line) - len(line.lstrip(" "))] for line in raw if line.strip(" \r\n")), None)
    if indent is None:
        return None
    inner: list[str] = []
    starts: list[int] = []
    offsets: list[int] = []
    at, inside = start, 0
    for line in raw:
        body = line.removesuffix("\n").removesuffix("\r")
        cut = min(len(indent), len(body) - len(body.lstrip(" ")))
        ended = "\n" if line.endswith("\n") else ""
        starts.append(inside)
        offsets.append(at + cut)
        inner.append(body[cut:] + ended)
        inside += len(inner[-1])
        at += len(line)
    newline = layout.line_break(text, start)
    return Block("".join(inner), tuple(starts), tuple(offsets), indent, newline)


def _lines(text: str) -> list[str]:
    lines = text.split("\n")
    return [line + "\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])

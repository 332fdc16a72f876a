"""YAML text as a tree of spans: what stands where, to the character.

Built from libyaml's events, because its composer hides where an alias stands. Offsets count code
points of the whole text and lines count "\\n" from 1, so that both mean what an editor shows.
Nothing here resolves a value: `yes`, `1e3` and `~` stay the text that they are.
"""

from __future__ import annotations

from typing import NamedTuple

from reconciler.model import Reason, Refused

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
    shared: frozenset[int] = frozenset()  # starts of the nodes that aliases mean
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

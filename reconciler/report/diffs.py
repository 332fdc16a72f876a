"""Unified diffs of proposals, as every other tool prints them."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable

from reconciler.model import FileChange


def unified(changes: Iterable[FileChange], context: int = 3) -> str:
    """One diff over all the files, in the form `git apply` takes."""
    return "".join(_one(change, context) for change in sorted(changes))


def shown(text: str) -> str:
    """One line of text from outside as a terminal may be given it: a terminal obeys control
    characters, a reader is misled by marks that turn the direction or have no width, and a line
    break would begin a line that looks like ours."""
    return "".join(_visible(mark) for mark in text)


def shown_lines(text: str) -> str:
    """The same for text of several lines."""
    return "\n".join(shown(line) for line in text.split("\n"))


def _visible(mark: str) -> str:
    if mark == "\t" or unicodedata.category(mark)[0] not in "CZ" or mark == " ":
        return mark
    return " " if unicodedata.category(mark) == "Zs" else "\N{REPLACEMENT CHARACTER}"


def _one(change: FileChange, context: int) -> str:
    before, after = _lines(change.before), _lines(change.after)
    lines = difflib.unified_diff(before, after, f"a/{change.path}", f"b/{change.path}", n=context)
    return "".join(
        line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines
    )


def _lines(data: bytes) -> list[str]:
    """Split at line feeds alone, as Git does; a carriage return belongs to its line."""
    lines = data.decode("utf-8", "replace").split("\n")
    last = lines.pop()
    return [f"{line}\n" for line in lines] + ([last] if last else [])

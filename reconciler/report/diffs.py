"""Unified diffs of proposals, as every other tool prints them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

from reconciler.model import FileChange

# A terminal obeys these, and a file may hold anything.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def unified(changes: Iterable[FileChange], context: int = 3) -> str:
    """One diff over all the files, in the form `git apply` takes."""
    return "".join(_one(change, context) for change in sorted(changes))


def shown(text: str) -> str:
    """Text from outside as a terminal may be given it."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)


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

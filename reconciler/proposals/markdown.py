"""Text from outside, made harmless inside Markdown.

Names come from manifests and metrics, and anybody may have written those: no mention, no issue
reference, no HTML, no link and no broken table may come of them.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

_ACTIVE = re.compile(r"([\\`*_\[\]<>#|~$&])")
_SIGIL = re.compile(r"([@#!~%&$^])(?=\w)")  # what some forge makes a mention or a reference of
_ADDRESS = re.compile(
    r"(?i)(?:(?<![a-z0-9])(?:https?|ftp|www|mailto|xmpp)(?=[:.])|:(?=//)|(?<![a-z0-9])GH-(?=\d))"
)
_SKIP = re.compile(r"(?i)\[(?=\s*(?:skip|no|ci|actions)\b)")  # [skip ci] of a message: no checks are begun
_LEADING = re.compile(r"([-+=/]|\d+(?=[.)]))")  # of a line: a list, a heading, or a command of a forge
_LONGEST_RUN = re.compile("`+")
_WORD_JOINER = "\u2060"
_LONGEST_LINE = 2_000


def code(text: str) -> str:
    """As a code span that also survives in a table cell."""
    inside = one_line(text).replace("`", "'").replace("|", "¦").replace("<!", f"<{_WORD_JOINER}!")
    return f"`{inside}`" if inside else "–"


def prose(text: str) -> str:
    """As words that no forge turns into anything."""
    still = _ACTIVE.sub(r"\\\1", _SIGIL.sub(rf"\1{_WORD_JOINER}", one_line(text)))
    still = _ADDRESS.sub(lambda found: found[0] + _WORD_JOINER, still)
    return f"{_WORD_JOINER}{still}" if _LEADING.match(still) else still


def fenced(language: str, lines: Iterable[str]) -> str:
    """Lines as they are, in a block that none of them can end."""
    shown = [_visible(line)[:_LONGEST_LINE].rstrip() for line in lines]
    longest = max((len(run) for line in shown for run in _LONGEST_RUN.findall(line)), default=0)
    fence = "`" * max(3, longest + 1)
    return "\n".join([f"{fence}{language}", *shown, fence])


def plain(text: str) -> str:
    """Where nobody makes mark-up of it: without the joiners that keep names from being mentions."""
    return text.replace(_WORD_JOINER, "")


def still(text: str) -> str:
    """As plain words in a title or a commit message: no mark-up counts there, but references are obeyed,
    also by address (`fixes https://...`, `fixes GH-1`), and so is what keeps checks from beginning."""
    shown = _SIGIL.sub(rf"\1{_WORD_JOINER}", one_line(text))
    for obeyed in (_ADDRESS, _SKIP):
        shown = obeyed.sub(lambda found: found[0] + _WORD_JOINER, shown)
    return shown


def one_line(text: str, limit: int = 300) -> str:
    """Without control, format and line characters; shortened."""
    shown = " ".join(_visible(text).split())
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def _visible(text: str) -> str:
    """On one line, and without what shows nothing or turns the direction of reading."""
    if text.isprintable():  # nearly all there is, and the same question at once
        return text
    return "".join(" " if unicodedata.category(mark)[0] in "CZ" else mark for mark in text)

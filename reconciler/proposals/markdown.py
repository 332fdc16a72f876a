"""Text from outside, made harmless inside Markdown.

Names come from manifests and metrics, and anybody may have written those: no mention, no issue
reference, no HTML, no link and no broken table may come of them.
"""

from __future__ import annotations

import re
import unicodedata

_ACTIVE = re.compile(r"([\\`*_\[\]<>#|~$&])")
_SIGIL = re.compile(r"([@#!~%&$^])(?=\w)")  # what some forge makes a mention or a reference of
_WORD_JOINER = "\u2060"


def code(text: str) -> str:
    """As a code span that also survives in a table cell."""
    inside = one_line(text).replace("`", "'").replace("|", "\\|").replace("<!", f"<{_WORD_JOINER}!")
    return f"`{inside}`" if inside else "–"


def prose(text: str) -> str:
    """As words that no forge turns into anything."""
    still = _ACTIVE.sub(r"\\\1", _SIGIL.sub(rf"\1{_WORD_JOINER}", one_line(text)))
    return re.sub(r"(?i)\b(https?|www)(?=[:.])", lambda found: found[0] + _WORD_JOINER, still)


def plain(text: str) -> str:
    """Where nobody makes mark-up of it: without the joiners that keep names from being mentions."""
    return text.replace(_WORD_JOINER, "")


def still(text: str) -> str:
    """As plain words in a title or a commit message, where no mark-up but references are obeyed."""
    return _SIGIL.sub(rf"\1{_WORD_JOINER}", one_line(text))


def one_line(text: str, limit: int = 300) -> str:
    """Without control, format and line characters; shortened."""
    shown = "".join(" " if unicodedata.category(mark)[0] in "CZ" else mark for mark in text)
    shown = " ".join(shown.split())
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"

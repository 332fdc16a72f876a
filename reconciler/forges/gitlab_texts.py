"""Words as GitLab takes and gives them.

A line of a description or a note that begins with `/close`, `/merge` and the like is an order to
GitLab, given in the name of whoever writes. What we write holds names that others chose, so such a
slash gets a backslash, which nobody sees; it is taken off again where we read.
"""

from __future__ import annotations

import re
from typing import Final

_ORDER: Final = re.compile(r"^([ \t]*)(\\*/[A-Za-z])", re.MULTILINE)
_KEPT: Final = re.compile(r"^([ \t]*)\\(\\*/[A-Za-z])", re.MULTILINE)
_DRAFT: Final = re.compile(r"\A\s*(?:\[draft\]|\(draft\)|draft:|\[wip\]|wip:)\s*", re.IGNORECASE)
_MOST_TITLE: Final = 255
_MOST_LABEL: Final = 255


def written(text: str) -> str:
    return _ORDER.sub(r"\1\\\2", text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", ""))


def read(text: str) -> str:
    return _KEPT.sub(r"\1\2", text.replace("\r\n", "\n"))


def title(text: str) -> str:
    return " ".join(text.replace("\0", "").split())[:_MOST_TITLE].rstrip()


def without_draft(text: str) -> str:
    return _DRAFT.sub("", text)


def label(text: str) -> str:
    """GitLab separates labels by commas, and has none with a comma in it."""
    return " ".join(text.replace(",", " ").replace("\0", "").split())[:_MOST_LABEL].rstrip()

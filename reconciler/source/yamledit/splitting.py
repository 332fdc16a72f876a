"""Where the documents of a text begin. The only place that counts them, so that all counts agree."""

from __future__ import annotations

import re

from reconciler.source.yamledit.tree import BOM

_BREAKS = "\r\n\x85\u2028\u2029"
_AFTER_MARKER = frozenset(("", " ", "\t", *_BREAKS))
_COMMENTS = re.compile(rf"(?: *+(?:#[^{_BREAKS}]*+)?[{_BREAKS}])*+ *+(?:#[^{_BREAKS}]*+)?")
# %YAML and %TAG, which stand before the `---` of their document, with comments and empty lines around.
_DIRECTIVES = re.compile(r"(?: *+(?:#[^\n]*+|\r)?\n)*+%[^\n]*+\n(?:(?:%[^\n]*+| *+(?:#[^\n]*+|\r)?)\n)*+")


def split(text: str) -> list[tuple[int, int]]:
    """Where each document's text starts and ends, its `---` included; a document's number is its position.

    Decided by lines alone, without a parser: a line that starts with `---` and a blank ends whatever
    is open, block scalars and quotes included. So a document that can't be read still is one, and
    shifts no number; whoever reads it has to find exactly one document, or none may be changed.
    Comments above the first `---` are no document.
    """
    start = 1 if text.startswith(BOM) else 0
    found: list[tuple[int, int]] = []
    directives = "\n%" in text or text.startswith("%", start)
    at = text.find("\n---", start)
    while at >= 0:
        if text[at + 4 : at + 5] in _AFTER_MARKER:
            end = _before_directives(text, start, at + 1) if directives else at + 1
            if start < end:
                found.append((start, end))
                start = end
        at = text.find("\n---", at + 4)
    found.append((start, len(text)))
    if not text.startswith("---", found[0][0]) and _COMMENTS.fullmatch(text, *found[0]):
        del found[0]
    return found


def _before_directives(text: str, start: int, end: int) -> int:
    """Where a document ends whose successor begins with directives: at its `...`, or before it began."""
    dots = text.rfind("\n...", start, end)
    after = start if dots < 0 else text.index("\n", dots + 1) + 1
    return after if _DIRECTIVES.fullmatch(text, after, end) else end

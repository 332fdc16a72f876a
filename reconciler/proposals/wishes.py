"""What people ask for by ticking a box in a body or on the dashboard.

A box is a task of a list with a comment that people don't see: it names the wish and the key it is
about, so words around it may change and be translated. A forge that has no boxes to click on shows
the same line, and whoever may edit the text may write the x.
"""

from __future__ import annotations

import re
from enum import StrEnum


class Wish(StrEnum):
    REBASE = "rebase"  # build the branch anew, whatever is on it
    FREEZE = "freeze"  # touch it no more
    OPEN = "open"  # now, in spite of schedule and limits
    APPROVE = "approve"  # what waits for somebody's word
    FORGET = "forget"  # take back a "no"


_BOX = re.compile(
    r" {0,3}[-*+] \[([ xX])\] <!-- reconcile:("
    + "|".join(wish.value for wish in Wish)
    + r") ([A-Za-z0-9._/%-]{1,1200}) -->(?: .*)?"
)
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})(.*)")
_SAFE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._/-")


def box(wish: Wish, key: str, ticked: bool = False) -> str:
    """The beginning of a line; a space and the words for people follow."""
    return f"- [{'x' if ticked else ' '}] <!-- reconcile:{wish.value} {_written(key)} -->"


def ticked(body: str) -> frozenset[tuple[Wish, str]]:
    """Whose box is ticked. Lines of a fenced block are quoted text, and nobody's wish."""
    found = set()
    fence = ""
    for line in body.splitlines():
        border = _FENCE.fullmatch(line)
        if fence:
            if border and border[1].startswith(fence) and not border[2].strip():
                fence = ""
        elif border and not (border[1][0] == "`" and "`" in border[2]):
            fence = border[1]
        else:
            asked = _BOX.fullmatch(line)
            key = _read(asked[3]) if asked and asked[1] != " " else None
            if asked and key is not None:
                found.add((Wish(asked[2]), key))
    return frozenset(found)


def _written(key: str) -> str:
    """Without anything that would end the comment, or the line."""
    shown = "".join(
        mark if mark in _SAFE else "".join(f"%{byte:02X}" for byte in mark.encode("utf-8", "surrogatepass"))
        for mark in key
    )
    shown = shown.replace("--", "-%2D")
    return f"{shown[:-1]}%2D" if shown.endswith("-") else shown


def _read(written: str) -> str | None:
    """The key again; None where nobody has written it with `box`."""
    try:
        raw = re.sub(rb"%([0-9A-F]{2})", lambda found: bytes([int(found[1], 16)]), written.encode("ascii"))
        key = raw.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return None
    return key if _written(key) == written else None

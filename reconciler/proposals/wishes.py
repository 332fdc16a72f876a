"""What people ask for by ticking a box in a body or on the dashboard.

A box is a task of a list with a comment that people don't see: it names the wish and the key it is
about, so words around it may change and be translated. A forge that has no boxes to click on shows
the same line, and whoever may edit the text may write the x.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import date
from enum import StrEnum
from typing import NamedTuple

from reconciler.model import MergeRequest
from reconciler.proposals.memo import find


class Wish(StrEnum):
    REBASE = "rebase"  # build the branch anew, whatever is on it
    FREEZE = "freeze"  # touch it no more
    OPEN = "open"  # now, in spite of schedule and limits
    APPROVE = "approve"  # what waits for somebody's word
    FORGET = "forget"  # take back a "no"


# The same as labels, on the request itself. They stay where people set them, but for a rebase.
LABELS = {"reconcile:rebase": Wish.REBASE, "reconcile:freeze": Wish.FREEZE}
_UNTIL = re.compile(r"reconcile:reject-until/(\d{4}-\d{2}-\d{2})")

_BOX = re.compile(
    r" {0,3}[-*+] \[([ xX])\] <!-- reconcile:("
    + "|".join(wish.value for wish in Wish)
    + r") ([A-Za-z0-9._/%-]{1,1200}) -->(?: .*)?"
)
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})(.*)")
_EPOCH = date(1970, 1, 1).toordinal()
_SAFE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._/-")


def box(wish: Wish, key: str, ticked: bool = False) -> str:
    """The beginning of a line; a space and the words for people follow."""
    return f"- [{'x' if ticked else ' '}] <!-- reconcile:{wish.value} {_written(key)} -->"


def ticked(body: str) -> frozenset[tuple[Wish, str]]:
    """Whose box is ticked."""
    return frozenset((found.wish, found.key) for found in boxes(body) if found.ticked)


class Box(NamedTuple):
    line: str
    wish: Wish
    key: str
    ticked: bool


def boxes(body: str) -> Iterator[Box]:
    """All there are. Lines of a fenced block are quoted text, and nobody's wish."""
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
            key = _read(asked[3]) if asked else None
            if asked and key is not None:
                yield Box(line, Wish(asked[2]), key, asked[1] != " ")


def label_of(wish: Wish) -> str:
    """The label that asks for the same; "" where there is none."""
    return next((label for label, meant in LABELS.items() if meant is wish), "")


def in_words(body: str) -> str:
    """For whom no box is drawn: what each asks for stands beside it."""
    for found in boxes(body):
        mark, _, rest = found.line.partition("<!--")
        words = rest.partition("-->")[2].strip()
        body = body.replace(found.line, f"{mark}{found.wish.value}={found.key} {words}".rstrip())
    return body


def carried(body: str, wishes: Iterable[Wish], key: str) -> str:
    """The body with the boxes of these wishes ticked: a new text unticks no box that still holds."""
    for wish in wishes:
        body = body.replace(box(wish, key), box(wish, key, ticked=True))
    return body


def reject_until(labels: Iterable[str]) -> int:
    """The first moment after the latest day on which a "no" holds by a label; 0 when none says so."""
    found = [0]
    for label in labels:
        said = _UNTIL.fullmatch(label)
        try:
            day = date.fromisoformat(said[1]) if said else None
        except ValueError:  # no day of any calendar
            continue
        if day is not None:
            found.append((day.toordinal() - _EPOCH + 1) * 86_400)
    return max(found)


def asked(requests: Iterable[MergeRequest], page: str = "") -> frozenset[tuple[Wish, str]]:
    """All wishes: on the dashboard, and on the requests of ours, about their own key alone.

    Of those that have ended only the newest of each branch is asked, and only for a "no" taken back.
    """
    wishes = set(ticked(page))
    newest: dict[str, MergeRequest] = {}
    for request in requests:
        if request.branch not in newest or newest[request.branch].number < request.number:
            newest[request.branch] = request
    for request in newest.values():
        memo = find(request.body)
        if memo is None:
            continue
        found = ticked(request.body)
        if request.state == "open":
            wishes |= {(wish, key) for wish, key in found if key == memo.key}
            wishes |= {(LABELS[label], memo.key) for label in request.labels if label in LABELS}
        elif request.state == "closed":
            wishes |= {(Wish.FORGET, memo.key)} & found
    return frozenset(wishes)


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

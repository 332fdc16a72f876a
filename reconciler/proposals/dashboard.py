"""The dashboard: one page a repository that says what there is to do, and takes people's word. Pure.

Nothing on it moves by itself: no time of the run, no count of days. So it is written only when there is
something new to say.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

from reconciler import money
from reconciler.model import Amount, Reason
from reconciler.proposals.markdown import code, prose
from reconciler.proposals.surface import size
from reconciler.proposals.wishes import Wish, box, carried

TOPIC: Final = "dashboard"
_MOST: Final = (500, 200, 100, 50, 20, 10, 3, 0)  # rows of each section, the most that fit
_LINK: Final = re.compile(r"https?://[A-Za-z0-9._~:/?#\[\]@!$&'*+,;=%-]{1,1000}")
_WAITS: Final = {
    Reason.QUEUED: "In the queue",
    Reason.NOT_SCHEDULED: "Until the schedule opens",
    Reason.SYNC_WINDOW: "Until Argo CD's sync windows open",
}
_ASKS: Final = {
    Wish.APPROVE: "Open what you tick: a policy wants somebody's word first.",
    Wish.OPEN: "Tick one and it is opened by the next run, in spite of schedule and limits.",
    Wish.FORGET: "Closed without a merge. Tick one to take that back: it may be proposed again.",
    Wish.REBASE: "Tick one and its branch is built anew; what people wrote there is put aside first.",
}


class Entry(NamedTuple):
    """One merge request, there or to be."""

    key: str
    title: str
    url: str = ""
    number: int = 0
    note: str = ""
    ask: Wish | None = None  # what its box asks for; None for none


class Refusals(NamedTuple):
    """Values that are kept for one reason."""

    reason: Reason
    values: int
    examples: tuple[str, ...]


class Overview(NamedTuple):
    """All that the page says of one repository."""

    open: tuple[Entry, ...] = ()
    approvals: tuple[Entry, ...] = ()
    waiting: tuple[tuple[Reason, tuple[Entry, ...]], ...] = ()
    rejected: tuple[Entry, ...] = ()
    refused: tuple[Refusals, ...] = ()
    saved: tuple[Amount, ...] = ()  # a month, by what was merged
    offered: tuple[Amount, ...] = ()  # by what is open


def topic_of(base: str, default_base: str) -> str:
    """Each branch that is deployed has a page of its own."""
    return TOPIC if base == default_base else f"{TOPIC}-{base}"


def dashboard(overview: Overview, limit: int, ticked: Iterable[tuple[Wish, str]] = ()) -> str:
    """The text, with as many rows as the forge takes. Boxes that are ticked and still asked stay ticked."""
    asked = sorted(ticked)
    text = ""
    for most in _MOST:
        text = "\n\n".join(filter(None, _sections(overview, most))) + "\n"
        for wish, key in asked:
            text = carried(text, [wish], key)
        if size(text) <= limit:
            return text
    return text[:limit]


def dated(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d")


def _sections(overview: Overview, most: int) -> Iterator[str]:
    waiting = [entry for _, entries in overview.waiting for entry in entries]
    told = [f"{len(overview.open)} open", f"{len(waiting) + len(overview.approvals)} waiting"]
    told.append(f"{len(overview.rejected)} rejected")
    sums = _sums("Saved so far", "Added so far", overview.saved)
    sums += _sums("On offer", "What is open costs", overview.offered)
    yield f"**{', '.join(told)}.**{sums}"
    yield _section("Waiting for your word", overview.approvals, most)
    yield _section("Open", overview.open, most)
    for reason, entries in overview.waiting:
        yield _section(_WAITS.get(reason, f"Waiting: {reason.value}"), entries, most)
    yield _section("Rejected", overview.rejected, most)
    yield _refused(overview.refused, most)


def _sums(saves: str, costs: str, amounts: Sequence[Amount]) -> str:
    """Raises may cost more than all savings give back: that is said, not shown as a negative saving."""
    told = ""
    for words, sign in ((saves, 1), (costs, -1)):
        some = [Amount(abs(each.millionths), each.currency) for each in amounts if sign * each.millionths > 0]
        told += f" {words}: {prose(', '.join(map(money.words, some)))} a month." if some else ""
    return told


def _section(head: str, entries: Sequence[Entry], most: int) -> str:
    if not entries:
        return ""
    asks = dict.fromkeys(entry.ask for entry in entries if entry.ask is not None)
    lines = [_line(entry) for entry in entries[:most]]
    if len(entries) > most:
        lines.append(f"- … and {len(entries) - most} more")
    return "\n".join([f"### {head}", "", *(f"{_ASKS[ask]}" for ask in asks), *([""] if asks else []), *lines])


def _line(entry: Entry) -> str:
    head = "-" if entry.ask is None else box(entry.ask, entry.key)
    title = prose(entry.title) or code(entry.key)
    linked = bool(_LINK.fullmatch(entry.url))
    shown = f"[{title}](<{entry.url}>)" if linked else title
    number = f" ({entry.number})" if entry.number else ""
    note = f": {prose(entry.note)}" if entry.note else ""
    return f"{head} {shown}{number}{note}"


def _refused(refused: Sequence[Refusals], most: int) -> str:
    if not refused:
        return ""
    rows = ["### Kept as they are", "", "| reason | values | for example |", "| --- | ---: | --- |"]
    for one in sorted(refused, key=lambda each: (-each.values, each.reason)):
        examples = ", ".join(map(code, one.examples)) if most else ""
        rows.append(f"| {one.reason.value} | {one.values} | {examples} |")
    return "\n".join(rows)

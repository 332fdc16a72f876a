"""A text of sections, made to fit: what matters least goes first, then rows, and it says so.

The verdict, the controls and what the bot remembers always stand. Every section is measured once, so
the time grows with the text alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from reconciler.proposals.surface import size

ALWAYS: Final = 0
_BETWEEN: Final = "\n\n"
_NOTE: Final = "*Left out or shortened, as no longer text is taken here: {}.*"


class Section(NamedTuple):
    """A part of a body. With rows it can be cut; `more` is said of those that are missing."""

    name: str  # as the note on what was left out has it
    weight: int  # 0 stands whatever happens; the higher, the sooner it goes
    head: str
    rows: tuple[str, ...] = ()
    tail: str = ""
    more: str = ""  # with {n}
    missing: int = 0  # rows that were never made


def fitted(sections: Sequence[Section], limit: int) -> str:
    """All of them in their order, or as much as the limit takes."""
    there = [section for section in sections if section.head or section.rows or section.tail]
    whole = [_text(section, len(section.rows)) for section in there]
    room = limit + len(_BETWEEN) - 1  # between the parts, and the end of the last line
    if sum(map(_cost, whole)) <= room:
        return _BETWEEN.join(whole) + "\n"
    told: dict[int, str] = {at: whole[at] for at, one in enumerate(there) if one.weight == ALWAYS}
    note = _NOTE.format(", ".join(one.name for one in there if one.weight != ALWAYS))
    left = room - _cost(note) - sum(map(_cost, told.values()))
    lost: list[str] = []
    for at in sorted(range(len(there)), key=lambda at: (there[at].weight, at)):
        if at in told:
            continue
        text = whole[at] if _cost(whole[at]) <= left else _cut(there[at], left)
        if text != whole[at]:
            lost.append(there[at].name)
        if text:
            told[at] = text
            left -= _cost(text)
    parts = [told[at] for at in sorted(told)]
    if lost:
        parts.insert(len(parts) - 1, _NOTE.format(", ".join(lost)))  # what is remembered stays the last
    return _BETWEEN.join(parts) + "\n"


def _cost(text: str) -> int:
    return size(text) + len(_BETWEEN)


def _cut(section: Section, left: int) -> str:
    """With as many rows as fit; "" when none does."""
    room = left - _cost(_text(section._replace(missing=10**9), 0))
    shown = 0
    for row in section.rows:
        room -= size(row) + 1
        if room < 0:
            break
        shown += 1
    return _text(section, shown) if shown and section.more else ""


def _text(section: Section, shown: int) -> str:
    missing = section.missing + len(section.rows) - shown
    more = (section.more.format(n=f"{missing:,}"),) if missing and section.more else ()
    return "\n".join(part for part in (section.head, *section.rows[:shown], *more, section.tail) if part)

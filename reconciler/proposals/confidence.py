"""How sure a change is, in a word and the figures behind it: history, samples, and what could go wrong."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Final, NamedTuple

from reconciler.model import Change, Consumer, Risk, Usage

LONG: Final = 14  # days after which both weekends of a fortnight were seen
SHORT: Final = 7
WELL: Final = 950  # permille of the samples that there should be
THIN: Final = 800


class Level(StrEnum):
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Confidence(NamedTuple):
    level: Level
    why: str


def confidence(change: Change) -> Confidence:
    """That of the one of whom least is known, for a shared line is theirs as well."""
    fed, twins = change.evidence.fed, change.evidence.twins
    counted = _measured(fed) or _measured(twins)
    if not counted:
        return Confidence(Level.LOW, "nothing was measured")
    days = min(len(usage.days) for usage in counted)
    covered = min(usage.coverage_permille for usage in counted)
    told = [f"{days} day{'' if days == 1 else 's'}", f"{covered // 10} % of samples"]
    doubts = _doubts(change, counted)
    risk = change.worth.risk if change.worth is not None else Risk.LOW
    if doubts or days < SHORT or covered < THIN:
        level = Level.LOW
    elif days >= LONG and covered >= WELL and risk is not Risk.HIGH:
        level = Level.HIGH
    else:
        level = Level.MEDIUM
    return Confidence(level, ", ".join([*told, *doubts]))


def overall(changes: Iterable[Change]) -> Confidence | None:
    """The lowest of them; None for images, of which nothing is measured."""
    found = [confidence(change) for change in changes]
    return max(found, key=lambda one: [*Level].index(one.level), default=None)


def _measured(consumers: Iterable[Consumer]) -> list[Usage]:
    return [one.usage for one in consumers if isinstance(one.usage, Usage)]


def _doubts(change: Change, counted: Iterable[Usage]) -> list[str]:
    evidence = change.evidence
    found = ["taken from twins"] if evidence.twins else []
    if any(not isinstance(one.usage, Usage) for one in evidence.fed) and not evidence.twins:
        found.append("of some nothing was measured")
    if any(usage.owner_guessed for usage in counted):
        found.append("owner guessed by name")
    if any(usage.incomplete for usage in counted):
        found.append("a part could not be read")
    return found

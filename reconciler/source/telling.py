"""What is told of units beside their rows: which are kept and why, summed up where many share one cause."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from reconciler.model import Note, Reason, Refused
from reconciler.source.units import Unit

UNIT: Final = "unit"  # what such a note is about
_MOST_NAMED: Final = 3
_MOST_CAUSES: Final = 5  # of one reason


def kept_units(units: Iterable[tuple[Unit, Refused | None]]) -> Iterator[Note]:
    """The units that nothing can be said of, by cause."""
    causes: dict[Reason, dict[Refused, list[Unit]]] = {}
    for unit, why in units:
        if why is not None:
            causes.setdefault(why.reason, {}).setdefault(why, []).append(unit)
    for reason, units_of in causes.items():
        by_size = sorted(units_of.items(), key=lambda each: -len(each[1]))
        told = by_size if len(by_size) <= _MOST_CAUSES + 1 else by_size[:_MOST_CAUSES]
        for cause, alike in told:
            yield _note(alike, f"{cause.detail} ({reason})")
        if rest := [unit for _, alike in by_size[len(told) :] for unit in alike]:
            yield _note(rest, f"each has a cause of its own, which `reconcile scan` names ({reason})")


def _note(units: Sequence[Unit], words: str) -> Note:
    first = units[0]
    if len(units) == 1:
        told = f"the unit {first.name} is kept as it is: {words}"
    else:
        told = f"{len(units)} units are kept as they are: {words}: {some([unit.name for unit in units])}"
    return Note(UNIT, told, first.repository, first.path, first.line)


def some(names: Sequence[str]) -> str:
    """The first few of many names."""
    left = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {left} more" if left > 0 else "")

"""The other way round: from a line of a file to every container that it feeds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import takewhile
from typing import NamedTuple

from reconciler.model import ContainerRef, Discovery, Slot, containers


class Controlled(NamedTuple):
    """One value that a line sets, or that would be added below it."""

    slot: Slot
    consumers: tuple[ContainerRef, ...]
    units: tuple[str, ...]

    @property
    def is_set(self) -> bool:
        return self.slot.value is not None


def controlled(found: Discovery, path: str, lines: range) -> list[Controlled]:
    """What some lines of a file control, each place once, in the order of the file."""
    held: dict[tuple[object, ...], tuple[Slot, dict[ContainerRef, None], dict[str, None]]] = {}
    for workload, container in containers(found.workloads):
        for slot in container.slots:
            if slot.place.path != path or slot.line not in lines or is_nowhere(slot):
                continue
            _, refs, units = held.setdefault((slot.place, slot.field), (slot, {}, {}))
            refs.update(dict.fromkeys((container.ref, *slot.consumers)))
            units[workload.unit] = None
    all_of = [Controlled(slot, tuple(sorted(refs)), tuple(units)) for slot, refs, units in held.values()]
    return sorted(
        all_of, key=lambda one: (one.slot.line, not one.is_set, one.slot.place.keys, one.slot.field)
    )


def is_nowhere(slot: Slot) -> bool:
    """A value that no place is known of names its unit's file, which doesn't control it."""
    return slot.refused is not None and not slot.place.keys and not slot.place.inner


def block(text: str, line: int) -> range:
    """A line with all that is indented below it."""
    lines = text.splitlines()
    own = _indent(lines[line - 1])
    below = takewhile(lambda one: not one.strip() or _indent(one) > own, lines[line:])
    return range(line, line + 1 + sum(1 for _ in below))


def _indent(line: str) -> int:
    """How deep a line stands; the dash of an item belongs to what the item holds."""
    bare = line.lstrip(" ")
    return len(line) - len(bare) if bare else 0


def nearest(found: Discovery, path: str, line: int) -> Sequence[int]:
    """The lines of a file that set something, those close to a line first."""
    known: Iterable[int] = {
        slot.line
        for _, container in containers(found.workloads)
        for slot in container.slots
        if slot.place.path == path and slot.value is not None and not is_nowhere(slot)
    }
    return sorted(known, key=lambda one: (abs(one - line), one))

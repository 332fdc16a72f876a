"""Containers of one pod that one autoscaler counts: what changes of them in a run is one change.

Each is decided by itself first. Where several of them move the same target, each is decided once more,
knowing of the others: the target is worked out for all, and every one of them comes to the same change.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from reconciler.model import (
    Beside,
    Change,
    ChangeClass,
    Decision,
    Evidence,
    Keep,
    NewValue,
    Place,
    Reason,
)
from reconciler.sizing.decide import decide
from reconciler.sizing.hpa import AUTOSCALER

_SAFETY_FIRST: Final = (ChangeClass.SAFETY, ChangeClass.SAVINGS)


class Decided(NamedTuple):
    evidence: Evidence
    rows: tuple[Decision, ...]


class _Part(NamedTuple):
    """A change of what an autoscaler counts, and the position of its evidence."""

    at: int
    change: Change

    @property
    def request(self) -> Place:
        return self.change.values[0].slot.place

    @property
    def targets(self) -> list[Place]:
        """Of all that count this request, whether or not this change alone moves them."""
        fed = self.change.values[0].slot.consumers
        counting = (one.targets for one in self.change.evidence.consumers if one.ref in fed)
        found = (slot for slots in counting for slot in slots if slot.field.resource == self.resource)
        return list(dict.fromkeys(slot.place for slot in found))

    @property
    def resource(self) -> str:
        return self.change.values[0].slot.field.resource

    @property
    def rank(self) -> tuple[int, Place]:
        return _SAFETY_FIRST.index(self.change.klass), self.request


def decide_all(found: Sequence[Evidence]) -> list[Decided]:
    """Each evidence with what is decided on it, in its order."""
    decided = [Decided(one, decide(one)) for one in found]
    changes = (
        _Part(at, row) for at, one in enumerate(decided) for row in one.rows if isinstance(row, Change)
    )
    waiting: dict[tuple[int, str], Keep] = {}
    for group in _groups([part for part in changes if part.targets]):
        joined = _joined(decided, group)
        if joined is None:
            waiting.update(_later(group))
        else:
            for at, one in joined.items():
                decided[at] = one
    return [
        one._replace(rows=tuple(_waits(row, waiting, at) for row in one.rows)) if waiting else one
        for at, one in enumerate(decided)
    ]


def _waits(row: Decision, waiting: Mapping[tuple[int, str], Keep], at: int) -> Decision:
    return waiting.get((at, row.values[0].slot.field.resource), row) if isinstance(row, Change) else row


def _groups(parts: Sequence[_Part]) -> Iterator[list[_Part]]:
    """Those with a target in common; one line that several evidences tell of is one request."""
    leads: dict[Place, Place] = {}  # from each target to another of its group, or to itself

    def leader(place: Place) -> Place:
        while leads.setdefault(place, place) != place:
            leads[place] = leads[leads[place]]
            place = leads[place]
        return place

    aimed = [(part, part.targets) for part in parts]
    for _, targets in aimed:
        for place in targets[1:]:
            leads[leader(place)] = leader(targets[0])
    groups: dict[Place, list[_Part]] = {}
    for part, targets in aimed:
        groups.setdefault(leader(targets[0]), []).append(part)
    for group in groups.values():
        if len({part.request for part in group}) > 1:
            yield sorted(group, key=lambda part: (part.rank, part.at))


def _others(part: _Part, group: Iterable[_Part]) -> list[Beside]:
    """The other requests of the group, each once."""
    others = {one.request: one.change for one in group if one.request != part.request}
    return [
        Beside(
            tuple(value for value in change.values if not value.slot.field.is_target),
            change.klass,
            f"{min(change.values[0].slot.consumers)}: {_alone(change)}",
            change.worth,
        )
        for _, change in sorted(others.items())
    ]


def _alone(change: Change) -> str:
    """Its reason, without the target that it would have alone."""
    told = next((stage.words for stage in change.stages if stage.name == AUTOSCALER), "")
    return change.because.removesuffix(f"; {told}")


def _joined(decided: Sequence[Decided], group: Sequence[_Part]) -> dict[int, Decided] | None:
    """Each decided knowing of the others; None where that comes to different changes."""
    joined: dict[int, Decided] = {}
    outcomes = set()
    for part in group:
        own = decided[part.at].evidence
        knowing = own._replace(beside=(*own.beside, *_others(part, group)))
        joined[part.at] = Decided(knowing, decide(knowing))
        outcomes.add(next((_edits(row) for row in joined[part.at].rows if _is(row, part)), None))
    return joined if len(outcomes) == 1 and None not in outcomes else None


def _is(row: Decision, part: _Part) -> bool:
    return isinstance(row, Change) and row.values[0].slot == part.change.values[0].slot


def _edits(row: Decision) -> frozenset[tuple[Place, str]]:
    values: tuple[NewValue, ...] = row.values if isinstance(row, Change) else ()
    return frozenset((value.slot.place, value.new) for value in values)


def _later(group: Sequence[_Part]) -> Iterator[tuple[tuple[int, str], Keep]]:
    """All but the first wait for the next run: what is short of something goes first."""
    first = group[0]
    for part in group:
        if part.request != first.request:
            own = part.change.values[0]
            words = (
                f"the autoscaler that counts it also counts {min(first.change.values[0].slot.consumers)}, "
                f"which changes first; later it would become {own.new}"
            )
            keep = Keep(own.slot, Reason.SCALED_TOGETHER, words, part.change.stages)
            yield (part.at, part.resource), keep

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
    alone = [decide(one) for one in found]
    changes = (_Part(at, row) for at, rows in enumerate(alone) for row in rows if isinstance(row, Change))
    parts = [part for part in changes if part.targets]
    beside: dict[int, list[Beside]] = {}
    waiting: dict[tuple[int, str], Keep] = {}
    for group in _groups(parts):
        joined = {part.at: _others(part, group) for part in group}
        if _agree(found, group, joined):
            for at, others in joined.items():
                beside.setdefault(at, []).extend(others)
        else:
            waiting.update(_later(group))
    return [
        _decided(one, rows, beside.get(at, ()), waiting, at)
        for at, (one, rows) in enumerate(zip(found, alone, strict=True))
    ]


def _decided(
    one: Evidence,
    rows: tuple[Decision, ...],
    beside: Sequence[Beside],
    waiting: Mapping[tuple[int, str], Keep],
    at: int,
) -> Decided:
    if beside:
        one = one._replace(beside=tuple(beside))
        rows = decide(one)
    return Decided(one, tuple(_waits(row, waiting, at) for row in rows))


def _waits(row: Decision, waiting: Mapping[tuple[int, str], Keep], at: int) -> Decision:
    return waiting.get((at, row.values[0].slot.field.resource), row) if isinstance(row, Change) else row


def _groups(parts: Sequence[_Part]) -> Iterator[list[_Part]]:
    """Those with a target in common; one line that several evidences tell of is one request."""
    group_of: dict[Place, list[_Part]] = {}
    for part in parts:
        known = [group_of[place] for place in part.targets if place in group_of]
        merged = list(dict.fromkeys([*(one for group in known for one in group), part]))
        moved = (place for one in merged for place in one.targets)
        group_of.update(dict.fromkeys(moved, merged))
    for group in {id(group): group for group in group_of.values()}.values():
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


def _agree(found: Sequence[Evidence], group: Sequence[_Part], joined: Mapping[int, list[Beside]]) -> bool:
    """Whether all of them come to one and the same change."""
    outcomes = set()
    for part in group:
        rows = decide(found[part.at]._replace(beside=tuple(joined[part.at])))
        outcomes.add(next((_edits(row) for row in rows if _is(row, part)), None))
    return len(outcomes) == 1 and None not in outcomes


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

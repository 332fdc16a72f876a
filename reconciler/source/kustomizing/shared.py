"""Places that several units render, such as those of a base: everyone they feed, in all clusters."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from reconciler.model import ContainerRef, Place, Slot
from reconciler.source.kustomizing.overlay import OVERLAY
from reconciler.source.kustomizing.traced import Traced

_Fed = dict[tuple[object, ...], list[ContainerRef]]


def merge_shared(traced: Sequence[Traced]) -> list[Traced]:
    """The same, with every slot's consumers completed by those in other units.

    A value that is set nowhere is added beside its container only where no other overlay takes that in;
    else in a patch of the overlay's own.
    """
    tops: dict[tuple[str, str], set[Place]] = {}
    for one in traced:
        if one.overlay is not None:
            for path in one.paths:
                tops.setdefault((one.overlay.repository, path), set()).add(one.overlay)
    moved = [_moved(one, tops) for one in traced]
    fed: _Fed = {}
    for _, ref, slot in _slots(moved):
        everyone = fed.setdefault(_key(slot, ref), [])
        everyone += [other for other in slot.consumers if other not in everyone]
    return [_completed(one, fed) for one in moved]


def _moved(one: Traced, tops: dict[tuple[str, str], set[Place]]) -> Traced:
    """Values that are set nowhere, from a base of several overlays to the overlay."""

    def moved(slot: Slot, ref: ContainerRef) -> Slot:
        lone = slot.value is not None or len(tops.get((slot.place.repository, slot.place.path), ())) < 2
        if lone or one.overlay is None:
            return slot
        line = one.overlay_line
        return Slot(one.overlay, line, slot.field, None, (ref,), OVERLAY, one.unit.refused)

    return _each(one, moved)


def _completed(one: Traced, fed: _Fed) -> Traced:
    def completed(slot: Slot, ref: ContainerRef) -> Slot:
        return slot._replace(consumers=tuple(sorted(fed[_key(slot, ref)])))

    return _each(one, completed)


def _key(slot: Slot, ref: ContainerRef) -> tuple[object, ...]:
    """Whom one edit feeds. Of a patch that is still to be made: the same container in other clusters."""
    if slot.how_traced == OVERLAY:
        return (slot.place, slot.field, *ref[2:])
    return (slot.place, slot.field)


def _slots(traced: Sequence[Traced]) -> Iterator[tuple[Traced, ContainerRef, Slot]]:
    for one in traced:
        for container in one.containers:
            for slot in container.slots:
                yield one, container.ref, slot


def _each(one: Traced, change: Callable[[Slot, ContainerRef], Slot]) -> Traced:
    containers = tuple(
        each._replace(slots=tuple(change(slot, each.ref) for slot in each.slots)) for each in one.containers
    )
    return one._replace(containers=containers)

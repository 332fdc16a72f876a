"""Values that a policy wants on top of where they are set: in the one unit's own last file, or a patch.

What such an edit feeds is the one unit alone, so its slots are moved before anything is decided.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace

from reconciler.model import Container, ContainerRef, Place, Slot, Workload
from reconciler.source import kustomizing
from reconciler.source.estate import Estate
from reconciler.source.kustomizing.overlay import OVERLAY, own_paths
from reconciler.source.looks import Look
from reconciler.source.render import KustomizeRequest
from reconciler.source.tracing import helm
from reconciler.source.tracing.charts import Keys
from reconciler.source.tracing.owners import Owner, Owners, shown

_Move = Callable[[Slot, ContainerRef], Slot]


def in_overlays(estate: Estate, wanted: Collection[ContainerRef]) -> Estate:
    """The same, with the slots of these containers where their own unit can set them."""
    private = _private(estate)
    moved: dict[tuple[ContainerRef, str], Container] = {}
    looks = []
    for look in estate.looks:
        containers = tuple(_each(look, wanted, private, estate))
        moved.update(((one.ref, look.unit.name), one) for one in containers if one.ref in wanted)
        look = _with_own_targets(look, wanted, private, estate)
        traced = look.traced._replace(containers=containers) if look.traced is not None else None
        looks.append(look._replace(traced=traced))
    discoveries = {
        name: replace(found, workloads=tuple(_moved(one, moved) for one in found.workloads))
        for name, found in estate.discoveries.items()
    }
    return estate._replace(looks=tuple(looks), discoveries=discoveries)


def _moved(workload: Workload, moved: Mapping[tuple[ContainerRef, str], Container]) -> Workload:
    containers = tuple(moved.get((one.ref, workload.unit), one) for one in workload.containers)
    return workload._replace(containers=containers)


def _each(
    look: Look, wanted: Collection[ContainerRef], private: Collection[Place], estate: Estate
) -> Iterator[Container]:
    if not any(one.ref in wanted for one in look.containers):
        yield from look.containers
        return
    move = _move(look, private, estate)
    for one in look.containers:
        chosen = one.ref in wanted
        yield one._replace(slots=tuple(move(slot, one.ref) for slot in one.slots)) if chosen else one


def _move(look: Look, private: Collection[Place], estate: Estate) -> _Move:
    if isinstance(look.traced, kustomizing.Traced):
        return _to_patch(look, look.traced)
    if isinstance(look.traced, helm.Traced):
        return _to_last_file(look, look.traced, private, estate)
    return lambda slot, ref: slot


def _to_patch(look: Look, traced: kustomizing.Traced) -> _Move:
    """A value that another's file sets is overridden by a patch of this kustomization."""
    request, overlay = look.unit.request, traced.overlay
    own = own_paths(request) if isinstance(request, KustomizeRequest) else frozenset()

    def move(slot: Slot, ref: ContainerRef) -> Slot:
        if overlay is None or slot.field.is_target or (slot.place.path in own and slot.refused is None):
            return slot  # a target stays where it is set: such patches are of containers
        refused = look.unit.refused
        return Slot(overlay, traced.overlay_line, slot.field, slot.value, (ref,), OVERLAY, refused)

    return move


def _to_last_file(look: Look, traced: helm.Traced, private: Collection[Place], estate: Estate) -> _Move:
    """A value that a shared file sets is set again in the last file that nobody else takes."""
    own = _OwnFile(look, private, estate)
    keys_of = {extra.place: extra.keys for extra in traced.extras if extra.place is not None}

    def move(slot: Slot, ref: ContainerRef) -> Slot:
        origin = traced.origins.get((ref, slot.field))
        keys = keys_of.get(slot.place) if slot.field.is_target else origin and origin.seen.candidate.keys
        owner = own.place(keys, slot.place) if keys and slot.refused is None else None
        if owner is None or not keys:
            return slot
        fed = [
            other
            for (other, field), known in traced.origins.items()
            if field is slot.field and known.seen.candidate.keys == keys
        ]
        if slot.field.is_target:
            fed = [one.ref for one in look.containers if slot in one.slots]
        how = f"{OVERLAY}: {shown(keys)}"
        return Slot(owner.place, owner.line, slot.field, slot.value, tuple(sorted(fed)), how)

    return move


class _OwnFile:
    """The last file of values that a chart's unit takes, and nobody else."""

    def __init__(self, look: Look, private: Collection[Place], estate: Estate) -> None:
        self._owners = Owners(look.unit, estate.read, overlay=True)
        self._layers = look.unit.layers
        self._private = private

    def place(self, keys: Keys, now: Place | None) -> Owner | None:
        """Where a value would be set there; None where it stands there already, or can't."""
        owner = self._owners.owner(keys)
        if owner.place == now or owner.refused is not None or owner.layer < 0:
            return None
        return owner if self._layers[owner.layer].place in self._private else None


def _with_own_targets(
    look: Look, wanted: Collection[ContainerRef], private: Collection[Place], estate: Estate
) -> Look:
    """The numbers behind the targets that move, at their new places."""
    traced = look.traced
    if not isinstance(traced, helm.Traced):
        return look
    aimed = {
        slot.place
        for one in look.containers
        for slot in one.slots
        if slot.field.is_target and slot.refused is None and one.ref in wanted
    }
    own, extras = _OwnFile(look, private, estate), []
    for extra in traced.extras:
        owner = own.place(extra.keys, extra.place) if extra.place in aimed and extra.keys else None
        extras.append(extra if owner is None else extra._replace(place=owner.place, line=owner.line))
    return look._replace(traced=traced._replace(extras=tuple(extras)))


def _private(estate: Estate) -> frozenset[Place]:
    """The places of values that a single unit takes."""
    uses = Counter(place for look in estate.looks for place in {layer.place for layer in look.unit.layers})
    return frozenset(place for place, times in uses.items() if times == 1)

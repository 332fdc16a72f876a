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
from reconciler.source.tracing.owners import Owners, shown

_Move = Callable[[Slot, ContainerRef], Slot]


def in_overlays(estate: Estate, wanted: Collection[ContainerRef]) -> Estate:
    """The same, with the slots of these containers where their own unit can set them."""
    private = _private(estate)
    moved: dict[tuple[ContainerRef, str], Container] = {}
    looks = []
    for look in estate.looks:
        containers = tuple(_each(look, wanted, private, estate))
        moved.update(((one.ref, look.unit.name), one) for one in containers if one.ref in wanted)
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
        if overlay is None or (slot.place.path in own and slot.refused is None):
            return slot
        refused = look.unit.refused
        return Slot(overlay, traced.overlay_line, slot.field, slot.value, (ref,), OVERLAY, refused)

    return move


def _to_last_file(look: Look, traced: helm.Traced, private: Collection[Place], estate: Estate) -> _Move:
    """A value that a shared file sets is set again in the last file that nobody else takes."""
    owners = Owners(look.unit, estate.read, overlay=True)

    def move(slot: Slot, ref: ContainerRef) -> Slot:
        origin = traced.origins.get((ref, slot.field))
        if origin is None or slot.refused is not None:
            return slot
        keys = origin.seen.candidate.keys
        owner = owners.owner(keys)
        if owner.place == slot.place or owner.refused is not None or owner.layer < 0:
            return slot
        if look.unit.layers[owner.layer].place not in private:
            return slot
        fed = [
            other
            for (other, field), known in traced.origins.items()
            if field is slot.field and known.seen.candidate.keys == keys
        ]
        how = f"{OVERLAY}: {shown(keys)}"
        return Slot(owner.place, owner.line, slot.field, slot.value, tuple(sorted(fed)), how)

    return move


def _private(estate: Estate) -> frozenset[Place]:
    """The places of values that a single unit takes."""
    uses = Counter(place for look in estate.looks for place in {layer.place for layer in look.unit.layers})
    return frozenset(place for place, times in uses.items() if times == 1)

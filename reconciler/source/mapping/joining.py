"""Mapped containers beside those that were found in manifests, charts and overlays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reconciler.model import FIELDS, Container, Key, Place, Reason, Refused, Slot, Workload

_POLICY = "ImagePolicy"
_Name = tuple[str, str, str, str]
_Spot = tuple[str, str, int, tuple[Key, ...], tuple[Key, ...]]


def joined(found: Sequence[Workload], mapped: Sequence[Workload]) -> tuple[Workload, ...]:
    """Both, each workload once: a mapped container joins the workload that it is part of.

    What is traced keeps its place; a mapped value counts where nothing else can be edited. A line that
    Flux marks is its ImagePolicy's only while it is no traced container's.
    """
    places = {
        slot.place for each in found for one in each.containers for slot in one.slots if not slot.refused
    }
    flux = {
        slot.place: slot.refused
        for each in mapped
        if each.kind == _POLICY
        for one in each.containers
        for slot in one.slots
        if slot.refused is None or slot.refused.reason is Reason.WRITTEN_BY_FLUX
    }
    left = {_name(each): each for each in mapped if each.kind != _POLICY}
    joined = [_with(_written_by_flux(each, flux), left.pop(_name(each), None)) for each in found]
    policies = (_without(each, places) for each in mapped if each.kind == _POLICY)
    return (*joined, *left.values(), *(each for each in policies if each.containers))


def _name(workload: Workload) -> _Name:
    return (workload.cluster, workload.namespace, workload.kind, workload.name)


def _with(own: Workload, more: Workload | None) -> Workload:
    if more is None:
        return own
    added = {each.ref.container: each for each in more.containers}
    containers = [_merged(each, added.pop(each.ref.container, None)) for each in own.containers]
    return own._replace(containers=(*containers, *added.values()))


def _merged(own: Container, more: Container | None) -> Container:
    if more is None:
        return own
    targets = (slot for slot in own.slots if slot.field.is_target)
    fields = map(_better, own.slots[: len(FIELDS)], more.slots)
    return own._replace(slots=(*fields, *targets))


def _better(own: Slot, more: Slot) -> Slot:
    """The mapped value where the other can't be edited, and the mapped one says anything of it."""
    says = more.refused is None or more.refused.reason is not Reason.NOT_TRACED
    return more if own.refused is not None and says else own


def _written_by_flux(workload: Workload, flux: dict[Place, Refused | None]) -> Workload:
    if not any(flux.get(slot.place) for one in workload.containers for slot in one.slots):
        return workload
    return workload._replace(
        containers=tuple(one._replace(slots=tuple(_kept(one, flux))) for one in workload.containers)
    )


def _kept(container: Container, flux: dict[Place, Refused | None]) -> Iterator[Slot]:
    for slot in container.slots:
        yield slot._replace(refused=slot.refused or flux.get(slot.place))


def _without(policy: Workload, places: set[Place]) -> Workload:
    """An ImagePolicy without the lines that are a traced container's."""
    left = tuple(
        each
        for each in policy.containers
        if not any(slot.place in places for slot in each.slots if slot.place.keys)
    )
    return policy._replace(containers=left)

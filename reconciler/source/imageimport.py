"""What other tools say of images, as drafts of policies for the containers that they say it of."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from reconciler.model import ContainerRef, Field, Place, Slot
from reconciler.source.estate import Estate
from reconciler.source.imageowners import Renovate, Standing
from reconciler.source.others import fluximages, imageupdater
from reconciler.source.others.names import name_of, shown
from reconciler.source.others.scanned import Scanned, scan
from reconciler.source.others.translated import Ruling, Setting, of_flux, of_image_updater, of_renovate
from reconciler.source.tracing.images import parts
from reconciler.source.typed import Thing, table_of, text

Check = Callable[[Mapping[str, Setting]], str]
_LONGEST: Final = 200
_MAGIC: Final = re.compile(r"[*?\[]")
_NOT_A_NAME: Final = re.compile(r"[^A-Za-z0-9._-]+")


class Draft(NamedTuple):
    """A policy to be: for whom, and what it says of images."""

    name: str
    match: tuple[tuple[str, tuple[str, ...]], ...]
    settings: tuple[tuple[str, Setting], ...]
    origin: str
    lost: tuple[str, ...]


class Left(NamedTuple):
    """What was not taken over, and why."""

    origin: str
    words: str


class Imported(NamedTuple):
    drafts: tuple[Draft, ...]
    left: tuple[Left, ...]


class _Pictured(NamedTuple):
    ref: ContainerRef
    slot: Slot


def imported(estate: Estate, check: Check, wanted: Collection[ContainerRef] | None = None) -> Imported:
    """For the wanted containers, or all. `check` tells why settings can't be used; "" where they can."""
    pictured = [
        _Pictured(one.ref, one.slot(Field.IMAGE))
        for found in estate.discoveries.values()
        for workload in found.workloads
        for one in workload.containers
        if one.slot(Field.IMAGE).value is not None
    ]
    left: dict[Left, None] = {}
    scanned = scan(estate)
    ruled: dict[ContainerRef, Ruling] = {}
    for ref, ruling in _rulings(estate, scanned, pictured, left):
        if wanted is not None and ref not in wanted:
            continue
        why = ruling.refused or check(dict(ruling.settings))
        if why:
            left[Left(ruling.origin, why)] = None
        elif not _is_sayable(ref):
            left[Left(ruling.origin, f"{shown(str(ref))} has a name that no policy can say")] = None
        elif (other := ruled.setdefault(ref, ruling)).origin != ruling.origin:
            left[Left(ruling.origin, f"{ref} is also ruled by {other.origin}, which was taken over")] = None
    drafts = list(_drafts(ruled, {one.ref for one in pictured}))
    return Imported(tuple(_named(drafts, ruled)), tuple(left))


def _rulings(
    estate: Estate, scanned: Scanned, pictured: Sequence[_Pictured], left: dict[Left, None]
) -> Iterator[tuple[ContainerRef, Ruling]]:
    yield from _of_image_updater(estate, scanned, left)
    standing = Standing(estate, scanned)
    yield from _of_flux(standing, pictured, left)
    updating = Renovate(standing)
    for one in pictured:
        found = updating.of(one.slot)
        if found is not None and found.manager:
            tag = parts(one.slot.value or "")[1]
            yield one.ref, of_renovate(found.config, found.place, found.manager, tag)


def _of_image_updater(
    estate: Estate, scanned: Scanned, left: dict[Left, None]
) -> Iterator[tuple[ContainerRef, Ruling]]:
    updaters = tuple(scanned.of("ImageUpdater"))
    for look in estate.looks:
        app = look.unit.application
        for rule in imageupdater.tracked(look.unit, updaters):
            ruling = of_image_updater(rule, app.name if app is not None else "")
            refs = [
                one.ref for one in look.containers if name_of(one.slot(Field.IMAGE).value or "") in rule.names
            ]
            if not refs:
                image = shown(rule.names[0])
                left[Left(ruling.origin, f"no container of {shown(look.unit.name)} has {image}")] = None
            yield from ((ref, ruling) for ref in refs)


def _of_flux(
    standing: Standing, pictured: Sequence[_Pictured], left: dict[Left, None]
) -> Iterator[tuple[ContainerRef, Ruling]]:
    places: dict[Place, list[ContainerRef]] = {}
    for one in pictured:
        places.setdefault(standing.of(one.slot)[0], []).append(one.ref)
    lines: dict[tuple[str, str], list[Place]] = {}
    for repository, path in sorted({(place.repository, place.path) for place in places}):
        for line in fluximages.marked(repository, path, standing.read(repository, path)):
            if line.part != "name" and line.place in places:
                lines.setdefault((line.namespace, line.policy), []).append(line.place)
    known = list(standing.scanned.of("ImageRepository"))
    for policy in standing.scanned.of("ImagePolicy"):
        ruling = of_flux(policy, _repository_of(policy, known))
        found = [
            place
            for (namespace, name), marked in lines.items()
            if name == policy.name and policy.namespace in ("", namespace)
            for place in marked
        ]
        if not found:
            left[Left(ruling.origin, "no line here is marked with it")] = None
        yield from ((ref, ruling) for place in found for ref in places[place])


def _repository_of(policy: Thing, known: Sequence[Thing]) -> Thing | None:
    ref = table_of(policy.body, "spec", "imageRepositoryRef")
    name, namespace = text(ref.get("name")), text(ref.get("namespace")) or policy.namespace
    same = (each for each in known if each.name == name)
    return next((each for each in same if not namespace or each.namespace in ("", namespace)), None)


# -- for whom -------------------------------------------------------------------------------------


def _drafts(
    ruled: Mapping[ContainerRef, Ruling], everyone: set[ContainerRef]
) -> Iterator[tuple[Ruling, Sequence[ContainerRef]]]:
    """Containers of one ruling as few policies, none of which means anybody else."""
    groups: dict[tuple[object, ...], list[ContainerRef]] = {}
    for ref in sorted(ruled):
        one = ruled[ref]
        groups.setdefault((one.origin, one.settings, one.lost), []).append(ref)
    for refs in groups.values():
        for exact in _split(refs, everyone):
            yield ruled[refs[0]], exact


def _split(refs: Sequence[ContainerRef], everyone: set[ContainerRef]) -> Iterator[Sequence[ContainerRef]]:
    match, mine = _match(refs), set(refs)
    meant = {one for one in everyone if _is_meant(match, one)}
    if meant <= mine or len({(one.namespace, one.kind, one.workload) for one in refs}) == 1:
        yield refs
        return
    by = "namespace" if len({one.namespace for one in refs}) > 1 else "workload"
    parted: dict[tuple[str, ...], list[ContainerRef]] = {}
    for one in refs:
        key = (one.namespace,) if by == "namespace" else (one.namespace, one.kind, one.workload)
        parted.setdefault(key, []).append(one)
    for some in parted.values():
        yield from _split(some, everyone)


def _match(refs: Sequence[ContainerRef]) -> dict[str, tuple[str, ...]]:
    said = {
        "clusters": {one.cluster for one in refs},
        "namespaces": {one.namespace for one in refs},
        "kinds": {one.kind for one in refs},
        "names": {one.workload for one in refs},
        "containers": {one.container for one in refs},
    }
    return {key: tuple(sorted(names)) for key, names in said.items() if "" not in names}


def _is_meant(match: Mapping[str, tuple[str, ...]], one: ContainerRef) -> bool:
    asked = {
        "clusters": one.cluster,
        "namespaces": one.namespace,
        "kinds": one.kind,
        "names": one.workload,
        "containers": one.container,
    }
    return all(asked[key] in names for key, names in match.items())


def _is_sayable(ref: ContainerRef) -> bool:
    return all(len(part) <= _LONGEST and part.isprintable() and part == part.strip() for part in ref)


def _literal(names: Iterable[str]) -> tuple[str, ...]:
    """As patterns that mean nothing but themselves."""
    return tuple(_MAGIC.sub(lambda at: f"[{at[0]}]", name) for name in names)


def _named(
    drafts: Sequence[tuple[Ruling, Sequence[ContainerRef]]], ruled: Mapping[ContainerRef, Ruling]
) -> Iterator[Draft]:
    taken: dict[str, int] = {}
    for ruling, refs in drafts:
        name = _NOT_A_NAME.sub("-", f"{ruling.tool}-{ruling.name}".strip("-"))[:50].strip("-._") or "images"
        taken[name] = taken.get(name, 0) + 1
        numbered = name if taken[name] == 1 else f"{name}-{taken[name]}"
        match = tuple((key, _literal(names)) for key, names in _match(refs).items())
        yield Draft(numbered, match, ruling.settings, ruling.origin, ruling.lost)

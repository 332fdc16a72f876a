"""Everything that the known repositories hold: manifests as they stand, and what is rendered of the rest.

`survey` finds the units, traces each, and completes what only all of them together can tell: everyone
whom a line feeds, in every unit and cluster, and what is defined more than once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from reconciler.model import (
    AS_IT_STANDS,
    Container,
    ContainerRef,
    Discovery,
    Failure,
    Field,
    FieldMapping,
    Note,
    Slot,
    UnitSeen,
    Workload,
)
from reconciler.source import kustomizing, relate, telling
from reconciler.source.cache import Cache
from reconciler.source.charts import ChartSource
from reconciler.source.comparing import Judge
from reconciler.source.compose import Places, UnitSetting
from reconciler.source.discover import (
    Shelf,
    as_they_stand,
    collector_paused,
    discovered,
    read_all,
)
from reconciler.source.finding import Found, find_units
from reconciler.source.judging import judged
from reconciler.source.kustomizing.overlay import OVERLAY
from reconciler.source.lines import is_nowhere
from reconciler.source.looks import Look, look_at, workloads_of
from reconciler.source.mapping import joined, mapped
from reconciler.source.memo import Memo
from reconciler.source.relate import Claims
from reconciler.source.remotes import GitSource
from reconciler.source.render import HelmRequest, Renderer
from reconciler.source.repositories import Known
from reconciler.source.settings import UnitSettings
from reconciler.source.standing import Standing
from reconciler.source.syncwindows import Project
from reconciler.source.units import Unit
from reconciler.source.voids import voided


class Land(NamedTuple):
    """One repository, with what the settings say of it."""

    known: Known
    places: tuple[UnitSetting, ...] = ()
    cache: Cache | None = None
    notes: tuple[Note, ...] = ()  # on what could not even be looked at
    mappings: tuple[FieldMapping, ...] = ()  # values that no manifest of a workload holds

    @property
    def name(self) -> str:
        return self.known.name


class Means(NamedTuple):
    """What a survey works with."""

    renderer: Renderer
    charts: ChartSource | None = None
    remotes: GitSource | None = None
    judge: Judge | None = None  # who knows what Argo CD renders
    workers: int = 1


class Estate(NamedTuple):
    """All of it. `looks` holds the units that are rendered, and none where everything stands as it is."""

    lands: tuple[Land, ...]
    settings: UnitSettings
    means: Means
    looks: tuple[Look, ...]
    discoveries: Mapping[str, Discovery]
    memo: Memo  # what need not be read again to find the units anew
    units: tuple[Unit, ...] = ()  # all of them, rendered or not
    projects: tuple[Project, ...] = ()  # of Argo CD, those with sync windows

    @property
    def only(self) -> Discovery:
        """What the only repository holds."""
        (found,) = self.discoveries.values()
        return found

    def read(self, repository: str, path: str) -> bytes | None:
        """A file of a repository; None where there is none."""
        return reader(self.lands)(repository, path)


def survey(
    lands: Sequence[Land],
    settings: UnitSettings,
    means: Means,
    step: Callable[[str, int], Callable[[int], None]] = lambda words, total: lambda done: None,
    failed: Sequence[Failure] = (),
    notes: Sequence[Note] = (),
) -> Estate:
    """`step` is told what is going on, and gives whom to tell how far it is."""
    with collector_paused():
        shelves = {land.name: read_all(land.known.snapshot, land.cache) for land in lands}
    memo = Memo()
    found = Found((), (), ())
    if settings.exported is not None or not all(shelf.is_plain for shelf in shelves.values()):
        known = [land.known for land in lands]
        found = find_units(known, settings, means.renderer, means.charts, means.remotes, memo)
    rendered = [unit for unit in found.units if unit.request is not None or unit.refused is not None]
    read = reader(lands)
    advance = step("Rendering and tracing", len(rendered))
    looks = look_at(rendered, means.renderer, read, means.workers, advance)
    committed = frozenset(land.name for land in lands if land.known.snapshot.commit)
    verdict = judged(found.units, looks, means.judge, means.renderer, read, committed)
    found, looks = found._replace(units=verdict.units), _merged_overlays(verdict.looks)
    everything = _everything(lands, settings, shelves, found, looks)
    whole = relate.scaled(relate.defined_once(everything.workloads), everything.claims)
    whole = voided(_complete(whole), found.units, looks, read)
    looks = _with_slots(looks, whole)
    whole, told = _with_mapped(lands, shelves, everything, whole)
    found = found._replace(failures=(*failed, *found.failures), notes=(*notes, *found.notes, *told))
    homes = _by_home(lands, shelves, whole, found, looks)
    return Estate(tuple(lands), settings, means, tuple(looks), homes, memo, found.units, found.projects)


def reader(lands: Sequence[Land]) -> Callable[[str, str], bytes | None]:
    """Reads files of repositories; None for where there is none."""
    entries: dict[str, dict[str, int]] = {}
    snapshots = {land.name: land.known.snapshot for land in lands}

    def read(repository: str, path: str) -> bytes | None:
        snapshot = snapshots.get(repository)
        if snapshot is None:
            return None
        listed = snapshot.entries()
        if repository not in entries:
            entries[repository] = {entry.path: at for at, entry in enumerate(listed)}
        at = entries[repository].get(path)
        return None if at is None else snapshot.read(listed[at])

    return read


# -- what there is ----------------------------------------------------------------------------


class _Everything(NamedTuple):
    """Every workload, every claim on one, and where the files of each repository are applied."""

    workloads: list[Workload]
    claims: list[Claims]
    places: dict[str, Places]


def _everything(
    lands: Sequence[Land],
    settings: UnitSettings,
    shelves: Mapping[str, Shelf],
    found: Found,
    looks: Sequence[Look],
) -> _Everything:
    workloads: list[Workload] = []
    claims: list[Claims] = []
    known: dict[str, Places] = {}
    clusters = [cluster.name for cluster in settings.clusters]
    for land in lands:
        places = Places(land.name, land.places, clusters)
        shelf = shelves[land.name]
        if found.units:
            standing = Standing(land.name, shelf, found.units, looks)
            workloads += standing.workloads()
            claims += standing.claims()
            places = standing.places(land.places, clusters)
        else:
            workloads += as_they_stand(shelf, places)
            claims += [
                Claims(places.where(path), path, facts, shelf.inputs.refusal(path))
                for path, facts in shelf.scaling()
            ]
        known[land.name] = places
    for look in looks:
        if look.traced is not None:
            workloads += workloads_of(look)
            claims += look.claims
    return _Everything(workloads, claims, known)


def _with_mapped(
    lands: Sequence[Land],
    shelves: Mapping[str, Shelf],
    everything: _Everything,
    workloads: list[Workload],
) -> tuple[list[Workload], list[Note]]:
    """And what no manifest of a workload holds: custom resources, annotations, marked lines."""
    notes: list[Note] = []
    for land in lands:
        shelf = shelves[land.name]
        found = mapped(shelf.snapshot, land.mappings, everything.places[land.name], shelf.layout)
        workloads = list(joined(workloads, relate.scaled(found.workloads, everything.claims)))
        notes += found.notes
    return workloads, notes


# -- what only all of them together can tell --------------------------------------------------


def _merged_overlays(looks: Sequence[Look]) -> list[Look]:
    """Overlays of one base know of each other: what is set nowhere is added in the overlay of its own."""
    at = [n for n, look in enumerate(looks) if isinstance(look.traced, kustomizing.Traced)]
    traced = [look.traced for look in looks if isinstance(look.traced, kustomizing.Traced)]
    merged = list(looks)
    for n, one in zip(at, kustomizing.merge_shared(traced), strict=True):
        merged[n] = looks[n]._replace(traced=one)
    return merged


_Fed = tuple[object, ...]


def _fed(slot: Slot, ref: ContainerRef) -> _Fed:
    """Whom one edit feeds. Of a patch that is still to be made: the same container in other clusters."""
    if slot.how_traced == OVERLAY:
        return (slot.place, slot.field, *ref[2:])
    return (slot.place, slot.field)


def _feeds(slot: Slot) -> bool:
    """Whether it is known who gets what stands there: not of text that can't be read, nor of no place."""
    return (slot.refused is None or slot.how_traced != AS_IT_STANDS) and not is_nowhere(slot)


def _complete(workloads: Sequence[Workload]) -> list[Workload]:
    """Every slot with everyone it feeds. A name stands twice where two units render the same."""
    fed: dict[_Fed, list[ContainerRef]] = {}
    for workload in workloads:
        for container in workload.containers:
            for slot in container.slots:
                if _feeds(slot):
                    fed.setdefault(_fed(slot, container.ref), []).append(container.ref)
    if all(len(everyone) == 1 for everyone in fed.values()):
        return list(workloads)
    return [
        workload._replace(containers=tuple(_fed_by(container, fed) for container in workload.containers))
        for workload in workloads
    ]


def _fed_by(container: Container, fed: Mapping[_Fed, Sequence[ContainerRef]]) -> Container:
    slots = []
    for slot in container.slots:
        everyone = fed.get(_fed(slot, container.ref), ()) if _feeds(slot) else ()
        slots.append(slot._replace(consumers=tuple(sorted(everyone))) if len(everyone) > 1 else slot)
    return container._replace(slots=tuple(slots))


def _with_slots(looks: Sequence[Look], workloads: Sequence[Workload]) -> list[Look]:
    """The looks with their containers as they are now known."""
    known: dict[tuple[str, str, str], dict[ContainerRef, Container]] = {}
    for workload in workloads:
        of_unit = known.setdefault((workload.repository, workload.path, workload.unit), {})
        of_unit.update((container.ref, container) for container in workload.containers)
    found = []
    for look in looks:
        traced, unit = look.traced, look.unit
        mine = known.get((unit.repository, unit.path, unit.name), {})
        if traced is not None:
            containers = tuple(mine.get(one.ref, one) for one in traced.containers)
            traced = traced._replace(containers=containers)
        found.append(look._replace(traced=traced))
    return found


# -- by repository ----------------------------------------------------------------------------


def _by_home(
    lands: Sequence[Land],
    shelves: Mapping[str, Shelf],
    workloads: Sequence[Workload],
    found: Found,
    looks: Sequence[Look],
) -> dict[str, Discovery]:
    """Each workload with the repository that its requests are edited in: there it is decided and proposed."""
    at_home: dict[str, list[Workload]] = {name: [] for name in shelves}
    for workload in workloads:
        home = _home(workload)
        known = next(name for name in (home, workload.repository, *at_home) if name in at_home)
        at_home[known].append(workload._replace(repository=known))
    result = {}
    for land in lands:
        name, shelf = land.name, shelves[land.name]
        plain = discovered(shelf, at_home[name])
        own = [look for look in looks if _is_of(look.unit.repository, name, shelves)]
        result[name] = Discovery(
            plain.repository,
            plain.commit,
            plain.workloads,
            (*plain.failures, *(one for one in found.failures if _is_of(one.repository, name, shelves))),
            (
                *land.notes,
                *plain.notes,
                *(one for one in found.notes if _is_of(one.repository, name, shelves)),
                *(one for one in relate.told_twice(workloads) if one.repository == name),
                *telling.kept_units((look.unit, look.refused) for look in own),
            ),
            {**plain.blobs, **_blobs(shelf, at_home[name], name)},
            tuple(map(_seen, own)),
        )
    return result


def _home(workload: Workload) -> str:
    """The repository that holds most of what sizing may change."""
    places = [
        slot.place.repository
        for container in workload.containers
        for slot in container.slots
        if slot.field is not Field.IMAGE
    ]
    return max(dict.fromkeys(places), key=places.count, default=workload.repository)


def _is_of(repository: str, name: str, shelves: Mapping[str, Shelf]) -> bool:
    """What lies in no known repository is told with the first: Applications that only Argo CD lists."""
    return repository == name or (repository not in shelves and name == next(iter(shelves)))


def _blobs(shelf: Shelf, workloads: Sequence[Workload], name: str) -> dict[str, str]:
    """The blobs of all files that hold a value."""
    wanted = {
        slot.place.path
        for workload in workloads
        for container in workload.containers
        for slot in container.slots
        if slot.how_traced != AS_IT_STANDS and slot.place.repository == name
    }
    if not wanted:
        return {}
    return {entry.path: entry.blob for entry in shelf.snapshot.entries() if entry.path in wanted}


def _seen(look: Look) -> UnitSeen:
    unit = look.unit
    kind = "helm" if isinstance(unit.request, HelmRequest) else "kustomize" if unit.request else ""
    return UnitSeen(
        unit.name,
        unit.repository,
        unit.path,
        unit.line,
        unit.cluster,
        unit.namespace,
        kind,
        look.renderer,
        len(look.containers),
        look.refused,
    )

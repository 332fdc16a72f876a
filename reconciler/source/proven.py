"""What written files do to all units: each is found anew, as Argo CD will find it after the merge, and what
it renders may differ from before in what was meant and nothing else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, NamedTuple

from reconciler.model import Container, ContainerRef, Entry, Field, NewValue, Reason, Refused
from reconciler.source import aiming
from reconciler.source.estate import Estate, Land
from reconciler.source.finding import find_units
from reconciler.source.inputs import inputs
from reconciler.source.judging import as_text
from reconciler.source.kustomizing import references
from reconciler.source.looks import Look
from reconciler.source.mapping import proving
from reconciler.source.mapping.traced import how
from reconciler.source.snapshot import FILE_MODE, Snapshot
from reconciler.source.tracing import edits, helm
from reconciler.source.tracing.owners import Read
from reconciler.source.tracing.proof import Intent, Spot, Verdict, differences, judge
from reconciler.source.tracing.rendered import WAYS, Render
from reconciler.source.tracing.wishes import becomes
from reconciler.source.units import Unit

FileKey = tuple[str, str]  # repository, path
Name = tuple[str | int, ...]
Units = dict[Name, Unit]

_FURTHER: Final = 3  # effects that are named
_DEFINITIONS: Final = frozenset(
    {
        ("argoproj.io", "Application"),
        ("helm.toolkit.fluxcd.io", "HelmRelease"),
        ("kustomize.toolkit.fluxcd.io", "Kustomization"),
    }
)


class Shown(NamedTuple):
    """What a unit's two renders showed."""

    unit: Unit
    renderer: str
    verdict: Verdict
    noise: int
    derived: tuple[edits.Derived, ...] = ()


class Trouble(NamedTuple):
    """Why the files can't be written so, and those of them that it has to do with."""

    why: Refused
    files: frozenset[FileKey]


class Case(NamedTuple):
    """Files as they would be written, and what that is meant to do."""

    estate: Estate
    read: Read  # as it was before
    written: Mapping[FileKey, bytes]
    edited: frozenset[FileKey]  # those of them whose values are not what a manifest says as it stands
    values: Sequence[NewValue]
    may_derive: Callable[[Sequence[NewValue]], bool]


def units_with(estate: Estate, written: Mapping[FileKey, bytes]) -> Units:
    """Every unit as it is with these files, by name."""
    known = []
    for land in estate.lands:
        own = {path: data for (name, path), data in written.items() if name == land.name}
        known.append(land.known._replace(snapshot=_Written(land, own)) if own else land.known)
    means = estate.means
    return named(
        find_units(known, estate.settings, means.renderer, means.charts, means.remotes, estate.memo).units
    )


def named(units: Iterable[Unit]) -> Units:
    """Those of one name are told apart by their turn."""
    found: Units = {}
    for unit in units:
        name: Name = (*_called(unit), 0)
        while name in found:
            name = (*_called(unit), int(name[-1]) + 1)
        found[name] = unit
    return found


def _called(unit: Unit) -> tuple[str, ...]:
    return (unit.repository, unit.path, unit.name, unit.cluster, unit.namespace)


def prove(case: Case, before: Units, after: Units) -> tuple[dict[int, Shown], list[Trouble]]:
    """What each look's unit shows, by the look's position, or what is wrong."""
    troubles = [*_came_and_went(case, before, after), *_standing(case, before, after)]
    if troubles:
        return {}, troubles
    looks = case.estate.looks
    names = list(named(look.unit for look in looks))
    consumers: dict[ContainerRef, list[NewValue]] = {}
    for value in case.values:
        for ref in dict.fromkeys(value.slot.consumers):
            consumers.setdefault(ref, []).append(value)
    now = [
        after.get(name, known.unit._replace(request=None)) for name, known in zip(names, looks, strict=True)
    ]
    touched = [at for at, known in enumerate(looks) if _is_touched(case, known, now[at], consumers)]

    definitions = _Definitions(after)

    def one(at: int) -> Shown | Refused | None:
        defined = definitions.rendered_by(now[at])
        return _Proof(case, looks[at], now[at], _meant_in(looks[at], consumers, case), defined).shown()

    with ThreadPoolExecutor(max(1, case.estate.means.workers), thread_name_prefix="prove") as pool:
        answers = list(pool.map(one, touched))
    shown: dict[int, Shown] = {}
    for at, answer in zip(touched, answers, strict=True):
        if isinstance(answer, Refused):
            files = inputs(looks[at].unit) | inputs(now[at])
            troubles.append(Trouble(answer, files & case.written.keys()))
        elif answer is not None:
            shown[at] = answer
    return shown, troubles


class _Definitions:
    """What defines units, and is itself rendered: what it deploys is proven in units of its own."""

    def __init__(self, units: Units) -> None:
        self._brought: dict[Name, set[str]] = {}  # by the unit that renders it
        self._written: dict[FileKey, set[str]] = {}  # by its file
        for unit in units.values():
            if unit.refused is None:
                name = unit.application.name if unit.application is not None else unit.name
                self._written.setdefault((unit.repository, unit.path), set()).add(name)
                if unit.parent is not None:
                    self._brought.setdefault(unit.parent.lineage, set()).add(name)

    def rendered_by(self, unit: Unit) -> frozenset[str]:
        """The names of those that a unit renders."""
        own = (unit.repository, unit.path)
        taken = (self._written.get(key, set()) for key in inputs(unit) if key != own)
        return frozenset(self._brought.get(unit.lineage, set()).union(*taken))


def _meant_in(known: Look, consumers: Mapping[ContainerRef, list[NewValue]], case: Case) -> list[NewValue]:
    """The values that the unit's own containers take; of mapped ones no render tells whose they are.

    Where two units render a container of one name, it is meant in those that take it from this place.
    """
    mine = [
        value
        for one in known.containers
        for value in consumers.get(one.ref, ())
        if _takes(one, value) or not _anyone_takes(case.estate.looks, one.ref, value)
    ]
    mapped = [value for value in case.values if how(value.slot) is not None]
    extras = known.traced.extras if known.traced is not None else ()
    aimed = [value for value in case.values if aiming.feeds(extras, value)]
    return list(dict.fromkeys([*mine, *mapped, *aimed]))


def _takes(one: Container, value: NewValue) -> bool:
    return any((slot.place, slot.field) == (value.slot.place, value.slot.field) for slot in one.slots)


def _anyone_takes(looks: Iterable[Look], ref: ContainerRef, value: NewValue) -> bool:
    return any(one.ref == ref and _takes(one, value) for look in looks for one in look.containers)


# -- units that come and go -----------------------------------------------------------------------


def _came_and_went(case: Case, before: Units, after: Units) -> Iterator[Trouble]:
    for name in [*before, *after]:
        one, other = before.get(name), after.get(name)
        unit = one or other
        if unit is None or (one is not None and other is not None):
            continue
        words = "no more, or elsewhere" if other is None else "besides"
        why = Refused(Reason.SIDE_EFFECT, f"after it {unit.name} would be deployed {words}")
        yield Trouble(why, inputs(unit) & case.written.keys())


def _standing(case: Case, before: Units, after: Units) -> Iterator[Trouble]:
    """Manifests that are applied as they stand: the same files, and no file that was edited as another's."""

    def now(repository: str, path: str) -> bytes | None:
        written = case.written.get((repository, path))
        return written if written is not None else case.read(repository, path)

    for name, unit in before.items():
        if unit.request is not None or not unit.manifests or name not in after:
            continue
        files = frozenset((unit.source, path) for path in unit.manifests)
        if after[name].manifests != unit.manifests:
            words = f"after it {unit.name} would apply other files"
            yield Trouble(Refused(Reason.SIDE_EFFECT, words), inputs(after[name]) & case.written.keys())
        elif files & case.edited:
            old, new = (
                Render(as_text(unit, read), unit.cluster, unit.namespace) for read in (case.read, now)
            )
            intents = (*_intents(Look(unit), old, case.values), *proving.intents(old, case.values, case.read))
            why = _flaw(unit, judge(differences(old, new), _each_once(intents), frozenset()))
            if why is not None:
                yield Trouble(why, files & case.written.keys())


# -- what is rendered -----------------------------------------------------------------------------


def _is_touched(
    case: Case, known: Look, unit: Unit, consumers: Mapping[ContainerRef, list[NewValue]]
) -> bool:
    """Whether it is made of anything else now; or should be, for a value was meant for it."""
    if unit.request != known.unit.request:
        return True
    if known.traced is not None:
        return any(one.ref in consumers for one in known.containers)
    return known.unit.request is None and _takes_in(known.unit, case.written)


def _takes_in(unit: Unit, written: Iterable[FileKey]) -> bool:
    """Whether what can't be rendered may read one of the files, as far as its definition tells."""
    own = inputs(unit) - {(unit.repository, unit.path)}
    at = unit.application.path if unit.application is not None and unit.source else None
    head = f"{at}/" if at else ""
    return any(
        key in own or (at is not None and key[0] == unit.source and key[1].startswith(head))
        for key in written
    )


class _Proof:
    """One unit, before and after."""

    def __init__(
        self, case: Case, known: Look, unit: Unit, values: Sequence[NewValue], defined: frozenset[str]
    ) -> None:
        self._case = case
        self._defined = defined
        self._known = known
        self._unit = unit
        self._values = values
        self._before = Render(known.text, known.unit.cluster, known.unit.namespace)

    def shown(self) -> Shown | Refused | None:
        unit, known = self._unit, self._known
        if known.traced is None:
            why = known.refused.detail if known.refused is not None else "nothing is known of it"
            words = f"{unit.name} takes in what would be written, and is kept: {why}"
            return Refused(Reason.UNPROVEN, words)
        if unit.request is None or (unit.refused is not None and unit.refused != known.unit.refused):
            words = f"after it {unit.name} could not be rendered any more"
            return unit.refused or Refused(Reason.SIDE_EFFECT, words)
        if unit.request == known.unit.request:
            verdict = judge({}, self._intents(), frozenset())
            return _flaw(unit, verdict)
        answer = self._case.estate.means.renderer.render(unit.request)
        if isinstance(answer, Refused):
            return answer._replace(detail=f"after it {unit.name} could not be rendered: {answer.detail}")
        return self._judged(Render(answer.text, unit.cluster, unit.namespace), answer.renderer)

    def _judged(self, after: Render, renderer: str) -> Shown | Refused:
        intents, noise = self._intents(), frozenset[Spot]()
        found = differences(self._before, after)
        found = {spot: one for spot, one in found.items() if not self._defines(spot)}
        verdict = judge(found, intents, noise)
        if verdict.beyond:
            noise = self._noise()
            verdict = judge(found, intents, noise)
        free = self._case.may_derive(self._values)
        derived = edits.derived_in(verdict.beyond, intents) if free else ()
        if len(derived) == len(verdict.beyond):
            verdict = verdict._replace(beyond=())
        return _flaw(self._unit, verdict) or Shown(self._unit, renderer, verdict, len(noise), derived)

    def _defines(self, spot: Spot) -> bool:
        """Whether it is a definition that another unit is made of, and stays one of the same name."""
        kind = (spot.identity.version.partition("/")[0], spot.identity.kind)
        return bool(spot.path) and kind in _DEFINITIONS and spot.identity.name in self._defined

    def _intents(self) -> tuple[Intent, ...]:
        mapped = proving.intents(self._before, self._values, self._case.read)
        return _each_once([*_intents(self._known, self._before, self._values), *mapped])

    def _noise(self) -> frozenset[Spot]:
        """What two renders of the same differ in."""
        request = self._known.unit.request
        if request is None:
            return frozenset()
        again = self._case.estate.means.renderer.render(request._replace(again=1))
        if isinstance(again, Refused):
            return frozenset()
        unit = self._known.unit
        return frozenset(differences(self._before, Render(again.text, unit.cluster, unit.namespace)))


def _flaw(unit: Unit, verdict: Verdict) -> Refused | None:
    if verdict.beyond:
        effects = "; ".join(str(spot) for spot, _ in verdict.beyond[:_FURTHER])
        left = len(verdict.beyond) - _FURTHER
        more = f" and {left} more" if left > 0 else ""
        return Refused(Reason.SIDE_EFFECT, f"it would change {unit.name}, too: {effects}{more}")
    if verdict.missing:
        one = verdict.missing[0]
        return Refused(Reason.NO_EFFECT, f"in {unit.name}, {one.spot} would stay {one.old or 'unset'}")
    return None


# -- what is meant --------------------------------------------------------------------------------


def _each_once(intents: Iterable[Intent]) -> tuple[Intent, ...]:
    """Two that want the same of one field are one; of two that don't, one will be missing."""
    return tuple({(one.spot, one.new): one for one in intents}.values())


def _intents(known: Look, before: Render, values: Sequence[NewValue]) -> Iterator[Intent]:
    """What a unit's containers are meant to become."""
    containers = {one.ref: one for one in before.containers()}
    traced = known.traced
    yield from aiming.intents(known.text, traced.extras if traced is not None else (), values)
    for value in values:
        field = value.slot.field
        if field.is_target:
            continue
        for ref in dict.fromkeys(value.slot.consumers):
            one = containers.get(ref)
            if one is None:
                continue
            old, spot = one.values[field], Spot(one.identity, (*one.path, *WAYS[field]))
            new = becomes(traced, value, ref, old) if isinstance(traced, helm.Traced) else None
            yield Intent(ref, field, spot, old, new if isinstance(new, str) else _followed(value, old))


def _followed(value: NewValue, old: str | None) -> str:
    """For a consumer with another image, the same version of that one."""
    if value.slot.field is not Field.IMAGE or old is None or value.slot.value is None:
        return value.new
    return references.followed(old, value.slot.value, value.new)


class _Written:
    """A snapshot with some of its files written anew."""

    def __init__(self, land: Land, files: Mapping[str, bytes]) -> None:
        self._below: Snapshot = land.known.snapshot
        self._files = dict(files)
        self.repository = self._below.repository
        self.commit = self._below.commit

    def entries(self) -> Sequence[Entry]:
        found = [entry for entry in self._below.entries() if entry.path not in self._files]
        found += [
            Entry(path, f"written:{hashlib.sha256(data).hexdigest()}", FILE_MODE)
            for path, data in self._files.items()
        ]
        return sorted(found)

    def read(self, entry: Entry) -> bytes | None:
        written = self._files.get(entry.path)
        return written if written is not None else self._below.read(entry)

"""New values into the files that own them, proven by rendering every unit that takes those files in.

Values come in groups that stand or fall together. What is rendered is edited unit by unit; then every
unit that an edited file goes into is found and rendered anew, as Argo CD will do it after the merge, and
the difference must be what was meant. A group that can't be proven leaves, and the others are tried
without it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from reconciler.model import (
    IN_OVERLAY,
    ContainerRef,
    Field,
    FileChange,
    NewValue,
    Place,
    Proof,
    Reason,
    Refused,
)
from reconciler.source import kustomizing
from reconciler.source.estate import Estate
from reconciler.source.finding import find_units
from reconciler.source.inputs import inputs
from reconciler.source.looks import Look, look
from reconciler.source.mapping import proving, stands_in_a_file
from reconciler.source.render import Renderer
from reconciler.source.rewrite import Group, rewrite_values
from reconciler.source.snapshot import Rewritten
from reconciler.source.tracing import edits, images
from reconciler.source.tracing.owners import Read, shown
from reconciler.source.tracing.proof import Intent, Spot, Verdict, differences, judge
from reconciler.source.tracing.rendered import WAYS, Render
from reconciler.source.units import Unit

FileKey = tuple[str, str]  # repository, path
_Edited = tuple[dict[FileKey, bytes], Proof]
_Name = tuple[Place, Field, tuple[ContainerRef, ...]]

# Units that are applied from elsewhere: an edit here doesn't reach them.
_ELSEWHERE: Final = frozenset({Reason.OTHER_REVISION, Reason.UNKNOWN_SOURCE})


class Made(NamedTuple):
    """Files of all repositories, before and after; and the proof of each group, by its position."""

    files: dict[FileKey, FileChange]
    proofs: dict[int, tuple[Proof, ...]]


def change(
    estate: Estate, groups: Sequence[Group], lenient: Collection[int] = ()
) -> tuple[Made, dict[int, Refused]]:
    """All groups that can be made together; the others with their reasons.

    `lenient`: the groups whose policy allows what a chart derives from a value to change with it.
    """
    free = frozenset(_name_of(value) for at in lenient for value in groups[at])
    return _settled(_Task(estate, groups, free), list(range(len(groups))))


class _Task(NamedTuple):
    estate: Estate
    groups: Sequence[Group]
    lenient: Collection[_Name]  # values of which others may be derived


def _settled(task: _Task, chosen: list[int]) -> tuple[Made, dict[int, Refused]]:
    """All at once if that can be; else the halves, and of those what goes together."""
    tried = _attempt(task, chosen)
    if isinstance(tried, Made):
        return tried, {}
    if len(chosen) <= 1:
        return Made({}, {}), dict.fromkeys(chosen, tried)
    middle = len(chosen) // 2
    refused: dict[int, Refused] = {}
    for half in (chosen[:middle], chosen[middle:]):
        refused.update(_settled(task, half)[1])
    left = [at for at in chosen if at not in refused]
    whole = _attempt(task, left)
    while isinstance(whole, Refused):  # each half alone is right: the later ones wait for another time
        refused[left.pop()] = whole
        whole = _attempt(task, left)
    return whole, refused


def _attempt(task: _Task, chosen: Sequence[int]) -> Made | Refused:
    return _Attempt(task.estate, task.lenient).made(task.groups, chosen)


class _Attempt:
    """One try to make all of some groups. It holds the files as they are written so far."""

    def __init__(self, estate: Estate, lenient: Collection[_Name]) -> None:
        self._estate = estate
        self._lenient = lenient
        self._after: dict[FileKey, bytes] = {}
        self._looks = {(place, field): at for place, field, at in _owned(estate.looks)}
        self._proven: dict[int, list[Proof]] = {}  # by look
        self._stale: set[int] = set()  # looks whose files were written again since

    def made(self, groups: Sequence[Group], chosen: Sequence[int]) -> Made | Refused:
        by_look: dict[int, list[NewValue]] = {}
        plain: list[NewValue] = []
        for value in _once(value for at in chosen for value in groups[at]):
            if value.slot.refused is not None:
                return value.slot.refused
            at_look = self._looks.get((value.slot.place, value.slot.field))
            if at_look is None:
                if not stands_in_a_file(value.slot):
                    return Refused(Reason.NOT_TRACED, f"no unit here renders {value.slot.consumers[0]}")
                plain.append(value)
            else:
                by_look.setdefault(at_look, []).append(value)
        every = [*plain, *(value for values in by_look.values() for value in values)]
        if (refused := self._write_plain(plain)) is not None:
            return refused
        for at_look, values in by_look.items():
            if (refused := self._edit(at_look, values)) is not None:
                return refused
        if (refused := self._prove_the_rest(every)) is not None:
            return refused
        return Made(self._files(), {at: tuple(self._proofs_of(groups[at])) for at in chosen})

    # -- manifests as they stand ------------------------------------------------------------------

    def _write_plain(self, values: Sequence[NewValue]) -> Refused | None:
        by_repository: dict[str, list[NewValue]] = {}
        for value in values:
            by_repository.setdefault(value.slot.place.repository, []).append(value)
        for repository, mine in by_repository.items():
            paths = sorted({value.slot.place.path for value in mine})
            files = {path: data for path in paths if (data := self._read(repository, path)) is not None}
            changed, refused = rewrite_values(files, mine)
            if refused is not None:
                return refused
            self._after.update({(repository, path): one.after for path, one in changed.items()})
        return None

    # -- what is rendered -------------------------------------------------------------------------

    def _edit(self, at: int, values: Sequence[NewValue]) -> Refused | None:
        """One unit's values. Should an earlier edit have changed its files, it is looked at anew."""
        known = self._estate.looks[at]
        if self._after.keys() & inputs(known.unit):
            fresh = look(self._found_anew([known])[0], self._estate.means.renderer, self._read)
            if fresh.refused is not None:
                return fresh.refused
            known = fresh
        made = self._edited(known, values)
        if isinstance(made, Refused):
            return made
        files, proof = made
        for key in files:
            self._stale.update(n for n in self._proven if key in inputs(self._estate.looks[n].unit))
        self._after.update(files)
        self._proven[at] = [proof]
        self._stale.discard(at)
        return None

    def _prove_the_rest(self, values: Sequence[NewValue]) -> Refused | None:
        """Every other unit that a written file goes into: it too must change as meant, and no more."""
        left = [
            at
            for at, known in enumerate(self._estate.looks)
            if (at not in self._proven or at in self._stale) and self._after.keys() & inputs(known.unit)
        ]
        if not left:
            return None
        units = self._found_anew([self._estate.looks[at] for at in left])
        for at, unit in zip(left, units, strict=True):
            proof = self._prove(self._estate.looks[at], unit, values)
            if isinstance(proof, Refused):
                return proof
            if proof is not None:
                self._proven[at] = [proof]
        return None

    def _prove(self, known: Look, unit: Unit, values: Sequence[NewValue]) -> Proof | Refused | None:
        if known.traced is None:
            why = known.refused
            if why is None or why.reason in _ELSEWHERE or unit.request == known.unit.request:
                return None
            words = f"{unit.name} takes in what would be written, and is kept: {why.detail}"
            return Refused(Reason.UNPROVEN, words)
        if unit.refused is not None or unit.request is None:
            words = f"after it {unit.name} could not be rendered any more"
            return unit.refused or Refused(Reason.SIDE_EFFECT, words)
        if unit.request == known.unit.request:
            return None
        answer = self._estate.means.renderer.render(unit.request)
        if isinstance(answer, Refused):
            return answer._replace(detail=f"after it {unit.name} could not be rendered: {answer.detail}")
        before = Render(known.text, known.unit.cluster, known.unit.namespace)
        after = Render(answer.text, unit.cluster, unit.namespace)
        meant = (*_intents(before, values), *proving.intents(before, values, self._estate.read))
        found, noise = differences(before, after), frozenset[Spot]()
        verdict = judge(found, meant, noise)
        if verdict.beyond:
            noise = self._noise(known)
            verdict = judge(found, meant, noise)
        derived = edits.derived_in(verdict.beyond, meant) if self._is_lenient(values) else ()
        if len(derived) == len(verdict.beyond):
            verdict = verdict._replace(beyond=())
        return _flaw(unit, verdict) or _proof(unit, answer.renderer, verdict, len(noise), (), derived)

    def _is_lenient(self, values: Sequence[NewValue]) -> bool:
        return bool(self._lenient) and all(_name_of(value) in self._lenient for value in values)

    def _noise(self, known: Look) -> frozenset[Spot]:
        """What two renders of the same differ in."""
        request = known.unit.request
        if request is None:
            return frozenset()
        again = self._estate.means.renderer.render(request._replace(again=1))
        if isinstance(again, Refused):
            return frozenset()
        one = Render(known.text, known.unit.cluster, known.unit.namespace)
        return frozenset(differences(one, Render(again.text, known.unit.cluster, known.unit.namespace)))

    def _found_anew(self, looks: Sequence[Look]) -> list[Unit]:
        """The units as they are with the files written so far; one that is gone has no request."""
        estate = self._estate
        known = [
            land.known._replace(snapshot=Rewritten(land.known.snapshot, self._of(land.name)))
            if self._of(land.name)
            else land.known
            for land in estate.lands
        ]
        means = estate.means
        found = find_units(
            known, estate.settings, means.renderer, means.charts, means.remotes, estate.memo
        ).units
        by_name = {_unit_name(unit): unit for unit in found}
        return [by_name.get(_unit_name(one.unit), one.unit._replace(request=None)) for one in looks]

    def _edited(self, known: Look, values: Sequence[NewValue]) -> _Edited | Refused:
        renderer = self._estate.means.renderer
        return _edited(known, values, renderer, self._read, lenient=self._is_lenient(values))

    # -- files ------------------------------------------------------------------------------------

    def _of(self, repository: str) -> dict[str, bytes]:
        return {path: data for (name, path), data in self._after.items() if name == repository}

    def _read(self, repository: str, path: str) -> bytes | None:
        written = self._after.get((repository, path))
        return written if written is not None else self._estate.read(repository, path)

    def _files(self) -> dict[FileKey, FileChange]:
        found = {}
        for (repository, path), after in sorted(self._after.items()):
            before = self._estate.read(repository, path) or b""
            if before != after:
                found[repository, path] = FileChange(path, before, after)
        return found

    def _proofs_of(self, group: Group) -> Iterator[Proof]:
        """The proofs of all units that a group's values are rendered by."""
        wanted = {str(ref) for value in group for ref in value.slot.consumers}
        for proofs in self._proven.values():
            for proof in proofs:
                if any(words.rpartition(" ")[0] in wanted for words in proof.changed):
                    yield proof


# -- editing one unit -----------------------------------------------------------------------------


def _edited(
    known: Look, values: Sequence[NewValue], renderer: Renderer, read: Read, *, lenient: bool
) -> _Edited | Refused:
    traced, unit = known.traced, known.unit
    if isinstance(traced, kustomizing.Traced):
        patched = kustomizing.edit(unit, traced, values, renderer, read=read)
        if isinstance(patched, Refused):
            return patched
        files = {(one.repository, one.change.path): one.change.after for one in patched.files}
        verdict = next((verdict for _, verdict in patched.proof), Verdict((), (), (), ()))
        return files, _proof(unit, known.renderer, verdict, 0, ())
    if traced is None:
        return known.refused or Refused(Reason.NOT_TRACED, f"nothing is known of how {unit.name} is rendered")
    overlay = all(value.slot.how_traced.startswith(IN_OVERLAY) for value in values)
    made = edits.edit(traced, values, renderer, read, derived=lenient, overlay=overlay)
    if isinstance(made, Refused):
        return made
    changed = {(repository, one.path): one.after for repository, one in made.files}
    proof = made.proof
    verdict = Verdict(proof.changed, (), proof.copies, ())
    carried = tuple(f"{shown(one.keys)}: {one.value}" for one in proof.carried)
    return changed, _proof(unit, proof.renderer, verdict, proof.noise, carried, proof.derived)


def _proof(
    unit: Unit,
    renderer: str,
    verdict: Verdict,
    noise: int,
    carried: tuple[str, ...],
    derived: Sequence[edits.Derived] = (),
) -> Proof:
    return Proof(
        unit.name,
        renderer,
        tuple(_told(one) for one in verdict.done),
        tuple(f"{one.spot}: {one.old} → {one.new}" for one in verdict.copies),
        tuple(f"{one.spot}: {one.old} → {one.new}" for one in derived),
        carried,
        noise,
    )


def _told(one: Intent) -> str:
    return f"{one.ref} {one.field}" if one.ref is not None and one.field is not None else str(one.spot)


def _flaw(unit: Unit, verdict: Verdict) -> Refused | None:
    if verdict.beyond:
        effects = "; ".join(str(spot) for spot, _ in verdict.beyond[:3])
        more = f" and {len(verdict.beyond) - 3} more" if len(verdict.beyond) > 3 else ""
        return Refused(Reason.SIDE_EFFECT, f"it would change {unit.name}, too: {effects}{more}")
    if verdict.missing:
        one = verdict.missing[0]
        return Refused(Reason.NO_EFFECT, f"in {unit.name}, {one.spot} would stay {one.old or 'unset'}")
    return None


def _intents(before: Render, values: Iterable[NewValue]) -> Iterator[Intent]:
    """What a unit's containers are meant to become."""
    containers = {one.ref: one for one in before.containers()}
    for value in values:
        field = value.slot.field
        for ref in dict.fromkeys(value.slot.consumers):
            one = containers.get(ref)
            if one is not None:
                old = one.values[field]
                spot = Spot(one.identity, (*one.path, *WAYS[field]))
                yield Intent(ref, field, spot, old, _meant(field, value, old))


def _meant(field: Field, value: NewValue, old: str | None) -> str:
    """For a consumer with another image, the same version of that one."""
    if field is not Field.IMAGE or old is None or old == value.slot.value or value.slot.value is None:
        return value.new
    was, now, own = (images.parts(one) for one in (value.slot.value, value.new, old))
    name = now[0] if own[0] == was[0] else own[0]
    tag, digest = (now[n] if now[n] != was[n] else own[n] for n in (1, 2))
    return name + (f":{tag}" if tag else "") + (f"@{digest}" if digest else "")


# -- what goes into what --------------------------------------------------------------------------


def _owned(looks: Sequence[Look]) -> Iterator[tuple[Place, Field, int]]:
    """Which look edits a place; the first of several."""
    for at in range(len(looks) - 1, -1, -1):
        for container in looks[at].containers:
            for slot in container.slots:
                yield slot.place, slot.field, at


def _once(values: Iterable[NewValue]) -> list[NewValue]:
    return list({(*_name_of(value), value.new): value for value in values}.values())


def _name_of(value: NewValue) -> _Name:
    """What is written. Patches that are still to be made have one place for all their containers."""
    slot = value.slot
    return (slot.place, slot.field, slot.consumers if slot.how_traced == IN_OVERLAY else ())


def _unit_name(unit: Unit) -> tuple[str, ...]:
    return (unit.repository, unit.path, unit.name, unit.cluster, unit.namespace)

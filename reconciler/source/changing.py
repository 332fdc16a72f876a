"""New values into the files that own them, proven by rendering every unit that takes those files in.

Values come in groups that stand or fall together. What is rendered is edited unit by unit; then all units
are found and rendered anew, and what differs must be what was meant (`proven.py`). The groups to blame
for what is wrong leave, and the others are tried without them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from reconciler.model import (
    FIELDS,
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
from reconciler.source import aiming, kustomizing
from reconciler.source.aims import TARGETS
from reconciler.source.estate import Estate, reader
from reconciler.source.inputs import inputs
from reconciler.source.looks import Look, look
from reconciler.source.mapping import stands_in_a_file
from reconciler.source.proven import Case, FileKey, Shown, Units, named, prove, units_with
from reconciler.source.render import Renderer
from reconciler.source.rewrite import Group, rewrite_groups
from reconciler.source.tracing import edits
from reconciler.source.tracing.owners import Read, shown
from reconciler.source.tracing.proof import Intent

_Name = tuple[Place, Field, tuple[ContainerRef, ...]]
_ByGroup = dict[int, list[NewValue]]  # by the group's position


class Made(NamedTuple):
    """Files of all repositories, before and after; and the proof of each group, by its position."""

    files: dict[FileKey, FileChange]
    proofs: dict[int, tuple[Proof, ...]]
    writers: Mapping[FileKey, frozenset[int]]  # the groups that had each file written


class _Flaw(NamedTuple):
    """Why groups can't be made together, and those of them that may be to blame."""

    why: Refused
    suspects: tuple[int, ...]


class Known:
    """What every change of an estate has to know; found out when it is asked for first."""

    def __init__(self, estate: Estate) -> None:
        self.estate = estate
        self.read: Read = reader(estate.lands)
        self._owners = {(place, field): at for place, field, at in _owned(estate.looks)}
        self._inputs: dict[int, frozenset[FileKey]] = {}
        self._before: Units | None = None

    def owner(self, value: NewValue) -> int | None:
        """The look that edits a value."""
        return self._owners.get((value.slot.place, value.slot.field))

    def inputs(self, at: int) -> frozenset[FileKey]:
        """The files that a look's unit is made of."""
        if at not in self._inputs:
            self._inputs[at] = inputs(self.estate.looks[at].unit)
        return self._inputs[at]

    def before(self) -> Units:
        """All units as they are."""
        if self._before is None:
            self._before = units_with(self.estate, {})
        return self._before


def change(
    estate: Estate,
    groups: Sequence[Group],
    lenient: Collection[int] = (),
    known: Known | None = None,
) -> tuple[Made, dict[int, Refused]]:
    """All groups that can be made together; the others with their reasons. Of two that can't, the first is.

    `lenient`: the groups whose policy allows what a chart derives from a value to change with it.
    """
    task = _Task(known or Known(estate), groups, lenient)
    chosen, refused = list(range(len(groups))), dict[int, Refused]()
    while not isinstance(tried := _Attempt(task).made(chosen), Made):
        refused.update(_blamed(task, tried))
        chosen = [at for at in chosen if at not in refused]
    return tried, refused


def _blamed(task: _Task, flaws: Sequence[_Flaw]) -> dict[int, Refused]:
    """At least one group of all that may be to blame."""
    found = {flaw.suspects[0]: flaw.why for flaw in flaws if len(flaw.suspects) == 1}
    if found:
        return found  # what else is wrong may have been their doing
    for flaw in flaws:
        if found.keys().isdisjoint(flaw.suspects):
            bad = _joined(task, [], flaw.suspects)
            found.update(bad or {flaw.suspects[-1]: flaw.why})
    return found


def _joined(task: _Task, fit: list[int], more: Sequence[int]) -> dict[int, Refused]:
    """`fit` grows by those that can be made beside what is in it; the others, with their reasons."""
    tried = _Attempt(task).made([*fit, *more])
    if isinstance(tried, Made):
        fit.extend(more)
        return {}
    if len(more) == 1:
        return {more[0]: tried[0].why}
    middle = len(more) // 2
    refused = _joined(task, fit, more[:middle])
    return refused | _joined(task, fit, more[middle:])


class _Task:
    """What is asked for, and what is known of the estate that it is asked of."""

    def __init__(self, known: Known, groups: Sequence[Group], lenient: Collection[int]) -> None:
        self.known = known
        self.estate = known.estate
        self.groups = groups
        self.read = known.read
        self._lenient = frozenset(_name_of(value) for at in lenient for value in groups[at])

    def may_derive(self, values: Sequence[NewValue]) -> bool:
        return bool(self._lenient) and all(_name_of(value) in self._lenient for value in values)


class _Edited(NamedTuple):
    """What one unit's values make of its files."""

    files: dict[FileKey, bytes]
    carried: tuple[str, ...] = ()


class _Attempt:
    """One try to make all of some groups. It holds the files as they are written so far."""

    def __init__(self, task: _Task) -> None:
        self._task = task
        self._after: dict[FileKey, bytes] = {}
        self._writers: dict[FileKey, set[int]] = {}  # the groups that had a file written
        self._documents: dict[FileKey, set[int]] = {}  # of files, those that values were written to
        self._edited: dict[int, _Edited] = {}  # by look

    def made(self, chosen: Sequence[int]) -> Made | list[_Flaw]:
        plain: _ByGroup = {}
        by_look: dict[int, _ByGroup] = {}
        flaws: list[_Flaw] = []
        for at in chosen:
            for value in self._task.groups[at]:
                owner = self._task.known.owner(value)
                if value.slot.refused is not None:
                    flaws.append(_Flaw(value.slot.refused, (at,)))
                elif owner is not None:
                    by_look.setdefault(owner, {}).setdefault(at, []).append(value)
                elif stands_in_a_file(value.slot):
                    plain.setdefault(at, []).append(value)
                else:
                    words = f"no unit here renders {value.slot.consumers[0]}"
                    flaws.append(_Flaw(Refused(Reason.NOT_TRACED, words), (at,)))
        flaws = flaws or self._write_plain(plain) or self._edit_all(by_look)
        return flaws or self._proven(chosen)

    # -- manifests as they stand ------------------------------------------------------------------

    def _write_plain(self, plain: _ByGroup) -> list[_Flaw]:
        flaws = []
        for repository in dict.fromkeys(one.slot.place.repository for each in plain.values() for one in each):
            mine = {
                at: [one for one in each if one.slot.place.repository == repository]
                for at, each in plain.items()
            }
            paths = sorted({one.slot.place.path for each in mine.values() for one in each})
            files = {path: data for path in paths if (data := self._read(repository, path)) is not None}
            changed, refused = rewrite_groups(files, list(mine.values()))
            flaws += [_Flaw(why, (list(mine)[at],)) for at, why in refused.items()]
            after = {(repository, path): one.after for path, one in changed.items()}
            self._keep(after, {at: each for at, each in mine.items() if each})
        return flaws

    # -- what is rendered -------------------------------------------------------------------------

    def _edit_all(self, by_look: Mapping[int, _ByGroup]) -> list[_Flaw]:
        """Every unit's values: at once those of units that have no file in common with what others write."""
        flaws: list[_Flaw] = []
        left = list(by_look)
        with ThreadPoolExecutor(max(1, self._task.estate.means.workers), thread_name_prefix="edit") as pool:
            while left:
                batch = self._apart(left, by_look)
                looks = self._as_they_are(batch)
                values = [_once(one for each in by_look[at].values() for one in each) for at in batch]
                done: set[int] = set()
                for at, made in zip(batch, list(pool.map(self._edit, looks, values)), strict=True):
                    if isinstance(made, Refused):
                        flaws.append(_Flaw(made, tuple(by_look[at])))
                    elif any(made.files.keys() & self._edited[other].files.keys() for other in done):
                        continue  # it wrote where nobody expected it to: once more, on top of the others
                    else:
                        self._edited[at] = made
                        self._keep(made.files, by_look[at])
                        done.add(at)
                    left.remove(at)
        return flaws

    def _apart(self, left: Sequence[int], by_look: Mapping[int, _ByGroup]) -> list[int]:
        """Units of which none takes in what another one's values are written to."""
        chosen: list[int] = []
        writes: set[FileKey] = set()
        reads: set[FileKey] = set()
        for at in left:
            own = {_file(one) for each in by_look[at].values() for one in each}
            taken = self._task.known.inputs(at) | own
            if not chosen or (own.isdisjoint(reads) and taken.isdisjoint(writes)):
                chosen.append(at)
                writes |= own
                reads |= taken
        return chosen

    def _as_they_are(self, batch: Sequence[int]) -> list[Look]:
        """The looks; a unit that is made of what was written meanwhile is looked at anew."""
        estate = self._task.estate
        looks = [estate.looks[at] for at in batch]
        touched = [n for n, at in enumerate(batch) if self._is_touched(at)]
        if touched:
            found = units_with(estate, self._after)
            names = list(named(one.unit for one in estate.looks))
            for n in touched:
                unit = found.get(names[batch[n]])
                if unit is not None and unit.request != looks[n].unit.request:
                    looks[n] = look(unit, estate.means.renderer, self._read)
        return looks

    def _is_touched(self, at: int) -> bool:
        """Whether a file that was written is one of its own; of what defines it, whether its part was."""
        unit = self._task.estate.looks[at].unit
        places = [layer.place for layer in unit.layers if layer.place.keys or layer.place.inner]
        places += [one.place for one in unit.parameters] + [one.place for one in unit.written]
        own: dict[FileKey, set[int]] = {(unit.repository, unit.path): set()}
        for place in places:
            own.setdefault((place.repository, place.path), set()).add(place.document)
        written = self._after.keys() & self._task.known.inputs(at)
        return any(key not in own or own[key] & self._documents.get(key, set()) for key in written)

    def _edit(self, known: Look, values: Sequence[NewValue]) -> _Edited | Refused:
        free = self._task.may_derive(values)
        return _edited(known, values, self._task.estate.means.renderer, self._read, lenient=free)

    # -- what all of it does ----------------------------------------------------------------------

    def _proven(self, chosen: Sequence[int]) -> Made | list[_Flaw]:
        task, seen = self._task, dict[int, Shown]()
        if task.estate.looks:
            values = _once(value for at in chosen for value in task.groups[at])
            edited = frozenset(key for one in self._edited.values() for key in one.files)
            case = Case(task.estate, task.read, self._after, edited, values, task.may_derive)
            before = task.known.before()
            after = units_with(task.estate, self._after) if self._after else before
            seen, troubles = prove(case, before, after)
            if troubles:
                return [_Flaw(one.why, self._suspects(one.files) or tuple(chosen)) for one in troubles]
        proofs = {at: tuple(self._proofs_of(task.groups[at], seen)) for at in chosen}
        writers = {key: frozenset(groups) for key, groups in self._writers.items()}
        return Made(self._files(), proofs, writers)

    def _suspects(self, files: Iterable[FileKey]) -> tuple[int, ...]:
        return tuple(sorted({at for key in files for at in self._writers.get(key, ())}))

    def _proofs_of(self, group: Group, seen: Mapping[int, Shown]) -> Iterator[Proof]:
        """The proofs of all units that a group's values are rendered by."""
        wanted = {(ref, value.slot.field) for value in group for ref in value.slot.consumers}
        for at, one in seen.items():
            done = {(each.ref, each.field) for each in one.verdict.done}
            if wanted & (done | {(ref, field) for ref, none in done if none is None for field in FIELDS}):
                yield _proof(one, self._edited[at].carried if at in self._edited else ())

    # -- files ------------------------------------------------------------------------------------

    def _keep(self, files: Mapping[FileKey, bytes], by_group: Mapping[int, Sequence[NewValue]]) -> None:
        self._after.update(files)
        for key in files:
            mine = {at for at, values in by_group.items() if any(_file(one) == key for one in values)}
            self._writers.setdefault(key, set()).update(mine or by_group)
        for values in by_group.values():
            for one in values:
                self._documents.setdefault(_file(one), set()).add(one.slot.place.document)

    def _read(self, repository: str, path: str) -> bytes | None:
        written = self._after.get((repository, path))
        return written if written is not None else self._task.read(repository, path)

    def _files(self) -> dict[FileKey, FileChange]:
        found = {}
        for (repository, path), after in sorted(self._after.items()):
            before = self._task.read(repository, path) or b""
            if before != after:
                found[repository, path] = FileChange(path, before, after)
        return found


# -- editing one unit -----------------------------------------------------------------------------


def _edited(
    known: Look, values: Sequence[NewValue], renderer: Renderer, read: Read, *, lenient: bool
) -> _Edited | Refused:
    traced, unit = known.traced, known.unit
    # one that was not moved to the unit's last file stands there already
    overlay = any(value.slot.how_traced.startswith(IN_OVERLAY) for value in values)
    values, numbers = aiming.split(known.text, traced.extras if traced is not None else (), values)
    if isinstance(traced, kustomizing.Traced):
        patched = kustomizing.edit(unit, traced, values, renderer, read=read, numbers=numbers)
        if isinstance(patched, Refused):
            return patched
        return _Edited({(one.repository, one.change.path): one.change.after for one in patched.files})
    if traced is None:
        return known.refused or Refused(Reason.NOT_TRACED, f"nothing is known of how {unit.name} is rendered")
    made = edits.edit(traced, values, renderer, read, numbers, derived=lenient, overlay=overlay)
    if isinstance(made, Refused):
        return made
    carried = tuple(f"{shown(one.keys)}: {one.value}" for one in made.proof.carried)
    return _Edited({(repository, one.path): one.after for repository, one in made.files}, carried)


def _proof(one: Shown, carried: tuple[str, ...]) -> Proof:
    return Proof(
        one.unit.name,
        one.renderer,
        tuple(_told(each) for each in one.verdict.done),
        tuple(f"{each.spot}: {each.old} → {each.new}" for each in one.verdict.copies),
        tuple(f"{each.spot}: {each.old} → {each.new}" for each in one.derived),
        carried,
        one.noise,
    )


def _told(one: Intent) -> str:
    return f"{one.ref} {one.field}" if one.ref is not None and one.field is not None else str(one.spot)


# -- what goes into what --------------------------------------------------------------------------


def _owned(looks: Sequence[Look]) -> Iterator[tuple[Place, Field, int]]:
    """Which look edits a place; the first of several."""
    for at in range(len(looks) - 1, -1, -1):
        traced = looks[at].traced
        for extra in traced.extras if traced is not None else ():
            if extra.place is not None:
                yield from ((extra.place, field, at) for field in TARGETS.values())
        for container in looks[at].containers:
            for slot in container.slots:
                if not slot.field.is_target:
                    yield slot.place, slot.field, at


def _once(values: Iterable[NewValue]) -> list[NewValue]:
    return list({(*_name_of(value), value.new): value for value in values}.values())


def _name_of(value: NewValue) -> _Name:
    """What is written. Patches that are still to be made have one place for all their containers."""
    slot = value.slot
    return (slot.place, slot.field, slot.consumers if slot.how_traced == IN_OVERLAY else ())


def _file(value: NewValue) -> FileKey:
    return (value.slot.place.repository, value.slot.place.path)

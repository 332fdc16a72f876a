"""Many sets of changes, each made as if it were alone: they become requests that are merged one by one.

To find and render every unit anew for each set would take as long as there are sets. Those that have no
file and no unit in common can't know of each other, so they are made and proven together.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from reconciler.model import FileChange, Proof, Refused
from reconciler.source.changing import Known, Made, change
from reconciler.source.estate import Estate
from reconciler.source.proven import FileKey
from reconciler.source.rewrite import Group


class Batch(NamedTuple):
    """The groups of one set, by their positions those whose policy allows derived values."""

    groups: Sequence[Group]
    lenient: Collection[int] = ()


class Result(NamedTuple):
    """What became of one set; proofs and refusals by the group's position in it."""

    files: dict[FileKey, FileChange]
    proofs: dict[int, tuple[Proof, ...]]
    refused: dict[int, Refused]


def change_apart(estate: Estate, batches: Sequence[Batch]) -> list[Result]:
    known = Known(estate)
    joint = _unrelated(known, batches)
    found: dict[int, Result] = {}
    if len(joint) > 1:
        found = _together(estate, {n: batches[n] for n in joint}, known)
    for n, batch in enumerate(batches):
        if n not in found:
            made, refused = change(estate, batch.groups, batch.lenient, known)
            found[n] = Result(made.files, made.proofs, refused)
    return [found[n] for n in range(len(batches))]


def _unrelated(known: Known, batches: Sequence[Batch]) -> list[int]:
    """The sets that have no unit and no file in common with another."""
    users: dict[FileKey, list[int]] = {}
    for at in range(len(known.estate.looks)):
        for key in known.inputs(at):
            users.setdefault(key, []).append(at)
    touched: dict[object, set[int]] = {}
    things: list[set[object]] = []
    for n, batch in enumerate(batches):
        mine: set[object] = set()
        for value in (one for group in batch.groups for one in group):
            key = (value.slot.place.repository, value.slot.place.path)
            mine |= {key, known.owner(value), *users.get(key, ())}
        mine.discard(None)
        things.append(mine)
        for thing in mine:
            touched.setdefault(thing, set()).add(n)
    return [n for n, mine in enumerate(things) if all(touched[thing] == {n} for thing in mine)]


def _together(estate: Estate, batches: dict[int, Batch], known: Known) -> dict[int, Result]:
    """The sets in one go. One whose files turn out to be another's as well is left out."""
    whose: list[tuple[int, int]] = []  # set and position in it, by the position among all
    groups: list[Group] = []
    lenient: list[int] = []
    for n, batch in batches.items():
        lenient += [len(groups) + at for at in batch.lenient]
        whose += [(n, at) for at in range(len(batch.groups))]
        groups += batch.groups
    made, refused = change(estate, groups, lenient, known)
    found = {n: Result({}, {}, {}) for n in batches}
    for at, why in refused.items():
        n, position = whose[at]
        found[n].refused[position] = why
    for at, proofs in made.proofs.items():
        n, position = whose[at]
        found[n].proofs[position] = proofs
    for key, file in made.files.items():
        for n in _sets_of(made, key, whose):
            if len(_sets_of(made, key, whose)) > 1:
                found.pop(n, None)
            elif n in found:
                found[n].files[key] = file
    return found


def _sets_of(made: Made, key: FileKey, whose: Sequence[tuple[int, int]]) -> set[int]:
    return {whose[at][0] for at in made.writers.get(key, ())}

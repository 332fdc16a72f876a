"""New values into the bytes of the files that hold them. A change is made as a whole or not at all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from reconciler.model import Change, FileChange, NewValue, Place, Reason, Refused
from reconciler.source import yamledit
from reconciler.source.identity import mistaken
from reconciler.source.mapping import assignment
from reconciler.source.yamledit import Assignment

Group = Sequence[NewValue]  # values that stand or fall together


def rewrite(
    files: Mapping[str, bytes], changes: Sequence[Change]
) -> tuple[dict[str, FileChange], list[tuple[Change, Refused]]]:
    """The files with every change that can be made, and the changes that can't, each with its reason."""
    changed, refused = rewrite_groups(files, [change.values for change in changes])
    return changed, [(changes[at], why) for at, why in sorted(refused.items())]


def rewrite_values(files: Mapping[str, bytes], values: Group) -> tuple[dict[str, FileChange], Refused | None]:
    """The files with all of these values; or none, and the reason why not."""
    changed, refused = rewrite_groups(files, [values])
    return changed, refused.get(0)


def rewrite_groups(
    files: Mapping[str, bytes], groups: Sequence[Group]
) -> tuple[dict[str, FileChange], dict[int, Refused]]:
    """The same for any groups, refusals by the group's position.

    A file is written once for all its groups. Where that is refused, those to blame leave, with
    everything they wanted in other files, and what is left is written again.
    """
    refused = _refused_at_once(files, groups)
    after: dict[str, bytes] = {}
    todo = {value.slot.place.path for group in groups for value in group} & files.keys()
    while todo:
        path = min(todo)
        todo.remove(path)
        left = [at for at in range(len(groups)) if at not in refused and _touches(groups[at], path)]
        result = _written(files, path, [groups[at] for at in left])
        if not isinstance(result, Refused):
            after[path] = result
            continue
        blamed = _to_blame(files, path, groups, left)
        refused.update(blamed)
        todo.update(value.slot.place.path for at in blamed for value in groups[at])
    changes = {
        path: FileChange(path, files[path], data)
        for path, data in sorted(after.items())
        if data != files[path]
    }
    return changes, refused


def _refused_at_once(files: Mapping[str, bytes], groups: Sequence[Group]) -> dict[int, Refused]:
    """Groups that can't be made whatever the text is, or that contradict one before them."""
    refused: dict[int, Refused] = {}
    wanted: dict[Place, NewValue] = {}
    for at, group in enumerate(groups):
        why = _flaw(files, group, wanted)
        if why is not None:
            refused[at] = why
        else:
            wanted.update((value.slot.place, value) for value in group)
    return refused


def _flaw(files: Mapping[str, bytes], group: Group, before: Mapping[Place, NewValue]) -> Refused | None:
    wanted = dict(before)
    for value in group:
        place = value.slot.place
        if value.slot.refused is not None:
            return value.slot.refused
        if place.path not in files:
            return Refused(Reason.UNPROVEN, f"{place.path} is not among the files that were read")
        other = wanted.setdefault(place, value)
        if other.new != value.new:
            line = f"{place.path}:{value.slot.line}"
            return Refused(Reason.UNPROVEN, f"{line} would have to be both {other.new} and {value.new}")
    return None


def _to_blame(
    files: Mapping[str, bytes], path: str, groups: Sequence[Group], left: Sequence[int]
) -> dict[int, Refused]:
    """Who can't be written alone; else, one after the other, who can't join those before."""
    alone = {at: _written(files, path, [groups[at]]) for at in left}
    blamed = {at: why for at, why in alone.items() if isinstance(why, Refused)}
    if blamed:
        return blamed
    joined: list[Group] = []
    for at in left:
        why = _written(files, path, [*joined, groups[at]])
        if isinstance(why, Refused):
            blamed[at] = why
        else:
            joined.append(groups[at])
    return blamed


def _touches(group: Group, path: str) -> bool:
    return any(value.slot.place.path == path for value in group)


def _written(files: Mapping[str, bytes], path: str, groups: Iterable[Group]) -> bytes | Refused:
    values = [value for group in groups for value in group if value.slot.place.path == path]
    if not values:
        return files[path]  # all who wanted something here have left
    once = {value.slot.place: value for value in values}
    assignments: list[Assignment] = []
    for value in once.values():
        wanted = assignment(value)
        if isinstance(wanted, Refused):
            return wanted
        assignments.append(wanted)
    return yamledit.rewrite(files[path], assignments, lambda documents: mistaken(documents, values))

"""New values for what a kustomization renders: where they are set today, or in a patch of its own; proven.

Nothing is handed out that wasn't rendered: the difference between the renders before and after must
be the intended fields of the intended containers and nothing else, in every unit that the edited
files go into.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from reconciler.model import Field, NewValue, Place, Reason, Refused
from reconciler.source.kustomizing import references
from reconciler.source.kustomizing.changed import Changed
from reconciler.source.kustomizing.inplace import Targets, Wish, paths_of, wish
from reconciler.source.kustomizing.overlay import OVERLAY, own_paths, variants
from reconciler.source.kustomizing.traced import Traced
from reconciler.source.render import Files, KustomizeRequest, Rendered, Renderer
from reconciler.source.tracing.edits import NewNumber
from reconciler.source.tracing.owners import Read
from reconciler.source.tracing.proof import Intent, Spot, Verdict, differences, judge
from reconciler.source.tracing.rendered import WAYS, Render
from reconciler.source.units import Unit

_TELLING: Final = (Reason.SIDE_EFFECT, Reason.UNPROVEN)


class Edited(NamedTuple):
    """The files before and after (`before` is empty for a new one), and what the renders say of them."""

    files: tuple[Changed, ...]
    proof: tuple[tuple[str, Verdict], ...]  # by the name of each unit that was rendered
    renders: int


def edit(
    unit: Unit,
    traced: Traced,
    new_values: Sequence[NewValue],
    renderer: Renderer,
    *,
    overlay: bool = False,
    others: Sequence[Traced] = (),
    read: Read | None = None,
    numbers: Sequence[NewNumber] = (),
) -> Edited | Refused:
    """All of the new values and numbers or none.

    `overlay`: into a patch of the outermost kustomization, wherever they are set today. `others`: the
    units that the same files go into; their containers change exactly where they are consumers.
    """
    request = unit.request
    if traced.refused is not None or not isinstance(request, KustomizeRequest):
        return traced.refused or Refused(Reason.UNSUPPORTED, "it is no kustomization")
    wanted = [value for value in new_values if value.slot.value != value.new]
    counts = [each for each in numbers if each.extra.value != each.new]
    if not wanted and not counts:
        return Edited((), (), 0)
    own = own_paths(request) if overlay else frozenset()
    added = [
        one
        for one in wanted
        if one.slot.how_traced == OVERLAY
        or (overlay and (one.slot.place.path not in own or one.slot.refused is not None))
    ]
    here = [one for one in wanted if one not in added]
    if (
        refused := unit.refused or _contradiction(here) or (None if overlay else _untraced(added))
    ) is not None:
        return refused
    targets = Targets(unit, request.files, read)
    wishes = [*map(wish, here), *map(wish, counts)]
    if (why := next((each for each in wishes if isinstance(each, Refused)), None)) is not None:
        return why
    in_place = [each for each in wishes if isinstance(each, Wish)]
    placed = targets.rewritten(in_place)
    if isinstance(placed, Refused):
        return placed
    trial = _Trial(traced, others, _Wanted(wanted, counts, in_place, placed), renderer, read)
    last: Refused | None = None
    for files in variants(unit, traced, added, placed) if added else (placed,):
        found = files if isinstance(files, Refused) else trial.judged(files)
        if not isinstance(found, Refused):
            assert not isinstance(files, Refused)
            return Edited(tuple(targets.changes(files)), found, trial.renders)
        # what an edit did says more than why another could not even be tried
        last = found if last is None or last.reason not in _TELLING else last
    return last or Refused(Reason.UNPROVEN, "there is no way to write this into the kustomization")


def _contradiction(values: Iterable[NewValue]) -> Refused | None:
    places: dict[Place, NewValue] = {}
    for value in values:
        if value.slot.refused is not None:
            return value.slot.refused
        if not _agree(places.setdefault(value.slot.place, value), value):
            line = f"{value.slot.place.path}:{value.slot.line}"
            return Refused(Reason.UNPROVEN, f"{line} would have to be both {value.new} and more")
    return None


def _agree(one: NewValue, other: NewValue) -> bool:
    """Of images that have a tag in common, each may be called by its own name."""
    if one.slot.field is not Field.IMAGE:
        return one.new == other.new
    return references.followed(other.slot.value or "", one.slot.value or "", one.new) == other.new


def _untraced(values: Iterable[NewValue]) -> Refused | None:
    """A value that is in force, and that nobody asked to be overridden by a patch."""
    return next((value.slot.refused for value in values if value.slot.refused is not None), None)


class _Wanted(NamedTuple):
    """All new values and numbers; what of them is set in place; and the files with that alone."""

    values: Sequence[NewValue]
    numbers: Sequence[NewNumber]
    here: Sequence[Wish]
    placed: Files


class _Trial:
    """Renders every unit that the files go into, and holds the difference against what is meant."""

    def __init__(
        self, traced: Traced, others: Sequence[Traced], wanted: _Wanted, renderer: Renderer, read: Read | None
    ) -> None:
        self._own = traced
        self._others = [one for one in others if one.refused is None]
        self._wanted = wanted
        self._renderer = renderer
        self._read = read
        self.renders = 0

    def judged(self, files: Files) -> tuple[tuple[str, Verdict], ...] | Refused:
        found = []
        for one in (self._own, *self._others):
            after = files if one is self._own else self._files_of(one.unit, files)
            verdict = after if isinstance(after, Refused) else self._one(one, after)
            if isinstance(verdict, Refused):
                return verdict
            if verdict is not None:
                found.append((one.unit.name, verdict))
        return tuple(found)

    def _files_of(self, unit: Unit, files: Files) -> Files | Refused:
        """Another unit's files: with the values set where it has them, and with what was added."""
        request = unit.request
        if not isinstance(request, KustomizeRequest):
            return {}
        targets = Targets(unit, request.files, self._read)
        placed = targets.rewritten(targets.taken_in(self._wanted.here))
        if isinstance(placed, Refused):
            return placed._replace(detail=f"{unit.name}: {placed.detail}")
        after = dict(placed)
        paths = paths_of(unit, request.files)
        for path, data in files.items():
            before = self._wanted.placed.get(path)
            if before == data:
                continue
            at = self._own.unit.located(path)
            there = paths.get((at.repository, at.path), [])
            if before is None and not unit.mounts and unit.source == at.repository:
                there = [at.path]  # a new file, which only a kustomization that names it takes in
            for each in there:
                if before is not None and placed[each] != before:
                    return Refused(
                        Reason.UNPROVEN, f"{unit.name} renders {at.path} with additions of its own"
                    )
                after[each] = data
        return after

    def _one(self, one: Traced, files: Files) -> Verdict | Refused | None:
        request = one.unit.request
        if not isinstance(request, KustomizeRequest):
            return None
        if one is not self._own and all(files[path] == data for path, data in request.files.items()):
            return None
        self.renders += 1
        answer = self._renderer.render(request._replace(files=files))
        if not isinstance(answer, Rendered):
            return Refused(
                answer.reason, f"with the new values {one.unit.name} can't be rendered: {answer.detail}"
            )
        before = Render(one.text, one.unit.cluster, one.unit.namespace)
        after = Render(answer.text, one.unit.cluster, one.unit.namespace)
        intents = [*_intents(before, self._wanted.values), *_counted(one, self._wanted.numbers)]
        once = {intent.spot: intent for intent in intents}
        verdict = judge(differences(before, after), tuple(once.values()), frozenset())
        return _refusal(one.unit, verdict) or verdict


def _intents(before: Render, wanted: Sequence[NewValue]) -> Iterator[Intent]:
    containers = {one.ref: one for one in before.containers()}
    for value in wanted:
        for ref in value.slot.consumers:
            if (one := containers.get(ref)) is not None:
                spot = Spot(one.identity, (*one.path, *WAYS[value.slot.field]))
                current, new = one.values[value.slot.field], value.new
                if value.slot.field is Field.IMAGE and current is not None:
                    new = references.followed(current, value.slot.value or "", new)
                yield Intent(ref, value.slot.field, spot, current, new)


def _counted(one: Traced, numbers: Sequence[NewNumber]) -> Iterator[Intent]:
    """Every number of a unit that stands at the place of a new one."""
    for number in numbers:
        for extra in one.extras:
            if extra.place is not None and extra.place == number.extra.place:
                yield Intent(None, None, Spot(extra.identity, extra.path), extra.value, number.new)


def _refusal(unit: Unit, verdict: Verdict) -> Refused | None:
    if verdict.beyond:
        spot, difference = verdict.beyond[0]
        more = f", and {len(verdict.beyond) - 1} more" if len(verdict.beyond) > 1 else ""
        shown = f"{_shown(difference.old)} became {_shown(difference.new)}"
        return Refused(Reason.SIDE_EFFECT, f"in {unit.name}, {spot} would change, too: {shown}{more}")
    if verdict.missing:
        intent = verdict.missing[0]
        was = intent.old if intent.old is not None else "unset"
        detail = f"in {unit.name}, {intent.spot} would stay {was}: something overrides it"
        return Refused(Reason.NO_EFFECT, detail)
    return None


def _shown(value: object) -> str:
    if value is None:
        return "nothing"
    return f"`{str(value)[:80]}`" if isinstance(value, str) else "a part with several values"

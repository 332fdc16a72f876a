"""New values written where they are set today: in the request that is rendered, and in the files of Git.

The two are the same, but for a kustomization that an Application adds to: that one is rendered as
the Application makes it, and edited where its parts stand.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from reconciler.model import Field, FileChange, Key, NewValue, Place, Reason, Refused
from reconciler.source import yamledit
from reconciler.source.kustomizing import references
from reconciler.source.kustomizing.changed import Changed
from reconciler.source.kustomizing.removing import Removal, removed
from reconciler.source.render import Files
from reconciler.source.tracing.edits import NewNumber
from reconciler.source.tracing.owners import Read
from reconciler.source.units import Unit, Written
from reconciler.source.yamledit import Assignment, decode, parse, where

_PARTS = ("newTag", "digest")
_IMAGES = ("images", "imageTags", "imageTag")
_Step = Assignment | Removal


class Wish(NamedTuple):
    """What a place is to make of a rendered text. Without a field: a number."""

    place: Place
    field: Field | None
    old: str
    new: str


def wish(value: NewValue | NewNumber) -> Wish | Refused:
    if isinstance(value, NewValue):
        return Wish(value.slot.place, value.slot.field, value.slot.value or "", value.new)
    extra = value.extra
    if extra.refused is not None or extra.place is None:
        return extra.refused or Refused(Reason.NOT_TRACED, f"nothing is known to set {extra.path[-1]}")
    return Wish(extra.place, None, extra.value, value.new)


def paths_of(unit: Unit, files: Iterable[str]) -> dict[tuple[str, str], list[str]]:
    """As which files of the request a file of a repository is rendered."""
    found: dict[tuple[str, str], list[str]] = {}
    for path in files:
        at = unit.located(path)
        found.setdefault((at.repository, at.path), []).append(path)
    return found


class Targets:
    def __init__(self, unit: Unit, files: Files, read: Read | None) -> None:
        self._unit = unit
        self._files = files
        self._read = read
        self._repository = unit.source or unit.repository
        self._elsewhere: dict[tuple[str, str], list[_Step]] = {}
        self._outside: dict[tuple[str, str], FileChange] = {}
        self._of = paths_of(unit, files)

    def rewritten(self, values: Sequence[Wish]) -> Files | Refused:
        """The files of the request with every value."""
        wanted: dict[str, list[_Step]] = {}
        for value in values:
            refused = self._assign(value, wanted)
            if refused is not None:
                return refused
        after = dict(self._files)
        for path, assignments in wanted.items():
            once = list(dict.fromkeys(assignments))
            if self._is_made(path):
                data = _rewritten_flat(self._files[path], path, once)
            else:
                data = _rewritten(self._files[path], once)
            if isinstance(data, Refused):
                return data._replace(detail=f"{path}: {data.detail}")
            for each in [path] if self._is_made(path) else self._alike(path):
                after[each] = data
        return self._written_elsewhere() or after

    def taken_in(self, values: Iterable[Wish]) -> list[Wish]:
        """The values whose places go into this request."""
        return [value for value in values if self._in_request(value.place) is not None]

    def _alike(self, path: str) -> list[str]:
        """One file may stand in the request twice: as a base of its own, and as a remote one."""
        at = self._unit.located(path)
        return self._of[at.repository, at.path]

    def _written_elsewhere(self) -> Refused | None:
        for (repository, path), assignments in sorted(self._elsewhere.items()):
            before = self._bytes(repository, path)
            assert before is not None
            data = _rewritten(before, list(dict.fromkeys(assignments)))
            if isinstance(data, Refused):
                return data._replace(detail=f"{path}: {data.detail}")
            self._outside[repository, path] = FileChange(path, before, data)
        return None

    def changes(self, files: Files) -> Iterator[Changed]:
        """What is to be written into the repositories."""
        done = set(self._outside)
        for path, data in sorted(files.items()):
            before = self._files.get(path, b"")
            at = self._unit.located(path)
            key = (at.repository, at.path)
            if before != data and key not in done and not self._is_made(path):
                done.add(key)
                yield Changed(at.repository, FileChange(at.path, before, data))
        for (repository, _), change in sorted(self._outside.items()):
            yield Changed(repository, change)

    def _is_made(self, path: str) -> bool:
        """Whether the request's file is one that an Application has added to, so that Git has another."""
        at = self._unit.located(path)
        data = self._bytes(at.repository, at.path)
        return any(one.path == path for one in self._unit.written) or (
            path in self._files and data != self._files[path]
        )

    def _assign(self, value: Wish, wanted: dict[str, list[_Step]]) -> Refused | None:
        place = value.place
        inside = self._in_request(place)
        if inside is None:
            return Refused(Reason.UNKNOWN_SOURCE, f"{place.path} is not among the files of {self._unit.name}")
        data = self._bytes(place.repository, place.path)
        if data is None:
            return Refused(Reason.UNKNOWN_SOURCE, f"{place.path} is not at hand")
        composite = any(one.composite and one.place == place for one in self._unit.written)
        made = list(_composite(data, place, value) if composite else _steps(data, place, value, inside))
        refused = next((one for one in made if isinstance(one, Refused)), None)
        if refused is not None:
            return refused
        at = self._unit.located(inside.path)
        elsewhere = (place.repository, place.path) != (at.repository, at.path)
        if elsewhere or data != self._files[inside.path]:
            self._elsewhere.setdefault((place.repository, place.path), []).extend(_only(made))
            made = list(_steps(self._files[inside.path], inside, value, inside))
        wanted.setdefault(inside.path, []).extend(_only(made))
        return next((one for one in made if isinstance(one, Refused)), None)

    def _bytes(self, repository: str, path: str) -> bytes | None:
        if self._read is not None and (data := self._read(repository, path)) is not None:
            return data
        return next((self._files[each] for each in self._of.get((repository, path), ())), None)

    def _in_request(self, place: Place) -> Place | None:
        for written in self._unit.written:
            if (found := _brought(written, place)) is not None:
                return found._replace(repository=self._repository)
        each = next(iter(self._of.get((place.repository, place.path), ())), None)
        return None if each is None else place._replace(repository=self._repository, path=each)


def _brought(written: Written, place: Place) -> Place | None:
    """Where a place of an Application stands in the kustomization that it adds to."""
    there = written.place
    if (there.repository, there.path, there.document) != (place.repository, place.path, place.document):
        return None
    if written.composite:
        return Place("", written.path, 0, (*written.keys, "newTag")) if there == place else None
    if there.inner:
        if there.keys != place.keys or place.inner[: len(there.inner)] != there.inner:
            return None
        return Place("", written.path, 0, (*written.keys, *place.inner[len(there.inner) :]))
    if place.keys[: len(there.keys)] != there.keys:
        return None
    return Place("", written.path, 0, (*written.keys, *place.keys[len(there.keys) :]), place.inner)


def _only(made: Iterable[_Step | Refused]) -> list[_Step]:
    return [one for one in made if not isinstance(one, Refused)]


def _steps(data: bytes, place: Place, value: Wish, inside: Place) -> Iterator[_Step | Refused]:
    """What the file must hold for the value to be rendered. `inside`: where that stands in the request."""
    if value.field is not Field.IMAGE:
        yield Assignment(place.document, place.keys, value.new, inner=place.inner)
        return
    way = inside.inner or inside.keys
    if way[-1] in _PARTS and way[0] in _IMAGES:
        yield from _entry(data, place, value)
        return
    own = _text(data, place)
    new = own if isinstance(own, Refused) else references.rewritten(own, value.old, value.new)
    if isinstance(new, Refused):
        yield new
    else:
        yield Assignment(place.document, place.keys, new, text=True, inner=place.inner)


def _composite(data: bytes, place: Place, value: Wish) -> Iterator[_Step | Refused]:
    """An Application's `name=reference`, or a reference alone."""
    own = _text(data, place)
    if isinstance(own, Refused):
        yield own
        return
    name, equals, reference = own.rpartition("=")
    made = references.rewritten(reference, value.old, value.new)
    if isinstance(made, Refused):
        yield made
        return
    was = references.split(reference).name
    head = name + equals if equals else "" if references.split(made).name == was else f"{was}="
    yield Assignment(place.document, place.keys, head + made, text=True, inner=place.inner)


def _entry(data: bytes, place: Place, value: Wish) -> Iterator[_Step | Refused]:
    """An entry of `images`: each part that differs, under its key. What it sets, it sets as a whole."""
    was, wanted = references.split(value.old), references.split(value.new)
    if was.name != wanted.name:
        yield _set(place, "newName", wanted.name)
    parts = {"newTag": wanted.tag, "digest": wanted.digest}
    present = _entry_keys(data, place)
    surplus = [key for key, part in parts.items() if key in present and not part]
    missing = [key for key, part in parts.items() if key not in present and part]
    if surplus and place.inner:
        words = f"`{surplus[0]}` would have to go from a patch or transformer that is written inline"
        yield Refused(Reason.UNSUPPORTED, words)
    elif len(surplus) == len(parts) or not (wanted.tag or wanted.digest):
        yield Refused(Reason.UNSUPPORTED, f"`{value.new}` has neither a tag nor a digest: name one")
    elif surplus:
        new = missing[0] if missing else ""
        yield Removal(place.document, place.keys[:-1], surplus[0], new, parts.get(new, ""))
        missing = missing[1:]
    for key, part, other in (("newTag", was.tag, wanted.tag), ("digest", was.digest, wanted.digest)):
        if other and (key in missing or (key in present and part != other)):
            yield _set(place, key, other)


def _set(place: Place, key: str, value: str) -> Assignment:
    if place.inner:
        return Assignment(place.document, place.keys, value, text=True, inner=(*place.inner[:-1], key))
    return Assignment(place.document, (*place.keys[:-1], key), value, text=True)


def _entry_keys(data: bytes, place: Place) -> set[Key]:
    """Which parts the entry sets that a place leads into."""
    found: set[Key] = set()
    for key in _PARTS:
        at = _set(place, key, "")
        text = _text(data, place._replace(keys=at.keys, inner=at.inner))
        if isinstance(text, str):
            found.add(key)
    return found


def _rewritten(data: bytes, steps: Sequence[_Step]) -> bytes | Refused:
    after = yamledit.rewrite(data, [one for one in steps if isinstance(one, Assignment)])
    return after if isinstance(after, Refused) else removed(after, _removals(steps))


def _removals(steps: Sequence[_Step]) -> list[Removal]:
    return [one for one in steps if isinstance(one, Removal)]


def _rewritten_flat(data: bytes, path: str, steps: Sequence[_Step]) -> bytes | Refused:
    """A kustomization that nobody wrote: its inline patches are quoted texts, and are set as a whole."""
    assignments = [one for one in steps if isinstance(one, Assignment)]
    flat = [one for one in assignments if not one.inner]
    inside: dict[Place, list[Assignment]] = {}
    for one in assignments:
        if one.inner:
            inside.setdefault(Place("", path, one.document, one.keys), []).append(
                one._replace(document=0, keys=one.inner, inner=())
            )
    for place, group in inside.items():
        text = _text(data, place)
        after = text if isinstance(text, Refused) else yamledit.rewrite(text.encode("utf-8"), group)
        if isinstance(after, Refused):
            return after
        flat.append(Assignment(place.document, place.keys, after.decode("utf-8"), text=True))
    return _rewritten(data, [*flat, *_removals(steps)])


def _text(data: bytes, place: Place) -> str | Refused:
    text = decode(data)
    if isinstance(text, Refused):
        return text
    documents = parse(text)
    if place.document >= len(documents):
        return Refused(Reason.UNPROVEN, f"{place.path} has no document {place.document}")
    found = where(documents[place.document], text, place.keys, place.inner)
    if found.value is None:
        return found.refused or Refused(Reason.UNPROVEN, f"{place.path}:{found.line} holds no image")
    return found.value

"""All workloads that one snapshot of a repository holds, each with the places of its values.

Every blob is read once, and only when the cache doesn't know it. What a blob holds says nothing
of where it lies; here it meets its path, the environment that the settings give to it, and the
rest of the repository: kustomizations, scalers, and a second definition of the same thing.
"""

from __future__ import annotations

import gc
import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.resources import files
from typing import Final, NamedTuple

from reconciler.model import Container, Discovery, Entry, Failure, Note, Reason, Refused, Whose, Workload
from reconciler.source import advice, kustomize, manifests, relate
from reconciler.source import facts as records
from reconciler.source.cache import Cache
from reconciler.source.charts import CHART
from reconciler.source.compose import Places, compose
from reconciler.source.compose import UnitSetting as UnitSetting
from reconciler.source.configs import ConfigMaps
from reconciler.source.facts import FileFacts, Trouble
from reconciler.source.layout import Layout, folder, lay_out
from reconciler.source.snapshot import Snapshot

OPT_OUT: Final = "reconciler.io/ignore"
ONLY_RAISED: Final = "reconciler.io/raise-only"
OF_IMAGE: Final = "reconciler.io/image-"


def opted_out(workload: Workload, container: Container | None = None) -> str:
    """The annotation by which a workload wants to be left alone, as it stands there; "" when none does.

    With a dot and the name of a container behind it, it is about that one alone.
    """
    return _said(workload, OPT_OUT, container)


def only_raised(workload: Workload, container: Container | None = None) -> str:
    """The annotation by which a workload wants nothing to be lowered; "" when none does."""
    return _said(workload, ONLY_RAISED, container)


def said_of_image(workload: Workload, container: Container, what: str) -> str:
    """What stands beside an image for us: `pin`, `ignore` or `hold-until`; "" when nothing does."""
    return _said(workload, f"{OF_IMAGE}{what}", container).partition(": ")[2]


def _said(workload: Workload, key: str, container: Container | None) -> str:
    if not workload.annotations:
        return ""
    annotations = dict(workload.annotations)
    for name in (f"{key}.{container.ref.container}", key) if container else (key,):
        value = annotations.get(name, "").strip()
        if value:  # what is said of the container counts before what is said of all
            return "" if value.lower() in ("false", "no") else f"{name}: {value}"
    return ""


def discover(
    snapshot: Snapshot, units: Sequence[UnitSetting], clusters: Sequence[str], cache: Cache | None = None
) -> Discovery:
    """What the manifests of a snapshot say as they stand. What a renderer makes of some is `survey`'s.

    Everything found, and everything that could not be read; the one never hides the other.
    """
    with collector_paused():
        shelf = read_all(snapshot, cache)
        places = Places(snapshot.repository, units, clusters)
        found = relate.defined_once(list(as_they_stand(shelf, places)))
        claims = (
            relate.Claims(places.where(path), path, facts, shelf.inputs.refusal(path))
            for path, facts in shelf.scaling()
        )
        return discovered(shelf, relate.scaled(found, claims))


@contextmanager
def collector_paused() -> Iterator[None]:
    """What is made here holds no circles and lives on: to look for garbage in it takes half the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


class Shelf(NamedTuple):
    """What every file of one snapshot holds."""

    snapshot: Snapshot
    layout: Layout
    found: Sequence[tuple[Entry, FileFacts]]  # those that hold anything
    kustomizations: Sequence[tuple[Entry, FileFacts]]
    inputs: Inputs
    notes: tuple[Note, ...]

    def scaling(self) -> Iterator[tuple[str, FileFacts]]:
        """The files with something in them that scales others, or bounds them."""
        return (
            (entry.path, facts) for entry, facts in self.found if facts.scalers or facts.stands or facts.rules
        )

    @property
    def is_plain(self) -> bool:
        """Whether nothing in it is rendered: the manifests are all there is."""
        charts = any(entry.path.rpartition("/")[2] == CHART for entry in self.snapshot.entries())
        return not (charts or self.layout.kustomizations or any(facts.deploys for _, facts in self.found))


def read_all(snapshot: Snapshot, cache: Cache | None = None) -> Shelf:
    layout = lay_out(snapshot)
    library = _Library(snapshot, cache)
    read = [(entry, library.facts(entry)) for entry in layout.manifests]
    found = [(entry, facts) for entry, facts in read if facts is not records.NOTHING]
    listed = [(entry, library.facts(entry, kustomization=True)) for entry in layout.kustomizations]
    library.close()
    notes = (*layout.notes, *library.notes)
    return Shelf(snapshot, layout, found, listed, Inputs(listed, layout), notes)


def as_they_stand(shelf: Shelf, places: Places) -> Iterator[Workload]:
    """The workloads of all manifests, where the settings say that their folders are applied."""
    configs = ConfigMaps((places.where(entry.path), facts) for entry, facts in shelf.found if facts.configs)
    for entry, facts in shelf.found:
        if facts.workloads and entry.path not in shelf.inputs.patches:
            where = places.where(entry.path)
            yield from compose(facts, entry.path, where, shelf.inputs.refusal(entry.path), configs.of)


def discovered(shelf: Shelf, workloads: Sequence[Workload]) -> Discovery:
    """The record of it, with all that could not be read."""
    repository = shelf.snapshot.repository
    read = (*shelf.found, *shelf.kustomizations)
    told = [(entry, trouble) for entry, facts in read for trouble in facts.troubles]
    return Discovery(
        repository,
        shelf.snapshot.commit,
        tuple(workloads),
        tuple(_failure(repository, *each) for each in told if each[1].failure),
        (
            *shelf.notes,
            *(_note(repository, *each) for each in told if not each[1].failure),
            *advice.on_heaps(workloads),
        ),
        {entry.path: entry.blob for entry, facts in shelf.found if facts.workloads},
    )


def _failure(repository: str, entry: Entry, trouble: Trouble) -> Failure:
    return Failure(
        "kustomization" if trouble.what == "kustomization" else "manifest",
        Whose.YOURS,
        trouble.words,
        repository,
        entry.path,
        trouble.line,
    )


def _note(repository: str, entry: Entry, trouble: Trouble) -> Note:
    return Note(trouble.what, trouble.words, repository, entry.path, trouble.line)


class Inputs:
    """Which files are the input of a kustomization, and so not what is applied."""

    def __init__(self, listed: Sequence[tuple[Entry, FileFacts]], layout: Layout) -> None:
        read = {entry.path: facts.kustomization for entry, facts in listed if facts.kustomization is not None}
        self._rendered = kustomize.follow(read, layout)
        self._broken = {folder(entry.path): entry.path for entry, facts in listed if facts.troubles}
        self.patches = self._rendered.patches

    def refusal(self, path: str) -> Refused | None:
        """Why the values of a file may not be those that are applied; None when they are."""
        if path in self._rendered.by:
            words = f"rendered by {self._rendered.words(path)}, so that what is applied can differ"
            return Refused(Reason.RENDERED, words)
        broken = self._broken.get(folder(path))
        if broken:
            return Refused(Reason.RENDERED, f"{broken} can't be read, and may render this file")
        return None


class _Library:
    """What each blob holds: from memory, from the cache, or read now."""

    def __init__(self, snapshot: Snapshot, cache: Cache | None) -> None:
        self.notes: list[Note] = []
        self._snapshot = snapshot
        self._cache = cache
        self._fingerprint = _fingerprint() if cache else ""
        self._stored = cache.load(snapshot.repository, self._fingerprint) if cache else {}
        self._known: dict[str, FileFacts] = {}
        self._fresh = False  # whether anything was read that the cache doesn't have

    def facts(self, entry: Entry, *, kustomization: bool = False) -> FileFacts:
        key = entry.blob
        if not key:  # a file that the snapshot could not take the id of
            return self._read(entry, key, kustomization)
        if kustomization:
            key += ":k"
        found = self._known.get(key)
        if found is None:
            stored = self._stored.get(key)
            found = self._read(entry, key, kustomization) if stored is None else records.load(stored)
            self._known[key] = found
        return found

    def _read(self, entry: Entry, key: str, kustomization: bool) -> FileFacts:
        data = self._snapshot.read(entry)
        if data is None:
            words = "too large to be a manifest, or not readable: not looked at"
            self.notes.append(Note("too-large", words, self._snapshot.repository, entry.path))
            return records.NOTHING
        found = manifests.read_kustomization_file(data) if kustomization else manifests.read(data)
        if key:
            self._stored[key] = records.dump(found)
            self._fresh = True
        return found

    def close(self) -> None:
        """Hand what is new to the cache. A cache that can't be written only costs time."""
        if self._cache is None or not self._fresh:
            return
        error = self._cache.save(self._snapshot.repository, self._fingerprint, self._stored, self._known)
        if error:
            words = f"what was found can't be remembered, so the next run takes as long: {error}"
            self.notes.append(Note("cache", words, self._snapshot.repository))


def _fingerprint() -> str:
    """Changes with every change of the code that reads; nobody has to remember to count a version up."""
    room = files("reconciler.source")
    sources = [*room.iterdir(), *room.joinpath("yamledit").iterdir()]
    digest = hashlib.sha256()
    for source in sorted(sources, key=lambda each: each.name):
        if source.name.endswith(".py"):
            digest.update(source.read_bytes())
    return digest.hexdigest()

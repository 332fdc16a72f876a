"""The objects by which other tools are told to change images, in files and in what is rendered."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from reconciler.model import Refused
from reconciler.source.estate import Estate
from reconciler.source.render import HelmRequest
from reconciler.source.repositories import Repositories
from reconciler.source.trees import Tree
from reconciler.source.typed import Thing, things
from reconciler.source.yamledit import decode

UPDATER: Final = "argocd-image-updater.argoproj.io"
FLUX: Final = "image.toolkit.fluxcd.io"
_SOURCES: Final = "source.toolkit.fluxcd.io"
_WANTED: Final = re.compile(r"\b(?:argocd-image-updater\.argoproj|(?:image|source)\.toolkit\.fluxcd)\.io/")
_KINDS: Final = {
    (UPDATER, "ImageUpdater"),
    (FLUX, "ImagePolicy"),
    (FLUX, "ImageRepository"),
    (FLUX, "ImageUpdateAutomation"),
    (_SOURCES, "GitRepository"),
}
_MOST: Final = 20_000


class Scanned(NamedTuple):
    """All such objects of the known repositories."""

    repositories: Repositories
    things: tuple[Thing, ...]

    def of(self, kind: str) -> Iterator[Thing]:
        return (each for each in self.things if each.kind == kind)


def scan(estate: Estate) -> Scanned:
    """Once for all repositories of a run: each of them asks for it."""
    if not isinstance(estate.memo.scanned, Scanned):
        estate.memo.scanned = _scan(estate)
    return estate.memo.scanned


def _scan(estate: Estate) -> Scanned:
    repositories = Repositories([land.known for land in estate.lands])
    found = [each for tree in repositories.trees for each in _in_files(tree)]
    made, inputs = _rendered(estate)
    kept = [each for each in found if (each.repository, each.path, each.kind, each.name) not in inputs]
    return Scanned(repositories, tuple([*kept, *made][:_MOST]))


def _in_files(tree: Tree) -> Iterator[Thing]:
    for entry in tree.layout.manifests:
        for each in _read(tree.read(entry.path) or b""):
            yield each._replace(repository=tree.name, path=entry.path)


def _read(data: bytes) -> tuple[Thing, ...]:
    if b".fluxcd.io/" not in data and UPDATER.encode() not in data:
        return ()
    text = decode(data)
    return () if isinstance(text, Refused) else _among("", "", text)


def _among(repository: str, path: str, text: str) -> tuple[Thing, ...]:
    found, _ = things(repository, path, text, _WANTED)
    return tuple(each for each in found if (each.group, each.kind) in _KINDS)


def _rendered(estate: Estate) -> tuple[Sequence[Thing], set[tuple[str, str, str, str]]]:
    """What comes out of renders, and the objects in files that went into one: those don't count."""
    made: list[Thing] = []
    inputs: set[tuple[str, str, str, str]] = set()
    for look in estate.looks:
        if not _WANTED.search(look.text):
            continue
        unit, request = look.unit, look.unit.request
        found = _among(unit.repository, unit.path, look.text)
        made += [each._replace(line=unit.line) for each in found]
        files = request.files if request is not None and not isinstance(request, HelmRequest) else {}
        places = [unit.located(path) for path in files]
        inputs |= {(at.repository, at.path, each.kind, each.name) for each in found for at in places}
    return made, inputs

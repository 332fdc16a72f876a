"""Which files of a tree are worth reading as manifests, and which are something else."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from reconciler.model import Note
from reconciler.source.snapshot import SUBMODULE_MODE, SYMLINK_MODE, Entry, Snapshot

KUSTOMIZATIONS: Final = ("kustomization.yaml", "kustomization.yml", "Kustomization")
_SUFFIXES: Final = (".yaml", ".yml", ".json")
_CHART: Final = "Chart.yaml"
_MOST_HOPS: Final = 40  # as many links as an operating system follows


class Layout(NamedTuple):
    manifests: tuple[Entry, ...]
    kustomizations: tuple[Entry, ...]
    links: Mapping[str, str]  # symlinks that stay in the tree: path -> what it points to
    notes: tuple[Note, ...]

    def resolve(self, path: str) -> str | None:
        """Where a path leads once every link on it is followed; None when out of the tree."""
        path = posixpath.normpath(path)
        for _ in range(_MOST_HOPS):
            if path.startswith(("../", "/")) or path == "..":
                return None
            link = next((head for head in _heads(path) if head in self.links), None)
            if link is None:
                return path
            path = posixpath.normpath(self.links[link] + path[len(link) :])
        return None


def folder(path: str) -> str:
    """The folder that holds a file; "." for the root."""
    return path.rpartition("/")[0] or "."


def lay_out(snapshot: Snapshot) -> Layout:
    entries = snapshot.entries()
    charts = {folder(entry.path) for entry in entries if entry.path.endswith(_CHART) and _is_chart(entry)}
    manifests, kustomizations = [], []
    for entry in entries:
        if entry.mode in (SYMLINK_MODE, SUBMODULE_MODE):
            continue
        if _is_template(entry.path, charts):
            continue
        if entry.path.endswith(KUSTOMIZATIONS) and entry.path.rpartition("/")[2] in KUSTOMIZATIONS:
            kustomizations.append(entry)
        elif entry.path.endswith(_SUFFIXES):
            manifests.append(entry)
    links, notes = _links(snapshot)
    notes += [
        Note("submodule", "another repository: its files are not read", snapshot.repository, entry.path)
        for entry in entries
        if entry.mode == SUBMODULE_MODE
    ]
    if not entries:
        notes.append(Note("empty", "there are no files in it", snapshot.repository))
    return Layout(tuple(manifests), tuple(kustomizations), links, tuple(notes))


def _is_chart(entry: Entry) -> bool:
    return entry.path.rpartition("/")[2] == _CHART and entry.mode != SUBMODULE_MODE


def _is_template(path: str, charts: set[str]) -> bool:
    """Whether a file is a template of a chart."""
    if not charts or "templates/" not in path:
        return False
    for head in _heads(path):
        parent, _, name = head.rpartition("/")
        if name == "templates" and head != path and (parent or ".") in charts:
            return True
    return False


def _links(snapshot: Snapshot) -> tuple[dict[str, str], list[Note]]:
    """The symlinks that stay in the tree, and notes on those that hide or lose something."""
    every = [entry for entry in snapshot.entries() if entry.mode == SYMLINK_MODE]
    folders = {"."} if every else set()
    for entry in snapshot.entries() if every else ():
        folders.update(list(_heads(entry.path))[:-1])
    links: dict[str, str] = {}
    notes = []
    for entry in every:
        target = (snapshot.read(entry) or b"").decode("utf-8", "surrogateescape")
        path = posixpath.normpath(posixpath.join(posixpath.dirname(entry.path), target))
        if not target or target.startswith("/") or path.startswith("../") or path == "..":
            words = f"a link out of the tree ({_short(target)}): not followed"
            notes.append(Note("symlink", words, snapshot.repository, entry.path))
            continue
        links[entry.path] = path
        if path in folders:
            words = f"a link to the folder {path}: its files are read there"
            notes.append(Note("symlink", words, snapshot.repository, entry.path))
    return links, notes


def _heads(path: str) -> Iterator[str]:
    """`a/b/c` -> `a`, `a/b`, `a/b/c`."""
    at = path.find("/")
    while at != -1:
        yield path[:at]
        at = path.find("/", at + 1)
    yield path


def _short(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:77]}…"

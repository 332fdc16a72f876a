"""What kustomizations render: files listed in one are input of a renderer, not what is applied."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from reconciler.source.layout import Layout, folder

_LISTS: Final = ("resources", "bases", "components")
_MOST_NAMED: Final = 3


class Kustomization(NamedTuple):
    """The paths that one kustomization names, as it writes them."""

    resources: tuple[str, ...]
    patches: tuple[str, ...]


class Rendered(NamedTuple):
    """Which files kustomizations take in, by path."""

    by: Mapping[str, tuple[str, ...]]  # file -> the outermost kustomizations that it goes into
    patches: frozenset[str]

    def words(self, path: str) -> str:
        """Who renders a file, for the reader of a refusal."""
        tops = self.by[path]
        more = len(tops) - _MOST_NAMED
        return ", ".join(tops[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def read(body: object) -> Kustomization | None:
    """From plain values; None for what only has the name of a kustomization."""
    if not isinstance(body, dict) or "fluxcd.io" in str(body.get("apiVersion")):
        return None
    resources = tuple(path for key in _LISTS for path in _paths(body.get(key)))
    patches = (
        *_paths(body.get("patchesStrategicMerge")),
        *_patch_files(body.get("patches")),
        *_patch_files(body.get("patchesJson6902")),
    )
    return Kustomization(resources, patches)


def follow(kustomizations: Mapping[str, Kustomization], layout: Layout) -> Rendered:
    """Which files the kustomizations take in, through bases and components of any depth."""
    at = {folder(path): path for path in kustomizations}
    files: dict[str, set[str]] = {}
    users: dict[str, set[str]] = {}
    patches: set[str] = set()
    for path, found in kustomizations.items():
        for target in _resolved(path, found.resources, layout):
            if target in at and at[target] != path:
                users.setdefault(at[target], set()).add(path)
            else:
                files.setdefault(target, set()).add(path)
        patches.update(_resolved(path, found.patches, layout))
    tops = {path: _tops(path, users) for path in kustomizations}
    by = {path: tuple(sorted(set().union(*(tops[k] for k in by)))) for path, by in files.items()}
    return Rendered(by, frozenset(patches))


def _tops(path: str, users: Mapping[str, set[str]]) -> set[str]:
    """The outermost kustomizations that a kustomization goes into; a circle has none but itself."""
    seen, open_, tops = {path}, [path], set[str]()
    while open_:
        here = open_.pop()
        above = users.get(here, set())
        if not above:
            tops.add(here)
        open_.extend(above - seen)
        seen |= above
    return tops or {path}


def _resolved(path: str, names: Iterable[str], layout: Layout) -> Iterator[str]:
    for name in names:
        target = layout.resolve(posixpath.join(posixpath.dirname(path), name))
        if target is not None:
            yield target


def _paths(value: object) -> Iterator[str]:
    """The entries of a list that can be paths; a patch written inline spans lines."""
    for entry in value if isinstance(value, list) else ():
        if isinstance(entry, str) and entry and "\n" not in entry:
            yield entry


def _patch_files(value: object) -> Iterator[str]:
    for entry in value if isinstance(value, list) else ():
        if isinstance(entry, dict):
            yield from _paths([entry.get("path")])

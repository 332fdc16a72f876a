"""One repository as a tree of files: links followed where they stay inside, each file read once."""

from __future__ import annotations

import posixpath
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Final

from reconciler.model import Refused
from reconciler.source.layout import Layout, lay_out
from reconciler.source.snapshot import SUBMODULE_MODE, SYMLINK_MODE, Snapshot

_MOST_LINKED_FILES: Final = 5_000


class Tree:
    def __init__(self, name: str, snapshot: Snapshot, refused: Refused | None = None) -> None:
        self.name = name
        self.refused = refused  # why nothing in it can be edited: it is no known repository
        self.commit = snapshot.commit
        self.layout: Layout = lay_out(snapshot)
        self._snapshot = snapshot
        self._entries = {
            entry.path: entry
            for entry in snapshot.entries()
            if entry.mode not in (SYMLINK_MODE, SUBMODULE_MODE)
        }
        self._paths = sorted(self._entries)

    @property
    def called(self) -> str:
        """Its name in a sentence."""
        return "this folder" if self.name == "." else self.name

    @property
    def paths(self) -> Sequence[str]:
        """Every file, sorted."""
        return self._paths

    @cached_property
    def folders(self) -> tuple[str, ...]:
        """Every folder that holds a file anywhere below it, in the order of a walk; not the root."""
        found: set[str] = set()
        for path in self._paths:
            folder = posixpath.dirname(path)
            while folder and folder not in found:
                found.add(folder)
                folder = posixpath.dirname(folder)
        return tuple(sorted(found, key=lambda path: path.split("/")))

    def resolved(self, path: str) -> str | None:
        """The path once links are followed, relative to the root; "" is the root, None is outside."""
        if path in self._entries and not self.layout.links:
            return path
        if "\0" in path:
            return None
        if not self.layout.links:
            return inside("", path.strip("/"))
        found = self.layout.resolve(path.strip("/") or ".")
        return "" if found == "." else found

    def has_file(self, path: str) -> bool:
        found = self.resolved(path)
        return found is not None and found in self._entries

    def has_folder(self, path: str) -> bool:
        found = self.resolved(path)
        return found is not None and (not found or self._first_below(found) is not None)

    def has(self, path: str) -> bool:
        return self.has_file(path) or self.has_folder(path)

    def read(self, path: str) -> bytes | None:
        """The bytes of a file; None when it is missing, out of the tree or too large."""
        found = self.resolved(path)
        entry = self._entries.get(found) if found is not None else None
        return None if entry is None else self._snapshot.read(entry)

    def blob(self, path: str) -> str:
        entry = self._entries.get(path)
        return entry.blob if entry else ""

    def below(self, folder: str) -> list[str]:
        """The files below a folder, as paths that begin with it; linked ones under the link's name."""
        real = self.resolved(folder)
        if real is None:
            return []
        head = folder.strip("/")
        head = "" if head == "." else head
        found = [_moved(path, real, head) for path in self._real_below(real)]
        budget = _MOST_LINKED_FILES
        for link in self.layout.links:
            if not _is_within(link, real):
                continue
            target = self.resolved(link)
            if target is None or _is_within(link, target):
                continue  # out of the tree, or a circle
            at = _moved(link, real, head)
            linked = (
                [at] if target in self._entries else [_moved(p, target, at) for p in self._real_below(target)]
            )
            found += linked[:budget]
            budget -= len(linked[:budget])
        return sorted(found)

    def _real_below(self, folder: str) -> Iterator[str]:
        if not folder:
            yield from self._paths
            return
        head = f"{folder}/"
        at = bisect_left(self._paths, head)
        while at < len(self._paths) and self._paths[at].startswith(head):
            yield self._paths[at]
            at += 1

    def _first_below(self, folder: str) -> str | None:
        return next(self._real_below(folder), None)


def _is_within(path: str, folder: str) -> bool:
    return not folder or path == folder or path.startswith(f"{folder}/")


def _moved(path: str, here: str, there: str) -> str:
    """A path below one folder, told as a path below another."""
    rest = path[len(here) :].lstrip("/") if here else path
    return f"{there}/{rest}" if there and rest else there or rest


def inside(folder: str, name: str) -> str | None:
    """A name relative to a folder, told from the root; None when it leads out."""
    joined = posixpath.normpath(posixpath.join(folder or ".", name))
    if joined.startswith(("../", "/")) or joined == "..":
        return None
    return "" if joined == "." else joined

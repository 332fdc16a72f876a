"""Where commits lie until they are pushed: in memory, then in one pack.

A commit touches a handful of small objects. As files of their own, those of a thousand branches
take a disk seconds to write and leave thousands of files in the cache; as one pack, a fraction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pygit2

_FIRST: Final = 1000  # before the store's own places, which have 1 and 2
_ROOM: Final = 64 * 1024 * 1024  # bytes held in memory; a folder of 20,000 files fills it soon

Objects = dict[pygit2.Oid, tuple[int, bytes]]


class Desk:
    def __init__(self) -> None:
        self._objects: Objects = {}
        self._size = 0

    def attach(self, store: pygit2.Repository) -> None:
        """From now on the store writes here, and finds here what was written."""
        store.odb.add_backend(_Memory(self._objects, self._count), _FIRST)

    def is_full(self) -> bool:
        return self._size > _ROOM

    def _count(self, size: int) -> None:
        self._size += size

    def clear_into(self, store: pygit2.Repository, folder: Path) -> None:
        """Write everything as one pack of the bare repository in `folder`, where git finds it."""
        if not self._objects:
            return
        pack = pygit2.PackBuilder(store)
        for oid in self._objects:
            pack.add(oid)
        pack.write(str(folder / "objects" / "pack"))
        self._objects.clear()
        self._size = 0


class _Memory(pygit2.OdbBackend):
    """libgit2 asks here first. A KeyError sends it on to the next place."""

    def __init__(self, objects: Objects, count: Callable[[int], None]) -> None:
        super().__init__()
        self._objects = objects
        self._count = count

    def read_cb(self, oid: pygit2.Oid) -> tuple[int, bytes]:
        return self._objects[oid]

    def read_header_cb(self, oid: pygit2.Oid) -> tuple[int, int]:
        kind, content = self._objects[oid]
        return kind, len(content)

    def read_prefix_cb(self, oid: pygit2.Oid) -> tuple[pygit2.Oid, int, bytes]:
        raise KeyError(oid)  # nobody here asks by a shortened id

    def exists_prefix_cb(self, oid: pygit2.Oid) -> pygit2.Oid:
        raise KeyError(oid)

    def exists_cb(self, oid: pygit2.Oid) -> bool:
        return oid in self._objects

    def write_cb(self, oid: pygit2.Oid, content: bytes, kind: int) -> None:
        self._objects[oid] = (kind, bytes(content))
        self._count(len(content))

    def refresh_cb(self) -> None:
        """There is nothing behind it to look at again."""

    def __iter__(self) -> Iterator[pygit2.Oid]:
        return iter(self._objects)

"""What this room asks of whoever holds the files: one commit of a repository, or a folder.

Whoever implements it reads no links and follows no submodules; it hands out what the tree
says, byte for byte.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from reconciler.model import Entry as Entry

FILE_MODE: Final = 0o100644
EXECUTABLE_MODE: Final = 0o100755
SYMLINK_MODE: Final = 0o120000
SUBMODULE_MODE: Final = 0o160000


class Snapshot(Protocol):
    @property
    def repository(self) -> str:
        """The name that places carry."""

    @property
    def commit(self) -> str:
        """The commit id; "" for a folder that is none."""

    def entries(self) -> Sequence[Entry]:
        """Every leaf, sorted by path."""

    def read(self, entry: Entry) -> bytes | None:
        """The bytes (of a symlink: its target); None when larger than the snapshot's limit."""


class Rewritten:
    """A snapshot with some of its files written anew."""

    def __init__(self, below: Snapshot, files: Mapping[str, bytes]) -> None:
        self._below = below
        self._files = dict(files)
        self.repository = below.repository
        self.commit = below.commit

    def entries(self) -> Sequence[Entry]:
        kept = [entry for entry in self._below.entries() if entry.path not in self._files]
        return sorted([*kept, *(_fresh(path, data) for path, data in self._files.items())])

    def read(self, entry: Entry) -> bytes | None:
        written = self._files.get(entry.path)
        return written if written is not None else self._below.read(entry)


def _fresh(path: str, data: bytes) -> Entry:
    return Entry(path, f"written:{hashlib.sha256(data).hexdigest()}", FILE_MODE)

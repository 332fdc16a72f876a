"""What this room asks of whoever holds the files: one commit of a repository, or a folder.

Whoever implements it reads no links and follows no submodules; it hands out what the tree
says, byte for byte.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

FILE_MODE: Final = 0o100644
EXECUTABLE_MODE: Final = 0o100755
SYMLINK_MODE: Final = 0o120000
SUBMODULE_MODE: Final = 0o160000


class Entry(NamedTuple):
    """One leaf of the tree.

    `blob` names the content: equal ids mean equal bytes. Git's own id for a blob (a folder
    computes the same from the bytes), and the commit for a submodule.
    """

    path: str  # relative to the root, with `/`
    blob: str
    mode: int  # as Git writes it: a file, an executable, a symlink or a submodule


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

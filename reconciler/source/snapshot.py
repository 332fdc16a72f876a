"""What this room asks of whoever holds the files: one commit of a repository, or a folder.

Whoever implements it reads no links and follows no submodules; it hands out what the tree
says, byte for byte.
"""

from __future__ import annotations

from collections.abc import Sequence
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

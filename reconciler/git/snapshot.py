"""One commit of a repository, read without a work tree."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import pygit2
from pygit2.enums import FileMode

from reconciler.errors import Problem
from reconciler.git.names import path_flaw
from reconciler.model import Entry, Note, Whose

READ_LIMIT: Final = 8 * 1024 * 1024


class GitSnapshot:
    """The files of one commit. Symlinks and submodules are leaves like any other."""

    def __init__(
        self,
        repository: str,
        store: pygit2.Repository,
        commit: str,
        *,
        limit: int = READ_LIMIT,
        on_damage: Callable[[], None] | None = None,
    ) -> None:
        self.repository = repository
        self.commit = commit
        self._store = store
        self._limit = limit
        self._on_damage = on_damage
        self._walked: tuple[tuple[Entry, ...], tuple[Note, ...]] | None = None

    def entries(self) -> Sequence[Entry]:
        """Every leaf, sorted by path. What has an impossible name is left out; see `notes`."""
        return self._walk()[0]

    def notes(self) -> Sequence[Note]:
        """What the tree holds and `entries` doesn't, and why."""
        return self._walk()[1]

    def read(self, entry: Entry) -> bytes | None:
        """The bytes (of a symlink: its target); None when larger than the limit."""
        if entry.mode == FileMode.COMMIT:
            return b""
        try:
            oid = pygit2.Oid(hex=entry.blob)
            if self._store.odb.read_header(oid)[1] > self._limit:
                return None
            return self._store.odb.read(oid)[1]
        except (KeyError, ValueError, OSError, pygit2.GitError) as error:
            raise self._damaged(error) from error

    def _walk(self) -> tuple[tuple[Entry, ...], tuple[Note, ...]]:
        if self._walked is None:
            try:
                self._walked = self._walk_now()
            except (KeyError, OSError, pygit2.GitError) as error:
                raise self._damaged(error) from error
        return self._walked

    def _walk_now(self) -> tuple[tuple[Entry, ...], tuple[Note, ...]]:
        """Depth first in Git's order, which is the order of the full paths."""
        found: list[Entry] = []
        notes: list[Note] = []
        open_trees = [("", iter(self._store[self.commit].peel(pygit2.Tree)))]
        while open_trees:
            prefix, rest = open_trees[-1]
            leaf = next(rest, None)
            if leaf is None:
                open_trees.pop()
                continue
            name = _readable(leaf)
            if name is None:
                notes.append(self._skipped(prefix, leaf))
            elif isinstance(leaf, pygit2.Tree):
                open_trees.append((f"{prefix}{name}/", iter(leaf)))
            else:
                found.append(Entry(prefix + name, str(leaf.id), int(leaf.filemode)))
        return tuple(found), tuple(notes)

    def _skipped(self, prefix: str, leaf: pygit2.Object) -> Note:
        shown = (leaf.raw_name or b"").decode("utf-8", "backslashreplace")
        detail = f"{prefix + shown!r} is not read: no file can safely have that name"
        return Note("bad-path", detail, repository=self.repository)

    def _damaged(self, error: Exception) -> Problem:
        if self._on_damage is not None:
            self._on_damage()
        return Problem(
            self.repository,
            f"the local copy of the repository is damaged ({error}): run again, it is then made anew.",
            whose=Whose.OURS,
            repository=self.repository,
        )


def _readable(leaf: pygit2.Object) -> str | None:
    try:
        name = (leaf.raw_name or b"").decode()
    except UnicodeDecodeError:
        return None
    return None if "/" in name or path_flaw(name) else name

"""One commit of a repository, read without a work tree."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import pygit2
from pygit2.enums import FileMode

from reconciler.errors import Problem
from reconciler.git.names import path_flaw
from reconciler.model import Entry, Note, Whose

READ_LIMIT: Final = 8 * 1024 * 1024
_MOST: Final = 1_000_000  # a few small trees that hold each other many times over make billions
_TREE: Final = int(FileMode.TREE)
_IN_TREE: Final = re.compile(rb"([0-7]+) ([^\0]+)\0([\s\S]{20})")
_HARMLESS: Final = re.compile(rb"[A-Za-z0-9_][A-Za-z0-9_.-]*[A-Za-z0-9_-]|[A-Za-z0-9_]")
_TYPES: Final = {int(each) >> 12: int(each) for each in (FileMode.TREE, FileMode.LINK, FileMode.COMMIT)}


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
        walked = 0
        open_trees = [("", self._tree(self._store[self.commit].peel(pygit2.Tree).id))]
        while open_trees:
            prefix, rest = open_trees[-1]
            leaf = next(rest, None)
            if leaf is None:
                open_trees.pop()
                continue
            if len(found) + len(notes) + walked > _MOST:
                raise self._endless()
            digits, raw_name, raw_id = leaf.groups()
            name = _readable(raw_name)
            mode = _TYPES.get(int(digits, 8) >> 12, 0)
            if name is None:
                notes.append(self._skipped(prefix, raw_name))
            elif mode == _TREE:
                walked += 1
                open_trees.append((f"{prefix}{name}/", self._tree(pygit2.Oid(raw=raw_id))))
            else:
                found.append(Entry(prefix + name, raw_id.hex(), mode or _file_mode(int(digits, 8))))
        return tuple(found), tuple(notes)

    def _tree(self, oid: pygit2.Oid) -> Iterator[re.Match[bytes]]:
        """Read raw: an object for each of 20,000 files would take longer than all the rest."""
        return _IN_TREE.finditer(self._store.odb.read(oid)[1])

    def _skipped(self, prefix: str, name: bytes) -> Note:
        shown = name.decode("utf-8", "backslashreplace")
        detail = f"{prefix + shown!r} is not read: no file can safely have that name"
        return Note("bad-path", detail, repository=self.repository)

    def _endless(self) -> Problem:
        text = f"the repository has over {_MOST:,} files and folders and is not read: use a smaller one."
        return Problem(self.repository, text, repository=self.repository)

    def _damaged(self, error: Exception) -> Problem:
        if self._on_damage is None:
            text = f"the clone is damaged ({error}): `git fsck` tells more; repair it, or clone it anew."
            return Problem(self.repository, text, repository=self.repository)
        self._on_damage()
        text = f"the local copy of the repository is damaged ({error}): run again, it is then made anew."
        return Problem(self.repository, text, whose=Whose.OURS, repository=self.repository)


def _readable(raw: bytes) -> str | None:
    if _HARMLESS.fullmatch(raw):
        return raw.decode("ascii")
    try:
        name = raw.decode()
    except UnicodeDecodeError:
        return None
    return None if "/" in name or path_flaw(name) else name


def _file_mode(mode: int) -> int:
    """Old trees have other permissions; Git knows two kinds of files."""
    return int(FileMode.BLOB_EXECUTABLE if mode & 0o100 else FileMode.BLOB)

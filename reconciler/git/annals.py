"""A repository as its own record: branches, commits, and who changed which file on the way to a tip.

The same for a mirror and for a clone, and only ever read.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Iterator
from typing import Final, NamedTuple

import pygit2
from pygit2.enums import ObjectType

from reconciler.errors import Problem
from reconciler.git.lineage import Lineage
from reconciler.git.message import trailers
from reconciler.git.snapshot import READ_LIMIT, GitSnapshot

_MARK: Final = b"Reconcile-Key:"
_IN_TREE: Final = re.compile(rb"[0-7]+ ([^\0]+)\0([\s\S]{20})")
_KEPT: Final = 64  # trees, the last ones


class Told(NamedTuple):
    """What a commit says of itself."""

    commit: str
    parents: tuple[str, ...]
    at: int
    author: str
    committer: str
    message: str

    @property
    def subject(self) -> str:
        return self.message.lstrip("\n").partition("\n")[0]

    @property
    def marks(self) -> dict[str, str]:
        return trailers(self.message)


class Passed(NamedTuple):
    """A commit on the way of a branch, and which of the files asked for it changed."""

    told: Told
    touched: tuple[str, ...]
    ours: Told | None  # the commit that says it is ours: itself, or what it merged


_Wanted = dict[str, "_Wanted | None"]  # a tree of names; None for a file


class Annals:
    def __init__(
        self,
        store: pygit2.Repository,
        repository: str,
        tip: Callable[[str], str],
        on_damage: Callable[[], None] | None = None,
    ) -> None:
        self._store = store
        self._tip = tip
        self._on_damage = on_damage
        self.repository = repository
        self._trees: dict[bytes, dict[bytes, bytes]] = {}

    def called(self, repository: str) -> Annals:
        """The same under another name, as places may carry it."""
        return Annals(self._store, repository, self._tip, self._on_damage)

    def before(self, tip: str, when: int) -> str:
        """The commit that was the tip at that time; "" when the history does not reach so far back."""
        return Lineage(self._store, tip).at(when)

    def tip(self, branch: str) -> str:
        """The commit of a branch; "" when there is no such branch."""
        return self._tip(branch)

    def at(self, commit: str, *, limit: int = READ_LIMIT) -> GitSnapshot:
        return GitSnapshot(self.repository, self._store, commit, limit=limit, on_damage=self._on_damage)

    def named(self, revision: str) -> str:
        """The commit that somebody means by an id, a part of it, a branch or a tag; "" for none."""
        try:
            return str(self._store.revparse_single(revision).peel(pygit2.Commit).id)
        except (KeyError, ValueError, pygit2.GitError):
            return ""

    def told(self, commit: str) -> Told | None:
        """None where the commit isn't here."""
        try:
            return _told(self._store[commit].peel(pygit2.Commit))
        except (KeyError, ValueError, pygit2.GitError):
            return None

    def contains(self, tip: str, commit: str) -> bool:
        """Whether a commit is in the history of another."""
        try:
            return tip == commit or self._store.descendant_of(tip, commit)
        except (KeyError, ValueError, pygit2.GitError):
            return False

    def read(self, commit: str, path: str) -> tuple[str, bytes] | None:
        """The blob's id and bytes of a file; None where there is none, or none that can be read."""
        try:
            found = self._store[commit].peel(pygit2.Tree)[path]
            if not isinstance(found, pygit2.Blob) or found.size > READ_LIMIT:
                return None
            return str(found.id), found.data
        except (KeyError, ValueError, pygit2.GitError):
            return None

    def changed(self, commit: str, parent: str) -> tuple[str, ...]:
        """The files in which two commits differ."""
        try:
            diff = self._store.diff(parent, commit, context_lines=0)
            names = {side.path for delta in diff.deltas for side in (delta.old_file, delta.new_file)}
        except (KeyError, ValueError, pygit2.GitError) as error:
            text = f"the commits {parent[:12]} and {commit[:12]} can't be compared ({error})"
            raise Problem(commit, f"{text}.", repository=self.repository) from error
        return tuple(sorted(names))

    def way(self, tip: str, paths: Collection[str], since: int) -> Iterator[Passed]:
        """The commits along the first parents, newest first, that touch these files or say they are ours.

        It ends where the branch was before `since`. A history that is cut off, as a shallow clone's is,
        ends where it is.
        """
        wanted = _tree_of(paths)
        try:
            commit = self._store[tip].peel(pygit2.Commit)
            while commit.commit_time >= since:
                parents = self._parents(commit)
                before = parents[0].tree_id.raw if parents else b""
                touched = tuple(self._differing(before, commit.tree_id.raw, wanted, "")) if wanted else ()
                ours = next((_told(one) for one in (commit, *parents[1:]) if _is_ours(one)), None)
                if touched or ours is not None:
                    yield Passed(_told(commit), touched, ours)
                if not parents:
                    return
                commit = parents[0]
        except (KeyError, OSError, ValueError, pygit2.GitError) as error:
            text = f"the history of {self.repository} can't be read ({error}): repair it, or clone it anew."
            raise Problem(self.repository, text, repository=self.repository) from error

    @property
    def is_cut(self) -> bool:
        """Whether history is missing, as in a shallow clone."""
        return bool(self._store.is_shallow)

    def _parents(self, commit: pygit2.Commit) -> list[pygit2.Commit]:
        """Those that are here."""
        found: list[pygit2.Commit] = []
        for oid in commit.parent_ids:
            parent = self._store.get(oid)
            if not isinstance(parent, pygit2.Commit):
                break
            found.append(parent)
        return found

    def _differing(self, before: bytes, after: bytes, wanted: _Wanted, prefix: str) -> Iterator[str]:
        """`b""` is no tree at all."""
        if before == after:
            return
        old = self._entries(before) if before else {}
        new = self._entries(after) if after else {}
        for name, below in wanted.items():
            key = os.fsencode(name)
            was, now = old.get(key, b""), new.get(key, b"")
            if was == now:
                continue
            if below is None:
                yield f"{prefix}{name}"
            else:
                yield from self._differing(was, now, below, f"{prefix}{name}/")

    def _entries(self, tree: bytes) -> dict[bytes, bytes]:
        """Name and id of what a tree holds; nothing for a file. Read raw, and once for each tree in a row."""
        known = self._trees.get(tree)
        if known is None:
            kind, data = self._store.odb.read(pygit2.Oid(raw=tree))
            found = _IN_TREE.findall(data) if kind == ObjectType.TREE else ()
            known = self._trees[tree] = dict(found)
            if len(self._trees) > _KEPT:
                del self._trees[next(iter(self._trees))]
        return known


def _tree_of(paths: Collection[str]) -> _Wanted:
    root: _Wanted = {}
    for path in paths:
        *folders, name = path.split("/")
        at = root
        for folder in folders:
            below = at.setdefault(folder, {})
            if below is None:  # a file where others have a folder
                below = at[folder] = {}
            at = below
        at.setdefault(name, None)
    return root


def _is_ours(commit: pygit2.Commit) -> bool:
    return _MARK in commit.raw_message


def _told(commit: pygit2.Commit) -> Told:
    return Told(
        str(commit.id),
        tuple(map(str, commit.parent_ids)),
        commit.commit_time,
        commit.author.name,
        commit.committer.name,
        commit.raw_message.decode("utf-8", "replace"),
    )

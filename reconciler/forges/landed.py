"""Whether the base branch has what a branch brings: merged by whatever means, also with plain Git.

A merge is an ancestor. A squash or a rebase is not: there the files tell. What counts is that a
commit of the base branch once had all of it, so that a later change, or a revert, takes nothing
back. Only paths that both sides touched are compared, so that many open requests cost little.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

import pygit2
from pygit2.enums import FileMode

_FILES: Final = (FileMode.BLOB, FileMode.BLOB_EXECUTABLE)


class _File(NamedTuple):
    blob: pygit2.Oid
    mode: FileMode


class _Change(NamedTuple):
    path: str
    old: _File | None  # None: it is added
    new: _File | None  # None: it is removed


class Base:
    """A base branch at its tip, and its history along first parents: what was on it, in turn."""

    def __init__(self, store: pygit2.Repository, tip: str) -> None:
        self._store = store
        # A handle of its own: of commits that somebody looked at, libgit2 forgets the form in which
        # it walks them, and reads each from disk every time.
        self._graph = pygit2.Repository(store.path, pygit2.enums.RepositoryOpenFlag.NO_SEARCH)
        self.tip = tip
        self._line = [pygit2.Oid(hex=tip)]  # newest first, as far as somebody asked
        self._places = {self._line[0]: 0}
        self._touched: dict[str, list[int]] = {}
        self._indexed = 0

    def contains(self, commit: str) -> bool:
        return commit == self.tip or self._graph.descendant_of(self.tip, commit)

    def landed(self, head: str, since: str = "") -> pygit2.Commit | None:
        """The commit that brought all of `head` in; None when there is none.

        Files are compared only with what came after `since`: a request that was opened on top of
        a revert is not merged by what had been reverted.
        """
        if head not in self._store:
            return None
        if self.contains(head):
            place = self._first(lambda commit: not self._reaches(commit, head)) - 1
            return self._commit(max(place, 0))
        return self._squashed(head, since)

    # -- its history --------------------------------------------------------------------------

    def _commit(self, place: int) -> pygit2.Commit:
        return self._store[self._line[place]].peel(pygit2.Commit)

    def _extend(self, length: int) -> bool:
        """Whether the line has so many commits."""
        while len(self._line) < length:
            parents = self._commit(-1).parent_ids
            if not parents or parents[0] not in self._store:  # the beginning, or a shallow copy's end
                return False
            self._places[parents[0]] = len(self._line)
            self._line.append(parents[0])
        return True

    def _reaches(self, commit: pygit2.Oid, other: str) -> bool:
        return str(commit) == other or self._graph.descendant_of(commit, other)

    def _first(self, is_older: Callable[[pygit2.Oid], bool]) -> int:
        """The place where the older commits begin; the line's length when there are none."""
        high = 1
        while self._extend(high) and not is_older(self._line[high - 1]):
            high *= 2
        low, high = 0, min(high, len(self._line))
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if is_older(self._line[middle]) else (middle + 1, high)
        return low

    def _place(self, commit: str) -> int:
        """How many commits came after it."""
        known = self._places.get(pygit2.Oid(hex=commit))
        return known if known is not None else self._first(lambda each: self._reaches_from(commit, each))

    def _reaches_from(self, commit: str, older: pygit2.Oid) -> bool:
        return str(older) == commit or self._graph.descendant_of(commit, older)

    def _index(self, length: int) -> None:
        """Which of the newest commits touched which paths."""
        for place in range(self._indexed, min(length, len(self._line))):
            commit = self._commit(place)
            if not self._extend(place + 2):
                continue
            before = self._commit(place + 1).tree
            for delta in before.diff_to_tree(commit.tree).deltas:
                for path in {delta.old_file.path, delta.new_file.path}:
                    self._touched.setdefault(path, []).append(place)
        self._indexed = max(self._indexed, length)

    # -- squashes and rebases -------------------------------------------------------------------

    def _squashed(self, head: str, since: str) -> pygit2.Commit | None:
        fork = self._graph.merge_base(self.tip, head)
        if fork is None or str(fork) == self.tip:
            return None
        newer = self._place(str(fork))
        if since and since in self._store:
            newer = min(newer, self._place(since))
        self._index(newer)
        changes = self._changes(fork, head)
        places = {place for change in changes for place in self._touched.get(change.path, ())}
        for place in sorted((place for place in places if place < newer), reverse=True):
            commit = self._commit(place)
            if all(self._has(commit.tree, change) for change in changes):
                return commit
        return None

    def _changes(self, fork: pygit2.Oid, head: str) -> list[_Change]:
        old, new = (self._store[each].peel(pygit2.Tree) for each in (fork, head))
        paths = {
            path
            for delta in old.diff_to_tree(new).deltas
            for path in (delta.old_file.path, delta.new_file.path)
        }
        return [_Change(path, _file(old, path), _file(new, path)) for path in sorted(paths)]

    def _has(self, tree: pygit2.Tree, change: _Change) -> bool:
        found = _file(tree, change.path)
        if found == change.new:
            return True
        if found is None or change.old is None or change.new is None or found == change.old:
            return False
        return self._merges_to_nothing(change.path, change.old, found, change.new)

    def _merges_to_nothing(self, path: str, old: _File, found: _File, new: _File) -> bool:
        """Whether the file, which has changes of its own too, would stay as it is."""
        if any(each.mode not in _FILES for each in (old, found, new)) or found.mode != new.mode:
            return False
        base, ours, theirs = (pygit2.IndexEntry(path, each.blob, each.mode) for each in (old, found, new))
        try:
            merged = self._store.merge_file_from_index(base, ours, theirs)
        except (UnicodeDecodeError, RuntimeError):  # no text, or nothing is left: nobody merges that
            return False
        content = self._store[found.blob].peel(pygit2.Blob).data
        return not isinstance(merged, str) and merged.automergeable and merged.contents.encode() == content


def _file(tree: pygit2.Tree, path: str) -> _File | None:
    try:
        found = tree[path]
    except KeyError:
        return None
    return _File(found.id, FileMode(found.filemode))

"""What a branch held earlier, along its first parents: what was deployed, and when it changed."""

from __future__ import annotations

import pygit2


class Lineage:
    """The history of one tip. Merges count with what they brought, at the time they came."""

    def __init__(self, store: pygit2.Repository, tip: str) -> None:
        self._store = store
        self._tip = tip

    def at(self, when: int) -> str:
        """The commit that was the tip at that time; "" when the history does not reach so far back."""
        commit = self._commit()
        while commit.commit_time > when:
            if not commit.parents:
                return ""
            commit = commit.parents[0]
        return str(commit.id)

    def touched(self, path: str) -> int:
        """When the newest change of that file came."""
        commit = self._commit()
        while commit.parents:
            earlier = commit.parents[0]
            if _blob(commit.tree, path) != _blob(earlier.tree, path):
                return commit.commit_time
            commit = earlier
        return commit.commit_time

    def _commit(self) -> pygit2.Commit:
        return self._store[self._tip].peel(pygit2.Commit)


def _blob(tree: pygit2.Tree, path: str) -> pygit2.Oid | None:
    try:
        return tree[path].id
    except KeyError:
        return None

"""How branches come together, in a bare repository and without a work tree."""

from __future__ import annotations

import pygit2

from .records import Refused


def tip(store: pygit2.Repository, branch: str) -> str:
    """The commit of a branch; "" where there is none."""
    try:
        found = store.references.get(f"refs/heads/{branch}")
    except ValueError:
        return ""
    return str(found.target) if found is not None else ""


def contains(store: pygit2.Repository, commit: str, other: str) -> bool:
    return commit == other or store.descendant_of(commit, other)


def merge_base(store: pygit2.Repository, one: str, two: str) -> str:
    found = store.merge_base(one, two)
    return str(found) if found is not None else ""


def commits(store: pygit2.Repository, base: str, head: str) -> list[pygit2.Commit]:
    """Of head and not of base, oldest first."""
    walk = store.walk(head, pygit2.enums.SortMode.TOPOLOGICAL | pygit2.enums.SortMode.REVERSE)
    walk.hide(base)
    return list(walk)


def conflicts(store: pygit2.Repository, base: str, head: str) -> list[str]:
    index = store.merge_commits(base, head)
    if not index.conflicts:
        return []
    return sorted({side.path for sides in index.conflicts for side in sides if side is not None})


def joined(
    store: pygit2.Repository, method: str, base: str, head: str, message: str, who: pygit2.Signature
) -> str:
    """The commit that the base branch moves to. method: merge | squash | rebase | fast-forward."""
    if method == "fast-forward":
        if not contains(store, head, base):
            raise Refused("behind", "the branch is behind its base and can't be fast-forwarded")
        return head
    if conflicts(store, base, head):
        raise Refused("conflict", "the branch has conflicts with its base")
    if method == "rebase":
        return _rebased(store, base, head, who)
    tree = store.merge_commits(base, head).write_tree(store)
    parents = [base, head] if method == "merge" else [base]
    return _commit(store, tree, message, who, who, parents)


def _rebased(store: pygit2.Repository, base: str, head: str, who: pygit2.Signature) -> str:
    tip = base
    for commit in commits(store, base, head):
        if len(commit.parents) != 1:
            raise Refused("conflict", "a branch with merges can't be rebased")
        index = store.merge_trees(commit.parents[0].tree, store[tip].tree, commit.tree)
        if index.conflicts:
            raise Refused("conflict", "the branch can't be rebased onto its base")
        tip = _commit(store, index.write_tree(store), commit.message, commit.author, who, [tip])
    return tip


def _commit(
    store: pygit2.Repository,
    tree: pygit2.Oid,
    message: str,
    author: pygit2.Signature,
    committer: pygit2.Signature,
    parents: list[str],
) -> str:
    ids = [pygit2.Oid(hex=each) for each in parents]
    return str(store.create_commit(None, author, committer, message, tree, ids))


def move(store: pygit2.Repository, branch: str, commit: str) -> None:
    store.references.create(f"refs/heads/{branch}", pygit2.Oid(hex=commit), force=True)

"""What a branch would bring into its base, as a diff."""

from __future__ import annotations

from pathlib import Path

import pygit2

from reconciler.errors import Problem


def request_diff(repository: Path, base: str, head: str, merged: str = "") -> str:
    """From where the two parted to `head`: what a reviewer reads. `base` is a branch, `head` a commit.

    Of one that is `merged`: what that commit brought.
    """
    try:
        store = pygit2.Repository(str(repository), pygit2.enums.RepositoryOpenFlag.NO_SEARCH)
        tip = store.lookup_reference(f"refs/heads/{base}").target
        parents = store[merged].peel(pygit2.Commit).parent_ids if merged else []
        parted = parents[0] if parents else store.merge_base(tip, head)
        found = store.diff(str(parted), merged or head) if parted is not None else None
    except (KeyError, ValueError, pygit2.GitError) as error:
        raise Problem(head, f"the diff of {head[:12]} against {base} can't be read: {error}.") from error
    return (found.patch or "") if isinstance(found, pygit2.Diff) else ""

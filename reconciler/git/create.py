"""A new bare repository with one commit: for demos, and to try things out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pygit2

from reconciler.git.commits import Author, CommitRequest, write_commit


def create_bare(
    path: Path, files: Mapping[str, bytes], *, branch: str, message: str, author: Author, when: int
) -> str:
    """The id of the commit that holds the files, on the branch that HEAD names."""
    store = pygit2.init_repository(str(path), bare=True, initial_head=branch)
    commit = write_commit(store, CommitRequest("", files, message, author, when), str(path))
    store.references.create(f"refs/heads/{branch}", commit)
    return commit

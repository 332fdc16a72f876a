"""The clone that someone stands in: its HEAD, and what of it is not committed.

Read with libgit2, which runs nothing that a clone's configuration names.
"""

from __future__ import annotations

import os
from pathlib import Path

import pygit2
from pygit2.enums import FileStatus

from reconciler.errors import Problem
from reconciler.git.lineage import Lineage
from reconciler.git.snapshot import GitSnapshot
from reconciler.git.urls import without_credentials


class Clone:
    def __init__(self, store: pygit2.Repository, folder: Path) -> None:
        self._store = store
        self.root = Path(store.workdir).resolve()
        self.subfolder = folder.relative_to(self.root).as_posix().removeprefix(".")

    @property
    def branch(self) -> str:
        """The branch that is checked out; "" when HEAD is detached."""
        if self._store.head_is_detached:
            return ""
        target = self._store.lookup_reference("HEAD").target
        return str(target).removeprefix("refs/heads/")

    @property
    def remotes(self) -> dict[str, str]:
        """Name and address, as they may be shown."""
        return {str(each.name): without_credentials(each.url or "") for each in self._store.remotes}

    def snapshot(self, repository: str = "") -> GitSnapshot:
        """What HEAD holds, whole; `repository` is the name that places shall carry."""
        name = repository or str(self.root)
        if self._store.head_is_unborn:
            raise Problem(
                name, f"the clone {self.root} has no commit yet: commit something first.", repository=name
            )
        return GitSnapshot(name, self._store, str(self._store.head.target))

    def at(self, commit: str, repository: str = "") -> GitSnapshot:
        """What another commit holds."""
        return GitSnapshot(repository or str(self.root), self._store, commit)

    def lineage(self, commit: str) -> Lineage:
        return Lineage(self._store, commit)

    def dirty(self) -> list[str]:
        """Paths, from the root, whose content is not what HEAD has; untracked files too."""
        found = self._store.status(untracked_files="all", ignored=False)
        quiet = FileStatus.CURRENT, FileStatus.IGNORED
        changed = (path for path, status in found.items() if status not in quiet)
        return sorted(os.fsencode(path).decode("utf-8", "backslashreplace") for path in changed)


def open_clone(path: Path) -> Clone | None:
    """The work tree around a folder or file; None when there is none."""
    folder = path.resolve()
    folder = folder if folder.is_dir() else folder.parent
    found = pygit2.discover_repository(str(folder))
    if found is None:
        return None
    try:
        store = pygit2.Repository(found)
    except pygit2.GitError as error:
        raise Problem(str(path), f"the clone at {found} can't be read: {error}.", path=str(path)) from error
    if store.is_bare or not folder.is_relative_to(Path(store.workdir).resolve()):
        return None
    return Clone(store, folder)

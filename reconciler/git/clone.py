"""The clone that someone stands in: its HEAD, and what of it is not committed.

Read with libgit2, which runs nothing that a clone's configuration names.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pygit2
from pygit2.enums import FileStatus

from reconciler.errors import Problem
from reconciler.git.annals import Annals
from reconciler.git.command import SHA256
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
        with _readable(self.root):
            if self._store.head_is_detached:
                return ""
            target = self._store.lookup_reference("HEAD").target
        return str(target).removeprefix("refs/heads/")

    @property
    def followed(self) -> tuple[str, ...]:
        """The branches that what is checked out stands for: its own, and the one it will be merged into."""
        with _readable(self.root):
            names = [str(name) for name in self._store.references]
            head = next((name for name in names if re.fullmatch(r"refs/remotes/[^/]+/HEAD", name)), "")
            target = str(self._store.lookup_reference(head).target) if head else ""
        default = target.split("/", 3)[-1] if target.startswith("refs/remotes/") else ""
        usual = [name for name in ("main", "master") if f"refs/heads/{name}" in names]
        return tuple(dict.fromkeys(filter(None, (self.branch, default or next(iter(usual), "")))))

    def ignores(self, path: str) -> bool:
        """Whether Git leaves a folder out: what is built or installed there is nobody's source."""
        with _readable(self.root):
            return bool(self._store.path_is_ignored(f"{path}/"))

    @property
    def remotes(self) -> dict[str, str]:
        """Name and address, as they may be shown."""
        with _readable(self.root):
            return {str(each.name): without_credentials(each.url or "") for each in self._store.remotes}

    def snapshot(self, repository: str = "") -> GitSnapshot:
        """What HEAD holds, whole; `repository` is the name that places shall carry."""
        name = repository or str(self.root)
        with _readable(self.root):
            head = None if self._store.head_is_unborn else str(self._store.head.target)
        if head is None:
            text = f"the clone {self.root} has no commit yet: commit something first."
            raise Problem(name, text, repository=name)
        return GitSnapshot(name, self._store, head)

    def at(self, commit: str, repository: str = "") -> GitSnapshot:
        """What another commit holds."""
        return GitSnapshot(repository or str(self.root), self._store, commit)

    def lineage(self, commit: str) -> Lineage:
        return Lineage(self._store, commit)

    def annals(self, repository: str = "") -> Annals:
        """Its history, and the branches that it knows of."""
        return Annals(self._store, repository or str(self.root), self.tip)

    def tip(self, branch: str) -> str:
        """The commit of a branch as its remote had it when that was last fetched, else as it is here."""
        with _readable(self.root):
            names = [str(name) for name in self._store.references]
            remotes = sorted(str(each.name) for each in self._store.remotes)
            ordered = sorted(remotes, key=lambda name: name != "origin")
            for full in (*(f"refs/remotes/{name}/{branch}" for name in ordered), f"refs/heads/{branch}"):
                if full in names:
                    return str(self._store.references[full].peel(pygit2.Commit).id)
        return ""

    def dirty(self) -> list[str]:
        """Paths, from the root, whose content is not what HEAD has; untracked files too."""
        with _readable(self.root):
            found = self._store.status(untracked_files="all", ignored=False)
        quiet = FileStatus.CURRENT, FileStatus.IGNORED
        changed = (path for path, status in found.items() if status not in quiet)
        return sorted(os.fsencode(path).decode("utf-8", "backslashreplace") for path in changed)


def open_clone(path: Path) -> Clone | None:
    """The work tree around a folder or file; None when there is none."""
    folder = path.resolve()
    folder = folder if folder.is_dir() else folder.parent
    with _readable(folder):
        found = pygit2.discover_repository(str(folder))
        store = pygit2.Repository(found) if found is not None else None
    if store is None or store.is_bare or not folder.is_relative_to(Path(store.workdir).resolve()):
        return None
    return Clone(store, folder)


@contextmanager
def _readable(folder: Path) -> Iterator[None]:
    """A clone can be broken in many places, each of which libgit2 notices when it comes there."""
    try:
        yield
    except (KeyError, OSError, ValueError, pygit2.GitError) as error:
        reason = " ".join(str(error).split()).rstrip(".")
        text = f"the clone at {folder} can't be read ({reason}): repair it (`git fsck` says what is broken)"
        text = SHA256 if "object format" in reason else f"{text}, or clone it anew"
        raise Problem(str(folder), f"{text}.", path=str(folder)) from error

"""Bare repositories to test against, and what people do to them with plain git."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pygit2

WHO = pygit2.Signature("Ada", "ada@example.com", 1_700_000_000, 0)


class Bare:
    """A bare repository, and a person who pushes to it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.store = pygit2.init_repository(str(path), bare=True, initial_head="main")
        self.store.config["http.receivepack"] = "true"

    @property
    def url(self) -> str:
        return str(self.path)

    def tip(self, branch: str = "main") -> str:
        return str(self.store.lookup_reference(f"refs/heads/{branch}").target)

    def branches(self) -> dict[str, str]:
        return {name: self.tip(name) for name in self.store.branches.local}

    def commit(
        self,
        files: Mapping[str, bytes],
        branch: str = "main",
        message: str = "change",
        modes: Mapping[str, int] | None = None,
        start: str = "",
    ) -> str:
        """A person's commit on a branch, which begins at the tip of `start` when it is new."""
        ref = f"refs/heads/{branch}"
        there = ref in self.store.references
        parent = self.tip(branch) if there else self.tip(start) if start else ""
        index = pygit2.Index()
        if parent:
            index.read_tree(self.store[parent].peel(pygit2.Tree))
        for path, content in files.items():
            mode = (modes or {}).get(path, pygit2.enums.FileMode.BLOB)
            index.add(pygit2.IndexEntry(path, self.store.create_blob(content), mode))
        tree = index.write_tree(self.store)
        parents = [pygit2.Oid(hex=parent)] if parent else []
        oid = self.store.create_commit(None, WHO, WHO, message, tree, parents)
        self.store.references.create(ref, oid, force=True)
        return str(oid)

    def move(self, branch: str, commit: str) -> None:
        """A branch is made, or pushed by force."""
        self.store.references.create(f"refs/heads/{branch}", commit, force=True)

    def delete(self, branch: str) -> None:
        self.store.references.delete(f"refs/heads/{branch}")

    def read(self, path: str, branch: str = "main") -> bytes:
        return self.store[self.tip(branch)].peel(pygit2.Tree)[path].data


def git(*words: str, folder: Path, check: bool = True) -> str:
    """Plain git as a person has it, apart from this machine's configuration."""
    surroundings = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    surroundings |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    for role in ("AUTHOR", "COMMITTER"):
        surroundings |= {f"GIT_{role}_NAME": "Ada", f"GIT_{role}_EMAIL": "ada@example.com"}
    ran = subprocess.run(
        ["git", *words], cwd=folder, env=surroundings, capture_output=True, text=True, check=False
    )
    if check and ran.returncode:
        raise AssertionError(f"git {' '.join(words)}: {ran.stderr}")
    return ran.stdout.strip()

"""The repositories that are known, and which of them an address means."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from reconciler.source.snapshot import Snapshot
from reconciler.source.trees import Tree

_PORTS: Final = {"https": "443", "http": "80", "ssh": "22", "git": "9418"}
_FULL: Final = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?:[^@/]*@)?(?P<host>\[[^]/]*\]|[^:/]*)(?::(?P<port>[0-9]*))?(?P<path>/.*)?"
)
_SCP: Final = re.compile(r"(?:[^@/:\s]+@)?(?P<host>\[[0-9a-f:.]+\]|[^@/:\s]+):(?P<path>[^/].*|/.*)")
_COMMIT: Final = re.compile(r"[0-9a-f]{7,40}")


class Known(NamedTuple):
    """A repository whose files can be read."""

    name: str  # what places carry
    snapshot: Snapshot
    aliases: tuple[str, ...] = ()  # every address it goes by
    branches: tuple[str, ...] = ()  # the names of the branch that the snapshot is of
    remote: bool = True  # False: a folder that has no address of its own
    default: bool = True  # whether `HEAD` of the remote means what is read here


def address(url: str) -> str:
    """A form that is equal for all ways to write one address: https, ssh, scp, `.git`, a user, a port.

    Case doesn't count, as it doesn't for Argo CD.
    """
    url = url.strip().lower()
    full = _FULL.fullmatch(url)
    if full is not None:
        scheme = full["scheme"].removeprefix("git+").removesuffix("+git")
        host, port, path = full["host"], full["port"] or "", full["path"] or ""
        if scheme == "file":
            return posixpath.normpath(_bare(path) or "/")
        kept = f":{port}" if port and port != _PORTS.get(scheme) else ""
        return f"{host}{kept}/{_bare(path).strip('/')}"
    scp = _SCP.fullmatch(url)
    if scp is not None:
        return f"{scp['host']}/{_bare(scp['path']).strip('/')}"
    return posixpath.normpath(_bare(url)) if url.startswith("/") else _bare(url)


def _bare(path: str) -> str:
    return path.rstrip("/").removesuffix(".git").rstrip("/")


class Repositories:
    """All that is known, by address."""

    def __init__(self, known: Sequence[Known]) -> None:
        self.trees = tuple(Tree(each.name, each.snapshot) for each in known)
        self._known = {each.name: each for each in known}
        self._named = {each.name: tree for each, tree in zip(known, self.trees, strict=True)}
        self._addresses: dict[str, Tree] = {}
        for each, tree in zip(known, self.trees, strict=True):
            for url in (each.name, *each.aliases):
                self._addresses.setdefault(address(url), tree)

    def named(self, name: str) -> Tree | None:
        """The repository of a place."""
        return self._named.get(name)

    def meant(self, url: str, path: str, beside: Tree | None = None) -> Tree | None:
        """The repository that an address means; else a folder without an address that has the path.

        `beside`: the repository in which the address was read; among folders it is asked first.
        """
        if not url:
            return beside
        found = self._addresses.get(address(url))
        if found is not None:
            return found
        folders = [tree for tree in self.trees if not self._known[tree.name].remote]
        if beside in folders:
            folders.insert(0, beside)
        return next((tree for tree in folders if tree.has(path)), None)

    def addressed(self, url: str) -> Tree | None:
        """The repository that has an address."""
        return self._addresses.get(address(url))

    def follows(self, tree: Tree, revision: str) -> bool:
        """Whether a revision means what is read here, as far as that can be known."""
        known = self._known[tree.name]
        revision = revision.strip()
        if revision in ("", "HEAD"):
            return known.default
        if revision.removeprefix("refs/heads/") in known.branches:
            return True
        if tree.commit and _COMMIT.fullmatch(revision.lower()):
            return tree.commit.startswith(revision.lower())
        return not known.branches and not tree.commit

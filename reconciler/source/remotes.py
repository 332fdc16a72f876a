"""Git repositories that the settings do not name, and single files on the web, read where that is allowed."""

from __future__ import annotations

import re
from typing import Final, Protocol

from reconciler.model import Reason, Refused
from reconciler.source.repositories import address
from reconciler.source.snapshot import Snapshot
from reconciler.source.trees import Tree

_MOST: Final = 200  # repositories and files of one search for units
_ADDRESS: Final = re.compile(
    r"(?:https?|ssh)://(?:[A-Za-z0-9_][A-Za-z0-9_.-]*@)?[A-Za-z0-9\[][A-Za-z0-9.:\[\]-]*/[^\s\x00-\x1f\x7f?#]+"
    r"|[A-Za-z0-9_][A-Za-z0-9_.-]*@[A-Za-z0-9][A-Za-z0-9.-]*:[^\s\x00-\x1f\x7f?#:-][^\s\x00-\x1f\x7f?#]*"
)
_REVISION: Final = re.compile(r"(?:[A-Za-z0-9_@+][^\s\x00-\x1f\x7f~^:?*\[\\]{0,249})?")


class GitSource(Protocol):
    """Reads what is in no known repository. It decides which hosts may be asked; neither method raises."""

    def tree(self, url: str, revision: str) -> Snapshot | Refused:
        """The files at a branch, a tag or a commit; revision "" or `HEAD` is the default branch."""
        ...

    def file(self, url: str) -> bytes | Refused:
        """One file over http or https."""
        ...


class Remotes:
    """Asks for each repository once."""

    def __init__(self, source: GitSource | None) -> None:
        self._source = source
        self._trees: dict[tuple[str, str], Tree | Refused] = {}
        self._files: dict[str, bytes | Refused] = {}

    @property
    def allowed(self) -> bool:
        """Whether anything may be fetched at all."""
        return self._source is not None

    def tree(self, url: str, revision: str) -> Tree | Refused:
        """The repository at a revision. Nothing in it can be edited."""
        revision = "" if revision.strip() == "HEAD" else revision.strip()
        key = (address(url), revision)
        if key not in self._trees:
            self._trees[key] = self._tree(url.strip(), revision)
        return self._trees[key]

    def _tree(self, url: str, revision: str) -> Tree | Refused:
        if self._source is None:
            return Refused(Reason.UNKNOWN_SOURCE, f"its source {told(url)} is no known repository")
        if not _ADDRESS.fullmatch(url) or "/../" in f"{url}/":
            words = f"its source {told(url)} is no known repository, and no address that is fetched from"
            return Refused(Reason.UNKNOWN_SOURCE, words)
        if not _REVISION.fullmatch(revision) or ".." in revision:
            words = f"its source {told(url)} is at the revision {revision[:80]!r}, which can be none"
            return Refused(Reason.UNKNOWN_SOURCE, words)
        if len(self._trees) + len(self._files) >= _MOST:
            return _too_many()
        found = self._source.tree(url, revision)
        if isinstance(found, Refused):
            return found
        name = told(url) + (f"?ref={revision}" if revision else "")
        words = f"it stands in {name}, which is not among the repositories that are read here"
        return Tree(name, found, Refused(Reason.UNKNOWN_SOURCE, words))

    def file(self, url: str) -> bytes | Refused:
        if url not in self._files:
            self._files[url] = self._file(url)
        return self._files[url]

    def _file(self, url: str) -> bytes | Refused:
        if self._source is None:
            return Refused(Reason.UNKNOWN_SOURCE, f"{told(url)} is not fetched")
        if len(self._trees) + len(self._files) >= _MOST:
            return _too_many()
        return self._source.file(url)


def told(url: str) -> str:
    """An address without what may be a password in it, and without what is asked of it."""
    bare = re.sub(r"(?<=://)(?!git@)[^/@]*@", "", " ".join(url.split()).partition("?")[0])
    return bare[:200] or "without an address"


def _too_many() -> Refused:
    return Refused(Reason.UNKNOWN_SOURCE, f"more than {_MOST} sources lie in no known repository")

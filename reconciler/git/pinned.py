"""One revision of a repository that is only read: a base or a chart that lies elsewhere.

Its history is nobody's business here, so nothing is fetched but the one commit. A commit named by
its whole id is fetched once; a branch or a tag is asked for each time, for it can move.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from pathlib import Path
from typing import Final

import pygit2

from reconciler.errors import Problem
from reconciler.git.access import Access
from reconciler.git.command import Ran, explained, may_be_damage, run
from reconciler.git.lock import locked
from reconciler.git.names import branch_flaw
from reconciler.git.snapshot import GitSnapshot
from reconciler.git.urls import Remote, parse_url
from reconciler.model import Whose

_COMMIT: Final = re.compile(r"[0-9a-f]{40}")
_HELD: Final = "refs/pinned/"
_MISSING: Final = re.compile(r"couldn't find remote ref|not our ref")
_DAMAGED: Final = "damaged"
_LONGEST_SHOWN: Final = 100


def pinned(url: str, revision: str, folder: Path, access: Access, *, ask: bool = True) -> GitSnapshot:
    """The files at a branch, a tag or a commit; "" is the default branch. Raises Problem.

    Where the server shall not be asked, there is only what was fetched before and can't have moved.
    """
    remote = parse_url(url)
    wanted = _wanted(revision, remote)
    copy = _Copy(remote, access, folder / hashlib.sha256(remote.url.encode()).hexdigest()[:32], ask)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with locked(copy.place.with_suffix(".lock"), access.timeout) as hold:
            return copy.at(revision, wanted, hold)
    except (OSError, pygit2.GitError) as error:
        words = f"{remote.url} can't be kept in {folder} ({error}): make the folder writable, or remove it."
        raise Problem(remote.url, words, repository=remote.url) from error


def _wanted(revision: str, remote: Remote) -> list[str]:
    """What to ask for. A name may be a branch or a tag, and of equal ones Argo CD takes the branch."""
    if revision in ("", "HEAD"):
        return ["HEAD"]
    flaw = branch_flaw(revision)
    if flaw:
        words = f"{_shown(revision)} can't be a branch, a tag or a commit of {remote.url}: {flaw}."
        raise Problem(remote.url, words, repository=remote.url)
    if _COMMIT.fullmatch(revision.lower()):
        return [revision.lower()]
    if revision.startswith(("refs/heads/", "refs/tags/")):
        return [revision]
    return [f"refs/heads/{revision}", f"refs/tags/{revision}"]


def _shown(revision: str) -> str:
    return ascii(revision[:_LONGEST_SHOWN])


class _Copy:
    """What is kept of one repository. Whoever uses it holds its lock."""

    def __init__(self, remote: Remote, access: Access, place: Path, ask: bool) -> None:
        self._remote = remote
        self._access = access
        self.place = place
        self._ask = ask

    def at(self, revision: str, wanted: list[str], hold: int) -> GitSnapshot:
        """What is damaged, or was left half-made, is made anew."""
        name = _HELD + hashlib.sha256("\n".join(wanted).encode()).hexdigest()[:32]
        if (self.place / _DAMAGED).exists():
            shutil.rmtree(self.place)
        if _COMMIT.fullmatch(wanted[0]) and (held := self._snapshot(name)) is not None:
            return held
        if not self._ask:
            words = f"{self._remote.host} did not answer several times in this run, and is not asked again."
            raise Problem(self._remote.url, words, whose=Whose.THEIRS, repository=self._remote.url)
        found = self._fetched(revision, wanted, name, hold)
        if found is None:
            shutil.rmtree(self.place)
            found = self._fetched(revision, wanted, name, hold)
        if found is None:
            raise Problem(
                self._remote.url,
                f"{self._remote.url} can't be kept in {self.place.parent}: what git wrote can't be read.",
                repository=self._remote.url,
            )
        return found

    def _fetched(self, revision: str, wanted: list[str], name: str, hold: int) -> GitSnapshot | None:
        """None when the copy on this machine may be to blame that there is no answer."""
        if not (self.place / "HEAD").is_file():
            pygit2.init_repository(str(self.place), bare=True)
        for one in wanted:
            ran = self._fetch(f"+{one}:{name}", hold)
            if ran.status == 0:
                return self._snapshot(name)
            if not _MISSING.search(ran.err):
                if may_be_damage(ran) and self._snapshots_are_held():
                    return None
                raise explained("fetching", self._remote, self._access, ran)
        raise Problem(
            self._remote.url,
            f"{self._remote.url} has no branch, tag or commit {_shown(revision)}: correct the revision.",
            repository=self._remote.url,
        )

    def _snapshots_are_held(self) -> bool:
        """Whether there is anything but an empty repository, which can't be what is damaged."""
        return any(path.is_file() for name in ("objects", "refs") for path in (self.place / name).rglob("*"))

    def _fetch(self, refspec: str, hold: int) -> Ran:
        words = ["fetch", "--quiet", "--depth=1", "--force", "--no-tags", "--no-write-fetch-head"]
        words += ["--no-auto-maintenance", "--no-recurse-submodules", "--", self._remote.url, refspec]
        return run(words, self._remote, self._access, folder=self.place, hold=hold)

    def _snapshot(self, name: str) -> GitSnapshot | None:
        """What is held under a name; None where nothing is, or not all of it."""
        try:
            store = pygit2.Repository(str(self.place), pygit2.enums.RepositoryOpenFlag.BARE)
            commit = str(store.references[name].peel(pygit2.Commit).id)
            found = GitSnapshot(self._remote.url, store, commit, on_damage=(self.place / _DAMAGED).touch)
            for entry in found.entries():
                if entry.mode != pygit2.enums.FileMode.COMMIT:
                    store.odb.read_header(pygit2.Oid(hex=entry.blob))
        except (OSError, KeyError, ValueError, pygit2.GitError, Problem):
            return None
        return found

"""A bare copy of a repository, kept in the cache folder between runs.

What is in the cache can be thrown away at any time: it is made anew from the server. It is
never trusted to be whole, because runs are killed and disks fill up.
"""

from __future__ import annotations

import difflib
import hashlib
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import pygit2
from pygit2.enums import FileMode

from reconciler.errors import Problem
from reconciler.git.access import Access, cautions, scrubbed
from reconciler.git.annals import Annals
from reconciler.git.command import Ran, explained, git_version, may_be_damage, run
from reconciler.git.commits import CommitRequest, write_commit
from reconciler.git.desk import Desk
from reconciler.git.lineage import Lineage
from reconciler.git.lock import locked
from reconciler.git.push import Outcome, Pushed, arguments, batches, checked_update, results
from reconciler.git.snapshot import READ_LIMIT, GitSnapshot
from reconciler.git.urls import Remote, parse_url
from reconciler.model import Note, RefUpdate, Whose

_HEADS: Final = "refs/heads/"
_REFSPEC: Final = "+refs/heads/*:refs/heads/*"
_SHOWN_BRANCHES: Final = 8


class CommitInfo(NamedTuple):
    """What a commit says of itself."""

    commit: str
    tree: str
    parents: tuple[str, ...]
    author: str  # Name <address>
    when: int  # of its committer
    message: str


def open_mirror(url: str, cache: Path, access: Access | None = None) -> Mirror:
    """The up-to-date mirror of a repository: cloned when there is none yet, else fetched."""
    remote = parse_url(url)
    git_version()
    mirror = Mirror(remote, cache, access or Access())
    mirror.fetch()
    return mirror


class Mirror:
    def __init__(self, remote: Remote, cache: Path, access: Access) -> None:
        self._remote = remote
        self._access = access
        self._cache = cache
        self.repository = remote.url  # the name that places carry
        self.folder = cache / _folder_name(remote.url)
        self._open: pygit2.Repository | None = None
        self._desk = Desk()

    # -- keeping it -------------------------------------------------------------------------

    def fetch(self) -> None:
        """Bring it to where the server is; what is missing, half-made or damaged is made anew."""
        with self._held() as hold:
            self._open = None
            if self.folder.is_dir() and not self._damage_marker.exists():
                ran = self._fetch_into(self.folder, hold)
                if ran.status == 0 and self._is_sound():
                    self._tidy(hold)
                    return
                if ran.status != 0 and not may_be_damage(ran):
                    raise explained("fetching", self._remote, self._access, ran)
            self._make_anew(hold)

    def cautions(self) -> tuple[Note, ...]:
        return cautions(self._remote, self._access)

    @contextmanager
    def _held(self) -> Iterator[int]:
        try:
            self._cache.mkdir(mode=0o700, parents=True, exist_ok=True)
            with locked(self.folder.with_suffix(".lock"), self._access.timeout) as hold:
                yield hold
        except (OSError, pygit2.GitError) as error:
            raise Problem(
                self.repository,
                f"the cache folder {self._cache} can't be used ({error}): make it writable, with room, or "
                "name another one.",
                repository=self.repository,
                path=str(self._cache),
            ) from error

    def _fetch_into(self, folder: Path, hold: int) -> Ran:
        words = ["fetch", "--quiet", "--prune", "--force", "--no-tags", "--no-write-fetch-head"]
        words += ["--no-auto-maintenance", "--no-recurse-submodules", "--", self._remote.url, _REFSPEC]
        return run(words, self._remote, self._access, folder=folder, hold=hold)

    def _make_anew(self, hold: int) -> None:
        """Beside the place, then moved there, so that what stands there is always whole."""
        fresh = self.folder.with_suffix(".new")
        _remove(fresh)
        pygit2.init_repository(str(fresh), bare=True)
        ran = self._fetch_into(fresh, hold)
        if ran.status != 0:
            _remove(fresh)
            raise explained("fetching", self._remote, self._access, ran)
        _remove(self.folder)
        fresh.rename(self.folder)

    def _is_sound(self) -> bool:
        """Whether every branch leads to a readable tree. Deeper damage shows when it is read."""
        try:
            for oid in set(self.branches().values()):
                self._store[oid].peel(pygit2.Tree)
        except (KeyError, OSError, pygit2.GitError):
            self._open = None
            return False
        return True

    def _tidy(self, hold: int) -> None:
        """Packs pile up over months; git itself knows when it is time. It keeps fresh loose objects."""
        words = ["-c", "gc.auto=6700", "gc", "--auto", "--quiet"]
        run(words, self._remote, self._access, folder=self.folder, hold=hold)

    @property
    def _damage_marker(self) -> Path:
        return self.folder / "damaged"

    def _mark_damaged(self) -> None:
        self._damage_marker.touch()

    @property
    def _store(self) -> pygit2.Repository:
        if self._open is None:
            self._open = pygit2.Repository(str(self.folder), pygit2.enums.RepositoryOpenFlag.BARE)
            self._desk.attach(self._open)
        return self._open

    # -- reading ----------------------------------------------------------------------------

    def branches(self, prefix: str = "") -> dict[str, str]:
        """Branch and commit, of those whose name begins so."""
        wanted = (_HEADS + prefix).encode()
        found = {}
        for raw in self._store.raw_listall_references():
            if raw.startswith(wanted):
                target = self._store.lookup_reference(os.fsdecode(raw)).target
                shown = raw.decode("utf-8", "backslashreplace").removeprefix(_HEADS)
                found[shown] = str(target)
        return found

    def tip(self, branch: str) -> str:
        """The commit of one branch; "" when there is no such branch."""
        try:
            reference = self._store.references.get(_HEADS + branch)
        except ValueError:  # no name that a branch can have
            return ""
        return "" if reference is None else str(reference.target)

    def default_branch(self) -> str:
        """The branch that the server's HEAD names; "" when it says none."""
        words = ["ls-remote", "--symref", "--", self._remote.url, "HEAD"]
        ran = run(words, self._remote, self._access, folder=self.folder)
        if ran.status != 0:
            raise explained("asking for the default branch", self._remote, self._access, ran)
        named = re.search(r"^ref: refs/heads/(\S+)\tHEAD$", ran.out, re.MULTILINE)
        return named[1] if named else ""

    def snapshot(self, branch: str) -> GitSnapshot:
        tip = self.tip(branch)
        if tip:
            return self.at(tip)
        found = self.branches()
        if not found:
            raise self._problem(branch, "the repository is empty: push a first commit to it")
        raise self._problem(branch, f"there is no branch {branch!r}: {_existing(branch, sorted(found))}")

    def at(self, commit: str, *, limit: int = READ_LIMIT) -> GitSnapshot:
        return GitSnapshot(self.repository, self._store, commit, limit=limit, on_damage=self._mark_damaged)

    def lineage(self, commit: str) -> Lineage:
        return Lineage(self._store, commit)

    def annals(self) -> Annals:
        return Annals(self._store, self.repository, self.tip, self._mark_damaged)

    def info(self, commit: str) -> CommitInfo:
        found = self._commit(commit)
        author = f"{found.author.name} <{found.author.email}>"
        parents = tuple(str(parent) for parent in found.parent_ids)
        return CommitInfo(
            str(found.id), str(found.tree_id), parents, author, found.commit_time, found.message
        )

    def message(self, commit: str) -> str:
        return self._commit(commit).message

    def is_ancestor(self, ancestor: str, descendant: str) -> bool:
        """Whether everything in `ancestor` is also in `descendant`; False when one is unknown."""
        if not self.knows(ancestor) or not self.knows(descendant):
            return False
        return ancestor == descendant or self._store.descendant_of(descendant, ancestor)

    def knows(self, commit: str) -> bool:
        try:
            return isinstance(self._store.get(commit), pygit2.Commit)
        except ValueError:
            return False

    def merges_cleanly(self, base: str, tip: str) -> bool:
        return self._merged_tree(base, tip) is not None

    def is_untouched(self, tip: str, ours: str, base: str) -> bool:
        """Whether a branch at `tip` holds nothing but our commit `ours`.

        Besides the commit itself that is: the same files under another commit (amended, signed),
        and the forge's "update branch": a merge of `base` that changes nothing by hand.
        """
        if tip == ours:
            return True
        if not self.knows(tip) or not self.knows(ours):
            return False
        found, own = self._commit(tip), self._commit(ours)
        if found.parent_ids == own.parent_ids:
            return found.tree_id == own.tree_id
        first, *others = (str(parent) for parent in found.parent_ids)
        if first != ours or len(others) != 1 or not self.is_ancestor(others[0], base):
            return False
        return str(found.tree_id) == self._merged_tree(ours, others[0])

    def _merged_tree(self, one: str, other: str) -> str | None:
        """The tree of both merged; None when they conflict."""
        index = self._store.merge_commits(self._commit(one), self._commit(other))
        return None if index.conflicts else str(index.write_tree(self._store))

    def _commit(self, commit: str) -> pygit2.Commit:
        try:
            return self._store[commit].peel(pygit2.Commit)
        except (KeyError, ValueError, pygit2.GitError):
            raise self._problem(commit, f"there is no commit {commit!r}") from None

    # -- writing ----------------------------------------------------------------------------

    def commit(self, request: CommitRequest) -> str:
        """Build a commit, in memory. It is written when it is pushed."""
        if request.base:
            self._commit(request.base)
        commit = write_commit(self._store, request, self.repository)
        if self._desk.is_full():
            self._write_desk()
        return commit

    def bring(self, commit: str) -> None:
        """A commit that lies on no branch of the remote, by its id."""
        with self._held() as hold:
            words = ["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance"]
            words += ["--no-recurse-submodules", "--", self._remote.url, commit]
            ran = run(words, self._remote, self._access, folder=self.folder, hold=hold)
        if ran.status != 0:
            raise explained("fetching", self._remote, self._access, ran)

    def executables(self, commit: str, paths: Iterable[str]) -> frozenset[str]:
        """Those of the files that may be run."""
        tree = self._commit(commit).tree
        return frozenset(path for path in paths if tree[path].filemode == FileMode.BLOB_EXECUTABLE)

    def _write_desk(self) -> None:
        try:
            self._desk.clear_into(self._store, self.folder)
        except (OSError, pygit2.GitError) as error:
            text = f"commits can't be written to the cache folder {self.folder} ({error}): make room there"
            raise self._problem(str(self.folder), text) from error

    def push(self, updates: Sequence[RefUpdate]) -> tuple[Pushed, ...]:
        """Move branches, all in one push. Answers for each; raises when the server can't be reached."""
        self._write_desk()
        done: list[Pushed] = []
        for batch in batches([checked_update(update, self.repository) for update in updates]):
            words = arguments(self._remote.url, batch)
            ran = run(words, self._remote, self._access, folder=self.folder)
            ran = ran._replace(err=scrubbed(ran.err, self._remote, self._access))
            answered = results(batch, ran, self.branches() if ran.status else ())
            if answered is None:
                raise explained("pushing", self._remote, self._access, ran)
            self._remember(answered)
            done.extend(answered)
        return tuple(each._replace(update=asked) for each, asked in zip(done, updates, strict=True))

    def _remember(self, answered: Sequence[Pushed]) -> None:
        """What the server now has, without asking again."""
        with self._held():
            for pushed in answered:
                update = pushed.update
                if pushed.outcome is not Outcome.DONE:
                    continue
                if update.new:
                    self._store.references.create(update.ref, update.new, force=True)
                elif update.ref in self._store.references:
                    self._store.references.delete(update.ref)

    def _problem(self, what: str, words: str) -> Problem:
        return Problem(what, f"{words}.", whose=Whose.YOURS, repository=self.repository)


def _existing(wanted: str, there: Sequence[str]) -> str:
    """The branches that exist, the likeliest first."""
    there = [name for name in there if not name.startswith("reconcile/")]  # nobody deploys those
    near = difflib.get_close_matches(wanted, there, n=1)
    own = [name for name in there if name not in near]
    shown = [*near, *own][:_SHOWN_BRANCHES]
    more = f" and {len(there) - len(shown)} more" if len(there) > len(shown) else ""
    meant = f"did you mean {near[0]!r}? " if near else ""
    return f"{meant}It has {', '.join(shown)}{more}"


def _folder_name(url: str) -> str:
    """Readable for people, unique by the hash."""
    last = url.rstrip("/").removesuffix(".git").rpartition("/")[2]
    readable = re.sub(r"[^A-Za-z0-9_-]+", "-", last).strip("-")[:40]
    return f"{readable or 'repository'}-{hashlib.sha256(url.encode()).hexdigest()[:16]}"


def _remove(folder: Path) -> None:
    if folder.is_dir() and not folder.is_symlink():
        shutil.rmtree(folder)
    elif folder.exists() or folder.is_symlink():
        folder.unlink()

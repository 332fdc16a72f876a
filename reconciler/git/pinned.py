"""One revision of a repository that is only read: a base or a chart that lies elsewhere.

Its history is nobody's business here, so nothing is fetched but the one commit. A commit named by
its whole id is fetched once; a branch or a tag is asked for each time, for it can move.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Final

import pygit2

from reconciler.errors import Problem
from reconciler.git.access import Access
from reconciler.git.command import explained, run
from reconciler.git.lock import locked
from reconciler.git.snapshot import GitSnapshot
from reconciler.git.urls import Remote, parse_url

_COMMIT: Final = re.compile(r"[0-9a-f]{40}")
_HELD: Final = "refs/pinned/"


def pinned(url: str, revision: str, folder: Path, access: Access) -> GitSnapshot:
    """The files at a branch, a tag or a commit; "" is the default branch. Raises Problem."""
    remote = parse_url(url)
    place = folder / hashlib.sha256(remote.url.encode()).hexdigest()[:32]
    name = _HELD + hashlib.sha256(revision.encode()).hexdigest()[:32]
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with locked(place.with_suffix(".lock"), access.timeout) as hold:
            store = _opened(place)
            if not (_COMMIT.fullmatch(revision) and name in store.references):
                _fetch(remote, access, place, revision, name, hold)
            commit = str(store.references[name].peel(pygit2.Commit).id)
    except (OSError, KeyError, ValueError, pygit2.GitError) as error:
        words = f"{remote.url} can't be kept in {folder} ({error}): make the folder writable, or remove it."
        raise Problem(remote.url, words, repository=remote.url) from error
    return GitSnapshot(remote.url, store, commit)


def _opened(place: Path) -> pygit2.Repository:
    if not (place / "HEAD").is_file():
        pygit2.init_repository(str(place), bare=True)
    return pygit2.Repository(str(place), pygit2.enums.RepositoryOpenFlag.BARE)


def _fetch(remote: Remote, access: Access, place: Path, revision: str, name: str, hold: int) -> None:
    """A name may be a branch or a tag, and of equal ones Argo CD takes the branch."""
    wanted = (
        [revision] if _COMMIT.fullmatch(revision) else [f"refs/heads/{revision}", f"refs/tags/{revision}"]
    )
    for one in wanted if revision else ["HEAD"]:
        words = ["fetch", "--quiet", "--depth=1", "--force", "--no-tags", "--no-write-fetch-head"]
        words += ["--no-auto-maintenance", "--no-recurse-submodules", "--", remote.url, f"+{one}:{name}"]
        ran = run(words, remote, access, folder=place, hold=hold)
        if ran.status == 0:
            return
        if "couldn't find remote ref" not in ran.err:
            raise explained("fetching", remote, access, ran)
    raise Problem(
        remote.url,
        f"{remote.url} has no branch, tag or commit {revision!r}: correct the revision.",
        repository=remote.url,
    )

"""Whether a repository can be reached, asked as cheaply as git can ask."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pygit2

from reconciler.git.access import Access
from reconciler.git.command import explained, run
from reconciler.git.urls import parse_url


def remote_branches(url: str, access: Access) -> list[str]:
    """Names of the remote's branches; a Problem says why it can't be reached."""
    remote = parse_url(url)
    with tempfile.TemporaryDirectory(prefix="reconcile-") as made:
        pygit2.init_repository(made, bare=True)
        ran = run(["ls-remote", "--heads", "--", remote.url], remote, access, folder=Path(made))
    if ran.status != 0:
        raise explained("reaching it", remote, access, ran)
    refs = (line.partition("\t")[2] for line in ran.out.splitlines())
    return [ref.removeprefix("refs/heads/") for ref in refs if ref]


def may_push(url: str, access: Access) -> None:
    """A Problem says why nothing could be pushed there. Asked by a push that is not sent."""
    remote = parse_url(url)
    nothing = ":refs/heads/reconcile/no-such-branch"  # taking away what isn't there needs no commit of ours
    with tempfile.TemporaryDirectory(prefix="reconcile-") as made:
        pygit2.init_repository(made, bare=True)
        asked = ["push", "--dry-run", "--porcelain", "--no-verify", "--no-signed", "--", remote.url, nothing]
        ran = run(asked, remote, access, folder=Path(made))
    if ran.status != 0 and "remote ref does not exist" not in ran.err:
        raise explained("asking to push", remote, access, ran)

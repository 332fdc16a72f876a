"""One revision of a repository that is only read: what is fetched, how often, and what is refused."""

from __future__ import annotations

import base64
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from servers.fixtures import TOKEN
from servers.git_http import GitServer
from servers.repositories import Bare, git

from reconciler.errors import Problem
from reconciler.git.access import Access
from reconciler.git.pinned import pinned
from reconciler.model import Secret, Whose

ACCESS = Access(token=Secret(TOKEN), timeout=20)
BASIC = base64.b64encode(f"x-access-token:{TOKEN}".encode()).decode()


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "pinned"


@pytest.fixture
def url(git_server: GitServer) -> str:
    return f"{git_server.url}/deploy.git"


def readme(url: str, revision: str, cache: Path, access: Access = ACCESS) -> bytes | None:
    found = pinned(url, revision, cache, access)
    (entry,) = (one for one in found.entries() if one.path == "README.md")
    return found.read(entry)


def trouble(url: str, revision: str, cache: Path, access: Access = ACCESS) -> Problem:
    with pytest.raises(Problem) as caught:
        pinned(url, revision, cache, access)
    assert TOKEN not in str(caught.value)
    assert BASIC not in str(caught.value)
    assert "\n" not in caught.value.failure.error
    return caught.value


# -- what a revision means -------------------------------------------------------------------------


def test_a_branch_a_tag_and_a_commit(url: str, deploy: Bare, cache: Path) -> None:
    first = deploy.tip()
    git("tag", "plain", "main", folder=deploy.path)
    git("tag", "-a", "-m", "told", "told", "main", folder=deploy.path)
    deploy.commit({"README.md": b"later\n"})
    deploy.commit({"README.md": b"aside\n"}, "feature/one", start="main")
    for revision, content in {
        "": b"later\n",
        "HEAD": b"later\n",
        "main": b"later\n",
        "feature/one": b"aside\n",
        "refs/heads/feature/one": b"aside\n",
        "plain": b"hello\n",
        "refs/tags/plain": b"hello\n",
        "told": b"hello\n",
        first: b"hello\n",
        first.upper(): b"hello\n",
    }.items():
        assert readme(url, revision, cache) == content, revision
        assert len(pinned(url, revision, cache, ACCESS).commit) == 40
    assert pinned(url, "told", cache, ACCESS).commit == first  # what an annotated tag is on


def test_a_branch_goes_before_a_tag_of_its_name(url: str, deploy: Bare, cache: Path) -> None:
    git("tag", "both", "main", folder=deploy.path)
    deploy.commit({"README.md": b"branch\n"}, "both", start="main")
    assert readme(url, "both", cache) == b"branch\n"


def test_only_what_is_asked_for_is_fetched(url: str, deploy: Bare, cache: Path) -> None:
    """Neither history nor other branches, which may be large."""
    first = deploy.tip()
    deploy.commit({"README.md": b"later\n"})
    aside = deploy.commit({"secret": b"aside\n"}, "aside", start="main")
    found = pinned(url, "main", cache, ACCESS)
    (store,) = (path for path in cache.iterdir() if path.is_dir())
    assert git("cat-file", "-t", found.commit, folder=store) == "commit"
    for other in (first, aside):
        assert git("cat-file", "-t", other, folder=store, check=False) == ""


def test_a_branch_can_move_and_a_commit_cannot(
    url: str, deploy: Bare, git_server: GitServer, cache: Path
) -> None:
    first = deploy.tip()
    assert readme(url, "main", cache) == readme(url, first, cache) == b"hello\n"
    deploy.commit({"README.md": b"later\n"})
    assert readme(url, "main", cache) == b"later\n"
    asked = len(git_server.seen)
    git_server.status = 503
    assert readme(url, first, cache) == b"hello\n"
    assert len(git_server.seen) == asked  # nobody was asked
    assert trouble(url, "main", cache).failure.whose is Whose.THEIRS


def test_a_branch_that_was_rewritten(url: str, deploy: Bare, cache: Path) -> None:
    first = deploy.tip()
    deploy.commit({"README.md": b"later\n"})
    assert readme(url, "main", cache) == b"later\n"
    git("update-ref", "refs/heads/main", first, folder=deploy.path)
    assert readme(url, "main", cache) == b"hello\n"


# -- what is refused -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "revision", ["gone", "refs/heads/gone", "0" * 40, "deadbee", "+main", "refs/pull/1/head"]
)
def test_what_is_not_there(url: str, cache: Path, revision: str) -> None:
    found = trouble(url, revision, cache).failure
    assert f"has no branch, tag or commit '{revision}'" in found.error
    assert found.whose is Whose.YOURS


HOSTILE = [
    "--upload-pack=touch pwned",
    "-h",
    "main:refs/heads/evil",
    "v1.*",
    "^main",
    "a..b",
    "main~1",
    "a b",
    "main\nother",
    "main\x1b[31m",
    "../../etc/passwd",
    "@{-1}",
    "refs/heads/*",
    "*",
    "main^{commit}",
    "/main",
    "main.lock",
    "x" * 5000,
    "\udc80",
]


@pytest.mark.parametrize("revision", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_revisions_are_refused_before_anyone_is_asked(
    url: str, git_server: GitServer, cache: Path, tmp_path: Path, revision: str
) -> None:
    error = trouble(url, revision, cache).failure.error
    assert error.isprintable()
    assert len(error) < 500
    assert not git_server.seen
    assert not list(tmp_path.rglob("pwned"))


@pytest.mark.parametrize("address", ["--upload-pack=touch x", "ext::sh -c touch", "https://me:pw@h/x", ""])
def test_hostile_addresses(cache: Path, address: str) -> None:
    assert "is not accepted" in trouble(address, "main", cache).failure.error
    assert not cache.exists()


def test_an_unreachable_host(cache: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as made:
        port = made.getsockname()[1]
    found = trouble(f"http://127.0.0.1:{port}/x.git", "main", cache).failure
    assert found.whose is Whose.THEIRS
    assert "can't be reached" in found.error


def test_a_server_that_hangs_is_not_waited_for(
    git_server: GitServer, url: str, cache: Path, deploy: Bare
) -> None:
    git_server.hang = threading.Event()
    began = time.monotonic()
    found = trouble(url, "main", cache, ACCESS._replace(timeout=1)).failure
    assert time.monotonic() - began < 8
    assert found.whose is Whose.THEIRS
    git_server.hang.set()
    git_server.hang = None
    assert readme(url, "main", cache) == b"hello\n"


def test_a_folder_that_cannot_be_written(url: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "can't be kept in" in trouble(url, "main", tmp_path / "file").failure.error


# -- tokens ----------------------------------------------------------------------------------------


def test_the_token_shows_nowhere(url: str, git_server: GitServer, cache: Path) -> None:
    pinned(url, "main", cache, ACCESS)
    assert git_server.authorized()
    for hidden in (TOKEN.encode(), BASIC.encode()):
        assert not any(hidden in seen.command_lines for seen in git_server.seen)
        assert not any(hidden in seen.path.encode() for seen in git_server.seen)
        assert not any(hidden in path.read_bytes() for path in cache.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    ("token", "words"), [(None, "asks for a login, and nothing was shown"), (Secret("wrong"), "credentials")]
)
def test_without_the_right_token_nothing_is_read(
    url: str, cache: Path, token: Secret | None, words: str
) -> None:
    assert words in trouble(url, "main", cache, Access(token=token)).failure.error


def test_a_redirect_takes_the_token_nowhere(
    url: str, git_server: GitServer, other_server: GitServer, cache: Path
) -> None:
    git_server.redirect_to = other_server.url
    assert "redirect" in trouble(url, "main", cache).failure.error
    assert not other_server.seen


# -- what a kill leaves ----------------------------------------------------------------------------


def test_killed_in_the_middle_it_goes_on_the_next_time(
    git_server: GitServer, url: str, deploy: Bare, cache: Path
) -> None:
    """Git is stopped while the server has it wait; what it leaves is no hindrance."""
    git_server.hang = threading.Event()
    words = [
        "import sys; from pathlib import Path",
        "from reconciler.git.access import Access; from reconciler.git.pinned import pinned",
        "from reconciler.model import Secret",
        "pinned(sys.argv[1], 'main', Path(sys.argv[2]), Access(token=Secret(sys.argv[3])))",
    ]
    # (a token among the arguments is the test's own affair)
    command = [sys.executable, "-c", "\n".join(words), url, str(cache), TOKEN]
    child = subprocess.Popen(command, start_new_session=True)
    _until(lambda: bool(git_server.seen))
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    git_server.hang.set()
    git_server.hang = None
    assert readme(url, "main", cache) == b"hello\n"


@pytest.mark.parametrize("left", ["HEAD", "config", "objects", "refs"])
def test_a_copy_that_is_damaged_is_made_anew(url: str, deploy: Bare, cache: Path, left: str) -> None:
    assert readme(url, "main", cache) == b"hello\n"
    (store,) = (path for path in cache.iterdir() if path.is_dir())
    broken = store / left
    if broken.is_dir():
        for file in [path for path in broken.rglob("*") if path.is_file()]:
            file.chmod(0o600)
            file.write_bytes(b"")
    else:
        broken.write_bytes(b"")
    assert readme(url, "main", cache) == b"hello\n"
    assert readme(url, deploy.tip(), cache) == b"hello\n"


def test_two_at_once(url: str, cache: Path) -> None:
    found: list[bytes | None] = []
    threads = [threading.Thread(target=lambda: found.append(readme(url, "main", cache))) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert found == [b"hello\n"] * 4


def _until(so: object, seconds: float = 20) -> None:
    ends = time.monotonic() + seconds
    while not so():  # type: ignore[operator]
        assert time.monotonic() < ends
        time.sleep(0.02)

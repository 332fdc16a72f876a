"""Over every transport, with the real servers: what arrives, and what never leaves."""

from __future__ import annotations

import base64
import logging
import os
import threading
from pathlib import Path

import pytest
from servers.authority import Authority
from servers.fixtures import TOKEN
from servers.git_http import GitServer
from servers.proxy import Proxy
from servers.repositories import Bare
from servers.ssh import SshServer

from reconciler.errors import Problem
from reconciler.git.access import Access
from reconciler.git.commits import Author, CommitRequest
from reconciler.git.mirror import Mirror, open_mirror
from reconciler.git.push import Outcome
from reconciler.model import RefUpdate, Secret, Whose

BASIC = base64.b64encode(f"x-access-token:{TOKEN}".encode()).decode()
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY")


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def round_trip(url: str, cache: Path, access: Access, bare: Bare) -> Mirror:
    """Clone, read, commit, push, fetch again; the remote has exactly what was pushed."""
    mirror = open_mirror(url, cache, access)
    tip = mirror.branches()["main"]
    assert tip == bare.tip()
    author = Author("Bot", "bot@example.com")
    commit = mirror.commit(CommitRequest(tip, {"apps/web/service.yaml": b"new\n"}, "m\n", author, 1))
    (pushed,) = mirror.push([RefUpdate("reconcile/savings/web", commit, "")])
    assert pushed.outcome is Outcome.DONE
    assert bare.tip("reconcile/savings/web") == commit
    bare.commit({"README.md": b"by a person\n"})
    again = open_mirror(url, cache, access)
    assert again.branches() == bare.branches()
    assert again.default_branch() == "main"
    return again


@pytest.mark.parametrize("form", ["{path}", "file://{path}"])
def test_a_repository_on_disk(form: str, deploy: Bare, tmp_path: Path) -> None:
    round_trip(form.format(path=deploy.path), tmp_path / "cache", Access(), deploy)


def test_over_http_the_token_shows_nowhere(
    git_server: GitServer, deploy: Bare, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    access = Access(token=Secret(TOKEN))
    round_trip(f"{git_server.url}/deploy.git", tmp_path / "cache", access, deploy)
    assert any("receive-pack" in seen.path for seen in git_server.authorized())
    for hidden in (TOKEN, BASIC):
        assert hidden not in caplog.text
        assert hidden not in repr(access)
        assert not any(hidden in seen.path for seen in git_server.seen)
        assert not any(hidden.encode() in seen.command_lines for seen in git_server.seen)
        for file in (path for path in tmp_path.rglob("*") if path.is_file()):
            assert hidden.encode() not in file.read_bytes(), file


def test_command_lines_are_really_looked_at(git_server: GitServer, tmp_path: Path) -> None:
    open_mirror(f"{git_server.url}/deploy.git", tmp_path / "cache", Access(token=Secret(TOKEN)))
    assert all(b"fetch" in seen.command_lines for seen in git_server.seen)


@pytest.mark.parametrize(
    ("token", "told"),
    [
        (None, "nothing was shown to it: name its forge"),
        (Secret("wrong"), "did not accept the credentials"),
        (Secret(""), "did not accept the credentials"),
    ],
)
def test_without_the_right_token(
    token: Secret | None, told: str, git_server: GitServer, tmp_path: Path
) -> None:
    with pytest.raises(Problem, match=told) as caught:
        open_mirror(f"{git_server.url}/deploy.git", tmp_path / "cache", Access(token=token))
    assert caught.value.failure.whose is Whose.YOURS
    assert not list((tmp_path / "cache").glob("*/*"))


def test_a_user_name_in_the_address_goes_with_the_token(
    git_server: GitServer, deploy: Bare, tmp_path: Path
) -> None:
    url = git_server.url.replace("://", "://deployer@") + "/deploy.git"
    mirror = round_trip(url, tmp_path / "cache", Access(token=Secret(TOKEN)), deploy)
    assert "deployer" not in mirror.repository
    sent = git_server.authorized()[0].headers["authorization"]
    assert base64.b64decode(sent.split()[1]).decode() == f"deployer:{TOKEN}"


def test_a_redirect_never_carries_the_token_to_another_host(
    git_server: GitServer, other_server: GitServer, tmp_path: Path
) -> None:
    git_server.redirect_to = other_server.url
    with pytest.raises(Problem, match="redirect"):
        open_mirror(f"{git_server.url}/deploy.git", tmp_path / "cache", Access(token=Secret(TOKEN)))
    assert git_server.authorized()
    assert not other_server.seen


def test_https_with_a_private_authority(
    tls_server: GitServer, authority: Authority, deploy: Bare, tmp_path: Path
) -> None:
    access = Access(token=Secret(TOKEN), ca_bundle=authority.bundle)
    round_trip(f"{tls_server.url}/deploy.git", tmp_path / "cache", access, deploy)


def test_https_without_its_authority_sends_nothing(
    tls_server: GitServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_SSL_NO_VERIFY", "1")
    with pytest.raises(Problem, match=r"certificate of localhost is not trusted.*caBundle"):
        open_mirror(f"{tls_server.url}/deploy.git", tmp_path / "cache", Access(token=Secret(TOKEN)))
    assert not tls_server.seen


def test_a_proxy_is_used_and_does_not_see_the_token(
    tls_server: GitServer,
    authority: Authority,
    proxy_server: Proxy,
    deploy: Bare,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy_server.url)
    access = Access(token=Secret(TOKEN), ca_bundle=authority.bundle)
    round_trip(f"{tls_server.url}/deploy.git", tmp_path / "cache", access, deploy)
    assert {line.split()[0] for line in proxy_server.asked} == {"CONNECT"}
    assert not any("authorization" in headers for headers in proxy_server.headers)


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy"])
def test_a_proxy_for_plain_http(
    name: str, git_server: GitServer, proxy_server: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, proxy_server.url)
    open_mirror(f"{git_server.url}/deploy.git", tmp_path / "cache", Access(token=Secret(TOKEN)))
    assert all(git_server.url in line for line in proxy_server.asked)
    assert proxy_server.asked


def test_a_proxy_that_settings_name_goes_before_that_of_the_environment(
    git_server: GitServer, proxy_server: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    access = Access(token=Secret(TOKEN), proxy=proxy_server.url)
    open_mirror(f"{git_server.url}/deploy.git", tmp_path / "cache", access)
    assert proxy_server.asked
    before = len(proxy_server.asked)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    open_mirror(f"{git_server.url}/deploy.git", tmp_path / "cache", access)
    assert len(proxy_server.asked) == before


@pytest.mark.parametrize("name", ["NO_PROXY", "no_proxy"])
def test_no_proxy_is_obeyed(
    name: str, git_server: GitServer, proxy_server: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", proxy_server.url)
    monkeypatch.setenv(name, "example.com,127.0.0.1")
    open_mirror(f"{git_server.url}/deploy.git", tmp_path / "cache", Access(token=Secret(TOKEN)))
    assert not proxy_server.asked


def test_a_proxy_that_is_not_there(
    git_server: GitServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://user:pr0xy@127.0.0.1:1")
    with pytest.raises(Problem, match="can't be reached") as caught:
        open_mirror(f"{git_server.url}/deploy.git", tmp_path / "cache", Access(token=Secret(TOKEN)))
    assert "pr0xy" not in str(caught.value)
    assert caught.value.failure.whose is Whose.THEIRS


def test_ssh(ssh_server: SshServer, deploy: Bare, tmp_path: Path) -> None:
    access = Access(ssh_key=ssh_server.key, known_hosts=ssh_server.known_hosts)
    round_trip(f"{ssh_server.url}{deploy.path}", tmp_path / "cache", access, deploy)


def test_ssh_with_a_key_file_of_an_odd_name(ssh_server: SshServer, deploy: Bare, tmp_path: Path) -> None:
    odd = tmp_path / "a 'key'; $(touch pwned)"
    odd.write_bytes(ssh_server.key.read_bytes())
    odd.chmod(0o600)
    access = Access(ssh_key=odd, known_hosts=ssh_server.known_hosts)
    assert open_mirror(f"{ssh_server.url}{deploy.path}", tmp_path / "cache", access).branches()
    assert not list(tmp_path.rglob("pwned"))


def test_ssh_with_an_unknown_host_key(ssh_server: SshServer, deploy: Bare, tmp_path: Path) -> None:
    (tmp_path / "nobody").touch()
    access = Access(ssh_key=ssh_server.key, known_hosts=tmp_path / "nobody")
    with pytest.raises(Problem, match=r"SSH host key of 127\.0\.0\.1 is not known"):
        open_mirror(f"{ssh_server.url}{deploy.path}", tmp_path / "cache", access)


def test_ssh_with_a_key_that_does_not_open(ssh_server: SshServer, deploy: Bare, tmp_path: Path) -> None:
    access = Access(ssh_key=ssh_server.key.parent / "host", known_hosts=ssh_server.known_hosts)
    with pytest.raises(Problem, match="did not accept the credentials"):
        open_mirror(f"{ssh_server.url}{deploy.path}", tmp_path / "cache", access)


@pytest.mark.parametrize(
    ("status", "words", "whose"),
    [
        (403, "forbids this", Whose.YOURS),
        (404, "no such repository", Whose.YOURS),
        (429, "broke off", Whose.THEIRS),
        (502, "broke off", Whose.THEIRS),
    ],
)
def test_answers_of_a_server_in_words(
    status: int, words: str, whose: Whose, git_server: GitServer, tmp_path: Path
) -> None:
    git_server.status = status
    with pytest.raises(Problem, match=words) as caught:
        open_mirror(f"{git_server.url}/deploy.git", tmp_path / "cache", Access(token=Secret(TOKEN)))
    assert caught.value.failure.whose is whose
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "words", "whose"),
    [
        ("http://127.0.0.1:1/x.git", "can't be reached", Whose.THEIRS),
        ("https://no-such-host.invalid/x.git", "not found in DNS", Whose.THEIRS),
        ("file:///no/such/place.git", "no such repository", Whose.YOURS),
    ],
)
def test_nobody_there(url: str, words: str, whose: Whose, tmp_path: Path) -> None:
    with pytest.raises(Problem, match=words) as caught:
        open_mirror(url, tmp_path / "cache")
    assert caught.value.failure.whose is whose


def test_a_server_that_hangs_is_given_up(git_server: GitServer, tmp_path: Path) -> None:
    git_server.hang = threading.Event()
    access = Access(token=Secret(TOKEN), timeout=1)
    with pytest.raises(Problem, match="took longer than 1 s"):
        open_mirror(f"{git_server.url}/deploy.git", tmp_path / "cache", access)
    git_server.hang.set()
    assert f"{git_server.url}/deploy.git".encode() not in _children()


def _children() -> bytes:
    """Command lines of git processes that were started from here and still run."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
            if int(fields[1]) in (1, os.getpid()) and fields[0] != "Z":
                found.append((status.parent / "cmdline").read_bytes())
        except OSError:
            continue
    return b"\n".join(found)


def test_the_surroundings_do_not_reach_git(
    deploy: Bare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Run from a hook, GIT_DIR names a repository that is not ours to touch."""
    elsewhere = Bare(tmp_path / "elsewhere.git")
    monkeypatch.setenv("GIT_DIR", str(elsewhere.path))
    monkeypatch.setenv("GIT_OBJECT_DIRECTORY", str(elsewhere.path / "objects"))
    monkeypatch.setenv("GIT_CONFIG_PARAMETERS", "'core.bare'='nonsense'")
    mirror = open_mirror(deploy.url, tmp_path / "cache")
    assert mirror.branches() == deploy.branches()
    assert not elsewhere.branches()
    assert not [path for path in (elsewhere.path / "objects").rglob("*") if path.is_file()]


def test_hooks_in_the_cache_are_not_run(deploy: Bare, tmp_path: Path) -> None:
    mirror = open_mirror(deploy.url, tmp_path / "cache")
    hook = mirror.folder / "hooks" / "reference-transaction"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    hook.chmod(0o755)
    deploy.commit({"README.md": b"news\n"})
    mirror.fetch()
    assert mirror.tip("main") == deploy.tip()
    assert not (tmp_path / "ran").exists()


def test_hooks_and_filters_of_the_machine_are_not_run(
    deploy: Bare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    for name in ("reference-transaction", "pre-push", "post-update"):
        (hooks / name).write_text(f"#!/bin/sh\ntouch {tmp_path}/ran-{name}\n")
        (hooks / name).chmod(0o755)
    (tmp_path / ".gitconfig").write_text(f"[core]\n\thooksPath = {hooks}\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    round_trip(deploy.url, tmp_path / "cache", Access(), deploy)
    assert not list(tmp_path.glob("ran-*"))

"""Fixtures: bare repositories, and real servers for them over HTTP, HTTPS, SSH and a proxy."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from servers import authority as authorities
from servers import git_http, proxy, ssh
from servers.repositories import Bare

TOKEN = "s3cret-token-for-tests"
UNTESTED = pytest.StashKey[list[str]]()


@pytest.fixture
def bare(tmp_path: Path) -> Bare:
    """An empty bare repository."""
    return Bare(tmp_path / "remote" / "deploy.git")


@pytest.fixture
def deploy(bare: Bare) -> Bare:
    """A bare repository with a few files on main."""
    modes = {"run.sh": 0o100755, "link.yaml": 0o120000}
    bare.commit(
        {
            "apps/web/deployment.yaml": b"kind: Deployment\n",
            "apps/web/service.yaml": b"kind: Service\n",
            "apps/db/statefulset.yaml": b"kind: StatefulSet\n",
            "run.sh": b"#!/bin/sh\n",
            "link.yaml": b"apps/web/deployment.yaml",
            "README.md": b"hello\n",
        },
        modes=modes,
    )
    return bare


@pytest.fixture
def git_server(deploy: Bare) -> Iterator[git_http.GitServer]:
    """`deploy` over plain HTTP, for who knows the token."""
    server, stop = git_http.start(deploy.path.parent, TOKEN)
    yield server
    stop()


@pytest.fixture
def other_server(tmp_path: Path) -> Iterator[git_http.GitServer]:
    """Another host, which must never hear of the token."""
    server, stop = git_http.start(tmp_path, "", host="localhost")
    yield server
    stop()


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> authorities.Authority:
    return authorities.make(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def tls_server(deploy: Bare, authority: authorities.Authority) -> Iterator[git_http.GitServer]:
    """`deploy` over HTTPS, with a certificate that only `authority.bundle` vouches for."""
    server, stop = git_http.start(deploy.path.parent, TOKEN, host="localhost", tls=authority.context)
    yield server
    stop()


@pytest.fixture
def proxy_server() -> Iterator[proxy.Proxy]:
    running, stop = proxy.start()
    yield running
    stop()


@pytest.fixture(scope="session")
def ssh_server(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[ssh.SshServer]:
    """Any path of this machine over SSH. Where sshd is missing: skipped, loudly; failed on CI."""
    if ssh.find_sshd() is None:
        if os.environ.get("CI"):
            pytest.fail("sshd is missing: install openssh-server", pytrace=False)
        text = "Git over SSH: install openssh-server"
        request.config.stash.setdefault(UNTESTED, []).append(text)
        pytest.skip(text)
    running, stop = ssh.start(tmp_path_factory.mktemp("ssh"))
    yield running
    stop()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for text in config.stash.get(UNTESTED, []):
        terminalreporter.write_line(f"NOT TESTED: {text}", red=True, bold=True)

"""Fixtures: bare repositories with real servers for them (HTTP, HTTPS, SSH, a proxy), and metrics servers."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from servers import authority as authorities
from servers import git_http, prometheus, proxy, registries, small_registry, ssh, victoria, worlds
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
        _untested(request.config, "Git over SSH: install openssh-server")
    running, stop = ssh.start(tmp_path_factory.mktemp("ssh"))
    yield running
    stop()


@pytest.fixture(scope="session")
def prometheus_server(worlds_folder: Path, request: pytest.FixtureRequest) -> Iterator[prometheus.Served]:
    """Prometheus with `worlds.BEHIND_ONE`."""
    yield from _prometheus(request.config, worlds_folder, "together", worlds.BEHIND_ONE.values())


@pytest.fixture(scope="session")
def lone_prometheus(worlds_folder: Path, request: pytest.FixtureRequest) -> Iterator[prometheus.Served]:
    """Prometheus with `worlds.ALONE`, without a label that tells a cluster."""
    yield from _prometheus(request.config, worlds_folder, "alone", [worlds.ALONE])


@pytest.fixture(scope="session")
def victoria_server(
    worlds_folder: Path, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[prometheus.Served]:
    """VictoriaMetrics with those of `worlds.BEHIND_ONE` that `worlds.VICTORIAS` names."""
    if victoria.find() is None:
        _untested(request.config, "VictoriaMetrics: install victoria-metrics")
    chosen = [worlds.BEHIND_ONE[name] for name in worlds.VICTORIAS]
    data = worlds.made(
        worlds_folder / "victoria", lambda folder: victoria.prepare(map(worlds.series_of, chosen), folder)
    )
    running, stop = victoria.start(data, tmp_path_factory.mktemp("victoria") / "server")
    yield running
    stop()


@pytest.fixture
def registry() -> Iterator[small_registry.SmallRegistry]:
    """A small registry that does what a test tells it to."""
    made = small_registry.SmallRegistry()
    with small_registry.running(made):
        yield made


@pytest.fixture
def registry_program(request: pytest.FixtureRequest) -> str:
    """The program of a real registry, which is there."""
    found = registries.find()
    if found is None:
        _untested(request.config, "a registry of images: install docker-registry")
    return str(found)


@pytest.fixture(scope="session")
def worlds_folder(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """The same for all workers of a run: what fills servers is made once."""
    base = tmp_path_factory.getbasetemp()
    return (base.parent if hasattr(request.config, "workerinput") else base) / "worlds"


def _prometheus(
    config: pytest.Config, folder: Path, name: str, chosen: Iterable[worlds.World]
) -> Iterator[prometheus.Served]:
    if prometheus.find() is None:
        _untested(config, "Prometheus: install prometheus")
    data = worlds.made(folder / name, lambda half: worlds.write_blocks(list(chosen), half))
    room = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=folder))  # beside the blocks, which are linked
    running, stop = prometheus.start(data, room / "server")
    yield running
    stop()


def _untested(config: pytest.Config, text: str) -> None:
    """Skipped, loudly; failed on CI."""
    if os.environ.get("CI"):
        pytest.fail(f"{text} (needed on CI)", pytrace=False)
    config.stash.setdefault(UNTESTED, []).append(text)
    pytest.skip(text)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for text in config.stash.get(UNTESTED, []):
        terminalreporter.write_line(f"NOT TESTED: {text}", red=True, bold=True)

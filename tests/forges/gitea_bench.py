"""Gitea's adapter in front of the emulator, for the tests that ask about it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from contract import Bench
from emulator import Emulator, Repository, Role, start
from emulator.gitea import Gitea
from emulator.gitea_contract import check
from servers.repositories import Bare

from reconciler.forges.gitea import GiteaForge
from reconciler.forges.marks import unmarked
from reconciler.forges.port import Forge, Site
from reconciler.model import Secret

TOKEN = "bot-token-0123456789"


@contextmanager
def served(folder: Path) -> Iterator[Emulator]:
    with start(folder, [Gitea()], kind="gitea") as running:
        running.check = check
        yield running
    assert not running.broken, running.broken
    assert not running.secrets_in_urls()


def placed(server: Emulator, deploy: Bare) -> Repository:
    found = server.store.repository("org/deploy", deploy.path)
    found.members = {"bot": Role.WRITE, "ada": Role.MAINTAIN, "grace": Role.WRITE, "eve": Role.READ}
    for login in found.members:
        server.store.user(login)
    server.store.team("org/platform", "ada")
    server.store.token(TOKEN, "bot")
    return found


def site_of(server: Emulator, token: str = TOKEN, **more: object) -> Site:
    clock = server.clock
    address = f"{server.url}/org/deploy.git"
    return Site(address, Secret(token), "", clock, sleep=clock.sleep, monotonic=clock.monotonic, **more)


def bench_of(server: Emulator, place: Repository, deploy: Bare) -> Bench:
    def comments(number: int) -> list[tuple[str, str]]:
        found = [unmarked("comment", each.body) for each in place.requests[number].comments]
        return [each for each in found if each is not None]

    def fresh() -> Forge:
        return GiteaForge(site_of(server))

    return Bench(fresh(), deploy, fresh, comments, server.clock)

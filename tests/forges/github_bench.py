"""GitHub's adapter in front of the emulator, for the tests that ask about it."""

from __future__ import annotations

from typing import Any

from contract import Bench
from emulator import Emulator
from emulator.github import GitHub
from servers.repositories import Bare

from reconciler.forges.github import GitHubForge
from reconciler.forges.marks import unmarked
from reconciler.forges.port import Site
from reconciler.model import Secret

PATH = "acme/deploy"
TOKEN = "ghp_abcdefghijklmnopqrstuvwxyz0123456789"


class Place:
    """A repository on the emulator, its people, and forges that look at it."""

    def __init__(self, emulator: Emulator, dialect: GitHub, bare: Bare) -> None:
        self.emulator = emulator
        self.dialect = dialect
        self.bare = bare
        store = emulator.store
        self.repository = store.repository(PATH, bare.path)
        self.repository.members |= {"robot": 30, "ada": 40, "grace": 30, "root": 50}
        for login in ("acme", "ada", "grace", "root"):
            store.user(login)
        store.token(TOKEN, "robot")
        store.token("ghp_" + "a" * 36, "ada")

    def site(self, **more: Any) -> Site:
        clock = self.emulator.clock
        site = Site(
            repository=f"{self.emulator.url}/{PATH}",
            token=Secret(TOKEN),
            user="reconciler",
            clock=clock,
            server=self.emulator.url,
            sleep=clock.sleep,
            monotonic=clock.monotonic,
        )
        return site._replace(**more)

    def forge(self, **more: Any) -> GitHubForge:
        return GitHubForge(self.site(**more))

    def comments(self, number: int) -> list[tuple[str, str]]:
        return [
            unmarked("comment", each.body) or ("", each.body)
            for each in self.repository.request(number).comments
        ]

    def bench(self) -> Bench:
        return Bench(self.forge(), self.bare, self.forge, self.comments, self.emulator.clock)

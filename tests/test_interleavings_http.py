"""Fewer random lives, over real HTTP: the three adapters in front of the emulator, people beside them.

What must hold is what must hold of the local forge (`test_interleavings.py`). Here runs are cut off
between two calls, and answers are lost after the forge has done what was asked.
"""

from __future__ import annotations

import os
import random
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from emulator import Emulator, Repository, Role, start
from emulator.gitea import Gitea
from emulator.github import GitHub
from emulator.gitlab import GitLab
from interleaved import Lived, template
from test_interleavings import (
    alarm,
    base,
    close,
    grouping,
    killed,
    label,
    limited,
    merge,
    mode,
    numbers,
    push,
    reopen,
    run,
    tick,
    time,
    title,
    unlucky,
)  # fmt: skip

from reconciler.forges import FORGES
from reconciler.forges.port import Forge, Site
from reconciler.model import Change, MergeRequest, Secret

HOW_MANY = int(os.environ.get("RECONCILE_INTERLEAVINGS_HTTP", "3"))
STEPS = 9
DIALECTS: dict[str, Callable[[], Any]] = {"github": GitHub, "gitlab": GitLab, "gitea": Gitea}
TOKENS = {"reconciler": "bot-token-0123456789abcdef", "hannah": "own-token-0123456789abcdef"}
WRITES = frozenset({"open", "update", "close", "reopen", "merge"})


class Watched:
    """An adapter whose calls are counted, refused, or answered by nobody."""

    def __init__(self, forge: Forge, one: Far) -> None:
        self._forge = forge
        self._one = one
        self.trouble: Callable[[str], Any] = lambda _: None
        self.lost: Callable[[str], Any] = lambda _: None
        self.said: dict[int, Any] = {}

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._forge, name)
        if name not in WRITES:
            return call

        def watched(*arguments: Any, **named: Any) -> Any:
            if (problem := self.trouble(name)) is not None:
                raise problem
            done = call(*arguments, **named)
            self._one.writes.one()
            if (problem := self.lost(name)) is not None:
                raise problem
            return done

        return watched


class Person:
    """Somebody with an account, who reads and writes as the bot does; approvals come from the side."""

    def __init__(self, forge: Forge) -> None:
        self._forge = forge

    def __getattr__(self, name: str) -> Any:
        return getattr(self._forge, name)

    def get(self, number: int) -> MergeRequest:
        return next(each for each in self._forge.mine("") if each.number == number)


class Far(Lived):
    """The same lives, in front of a server."""

    def __init__(
        self, bare: Path, changes: dict[str, Change], dice: random.Random, server: Emulator, place: Repository
    ) -> None:
        super().__init__(bare, changes, dice)
        self.server = server
        self.place = place

    def opened(self, kind: str) -> Far:
        self.bot = Watched(self._forge(kind, "reconciler"), self)  # type: ignore[assignment]
        self.person = Person(self._forge(kind, "hannah"))  # type: ignore[assignment]
        return self

    def _forge(self, kind: str, who: str) -> Forge:
        clock = self.server.clock
        return FORGES[kind](
            Site(
                f"{self.server.url}/{self.place.path}.git", Secret(TOKENS[who]), who, clock,
                server=self.server.url, sleep=clock.sleep, monotonic=clock.monotonic, patience=100_000,
            )
        )  # fmt: skip

    def run(self, kill: int | None = None) -> Any:
        ahead = self.now - self.server.clock()
        if ahead > 0:
            self.server.clock.pass_by(ahead)
        self.now = max(self.now, int(self.server.clock()))
        return super().run(kill)

    def state(self) -> dict[str, Any]:
        refs = {name: self.store.references[name].target for name in self.store.references}
        return refs | {str(one.number): one for one in self.person.mine("")}


def approve_there(one: Lived) -> None:
    assert isinstance(one, Far)
    found = one.some(one.requests())
    if found:
        ada = one.server.store.user("ada")
        one.place.review(one.place.request(found.number), ada, "approved")


HAPPENS: list[tuple[Callable[[Lived], None], int]] = [
    (run, 20), (killed, 12), (unlucky, 10), (limited, 4), (numbers, 14), (alarm, 2), (grouping, 2), (mode, 2),
    (time, 6), (push, 8), (close, 6), (reopen, 5), (label, 6), (tick, 5), (title, 2), (merge, 5), (base, 4),
    (approve_there, 6),
]  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Change]]:
    return template(tmp_path_factory.mktemp("template"))


@pytest.fixture(params=sorted(DIALECTS))
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, Emulator]]:
    kind = request.param
    with start(tmp_path / "server", [DIALECTS[kind]()], kind=kind) as running:
        yield kind, running
        assert not running.broken, running.broken[0]
        assert not running.secrets_in_urls()


def test_whatever_happens_on_a_server(
    made: tuple[Path, dict[str, Change]], server: tuple[str, Emulator], tmp_path: Path
) -> None:
    kind, running = server
    bare, changes = made
    acts, weights = zip(*HAPPENS, strict=True)
    rows: Counter[Any] = Counter()
    first = int(os.environ.get("RECONCILE_SEED", "0"))
    for who, token in TOKENS.items():
        running.store.token(token, running.store.user(who).login)
    running.store.user("ada")
    for seed in range(first, first + HOW_MANY):
        here = tmp_path / str(seed) / "deploy.git"
        shutil.copytree(bare, here)
        place = running.store.repository(f"org/deploy{seed}", here)
        place.members |= {"reconciler": Role.MAINTAIN, "hannah": Role.MAINTAIN, "ada": Role.MAINTAIN}
        one = Far(here, changes, random.Random(seed), running, place).opened(kind)
        one.now = max(one.now, int(running.clock()))
        story = []
        try:
            one.run()
            for act in one.dice.choices(acts, weights, k=STEPS):
                story.append(act.__name__)
                act(one)
                one.now += 60
            story.append("settled")
            one.settled()
        except Exception as error:
            raise AssertionError(f"RECONCILE_SEED={seed}: {', '.join(story)}: {error!r}") from error
        rows += one.rows
    assert len(rows) > 6, rows

"""Five hundred merge requests at once, on GitHub, in virtual time: one push, written no faster than GitHub
allows, and what is left goes on in the next run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from emulator import Emulator, Limits, Role, start
from emulator.github import GitHub
from world import NOW, Used, World, manifest, ref

from reconciler.commands.common import Bars, only_filter
from reconciler.forges import FORGES
from reconciler.forges.github import open_github
from reconciler.forges.port import Forge, Site
from reconciler.model import Do, Report
from reconciler.run import reconcile
from reconciler.wiring import Asked, job

MANY = 500
MIB = 1 << 20
TOKEN = "ghp_" + "v" * 36
POLICY = """\
apiVersion: reconciler/v1
kind: Policy
metadata: {name: all}
proposals: {limits: {open: null, perHour: null}}
"""


@pytest.fixture
def github(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    with start(tmp_path / "github", [GitHub()]) as emulator:
        clock = emulator.clock
        clock.pass_by(NOW - clock())

        def opened(site: Site) -> Forge:
            return open_github(site._replace(clock=clock, sleep=clock.sleep, monotonic=clock.monotonic))

        monkeypatch.setitem(FORGES, "github", opened)
        monkeypatch.setenv("GITHUB_TOKEN", TOKEN)
        yield emulator
        assert not emulator.broken, emulator.broken[0]
        assert not emulator.secrets_in_urls()


@pytest.fixture
def world(tmp_path: Path, github: Emulator) -> World:
    names = [f"app-{number:03}" for number in range(MANY)]
    files = {f"apps/{name}/{name}.yaml": manifest(name, "500m", "512Mi") for name in names}
    made = World(tmp_path, files, [Used(ref(name), 100, 100 * MIB) for name in names])
    repository = github.store.repository("acme/deploy", made.bare)
    repository.members[github.store.user("robot").login] = Role.WRITE
    github.store.token(TOKEN, "robot")
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "all.yaml").write_text(POLICY)
    made.write_settings(
        policies="policies",
        repositories=[{"url": github.git_url(repository), "branch": "main"}],
        forges=[{"kind": "github", "url": github.url, "tokenEnv": "GITHUB_TOKEN", "patience": "5m"}],
    )
    return made


class Watched:
    """Progress as a terminal would show it."""

    def __init__(self) -> None:
        self.steps: dict[str, list[int]] = {}

    def step(self, words: str, total: int = 0) -> Callable[[int], None]:
        seen = self.steps.setdefault(words, [total])
        return seen.append


def ran(world: World, github: Emulator, watched: Watched | None = None) -> Report:
    """A run at the server's time."""
    now = github.clock()
    asked = Asked(world.settings, None, True, now, only_filter(()), False, True)
    report = reconcile(job(asked, watched or Bars(None)))
    assert not report.failed, report.failed
    return report


def pushes(github: Emulator) -> int:
    return sum(each.path.endswith("/git-receive-pack") and each.method == "POST" for each in github.log)


def test_five_hundred(world: World, github: Emulator) -> None:
    place = github.store.repositories["acme/deploy"]
    github.limits = Limits(writes_a_minute=80, writes_an_hour=500)
    watched = Watched()
    first = Counter(action.do for action in ran(world, github, watched).actions)
    assert first[Do.OPEN] + first[Do.WAIT] == MANY
    assert first[Do.OPEN] == len(place.requests) > 250  # as far as its patience reaches, at one a second
    assert (
        len(place.branches()) > MANY
    )  # all of them by the first of its two pushes; the other tells the ledger
    assert pushes(github) == 2
    assert watched.steps["Writing merge requests"] == [MANY, *[1] * MANY]

    github.clock.sleep(600)
    second = Counter(action.do for action in ran(world, github).actions)
    assert second == {Do.LEAVE: first[Do.OPEN], Do.OPEN: first[Do.WAIT]}
    assert len({each.branch for each in place.requests.values()}) == len(place.requests) == MANY
    assert pushes(github) == 3  # no branch was pushed again
    assert github.limits.refused == 0

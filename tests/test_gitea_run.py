"""Whole runs against a Gitea: its API and its Git over real HTTP, by the wiring of the command line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from emulator import Emulator, Protection, Repository, Role, start
from emulator.gitea import Gitea
from emulator.gitea_contract import check
from world import NOW, Used, World, manifest, ref

from reconciler.forges import FORGES
from reconciler.forges.gitea import open_gitea
from reconciler.forges.port import Forge, Site
from reconciler.model import Do, Report
from reconciler.usage.days import DAY

MIB = 1 << 20
TOKEN = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def gitea(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    with start(tmp_path / "gitea", [Gitea()], kind="gitea") as emulator:
        emulator.check = check
        clock = emulator.clock
        clock.pass_by(NOW - clock())

        def opened(site: Site) -> Forge:
            return open_gitea(site._replace(clock=clock, sleep=clock.sleep, monotonic=clock.monotonic))

        monkeypatch.setitem(FORGES, "gitea", opened)
        monkeypatch.setenv("GITEA_TOKEN", TOKEN)
        yield emulator
        assert not emulator.broken, emulator.broken[0]
        assert not emulator.secrets_in_urls()


@pytest.fixture
def world(tmp_path: Path, gitea: Emulator) -> World:
    files = {
        "apps/web/web.yaml": manifest("web", "500m", "512Mi"),
        "apps/api/api.yaml": manifest("api", "100m", "128Mi"),
    }
    made = World(tmp_path, files, [Used(ref("web"), 100, 100 * MIB), Used(ref("api"), 200, 200 * MIB)])
    repository = gitea.store.repository("acme/deploy", made.bare)
    for login in ("bot", "ada"):
        repository.members[gitea.store.user(login).login] = Role.WRITE
    gitea.store.token(TOKEN, "bot")
    settle(made, gitea)
    return made


def settle(world: World, gitea: Emulator, **more: object) -> None:
    world.write_settings(
        repositories=[{"url": f"{gitea.url}/acme/deploy.git", "branch": "main"}],
        forges=[{"kind": "gitea", "url": gitea.url, "tokenEnv": "GITEA_TOKEN"}],
        **more,
    )


@pytest.fixture
def place(gitea: Emulator, world: World) -> Repository:
    return gitea.store.repositories["acme/deploy"]


def done(report: Report) -> set[Do]:
    assert not report.failed, report.failed
    return {action.do for action in report.actions}


def test_the_second_run_writes_nothing(world: World, gitea: Emulator, place: Repository) -> None:
    settle(world, gitea, proposals={"dashboard": True})
    assert done(world.run()) == {Do.OPEN}
    assert [each.state for each in place.requests.values()] == ["open", "open"]
    assert len(place.issues) == 1
    assert not any(
        TOKEN in each.title + each.body for each in (*place.requests.values(), *place.issues.values())
    )
    gitea.log.clear()
    assert done(world.run()) == {Do.LEAVE}
    assert not gitea.writes()
    assert not [each for each in gitea.log if each.path.endswith("git-receive-pack")]


@pytest.mark.parametrize("fault", ["lose", "fail_after", "fail_before"])
def test_after_answers_that_were_lost_there_is_one_for_each_key(
    world: World, gitea: Emulator, place: Repository, fault: str
) -> None:
    getattr(gitea.faults, fault)("POST", "/pulls$")
    assert done(world.run()) == {Do.OPEN}
    assert len(place.requests) == 2
    assert done(world.run()) == {Do.LEAVE}


def test_what_a_person_closed_stays_closed(world: World, gitea: Emulator, place: Repository) -> None:
    world.run()
    for each in place.requests.values():
        place.close(each, gitea.store.user("ada"))
    gitea.clock.pass_by(DAY)
    world.run(NOW + DAY)
    assert [each.state for each in place.requests.values()] == ["closed", "closed"]


def let_it_merge(world: World, gitea: Emulator) -> None:
    policy = {"apiVersion": "reconciler/v1", "kind": "Policy", "metadata": {"name": "p"}, "mode": "merge"}
    (world.folder / "policies").mkdir()
    (world.folder / "policies" / "p.yaml").write_text(json.dumps(policy))
    settle(world, gitea, policies="policies")


def test_what_was_pushed_after_the_wish_to_merge_is_not_merged(
    world: World, gitea: Emulator, place: Repository
) -> None:
    """The server would merge by itself whatever is on the branch when checks have passed."""
    let_it_merge(world, gitea)
    place.protected["main"] = Protection(checks=("ci",))
    done(world.run())
    one, other = place.requests.values()
    world.push(one.branch, {"apps/web/web.yaml": b"not: reviewed\n"})
    place.set_status(place.tip(one.branch), "ci", "success")
    place.set_status(other.head, "ci", "success")
    gitea.clock.pass_by(60)
    with gitea.store.turn:
        place.settle()
    assert [each.state for each in place.requests.values()] == ["open", "open"]
    done(world.run(NOW + 60))
    assert (one.state, other.state) == ("open", "merged")


def test_it_merges_when_it_may(world: World, gitea: Emulator, place: Repository) -> None:
    let_it_merge(world, gitea)
    place.protected["main"] = Protection(approvals=1)
    done(world.run())
    requests = list(place.requests.values())
    assert {each.state for each in requests} == {"open"}
    place.review(requests[0], gitea.store.user("ada"), "approved")
    gitea.clock.pass_by(60)
    done(world.run(NOW + 60))
    assert requests[0].state == "merged"
    assert requests[0].merged_by is gitea.store.user("bot")
    assert requests[1].state == "open"

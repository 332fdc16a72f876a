"""Whole runs against a GitLab: its API and its Git over real HTTP, by the wiring of the command line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from emulator import Emulator, Repository, Role, start
from emulator.gitlab import GitLab
from emulator.gitlab_merging import push_rule
from world import NOW, Used, World, manifest, ref

from reconciler.model import Do, Report
from reconciler.usage.days import DAY

MIB = 1 << 20
TOKEN = "glpat-of-the-project"
BOT = "project_12_bot_0a1b"


@pytest.fixture
def gitlab(tmp_path: Path) -> Iterator[Emulator]:
    with start(tmp_path / "gitlab", [GitLab()], kind="gitlab") as emulator:
        emulator.clock.pass_by(NOW - emulator.clock())
        yield emulator
        assert not emulator.broken, emulator.broken[0]
        assert not emulator.secrets_in_urls()


@pytest.fixture
def world(tmp_path: Path, gitlab: Emulator, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setenv("GITLAB_TOKEN", TOKEN)
    files = {
        "apps/web/web.yaml": manifest("web", "500m", "512Mi"),
        "apps/api/api.yaml": manifest("api", "100m", "128Mi"),
    }
    made = World(tmp_path, files, [Used(ref("web"), 100, 100 * MIB), Used(ref("api"), 200, 200 * MIB)])
    repository = gitlab.store.repository("team/platform/deploy", made.bare)
    repository.members[gitlab.store.user(BOT, is_bot=True).login] = Role.MAINTAIN
    repository.members[gitlab.store.user("ada").login] = Role.MAINTAIN
    gitlab.store.token(TOKEN, BOT)
    made.write_settings(
        repositories=[{"url": gitlab.git_url(repository), "branch": "main"}],
        forges=[{"kind": "gitlab", "url": gitlab.url, "tokenEnv": "GITLAB_TOKEN"}],
    )
    return made


@pytest.fixture
def repository(gitlab: Emulator, world: World) -> Repository:
    return gitlab.store.repositories["team/platform/deploy"]


def done(report: Report) -> set[Do]:
    assert not report.failed, report.failed
    return {action.do for action in report.actions}


def test_the_second_run_writes_nothing(world: World, gitlab: Emulator, repository: Repository) -> None:
    assert done(world.run()) == {Do.OPEN}
    requests = list(repository.requests.values())
    assert len(requests) == 2
    assert {each.author.login for each in requests} == {BOT}
    assert all(TOKEN not in each.title + each.body for each in requests)
    gitlab.log.clear()
    assert done(world.run()) == {Do.LEAVE}
    assert not gitlab.writes()
    assert not [each for each in gitlab.log if each.path.endswith("git-receive-pack")]


def test_after_answers_that_were_lost_there_is_one_for_each_key(
    world: World, gitlab: Emulator, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reconciler.forges.pace._LOOKS", (0.01, 0.01))  # as this clock really passes
    gitlab.faults.lose("POST", "/merge_requests$")
    assert done(world.run()) == {Do.OPEN}
    assert len(repository.requests) == 2
    assert done(world.run()) == {Do.LEAVE}


def test_what_a_person_closed_stays_closed(world: World, gitlab: Emulator, repository: Repository) -> None:
    world.run()
    ada = gitlab.store.user("ada")
    for each in repository.requests.values():
        repository.close(each, ada)
    gitlab.clock.pass_by(DAY)
    gitlab.log.clear()
    world.run(NOW + DAY)
    assert [each.state for each in repository.requests.values()] == ["closed", "closed"]
    assert not gitlab.writes("/merge_requests$")


def test_a_merge_on_gitlab_is_seen(world: World, gitlab: Emulator, repository: Repository) -> None:
    world.run()
    for each in list(repository.requests.values()):
        repository.merge(each, gitlab.store.user("ada"))
    report = world.run(NOW + 60)
    assert not report.failed
    assert len(repository.requests) == 2


def test_a_push_rule_is_told(world: World, gitlab: Emulator, repository: Repository) -> None:
    push_rule(repository, f"^[A-Z]+-[0-9]+ |{TOKEN}")
    report = world.run()
    assert not repository.requests
    told = " ".join(each.error for each in report.failed)
    assert "it says: GitLab: Commit message does not follow the pattern '^[A-Z]+-[0-9]+ |***'" in told
    assert TOKEN not in told

"""Whole runs against a GitLab: its API and its Git over real HTTP, by the wiring of the command line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from emulator import Emulator, Repository, Role, start
from emulator.gitlab import GitLab
from emulator.gitlab_merging import push_rule
from world import NOW, Used, World, manifest, ref

from reconciler.forges.port import Site
from reconciler.model import Do, Report
from reconciler.usage.days import DAY
from reconciler.wiring import forges as wired

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
    settings(made, gitlab, repository)
    # The only thing that is not as in a real run: nobody sits out the distance between two writes.
    times = {"sleep": gitlab.clock.sleep, "monotonic": gitlab.clock.monotonic}
    monkeypatch.setattr(wired, "Site", lambda **given: Site(**{**given, **times}))
    return made


def settings(world: World, gitlab: Emulator, repository: Repository, **more: object) -> None:
    world.write_settings(
        repositories=[{"url": gitlab.git_url(repository), "branch": "main"}],
        forges=[{"kind": "gitlab", "url": gitlab.url, "tokenEnv": "GITLAB_TOKEN"}],
        **more,
    )


def let_it_merge(world: World, gitlab: Emulator, repository: Repository) -> None:
    policy = "apiVersion: reconciler/v1\nkind: Policy\nmetadata: {name: merge}\nmode: merge\n"
    (world.folder / "policies").mkdir()
    (world.folder / "policies" / "merge.yaml").write_text(policy)
    settings(world, gitlab, repository, policies="policies")


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
    world: World, gitlab: Emulator, repository: Repository
) -> None:
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


def test_it_merges_by_itself_once_the_pipeline_has_passed(
    world: World, gitlab: Emulator, repository: Repository
) -> None:
    let_it_merge(world, gitlab, repository)
    repository.checks_on_push.append(("build", 300, "success"))
    world.run()
    world.run(NOW + 60)
    assert {each.state for each in repository.requests.values()} == {"open"}
    gitlab.log.clear()
    world.run(NOW + 120)
    assert not gitlab.writes()
    gitlab.clock.pass_by(301)
    world.run(NOW + 400)
    assert {each.state for each in repository.requests.values()} == {"merged"}
    assert len(repository.requests) == 2


def test_what_is_in_a_train_is_not_pushed_to(world: World, gitlab: Emulator, repository: Repository) -> None:
    let_it_merge(world, gitlab, repository)
    repository.queue, repository.queue_seconds = True, 3_600
    world.run()
    world.run(NOW + 60)
    heads = {each.number: each.head for each in repository.requests.values()}
    assert all(each.auto_merge and each.auto_merge.queued for each in repository.requests.values())
    gitlab.log.clear()
    world.run(NOW + 120)
    assert not gitlab.writes()
    assert heads == {each.number: each.head for each in repository.requests.values()}
    gitlab.clock.pass_by(3_601)
    world.run(NOW + 4_000)
    assert {each.state for each in repository.requests.values()} == {"merged"}


def test_a_push_rule_is_told(world: World, gitlab: Emulator, repository: Repository) -> None:
    push_rule(repository, f"^[A-Z]+-[0-9]+ |{TOKEN}")
    report = world.run()
    assert not repository.requests
    told = " ".join(each.error for each in report.failed)
    assert "it says: GitLab: Commit message does not follow the pattern '^[A-Z]+-[0-9]+ |***'" in told
    assert TOKEN not in told

"""Lives of merge requests that went wrong once: people, servers and hostile names between two runs."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from world import HUMAN, NOW, Used, World, manifest, ref

from reconciler.forges.local import LocalForge
from reconciler.forges.port import Draft, Wording
from reconciler.git.commits import CommitRequest, write_commit
from reconciler.git.create import create_bare
from reconciler.model import Do, MergeRequest, Reason
from reconciler.usage.days import DAY
from reconciler.usage.files import read_days, write_days

MIB = 1 << 20


def make(folder: Path, *names: str, **settings: object) -> World:
    """Over-sized workloads, all in one folder."""
    files = {f"apps/{name}.yaml": manifest(name, "500m", "512Mi") for name in names}
    return World(folder, files, [Used(ref(name), 100, 100 * MIB) for name in names], **settings)


def policy(world: World, text: str) -> None:
    (world.folder / "policies").mkdir(exist_ok=True)
    (world.folder / "policies" / "p.yaml").write_text(
        f"apiVersion: reconciler/v1\nkind: Policy\nmetadata: {{name: p}}\n{text}"
    )


# -- branches that are not the bot's ---------------------------------------------------------------


def test_the_deployment_branch_is_never_removed_whatever_it_is_called(tmp_path: Path) -> None:
    world = make(tmp_path, "web")
    main = world.refs()["refs/heads/main"]
    world.store.references.create("refs/heads/reconcile/savings/prod", main)
    world.write_settings(repositories=[{"url": str(world.bare), "branch": "reconcile/savings/prod"}])
    world.run()
    request = world.requests()[0]
    world.store.references["refs/heads/reconcile/savings/prod"].set_target(request.head)
    world.run()
    world.run()
    assert world.refs()["refs/heads/reconcile/savings/prod"] == request.head


def test_a_template_without_a_prefix_claims_only_what_fits_it(tmp_path: Path) -> None:
    world = make(tmp_path, "web", proposals={"branch": "{class}/{group}"})
    world.store.references.create("refs/heads/prod", world.refs()["refs/heads/main"])
    world.store.references.create("refs/heads/savings/somebodys", world.refs()["refs/heads/main"])
    world.run()
    world.run()
    assert {"refs/heads/prod", "refs/heads/savings/somebodys"} <= set(world.refs())
    assert len(world.requests()) == 1


def test_a_persons_branch_cut_from_ours_stays(tmp_path: Path) -> None:
    world = make(tmp_path, "web")
    world.run()
    head = world.requests()[0].head
    world.store.references.create("refs/heads/reconcile/savings/my-copy", head)
    world.run()
    world.run()
    assert world.refs()["refs/heads/reconcile/savings/my-copy"] == head


def test_two_bases_of_one_repository_leave_each_other_alone(tmp_path: Path) -> None:
    world = make(tmp_path, "web")
    world.store.references.create("refs/heads/prod", world.refs()["refs/heads/main"])
    both = [{"url": str(world.bare), "branch": base} for base in ("main", "prod")]
    world.write_settings(repositories=both, clusters=[{"name": "a"}, {"name": "b"}])
    policy(world, "mode: propose\n")
    world.run()
    requests = {request.base for request in world.requests()}
    before = world.state()
    world.run()
    assert world.state() == before
    assert {request.base for request in world.requests()} == requests


def test_an_amended_commit_is_a_persons_also_when_the_ledger_is_lost(tmp_path: Path) -> None:
    world = make(tmp_path, "web")
    world.run()
    request = world.requests()[0]
    store = world.store
    text = store[request.head].message  # type: ignore[attr-defined]
    theirs = write_commit(
        store,
        CommitRequest(
            world.refs()["refs/heads/main"],
            {"apps/web.yaml": manifest("web", "450m", "450Mi").encode()},
            text,
            HUMAN._replace(name="Reconciler", email="reconciler@localhost"),
            NOW,
        ),
        str(world.bare),
    )
    store.references[f"refs/heads/{request.branch}"].set_target(theirs)
    store.references.delete("refs/heads/reconcile/ledger")
    report = world.run(NOW + DAY)
    assert {action.do for action in report.actions} == {Do.WAIT}
    assert world.refs()[f"refs/heads/{request.branch}"] == theirs


def test_our_own_commit_is_known_when_the_ledger_is_lost(tmp_path: Path) -> None:
    world = make(tmp_path, "web")
    world.run()
    world.store.references.delete("refs/heads/reconcile/ledger")
    world.push("main", {"apps/web.yaml": manifest("web", "2", "512Mi").encode()})
    report = world.run()
    assert {action.do for action in report.actions} == {Do.UPDATE}


# -- races -----------------------------------------------------------------------------------------


def _before(monkeypatch: pytest.MonkeyPatch, kind: type, name: str, act: Callable[[], object]) -> None:
    """Something happens right before a call: there is no other way to be in between two writes."""
    call = getattr(kind, name)

    def first(self: Any, *arguments: Any, **named: Any) -> Any:
        act()
        return call(self, *arguments, **named)

    monkeypatch.setattr(kind, name, first)


def test_what_a_person_pushed_in_between_is_not_merged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make(tmp_path, "web", policies="policies")
    policy(world, "mode: merge\n")
    branch = world.run(write=False).actions[0].branch
    _before(monkeypatch, LocalForge, "merge", lambda: world.push(branch, {"half-done.txt": b"x\n"}))
    report = world.run()
    assert "not merged" in report.actions[0].why
    assert "half-done.txt" not in world.files()


def test_one_branch_in_the_way_holds_up_itself_alone(tmp_path: Path) -> None:
    files = {f"apps{at}/w.yaml": manifest(f"w{at}", "500m", "512Mi") for at in range(3)}
    world = World(tmp_path, files, [Used(ref(f"w{at}"), 100, 100 * MIB) for at in range(3)])
    world.store.references.create("refs/heads/reconcile/savings/apps1/x", world.refs()["refs/heads/main"])
    report = world.run()
    assert len(world.requests()) == 2
    assert len(report.failed) == 1
    assert "reconcile/savings/apps1" in report.failed[0].what
    before = world.state()
    world.run()
    assert world.state() == before


# -- runs that see only a part ---------------------------------------------------------------------


def test_only_does_not_cut_an_open_request_down(tmp_path: Path) -> None:
    world = make(tmp_path, "web", "api")
    world.run()
    before = world.state()
    report = world.run(only=["deploy/web"])
    assert {action.do for action in report.actions} == {Do.LEAVE}
    assert world.state() == before


def test_an_outage_neither_cuts_an_open_request_down_nor_merges_it(tmp_path: Path) -> None:
    world = make(tmp_path, "web", "api", policies="policies")
    policy(world, "match: {names: [web]}\nmode: merge\n")
    world.run()
    before = world.state()
    assert len(world.requests()) == 1
    days = read_days(world.folder / "usage" / "all.parquet")
    kept = [day for day in days if day.ref.workload == "web"]
    write_days(world.folder / "usage" / "all.parquet", kept, {"source": "test", "step": 300}, NOW)
    world.run()
    assert world.state() == before


# -- a person's "no" -------------------------------------------------------------------------------


def test_a_no_counts_when_the_description_was_rewritten(tmp_path: Path) -> None:
    world = make(tmp_path, "web")
    world.run()
    number = world.requests()[0].number
    world.forge.update(number, Wording(body="No thanks, this is sized for a reason."))
    world.forge.close(number)
    report = world.run()
    assert world.requests() == []
    assert {keep.reason for keep in report.kept} == {Reason.REJECTED}


def test_a_reopened_request_is_wanted_and_a_second_no_counts(tmp_path: Path) -> None:
    world = make(tmp_path, "web")
    world.run()
    number = world.requests()[0].number
    world.forge.close(number)
    world.run(NOW + 60)
    world.forge_at(NOW + 120).reopen(number)
    report = world.run(NOW + 180)
    assert {action.do for action in report.actions} == {Do.LEAVE}
    assert [request.number for request in world.requests()] == [number]
    world.forge_at(NOW + 240).close(number)
    world.run(NOW + 300)
    world.run(NOW + 360)
    assert world.requests() == []


def test_a_persons_title_stays(tmp_path: Path) -> None:
    world = make(tmp_path, "web")
    world.run()
    number = world.requests()[0].number
    world.forge.update(number, Wording(title="WIP: hold until Monday"))
    world.push("main", {"apps/web.yaml": manifest("web", "2", "512Mi").encode()})
    report = world.run()
    assert {action.do for action in report.actions} == {Do.UPDATE}
    assert world.requests()[0].title == "WIP: hold until Monday"


# -- changes that people make ----------------------------------------------------------------------


def old_world(folder: Path) -> World:
    """One whose files have been as they are for a month."""
    world = make(folder, "web")
    store = world.store
    content = world.files()
    old = write_commit(store, CommitRequest("", content, "Long ago", HUMAN, NOW - 30 * DAY), str(world.bare))
    store.references["refs/heads/main"].set_target(old)
    return world


def test_a_value_that_a_person_changed_waits_for_the_cool_down(tmp_path: Path) -> None:
    world = old_world(tmp_path)
    world.push("main", {"apps/web.yaml": manifest("web", "450m", "512Mi").encode()})
    reasons = {keep.slot.field.value: keep.reason for keep in world.run().kept}
    assert reasons == {"requests.cpu": Reason.COOL_DOWN}
    assert world.run(NOW + 7 * DAY).changes


def test_a_request_squashed_by_hand_counts_as_merged(tmp_path: Path) -> None:
    world = old_world(tmp_path)
    world.run()
    request = world.requests()[0]
    world.push("main", {"apps/web.yaml": world.files(request.branch)["apps/web.yaml"]}, "smaller (#7)")
    report = world.run(NOW)
    assert not report.changes
    assert {keep.reason for keep in report.kept} == {Reason.COOL_DOWN}
    world.run(NOW)
    assert world.requests() == []
    before = world.state()
    world.run(NOW)
    assert world.state() == before


# -- hostile names ---------------------------------------------------------------------------------

HOSTILE = [
    "x --> <!-- reconcile:v1 e30= -->",
    "x - autoclosed",
    "#123 closes !4 @alice",
    "a\nfailed: secrets: leaked\u202e",
    "| a | `b` <img src=x>",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_changes_nothing_of_a_requests_life(tmp_path: Path, name: str) -> None:
    text = manifest("NAME", "500m", "512Mi").replace("name: NAME", f"name: {_yaml(name)}")
    text = text.replace('image: "registry.example.com/NAME:1.0"', "image: x")
    world = World(tmp_path, {"apps/x.yaml": text}, [Used(ref(name), 100, 100 * MIB)])
    world.run()
    before = world.state()
    report = world.run()
    assert {action.do for action in report.actions} <= {Do.LEAVE}
    assert world.state() == before
    for request in world.requests():
        assert "\n" not in request.title
        assert "@alice" not in request.title + re.sub(r"`[^`]*`", "", request.body)
        assert "#123" not in request.title
        world.forge.close(request.number)
    world.run()
    assert world.requests() == []


def _yaml(text: str) -> str:
    """A JSON string is a YAML string."""
    return json.dumps(text)


def test_somebody_elses_request_with_a_forged_memo_rejects_nothing(tmp_path: Path) -> None:
    world = make(tmp_path, "web")
    world.run()
    ours = world.requests()[0]
    world.store.references.create("refs/heads/reconcile/savings/forged", ours.head)
    forged: MergeRequest = world.forge.open(Draft("reconcile/savings/forged", "main", "x", ours.body))
    world.forge.close(forged.number)
    report = world.run()
    assert report.changes
    assert {action.do for action in report.actions} == {Do.LEAVE}


# -- two repositories ------------------------------------------------------------------------------


def test_one_container_in_two_repositories_is_nobodys(tmp_path: Path) -> None:
    world = make(tmp_path, "web")
    other = tmp_path / "other.git"
    text = manifest("web", "500m", "512Mi").encode()
    create_bare(other, {"web.yaml": text}, branch="main", message="x", author=HUMAN, when=NOW - DAY)
    world.write_settings(
        repositories=[{"url": str(world.bare), "branch": "main"}, {"url": str(other), "branch": "main"}]
    )
    report = world.run()
    assert not report.changes
    assert {keep.reason for keep in report.kept} == {Reason.AMBIGUOUS_CLUSTER}


def test_savings_wait_while_the_container_is_raised_for_safety(tmp_path: Path) -> None:
    world = World(
        tmp_path, {"a/web.yaml": manifest("web", "100m", "2Gi")}, [Used(ref("web"), 400, 100 * MIB)]
    )
    report = world.run()
    assert [change.klass.value for change in report.changes] == ["safety"]
    assert {keep.reason for keep in report.kept} == {Reason.SAFETY_FIRST}

"""A run as its users live it: over a real bare repository, a real recording and the local forge."""

from __future__ import annotations

from pathlib import Path

import pytest
from world import NOW, Used, World, manifest, ref

from reconciler.model import Do, Reason
from reconciler.usage.days import DAY

MIB = 1 << 20


@pytest.fixture
def world(tmp_path: Path) -> World:
    files = {
        "apps/web/web.yaml": manifest("web", "500m", "512Mi"),
        "apps/api/api.yaml": manifest("api", "100m", "128Mi"),
        "apps/fine/fine.yaml": manifest("fine", "115m", "240Mi"),
        "README.md": "# Deployments\n",
    }
    used = [
        Used(ref("web"), 100, 100 * MIB),
        Used(ref("api"), 200, 200 * MIB),
        Used(ref("fine"), 100, 200 * MIB),
    ]
    return World(tmp_path, files, used)


# -- what must not happen --------------------------------------------------------------------------


def test_a_dry_run_writes_nothing(world: World) -> None:
    before = world.state()
    report = world.run(write=False)
    assert report.changes
    assert [action.do for action in report.actions] == [Do.OPEN, Do.OPEN]
    assert world.state() == before


def test_a_second_run_writes_nothing(world: World) -> None:
    world.run()
    before = world.state()
    report = world.run()
    assert {action.do for action in report.actions} == {Do.LEAVE}
    assert world.state() == before


def test_what_is_near_enough_is_kept(world: World) -> None:
    kept = {(keep.slot.consumers[0].workload, keep.slot.field): keep.reason for keep in world.run().kept}
    assert kept["fine", "requests.cpu"] is Reason.IN_BAND
    assert kept["fine", "requests.memory"] is Reason.IN_BAND


def test_a_persons_commit_on_the_branch_is_left_alone(world: World) -> None:
    world.run()
    branch = world.requests()[0].branch
    theirs = world.push(branch, {"NOTES.md": b"wait for the release\n"})
    report = world.run(NOW + DAY)
    assert [action.do for action in report.actions if action.branch == branch] == [Do.WAIT]
    assert world.refs()[f"refs/heads/{branch}"] == theirs


def test_a_persons_branch_of_that_name_is_left_alone(world: World) -> None:
    branch = "reconcile/savings/" + _branch_of(world, "web")
    world.store.references.create(f"refs/heads/{branch}", world.refs()["refs/heads/main"])
    theirs = world.push(branch, {"mine.txt": b"mine\n"})
    report = world.run()
    assert {action.do for action in report.actions if action.branch == branch} == {Do.WAIT}
    assert world.refs()[f"refs/heads/{branch}"] == theirs


def _branch_of(world: World, name: str) -> str:
    report = world.run(write=False)
    return next(action.branch for action in report.actions if name in action.branch).rpartition("/")[2]


def test_a_closed_request_stays_closed(world: World) -> None:
    world.run()
    for request in world.requests():
        world.forge.close(request.number)
    report = world.run()
    assert world.requests() == []
    assert not report.changes
    assert {keep.reason for keep in report.kept} == {Reason.REJECTED, Reason.IN_BAND}
    before = world.state()
    world.run()
    assert world.state() == before


def test_a_rejection_is_known_from_the_ledger_when_the_forge_has_forgotten(world: World) -> None:
    world.run()
    for request in world.requests():
        world.forge.close(request.number)
    world.run()
    for path in (world.bare.with_name("deploy.git.merge-requests")).glob("*.json"):
        path.unlink()
    assert not world.run().changes


def test_a_rejection_is_known_from_the_forge_when_the_ledger_is_lost(world: World) -> None:
    world.run()
    for request in world.requests():
        world.forge.close(request.number)
    world.store.references.delete("refs/heads/reconcile/ledger")
    assert not world.run().changes
    assert "refs/heads/reconcile/ledger" in world.refs()


# -- what must happen ------------------------------------------------------------------------------


def test_only_the_meant_lines_change(world: World) -> None:
    before = world.files()["apps/web/web.yaml"].splitlines()
    world.run()
    branch = next(request.branch for request in world.requests() if "web" in request.branch)
    after = world.files(branch)["apps/web/web.yaml"].splitlines()
    changed = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    assert changed == [
        (b"              cpu: 500m      # measured once", b"              cpu: 400m      # measured once"),
        (b"              memory: 512Mi", b"              memory: 412Mi"),
    ]
    assert {path for path, data in world.files(branch).items() if data != world.files().get(path)} == {
        "apps/web/web.yaml"
    }


def test_the_commit_says_what_it_is(world: World) -> None:
    world.run()
    request = next(request for request in world.requests() if "web" in request.branch)
    commit = world.store[request.head]
    text = str(commit.message)  # type: ignore[attr-defined]
    assert text.startswith("perf(resources): right-size web in shop\n")
    assert "requests.cpu 500m -> 400m" in text
    for trailer in (
        "Reconcile-Key: savings/",
        "Reconcile-Plan: ",
        "Reconcile-Evidence: ",
        "Reconcile-Schema: 1",
    ):
        assert trailer in text


def test_a_raise_for_safety_has_a_request_of_its_own(world: World) -> None:
    report = world.run()
    classes = {action.branch.split("/")[1] for action in report.actions}
    assert classes == {"safety", "savings"}


def test_merged_is_left_alone_for_the_cool_down(world: World) -> None:
    world.run()
    for request in world.requests():
        world.forge.merge(request.number, request.head)
    report = world.run(NOW)
    reasons = {(keep.slot.consumers[0].workload, keep.slot.field.value): keep.reason for keep in report.kept}
    assert reasons["web", "requests.cpu"] is Reason.COOL_DOWN
    assert not report.changes
    assert [ref for ref in world.refs() if "/reconcile/s" in ref] == []
    before = world.state()
    world.run(NOW)
    assert world.state() == before


def test_the_next_step_comes_after_the_cool_down(world: World) -> None:
    world.run()
    for request in world.requests():
        world.forge.merge(request.number, request.head)
    world.run(NOW)
    report = world.run(NOW + 7 * DAY)
    moved = {value.slot.field.value: value.new for change in report.changes for value in change.values}
    assert moved.get("requests.cpu") == "320m"


def test_new_numbers_move_the_branch_and_the_text(world: World) -> None:
    world.run()
    request = next(request for request in world.requests() if "web" in request.branch)
    world.push("main", {"apps/web/web.yaml": manifest("web", "2", "512Mi").encode()})
    report = world.run()
    assert [action.do for action in report.actions if action.branch == request.branch] == [Do.UPDATE]
    updated = next(one for one in world.requests() if one.number == request.number)
    assert updated.head != request.head
    assert "1600m" in updated.body
    assert len(world.requests()) == 2


def test_what_is_no_longer_needed_is_closed_and_its_branch_removed(world: World) -> None:
    world.run()
    request = next(request for request in world.requests() if "web" in request.branch)
    world.push("main", {"apps/web/web.yaml": manifest("web", "115m", "120Mi").encode()})
    report = world.run()
    assert [action.do for action in report.actions if action.branch == request.branch] == [Do.CLOSE]
    closed = next(one for one in world.requests("closed") if one.number == request.number)
    assert closed.title.endswith(" - autoclosed")
    world.run(NOW + 7 * DAY)
    assert f"refs/heads/{request.branch}" in world.refs()  # it may be needed again
    world.run(NOW + 7 * DAY + 1)
    assert f"refs/heads/{request.branch}" not in world.refs()


def test_not_knowing_is_no_reason_to_close(world: World) -> None:
    world.run()
    (world.folder / "usage" / "all.parquet").rename(world.folder / "gone.parquet")
    report = world.run()
    assert report.failed
    assert {action.do for action in report.actions} == {Do.LEAVE}
    assert len(world.requests()) == 2


def test_only_narrows_and_closes_nothing(world: World) -> None:
    world.run()
    report = world.run(only=["deploy/web"])
    assert {change.values[0].slot.consumers[0].workload for change in report.changes} == {"web"}
    assert {action.do for action in report.actions} == {Do.LEAVE}
    assert len(world.requests()) == 2


def test_what_the_bot_closed_comes_back_when_it_is_needed_again(world: World) -> None:
    world.run()
    world.push("main", {"apps/web/web.yaml": manifest("web", "115m", "120Mi").encode()})
    world.run()
    world.push("main", {"apps/web/web.yaml": manifest("web", "500m", "512Mi").encode()})
    world.run()
    assert len([request for request in world.requests() if "web" in request.branch]) == 1


def test_a_policy_may_let_the_bot_merge(world: World) -> None:
    (world.folder / "policies").mkdir()
    (world.folder / "policies" / "merge.yaml").write_text(
        "apiVersion: reconciler/v1\nkind: Policy\nmetadata: {name: merge}\nmode: merge\n"
    )
    world.write_settings(policies="policies")
    world.run()
    assert world.requests() == []
    assert len(world.requests("merged")) == 2
    assert b"cpu: 400m" in world.files()["apps/web/web.yaml"]


def test_a_freeze_holds_everything_back_safety_included(world: World) -> None:
    (world.folder / "policies").mkdir()
    (world.folder / "policies" / "freeze.yaml").write_text(
        "apiVersion: reconciler/v1\nkind: Policy\nmetadata: {name: freeze}\n"
        "proposals: {freeze: [{from: 2026-02-01, to: 2026-03-01, why: year end}]}\n"
    )
    world.write_settings(policies="policies")
    report = world.run()
    assert not report.changes
    assert {keep.reason for keep in report.kept} == {Reason.FROZEN, Reason.IN_BAND}
    assert world.requests() == []


def test_observe_tells_and_proposes_nothing(world: World) -> None:
    (world.folder / "policies").mkdir()
    (world.folder / "policies" / "observe.yaml").write_text(
        "apiVersion: reconciler/v1\nkind: Policy\nmetadata: {name: observe}\nmode: observe\n"
    )
    world.write_settings(policies="policies")
    report = world.run()
    assert not report.changes
    assert {keep.reason for keep in report.kept} == {Reason.OBSERVED, Reason.IN_BAND}


@pytest.mark.parametrize(
    ("group", "requests"), [("all", 2), ("namespace", 2), ("workload", 2), ("application", 2)]
)
def test_every_grouping_has_stable_branches(world: World, group: str, requests: int) -> None:
    world.write_settings(proposals={"group": group})
    first = world.run()
    assert len(world.requests()) == requests
    second = world.run(NOW + DAY)
    assert {action.branch for action in first.actions} == {action.branch for action in second.actions}

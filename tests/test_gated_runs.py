"""Whole runs through the gates: what is opened now, what waits, and what becomes of it later."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pytest
from world import NOW, Used, World, manifest, ref

from reconciler.model import Do, Mode, Reason, Report
from reconciler.proposals.wishes import Wish, box
from reconciler.usage.days import DAY

MIB = 1 << 20
HOUR = 3600


def world_of(
    folder: Path,
    proposals: object = None,
    *,
    mode: str = "propose",
    savings: int = 0,
    safety: int = 0,
    quiet: int = 0,
    more: dict[str, str] | None = None,
    **settings: object,
) -> World:
    """So many workloads that use little, that are killed, and that are as they should be."""
    files = {f"apps/s{n}/s.yaml": manifest(f"s{n}", "500m", f"{512 + 64 * n}Mi") for n in range(savings)}
    files |= {f"apps/k{n}/k.yaml": manifest(f"k{n}", "115m", "128Mi") for n in range(safety)}
    files |= {f"apps/q{n}/q.yaml": manifest(f"q{n}", "115m", "240Mi") for n in range(quiet)}
    used = [Used(ref(f"s{n}"), 100, 100 * MIB) for n in range(savings)]
    used += [Used(ref(f"k{n}"), 100, 128 * MIB, oom_kills=2, oom_limit=128 * MIB) for n in range(safety)]
    used += [Used(ref(f"q{n}"), 100, 200 * MIB) for n in range(quiet)]
    world = World(folder, {**files, **(more or {})}, used)
    world.write_settings(policies="policies", **settings)
    say(world, proposals, mode)
    return world


def say(world: World, proposals: object, mode: str = "propose") -> None:
    """JSON is YAML."""
    (world.folder / "policies").mkdir(exist_ok=True)
    policy = {
        "apiVersion": "reconciler/v1", "kind": "Policy", "metadata": {"name": "p"},
        "mode": mode, "proposals": proposals or {},
    }  # fmt: skip
    (world.folder / "policies" / "p.yaml").write_text(json.dumps(policy))


def reasons(report: Report) -> Counter[Reason]:
    """Of workloads, each once."""
    found = {(keep.slot.consumers[0].workload, keep.reason) for keep in report.kept}
    return Counter(reason for _, reason in found)


def opened(report: Report) -> list[str]:
    return [action.branch for action in report.actions if action.do is Do.OPEN]


# -- what must not be opened -----------------------------------------------------------------------


def test_observe_opens_nothing(tmp_path: Path) -> None:
    world = world_of(tmp_path, mode="observe", savings=2, safety=1)
    report = world.run()
    assert world.requests() == []
    assert not report.proposals
    assert reasons(report)[Reason.OBSERVED] == 3


def test_merge_opens_and_merges(tmp_path: Path) -> None:
    world = world_of(tmp_path, mode="merge", savings=1)
    assert {proposal.mode for proposal in world.run().proposals} == {Mode.MERGE}
    assert [len(world.requests(state)) for state in ("open", "merged")] == [0, 1]


def test_the_queue_moves_up_as_requests_are_merged(tmp_path: Path) -> None:
    world = world_of(tmp_path, {"limits": {"open": 2}}, savings=5)
    first = world.run()
    assert len(opened(first)) == 2
    assert reasons(first)[Reason.QUEUED] == 3
    places = {keep.detail.split("; ")[1][:6] for keep in first.kept if keep.reason is Reason.QUEUED}
    assert places == {"1 of 3", "2 of 3", "3 of 3"}
    before = world.state()
    assert not opened(world.run())
    assert world.state() == before  # the second run writes nothing
    world.forge.close(world.requests()[0].number)
    assert len(opened(world.run(NOW + HOUR))) == 1
    assert len(world.requests()) == 2


def test_the_most_valuable_come_first(tmp_path: Path) -> None:
    """All save the same of CPU, and the later ones more of memory."""
    report = world_of(tmp_path, {"limits": {"perRun": 2}}, savings=5).run()
    chosen = {proposal.changes[0].values[0].slot.consumers[0].workload for proposal in report.proposals}
    assert chosen == {"s4", "s3"}


def test_an_hour_later_the_rate_lets_more_through(tmp_path: Path) -> None:
    world = world_of(tmp_path, {"limits": {"perHour": 2}}, savings=5)
    assert len(opened(world.run())) == 2
    assert not opened(world.run())
    assert not opened(world.run(NOW + HOUR - 1))
    assert len(opened(world.run(NOW + HOUR))) == 2


def test_the_rate_is_known_from_the_ledger_when_the_forge_has_forgotten(tmp_path: Path) -> None:
    world = world_of(tmp_path, {"limits": {"perWeek": 2}}, savings=5)
    assert len(opened(world.run())) == 2
    for path in (world.bare.with_name("deploy.git.merge-requests")).glob("*.json"):
        path.unlink()
    assert not opened(world.run(NOW + DAY))
    assert len(opened(world.run(NOW + 7 * DAY))) == 2


def test_off_schedule_what_is_open_is_kept_current_and_nothing_is_new(tmp_path: Path) -> None:
    world = world_of(tmp_path, savings=2)
    world.run()
    request = next(one for one in world.requests() if "s0" in one.branch)
    # NOW is midnight UTC, between Sunday and Monday
    say(world, {"schedule": "mon-fri 09:00-17:00", "timezone": "Europe/Berlin"})
    world.push("main", {"apps/s0/s.yaml": manifest("s0", "900m", "512Mi").encode()})
    report = world.run()
    assert [action.do for action in report.actions if action.branch == request.branch] == [Do.UPDATE]
    assert not opened(report)


def test_off_schedule_nothing_new_but_safety(tmp_path: Path) -> None:
    schedule = {"schedule": "mon-fri 09:00-17:00", "timezone": "Europe/Berlin"}
    world = world_of(tmp_path, schedule, savings=2, safety=1)
    report = world.run()
    assert [branch.split("/")[1] for branch in opened(report)] == ["safety"]
    assert reasons(report)[Reason.NOT_SCHEDULED] == 2
    assert any("opens next on Mon 2026-02-16 09:00 Europe/Berlin" in keep.detail for keep in report.kept)
    assert len(opened(world.run(NOW + 9 * HOUR))) == 2


def test_merging_by_the_bot_waits_for_the_schedule(tmp_path: Path) -> None:
    world = world_of(tmp_path, savings=1)
    world.run()
    say(world, {"schedule": "mon-fri 09:00-17:00"}, "merge")
    (action,) = world.run().actions
    assert world.requests("merged") == []
    assert "not merged yet: the schedule opens next" in action.why
    world.run(NOW + 10 * HOUR)
    assert len(world.requests("merged")) == 1


def test_approval_is_given_on_the_dashboard(tmp_path: Path) -> None:
    world = world_of(tmp_path, {"approval": "required"}, savings=2, safety=1)
    world.write_settings(policies="policies", proposals={"dashboard": True})
    report = world.run()
    assert not opened(report)
    assert reasons(report)[Reason.NEEDS_APPROVAL] == 3
    page = world.forge.page("dashboard")
    assert page is not None
    key = next(one for one in re.findall(r"reconcile:approve (\S+) ", page.body) if "s1" in one)
    unticked = box(Wish.APPROVE, key)
    assert unticked in page.body
    world.forge.write_page(
        page._replace(body=page.body.replace(unticked, box(Wish.APPROVE, key, ticked=True)))
    )
    assert [branch.removeprefix("reconcile/") for branch in opened(world.run())] == [key]
    assert not opened(world.run())


def test_the_queue_is_jumped_on_the_dashboard(tmp_path: Path) -> None:
    world = world_of(tmp_path, {"limits": {"open": 1}, "schedule": "sun 00:00-12:00"}, savings=2)
    world.write_settings(policies="policies", proposals={"dashboard": True})
    assert not opened(world.run())
    page = world.forge.page("dashboard")
    assert page is not None
    for key in re.findall(r"reconcile:open (\S+) ", page.body):
        page = page._replace(body=page.body.replace(box(Wish.OPEN, key), box(Wish.OPEN, key, ticked=True)))
    world.forge.write_page(page)
    assert len(opened(world.run())) == 2


# -- too many alarms -------------------------------------------------------------------------------


def test_too_many_alarms_stop_all_that_rests_on_their_source(tmp_path: Path) -> None:
    world = world_of(tmp_path, savings=2, safety=6)
    before = world.state()
    report = world.run()
    assert not report.proposals
    assert reasons(report)[Reason.TOO_MANY_ALARMS] == 8
    (note,) = [note for note in report.notes if note.what == "too-many-alarms"]
    assert "6 of 8 workloads of main want more at once for safety" in note.detail
    assert world.state() == before
    metrics = [{"name": "main", "kind": "recording", "path": "usage", "alarms": "100%"}]
    world.write_settings(policies="policies", metrics=metrics)
    believed = world.run()
    assert not [note for note in believed.notes if note.what == "too-many-alarms"]
    assert len(opened(believed)) == 5 + 2
    assert reasons(believed)[Reason.QUEUED] == 1


def test_open_requests_stay_when_their_source_is_not_believed(tmp_path: Path) -> None:
    world = world_of(tmp_path, savings=2, safety=5, more={"apps/k9/k.yaml": manifest("k9", "115m", "128Mi")})
    assert len(opened(world.run())) == 7
    assert len(world.requests()) == 7
    metrics = [{"name": "main", "kind": "recording", "path": "usage", "alarms": "0%"}]
    world.write_settings(policies="policies", metrics=metrics)
    report = world.run()  # what is open already is no alarm any more
    assert {action.do for action in report.actions} == {Do.LEAVE}
    for one in world.requests():
        if "/safety/" in one.branch:
            world.forge.close(one.number)
    assert len(world.requests()) == 2


# -- reviewers -------------------------------------------------------------------------------------

OWNERS = {"CODEOWNERS": "* @org/platform\n/apps/s0/ @web @hannah @reconciler\n"}


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (None, ("web", "hannah")),
        ("none", ()),
        (["@ops", "org/sre"], ("ops", "org/sre")),
    ],
)
def test_who_is_asked(tmp_path: Path, said: object, expected: tuple[str, ...]) -> None:
    world = world_of(tmp_path, {"reviewers": said} if said else None, savings=1, more=OWNERS)
    (proposal,) = world.run().proposals
    assert proposal.reviewers == expected
    assert world.requests()[0].reviewers == expected


def test_one_owner_has_so_many_at_once(tmp_path: Path) -> None:
    owners = {"CODEOWNERS": "* @org/platform\n/apps/s0/ @web\n"}
    world = world_of(tmp_path, {"limits": {"perOwner": 1}}, savings=3, more=owners)
    first = world.run()
    assert len(opened(first)) == 2
    assert {one.reviewers for one in first.proposals} == {("web",), ("org/platform",)}
    words = "at most 1 open at once of org/platform (limits.perOwner)"
    assert any(words in keep.detail for keep in first.kept)
    assert not opened(world.run(NOW + DAY))


# -- Argo CD ---------------------------------------------------------------------------------------

APPLICATION = """\
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {{name: {name}, namespace: argocd}}
spec:
  project: {project}
  destination: {{server: https://kubernetes.default.svc, namespace: shop}}
  source: {{repoURL: "{url}", path: apps/{name}, targetRevision: main}}
"""
PROJECT = """\
apiVersion: argoproj.io/v1alpha1
kind: AppProject
metadata: {name: guarded, namespace: argocd}
spec:
  syncWindows:
  - {kind: deny, schedule: "0 22 * * *", duration: 8h, applications: ["*"]}
"""


@pytest.mark.parametrize("mode", ["propose", "merge"])
def test_a_deny_window_of_the_repository_holds_its_application(tmp_path: Path, mode: str) -> None:
    url = str(tmp_path / "deploy.git")
    more = {
        "argocd/s0.yaml": APPLICATION.format(name="s0", project="guarded", url=url),
        "argocd/s1.yaml": APPLICATION.format(name="s1", project="default", url=url),
        "argocd/k0.yaml": APPLICATION.format(name="k0", project="guarded", url=url),
        "argocd/project.yaml": PROJECT,
    }
    world = world_of(tmp_path, mode=mode, savings=2, safety=1, more=more)
    report = world.run()
    (proposal,) = report.proposals
    assert "s1" in proposal.key
    assert reasons(report)[Reason.SYNC_WINDOW] == 2
    words = "`0 22 * * *` for 8h denies syncs of the Application s0"
    assert any(words in keep.detail for keep in report.kept)
    assert len(world.run(NOW + 7 * HOUR).proposals) >= 2
    assert world.requests("merged" if mode == "merge" else "open")


def test_what_is_open_is_not_merged_within_a_deny_window(tmp_path: Path) -> None:
    url = str(tmp_path / "deploy.git")
    more = {
        "argocd/s0.yaml": APPLICATION.format(name="s0", project="guarded", url=url),
        "argocd/project.yaml": PROJECT,
    }
    world = world_of(tmp_path, savings=1, more=more)
    world.run(NOW + 7 * HOUR)
    assert len(world.requests()) == 1
    say(world, None, "merge")
    (action,) = world.run(NOW + 23 * HOUR).actions
    assert "not merged yet: the sync window" in action.why
    assert world.requests("merged") == []
    world.run(NOW + DAY + 7 * HOUR)
    assert len(world.requests("merged")) == 1

"""The dashboard, lived: written when there is something new, read before anything is decided."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import pytest
from world import NOW, Used, World, manifest, ref

from reconciler.cli import ended
from reconciler.errors import Problem
from reconciler.forges.local import LocalForge
from reconciler.forges.port import Page, Wording
from reconciler.proposals.dashboard import TOPIC
from reconciler.proposals.markdown import plain
from reconciler.proposals.wishes import Wish, boxes, carried, ticked
from reconciler.usage.days import DAY

MIB = 1 << 20
POLICY = "apiVersion: reconciler/v1\nkind: Policy\nmetadata: {name: ours}\nproposals: "


def made(folder: Path, gates: str = "", names: Sequence[str] = ("web", "api"), **more: object) -> World:
    files = {f"apps/{name}/{name}.yaml": manifest(name, "2", "1Gi") for name in names}
    settings: dict[str, object] = {"proposals": {"dashboard": True, **more}}
    if gates:
        (folder / "policies").mkdir(parents=True)
        (folder / "policies" / "ours.yaml").write_text(f"{POLICY}{gates}\n")
        settings["policies"] = "policies"
    return World(folder, files, [Used(ref(name), 100, 100 * MIB) for name in names], **settings)


def page(world: World, topic: str = TOPIC) -> Page:
    found = world.forge.page(topic)
    assert found is not None
    return found


def tick(world: World, wish: Wish, key: str) -> None:
    """As a person does it: one letter of the text."""
    there = page(world)
    body = carried(there.body, [wish], key)
    assert body != there.body
    world.forge.write_page(there._replace(body=body))


def keys(world: World, wish: Wish) -> list[str]:
    return [each.key for each in boxes(page(world).body) if each.wish is wish]


def test_without_the_setting_there_is_none(tmp_path: Path) -> None:
    world = made(tmp_path, dashboard=False)
    world.run()
    assert world.forge.page(TOPIC) is None


def test_it_tells_what_is_open_and_what_it_is_worth_and_is_written_once(tmp_path: Path) -> None:
    world = made(tmp_path, dashboardTitle="What the bot does")
    report = world.run()
    assert not report.failed
    first = page(world)
    assert first.title == "What the bot does"
    assert first.body.startswith("**2 open, 0 waiting, 0 rejected.**")
    for request in world.requests():
        assert f" ({request.number})" in first.body
    assert "On offer: \\$39.34 a month." in plain(first.body)
    assert "Saved so far" not in first.body
    assert ticked(first.body) == frozenset()
    before = world.state()
    world.run()
    assert world.state() == before


def test_a_dry_run_and_a_narrowed_one_write_none(tmp_path: Path) -> None:
    world = made(tmp_path)
    world.run(write=False)
    assert world.forge.page(TOPIC) is None
    world.run(only=["web"])
    assert world.forge.page(TOPIC) is None


def test_what_was_merged_is_saved_and_told_once(tmp_path: Path) -> None:
    world = made(tmp_path)
    report = world.run()
    request = world.requests()[0]
    world.forge.merge(request.number, request.head)
    world.run(NOW + 60)
    told = page(world)
    assert told.body.startswith("**1 open, 0 waiting, 0 rejected.**")
    assert "Saved so far: \\$19.67 a month. On offer: \\$19.67 a month." in plain(told.body)
    key = next(proposal.key for proposal in report.proposals if proposal.branch == request.branch)
    assert key not in told.body
    before = world.state()
    world.run(NOW + 60)
    assert world.state() == before


def test_what_waits_for_a_word_is_opened_when_its_box_is_ticked(tmp_path: Path) -> None:
    world = made(tmp_path, "{approval: required}")
    world.run()
    assert world.requests() == []
    assert "### Waiting for your word" in page(world).body
    one, other = sorted(keys(world, Wish.APPROVE))
    tick(world, Wish.APPROVE, one)
    world.run()
    (request,) = world.requests()
    assert keys(world, Wish.APPROVE) == [other]
    assert ticked(page(world).body) == frozenset()
    assert f" ({request.number})" in page(world).body
    before = world.state()
    world.run()
    assert world.state() == before


def test_who_waits_in_the_queue_may_be_opened_out_of_turn(tmp_path: Path) -> None:
    world = made(tmp_path, "{limits: {open: 1}}", ("web", "api", "job"))
    world.run()
    assert len(world.requests()) == 1
    body = page(world).body
    assert "### In the queue" in body
    assert "1 of 2 in the queue" in body
    last = keys(world, Wish.OPEN)[-1]
    tick(world, Wish.OPEN, last)
    world.run()
    assert len(world.requests()) == 2
    assert len(keys(world, Wish.OPEN)) == 1
    assert last not in keys(world, Wish.OPEN)


def test_a_schedule_is_told_with_its_next_opening(tmp_path: Path) -> None:
    world = made(tmp_path, '{schedule: ["Tue 09:00-10:00"]}')
    world.run()  # a Monday
    body = page(world).body
    assert "### Until the schedule opens" in body
    assert "opens next on Tue 2026-02-17 09:00 UTC" in body.replace("\\", "")
    for key in keys(world, Wish.OPEN):
        tick(world, Wish.OPEN, key)
    world.run()
    assert len(world.requests()) == 2


def test_a_no_is_listed_and_may_be_taken_back(tmp_path: Path) -> None:
    world = made(tmp_path)
    world.run()
    request = world.requests()[0]
    world.forge.close(request.number)
    world.run(NOW + 60)
    told = page(world).body
    assert "### Rejected" in told
    assert "by hannah" in told
    assert "rejected" in told.partition("### Kept as they are")[2]
    (key,) = keys(world, Wish.FORGET)
    before = world.state()
    world.run(NOW + 60)
    assert world.state() == before
    tick(world, Wish.FORGET, key)
    world.run(NOW + 120)
    assert keys(world, Wish.FORGET) == []
    assert len(world.requests()) == 2
    before = world.state()
    world.run(NOW + 120)
    assert world.state() == before


def test_a_branch_that_people_wrote_to_may_be_taken_back_from_them(tmp_path: Path) -> None:
    world = made(tmp_path, names=("web",))
    world.run()
    (request,) = world.requests()
    path = "apps/web/web.yaml"
    theirs = world.push(request.branch, {path: world.files(request.branch)[path] + b"# mine\n"})
    world.run(NOW + 60)
    (key,) = keys(world, Wish.REBASE)
    tick(world, Wish.REBASE, key)
    world.run(NOW + 120)
    assert keys(world, Wish.REBASE) == []
    assert world.refs()[f"refs/heads/{request.branch}"] != theirs


def test_a_box_that_is_ticked_during_a_run_is_carried_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = made(tmp_path, "{limits: {open: 1}}")
    world.run()
    (key,) = keys(world, Wish.OPEN)
    read = LocalForge.page
    asked: list[str] = []

    def meanwhile(self: LocalForge, topic: str) -> Page | None:
        asked.append(topic)
        if len(asked) == 2:  # first to obey it, then before it is written
            tick(world, Wish.OPEN, key)
            asked.append("by a person")
        return read(self, topic)

    (request,) = world.requests()
    renamed = Wording(title="Renamed by a person")
    world.forge.update(request.number, renamed)  # so that there is something to write
    with monkeypatch.context() as patch:
        patch.setattr(LocalForge, "page", meanwhile)
        world.run(NOW + 60)
    assert "Renamed by a person" in page(world).body
    assert ticked(page(world).body) == {(Wish.OPEN, key)}
    assert len(world.requests()) == 1
    world.run(NOW + 120)
    assert len(world.requests()) == 2


def test_a_failure_to_write_it_is_one_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = made(tmp_path)

    def refuse(self: LocalForge, page: Page) -> NoReturn:
        raise Problem("page", "issues are switched off: switch them on.")

    monkeypatch.setattr(LocalForge, "write_page", refuse)
    report = world.run()
    (failure,) = report.failed
    assert failure.what == "dashboard"
    assert failure.error.startswith(
        "the dashboard could not be written: issues are switched off: switch them on. It is an issue: where"
    )
    assert len(world.requests()) == 2


def test_one_that_cannot_be_read_costs_no_run(tmp_path: Path) -> None:
    world = made(tmp_path)
    world.run()
    path = Path(page(world).url)
    path.write_text("{")
    report = world.run(NOW + 60)
    assert any(note.what == "dashboard" and "no box" in note.detail for note in report.notes)
    assert [failure.what for failure in report.failed] == ["dashboard"]


def test_two_deployed_branches_have_a_page_each(tmp_path: Path) -> None:
    world = made(tmp_path)
    tip = world.refs()["refs/heads/main"]
    world.store.references.create("refs/heads/live", tip)
    world.write_settings(
        repositories=[{"url": str(world.bare), "branch": "main"}, {"url": str(world.bare), "branch": "live"}],
        proposals={"dashboard": True},
    )
    world.run()
    assert page(world).body.startswith("**2 open")
    assert page(world, "dashboard-live").body.startswith("**2 open")
    before = world.state()
    world.run()
    assert world.state() == before


def test_the_command_prints_it_and_ticks_boxes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    world = made(tmp_path, "{approval: required}")
    words = ["mr", "dashboard", "-c", str(world.settings)]
    assert ended(words) == 2
    assert "there is no dashboard yet" in capsys.readouterr().err
    world.run()
    capsys.readouterr()
    assert ended(words) == 0
    shown = capsys.readouterr().out
    key = keys(world, Wish.APPROVE)[0]
    assert f"[ ] approve={key} " in shown
    assert "<!--" not in shown
    assert ended([*words, "--tick", f"approve={key}"]) == 0
    assert ticked(page(world).body) == {(Wish.APPROVE, key)}
    capsys.readouterr()
    assert ended([*words, "--tick", "open=nobody"]) == 2
    assert f"it has: approve={key}" in capsys.readouterr().err.replace("\n", " ")
    assert ended([*words, "-o", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["title"] == "Reconciler"
    world.run(NOW + DAY)
    assert len(world.requests()) == 1

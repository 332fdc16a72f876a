"""The history of values, from Git alone: a clone that knows no forge and no metrics."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from world import NOW, Used, World, manifest, ref

from reconciler.audit.requests import requests_of
from reconciler.cli import ended
from reconciler.forges.port import Method
from reconciler.git.commits import Author, CommitRequest, write_commit
from reconciler.model import LedgerEntry
from reconciler.report import schemas
from reconciler.usage.days import DAY

MIB = 1 << 20
PATH = "apps/web/web.yaml"


@pytest.fixture
def world(tmp_path: Path) -> World:
    files = {PATH: manifest("web", "2", "1Gi"), "apps/api/api.yaml": manifest("api", "500m", "512Mi")}
    return World(tmp_path, files, [Used(ref("web"), 100, 100 * MIB), Used(ref("api"), 450, 500 * MIB)])


def clone_of(world: World) -> Path:
    """As anybody has it: only branches and commits, and nothing of the forge."""
    folder = world.folder / f"clone-{len(list(world.folder.glob('clone-*')))}"
    subprocess.run(["git", "clone", "-q", f"file://{world.bare}", str(folder)], check=True)
    return folder


def told(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str
) -> dict[str, Any]:
    """What the command says as JSON, in a fresh clone beside which the forge is gone."""
    folder = clone_of(world)
    away = world.bare.with_name("away")
    world.bare.rename(away)
    try:
        monkeypatch.chdir(folder)
        monkeypatch.delenv("RECONCILE_CONFIG", raising=False)
        world.settings.rename(world.folder / "hidden")
        capsys.readouterr()
        assert ended(["log", *words, "--output", "json"]) == 0
    finally:
        away.rename(world.bare)
        (world.folder / "hidden").rename(world.settings)
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    jsonschema.validate(found, schemas.log())
    return found


def brief(rows: Sequence[dict[str, Any]]) -> list[tuple[object, ...]]:
    names = ("field", "old", "new", "what", "since", "ended_by")
    return [tuple(row[name] for name in names) for row in rows]


def test_what_is_open_is_told_with_its_reason(world, monkeypatch, capsys) -> None:  # type: ignore[no-untyped-def]
    report = world.run()
    found = told(world, monkeypatch, capsys, "deploy/web")
    assert [row["what"] for row in found["rows"]] == ["open", "open"]
    assert found["saved"] == []
    because = {value.slot.field.value: change.because for change in report.changes for value in change.values}
    assert {row["field"]: row["why"] for row in found["rows"]} == because
    assert all(row["number"] == 1 and row["by"] == "reconcile" for row in found["rows"])


@pytest.mark.parametrize("method", [Method.MERGE, Method.SQUASH])
def test_a_merge_is_told_with_who_merged_it_and_what_it_saves(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], method: Method
) -> None:
    report = world.run()
    request = world.requests()[0]
    world.forge_at(NOW + 60).merge(request.number, request.head, method=method)
    found = told(world, monkeypatch, capsys, "web")  # nobody has run since: the branch alone tells it
    assert brief(found["rows"]) == [
        ("requests.cpu", "2", "1600m", "merged", "in-force", "hannah"),
        ("requests.memory", "1Gi", "824Mi", "merged", "in-force", "hannah"),
    ]
    assert {row["at"] for row in found["rows"]} == {NOW + 60}
    worth = sum(-change.worth.monthly.millionths for change in report.changes if change.worth)
    assert found["saved"] == [{"currency": "USD", "monthly": worth / 1_000_000}]
    assert all(row["ended_by"] == "hannah" for row in found["rows"])
    world.run(NOW + DAY)  # and now the ledger tells it, too
    again = told(world, monkeypatch, capsys, "web")
    assert brief(again["rows"]) == brief(found["rows"])
    assert again["saved"] == found["saved"]


def squashed_by_hand(world: World, branch: str, text: str, when: int) -> str:
    """The files of a branch on top of the base, under words of their own: nothing of ours is left."""
    store = world.store
    tip = str(store.references["refs/heads/main"].target)
    files = {PATH: world.files(branch)[PATH]}
    who = Author("Walter", "walter@example.com")
    commit = write_commit(store, CommitRequest(tip, files, text, who, when), str(world.bare))
    store.references["refs/heads/main"].set_target(commit)
    return commit


def test_a_squash_that_kept_only_a_title_is_recognised_by_the_values(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    world.run()
    commit = squashed_by_hand(world, world.requests()[0].branch, "Smaller web (#7)", NOW + 600)
    found = told(world, monkeypatch, capsys, "shop/deployment/web")
    assert {(row["what"], row["since"], row["commit"], row["ended_by"]) for row in found["rows"]} == {
        ("merged", "in-force", commit, "Walter")
    }
    assert found["saved"][0]["monthly"] > 0


def test_edits_by_hand_are_told_and_take_back_what_was_saved(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    world.run()
    request = world.requests()[0]
    world.forge_at(NOW + 60).merge(request.number, request.head)
    merged = world.files()[PATH]
    hand(world, merged.replace(b"cpu: 1600m", b"cpu: 2"), "Web needs its two cores", NOW + 120)
    hand(world, world.files()[PATH].replace(b"memory: 824Mi", b"memory: 900Mi"), "A bit more", NOW + 180)
    rows = told(world, monkeypatch, capsys, "web")["rows"]
    assert brief(rows) == [
        ("requests.cpu", "2", "1600m", "merged", "reverted", "hannah"),
        ("requests.memory", "1Gi", "824Mi", "merged", "changed", "hannah"),
        ("requests.cpu", "1600m", "2", "by-hand", None, ""),
        ("requests.memory", "824Mi", "900Mi", "by-hand", None, ""),
    ]
    assert [(row["by"], row["why"]) for row in rows[2:]] == [
        ("Hannah Human", "Web needs its two cores"),
        ("Hannah Human", "A bit more"),
    ]
    assert told(world, monkeypatch, capsys, "web")["saved"] == []


def hand(world: World, data: bytes, text: str, when: int) -> str:
    store = world.store
    tip = str(store.references["refs/heads/main"].target)
    who = Author("Hannah Human", "hannah@example.com")
    commit = write_commit(store, CommitRequest(tip, {PATH: data}, text, who, when), str(world.bare))
    store.references["refs/heads/main"].set_target(commit)
    return commit


def test_a_no_is_told_and_what_is_asked_narrows_it(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    world.run()
    world.forge_at(NOW + 60).close(world.requests()[0].number)
    world.run(NOW + 120)
    rows = told(world, monkeypatch, capsys, "-n", "shop")["rows"]
    assert {(row["what"], row["ended_by"], row["at"]) for row in rows} == {("rejected", "hannah", NOW + 60)}
    assert told(world, monkeypatch, capsys, "-n", "other")["rows"] == []
    assert told(world, monkeypatch, capsys, "--since", str(NOW + 61))["rows"] == []
    earlier = told(world, monkeypatch, capsys, "--now", str(NOW + 30))["rows"]
    assert {row["what"] for row in earlier} == {"open"}


def test_without_the_ledger_the_messages_of_commits_tell(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    report = world.run()
    request = world.requests()[0]
    world.forge_at(NOW + 60).merge(request.number, request.head)
    world.store.references["refs/heads/reconcile/ledger"].delete()
    found = told(world, monkeypatch, capsys, "deploy/web/app")
    assert [note["what"] for note in found["notes"]] == ["no-ledger"]
    assert [
        (row["field"], row["old"], row["new"], row["what"], row["ended_by"]) for row in found["rows"]
    ] == [
        ("requests.cpu", "2", "1600m", "merged", "hannah"),
        ("requests.memory", "1Gi", "824Mi", "merged", "hannah"),
    ]
    because = {value.slot.field.value: change.because for change in report.changes for value in change.values}
    assert {row["field"]: row["why"] for row in found["rows"]} == because


def test_the_settings_fetch_what_no_clone_is_needed_for(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    world.run()
    monkeypatch.chdir(world.folder)
    capsys.readouterr()
    assert ended(["log", "-c", str(world.settings), "-o", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {row["what"] for row in found["rows"]} == {"open"}
    world.write_settings(repositories=[{"url": str(world.folder / "gone.git"), "branch": "main"}])
    assert ended(["log", "-c", str(world.settings), "-o", "json"]) == 2


def test_a_hostile_history_stays_text_in_a_terminal(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    world.run()
    hand(world, manifest("web", "3", "1Gi").encode(), "\x1b[31mred \u202eback\nsecond line", NOW + 60)
    monkeypatch.chdir(clone_of(world))
    world.settings.rename(world.folder / "hidden")
    capsys.readouterr()
    assert ended(["log", "web"]) == 0
    out = capsys.readouterr().out
    assert "by hand" in out
    assert "\x1b" not in out
    assert "\u202e" not in out
    assert "second line" not in out


def test_what_was_left_to_its_author_and_what_was_opened_again_is_told_as_it_stands() -> None:
    """By the last line of each request, whatever order the file has them in."""
    memo = {
        "key": "savings/web", "plan": "p", "evidence": [], "title": "t",
        "values": [{
            "path": PATH, "document": 0, "keys": ["a"], "inner": [], "field": "requests.cpu", "old": "2",
            "new": "1", "consumers": [ref("web")._asdict()],
        }],
    }  # fmt: skip

    def entry(at: int, event: str, number: int) -> LedgerEntry:
        facts: dict[str, object] = {"number": number, "branch": "b", "by": "ada", "memo": memo}
        return LedgerEntry(at, event, "savings/web", facts)

    lines = [
        entry(9, "abandoned", 1), entry(1, "opened", 1),
        entry(2, "opened", 2), entry(3, "abandoned", 2), entry(4, "revived", 2),
        entry(5, "opened", 3), entry(6, "rejected", 3), entry(7, "reopened", 3), entry(8, "merged", 3),
    ]  # fmt: skip
    found = requests_of(lines, lambda one: one.workload == "web")
    assert [(one.number, one.end, one.ended_at) for one in found] == [
        (1, "abandoned", 9),
        (2, "", 0),
        (3, "merged", 8),
    ]
    assert requests_of(lines, lambda one: one.workload == "api") == []

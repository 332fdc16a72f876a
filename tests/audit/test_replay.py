"""Law 2, end to end: from its evidence and its base alone, a commit is made again, byte for byte."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from rendered_world import FILES, put_tools_on_path
from servers.registries import single
from servers.small_registry import SmallRegistry
from test_images_run import _web, _world
from test_laws import Made, world_of, worlds
from test_rendered import USED, world_in
from world import HUMAN, NOW, Used, World, manifest, ref

from reconciler import __version__
from reconciler.audit import claim as claims
from reconciler.audit.records import Replayed
from reconciler.audit.replay import replay
from reconciler.cli import ended
from reconciler.commands.common import Bars
from reconciler.forges.port import Method
from reconciler.git.commits import CommitRequest, write_commit
from reconciler.report import schemas
from reconciler.wiring import chronicles, surveyed

MIB = 1 << 20
PATH = "apps/web/web.yaml"


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path, {PATH: manifest("web", "2", "1Gi")}, [Used(ref("web"), 100, 100 * MIB)])


def replayed(world: World, commit: str) -> Replayed:
    """Through the same wiring as the command's."""
    opened = chronicles(world.settings, remote=True)
    annals = opened.chronicles[0].annals

    def read(at: str, path: str) -> bytes | None:
        found = annals.read(at, path)
        return found[1] if found else None

    claim = claims.of_commit(annals, commit)
    return replay(claim, surveyed(opened, opened.places[0], Bars(None)), read, annals.changed)


def clone_of(world: World, *words: str) -> Path:
    folder = world.folder / f"clone-{len(list(world.folder.glob('clone-*')))}"
    subprocess.run(["git", "clone", "-q", *words, f"file://{world.bare}", str(folder)], check=True)
    return folder


# -- the law ---------------------------------------------------------------------------------------


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(worlds)
def test_every_commit_of_a_run_is_made_again(many: list[Made]) -> None:
    with world_of(many) as world:
        world.run()
        for request in world.requests():
            found = replayed(world, request.head)
            assert found.is_same, (found.differences, found.otherwise)
            assert found.files
            assert {one.path: one.after for one in found.files} == {
                path: data
                for path, data in world.files(request.branch).items()
                if data != world.files()[path]
            }


@pytest.fixture
def tools(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    put_tools_on_path(monkeypatch)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_edits_of_a_chart_and_of_overlays_are_made_again(tools: None, tmp_path: Path) -> None:
    world = world_in(tmp_path, USED)
    report = world.run()
    touched = {value.slot.place.path for change in report.changes for value in change.values}
    assert any(path.startswith("charts/") for path in touched)
    assert any(path.startswith(("base/", "overlays/")) for path in touched)
    assert len(world.requests()) > 1
    for request in world.requests():
        found = replayed(world, request.head)
        assert found.is_same, (found.differences, found.otherwise)
        assert found.then is not None
        assert found.then.renderers  # it is said what rendered then
        assert found.then == found.now


def test_values_on_top_are_made_again(tools: None, tmp_path: Path) -> None:
    world = world_in(tmp_path, USED, FILES, "proposals: {place: overlay}\n")
    report = world.run()
    touched = {value.slot.place.path for change in report.changes for value in change.values}
    assert any(path.startswith("overlays/") for path in touched)
    for request in world.requests():
        assert replayed(world, request.head).is_same


def test_without_the_programs_it_says_which_is_missing(
    tools: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = world_in(tmp_path, USED)
    world.run()
    heads = [request.head for request in world.requests()]
    git = tmp_path / "bin"
    git.mkdir()
    (git / "git").symlink_to(subprocess.check_output(["which", "git"], text=True).strip())
    monkeypatch.setenv("PATH", str(git))
    world.write_settings(
        repositories=[
            {
                "url": str(world.bare),
                "branch": "main",
                "aliases": ["https://git.example.com/platform/deploy"],
            }
        ],
        cache="other",
    )
    for head in heads:
        with pytest.raises(claims.Unknown, match=r"(helm|kubectl|kustomize)"):
            replayed(world, head)


def test_images_that_move_together_are_made_again(tmp_path: Path, registry: SmallRegistry) -> None:
    """The evidence of one of them tells of all; no registry is asked again."""
    for name in ("server", "worker"):
        registry.push(name, single(words=f"{name} old"), "1.0.0")
        registry.push(name, single(words=f"{name} new"), "1.1.0")
    files = {
        f"apps/{name}.yaml": _web(f"{registry.host}/{name}:1.0.0", name) for name in ("server", "worker")
    }
    world = _world(tmp_path, registry, files, "mode: {images: propose}\nimages: {together: release}")
    world.run()
    (request,) = world.requests()
    asked = len(registry.asked)
    found = replayed(world, request.head)
    assert found.is_same, (found.differences, found.otherwise)
    assert [one.path for one in found.files] == ["apps/server.yaml", "apps/worker.yaml"]
    assert len(registry.asked) == asked


# -- what a commit may be called ------------------------------------------------------------------


def in_clone(world: World, monkeypatch: pytest.MonkeyPatch, *words: str) -> None:
    """A clone far from any settings."""
    folder = clone_of(world, *words)
    world.settings.rename(world.folder / "settings-elsewhere.yaml")
    monkeypatch.delenv("RECONCILE_CONFIG", raising=False)
    monkeypatch.chdir(folder)


def told(capsys: pytest.CaptureFixture[str], *words: str, exit_code: int = 0) -> dict[str, Any]:
    capsys.readouterr()
    assert ended(["replay", *words, "--output", "json"]) == exit_code
    found = json.loads(capsys.readouterr().out)
    jsonschema.validate(found, schemas.replay())
    (row,) = found["rows"]
    assert isinstance(row, dict)
    return row


@pytest.mark.parametrize("method", [Method.MERGE, Method.SQUASH])
def test_a_merge_is_replayed_by_what_it_merged(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], method: Method
) -> None:
    world.run()
    request = world.requests()[0]
    world.push("main", {"apps/other.yaml": b"# something else came first\n"})
    world.forge_at(NOW + 60).merge(request.number, request.head, method=method)
    in_clone(world, monkeypatch)
    row = told(capsys, "HEAD")
    assert row["same"] is True
    assert row["files"] == [PATH]
    assert (row["commit"] == request.head) == (method is Method.MERGE)


def test_a_squash_under_another_title_is_known_by_its_values(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    world.run()
    branch = world.requests()[0].branch
    squashed = world.push("main", {PATH: world.files(branch)[PATH]}, "Smaller web (#7)")
    world.store.references[f"refs/heads/{branch}"].delete()
    in_clone(world, monkeypatch)
    assert told(capsys, squashed[:10])["same"] is True


def test_a_commit_that_was_changed_is_shown_with_its_difference(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    world.run()
    request = world.requests()[0]
    ours = world.store[request.head]
    files = {PATH: world.files(request.branch)[PATH].replace(b"1600m", b"1000m"), "more.yaml": b"more: 1\n"}
    base = str(ours.parent_ids[0])
    forged = write_commit(world.store, CommitRequest(base, files, ours.message, HUMAN, NOW), str(world.bare))
    world.store.references.create("refs/heads/forged", forged)
    in_clone(world, monkeypatch)
    row = told(capsys, "origin/forged", exit_code=1)
    assert row["same"] is False
    assert "-              cpu: 1000m" in row["difference"]
    assert "+              cpu: 1600m" in row["difference"]
    assert "-more: 1" in row["difference"]


def test_an_export_replays_where_there_is_no_ledger(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    world.run()
    head = world.requests()[0].head
    in_clone(world, monkeypatch)
    told(capsys, head, "--export", "evidence.json")
    subprocess.run(["git", "update-ref", "-d", "refs/remotes/origin/reconcile/ledger"], check=True)
    assert ended(["replay", head]) == 2
    assert "git fetch origin reconcile/ledger" in capsys.readouterr().err.replace("\n", " ")
    assert told(capsys, "evidence.json")["same"] is True
    forged = json.loads(Path("evidence.json").read_text())
    (name,) = forged["evidence"]
    forged["evidence"][name]["consumers"][0]["replicas"] = 7
    Path("forged.json").write_text(json.dumps(forged))
    assert ended(["replay", "forged.json"]) == 2
    assert "not what its hash says" in capsys.readouterr().err


def test_the_json_of_a_run_is_replayed_by_the_ledger(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended(["run", "-c", str(world.settings), "--now", str(NOW), "-o", "json"]) == 0
    (world.folder / "run.json").write_text(capsys.readouterr().out)
    head = world.requests()[0].head
    in_clone(world, monkeypatch)
    row = told(capsys, str(world.folder / "run.json"))
    assert (row["same"], row["commit"]) == (True, head)
    dry = json.loads((world.folder / "run.json").read_text())
    dry["changes"][0]["evidence"] = dry["changes"][1]["evidence"] = "0" * 64
    Path("dry.json").write_text(json.dumps(dry))
    assert ended(["replay", "dry.json"]) == 2
    assert "dry run" in capsys.readouterr().err


def test_a_line_of_the_ledger_is_evidence_enough_for_the_patch(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    world.run()
    request = world.requests()[0]
    lines = next(
        data for path, data in world.files("reconcile/ledger").items() if path.startswith("evidence")
    )
    in_clone(world, monkeypatch)
    Path("line.json").write_bytes(lines.splitlines()[0])
    row = told(capsys, "line.json")
    assert (row["same"], row["commit"]) == (None, "")
    Path("patch").write_text(row["patch"])
    subprocess.run(["git", "apply", "patch"], check=True)
    assert Path(PATH).read_bytes() == world.files(request.branch)[PATH]


# -- what can't be tried, and why -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (("HEAD",), "none of ours"),
        (("0123456789",), "there is no commit '0123456789'"),
        (("empty.json",), "is no JSON"),
        (("list.json",), "expected an object"),
        (("other.json",), "can't be read"),
        (("deep.json",), "too deep"),
    ],
)
def test_what_cannot_be_replayed_is_one_clear_sentence(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    wanted: str,
) -> None:
    world.run()
    in_clone(world, monkeypatch)
    Path("empty.json").write_text("{")
    Path("list.json").write_text("[1]")
    Path("other.json").write_text('{"now": 1}')
    Path("deep.json").write_text("[" * 100_000)
    assert ended(["replay", *words]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert wanted in said
    assert said.startswith("reconcile: ")
    assert "Traceback" not in said


def test_a_shallow_clone_says_that_the_base_is_missing(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    world.run()
    in_clone(world, monkeypatch, "--depth", "1", "--no-single-branch")
    head = subprocess.check_output(
        ["git", "for-each-ref", "--format=%(objectname)", "refs/remotes/origin/reconcile/savings"], text=True
    ).split()[0]
    assert ended(["replay", head]) == 2
    assert "--unshallow" in capsys.readouterr().err


def test_another_version_is_said(world: World) -> None:
    world.run()
    opened = chronicles(world.settings, remote=True)
    annals = opened.chronicles[0].annals
    claim = claims.of_commit(annals, world.requests()[0].head)
    assert claim.push is not None
    older = claim._replace(push=claim.push._replace(version="0.0.9", renderers=("helm 3.1",)))
    found = replay(older, surveyed(opened, opened.places[0], Bars(None)), lambda *_: b"", lambda *_: ())
    assert found.then == ("0.0.9", ("helm 3.1",))
    assert found.now == (__version__, ())
    with pytest.raises(claims.Unknown, match=r"written by reconcile 0\.0\.9"):
        claims.loaded("0" * 64, {"weather": "fine"}, "0.0.9")


def test_decided_otherwise_today_is_a_difference(world: World) -> None:
    world.run()
    opened = chronicles(world.settings, remote=True)
    annals = opened.chronicles[0].annals
    claim = claims.of_commit(annals, world.requests()[0].head)
    assert claim.push is not None
    told = claim.push.changes[0]
    value = told.values[0]._replace(new="3")
    other = claim.push._replace(changes=(told._replace(values=(value, *told.values[1:])),))

    def read(at: str, path: str) -> bytes | None:
        found = annals.read(at, path)
        return found[1] if found else None

    surveying = surveyed(opened, opened.places[0], Bars(None))
    found = replay(claim._replace(push=other), surveying, read, annals.changed)
    assert not found.is_same
    assert "then requests.cpu 3; today requests.cpu 1600m" in found.otherwise[0]

"""Narrowing, and what is told when nothing matches; what a quiet run prints; what a clone reads as it is."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result
from world import NOW, Used, World, manifest, ref

from reconciler.cli import app
from reconciler.errors import Misconfigured
from reconciler.model import ContainerRef
from reconciler.source.targets import nearest

MIB = 1 << 20


def said(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.delenv("RECONCILE_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)
    files = {
        "apps/web/web.yaml": manifest("web", "500m", "512Mi"),
        "apps/api/api.yaml": manifest("api", "100m", "128Mi"),
    }
    return World(tmp_path, files, [Used(ref("web"), 100, 100 * MIB), Used(ref("api"), 200, 200 * MIB)])


@pytest.fixture
def clone(world: World, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = world.folder / "clone"
    subprocess.run(["git", "clone", "-q", str(world.bare), str(folder)], check=True)
    monkeypatch.chdir(folder)
    return folder


# -- quiet -----------------------------------------------------------------------------------------


def test_quiet_is_silent_on_what_is_left_as_it_is(world: World) -> None:
    first = said("run", "-q", "--now", str(NOW))
    assert first.exit_code == 0, first.output
    assert first.output.count("open  ") == 2
    second = said("run", "-q", "--now", str(NOW))
    assert "leave" not in second.output
    assert "; 2 merge requests left as before." in second.output
    assert len(second.output.splitlines()) == 1
    assert "leave" in said("run", "--now", str(NOW)).output


# -- what is not committed -------------------------------------------------------------------------


def test_settings_that_are_read_are_not_said_to_be_unread(world: World, clone: Path) -> None:
    (clone / "policies").mkdir()
    (clone / "policies" / "mine.yaml").write_text(
        "apiVersion: reconciler/v1\nkind: Policy\nmetadata: {name: mine}\nresources: {window: 10d}\n"
    )
    settings = {
        "apiVersion": "reconciler/v1",
        "repositories": [{"url": str(world.bare), "branch": "main"}],
        "metrics": [{"name": "main", "kind": "recording", "path": str(world.folder / "usage")}],
        "policies": "policies",
        "cache": "cache",
    }
    (clone / "reconcile.yaml").write_text(json.dumps(settings))
    clean = said("run", "--dry-run", "--no-diff", "-c", "reconcile.yaml")
    assert clean.exit_code == 0, clean.output
    assert "not committed" not in clean.output
    (clone / "apps" / "more.yaml").write_text(manifest("more"))
    dirty = said("run", "--dry-run", "--no-diff", "-c", "reconcile.yaml")
    assert "not committed, and so not read: apps/more.yaml\n" in dirty.output


def test_after_init_a_dry_run_tells_only_what_it_does_not_read(world: World, clone: Path) -> None:
    assert said("init").exit_code == 0
    ran = said("run", "--dry-run", "--no-diff", "--metrics", str(world.folder / "usage"))
    assert ran.exit_code == 0, ran.output
    assert "not committed" not in ran.output


# -- nothing matches -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("wep", "no container matches 'wep'; did you mean shop/Deployment/web?"),
        ("deploy/wbe", "did you mean shop/Deployment/web?"),
        ("shop/deploy/aip/app", "did you mean shop/Deployment/api?"),
        ("sts/web", "did you mean shop/Deployment/web?"),
        ("zzzzzz", "; `reconcile scan` lists them."),
    ],
)
def test_explain_offers_the_nearest_names(world: World, typed: str, told: str) -> None:
    done = said("explain", typed)
    assert isinstance(done.exception, Misconfigured)
    assert told in str(done.exception)


def test_nearest_names_are_few_and_in_order() -> None:
    refs = [ContainerRef("", space, "Deployment", "web", "app") for space in "fedcba"]
    assert nearest("wep", refs) == tuple(f"{space}/Deployment/web" for space in "abcde")
    assert nearest("", refs) == nearest("*", refs) == nearest("a/b/c/d/e", refs) == ()


# -- scan ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pattern", ["web", "deploy/web", "shop/Deployment/w*", "./apps/web"])
def test_scan_shows_only_what_is_asked_for(clone: Path, pattern: str) -> None:
    done = said("scan", "--only", pattern, "-o", "json")
    assert done.exit_code == 0, done.output
    document = json.loads(done.output)
    assert {row["workload"] for row in document["rows"]} == {"web"}
    assert len(document["rows"]) == 5
    assert "1 container in 1 workload" in said("scan", "--only", pattern).output


def test_scan_of_a_folder_takes_folders_from_there(clone: Path) -> None:
    document = json.loads(said("scan", "apps", "--only", "./web", "-o", "json").output)
    assert {row["path"] for row in document["rows"]} == {"web/web.yaml"}


def test_scan_takes_several_patterns_and_says_when_none_matches(clone: Path) -> None:
    document = json.loads(said("scan", "--only", "web", "--only", "api", "-o", "json").output)
    assert {row["workload"] for row in document["rows"]} == {"web", "api"}
    done = said("scan", "--only", "wbe")
    assert isinstance(done.exception, Misconfigured)
    assert "--only wbe: no container matches; did you mean shop/Deployment/web?" in str(done.exception)
    assert isinstance(said("scan", "--only", "zzzzz").exception, Misconfigured)


def test_scan_of_all_fields_is_narrowed_too(clone: Path) -> None:
    document = json.loads(said("scan", "--all-fields", "--only", "web", "-o", "json").output)
    assert {row["workload"] for row in document["rows"]} == {"web"}
    assert "replicas" in {row["field"] for row in document["rows"]}

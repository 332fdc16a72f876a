"""The command line as a process: what it prints, where, and how it ends."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import jsonschema
import pytest
from cli_reference import reference
from world import NOW, Used, World, manifest, ref

MIB = 1 << 20
ROOT = Path(__file__).parents[1]


def reconcile(
    *words: str, cwd: Path, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    clean = {
        name: value for name, value in os.environ.items() if name not in ("RECONCILE_CONFIG", "NO_COLOR")
    }
    return subprocess.run(
        [sys.executable, "-m", "reconciler", *words],
        cwd=cwd,
        env={**clean, **(env or {})},
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )


@pytest.fixture
def world(tmp_path: Path) -> World:
    files = {
        "apps/web/web.yaml": manifest("web", "500m", "512Mi"),
        "apps/fine/fine.yaml": manifest("fine", "115m", "240Mi"),
    }
    return World(tmp_path, files, [Used(ref("web"), 100, 100 * MIB), Used(ref("fine"), 100, 200 * MIB)])


@pytest.fixture
def clone(world: World) -> Path:
    folder = world.folder / "clone"
    subprocess.run(["git", "clone", "-q", str(world.bare), str(folder)], check=True)
    return folder


# -- run -------------------------------------------------------------------------------------------


def test_the_json_of_a_run_keeps_to_its_schema(world: World) -> None:
    ran = reconcile("--dry-run", "-o", "json", cwd=world.folder)
    assert ran.returncode == 0, ran.stderr
    document = json.loads(ran.stdout)
    schema = json.loads(reconcile("schema", "run", cwd=world.folder).stdout)
    jsonschema.validate(document, schema)
    assert [(row["field"], row["old"], row["new"]) for row in document["changes"]] == [
        ("requests.cpu", "500m", "400m"),
        ("requests.memory", "512Mi", "412Mi"),
    ]
    assert document["now"] == NOW - 300  # the last sample
    assert document["actions"][0]["action"] == "open"
    assert set(document["actions"][0]["changes"]) == {row["id"] for row in document["changes"]}


def test_no_command_means_run(world: World) -> None:
    bare = reconcile("--dry-run", "-o", "json", cwd=world.folder)
    named = reconcile("run", "--dry-run", "-o", "json", cwd=world.folder)
    assert bare.stdout == named.stdout
    assert bare.stdout


def test_piped_output_is_plain_and_not_cut(world: World) -> None:
    ran = reconcile("--dry-run", cwd=world.folder)
    assert "\x1b" not in ran.stdout
    assert "-              cpu: 500m      # measured once" in ran.stdout
    assert "+              cpu: 400m      # measured once" in ran.stdout
    assert "Merge requests, if this were no dry run" in ran.stdout
    assert not [
        line for line in ran.stdout.splitlines() if line != line.rstrip() and not line.startswith(" ")
    ]


def test_markdown_has_the_body_of_each_merge_request(world: World) -> None:
    ran = reconcile("--dry-run", "-o", "markdown", cwd=world.folder)
    assert ran.stdout.startswith("# Reconcile\n")
    assert "| container | value | now → proposed |" in ran.stdout
    assert "```diff\n--- a/apps/web/web.yaml" in ran.stdout


def test_pending_changes_have_an_exit_code_on_request(world: World) -> None:
    assert reconcile("--dry-run", cwd=world.folder).returncode == 0
    assert reconcile("--dry-run", "--detailed-exitcode", cwd=world.folder).returncode == 4
    settled = ["--dry-run", "--detailed-exitcode", "--only", "deploy/fine"]
    assert reconcile(*settled, cwd=world.folder).returncode == 0


def test_a_failed_target_beats_pending_changes(world: World) -> None:
    world.write_settings(
        repositories=[{"url": str(world.bare), "branch": "main"}, {"url": str(world.bare), "branch": "no"}]
    )
    ran = reconcile("--dry-run", "--detailed-exitcode", cwd=world.folder)
    assert ran.returncode == 1
    assert "there is no branch 'no'" in ran.stdout


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--nonsense"], "No such option"),
        (["run", "--now", "yesterday"], "--now 'yesterday' is no time"),
        (["run", "--only", "a/b/c/d/e"], "is no target"),
        (["run", "--config", "nowhere.yaml"], "does not exist"),
        (["--dry-run", "--metrics", "nowhere"], "no such folder"),
        (["--dry-run", "--metrics", "http://"], "metrics"),
        (["schema", "nonsense"], "Invalid value"),
        (["explain", "nobody"], "no container matches"),
        (["mr", "list", "--state", "odd"], "is not one of"),
    ],
)
def test_what_can_not_be_understood_ends_with_2_and_a_sentence(
    world: World, words: list[str], told: str
) -> None:
    ran = reconcile(*words, cwd=world.folder)
    assert ran.returncode == 2, ran.stdout + ran.stderr
    assert told in ran.stderr
    assert "Traceback" not in ran.stderr


def test_wrong_settings_name_line_and_column(world: World) -> None:
    world.settings.write_text("apiVersion: reconciler/v1\nrepositorys: []\n")
    ran = reconcile("--dry-run", cwd=world.folder)
    assert ran.returncode == 2
    assert re.search(r"reconcile\.yaml:2:1: .*repositories", ran.stderr), ran.stderr


def test_without_settings_or_clone_it_says_what_to_do(tmp_path: Path) -> None:
    ran = reconcile("--dry-run", cwd=tmp_path)
    assert ran.returncode == 2
    assert "reconcile init" in ran.stderr


_SLOW = """\
import sys, time
import reconciler.commands.run as command

def job(*arguments):
    print("ready", flush=True)
    time.sleep(30)

command.job = job
sys.argv = ["reconcile", "run"]
from reconciler.cli import main
main()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_ends_with_130(world: World, number: signal.Signals) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", _SLOW],
        cwd=world.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "interrupted" in err


def test_a_reader_that_has_seen_enough_is_no_bug(world: World) -> None:
    words = f"{sys.executable} -m reconciler --dry-run --verbose | head -n 1"
    ran = subprocess.run(["bash", "-c", words], cwd=world.folder, capture_output=True, text=True, check=False)
    assert ran.stderr == ""


# -- in a clone ------------------------------------------------------------------------------------


def test_in_a_clone_a_dry_run_reads_its_head_and_says_so(world: World, clone: Path) -> None:
    (clone / "apps" / "web" / "web.yaml").write_text(manifest("web", "115m", "120Mi"))
    commit = ["git", "-c", "user.name=x", "-c", "user.email=x@y", "commit", "-qam", "smaller"]
    subprocess.run(commit, cwd=clone, check=True)
    (clone / "new.yaml").write_text("x: 1\n")
    here = reconcile("--dry-run", cwd=clone)
    assert "Nothing to change" in here.stdout
    assert "at HEAD" in here.stdout
    assert "new.yaml" in here.stdout
    remote = reconcile("--dry-run", "--remote", cwd=clone)
    assert "500m  → 400m" in remote.stdout


def test_in_a_clone_without_settings_only_metrics_are_needed(world: World, clone: Path) -> None:
    world.settings.rename(world.folder / "elsewhere.yaml")
    ran = reconcile("--dry-run", "--metrics", str(world.folder / "usage"), cwd=clone)
    assert ran.returncode == 0
    assert "500m  → 400m" in ran.stdout
    without = reconcile("--dry-run", cwd=clone)
    assert without.returncode == 0
    assert "4 no-metrics" in without.stdout


def test_settings_in_a_clone_write_only_when_named(world: World, clone: Path) -> None:
    text = json.loads(world.settings.read_text())
    shutil.copytree(world.folder / "usage", clone / "usage")
    (clone / "reconcile.yaml").write_text(json.dumps(text))
    ran = reconcile("run", cwd=clone)
    assert ran.returncode == 2
    assert "--config" in ran.stderr
    assert reconcile("--dry-run", cwd=clone).returncode == 0
    assert reconcile("run", "--config", "reconcile.yaml", cwd=clone).returncode == 0
    assert len(world.requests()) == 1


def test_init_writes_settings_that_work(world: World, clone: Path) -> None:
    world.settings.rename(world.folder / "elsewhere.yaml")
    assert reconcile("init", cwd=clone).returncode == 0
    again = reconcile("init", cwd=clone)
    assert again.returncode == 2
    assert "--force" in again.stderr
    assert reconcile("--dry-run", "--metrics", str(world.folder / "usage"), cwd=clone).returncode == 0
    assert reconcile("doctor", cwd=clone).returncode == 0


# -- scan, set, explain ----------------------------------------------------------------------------


def test_scan_keeps_to_its_schema_and_names_lines(clone: Path) -> None:
    document = json.loads(reconcile("scan", "-o", "json", cwd=clone).stdout)
    jsonschema.validate(document, json.loads(reconcile("schema", "scan", cwd=clone).stdout))
    rows = {(row["workload"], row["field"]): row for row in document["rows"]}
    assert len(rows) == 10
    row = rows["web", "requests.cpu"]
    lines = (clone / row["path"]).read_text().splitlines()
    assert lines[row["line"] - 1].strip().startswith("cpu: 500m")
    assert rows["web", "limits.cpu"]["value"] is None
    assert row["keys"][-3:] == ["resources", "requests", "cpu"]
    assert row["traced"] is True
    assert row["reason"] is None


def test_set_changes_one_line_and_prints_the_diff(clone: Path) -> None:
    path = clone / "apps" / "web" / "web.yaml"
    before = path.read_text()
    dry = reconcile("set", ".", "deploy/web", "cpu=250m", "--dry-run", cwd=clone)
    assert path.read_text() == before
    ran = reconcile("set", ".", "deploy/web", "cpu=250m", cwd=clone)
    assert ran.stdout == dry.stdout
    assert path.read_text() == before.replace("cpu: 500m ", "cpu: 250m ")
    again = reconcile("set", ".", "deploy/web", "cpu=250m", cwd=clone)
    assert again.returncode == 0
    assert "it is so already" in again.stdout


@pytest.mark.parametrize(
    "words",
    [["deploy/nobody", "cpu=1"], ["web", "cpu=1"], ["deploy/web", "cpu=lots"], ["deploy/web", "colour=red"]],
)
def test_set_ends_with_2_for_what_makes_no_sense(clone: Path, words: list[str]) -> None:
    before = (clone / "apps/web/web.yaml").read_bytes()
    ran = reconcile("set", ".", *words, cwd=clone)
    assert ran.returncode == 2
    assert ran.stderr.startswith("reconcile: ")
    assert (clone / "apps/web/web.yaml").read_bytes() == before


def test_set_is_all_or_nothing(clone: Path) -> None:
    path = clone / "apps" / "web" / "web.yaml"
    text = (
        path.read_text()
        .replace('registry.example.com/web:1.0"', 'x"')
        .replace('image: "x"', "image: >-\n            x")
    )
    path.write_text(text)
    ran = reconcile("set", ".", "deploy/web", "cpu=250m", "image=y:2", cwd=clone)
    assert ran.returncode == 1
    assert "block-scalar" in ran.stdout
    assert path.read_text() == text


def test_explain_tells_the_way(world: World) -> None:
    ran = reconcile("explain", "deploy/web", cwd=world.folder)
    assert ran.returncode == 0
    for words in ("over 14 days is", "headroom", "change (savings): 500m → 400m"):
        assert words in ran.stdout
    document = json.loads(reconcile("explain", "deploy/web", "-o", "json", cwd=world.folder).stdout)
    assert {row["field"]: row.get("new") for row in document["rows"]} == {
        "requests.cpu": {"requests.cpu": "400m"},
        "requests.memory": {"requests.memory": "412Mi"},
    }


# -- mr --------------------------------------------------------------------------------------------


def test_a_merge_requests_whole_life(world: World) -> None:
    assert reconcile("run", cwd=world.folder).returncode == 0
    listed = json.loads(reconcile("mr", "list", "-o", "json", cwd=world.folder).stdout)
    assert [request["state"] for request in listed["requests"]] == ["open"]
    shown = reconcile("mr", "show", "1", cwd=world.folder)
    assert "right-size web" in shown.stdout
    assert "+              cpu: 400m" in shown.stdout
    assert "reconcile:v1" not in shown.stdout
    assert reconcile("mr", "close", "1", "--why", "not now", cwd=world.folder).returncode == 0
    assert reconcile("mr", "reopen", "1", cwd=world.folder).returncode == 0
    merged = reconcile("mr", "merge", "1", "--squash", cwd=world.folder)
    assert merged.returncode == 0
    assert b"cpu: 400m" in world.files()["apps/web/web.yaml"]
    assert reconcile("mr", "merge", "99", cwd=world.folder).returncode == 2


# -- demo, docs ------------------------------------------------------------------------------------


def test_the_demo_shows_the_whole_way_in_under_a_minute(tmp_path: Path) -> None:
    begun = time.monotonic()
    ran = reconcile("demo", str(tmp_path / "demo"), cwd=tmp_path)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert time.monotonic() - begun < 60
    last = ran.stdout.rpartition("And once more")[2]
    assert "open  " not in last
    assert "update" not in last
    assert re.search(r"\d+ merge requests left as before", last)


def test_the_reference_is_what_the_commands_say() -> None:
    assert (ROOT / "docs" / "cli.md").read_text() == reference(), (
        "python tests/cli_reference.py > docs/cli.md"
    )


def test_help_teaches(tmp_path: Path) -> None:
    ran = reconcile("--help", cwd=tmp_path)
    assert ran.returncode == 0
    for command in ("run", "scan", "set", "explain", "init", "schema", "doctor", "demo", "mr"):
        assert re.search(rf"\b{command}\b", ran.stdout)


@pytest.mark.parametrize(
    "command", ["run", "scan", "set", "why", "explain", "init", "schema", "doctor", "demo"]
)
def test_every_command_has_help(tmp_path: Path, command: str) -> None:
    ran = reconcile(command, "--help", cwd=tmp_path)
    assert (ran.returncode, ran.stderr) == (0, "")
    if command in ("set", "explain"):
        assert "CONTAINER]" in ran.stdout, "brackets are words, not markup"

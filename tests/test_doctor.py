"""`reconcile doctor`: what it finds of programs, walls and settings, and how it ends."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from reconciler.commands import health
from reconciler.commands.health import Check, Verdict, of_rendering
from reconciler.config import Found, Settings, load_settings
from reconciler.rendering.walls import Walls

TOOLS = Path(__file__).parents[1] / ".venv" / "tools"
SMALL = "apiVersion: reconciler/v1\nrepositories: [{url: https://git.example.com/a/b.git}]\n"


def real(name: str, version: str = "v3") -> Path:
    """A program to render with. Where it is missing the test is skipped, loudly, or fails with CI=true."""
    found = TOOLS / version / name
    if not found.exists():
        assert os.environ.get("CI") != "true", f"{name} is missing; .ci/tools fetches it"
        pytest.skip(f"{name} IS MISSING: .ci/tools fetches it")
    return found


def settings(folder: Path, text: str, *, trusted: bool = True) -> Settings:
    (folder / "reconcile.yaml").write_text(SMALL + text)
    return load_settings(Found(folder / "reconcile.yaml", trusted))


def checks(found: Settings | None) -> dict[str, Check]:
    return {check.what: check for check in of_rendering(found)}


@pytest.fixture
def nothing_on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH with no renderer on it."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("git", "unshare", "true"):
        program = shutil.which(name)
        if program:
            (folder / name).symlink_to(program)
    monkeypatch.setenv("PATH", str(folder))
    return folder


def doctor(folder: Path, *words: str) -> tuple[int, dict[str, dict[str, str]]]:
    ran = subprocess.run(
        [sys.executable, "-m", "reconciler", "doctor", "--output", "json", *words],
        cwd=folder, capture_output=True, text=True, env=os.environ | {"HOME": str(folder)},
    )  # fmt: skip
    assert "Traceback" not in ran.stderr
    document = json.loads(ran.stdout)
    assert document["apiVersion"] == "reconciler/v1"
    return ran.returncode, {check["what"]: check for check in document["checks"]}


# ---------------------------------------------------------------------------------------------
# Programs
# ---------------------------------------------------------------------------------------------


def test_without_renderers_plain_manifests_still_work(nothing_on_path: Path) -> None:
    found = checks(None)
    assert found["helm"] == Check(
        "helm",
        Verdict.MISSING,
        "helm is not on PATH: charts are kept with the reason missing-tool; plain manifests do without it",
    )
    assert found["kustomize"].verdict is Verdict.MISSING
    assert "neither kustomize nor kubectl is on PATH: overlays are kept" in found["kustomize"].told


@pytest.mark.parametrize("version", ["v3", "v4"])
def test_those_on_path_with_their_versions(nothing_on_path: Path, version: str) -> None:
    for name in ("helm", "kubectl"):
        (nothing_on_path / name).symlink_to(real(name, version))
    found = checks(None)
    assert found["helm"].verdict is found["kustomize"].verdict is Verdict.OK
    assert found["helm"].told.startswith(f"helm {version[1]}.")
    assert found["helm"].told.endswith(str(real("helm", version).resolve()))
    assert "(kustomize 5." in found["kustomize"].told


def test_those_that_the_settings_name(nothing_on_path: Path, tmp_path: Path) -> None:
    text = f"rendering: {{helm: {real('helm')}, kubectl: {real('kubectl')}}}\n"
    found = checks(settings(tmp_path, text))
    assert found["helm"].verdict is found["kustomize"].verdict is Verdict.OK
    assert checks(settings(tmp_path, text, trusted=False))["helm"].verdict is Verdict.MISSING


def test_one_that_is_named_and_not_there_is_broken(nothing_on_path: Path, tmp_path: Path) -> None:
    found = checks(settings(tmp_path, "rendering: {helm: no/helm, kustomize: ./no, kubectl: ./no}\n"))
    assert found["helm"] == Check(
        "helm", Verdict.BROKEN, f"{tmp_path}/no/helm is no file: correct rendering.helm in the settings"
    )
    assert "correct rendering.kubectl or rendering.kustomize in the settings" in found["kustomize"].told


def test_a_script_in_front_of_it_is_told_from_the_program(nothing_on_path: Path) -> None:
    """It says a version as the program does; behind walls it starts nothing."""
    if not health.find_walls().landlock:
        pytest.skip("THIS KERNEL HAS NO LANDLOCK: a script in front of helm does work here")
    script = nothing_on_path / "helm"
    script.write_text(f'#!/bin/sh\nexec {real("helm")} "$@"\n')
    script.chmod(0o755)
    found = checks(None)["helm"]
    assert found.verdict is Verdict.MISSING
    assert "renders nothing here (helm can't be started: Permission denied)" in found.told
    assert "a script that starts the program won't do" in found.told


# ---------------------------------------------------------------------------------------------
# Walls
# ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("walls", "verdict", "said"),
    [
        (Walls(7, "/usr/bin/unshare"), Verdict.OK, ["walled in by Landlock 7 and a network namespace"]),
        (Walls(4, ""), Verdict.OK, ["walled in by Landlock 4"]),
        (Walls(3, "/usr/bin/unshare"), Verdict.OK, ["Landlock 3 and a network namespace"]),
        (Walls(3, ""), Verdict.MISSING, ["walled in by Landlock 3", "from the network by flags"]),
        (
            Walls(0, "/usr/bin/unshare"),
            Verdict.MISSING,
            ["by a network namespace", "no Landlock (Linux 5.13)"],
        ),
        (
            Walls(0, ""),
            Verdict.MISSING,
            ["no Landlock", "neither a network namespace (unshare) nor Landlock 4"],
        ),
    ],
)
def test_which_walls_hold_and_what_is_without_them(
    nothing_on_path: Path, monkeypatch: pytest.MonkeyPatch, walls: Walls, verdict: Verdict, said: list[str]
) -> None:
    monkeypatch.setattr(health, "find_walls", lambda: walls)
    found = checks(None)["sandbox"]
    assert found.verdict is verdict
    assert [words for words in said if words not in found.told] == []


# ---------------------------------------------------------------------------------------------
# What may be fetched, and the export
# ---------------------------------------------------------------------------------------------


def test_whom_charts_are_fetched_from_and_with_which_logins(
    nothing_on_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHARTS_PASSWORD", "hunter2")
    monkeypatch.delenv("NOTHING", raising=False)
    assert "nobody" in checks(settings(tmp_path, ""))["charts from elsewhere"].told
    found = checks(
        settings(
            tmp_path,
            "rendering:\n  hosts: ['*.example.com', h:5000]\n  registries:\n"
            "    - {host: a.example.com, passwordEnv: CHARTS_PASSWORD}\n"
            "    - {host: 'h:5000', passwordEnv: NOTHING}\n"
            "    - {host: example.com, passwordEnv: CHARTS_PASSWORD}\n",
        )
    )
    assert found["charts from elsewhere"].told == "fetched from *.example.com, h:5000"
    assert found["login for a.example.com"].verdict is Verdict.OK
    assert found["login for h:5000"].verdict is Verdict.BROKEN
    assert found["login for h:5000"].told.startswith("the variable NOTHING is not set: put the password")
    assert found["login for example.com"].verdict is Verdict.MISSING
    assert "hunter2" not in str(found)


@pytest.mark.parametrize(
    ("data", "verdict", "told"),
    [
        ('[{"spec": {}}, {"spec": {}}]', Verdict.OK, "2 Applications in"),
        ('{"items": []}', Verdict.OK, "0 Applications in"),
        ("[", Verdict.BROKEN, "is no JSON"),
        ('["x"]', Verdict.BROKEN, "argocd app list -o json"),
        (None, Verdict.BROKEN, "can't be read: No such file"),
    ],
)
def test_the_export_of_argo_cd(
    nothing_on_path: Path, tmp_path: Path, data: str | None, verdict: Verdict, told: str
) -> None:
    if data is not None:
        (tmp_path / "apps.json").write_text(data)
    found = checks(settings(tmp_path, "applications: apps.json\n"))["applications"]
    assert found.verdict is verdict
    assert told in found.told


# ---------------------------------------------------------------------------------------------
# How it ends
# ---------------------------------------------------------------------------------------------


def test_what_is_only_missing_is_no_failure(nothing_on_path: Path, tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", "--bare", tmp_path / "r.git"], check=True)
    (tmp_path / "reconcile.yaml").write_text(
        f"apiVersion: reconciler/v1\nrepositories: [{{url: {tmp_path}/r.git}}]\nrendering: {{helm: ./none}}\n"
    )
    status, found = doctor(tmp_path, "--config", "reconcile.yaml")
    assert (status, found["helm"]["verdict"]) == (1, "broken")
    assert found["git"]["verdict"] == "ok"


def test_a_clone_without_settings_and_renderers_is_fit_for_dry_runs(
    nothing_on_path: Path, tmp_path: Path
) -> None:
    clone = tmp_path / "clone"
    subprocess.run(["git", "init", "-q", clone], check=True)
    status, found = doctor(clone)
    assert status == 0
    assert list(found) == ["git", "helm", "kustomize", "sandbox", "settings"]
    assert {name for name, check in found.items() if check["verdict"] == "broken"} == set()


def test_settings_that_are_wrong_are_told_beside_the_programs(nothing_on_path: Path, tmp_path: Path) -> None:
    (tmp_path / "reconcile.yaml").write_text(SMALL + "rendering: {buildOptions: --env A=B}\n")
    status, found = doctor(tmp_path, "--config", "reconcile.yaml")
    assert status == 1
    assert "reconcile.yaml:3:" in found["settings"]["told"]
    assert "--env is none that rendering allows" in found["settings"]["told"]
    assert found["helm"]["verdict"] == "missing"


def test_metrics_are_looked_at_without_settings(tmp_path: Path) -> None:
    code, found = doctor(tmp_path, "--metrics", "http://127.0.0.1:1")
    assert code == 1
    assert "the connection is refused" in found["metrics main"]["told"]


def test_the_price_of_each_cluster_is_told(tmp_path: Path) -> None:
    (tmp_path / "usage").mkdir()
    (tmp_path / "reconcile.yaml").write_text(
        SMALL + "metrics: [{kind: recording, path: usage}]\nclusters: [{name: eu}, {name: us}, {name: lab}]\n"
        "prices: [{clusters: [eu, us], currency: EUR, cpuHour: 0.0281, gibHour: 0}, {from: opencost}]\n"
    )
    _, found = doctor(tmp_path, "--config", "reconcile.yaml")
    told = found["prices eu, us"]
    assert told["told"] == "0.0281 EUR a core and 0 EUR a GiB an hour (prices[0] of the settings)"
    assert "public-cloud list prices, assumed" in found["prices lab"]["told"]
    assert found["prices"]["verdict"] == "missing"
    assert "OpenCost can't be asked (it has no metrics source)" in found["prices"]["told"]

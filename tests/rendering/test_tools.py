"""Finding the programs: on PATH or where they are said to be, and saying what is missing."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from reconciler.model import Reason, Refused
from reconciler.rendering.renderer import ProgramRenderer
from reconciler.rendering.tools import Missing, Tool, Tools, find_tools, parse_version
from reconciler.rendering.walls import NO_WALLS
from reconciler.source.render import HelmRequest, KustomizeRequest

ROOT = Path(__file__).parents[2]
KUBECTL = '{"clientVersion": {"gitVersion": "v1.33.1"}, "kustomizeVersion": "v5.6.0"}'


def program(folder: Path, name: str, says: str, status: int = 0) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\necho '{says}'\nexit {status}\n")
    path.chmod(0o755)
    return path


def test_real_ones(helm: Tool, kubectl: Tool) -> None:
    assert helm.name == "helm"
    assert helm.version[0] in (3, 4)
    assert (kubectl.version[0], kubectl.kustomize[0]) == (1, 5)
    assert str(kubectl).startswith("kubectl 1.")


def test_on_path(tmp_path: Path) -> None:
    program(tmp_path, "helm", "v3.14.0")
    program(tmp_path, "kubectl", KUBECTL)
    found = find_tools(str(tmp_path))
    assert [str(tool) for tool in found] == ["helm 3.14.0", "kubectl 1.33.1 (kustomize 5.6.0)"]


def test_kustomize_itself_comes_first(tmp_path: Path) -> None:
    program(tmp_path, "kubectl", KUBECTL)
    program(tmp_path, "kustomize", "v5.4.2")
    assert str(find_tools(str(tmp_path)).kustomize) == "kustomize 5.4.2"


def test_a_path_that_is_configured_holds(tmp_path: Path) -> None:
    program(tmp_path, "helm", "v3.14.0")
    program(tmp_path, "kustomize", "v5.4.2")
    other = program(tmp_path / "other", "any-name", "v4.1.2+gabc")
    kubectl = program(tmp_path / "other", "kubectl", KUBECTL)
    found = find_tools(str(tmp_path), {"helm": other, "kubectl": kubectl})
    assert [str(tool) for tool in found] == ["helm 4.1.2", "kubectl 1.33.1 (kustomize 5.6.0)"]


@pytest.mark.parametrize(
    ("says", "why"),
    [
        ("v3.13.9", "is helm 3.13.9; 3.14.0 or newer is needed"),
        ("v2.17.0", "is helm 2.17.0; 3.14.0 or newer is needed"),
        ("hello", "doesn't say which version of helm it is"),
        ("", "doesn't say which version of helm it is"),
    ],
)
def test_a_helm_that_will_not_do(tmp_path: Path, says: str, why: str) -> None:
    path = program(tmp_path, "helm", says)
    found = find_tools(str(tmp_path)).helm
    assert found == Missing("helm", f"{path} {why}")


def test_nothing_there(tmp_path: Path) -> None:
    found = find_tools(str(tmp_path), {})
    assert found == Tools(
        Missing("helm", "helm is not on PATH"),
        Missing("kustomize", "neither kustomize nor kubectl is on PATH"),
    )
    helm, kustomize = HelmRequest({"Chart.yaml": b""}, (), (), "r", "n"), KustomizeRequest({}, "")
    renderer = ProgramRenderer(found, NO_WALLS)
    assert renderer.render(helm) == Refused(Reason.MISSING_TOOL, "helm is not on PATH")
    assert renderer.render(kustomize) == Refused(
        Reason.MISSING_TOOL, "neither kustomize nor kubectl is on PATH"
    )
    assert (renderer.identity(helm), renderer.identity(kustomize)) == ("", "no kustomize")


def test_one_that_is_configured_and_not_there(tmp_path: Path) -> None:
    found = find_tools(str(tmp_path), {"helm": tmp_path / "none", "kubectl": tmp_path})
    assert found.helm == Missing("helm", f"{tmp_path / 'none'} is no file")
    assert found.kustomize == Missing("kubectl", f"{tmp_path} is no file")
    broken = tmp_path / "broken"
    broken.write_text("no program")
    answer = find_tools(str(tmp_path), {"helm": broken}).helm
    assert answer == Missing("helm", f"{broken}: broken can't be started: Permission denied")


def test_an_old_kubectl_is_named(tmp_path: Path) -> None:
    program(tmp_path, "kubectl", KUBECTL.replace("1.33.1", "1.26.0"))
    found = find_tools(str(tmp_path)).kustomize
    assert isinstance(found, Missing)
    assert "1.27.0 or newer" in found.why


def test_old_helm_can_not_skip_schemas() -> None:
    old = Tools(Tool("helm", Path("/nowhere"), (3, 14, 2)), Missing("kustomize", ""))
    request = HelmRequest({"Chart.yaml": b""}, (), (), "r", "n", skip_schema_validation=True)
    answer = ProgramRenderer(old, NO_WALLS).render(request)
    assert answer == Refused(
        Reason.MISSING_TOOL, "skipSchemaValidation needs helm 3.16.0 or newer; this is helm 3.14.2"
    )


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("v3.17.1+g980d8ac\n", (3, 17, 1)),
        ("{kustomize/v5.4.2  2024-05-22T15:19:38Z  }", (5, 4, 2)),
        ("v1.30", (1, 30, 0)),
        ("none", None),
    ],
)
def test_versions(text: str, version: tuple[int, int, int] | None) -> None:
    assert parse_version(text) == version


def test_the_script_that_fetches_them_is_silent_when_they_are_there(helm: Tool, kubectl: Tool) -> None:
    script = ROOT / ".ci" / "tools"
    assert os.access(script, os.X_OK)
    assert subprocess.run(["sh", "-n", script], capture_output=True, text=True).stderr == ""
    if not (ROOT / ".venv" / "tools" / "state").exists():
        pytest.skip("the programs come from elsewhere")
    done = subprocess.run([script], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

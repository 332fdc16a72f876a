"""Small repositories for tests of units, and what is asked of them again and again."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent

import pytest
from trees import Tree

from reconciler.model import Refused
from reconciler.rendering.renderer import ProgramRenderer
from reconciler.rendering.tools import Tool, find_tools
from reconciler.rendering.walls import find_walls
from reconciler.source.finding import Found, find_units
from reconciler.source.render import HelmRequest, KustomizeRequest, Rendered, Request
from reconciler.source.repositories import Known
from reconciler.source.settings import UnitSettings
from reconciler.source.units import Layer, Unit

URL = "https://git.example.com/platform/deploy.git"
CHART = "apiVersion: v2\nname: web\nversion: 0.1.0\n"
SHOW = """\
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}
  namespace: {{ .Release.Namespace }}
data:
  values: {{ .Values | toJson | quote }}
"""
FETCHED = Path(__file__).parents[2] / ".venv" / "tools"


def known(
    files: Mapping[str, str | bytes],
    name: str = "deploy",
    *,
    url: str = URL,
    links: Mapping[str, str] | None = None,
    remote: bool = True,
    branches: tuple[str, ...] = ("main",),
) -> Known:
    texts = {path: dedent(data) if isinstance(data, str) else data for path, data in files.items()}
    tree = Tree(texts, links)
    tree.repository = name
    return Known(name, tree, (url,) if remote else (), branches, remote)


def found(
    files: Mapping[str, str | bytes],
    *others: Known,
    settings: UnitSettings = UnitSettings(),  # noqa: B008 (a frozen record)
    renderer: ProgramRenderer | None = None,
    links: Mapping[str, str] | None = None,
) -> Found:
    return find_units([known(files, links=links), *others], settings, renderer)


def units(result: Found) -> dict[str, Unit]:
    """Those that are deployed, by name; folders of manifests that only define them are left out."""
    return {unit.name: unit for unit in result.units}


def unit(result: Found, name: str) -> Unit:
    assert name in units(result), (sorted(units(result)), result.failures)
    return units(result)[name]


def helm(one: Unit) -> HelmRequest:
    assert isinstance(one.request, HelmRequest), one.refused
    return one.request


def overlay(one: Unit) -> KustomizeRequest:
    assert isinstance(one.request, KustomizeRequest), one.refused
    return one.request


def places(one: Unit) -> list[str]:
    """Where the layers stand, the weakest first."""
    return [shown(layer) for layer in one.layers]


def shown(layer: Layer) -> str:
    place = layer.place
    keys = "".join(f".{key}" for key in place.keys)
    return f"{place.repository}:{place.path}{keys}" + (" |" if layer.block else "")


def reason(one: Unit) -> str:
    return one.refused.reason.value if one.refused else ""


def rendered(renderer: ProgramRenderer, request: Request | None) -> str:
    assert request is not None
    answer = renderer.render(request)
    assert isinstance(answer, Rendered), answer
    return answer.text


def application(name: str = "web", source: str = "", *, more: str = "", namespace: str = "shop") -> str:
    """An Application; `source` are the lines of its only source, `more` further lines of its `spec`."""
    lines = "".join(f"    {line}\n" for line in dedent(source).splitlines())
    rest = "".join(f"  {line}\n" for line in dedent(more).splitlines())
    body = f"  source:\n    repoURL: {URL}\n{lines}" if source else ""
    return (
        f"apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata:\n  name: {name}\n"
        f"  namespace: argocd\nspec:\n  project: default\n"
        f"  destination: {{server: https://kubernetes.default.svc, namespace: {namespace}}}\n{body}{rest}"
    )


def _program(name: str) -> Tool:
    candidates = [os.environ.get(f"RECONCILE_{name.upper()}"), shutil.which(name)]
    for path in [*filter(None, candidates), *sorted(FETCHED.glob(f"*/{name}"), reverse=True)]:
        tools = find_tools("", {name: Path(path)})
        one = tools.helm if name == "helm" else tools.kustomize
        if isinstance(one, Tool):
            return one
    if os.environ.get("CI") == "true":
        pytest.fail(f"{name} is missing; .ci/tools fetches it")
    pytest.skip(f"{name} IS MISSING: .ci/tools fetches it")


def program_renderer() -> ProgramRenderer:
    """A renderer with real programs; its test is skipped, loudly, where they are missing."""
    from reconciler.rendering.tools import Tools

    return ProgramRenderer(Tools(_program("helm"), _program("kubectl")), find_walls())


def why(answer: object) -> str:
    return answer.detail if isinstance(answer, Refused) else ""

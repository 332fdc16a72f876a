"""The charts below tests/charts, as units, and what is expected of them."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler.model import Container, Field, NewValue, Place, Refused
from reconciler.rendering.renderer import ProgramRenderer
from reconciler.rendering.tools import Missing, Tool, Tools, find_tools
from reconciler.rendering.walls import NO_WALLS
from reconciler.source.render import HelmRequest, Parameter, Rendered, Renderer, Request
from reconciler.source.tracing.helm import Traced
from reconciler.source.units import Layer, SetParameter, Unit
from reconciler.source.yamledit.values import read_values

CHARTS = Path(__file__).parents[1] / "charts"
FETCHED = Path(__file__).parents[2] / ".venv" / "tools"
CASES = sorted(path.parent.name for path in CHARTS.glob("*/case.json"))


def helms() -> Iterator[Tool]:
    named = (os.environ.get("RECONCILE_HELM"), shutil.which("helm"), *sorted(FETCHED.glob("v*/helm"))[::-1])
    for path in filter(None, named):
        if isinstance(tool := find_tools("", {"helm": Path(path)}).helm, Tool):
            yield tool


def program() -> ProgramRenderer:
    """The newest helm at hand. Skips loudly without one, and fails with CI=true."""
    tool = max(helms(), key=lambda one: one.version, default=None)
    if tool is None:
        if os.environ.get("CI") == "true":
            pytest.fail("helm is missing; .ci/tools fetches it")
        pytest.skip("helm IS MISSING: .ci/tools fetches it")
    return ProgramRenderer(Tools(tool, Missing("kustomize", "not needed")), NO_WALLS)


class Counting:
    """Passes on to a renderer, and counts."""

    def __init__(self, renderer: Renderer) -> None:
        self.renderer = renderer
        self.asked: list[Request] = []

    def render(self, request: Request) -> Rendered | Refused:
        self.asked.append(request)
        return self.renderer.render(request)


class Case:
    """One folder: a chart, files of values, and what setting a field of it comes to."""

    def __init__(self, name: str) -> None:
        self.folder = CHARTS / name
        self.spec: dict[str, Any] = json.loads((self.folder / "case.json").read_text())

    def read(self, repository: str, path: str) -> bytes | None:
        found = self.folder / path
        return found.read_bytes() if repository == "deploy" and found.is_file() else None

    def unit(self) -> Unit:
        chart = {
            path.relative_to(self.folder / "chart").as_posix(): path.read_bytes()
            for path in sorted((self.folder / "chart").rglob("*"))
            if path.is_file()
        }
        layers = [self._layer(one) for one in self.spec["layers"]]
        parameters = self.spec.get("parameters", [])
        request = HelmRequest(
            chart,
            tuple(layer.content for layer in layers),
            tuple(
                Parameter(one["name"], str(self._value(one)), one.get("text", False)) for one in parameters
            ),
            "web",
            "shop",
        )
        if "values.yaml" in chart:
            own = Layer(Place("deploy", "chart/values.yaml", 0, ()), False, chart["values.yaml"], shared=True)
            layers.insert(0, own)
        given = tuple(SetParameter(one["name"], self._place(one)) for one in parameters)
        return Unit("web", "deploy", "chart", 1, "prod", "shop", request, tuple(layers), given)

    def _place(self, one: dict[str, Any]) -> Place:
        return Place("deploy", one["path"], 0, tuple(one["keys"]))

    def _value(self, one: dict[str, Any]) -> Any:
        value = read_values((self.folder / one["path"]).read_text())
        for key in one["keys"]:
            value = value[key]
        return value

    def _layer(self, one: Any) -> Layer:
        if isinstance(one, str):
            return Layer(Place("deploy", one, 0, ()), False, (self.folder / one).read_bytes())
        value = self._value(one)
        content = value if isinstance(value, str) else json.dumps(value)
        return Layer(self._place(one), one.get("block", False), content.encode())

    def container(self, traced: Traced) -> Container:
        kind, workload, name = self.spec["target"].split("/")
        return next(
            one
            for one in traced.containers
            if (one.ref.kind, one.ref.workload, one.ref.container) == (kind, workload, name)
        )

    def wishes(self, traced: Traced) -> list[NewValue]:
        container = self.container(traced)
        return [NewValue(container.slot(Field(name)), new) for name, new in self.spec["set"].items()]

    def golden(self) -> dict[str, bytes]:
        after = self.folder / "after"
        return {
            path.relative_to(after).as_posix(): path.read_bytes()
            for path in sorted(after.rglob("*"))
            if path.is_file()
        }

"""The programs to render with. Missing ones skip their tests, loudly, or fail them with CI=true."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.rendering.renderer import ProgramRenderer
from reconciler.rendering.tools import Tool, Tools, find_tools
from reconciler.rendering.walls import Walls, find_walls

FETCHED = Path(__file__).parents[2] / ".venv" / "tools"


def lacking(what: str) -> None:
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what} is missing; .ci/tools fetches it")
    pytest.skip(f"{what} IS MISSING: .ci/tools fetches it")


def candidates(name: str) -> Iterator[Path]:
    for found in (os.environ.get(f"RECONCILE_{name.upper()}"), shutil.which(name)):
        if found:
            yield Path(found)
    yield from sorted(FETCHED.glob(f"*/{name}"))


def tool(name: str, major: int) -> Tool:
    for path in candidates(name):
        found = find_tools("", {name: path})
        one = found.helm if name == "helm" else found.kustomize
        if isinstance(one, Tool) and one.version[0] == major:
            return one
    lacking(f"{name} {major}")
    raise AssertionError


@pytest.fixture(scope="session", params=[3, 4], ids=["helm3", "helm4"])
def helm(request: pytest.FixtureRequest) -> Tool:
    return tool("helm", request.param)


@pytest.fixture(scope="session")
def kubectl() -> Tool:
    found = [
        one
        for path in candidates("kubectl")
        if isinstance(one := find_tools("", {"kubectl": path}).kustomize, Tool)
    ]
    if not found:
        lacking("kubectl")
    return max(found, key=lambda one: one.version)


@pytest.fixture(scope="session")
def walls() -> Walls:
    return find_walls()


@pytest.fixture(scope="session")
def tools(helm: Tool, kubectl: Tool) -> Tools:
    return Tools(helm, kubectl)


@pytest.fixture(scope="session")
def renderer(tools: Tools, walls: Walls) -> ProgramRenderer:
    return ProgramRenderer(tools, walls)


@pytest.fixture(autouse=True)
def folder_of_renders(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """Where renders make their folders; when a test ends, none of them may be left."""
    made = tmp_path_factory.mktemp("renders")
    monkeypatch.setattr("tempfile.tempdir", str(made))
    yield made
    assert not list(made.iterdir())

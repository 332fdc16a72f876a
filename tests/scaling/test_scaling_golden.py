"""Requests and what autoscalers aim for: folders as they are before and after a run, for each shape.

`case.json` says what is used, and `after/` holds the files that the merge requests change, and no others.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from rendered_world import put_tools_on_path
from world import DAY, NOW, Used, World

from reconciler.model import ContainerRef, Report

PLAIN = {
    "apiVersion": "reconciler/v1",
    "kind": "Policy",
    "metadata": {"name": "plain"},
    "resources": {
        "cpu": {"estimator": "percentile", "percentile": 95, "headroom": "15%", "raiseExtra": "0%"},
        "memory": {"estimator": "peak", "headroom": "20%", "raiseExtra": "0%"},
        "window": "14d",
        "band": {"up": "5%", "down": "10%"},
        "step": {"up": "100%", "down": "20%"},
        "coolDown": "7d",
    },
}
HERE = Path(__file__).parent
SHAPES = sorted(path.parent.name for path in HERE.glob("*/case.json"))


def test_there_are_shapes() -> None:
    assert len(SHAPES) > 20


@pytest.mark.parametrize("shape", SHAPES)
def test_request_and_target_change_together(
    shape: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_tools_on_path(monkeypatch)
    case = json.loads((HERE / shape / "case.json").read_text())
    world = world_of(case, files_of(HERE / shape / "before"), tmp_path)
    report = world.run()
    assert not report.failed
    assert proposed(world) == files_of(HERE / shape / "after")
    _is_settled(world, report)


def world_of(case: dict[str, Any], files: Mapping[str, str], folder: Path) -> World:
    """With numbers that are easy to work out: 15 % of room over p95, a fifth down at a time."""
    (folder / "policies").mkdir()
    (folder / "policies" / "plain.yaml").write_text(json.dumps({**PLAIN, **case.get("policy", {})}))
    used = list(map(_used, case["used"]))
    return World(folder, files, used, **{"policies": "policies", **case["settings"]})


def _is_settled(world: World, report: Report) -> None:
    """Twice is once; and what was merged makes the next run wait."""
    before = world.state()
    assert world.run().changes == report.changes
    assert world.state() == before
    for request in world.requests():
        world.forge.merge(request.number, request.head)
    assert world.run(NOW + DAY).changes == ()


def files_of(folder: Path) -> dict[str, str]:
    found = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_text() for path in found}


def proposed(world: World) -> dict[str, str]:
    """The files that differ on the branches of the merge requests."""
    main, found = world.files(), dict[str, str]()
    for request in world.requests():
        for path, data in world.files(request.branch).items():
            if data != main.get(path):
                assert path not in found, f"{path} is changed by two merge requests"
                found[path] = data.decode()
    return found


def _used(said: dict[str, Any]) -> Used:
    ref = ContainerRef("", said.get("namespace", "shop"), "Deployment", said["workload"], said["container"])
    return Used(ref, said["cpu"], said["memory"] << 20)

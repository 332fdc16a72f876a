"""What a render costs: walls against a bare subprocess, the cache against rendering, two against one.

    python benchmarks/rendering.py [--renders 12]

Promised: the folder, the limits and the walls add at most half to what helm itself takes; a second
look at the same requests renders nothing and takes at most a twentieth. Needs helm and kubectl, on
PATH or in .venv/tools; without them it says so and measures nothing.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from reconciler.rendering.cache import Cached
from reconciler.rendering.renderer import ProgramRenderer, render_all
from reconciler.rendering.sandbox import Limits
from reconciler.rendering.tools import Missing, Tool, Tools, find_tools
from reconciler.rendering.walls import NO_WALLS, Walls, find_walls
from reconciler.source.render import HelmRequest, KustomizeRequest, Parameter, Rendered, Request

MOST_OVERHEAD = 1.5
LEAST_SAVED = 20.0
FETCHED = Path(__file__).parents[1] / ".venv" / "tools"
WORKLOAD = """
apiVersion: apps/v1
kind: Deployment
metadata:
  name: "{{{{ .Release.Name }}}}-{0}"
  labels: {{{{ include "labels" . | nindent 4 }}}}
spec:
  replicas: {{{{ .Values.replicas | default 2 }}}}
  template:
    spec:
      containers:
        - name: main
          image: "{{{{ .Values.image.repository }}}}:{{{{ .Values.image.tag | default .Chart.AppVersion }}}}"
          resources: {{{{ toYaml .Values.resources | nindent 12 }}}}
"""


def chart(templates: int) -> dict[str, bytes]:
    files = {
        "Chart.yaml": b"apiVersion: v2\nname: web\nversion: 0.1.0\nappVersion: 1.2.3\n",
        "values.yaml": b"image: {repository: example.com/web}\nresources: {requests: {cpu: 100m}}\n",
        "templates/_help.tpl": b'{{ define "labels" }}app: {{ .Chart.Name }}{{ end }}\n',
    }
    return files | {f"templates/w{n}.yaml": WORKLOAD.format(n).encode() for n in range(templates)}


class Cost(NamedTuple):
    """Of one, in milliseconds. The time of the processors says more on a machine that others use, too."""

    cpu: float
    wall: float

    def __str__(self) -> str:
        return f"{self.wall:6.1f} ms, {self.cpu:6.1f} of processors"


def costs(renders: int, ways: dict[str, Callable[[], object]]) -> dict[str, Cost]:
    """The means, taken in turns, so that what else happens here is shared by all."""
    taken = dict.fromkeys(ways, (0.0, 0.0))
    for _ in range(renders):
        for name, work in ways.items():
            cpu, begun = processors(), time.perf_counter()
            work()
            spent = taken[name]
            taken[name] = spent[0] + processors() - cpu, spent[1] + time.perf_counter() - begun
    return {name: Cost(cpu / renders * 1000, wall / renders * 1000) for name, (cpu, wall) in taken.items()}


def processors() -> float:
    now = os.times()
    return now.user + now.system + now.children_user + now.children_system


def rendered(answer: object) -> None:
    if not isinstance(answer, Rendered):
        sys.exit(f"nothing was rendered: {answer}")


def bare(tool: Tool, folder: Path, *words: str) -> None:
    subprocess.run([str(tool.path), *words], check=True, capture_output=True, env={"HOME": str(folder)})


def helms() -> list[Tool]:
    found = [
        find_tools(None).helm,
        *(find_tools("", {"helm": path}).helm for path in FETCHED.glob("v*/helm")),
    ]
    return list({tool.path: tool for tool in found if isinstance(tool, Tool)}.values())


def walls_against_bare(tool: Tool, walls: Walls, renders: int) -> bool:
    asked = HelmRequest(chart(20), (), (Parameter("image.tag", "1"),), "web", "shop")

    def held(walls: Walls) -> Callable[[], None]:
        renderer = ProgramRenderer(Tools(tool, Missing("kustomize", "")), walls)
        return lambda: rendered(renderer.render(asked))

    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        for path, data in asked.chart.items():
            (folder / path).parent.mkdir(exist_ok=True)
            (folder / path).write_bytes(data)
        found = costs(
            renders,
            {
                "start helm, render nothing": lambda: bare(tool, folder, "version"),
                "a bare subprocess": lambda: bare(
                    tool, folder, "template", "web", made, "--set", "image.tag=1"
                ),
                "folder and limits": held(NO_WALLS),
                "and Landlock": held(Walls(walls.landlock, "")),
                "and a network namespace": held(walls),
            },
        )
    print(f"{tool}: 20 workloads")
    alone = found["a bare subprocess"]
    for name, cost in found.items():
        print(f"  {name:28} {cost}  {cost.cpu / alone.cpu:.2f} x")
    return found["and a network namespace"].cpu <= MOST_OVERHEAD * alone.cpu


def cache_against_rendering(tool: Tool, walls: Walls, renders: int) -> bool:
    asked: list[Request] = [
        HelmRequest(chart(20), (f"replicas: {n}".encode(),), (), "web", "shop") for n in range(renders)
    ]
    renderer = ProgramRenderer(Tools(tool, Missing("kustomize", "")), walls)
    with tempfile.TemporaryDirectory() as folder:
        cached = Cached(renderer, Path(folder) / "renders")
        first = timed(lambda: list(render_all(cached, asked, 1)))
        second = timed(lambda: list(render_all(cached, asked, 1)))
    print(
        f"  {renders} renders {first * 1000:.0f} ms, "
        f"from the cache {second * 1000:.1f} ms: {first / second:.0f} x"
    )
    cores = os.cpu_count() or 1
    together = timed(lambda: list(render_all(renderer, asked, cores)))
    print(f"  {renders} renders on {cores} cores {together * 1000:.0f} ms: {first / together:.2f} x")
    return first / second >= LEAST_SAVED


def timed(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def kustomize(walls: Walls, renders: int) -> None:
    tools = [find_tools(None).kustomize]
    tools += [find_tools("", {"kubectl": path}).kustomize for path in sorted(FETCHED.glob("v*/kubectl"))]
    workload = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: w{0}}}\n"
    files = {f"base/w{n}.yaml": workload.format(n).encode() for n in range(20)}
    names = ", ".join(f"w{n}.yaml" for n in range(20))
    files["base/kustomization.yaml"] = f"resources: [{names}]\n".encode()
    files["over/kustomization.yaml"] = b"resources: [../base]\nnamePrefix: x-\n"
    for tool in {tool.path: tool for tool in tools if isinstance(tool, Tool)}.values():
        renderer = ProgramRenderer(Tools(Missing("helm", ""), tool), walls)
        found = costs(
            renders, {"": lambda one=renderer: rendered(one.render(KustomizeRequest(files, "over")))}
        )
        print(f"{tool}: an overlay of 20 workloads {found['']}")


def main() -> int:
    reader = argparse.ArgumentParser(description=__doc__)
    reader.add_argument("--renders", type=int, default=12)
    renders = reader.parse_args().renders
    walls = find_walls()
    print(f"walls here: {walls}; limits: {Limits()}")
    held = True
    for tool in helms():
        held &= walls_against_bare(tool, walls, renders)
        held &= cache_against_rendering(tool, walls, renders)
    kustomize(walls, renders)
    if not helms():
        print("no helm here: nothing was measured")
    print("held" if held else "NOT HELD")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())

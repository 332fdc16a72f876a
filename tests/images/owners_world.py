"""Small repositories with other tools in them, surveyed, and who is said to change which image."""

from __future__ import annotations

from collections.abc import Mapping
from textwrap import dedent

from rendered_world import put_tools_on_path as put_tools_on_path
from source.trees import Tree

from reconciler.model import Field, Reason, Refused
from reconciler.rendering.renderer import ProgramRenderer
from reconciler.rendering.tools import find_tools
from reconciler.rendering.walls import find_walls
from reconciler.source.estate import Estate, Land, Means, survey
from reconciler.source.imageowners import owners_of
from reconciler.source.render import Renderer, Request
from reconciler.source.repositories import Known
from reconciler.source.settings import UnitSettings

Files = Mapping[str, str]


class NoRenderer:
    def render(self, request: Request) -> Refused:
        return Refused(Reason.MISSING_TOOL, "there is none")


def programs() -> Renderer:
    """Those on PATH; see `put_tools_on_path`."""
    return ProgramRenderer(find_tools(None, {}), find_walls())


def deployment(image: str, *, name: str = "web", after: str = "") -> str:
    return dedent(f"""\
        apiVersion: apps/v1
        kind: Deployment
        metadata: {{name: {name}, namespace: shop}}
        spec:
          template:
            spec:
              containers:
              - name: app
                image: {image}{after}
        """)


def estate(renderer: Renderer | None = None, /, **repositories: Files) -> Estate:
    """Of repositories by name; each goes by the address https://git.example.com/NAME.git."""
    lands = []
    for name, files in repositories.items():
        tree = Tree({path: dedent(text) for path, text in files.items()})
        tree.repository = name
        lands.append(Land(Known(name, tree, (f"https://git.example.com/{name}.git",), ("main",))))
    return survey(lands, UnitSettings(), Means(renderer or NoRenderer(), workers=1))


def owners(whole: Estate, repository: str = "deploy") -> dict[str, str]:
    """By container, in words; containers whose image nobody else changes are left out."""
    said = owners_of(whole, repository)
    return {
        f"{one.ref.workload}/{one.ref.container}": said[one.slot(Field.IMAGE).place]
        for workload in whole.discoveries[repository].workloads
        for one in workload.containers
        if one.slot(Field.IMAGE).place in said
    }

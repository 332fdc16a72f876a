"""A renderer put together, as a run needs it: walls, limits, what was left behind, and a memory.

And tried out: whether the programs that were found do render behind the walls that were found.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

from reconciler.model import Refused
from reconciler.rendering.cache import Cached
from reconciler.rendering.renderer import ProgramRenderer
from reconciler.rendering.room import limits_here
from reconciler.rendering.tools import Missing, Tools
from reconciler.rendering.tree import sweep
from reconciler.rendering.walls import Walls, find_walls
from reconciler.source.render import HelmRequest, KustomizeRequest

_OBJECT: Final = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: tried}\n"
_CHART: Final = {"Chart.yaml": b"apiVersion: v2\nname: tried\nversion: 1.0.0\n", "templates/a.yaml": _OBJECT}
_OVERLAY: Final = {"kustomization.yaml": b"resources: [a.yaml]\n", "a.yaml": _OBJECT}


def open_renderer(
    tools: Tools,
    folder: Path,
    *,
    seconds: float = 30.0,
    most_bytes: int = 256 << 20,
    walls: Walls | None = None,
) -> Cached:
    """Runs these tools behind the walls of this machine; answers are kept in the folder.

    What killed runs left behind in the folder for temporary files is removed first.
    """
    sweep(time.time())
    found = find_walls() if walls is None else walls
    return Cached(ProgramRenderer(tools, found, limits_here(seconds)), folder, most_bytes)


def tried_out(tools: Tools, walls: Walls) -> Tools:
    """The same tools; one that doesn't render anything here is missing, with its own words why."""
    renderer = ProgramRenderer(tools, walls, limits_here(20))
    helm, kustomize = tools
    if not isinstance(helm, Missing):
        answer = renderer.render(HelmRequest(_CHART, (), (), "tried", "default"))
        helm = Missing(helm.name, _useless(helm.path, answer)) if isinstance(answer, Refused) else helm
    if not isinstance(kustomize, Missing):
        answer = renderer.render(KustomizeRequest(_OVERLAY, ""))
        kustomize = (
            Missing(kustomize.name, _useless(kustomize.path, answer))
            if isinstance(answer, Refused)
            else kustomize
        )
    return Tools(helm, kustomize)


def _useless(path: Path, refused: Refused) -> str:
    return f"{path} renders nothing here ({refused.detail}); a script that starts the program won't do"

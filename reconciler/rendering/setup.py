"""A renderer put together, as a run needs it: walls, limits, what was left behind, and a memory."""

from __future__ import annotations

import time
from pathlib import Path

from reconciler.rendering.cache import Cached
from reconciler.rendering.renderer import ProgramRenderer
from reconciler.rendering.sandbox import limits_here
from reconciler.rendering.tools import Tools
from reconciler.rendering.tree import sweep
from reconciler.rendering.walls import Walls, find_walls


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

"""The renderer that runs helm and kustomize."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from reconciler.model import Reason, Refused
from reconciler.rendering import helm, kustomize
from reconciler.rendering.sandbox import Limits
from reconciler.rendering.tools import Missing, Tools
from reconciler.rendering.walls import Walls
from reconciler.source.render import HelmRequest, Rendered, Renderer, Request


class Identified(Renderer, Protocol):
    """A renderer that says beforehand which programs would answer: half of what a cache needs."""

    def identity(self, request: Request) -> str: ...


class ProgramRenderer:
    """Runs the tools that were found, each render on its own, behind the walls that were found."""

    def __init__(self, tools: Tools, walls: Walls, limits: Limits | None = None) -> None:
        self._tools = tools
        self._walls = walls
        self._limits = limits or Limits()

    def render(self, request: Request) -> Rendered | Refused:
        try:
            return self._render(request)
        except OSError as error:
            # A program that can't be started is told apart; this is about the folder of the render.
            return Refused(Reason.RENDER_LIMIT, f"its folder can't be written: {error.strerror or error}")

    def _render(self, request: Request) -> Rendered | Refused:
        if not isinstance(request, HelmRequest):
            return kustomize.build(self._tools, request, self._limits, self._walls)
        tool = self._tools.helm
        if isinstance(tool, Missing):
            return Refused(Reason.MISSING_TOOL, tool.why)
        return helm.template(tool, request, self._limits, self._walls)

    def identity(self, request: Request) -> str:
        if not isinstance(request, HelmRequest):
            return kustomize.identity(self._tools, request)
        return "" if isinstance(self._tools.helm, Missing) else str(self._tools.helm)


def render_all(renderer: Renderer, requests: Sequence[Request], workers: int) -> Iterator[Rendered | Refused]:
    """The answers in the order of the requests, at most `workers` of them being worked out at once."""
    with ThreadPoolExecutor(max(1, workers), thread_name_prefix="render-all") as pool:
        futures = [pool.submit(renderer.render, request) for request in requests]
        try:
            for future in futures:
                yield future.result()
        finally:
            for future in futures:
                future.cancel()

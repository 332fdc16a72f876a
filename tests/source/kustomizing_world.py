"""Kustomizations to trace and edit: the shapes in tests/overlays, rendered by a real kubectl."""

from __future__ import annotations

import difflib
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from reconciler.model import Container, Field, NewValue, Refused
from reconciler.rendering.renderer import ProgramRenderer
from reconciler.rendering.tools import Missing, Tool, Tools, find_tools
from reconciler.rendering.walls import NO_WALLS
from reconciler.source.kustomizing import Edited, Traced, edit, trace
from reconciler.source.render import KustomizeRequest, Rendered, Renderer, Request
from reconciler.source.units import Unit

SHAPES = Path(__file__).parents[1] / "overlays"
FETCHED = Path(__file__).parents[2] / ".venv" / "tools"


def kubectl_renderer() -> ProgramRenderer:
    """Without walls, which have their own tests; skipped, loudly, where there is no kubectl."""
    found = [os.environ.get("RECONCILE_KUBECTL"), shutil.which("kubectl")]
    for path in [*filter(None, found), *sorted(FETCHED.glob("*/kubectl"), reverse=True)]:
        tool = find_tools("", {"kubectl": Path(path)}).kustomize
        if isinstance(tool, Tool):
            return ProgramRenderer(Tools(Missing("helm", "not asked for"), tool), NO_WALLS)
    if os.environ.get("CI") == "true":
        pytest.fail("kubectl is missing; .ci/tools fetches it")
    pytest.skip("kubectl IS MISSING: .ci/tools fetches it")


class Remembering:
    """Renders each request once: shapes are traced anew for every test."""

    def __init__(self, renderer: Renderer) -> None:
        self._renderer = renderer
        self._known: dict[tuple[object, ...], Rendered | Refused] = {}

    def render(self, request: Request) -> Rendered | Refused:
        assert isinstance(request, KustomizeRequest)
        key = (tuple(sorted(request.files.items())), request.folder, request.options)
        if key not in self._known:
            self._known[key] = self._renderer.render(request)
        return self._known[key]


def unit(files: Mapping[str, str | bytes], folder: str, *, cluster: str = "", name: str = "") -> Unit:
    data = {path: text.encode() if isinstance(text, str) else text for path, text in files.items()}
    request = KustomizeRequest(data, folder)
    return Unit(name or folder or ".", "deploy", folder, 1, cluster, "", request, source="deploy")


def read_shape(name: str) -> tuple[dict[str, bytes], str, list[str]]:
    """Its files, the folder of its kustomization, and the edits to be tried."""
    before = SHAPES / name / "before"
    files = {
        path.relative_to(before).as_posix(): path.read_bytes() for path in before.rglob("*") if path.is_file()
    }
    folder, *edits = (SHAPES / name / "edits.txt").read_text(encoding="utf-8").splitlines()
    return files, "" if folder == "." else folder, edits


def container(traced: Traced, name: str) -> Container:
    """By `WORKLOAD/CONTAINER`."""
    workload, _, wanted = name.partition("/")
    return next(c for c in traced.containers if (c.ref.workload, c.ref.container) == (workload, wanted))


def wishes(traced: Traced, words: Sequence[str]) -> list[NewValue]:
    """`WORKLOAD/CONTAINER FIELD=VALUE ...`"""
    one = container(traced, words[0])
    pairs = [word.partition("=") for word in words[1:] if "=" in word]
    return [NewValue(one.slot(Field(name)), value) for name, _, value in pairs]


def told(name: str, renderer: Renderer) -> str:
    """All that is found in a shape, and what each of its edits does, as text to compare."""
    files, folder, edits = read_shape(name)
    one = unit(files, folder)
    traced = trace(one, renderer)
    lines = [f"{traced.renders} renders", *_places(traced)]
    for words in edits:
        lines += ["", f"== {words}"]
        wanted = wishes(traced, words.split())
        lines += _outcome(edit(one, traced, wanted, renderer, overlay=words.endswith(" overlay")))
    return "\n".join(lines) + "\n"


def _places(traced: Traced) -> list[str]:
    if traced.refused is not None:
        return [f"refused: {traced.refused.reason}: {traced.refused.detail}"]
    lines = []
    for one in traced.containers:
        lines += ["", f"{one.ref}{' (init)' if one.init else ''}"]
        for slot in one.slots:
            at = f"{slot.place.path}:{slot.line}"
            others = f", feeds {len(slot.consumers)}" if len(slot.consumers) > 1 else ""
            refused = f", refused: {slot.refused.reason}: {slot.refused.detail}" if slot.refused else ""
            lines.append(f"  {slot.field} = {slot.value}: {at} ({slot.how_traced}{others}{refused})")
    for extra in traced.extras:
        at = f"{extra.place.path}:{extra.line}" if extra.place else str(extra.refused)
        lines += ["", f"{extra.identity} {'.'.join(extra.path)} = {extra.value}: {at}"]
    return lines


def _outcome(outcome: Edited | Refused) -> list[str]:
    if isinstance(outcome, Refused):
        return [f"refused: {outcome.reason}: {outcome.detail}"]
    lines = []
    for _, verdict in outcome.proof:
        lines += [f"{intent.spot}: {intent.old} -> {intent.new}" for intent in verdict.done]
        lines += [f"follows: {copy.spot}: {copy.old} -> {copy.new}" for copy in verdict.copies]
    for _, change in outcome.files:
        before, after = (text.decode().replace("\r", "␍").splitlines() for text in change[1:])
        lines += difflib.unified_diff(before, after, change.path, change.path, n=1, lineterm="")
    return lines

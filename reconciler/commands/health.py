"""What `reconcile doctor` says of rendering: the programs, the walls around them, and what may be fetched."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from reconciler.config import Settings
from reconciler.errors import Problem
from reconciler.model import Refused
from reconciler.rendering.setup import tried_out
from reconciler.rendering.tools import Missing, Tool, find_tools
from reconciler.rendering.walls import Walls, find_walls
from reconciler.rendering.web import allows
from reconciler.report.text import counted
from reconciler.source.applications import exported

_STILL: Final = "kept with the reason missing-tool; plain manifests do without it"


class Verdict(StrEnum):
    OK = "ok"
    MISSING = "missing"  # not needed for plain manifests, or only for some repositories
    BROKEN = "broken"


class Check(NamedTuple):
    what: str
    verdict: Verdict
    told: str


def of_rendering(settings: Settings | None) -> Iterator[Check]:
    programs = settings.rendering.programs if settings else {}
    walls = find_walls()
    tools = tried_out(find_tools(None, programs), walls)
    yield _tool("helm", tools.helm, {"helm"} & programs.keys(), "charts")
    yield _tool("kustomize", tools.kustomize, {"kustomize", "kubectl"} & programs.keys(), "overlays")
    yield _sandbox(walls)
    if settings:
        yield from _fetching(settings, os.environ)
        yield from _applications(settings.applications)


def _tool(name: str, found: Tool | Missing, named: set[str], what: str) -> Check:
    if isinstance(found, Tool):
        return Check(name, Verdict.OK, f"{found}, {found.path}")
    if named:
        where = " or ".join(f"rendering.{key}" for key in sorted(named))
        return Check(name, Verdict.BROKEN, f"{found.why}: correct {where} in the settings")
    return Check(name, Verdict.MISSING, f"{found.why}: {what} are {_STILL}")


def _sandbox(walls: Walls) -> Check:
    """Walls are a second line: checks and flags keep a render from the same."""
    there = [f"Landlock {walls.landlock}"] if walls.landlock else []
    there += ["a network namespace"] if walls.unshare else []
    gone = []
    if not walls.landlock:
        gone.append("no Landlock (Linux 5.13), so files are kept apart by checks of every path alone")
    if not walls.without_network:
        gone.append(
            "neither a network namespace (unshare) nor Landlock 4 (Linux 6.7), so renders are kept from the "
            "network by flags and a look through the files alone"
        )
    told = "; ".join([*([f"renders are walled in by {' and '.join(there)}"] if there else []), *gone])
    return Check("sandbox", Verdict.MISSING if gone else Verdict.OK, told)


def _fetching(settings: Settings, environ: Mapping[str, str]) -> Iterator[Check]:
    rendering = settings.rendering
    hosts = ", ".join(rendering.hosts) or "nobody, for rendering.hosts names no host"
    yield Check("charts from elsewhere", Verdict.OK, f"fetched from {hosts}")
    for one in rendering.registries:
        what = f"login for {one.host}"
        try:
            one.password.read(environ)
        except Problem as problem:
            yield Check(what, Verdict.BROKEN, str(problem))
            continue
        if allows(rendering.hosts, urlsplit(f"https://{one.host}")):
            yield Check(what, Verdict.OK, "its password can be read")
        else:
            yield Check(what, Verdict.MISSING, "never used: add the host to rendering.hosts")


def _applications(path: Path | None) -> Iterator[Check]:
    if path is None:
        return
    try:
        found = exported(path.read_bytes())
    except OSError as error:
        told = f"{path} can't be read: {error.strerror or error}"
        yield Check("applications", Verdict.BROKEN, told)
        return
    if isinstance(found, Refused):
        yield Check("applications", Verdict.BROKEN, f"{path}: {found.detail}")
    else:
        yield Check("applications", Verdict.OK, f"{counted(len(found), 'Application')} in {path}")

"""Which helm and which kustomize are here, how old they are, and what is missing."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from reconciler.model import Refused
from reconciler.rendering.sandbox import Limits, Ran, run
from reconciler.rendering.tree import temporary_tree
from reconciler.rendering.walls import NO_WALLS

Version = tuple[int, int, int]

OLDEST: Final[Mapping[str, Version]] = {"helm": (3, 14, 0), "kubectl": (1, 27, 0), "kustomize": (5, 0, 0)}
_ASKED: Final[Mapping[str, tuple[str, ...]]] = {
    "helm": ("version", "--template", "{{.Version}}"),
    "kubectl": ("version", "--client", "--output", "json"),
    "kustomize": ("version",),
}
_NUMBERS: Final = re.compile(r"v?(\d+)\.(\d+)(?:\.(\d+))?")


class Tool(NamedTuple):
    """A program that can be used."""

    name: str  # helm | kubectl | kustomize
    path: Path
    version: Version
    kustomize: Version = (0, 0, 0)  # the kustomize inside kubectl, or this one

    def __str__(self) -> str:
        inside = f" (kustomize {dotted(self.kustomize)})" if self.name == "kubectl" else ""
        return f"{self.name} {dotted(self.version)}{inside}"


class Missing(NamedTuple):
    """A program that can't be used, and why; one sentence with what to do."""

    name: str
    why: str


class Tools(NamedTuple):
    helm: Tool | Missing
    kustomize: Tool | Missing  # kustomize itself, or kubectl, which holds one


def find_tools(search: str | None = None, configured: Mapping[str, Path] | None = None) -> Tools:
    """Looks on `search` (a PATH), or at exactly the paths in `configured`, by program.

    kustomize itself comes before the one in kubectl: it is the one that people choose a version of.
    """
    named = configured or {}

    def find(name: str) -> Tool | Missing:
        return _find(name, search, named.get(name))

    return Tools(find("helm"), _kustomize(find, named))


def _kustomize(find: Callable[[str], Tool | Missing], named: Mapping[str, Path]) -> Tool | Missing:
    names = [name for name in ("kustomize", "kubectl") if name in named] or ["kustomize", "kubectl"]
    found = [find(name) for name in names]
    usable = next((tool for tool in found if isinstance(tool, Tool)), None)
    if usable:
        return usable
    there = [tool for tool in found if isinstance(tool, Missing) and "not on PATH" not in tool.why]
    return there[0] if there else Missing("kustomize", "neither kustomize nor kubectl is on PATH")


def _find(name: str, search: str | None, configured: Path | None) -> Tool | Missing:
    found = str(configured) if configured else shutil.which(name, path=search)
    if not found:
        return Missing(name, f"{name} is not on PATH")
    path = Path(found).resolve()
    if not path.is_file():
        return Missing(name, f"{found} is no file")
    return _asked(name, path)


def _asked(name: str, path: Path) -> Tool | Missing:
    try:
        with temporary_tree() as tree:
            ran = run([str(path), *_ASKED[name]], tree, Limits(seconds=20), NO_WALLS, [path])
    except OSError as error:
        return Missing(name, f"{path} has no folder to run in: {error.strerror or error}")
    if isinstance(ran, Refused):
        return Missing(name, f"{path}: {ran.detail}")
    version, inside = _read(name, ran)
    if version is None:
        return Missing(name, f"{path} doesn't say which version of {name} it is")
    if version < OLDEST[name]:
        needed = dotted(OLDEST[name])
        return Missing(name, f"{path} is {name} {dotted(version)}; {needed} or newer is needed")
    return Tool(name, path, version, inside or version)


def _read(name: str, ran: Ran) -> tuple[Version | None, Version | None]:
    text = ran.out.decode("utf-8", "replace")
    if name != "kubectl":
        return parse_version(text), None
    try:
        said = json.loads(text)
        return parse_version(said["clientVersion"]["gitVersion"]), parse_version(said["kustomizeVersion"])
    except (ValueError, KeyError, TypeError):
        return None, None


def parse_version(text: str) -> Version | None:
    """The first version in a text, such as `v3.17.1+g980d8ac` or `{kustomize/v5.4.2 ...}`."""
    found = _NUMBERS.search(text)
    if not found:
        return None
    major, minor, patch = (int(number or 0) for number in found.groups())
    return major, minor, patch


def dotted(version: Version) -> str:
    return ".".join(map(str, version))

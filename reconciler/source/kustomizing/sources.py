"""What a kustomization takes in: every file that could own a value, and what part it plays there."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from reconciler.model import Refused
from reconciler.source.layout import KUSTOMIZATIONS
from reconciler.source.render import Files
from reconciler.source.view import TooMuchError, View
from reconciler.source.yamledit import Document, decode, parse

_FOLDERS: Final = ("resources", "bases", "components", "generators", "transformers")
_PATCH_LISTS: Final = ("patches", "patchesJson6902")
_REMOTE: Final = re.compile(
    r"[a-z+]+://|git@|git::|(?:www\.)?(?:github|gitlab|bitbucket)\.(?:com|org)[:/]|.*\?ref="
)
_MOST_KUSTOMIZATIONS: Final = 500
NOTHING: Final[Mapping[str, str]] = MappingProxyType({})

RESOURCE: Final = "resource"
PATCH: Final = "patch"
TRANSFORMER: Final = "transformer"
VALUES: Final = "values"
KUSTOMIZATION: Final = "kustomization"


class Source(NamedTuple):
    path: str
    role: str


class Sources(NamedTuple):
    top: str  # the kustomization itself; "" when there is none
    all: tuple[Source, ...]  # each file once, the outermost first
    remote: tuple[str, ...]  # what is taken from elsewhere, as it is written


class Texts:
    """The files of one request, each decoded and parsed once."""

    def __init__(self, files: Files, mounted: Mapping[str, str] = NOTHING) -> None:
        self.files = files
        self.mounted = mounted  # of names that lead to other repositories: where that lies among the files
        self._texts: dict[str, str | Refused] = {}
        self._documents: dict[str, tuple[Document, ...]] = {}

    def text(self, path: str) -> str | Refused:
        if path not in self._texts:
            self._texts[path] = decode(self.files[path])
        return self._texts[path]

    def documents(self, path: str) -> tuple[Document, ...]:
        """None at all for what is no text."""
        if path not in self._documents:
            text = self.text(path)
            self._documents[path] = () if isinstance(text, Refused) else parse(text)
        return self._documents[path]

    def body(self, path: str) -> dict[str, object]:
        """The first document as plain values; {} for what is no mapping."""
        documents = self.documents(path)
        if not documents:
            return {}
        try:
            found = View(documents[0]).plain(documents[0].root) if documents[0].root is not None else None
        except TooMuchError:
            return {}
        return found if isinstance(found, dict) else {}


def kustomization_in(files: Files, folder: str) -> str:
    """The kustomization of a folder, "" when it has none."""
    paths = (posixpath.join(folder, name) for name in KUSTOMIZATIONS)
    return next((path for path in paths if path in files), "")


def follow(texts: Texts, folder: str) -> Sources:
    """Through bases and components of any depth, each folder once."""
    found: dict[str, str] = {}
    remote: list[str] = []
    open_, seen = [_normal(folder)], {_normal(folder)}
    while open_ and len(seen) <= _MOST_KUSTOMIZATIONS:
        here = open_.pop(0)
        path = kustomization_in(texts.files, here)
        if not path:
            continue
        found.setdefault(path, KUSTOMIZATION)
        body = texts.body(path)
        for at in chart_values(body, here):
            if at in texts.files:
                found.setdefault(at, VALUES)
        for name, role in _named(body):
            mounted = texts.mounted.get(name)
            if mounted is None and _REMOTE.match(name):
                remote.append(name)
                continue
            target = _normal(posixpath.join(here, name) if mounted is None else mounted)
            if target in texts.files:
                found.setdefault(target, role)
            elif role in (RESOURCE, TRANSFORMER) and target not in seen:
                seen.add(target)
                open_.append(target)
    every = tuple(Source(path, role) for path, role in found.items())
    return Sources(kustomization_in(texts.files, _normal(folder)), every, tuple(remote))


def _normal(path: str) -> str:
    path = posixpath.normpath(path)
    return "" if path == "." else path


def _named(body: dict[str, object]) -> Iterator[tuple[str, str]]:
    """Every path that a kustomization names, with the role of what stands there."""
    for key in _FOLDERS:
        role = TRANSFORMER if key == "transformers" else RESOURCE
        yield from ((name, role) for name in _paths(body.get(key)))
    yield from ((name, PATCH) for name in _paths(body.get("patchesStrategicMerge")))
    for key in _PATCH_LISTS:
        yield from (
            (name, PATCH) for entry in _mappings(body.get(key)) for name in _paths([entry.get("path")])
        )
    for entry in _mappings(body.get("helmCharts")):
        files = [entry.get("valuesFile"), *_list(entry.get("additionalValuesFiles"))]
        yield from ((name, VALUES) for name in _paths(files))


def chart_values(body: dict[str, object], folder: str) -> Iterator[str]:
    """The defaults of the charts that a kustomization inflates."""
    settings = body.get("helmGlobals")
    home = settings.get("chartHome") if isinstance(settings, dict) else None
    for entry in _mappings(body.get("helmCharts")):
        name, version = entry.get("name"), entry.get("version")
        if isinstance(name, str):
            ways = [f"{name}-{version}/{name}", name] if version else [name]
            for way in ways:
                yield _normal(posixpath.join(folder, str(home or "charts"), way, "values.yaml"))


def _paths(value: object) -> Iterator[str]:
    """The entries of a list that can be paths; what is written inline spans lines."""
    return (entry for entry in _list(value) if isinstance(entry, str) and entry and "\n" not in entry)


def _mappings(value: object) -> Iterator[dict[str, object]]:
    return (entry for entry in _list(value) if isinstance(entry, dict))


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []

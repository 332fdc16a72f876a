"""Looks through a kustomization before kustomize does: for what leads off this machine, out of the
folder, or into a program.

kustomize itself would fetch a remote base, and run what a plugin names. The flags and the walls
hold it back; here it is said beforehand, with the line's own words.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from typing import Any, Final

from reconciler.model import Reason, Refused
from reconciler.rendering import plain
from reconciler.source.render import Files

_NAMES: Final = ("kustomization.yaml", "kustomization.yml", "Kustomization")
_FOLDERS: Final = ("resources", "bases", "components")
_PLUGINS: Final = ("generators", "transformers", "validators")
# Keys whose scalars are paths, anywhere in a kustomization or in what configures a built-in plugin.
_PATHS: Final = frozenset(
    {
        "resources", "bases", "components", "generators", "transformers", "validators", "crds",
        "configurations", "patchesStrategicMerge", "path", "paths", "files", "env", "envs", "valuesFile",
        "additionalValuesFiles", "chartHome", "configHome",
    }
)  # fmt: skip
# Their contents are Kubernetes objects and values, whatever their keys are called.
_CONTENTS: Final = frozenset(
    {
        "patch", "valuesInline", "literals", "labels", "commonLabels", "commonAnnotations", "vars",
        "metadata", "fieldSpecs", "fields",
    }
)  # fmt: skip
_REMOTE: Final = re.compile(
    r"^[a-z][a-z0-9+.-]*:(?://|:)|^[\w.-]+@[\w.-]+:|^gh:|^(?:www\.)?(?:github|gitlab|bitbucket)\.(?:com|org)[/:]"
    r"|\?(?:ref|version|timeout|submodules)=|\.git(?:/|$|\?)",
    re.IGNORECASE,
)
_LOCAL_FILE: Final = re.compile(r"^(?:\./|\.\./)*[\w./ -]+\.ya?ml$")
_SHOWN: Final = 120


def look(files: Files, folder: str) -> Refused | None:
    """Why this kustomization is not rendered; None when nothing speaks against it."""
    return _Lookout(files).walk(folder)


class _Lookout:
    def __init__(self, files: Files) -> None:
        self._files = files
        self._folders = _folders(files)
        self._open: list[str] = []
        self._seen: set[str] = set()

    def walk(self, folder: str) -> Refused | None:
        self._visit(folder)
        while self._open:
            wrong = self._folder(self._open.pop())
            if wrong:
                return wrong
        return None

    def _visit(self, folder: str) -> None:
        if folder not in self._seen:
            self._seen.add(folder)
            self._open.append(folder)

    def _folder(self, folder: str) -> Refused | None:
        names = [posixpath.join(folder, name) for name in _NAMES]
        path = next((name for name in names if name in self._files), None)
        return self._documents(path, self._files[path], folder) if path else None

    def _documents(self, where: str, data: bytes, folder: str) -> Refused | None:
        """A kustomization, or the settings of built-in plugins."""
        try:
            found = plain.documents(data)
        except plain.UnreadableError as error:
            return Refused(Reason.RENDER_FAILED, f"{where} can't be read: {error}")
        for body in found:
            wrong = self._body(where, plain.mapping(body), folder)
            if wrong:
                return wrong
        return None

    def _body(self, where: str, body: dict[str, Any], folder: str) -> Refused | None:
        for name, text in _paths(body):
            wrong = self._path(where, name, text, folder)
            if wrong:
                return wrong
        for key in _FOLDERS:
            for entry in plain.entries(body.get(key)):
                self._enter(folder, entry)
        return self._charts(where, body, folder) or self._plugins(where, body, folder)

    def _enter(self, folder: str, entry: Any) -> None:
        below = _joined(folder, entry) if isinstance(entry, str) else None
        if below is not None and below in self._folders:
            self._visit(below)

    def _path(self, where: str, name: str, text: str, folder: str) -> Refused | None:
        below = _joined(folder, text)
        if below is not None and (below in self._files or below in self._folders):
            return None
        if _REMOTE.search(text) and not _LOCAL_FILE.match(text):
            return Refused(Reason.REMOTE_BASE, f"{where}: {name} leads to {_shown(text)}")
        if below is None:
            return Refused(
                Reason.RENDER_FAILED, f"{where}: {name} leads out of the repository: {_shown(text)}"
            )
        return None

    def _charts(self, where: str, body: dict[str, Any], folder: str) -> Refused | None:
        home = plain.mapping(body.get("helmGlobals")).get("chartHome") or body.get("chartHome")
        charts = [
            *plain.entries(body.get("helmCharts")),
            *plain.entries(body.get("helmChartInflationGenerator")),
        ]
        if body.get("kind") == "HelmChartInflationGenerator":
            charts.append(body)
        for chart in map(plain.mapping, charts):
            name = str(chart.get("name") or chart.get("chartName") or "")
            repository = str(chart.get("repo") or chart.get("chartRepoUrl") or "")
            version = str(chart.get("version") or chart.get("chartVersion") or "")
            if not repository or self._has_chart(
                folder, str(home or chart.get("chartHome") or "charts"), name, version
            ):
                continue
            return Refused(
                Reason.REMOTE_BASE, f"{where}: the chart {_shown(name)} is fetched from {_shown(repository)}"
            )
        return None

    def _has_chart(self, folder: str, home: str, name: str, version: str) -> bool:
        """Where kustomize looks before it fetches a chart that has a repository."""
        below = _joined(folder, posixpath.join(home, f"{name}-{version}" if version else "", name))
        return below is not None and f"{below}/Chart.yaml" in self._files

    def _plugins(self, where: str, body: dict[str, Any], folder: str) -> Refused | None:
        for key in _PLUGINS:
            for entry in plain.entries(body.get(key)):
                wrong = self._plugin(where, entry, folder) if isinstance(entry, str) else None
                if wrong:
                    return wrong
        return None

    def _plugin(self, where: str, entry: str, folder: str) -> Refused | None:
        """A file, a folder, or the settings themselves written in its place."""
        below = _joined(folder, entry)
        if below is not None and below in self._folders:
            self._visit(below)
            return None
        name = below if below is not None and below in self._files else where
        data = entry.encode() if name == where else self._files[name]
        try:
            found = [plain.mapping(body) for body in plain.documents(data)]
        except plain.UnreadableError as error:
            return Refused(Reason.RENDER_FAILED, f"{name} can't be read: {error}")
        foreign = next((body for body in found if body and body.get("apiVersion") != "builtin"), None)
        if foreign is not None:
            kind = f"{foreign.get('kind')} ({foreign.get('apiVersion')})"
            return Refused(Reason.PLUGIN, f"{name}: {_shown(kind)} is a plugin")
        return self._documents(name, data, folder if name == where else posixpath.dirname(name))


def _folders(files: Files) -> set[str]:
    found = {""}
    for path in files:
        parent = posixpath.dirname(path)
        while parent not in found:
            found.add(parent)
            parent = posixpath.dirname(parent)
    return found


def _joined(folder: str, path: str) -> str | None:
    """A path seen from the root; None when it leads out of it."""
    whole = posixpath.normpath(posixpath.join(folder, path))
    if whole.startswith(("/", "../")) or whole == "..":
        return None
    return "" if whole == "." else whole


def _paths(body: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for keys, text in plain.leaves(body):
        if not keys or keys[-1] not in _PATHS or set(keys) & _CONTENTS or "\n" in text:
            continue
        # A generator's file may be given a name: `name=path`. A JSON pointer only looks like a path.
        path = text.rpartition("=")[2] if keys[-1] == "files" and "?" not in text else text
        if path and not (keys[-1] == "path" and "fieldPath" in keys):
            yield ".".join(keys), path


def _shown(text: str) -> str:
    """Without a password that stands in an address."""
    bare = re.sub(r"(?<=://)(?!git@)[^\s/@]+@", "***@", " ".join(text.split()))
    return repr(bare[:_SHOWN])

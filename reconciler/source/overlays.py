"""Kustomizations as the files that they lead to, in this repository and in those that they name."""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Iterator
from typing import Final, NamedTuple

from reconciler.model import Reason, Refused
from reconciler.source import bases
from reconciler.source.bases import RemoteBase, RemoteFile
from reconciler.source.charts import Charts
from reconciler.source.layout import KUSTOMIZATIONS
from reconciler.source.memo import Memo
from reconciler.source.mounts import LISTS
from reconciler.source.remotes import Remotes, told
from reconciler.source.repositories import Repositories
from reconciler.source.trees import Tree, inside
from reconciler.source.typed import Table, Value, as_json, items, table, text
from reconciler.source.units import Mount, Written

_MOST_FILES: Final = 20_000
_MOST_BYTES: Final = 64_000_000
_LONGEST_NAME: Final = 500
_MOST_HOPS: Final = 8  # from a remote base to the next
_REMOTE_FOLDER: Final = ".remote"  # of a request: what kustomizations name in other repositories


class Overlay(NamedTuple):
    """A kustomization, ready to be built."""

    files: dict[str, bytes]
    path: str  # of its kustomization.yaml
    written: tuple[Written, ...] = ()
    mounts: tuple[Mount, ...] = ()
    mounted: dict[str, str] = {}  # noqa: RUF012 (never written to): of remote names, where they lie


def kustomization_in(tree: Tree, folder: str) -> str | None:
    """The kustomization file of a folder."""
    for name in KUSTOMIZATIONS:
        path = f"{folder}/{name}" if folder else name
        if tree.has_file(path):
            return path
    return None


class Overlays:
    """Reads every kustomization once."""

    def __init__(self, repositories: Repositories, remotes: Remotes, charts: Charts, memo: Memo) -> None:
        self.repositories = repositories
        self.remotes = remotes
        self.charts = charts
        self._memo = memo
        self._bodies: dict[tuple[str, str], Table | Refused] = {}
        self._overlays: dict[tuple[str, str], Overlay | Refused] = {}
        self._steps: dict[tuple[str, str], tuple[str, ...]] = {}

    def overlay(self, tree: Tree, folder: str) -> Overlay | Refused:
        """The kustomization of a folder with all that it leads to."""
        key = (tree.name, folder)
        if key not in self._overlays:
            self._overlays[key] = self._overlay(tree, folder)
        return self._overlays[key]

    def _overlay(self, tree: Tree, folder: str) -> Overlay | Refused:
        path = kustomization_in(tree, folder)
        if path is None:
            return Refused(Reason.NOT_DEPLOYABLE, f"there is no kustomization in {folder or 'the root'}")
        whole = () if tree.refused is None else (Mount("", tree.name, "", tree.refused),)
        return _Gathering(self, Overlay({}, path, mounts=whole)).through(tree, [path])

    def made(self, tree: Tree, path: str, body: Table, why: Refused) -> Overlay | Refused:
        """A kustomization that stands in no file, and so can't be edited; it leads where any other does."""
        whole = () if tree.refused is None else (Mount("", tree.name, "", tree.refused),)
        mounts = (*whole, Mount(path, tree.name, path, why))
        start = Overlay({path: as_json(body)}, path, mounts=mounts)
        return _Gathering(self, start).through(tree, list(self.named(tree, path, body)))

    def named(self, tree: Tree, path: str, body: Table) -> tuple[str, ...]:
        """The files of its own repository that a kustomization leads to."""
        key = (tree.name, path)
        if key not in self._steps:
            self._steps[key] = tuple(dict.fromkeys(_named(tree, posixpath.dirname(path), body)))
        return self._steps[key]

    def with_components(self, tree: Tree, overlay: Overlay, folders: list[str]) -> Overlay | Refused:
        """The overlay with what further components lead to."""
        found = [path for folder in folders if (path := kustomization_in(tree, folder))]
        return _Gathering(self, overlay).through(tree, found) if found else overlay

    def body(self, tree: Tree, path: str) -> Table | Refused:
        """What a kustomization says."""
        key = (tree.name, path)
        if key not in self._bodies:
            read = self._memo.values_of(tree, path)
            if isinstance(read, Refused):
                self._bodies[key] = read._replace(detail=f"{path}: {read.detail}")
            elif isinstance(read, dict):
                self._bodies[key] = read
            else:
                self._bodies[key] = Refused(Reason.NOT_DEPLOYABLE, f"{path} is no kustomization")
        return self._bodies[key]


class _Stop(NamedTuple):
    """A file to be taken in: where it lies, below which folder of the request, and how one came there."""

    tree: Tree
    mount: str
    path: str
    way: tuple[tuple[str, str], ...]  # the remote bases on the way

    @property
    def at(self) -> str:
        """In the request."""
        return f"{self.mount}/{self.path}" if self.mount else self.path


class _Gathering:
    """Follows one kustomization to all its files."""

    def __init__(self, overlays: Overlays, start: Overlay) -> None:
        self._overlays = overlays
        self._start = start
        self._files = dict(start.files)
        self._size = sum(map(len, self._files.values()))
        self._mounts = {each.folder: each for each in start.mounts}
        self._mounted = dict(start.mounted)
        self._waiting: list[_Stop] = []

    def through(self, tree: Tree, paths: list[str]) -> Overlay | Refused:
        self._waiting = [_Stop(tree, "", path, ()) for path in paths]
        while self._waiting:
            stop = self._waiting.pop()
            refused = None if stop.at in self._files else self._take(stop)
            if refused is not None:
                return refused
        return self._start._replace(
            files=self._files, mounts=tuple(self._mounts.values()), mounted=self._mounted
        )

    def _take(self, stop: _Stop) -> Refused | None:
        data = stop.tree.read(stop.path)
        if data is None:
            return Refused(Reason.UNSUPPORTED, f"{stop.path} is too large to be read")
        refused = self._add(stop.at, data)
        real = stop.tree.resolved(stop.path) or stop.path
        if real != stop.path:
            self._mounts[stop.at] = Mount(stop.at, stop.tree.name, real, stop.tree.refused)
        if refused is not None or posixpath.basename(stop.path) not in KUSTOMIZATIONS:
            return refused
        body = self._overlays.body(stop.tree, stop.path)
        if isinstance(body, Refused):
            return body
        for path in self._overlays.named(stop.tree, stop.path, body):
            self._waiting.append(stop._replace(path=path))
        return self._follow_remotes(stop, body) or self._fetch_charts(stop, body)

    def _add(self, path: str, data: bytes) -> Refused | None:
        self._files[path] = data
        self._size += len(data)
        if len(self._files) > _MOST_FILES or self._size > _MOST_BYTES:
            return Refused(Reason.UNSUPPORTED, "its kustomization leads to too many files")
        return None

    # -- what lies in other repositories ----------------------------------------------------------

    def _follow_remotes(self, stop: _Stop, body: Table) -> Refused | None:
        folder = posixpath.dirname(stop.path)
        for key in LISTS:
            for name in (each for each in items(body.get(key)) if isinstance(each, str)):
                if not bases.may_be_remote(name) or _is_here(stop.tree, folder, name):
                    continue
                found = bases.remote(name)
                # as it stands, kustomize's renderer says why it can't be had
                refused = found if isinstance(found, Refused) and self._overlays.remotes.allowed else None
                if isinstance(found, RemoteBase):
                    refused = self._base(stop, name, found)
                elif isinstance(found, RemoteFile) and self._overlays.remotes.allowed:
                    refused = self._file(name, found)
                if refused is not None:
                    return Refused(Reason.REMOTE_BASE, f"{stop.path}: {refused.detail}")
        return None

    def _base(self, stop: _Stop, name: str, base: RemoteBase) -> Refused | None:
        tree = self._tree(base)
        if tree is None:
            return None
        if isinstance(tree, Refused):
            return tree
        step = (tree.name, base.folder)
        if step in stop.way or len(stop.way) >= _MOST_HOPS:
            why = (
                "leads back to itself"
                if step in stop.way
                else f"is the {_MOST_HOPS + 1}th remote base in a row"
            )
            return Refused(Reason.REMOTE_BASE, f"{bases.shown(name)} {why}")
        path = kustomization_in(tree, base.folder)
        if path is None:
            words = f"{bases.shown(name)} has no kustomization in {base.folder or 'its root'}"
            return Refused(Reason.REMOTE_BASE, words)
        mount = f"{_REMOTE_FOLDER}/{_short(tree.name)}"
        self._mounts.setdefault(mount, Mount(mount, tree.name, "", tree.refused))
        self._mounted[name] = f"{mount}/{base.folder}".rstrip("/")
        self._waiting.append(_Stop(tree, mount, path, (*stop.way, step)))
        return None

    def _tree(self, base: RemoteBase) -> Tree | Refused | None:
        """A known repository that is read at this revision, or what may be fetched."""
        repositories, remotes = self._overlays.repositories, self._overlays.remotes
        known = repositories.addressed(base.url)
        if known is not None and repositories.follows(known, base.revision):
            return known
        return remotes.tree(base.url, base.revision) if remotes.allowed else None

    def _file(self, name: str, file: RemoteFile) -> Refused | None:
        data = self._overlays.remotes.file(file.url)
        if isinstance(data, Refused):
            return data
        url = told(file.url)
        at = f"{_REMOTE_FOLDER}/{_short(file.url)}.yaml"
        refused = Refused(Reason.UNKNOWN_SOURCE, f"it stands in {url}, which is no known repository")
        self._mounts[at] = Mount(at, url, posixpath.basename(url), refused)
        self._mounted[name] = at
        return self._add(at, data) if at not in self._files else None

    def _fetch_charts(self, stop: _Stop, body: Table) -> Refused | None:
        """Charts of other places, put where kustomize looks before it fetches one itself."""
        folder = posixpath.dirname(stop.path)
        for chart in map(table, items(body.get("helmCharts"))):
            repository, version = text(chart.get("repo")), text(chart.get("version"))
            homes = [at for at in _chart_homes(folder, body, chart) if at]
            if not repository or not version or not homes or not self._overlays.charts.fetches:
                continue
            if any(stop.tree.has_file(f"{at}/Chart.yaml") for at in homes):
                continue
            name = text(chart.get("name"))
            found = self._overlays.charts.fetched(repository, name, version)
            if isinstance(found, Refused):
                return found
            at = stop._replace(path=homes[0]).at
            words = f"it stands in the chart {name}, which is fetched from {told(repository)}"
            refused = Refused(Reason.UNKNOWN_SOURCE, words)
            self._mounts[at] = Mount(at, f"{told(repository)}/{name}", "", refused)
            for path, data in found.items():
                if (full := self._add(f"{at}/{path}", data)) is not None:
                    return full
        return None


def _short(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()[:16]


def _is_here(tree: Tree, folder: str, name: str) -> bool:
    at = inside(folder, name) if len(name) <= _LONGEST_NAME else None
    return at is not None and tree.has(at)


def _named(tree: Tree, folder: str, body: Table) -> Iterator[str]:
    """Every file that a kustomization may read: whatever text in it is a path."""
    yield from _charts(tree, folder, body)
    for name in _strings(body):
        if len(name) > _LONGEST_NAME or "\n" in name:
            continue
        for each in (name, name.partition("=")[2]):
            path = inside(folder, each) if each else None
            if path is None:
                continue
            if tree.has_file(path):
                yield path
            elif (below := kustomization_in(tree, path)) is not None and path != folder:
                yield below


def _strings(value: Value) -> Iterator[str]:
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict):
            waiting += each.values()
        elif isinstance(each, list):
            waiting += each
        elif isinstance(each, str):
            yield each


def _charts(tree: Tree, folder: str, body: Table) -> Iterator[str]:
    """The charts that lie beside a kustomization and are inflated by it."""
    for chart in map(table, items(body.get("helmCharts"))):
        for at in _chart_homes(folder, body, chart):
            if at and tree.has_folder(at):
                yield from tree.below(at)


def _chart_homes(folder: str, body: Table, chart: Table) -> Iterator[str | None]:
    """Where kustomize looks for a chart: beside its version first."""
    home = text(table(body.get("helmGlobals")).get("chartHome")) or "charts"
    name, version = text(chart.get("name")), text(chart.get("version"))
    if name and "/" not in name and name not in (".", ".."):
        if version:
            yield inside(folder, posixpath.join(home, f"{name}-{version}", name))
        yield inside(folder, posixpath.join(home, name))

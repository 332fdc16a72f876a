"""A chart as the files that Helm needs: the folder, its links, and the charts that it depends on."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from typing import Final, Protocol

from reconciler.model import Reason, Refused
from reconciler.source.render import Files
from reconciler.source.trees import Tree, inside
from reconciler.source.typed import Table, items, read_values, table, text
from reconciler.source.units import Mount

CHART: Final = "Chart.yaml"
VALUES: Final = "values.yaml"
_MOST_FILES: Final = 10_000
_MOST_BYTES: Final = 64_000_000
_DEEPEST: Final = 5


class ChartSource(Protocol):
    """Where charts come from that are in no known repository."""

    def chart(self, repository: str, name: str, version: str) -> Files | Refused:
        """The unpacked files of a chart, `Chart.yaml` at the root; never raises."""
        ...


class Charts:
    """Reads every chart once."""

    def __init__(self, source: ChartSource | None = None) -> None:
        self._source = source
        self._read: dict[tuple[str, str], Files | Refused] = {}
        self._fetched: dict[tuple[str, str, str], Files | Refused] = {}
        self._mounts: dict[tuple[str, str], tuple[Mount, ...]] = {}

    @property
    def fetches(self) -> bool:
        """Whether charts can be had from elsewhere at all."""
        return self._source is not None

    def folder(self, tree: Tree, folder: str) -> Files | Refused:
        """The chart in a folder of a repository."""
        key = (tree.name, folder)
        if key not in self._read:
            self._read[key] = self._with_dependencies(tree, folder, 0)
        return self._read[key]

    def mounts(self, tree: Tree, folder: str) -> tuple[Mount, ...]:
        """Where the files of a chart, and of those that it depends on, lie."""
        self.folder(tree, folder)
        return self._mounts.get((tree.name, folder), ())

    def fetched(self, repository: str, name: str, version: str) -> Files | Refused:
        """A chart of a chart repository or a registry."""
        key = (repository, name, version)
        if key not in self._fetched:
            self._fetched[key] = self._fetch(*key)
        return self._fetched[key]

    def _fetch(self, repository: str, name: str, version: str) -> Files | Refused:
        if self._source is None:
            words = f"the chart {name} comes from {_shown(repository)}, and charts are not fetched"
            return Refused(Reason.UNKNOWN_SOURCE, words)
        return self._source.chart(repository, name, version)

    def _with_dependencies(self, tree: Tree, folder: str, depth: int) -> Files | Refused:
        files = _own_files(tree, folder)
        if isinstance(files, Refused):
            return files
        mounts = [Mount("", tree.name, folder, tree.refused), *_linked(tree, folder, files)]
        wanted = _dependencies(files)
        if isinstance(wanted, Refused):
            return wanted
        for dependency in wanted:
            if _is_vendored(files, text(dependency.get("name"))):
                continue
            found = self._dependency(tree, folder, dependency, depth)
            if isinstance(found, Refused):
                return found
            at = f"charts/{text(dependency.get('name'))}"
            mounts += self._dependency_mounts(tree, folder, dependency, at)
            files.update({f"{at}/{path}": data for path, data in found.items()})
            if len(files) > _MOST_FILES:
                return _too_much(folder)
        self._mounts[tree.name, folder] = tuple(mounts)
        return files

    def _dependency_mounts(self, tree: Tree, folder: str, wanted: Table, at: str) -> list[Mount]:
        url = text(wanted.get("repository"))
        here = inside(folder, url.removeprefix("file://")) if url.startswith("file://") else None
        if here is None:
            refused = Refused(Reason.UNKNOWN_SOURCE, f"the chart is fetched from {_shown(url)}")
            return [Mount(at, _shown(url), "", refused)]
        return [
            each._replace(folder=f"{at}/{each.folder}".rstrip("/"))
            for each in self._mounts.get((tree.name, here), ())
        ]

    def _dependency(self, tree: Tree, folder: str, wanted: Table, depth: int) -> Files | Refused:
        name, version, url = (text(wanted.get(key)) for key in ("name", "version", "repository"))
        if not name or "/" in name or name in (".", ".."):
            return Refused(Reason.NOT_DEPLOYABLE, f"a dependency of the chart in {_in(folder)} has no name")
        if not url.startswith("file://") and url:
            return self.fetched(url, name, version)
        at = inside(folder, url.removeprefix("file://")) if url else None
        if at is None or not tree.has_file(posixpath.join(at, CHART)):
            where = f"at {url}" if url else "in its charts folder"
            words = f"the chart in {_in(folder)} depends on {name}, which is not {where}"
            return Refused(Reason.NOT_DEPLOYABLE, words)
        if depth >= _DEEPEST:
            return Refused(Reason.NOT_DEPLOYABLE, f"the charts that {_in(folder)} depends on never end")
        return self._with_dependencies(tree, at, depth + 1)


def _linked(tree: Tree, folder: str, files: Mapping[str, bytes]) -> Iterator[Mount]:
    """The files that a link leads to."""
    for path in files if tree.layout.links else ():
        here = posixpath.join(folder, path)
        if (real := tree.resolved(here)) is not None and real != here:
            yield Mount(path, tree.name, real, tree.refused)


def _own_files(tree: Tree, folder: str) -> dict[str, bytes] | Refused:
    files: dict[str, bytes] = {}
    size = 0
    head = f"{folder}/" if folder else ""
    for path in tree.below(folder):
        data = tree.read(path)
        if data is None:  # larger than any file that a template may need
            continue
        files[path.removeprefix(head)] = data
        size += len(data)
        if len(files) > _MOST_FILES or size > _MOST_BYTES:
            return _too_much(folder)
    if CHART not in files:
        return Refused(Reason.NOT_DEPLOYABLE, f"there is no chart in {_in(folder)}: it has no {CHART}")
    return files


def _dependencies(files: Mapping[str, bytes]) -> list[Table] | Refused:
    """What `Chart.yaml` says it depends on, or, of an old chart, `requirements.yaml`."""
    found: list[Table] = []
    for name in (CHART, "requirements.yaml"):
        body = read_values(files.get(name, b""))
        if isinstance(body, Refused):
            return body._replace(detail=f"{name}: {body.detail}")
        found += [table(each) for each in items(table(body).get("dependencies"))]
    return found


def _is_vendored(files: Mapping[str, bytes], name: str) -> bool:
    """Whether a dependency lies in `charts/`, as a folder or packed."""
    if f"charts/{name}/{CHART}" in files:
        return True
    return any(
        path.startswith(f"charts/{name}-") and path.endswith((".tgz", ".tar.gz")) and path.count("/") == 1
        for path in files
    ) or any(_name_of(data) == name for path, data in files.items() if _is_inner_chart(path))


def _is_inner_chart(path: str) -> bool:
    parts = path.split("/")
    return len(parts) == 3 and parts[0] == "charts" and parts[2] == CHART


def _name_of(data: bytes) -> str:
    body = read_values(data)
    return "" if isinstance(body, Refused) else text(table(body).get("name"))


def _too_much(folder: str) -> Refused:
    words = f"the chart in {_in(folder)} has more than {_MOST_FILES} files or {_MOST_BYTES // 1_000_000} MB"
    return Refused(Reason.UNSUPPORTED, words)


def _in(folder: str) -> str:
    return folder or "the root of the repository"


def _shown(url: str) -> str:
    """An address without what may be a password in it."""
    head, mark, rest = url.partition("://")
    return f"{head}{mark}{rest.rpartition('@')[2]}" if mark else url

"""A part of a recording as a recording: some containers, some days, and on request nobody's names.

The numbers that are read from it are those that are read from the whole. So only rows that count are
written, a file speaks for the days that its originals spoke for, and a day on which nobody looked stays
a day on which nobody looked.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from reconciler.canonical import dump
from reconciler.errors import Problem
from reconciler.model import ContainerRef, Failure
from reconciler.usage.checks import check_days
from reconciler.usage.days import COLUMNS, IDENTITY, Query, iso_day
from reconciler.usage.files import encode_rows
from reconciler.usage.index import Index, Rows, Space, Window, build_index, holes, rows_that_count
from reconciler.usage.parquet import Columns, Texts, read_groups
from reconciler.usage.rows import concatenate, count_of, take

_MOST_ROWS: Final = 20_000  # of a file, so that not all of a large recording is in memory at once
_MOST_IN_ONE: Final = 100_000  # where a single file is wanted
_EVERY: Final = [column.name for column in COLUMNS]

Names = Callable[[str, str], str]  # what a name is called, by its column


class Wanted(NamedTuple):
    containers: Callable[[ContainerRef], bool]
    start: int
    end: int
    called: Names | None = None  # other names, and no word of how it was asked


class Written(NamedTuple):
    files: int
    rows: int
    containers: int
    bytes: int
    failures: tuple[Failure, ...]


class ManyFilesError(Exception):
    """What was wanted as one file can't be one. The message says why."""


class _Group(NamedTuple):
    """Rows of one cluster from files that were asked for in the same way and speak for the same days."""

    first: int
    last: int
    cluster: str
    query: int


def names_hashed(key: bytes) -> Names:
    """Equal names become equal ones that nobody can turn back who doesn't have the key."""

    def called(column: str, name: str) -> str:
        if not name:
            return ""
        return f"{column}-{hmac.digest(key, f'{column} {name}'.encode(), 'sha256').hex()[:12]}"

    return called


def write_excerpt(paths: Sequence[Path], wanted: Wanted, folder: Path, *, single: str = "") -> Written:
    """Write what is wanted of these files into an empty folder; with `single`, as one file of that name.

    Files that turn out to be damaged are failures. OSError when the folder can't be written.
    """
    index, failures = build_index(paths)
    while True:
        numbers = [number for number, ref in enumerate(index.refs) if wanted.containers(ref)]
        window = Window.between(wanted.start, wanted.end)
        rows = rows_that_count(index, numbers, window)
        excerpt = _Excerpt(index, rows, window, wanted, folder)
        try:
            excerpt.write(single)
        except _BrokenError as broken:
            failures += (broken.failure,)
            index = index.without([broken.file])
            for path in folder.iterdir():
                path.unlink()
            continue
        containers = len(np.unique(rows.ref))
        return Written(excerpt.files, len(rows.ref), containers, excerpt.bytes, failures)


class _BrokenError(Exception):
    def __init__(self, file: int, failure: Failure) -> None:
        super().__init__(failure.error)
        self.file = file
        self.failure = failure


class _Excerpt:
    """One attempt to write it."""

    def __init__(self, index: Index, rows: Rows, window: Window, wanted: Wanted, folder: Path) -> None:
        self._index = index
        self._rows = rows
        self._window = window
        self._wanted = wanted
        self._folder = folder
        self._used: dict[str, int] = {}
        self.files = 0
        self.bytes = 0

    def write(self, single: str) -> None:
        if not len(self._rows.ref):
            return
        if single:
            self._write_single(single)
        else:
            self._write_groups()

    def _write_groups(self) -> None:
        quiet = self._spoken()
        spoken = {space: frozenset(days) for space, days in quiet.items()}
        for group, files in self._groups().items():
            days = range(group.first, group.last + 1)
            spaces = [
                space for space in spoken if space[0] == group.cluster and spoken[space].issuperset(days)
            ]
            for rows in _batches(self._parts(files, group.cluster)):
                self._put_rows(self._name(group), rows, group, spaces)
            for space in spaces:
                quiet[space].difference_update(days)
        self._write_quiet(quiet)

    def _write_quiet(self, quiet: Mapping[Space, set[int]]) -> None:
        """Days on which somebody looked, and nobody lived: a file without rows says so."""
        found: dict[_Group, list[Space]] = {}
        for space, days in quiet.items():
            for first, last in _runs(days):
                group = _Group(first, last, space[0], int(self._rows.query[0]))
                found.setdefault(group, []).append(space)
        for group, spaces in sorted(found.items()):
            self._put_rows(self._name(group), concatenate(()), group, spaces)

    def _write_single(self, name: str) -> None:
        spoken = self._spoken()
        days = next(iter(spoken.values()))
        runs = list(_runs(days))
        queries = np.unique(self._rows.query).tolist()
        if len(queries) > 1:
            raise ManyFilesError("its days were asked for in different ways")
        if len(runs) != 1 or any(other != days for other in spoken.values()):
            raise ManyFilesError("some of its days are unknown, at least of some namespaces")
        if len(self._rows.ref) > _MOST_IN_ONE:
            raise ManyFilesError(f"it would have more than {_MOST_IN_ONE:,} rows")
        files = np.unique(self._rows.file).tolist()
        group = _Group(*runs[0], "", queries[0])
        self._put_rows(name, concatenate(self._parts(files)), group, list(spoken))

    def _spoken(self) -> dict[Space, set[int]]:
        """For each namespace the days of the window on which somebody looked."""
        every = range(self._window.first, self._window.last + 1)
        refs = (self._index.refs[number] for number in np.unique(self._rows.ref).tolist())
        missing = holes(self._index, self._window)
        return {
            space: {*every}.difference(missing[space].tolist()) for space in sorted({r[:2] for r in refs})
        }

    def _groups(self) -> dict[_Group, list[int]]:
        found: dict[_Group, list[int]] = {}
        for file in np.unique(self._rows.file).tolist():
            footer = self._index.footers[file]
            mine = self._rows.take(self._rows.file == file)
            first, last = max(footer.first_day, self._window.first), min(footer.last_day, self._window.last)
            for cluster in {self._index.refs[number].cluster for number in np.unique(mine.ref).tolist()}:
                found.setdefault(_Group(first, last, cluster, int(mine.query[0])), []).append(file)
        return dict(sorted(found.items()))

    def _parts(self, files: Sequence[int], cluster: str | None = None) -> Iterator[Columns]:
        """The rows that count, a few thousand at a time."""
        of_refs = np.array([cluster in (None, ref.cluster) for ref in self._index.refs], bool)
        for file in files:
            wanted = self._rows.take((self._rows.file == file) & of_refs[self._rows.ref]).row
            try:
                for footer, columns in read_groups(self._index.footers[file], _EVERY):
                    check_days(footer, columns)
                    here = np.sort(wanted[wanted >= footer.before] - footer.before)
                    yield take(columns, here[here < footer.rows])
            except Problem as problem:
                raise _BrokenError(file, problem.failure) from problem

    def _put_rows(self, name: str, rows: Columns, group: _Group, spaces: Sequence[Space]) -> None:
        called = self._wanted.called
        asked = self._index.queries[group.query]
        footers = [footer for footer in self._index.footers if footer.query == asked]
        query: Query = json.loads(footers[0].said["reconciler.query"])
        if called is not None:
            rows, query = _renamed(rows, called), {"asked": called("query", asked)}
            spaces = [(called("cluster", cluster), called("namespace", space)) for cluster, space in spaces]
        more = {"reconciler.namespaces": dump(dict.fromkeys((space for _, space in spaces), 0))}
        clusters = {cluster for cluster, _ in spaces}
        if len(clusters) == 1:
            more["reconciler.cluster"] = clusters.pop()
        created = max(footer.created for footer in footers)
        content = encode_rows(rows, query, created, (group.first, group.last), more)
        (self._folder / name).write_bytes(content)
        self.files += 1
        self.bytes += len(content)

    def _name(self, group: _Group) -> str:
        days = dict.fromkeys((iso_day(group.first), iso_day(group.last)))
        name = "_".join(days)
        self._used[name] = self._used.get(name, 0) + 1
        return f"{name}{f'-{self._used[name]}' if self._used[name] > 1 else ''}.parquet"


def _batches(parts: Iterator[Columns]) -> Iterator[Columns]:
    waiting: list[Columns] = []
    for part in parts:
        if not count_of(part):
            continue
        waiting.append(part)
        if sum(map(count_of, waiting)) >= _MOST_ROWS:
            yield concatenate(waiting)
            waiting = []
    if waiting:
        yield concatenate(waiting)


def _runs(days: set[int]) -> Iterator[tuple[int, int]]:
    """The days as ranges without a gap, each with its first and last."""
    ordered = sorted(days)
    begins = [day for day in ordered if day - 1 not in days]
    ends = [day for day in ordered if day + 1 not in days]
    return zip(begins, ends, strict=True)


def _renamed(rows: Columns, called: Names) -> Columns:
    """Kinds stay: decisions depend on them."""
    texts = {
        name: Texts(text.codes, tuple(called(name, string) for string in text.strings))
        if name in IDENTITY and name != "kind"
        else text
        for name, text in rows.texts.items()
    }
    return rows._replace(texts=texts)

"""What the files of a folder hold: whose rows, of which days, asked for in which way.

Built from the key columns alone. It decides which rows count, before anything large is read:
the ones in the window, each day of a container once, and never two ways of asking together.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from reconciler.errors import Problem
from reconciler.model import ContainerRef, Failure
from reconciler.usage.checks import KEYS, Flags, check_keys
from reconciler.usage.days import DAY, IDENTITY
from reconciler.usage.parquet import Columns, Footer, open_footer, read_columns
from reconciler.usage.sketch import Ints


class Rows(NamedTuple):
    """One entry for each row of each file. All columns are numbers."""

    file: Ints  # of Index.footers
    row: Ints  # in its file
    ref: Ints  # of Index.refs
    query: Ints  # of Index.queries
    day: Ints
    samples: Ints
    last_sample: Ints

    def take(self, which: Ints | Flags) -> Rows:
        return Rows(*(column[which] for column in self))


@dataclass(frozen=True, slots=True)
class Index:
    footers: tuple[Footer, ...]
    refs: tuple[ContainerRef, ...]
    queries: tuple[str, ...]
    rows: Rows

    def without(self, broken: Iterable[int]) -> Index:
        """The same without these files: they have no rows and speak for no day."""
        gone = set(broken)
        kept = self.rows.take(~np.isin(self.rows.file, list(gone)))
        footers = tuple(
            footer._replace(first_day=1, last_day=0) if number in gone else footer
            for number, footer in enumerate(self.footers)
        )
        return Index(footers, self.refs, self.queries, kept)

    def last_sample(self) -> int | None:
        found = self.rows.last_sample[self.rows.samples > 0]
        return int(found.max()) if len(found) else None


class Window(NamedTuple):
    """Whole UTC days: as many as fit between two times, counted back from the end."""

    first: int
    last: int
    end: int

    @classmethod
    def between(cls, start: int, end: int) -> Window:
        last = (end - 1) // DAY
        return cls(last + 1 + (start - end) // DAY, last, end)


def build_index(paths: Sequence[Path]) -> tuple[Index, tuple[Failure, ...]]:
    """Files that can't be used are failures; the others go on."""
    footers: list[Footer] = []
    parts: list[Rows] = []
    failures: list[Failure] = []
    refs: dict[tuple[str, ...], int] = {}
    queries: dict[str, int] = {}
    for path in paths:
        try:
            footer = open_footer(path)
            columns = read_columns(footer, KEYS)
            check_keys(footer, columns)
        except Problem as problem:
            failures.append(problem.failure)
            continue
        query = queries.setdefault(footer.query, len(queries))
        parts.append(_rows(columns, len(footers), refs, query))
        footers.append(footer)
    rows = Rows(*(np.concatenate(column) for column in zip(*parts, strict=True))) if parts else _NO_ROWS
    names = tuple(map(ContainerRef._make, refs))
    return Index(tuple(footers), names, tuple(queries), rows), tuple(failures)


_NO_ROWS = Rows(*(np.zeros(0, np.int64) for _ in Rows._fields))


def _rows(columns: Columns, file: int, refs: dict[tuple[str, ...], int], query: int) -> Rows:
    codes = _identities(columns, refs)
    count = len(codes)
    return Rows(
        np.full(count, file, np.int64),
        np.arange(count, dtype=np.int64),
        codes,
        np.full(count, query, np.int64),
        columns.ints["day"],
        columns.ints["samples"],
        columns.ints["last_sample"],
    )


def _identities(found: Columns, refs: dict[tuple[str, ...], int]) -> Ints:
    """The number of each row's container; Python sees every container once, not every row."""
    texts = [found.texts[name] for name in IDENTITY]
    combined, most = np.zeros(len(texts[0].codes), np.int64), 1
    for text in texts:
        most *= max(1, len(text.strings))
        if most >= 1 << 62:
            _, combined = np.unique(combined, return_inverse=True)
            most = len(combined) * len(text.strings)
        combined = combined * len(text.strings) + text.codes
    _, first, combined = np.unique(combined, return_index=True, return_inverse=True)
    columns = (np.array(text.strings, object)[text.codes[first]].tolist() for text in texts)
    numbers = np.zeros(len(first), np.int64)
    # In the order of the rows: files are sorted alike, so later files need no sorting.
    names = list(zip(*columns, strict=True))
    for position in np.argsort(first).tolist():
        numbers[position] = refs.setdefault(names[position], len(refs))
    return numbers[combined]


def rows_that_count(index: Index, wanted: Sequence[int], window: Window) -> Rows:
    """The rows of these containers in the window, ordered by container and day."""
    rows = index.rows
    chosen = np.zeros(len(index.refs), bool)
    chosen[np.array(wanted, np.int64)] = True
    inside = (rows.day >= window.first) & (rows.day <= window.last) & (rows.last_sample <= window.end)
    rows = rows.take(inside & chosen[rows.ref])
    return _one_query(index, _once(index, rows))


def _once(index: Index, rows: Rows) -> Rows:
    """Of several rows for one day the one with most samples, then from the file written last.

    Two runs that fill a cache at the same time, or a day that was read again when late samples
    had arrived, leave such rows behind; the fuller one is the truer one.
    """
    created = np.array([footer.created for footer in index.footers], np.int64)[rows.file]
    order = np.lexsort((rows.row, rows.file, created, rows.samples, rows.day, rows.query, rows.ref))
    rows = rows.take(order)
    last = np.ones(len(rows.ref), bool)
    same = [column[1:] == column[:-1] for column in (rows.ref, rows.query, rows.day)]
    last[:-1] = ~np.logical_and.reduce(same)
    return rows.take(last)


def _one_query(index: Index, rows: Rows) -> Rows:
    """For each container the way of asking that has most samples; others may differ in scale."""
    ways = max(1, len(index.queries))
    shape = (len(index.refs), ways)
    sums = np.bincount(rows.ref * ways + rows.query, rows.samples + 1, shape[0] * ways).reshape(shape)
    return rows.take(rows.query == sums.argmax(axis=1)[rows.ref])


Space = tuple[str, str]  # a cluster, and a namespace in it


def holes(index: Index, window: Window) -> dict[Space, Ints]:
    """For each namespace the days of the window for which no file speaks.

    A container without a row on a day that a file covers had no pod on that day. Where no file
    covers the day, nobody knows.
    """
    spaces = {(ref.cluster, ref.namespace): None for ref in index.refs}
    numbers = {space: number for number, space in enumerate(spaces)}
    of_clusters: dict[str, list[int]] = defaultdict(list)
    for space, number in numbers.items():
        of_clusters[space[0]].append(number)
    clusters = _clusters_of_files(index, list(of_clusters))
    covered = np.zeros((len(spaces), max(0, window.last - window.first + 1)), bool)
    for number, footer in enumerate(index.footers):
        first, last = max(footer.first_day, window.first), min(footer.last_day, window.last)
        if first > last:
            continue
        for cluster in clusters[number]:
            if footer.namespaces is None:
                mine = of_clusters[cluster]
            else:
                own = ((cluster, name) for name in footer.namespaces)
                mine = [numbers[space] for space in own if space in numbers]
            covered[mine, first - window.first : last - window.first + 1] = True
    return {space: window.first + np.flatnonzero(~covered[number]) for space, number in numbers.items()}


def _clusters_of_files(index: Index, clusters: Sequence[str]) -> list[set[str]]:
    """For each file the clusters of its rows, and the one that it says it is of.

    Who has no rows and doesn't say speaks for all.
    """
    found = [
        set() if footer.cluster is None else {footer.cluster}.intersection(clusters)
        for footer in index.footers
    ]
    numbers = {cluster: number for number, cluster in enumerate(clusters)}
    of_refs = np.array([numbers[ref.cluster] for ref in index.refs], np.int64)
    pairs = np.unique(index.rows.file * max(1, len(clusters)) + of_refs[index.rows.ref])
    for pair in pairs.tolist():
        file, cluster = divmod(pair, len(clusters))
        found[file].add(clusters[cluster])
    for footer, mine in zip(index.footers, found, strict=True):
        if not footer.rows and footer.cluster is None:
            mine.update(clusters)
    return found

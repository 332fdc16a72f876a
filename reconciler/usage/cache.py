"""The day cache: which days of which namespaces are known, and the files that have them.

A file is what one writer read of one cluster on one day. It is never changed; readings are put beside
each other and told apart by their order:

1. Of several readings of a namespace and day the one that was put last counts, whole: rows of another
   reading are never mixed in. Readings that don't know of each other are ordered by time, then by the
   number of samples; of two files with the same reading the one that was merged from others counts.
   So all readers choose alike.
2. Where a file holds readings that no longer count beside others that do, or a day has come to lie in
   many files, those that count are written to one file first, and then the files removed whose every
   reading stands in a file that ranks above. So however many do this at once, the highest remains.
3. What can't be read is not known. What can't be written to the shelf lies in a folder of this
   process, so that a run goes on as well as it can.
"""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
import weakref
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from reconciler.canonical import dump
from reconciler.errors import Problem
from reconciler.usage.days import DAY, Query, iso_day
from reconciler.usage.parquet import Columns
from reconciler.usage.ranking import Reading, is_mixed, known_of, live_of, pure_of, winners_of, won_by
from reconciler.usage.readings import LARGEST_MARK, About, Head, check_reading, encode, read_head, rows_of
from reconciler.usage.readings import Known as Known  # part of every answer
from reconciler.usage.rows import concatenate
from reconciler.usage.shelf import FolderShelf, Shelf, ShelfError, file_name, number_of_day, safe_name

FEW = 4  # files of one day
KEEP_DAYS = 100
_ATTEMPTS = 3

DaysKnown = Mapping[int, Mapping[str, Known]]


class Held(NamedTuple):
    """Files that stay readable as long as the shelf's object lives, and exactly what they know."""

    paths: Sequence[Path]
    known: Mapping[str, DaysKnown]  # by cluster


class DayCache:
    """The files of one scope on a shelf. `scope` says which server was asked, and how."""

    def __init__(
        self, shelf: Shelf, scope: str, few: int = FEW, clock: Callable[[], float] = time.time
    ) -> None:
        self._shelf = shelf
        self._scope = scope
        self._few = few
        self._clock = clock
        self._spare: FolderShelf | None = None
        self._heads: dict[str, Head | None] = {}
        self._listed: dict[str, list[str]] = {}
        self._given: dict[Path, tuple[Shelf, str, str]] = {}
        self._notes: list[str] = []
        self._writes_left = _ATTEMPTS
        self._reads_left = _ATTEMPTS
        self._lock = threading.RLock()

    @property
    def notes(self) -> tuple[str, ...]:
        """What went wrong with the shelf, each once. The run went on without."""
        first: dict[str, str] = {}
        for note in (*self._notes, *self._shelf.notes):
            first.setdefault(note.partition(": ")[0], note)  # the reason may name each object
        return tuple(f"the usage cache: {note}" for note in first.values())

    # -------------------------------------------------------------------------------- questions

    def known(self, cluster: str, first: int, last: int) -> DaysKnown:
        """By day and namespace what counts. What is not in it nobody has read, or it is lost."""
        with self._lock:
            days = self._look(self._folder(cluster), first, last)
            return {day: known_of(files) for day, files in sorted(days.items())}

    def files(self, first: int, last: int, clusters: Iterable[str] | None = None) -> Sequence[Path]:
        return self.hold(first, last, clusters).paths

    def hold(self, first: int, last: int, clusters: Iterable[str] | None = None) -> Held:
        """The files of these days, of all clusters or of some, none with a reading that doesn't count.

        To be asked for after the last `put`: what was known before may have vanished since.
        """
        with self._lock:
            folders = self._folders() if clusters is None else sorted({*map(self._folder, clusters)})
            found: dict[str, dict[int, list[Reading]]] = {}
            for folder in folders:
                days = self._look(folder, first, last)
                for day, files in days.items():
                    if len(pure_of(files)) < len(live_of(files)):
                        days[day] = self._settle(folder, day)
                found[folder] = {day: pure_of(files) for day, files in sorted(days.items())}
            return self._held({folder: days for folder, days in found.items() if any(days.values())})

    def _held(self, found: Mapping[str, Mapping[int, Sequence[Reading]]]) -> Held:
        paths: list[Path] = []
        known: dict[str, DaysKnown] = {}
        for folder, days in found.items():
            files = [file for day in days.values() for file in day]
            known[files[0].head.about.cluster] = {day: known_of(each) for day, each in days.items() if each}
            paths += [file.path for file in files]
            self._given |= {file.path: (file.shelf, folder, file.name) for file in files}
        return Held(paths, known)

    # --------------------------------------------------------------------------------- changes

    def put(
        self, cluster: str, day: int, namespaces: Mapping[str, int], rows: Columns, query: Query, now: int
    ) -> None:
        """All rows of these namespaces on that day, with how many raw samples the server had of each.

        It takes the place of what was known of them. A namespace without rows had no pod.
        """
        about = About(self._scope, cluster, day, query)
        check_reading(about, namespaces, rows)
        if not namespaces:
            return
        with self._lock:
            folder = self._folder(cluster)
            before = known_of(self._look(folder, day, day).get(day, []))
            marks = [before[name].created + 1 for name in namespaces if name in before]
            created = max(now, day * DAY)  # a finished day can't have been written before it began
            mark = min(max([created, *marks]), LARGEST_MARK)
            found = {name: Known(count, mark) for name, count in namespaces.items()}
            self._add(folder, day, encode(Head(about, created, found, merged=0), rows))
            self._settle(folder, day)

    def forget(self, paths: Iterable[Path]) -> None:
        """Files of ours that turned out to be of no use: they are read anew next time."""
        with self._lock:
            for path in paths:
                if path in self._given:
                    shelf, folder, name = self._given.pop(path)
                    self._remove(shelf, folder, [name])
                    self._heads[name] = None

    def prune(self, today: int, keep_days: int = KEEP_DAYS) -> None:
        """Remove what is older, what was replaced, and what nobody writes any more."""
        with self._lock:
            for folder in self._folders():
                names = {
                    name: day
                    for name in self._names(self._shelf, folder)
                    if (day := number_of_day(name)) is not None
                }
                # Counted from the newest day at most: a clock that runs ahead must not empty the cache.
                oldest = min(today, max(names.values(), default=today) + 1) - keep_days
                self._remove(self._shelf, folder, [name for name, day in names.items() if day < oldest])
                days = [day for day in names.values() if day >= oldest]
                for day in sorted({day for day in days if days.count(day) > 1}):
                    self._settle(folder, day)  # what a killed run left beside what replaces it
            try:
                idle_days = max(keep_days, KEEP_DAYS)
                self._shelf.tidy(self._clock(), safe_name(self._scope), idle_days)
            except ShelfError as error:
                self._note(error)

    # ------------------------------------------------------------------------- what lies there

    def _folder(self, cluster: str) -> str:
        return f"{safe_name(self._scope)}/{safe_name(cluster)}"

    def _folders(self) -> list[str]:
        scope = safe_name(self._scope)
        found = {folder.partition("/")[2] for folder in self._listed}
        for shelf in self._shelves():
            try:
                found |= set(shelf.folders(scope))
            except ShelfError as error:
                self._note(error)
        return [f"{scope}/{name}" for name in sorted(found)]

    def _shelves(self) -> list[Shelf]:
        if self._spare is None and self._shelf.spare is not None:
            self._spare = FolderShelf(self._shelf.spare, hold=False)
        return [self._shelf] if self._spare is None else [self._shelf, self._spare]

    def _names(self, shelf: Shelf, folder: str) -> list[str]:
        """While the shelf can't be read, what was there the last time: copies of it may still be."""
        if shelf is not self._shelf or self._reads_left:
            try:
                names = shelf.names(folder)
            except ShelfError as error:
                self._note(error)
                self._reads_left = 0 if error.final else self._reads_left - 1
            else:
                if shelf is not self._shelf:
                    return names
                self._listed[folder], self._reads_left = names, _ATTEMPTS
        return self._listed.get(folder, [])

    def _look(self, folder: str, first: int, last: int) -> dict[int, list[Reading]]:
        """The sound files of these days."""
        days: dict[int, list[Reading]] = defaultdict(list)
        for shelf in self._shelves():
            for name, path in self._fetch(shelf, folder, first, last).items():
                head = self._head(folder, name, path)
                if head is not None:
                    days[head.about.day].append(Reading(shelf, name, path, head))
        return days

    def _fetch(self, shelf: Shelf, folder: str, first: int, last: int) -> dict[str, Path]:
        """Somebody may replace files between our listing and our reading: then we look again."""
        found: dict[str, Path] = {}
        before: list[str] | None = None
        for _ in range(_ATTEMPTS):
            names = self._names(shelf, folder)
            wanted = [
                name for name in names if (day := number_of_day(name)) is not None and first <= day <= last
            ]
            if wanted == before:
                break  # still there, and can't be read
            try:
                found = shelf.fetch(folder, wanted)
            except ShelfError as error:
                self._note(error)
                return {}
            if len(found) == len(wanted):
                break
            before = wanted
        return found

    def _head(self, folder: str, name: str, path: Path) -> Head | None:
        """None for what is not ours, though it has a name and a place as ours have."""
        if name not in self._heads:
            try:
                self._heads[name] = read_head(path)
            except Problem:
                self._heads[name] = None
        head = self._heads[name]
        if head is None:
            return None
        mine = head.about.source == self._scope and self._folder(head.about.cluster) == folder
        return head if mine and head.about.day == number_of_day(name) else None

    # ------------------------------------------------------------------------- putting in order

    def _settle(self, folder: str, day: int) -> list[Reading]:
        """Leave files on the shelf that are all of readings that count, and few of them."""
        for _ in range(_ATTEMPTS):
            files = self._look(folder, day, day).get(day, [])
            winners = winners_of(files)
            live = live_of(files)
            if len(live) <= self._few and not any(is_mixed(file, winners) for file in live):
                break
            if not self._merge(folder, live, winners):
                break
        for shelf in self._shelves():  # each for itself: what only this process has replaces nothing
            mine = [file for file in files if file.shelf is shelf]
            counting = {file.name for file in live_of(mine)}
            self._remove(shelf, folder, [file.name for file in mine if file.name not in counting])
        return live

    def _merge(self, folder: str, live: Sequence[Reading], winners: Mapping[str, Reading]) -> bool:
        """The readings that count into one file; False when nothing came of it."""
        changed = False
        for way in sorted({dump(file.head.about.query) for file in live}):
            mine = [file for file in live if dump(file.head.about.query) == way]
            if len(mine) == 1 and not is_mixed(mine[0], winners):
                continue
            parts = []
            for file in mine:
                try:
                    parts.append(rows_of(file.path, won_by(file, winners)))
                except Problem:
                    self._heads[file.name] = None  # of no use, whatever its bytes promise
                    self._remove(file.shelf, folder, [file.name])
                    return True
            found = {name: file.head.namespaces[name] for file in mine for name in won_by(file, winners)}
            created = max(file.head.created for file in mine)
            merged = 1 + max(file.head.merged for file in mine)
            head = Head(mine[0].head.about, created, found, merged)
            changed |= self._add(folder, head.about.day, encode(head, concatenate(parts)))
        return changed

    def _add(self, folder: str, day: int, content: bytes) -> bool:
        """To the shelf; where that can't be, for this process alone."""
        name = file_name(iso_day(day), content)
        if self._writes_left:
            try:
                self._shelf.add(folder, name, content)
                self._writes_left = _ATTEMPTS
                return True
            except ShelfError as error:
                self._note(error)
                self._writes_left = 0 if error.final else self._writes_left - 1
        try:
            if self._shelf.spare is None:
                self._shelf.spare = Path(tempfile.mkdtemp(prefix="reconcile-usage-"))
                weakref.finalize(self._shelf, shutil.rmtree, self._shelf.spare, True)
            self._shelves()[1].add(folder, name, content)
        except (ShelfError, OSError) as error:
            self._note(error)
            return False
        return True

    def _remove(self, shelf: Shelf, folder: str, names: Sequence[str]) -> None:
        if names and (shelf is not self._shelf or self._writes_left):
            try:
                shelf.remove(folder, names)
            except ShelfError as error:
                self._note(error)

    def _note(self, error: Exception) -> None:
        self._notes.append(str(error))

"""From what the cache knows to what was asked for: what is missing, and reading it.

A day that has ended is read once. The last three are read again where they have more samples than they
had: some arrived late. Fewer are no news: the server forgot some. The day that is not over yet is read
each time and not kept, and so is one that ended just now, whose last samples may be on their way, and
one whose beginning the server has forgotten already.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from multiprocessing.pool import ThreadPool
from typing import Final, NamedTuple, Protocol

from reconciler.usage.days import DAY
from reconciler.usage.index import Window
from reconciler.usage.parquet import Columns
from reconciler.usage.port import Telling
from reconciler.usage.prometheus.day_ends import day_ends
from reconciler.usage.prometheus.limits import Asker, Span
from reconciler.usage.prometheus.owners import Wanted
from reconciler.usage.prometheus.probe import (
    Part,
    Rhythm,
    by_namespace,
    past_of,
    require_series,
    rhythm,
    series_of,
    with_images,
)
from reconciler.usage.prometheus.promql import COUNTED, STEP, Questions
from reconciler.usage.prometheus.reading import chain, read_part
from reconciler.usage.prometheus.unanswered import Kind, UnansweredError
from reconciler.usage.prometheus.ways import Batch, Context, Ways
from reconciler.usage.rows import concatenate

LATE_DAYS: Final = 3  # so long samples may arrive late
_SETTLED: Final = 1800  # seconds after which a day has its last samples; fewer than that no count tells of
_SERIES_AT_FIRST: Final = 30  # of a namespace of which nothing is known
_POINTS_AT_ONCE: Final = 300_000  # of an answer: about 10 MB, and as much again for each worker
_SMALL: Final = 4  # what is no more than such a part of the most is asked for at once
_LONGEST: Final = 1800  # seconds for all of a cluster
_PATIENCE: Final = 3  # failures after which a server is left alone


class Known(Protocol):
    @property
    def count(self) -> int: ...


class Cache(Protocol):
    """Finished days, as far as somebody kept them."""

    def keep(self, day: int, namespaces: Mapping[str, int], rows: Columns) -> None: ...


class Task(NamedTuple):
    """What is asked for at once."""

    part: Part
    batch: Batch


class Plan(NamedTuple):
    """What has to be read, before it is."""

    questions: Questions
    rhythm: Rhythm
    tasks: tuple[Task, ...]
    counts: Mapping[int, Mapping[str, int]]  # samples of the last days, by namespace
    empty: Mapping[int, Sequence[str]]  # days on which these namespaces had nothing, while others had
    forgotten: frozenset[int]  # days that the server may have known once, and doesn't any more
    settling: frozenset[int]  # read and not kept: days that ended just now, or that began with the server
    kept: Mapping[int, frozenset[str]]  # what the cache has to know in the end, unless something fails
    days_known: int
    series: int

    @property
    def points(self) -> int:
        return sum(2 * task.batch.series * task.part.steps for task in self.tasks)


class Caught(NamedTuple):
    """What was read without being kept, by day, and what could not be read of which namespace."""

    loose: Mapping[int, Columns]
    failed: Mapping[str, UnansweredError]


def parts_of(window: Window, end: int) -> tuple[Part, ...]:
    """The days of a window, as far as they have passed."""
    ends = ((day, min((day + 1) * DAY, end // STEP * STEP)) for day in range(window.first, window.last + 1))
    return tuple(Part(day, until) for day, until in ends if until > day * DAY)


def namespaces_of(asker: Asker, questions: Questions, span: Span) -> list[str]:
    """All that had a container within that time; asked for a day at a time."""
    found: dict[str, int] = {}
    for piece in span.pieces(DAY, DAY):
        found |= series_of(asker.server, questions, None, piece.end, piece.seconds)
    return sorted(name for name in found if name)


def plan(
    asker: Asker,
    questions: Questions,
    namespaces: Sequence[str],
    parts: Sequence[Part],
    known: Mapping[int, Mapping[str, Known]],
    interval: int | None,
    now: int,
    keeps_since: int | None,
) -> Plan:
    """What is missing, and how the server has it. `keeps_since`: the time from which on it keeps all."""
    end = parts[-1].end
    settling = frozenset(part.day for part in parts if part.whole and now < part.end + _SETTLED)
    questions = with_images(asker.server, questions, end)
    counts = _counts(asker, questions, namespaces, parts)
    missing = {
        part: sorted(_missing(part, namespaces, known.get(part.day, {}), counts.get(part.day)))
        for part in parts
    }
    wanting = [part for part in parts if missing[part]]
    asked = sorted({name for part in wanting for name in missing[part]})
    found = rhythm(asker.server, questions, asked, wanting, interval)
    if not found.heard and not known:
        require_series(asker.server, questions, end)
    series = _series(asker, questions, asked, parts, counts)
    size = _batch_size(asker)
    past = past_of(asker.server, questions, parts[0], wanting, found, known, keeps_since)
    settling |= past.began
    return Plan(
        questions=questions,
        rhythm=found,
        tasks=tuple(
            Task(part, batch)
            for part in wanting
            if part.day in found.intervals
            for batch in _batches(missing[part], series, size, asker.at_once)
        ),
        counts=counts,
        empty={
            part.day: missing[part]
            for part in wanting
            if part.day in found.heard and part.day not in found.intervals
        },
        forgotten=past.forgotten,
        settling=settling,
        kept={
            part.day: frozenset(namespaces)
            if part.day in found.heard and part.day not in settling
            else frozenset(namespaces).difference(missing[part])
            for part in parts
            if part.whole and part.day not in past.forgotten
        },
        days_known=len(parts) - len(wanting),
        series=sum(series.get(name, 0) for name in asked),
    )


def _series(
    asker: Asker,
    questions: Questions,
    namespaces: Sequence[str],
    parts: Sequence[Part],
    counts: Mapping[int, Mapping[str, int]],
) -> Mapping[str, int]:
    """About how many series each namespace has at a time."""
    if counts and any(counts[max(counts)].values()):
        return {name: -(-count * COUNTED // DAY) for name, count in counts[max(counts)].items()}
    return series_of(asker.server, questions, namespaces, parts[-1].end, DAY) if namespaces else {}


def _counts(
    asker: Asker, questions: Questions, namespaces: Sequence[str], parts: Sequence[Part]
) -> dict[int, dict[str, int]]:
    """The samples of the last days that have ended; as many questions at once as the server is asked."""
    last = [part for part in parts if part.whole][-LATE_DAYS:]
    if not last or not namespaces:
        return {}

    def count(part: Part) -> dict[str, int]:
        answer = asker.server.instant(questions.sample_counts(namespaces, part.span.seconds), part.end)
        return by_namespace(answer.labels, answer.values, questions.labels.cadvisor.namespace)

    with ThreadPool(len(last)) as pool:
        return dict(zip((part.day for part in last), pool.map(count, last), strict=True))


def _missing(
    part: Part, namespaces: Iterable[str], known: Mapping[str, Known], counts: Mapping[str, int] | None
) -> Iterator[str]:
    def has_grown(name: str) -> bool:
        return counts is not None and known[name].count < counts.get(name, 0)

    return (name for name in namespaces if not part.whole or name not in known or has_grown(name))


def _batch_size(asker: Asker) -> int:
    return max(1, min(_POINTS_AT_ONCE, asker.limits.most("points")) // (DAY // STEP))


def _batches(namespaces: Sequence[str], series: Mapping[str, int], most: int, at_once: int) -> list[Batch]:
    """Small namespaces together, in batches of about the same size, so many that none who asks has to wait.

    A namespace that is too large by itself is asked for in pieces of the day.
    """
    sizes = {name: max(1, series.get(name, _SERIES_AT_FIRST)) for name in namespaces}
    total = sum(sizes.values())
    count = at_once * -(-total // (most * at_once)) if total > most // _SMALL else 1
    found: dict[int, list[str]] = defaultdict(list)
    before = 0
    for name, size in sizes.items():
        found[(2 * before + size) * count // (2 * total)].append(name)
        before += size
    return [Batch(tuple(names), sum(sizes[name] for name in names)) for _, names in sorted(found.items())]


# ---------------------------------------------------------------------------------------------
# Carrying it out
# ---------------------------------------------------------------------------------------------


def catch_up(asker: Asker, wanted: Wanted, made: Plan, cache: Cache, told: Telling, words: str) -> Caught:
    """Read what is missing, a few questions at a time, and keep each day as soon as it is whole."""
    for day, names in made.empty.items():
        if day not in made.settling:
            cache.keep(day, _counted(made, day, names), concatenate(()))
    if not made.tasks:
        return Caught({}, {})
    reader = _Reader(asker, made, wanted)
    advance = told.step(words, len(made.tasks))
    failed: dict[str, UnansweredError] = {}
    loose: dict[int, Columns] = {}
    waiting = Counter(task.part.day for task in made.tasks)
    done: dict[int, list[tuple[Task, Columns]]] = defaultdict(list)
    # Daemons: whoever interrupts a run doesn't wait for answers that nobody wants any more.
    with ThreadPool(min(asker.at_once, len(made.tasks))) as pool:
        for task, answer in pool.imap_unordered(reader.read, made.tasks):
            if isinstance(answer, UnansweredError):
                failed |= dict.fromkeys(task.batch.namespaces, answer)
            else:
                done[task.part.day].append((task, answer))
            waiting[task.part.day] -= 1
            if not waiting[task.part.day]:
                loose |= _day(made, cache, done.pop(task.part.day, []))
            advance(1)
    return Caught(loose, failed)


def _day(made: Plan, cache: Cache, done: Sequence[tuple[Task, Columns]]) -> dict[int, Columns]:
    """Keep what could be read of a day; hand back what is not all that there was, or will be."""
    if not done:
        return {}
    part = done[0][0].part
    rows = concatenate(columns for _, columns in sorted(done, key=lambda each: each[0]))
    if not part.whole or part.day in made.forgotten | made.settling:
        return {part.day: rows}
    names = [name for task, _ in done for name in task.batch.namespaces]
    cache.keep(part.day, _counted(made, part.day, names), rows)
    return {}


def _counted(made: Plan, day: int, names: Iterable[str]) -> dict[str, int]:
    """The samples behind a day; nobody asks for those of one that is too old to change any more."""
    counts = made.counts.get(day, {})
    return {name: counts.get(name, 0) for name in names}


class _Reader:
    """Reads tasks until a server has failed too often in a row to be asked any more.

    A namespace that fails day after day is left alone too, and is no reason to leave the others.
    """

    def __init__(self, asker: Asker, made: Plan, wanted: Wanted) -> None:
        self._asker, self._made, self._wanted = asker, made, wanted
        self._turn = threading.Lock()
        self._deadline = time.monotonic() + _LONGEST
        self._failures = 0
        self._failed: Counter[Batch] = Counter()
        self._last: dict[Batch | None, UnansweredError] = {}
        names = tuple(sorted({name for task in made.tasks for name in task.batch.namespaces}))
        parts = [task.part for task in made.tasks]
        everything = Ways(asker, made.questions, Batch(names, made.series), wanted)
        self._chain = chain(everything, Span(min(parts).span.start, max(parts).end))
        self._ends_of_days = day_ends(everything, sorted(set(parts)))

    def read(self, task: Task) -> tuple[Task, Columns | UnansweredError]:
        given_up = self._given_up(task.batch)
        if given_up is not None:
            return task, given_up
        try:
            rows = read_part(
                Ways(self._asker, self._made.questions, task.batch, self._wanted),
                task.part,
                self._context(task),
            )
        except UnansweredError as error:
            self._note(task.batch, error)
            return task, error
        self._failures = 0
        return task, rows

    def _given_up(self, batch: Batch) -> UnansweredError | None:
        if time.monotonic() > self._deadline:
            minutes = _LONGEST // 60
            words = f"reading took over {minutes} minutes; what was read is kept, and the next run goes on"
            return UnansweredError(Kind.BUSY, words)
        if self._failures >= _PATIENCE:
            return self._last[None]
        return self._last[batch] if self._failed[batch] >= _PATIENCE else None

    def _note(self, batch: Batch, error: UnansweredError) -> None:
        with self._turn:
            self._last |= {None: error, batch: error}
            if error.kind in (Kind.GONE, Kind.DENIED):
                self._failures += _PATIENCE
            elif not self._failed[batch]:
                self._failures += 1
            self._failed[batch] += 1

    def _context(self, task: Task) -> Context:
        day, found = task.part.day, self._made.rhythm
        return Context(
            interval=found.intervals[day],
            silent=found.silent[day],
            heard=found.times,
            from_before=found.from_before,
            ruled=day in found.ruled,
            chain=self._chain,
            end=self._ends_of_days[day],
        )

"""Hearing one cluster out: what the cache lacks is read, and all of it handed on as a recording."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple, Protocol

import numpy as np

from reconciler.model import ContainerRef, Failure, Note, NoUsage, Reason, Usage, Whose
from reconciler.usage.cache import Held
from reconciler.usage.checks import is_name
from reconciler.usage.days import DAY, Query, iso_day
from reconciler.usage.files import write_rows
from reconciler.usage.index import Window, build_index
from reconciler.usage.parquet import Columns
from reconciler.usage.port import Cost, Namespaces, Telling
from reconciler.usage.prometheus.autoscalers import Scaled, autoscaled
from reconciler.usage.prometheus.catching_up import (
    Caught,
    Known,
    Plan,
    catch_up,
    namespaces_of,
    parts_of,
    plan,
)
from reconciler.usage.prometheus.hints import hints
from reconciler.usage.prometheus.limits import Asked, Asker, Limits, Span
from reconciler.usage.prometheus.mingled import mingled
from reconciler.usage.prometheus.owners import wanted_names
from reconciler.usage.prometheus.probe import by_namespace, require_series
from reconciler.usage.prometheus.promql import STEP, Labels, Questions, Scope
from reconciler.usage.prometheus.unanswered import Kind, UnansweredError
from reconciler.usage.prometheus.wire import Load
from reconciler.usage.recording import RecordingSource
from reconciler.usage.rows import take

# Names our way of asking: days that were asked for in another way are other days.
QUERY: Final[Query] = {"way": "live/1", "step": STEP, "cpu": "rate", "memory": "max"}
_AHEAD: Final = 600  # seconds that our clock may be ahead of the server's
_POINTS_A_SECOND: Final = 1_000_000


class Server(Asked, Protocol):
    def load(self) -> Load: ...

    def server_time(self) -> int | None: ...

    def retention(self) -> int | None:
        """Seconds for which the server keeps samples; None where it doesn't say."""
        ...

    def labels(self, name: str, match: Sequence[str] = ()) -> tuple[str, ...]:
        """The values that a label has."""
        ...

    def cautions(self) -> tuple[Note, ...]:
        """What the operator should know about its address although it works."""
        ...


class Store(Protocol):
    """The day cache, which may forget anything at any time."""

    @property
    def notes(self) -> tuple[str, ...]: ...

    def known(self, cluster: str, first: int, last: int) -> Mapping[int, Mapping[str, Known]]: ...

    def put(
        self, cluster: str, day: int, namespaces: Mapping[str, int], rows: Columns, query: Query, now: int
    ) -> None: ...

    def hold(self, first: int, last: int) -> Held: ...

    def forget(self, paths: Iterable[Path]) -> None: ...

    def prune(self, today: int, keep_days: int) -> None: ...


class Source(NamedTuple):
    """A metrics server, and how it is to be read."""

    name: str
    server: Server
    clusters: Mapping[str, Mapping[str, str]]  # the labels that tell each cluster's series
    cache: Callable[[Scope], Store]
    labels: Labels = Labels()
    workers: int = 2
    interval: int | None = None  # seconds between two samples, where the settings say it
    limits: Limits | None = None  # what it refused before
    remember: Callable[[Mapping[str, int]], None] = lambda most: None  # what turned out to be too much
    keep_days: int = 100


class Lost(NamedTuple):
    """Days that a server has forgotten, and the namespaces of which the cache still knows them.

    Nobody knows what the others used then: it may have been the most of all.
    """

    days: frozenset[int] = frozenset()
    cached: Mapping[int, frozenset[str]] = {}

    def within(self, namespace: str, window: Window) -> list[int]:
        return [
            day
            for day in range(window.first, window.last + 1)
            if day in self.days and namespace not in self.cached.get(day, ())
        ]

    def of(self, namespace: str, window: Window, source: str) -> str:
        """What to say of a window of whose days some are lost; nothing when none is."""
        lost = self.within(namespace, window)
        if not lost:
            return ""
        return (
            f"of the {window.last - window.first + 1} days of the window {len(lost)} (the last is "
            f"{iso_day(lost[-1])}) are known neither to {source} nor to the cache"
        )


class Heard(NamedTuple):
    """What is known of a cluster now."""

    recording: RecordingSource
    unread: Mapping[str, str]  # by namespace, what of it could not be read; "" is any
    lost: Lost
    mingled: frozenset[str]  # namespaces of several clusters
    scaled: Mapping[Scaled, tuple[str, ...]]
    failures: tuple[Failure, ...]
    notes: tuple[Note, ...]
    cost: Cost
    store: Store  # for as long as it is there, the recording's files are

    def after(self, failures: Sequence[Failure]) -> Heard:
        return self._replace(failures=tuple(dict.fromkeys((*self.failures, *failures))))

    def unfit(self) -> tuple[Failure, ...]:
        """Why a recording of it would tell what isn't so."""
        if not self.mingled:
            return ()
        words = _of_several(self.recording.name, sorted(self.mingled))
        return (Failure(f"metrics {self.recording.name}", Whose.YOURS, words),)

    def marked(self, ref: ContainerRef, usage: Usage | NoUsage, window: Window) -> Usage | NoUsage:
        """With what no recording can tell."""
        why = self.unread.get(ref.namespace) or self.unread.get("", "")
        if isinstance(usage, NoUsage):
            return NoUsage(usage.reason, why) if why else usage
        if ref.namespace in self.mingled:
            return NoUsage(Reason.AMBIGUOUS_CLUSTER, _of_several(self.recording.name, [ref.namespace]))
        lost = [] if why or usage.incomplete else self.lost.within(ref.namespace, window)
        why = why or self.lost.of(ref.namespace, window, self.recording.name)
        scaled = self.scaled.get(Scaled(ref.namespace, ref.kind, ref.workload), ())
        return usage._replace(
            scaled_on=scaled, incomplete=usage.incomplete or why, forgotten=max(lost, default=0)
        )


def _of_several(source: str, names: Sequence[str]) -> str:
    some = " and ".join(names) if len(names) < 4 else f"{names[0]} and {len(names) - 1} more namespaces"
    return f"{source} has {some} of several clusters: say under `metricsLabels` by which labels each is told"


class _Found(NamedTuple):
    """What a server said, as far as it said anything."""

    plan: Plan | None = None
    caught: Caught = Caught({}, {})
    scaled: Mapping[Scaled, tuple[str, ...]] = {}
    lost: Lost = Lost()
    mingled: frozenset[str] = frozenset()
    hints: tuple[str, ...] = ()
    error: UnansweredError | None = None


class Listening:
    """Of one cluster, between two times."""

    def __init__(self, source: Source, questions: Questions, room: Path, start: int, end: int) -> None:
        self._source = source
        self._questions = questions
        self._room = room
        self._window = Window.between(start, end)
        self._end = end
        self._limits = source.limits or Limits()
        self._asker = Asker(source.server, self._limits, source.workers)
        self._cache = source.cache(questions.scope)

    def every_space(self, meant: Namespaces) -> list[str]:
        """All that are meant, in which the server, or the cache, had a container."""
        known = self._known()
        cached = {name for names in known.values() for name in names}
        days = range(self._window.first, self._window.last + 1)
        new = next((day for day in days if day not in known), self._window.last)
        span = Span(new * DAY, self._end)
        found = {*namespaces_of(self._asker, self._questions, span), *cached}
        return sorted(name for name in found if is_name(name) and meant(name))

    def spaces(self, refs: Iterable[ContainerRef]) -> list[str]:
        """The namespaces of these. Where the repository leaves one open, wherever such pods run."""
        found = {ref.namespace for ref in refs}
        if "" in found:
            lost = sorted({ref.workload for ref in refs if not ref.namespace and is_name(ref.workload)})
            answer = self._source.server.instant(self._questions.namespaces_of(lost, DAY), self._end)
            space = self._questions.labels.cadvisor.namespace
            found |= set(by_namespace(answer.labels, answer.values, space))
        return sorted(filter(is_name, found))

    def heard(
        self, spaces: Callable[[], Sequence[str]], refs: Iterable[ContainerRef], told: Telling
    ) -> Heard:
        before, begun = self._source.server.load(), time.monotonic()
        found = self._found(spaces, refs, told)
        held = self._cache.hold(self._window.first, self._window.last)
        index, broken = build_index([*held.paths, *self._loose(found.caught)])
        self._cache.forget(Path(failure.path) for failure in broken)
        errors = [error for error in (found.error, *found.caught.failed.values()) if error is not None]
        failures = [Failure(f"metrics {self._source.name}", error.whose, error.words) for error in errors]
        failed = found.caught.failed.items()
        unread = self._vanished(found, held)
        unread |= {name: f"not all of it could be read ({error.words})" for name, error in failed}
        if found.error is not None:
            unread[""] = f"nothing new could be read ({found.error.words})"
        self._settle()
        return Heard(
            recording=RecordingSource(self._source.name, self._room, index, broken),
            unread=unread,
            lost=found.lost,
            mingled=found.mingled,
            scaled=found.scaled,
            failures=tuple(dict.fromkeys(failures)),
            notes=(
                *self._source.server.cautions(),
                *(Note("usage-cache", words) for words in self._cache.notes),
                *(Note("owners", f"{self._source.name}: {words}") for words in found.hints),
            ),
            cost=self._cost(found.plan, before, time.monotonic() - begun),
            store=self._cache,
        )

    def _vanished(self, found: _Found, held: Held) -> dict[str, str]:
        """Namespaces with a day that was known a moment ago: somebody emptied the cache meanwhile."""
        days = held.known.get(self._questions.scope.cluster, {})
        return {
            name: f"the day {iso_day(day)} vanished from the cache while it was being read"
            for day, names in (found.plan.kept if found.plan else {}).items()
            for name in sorted(names.difference(days.get(day, ())))
        }

    def _settle(self) -> None:
        """What the next run is glad of."""
        self._cache.prune(self._window.last, self._source.keep_days)
        if self._limits.refused:
            self._source.remember(self._limits.learned())

    def _found(
        self, spaces: Callable[[], Sequence[str]], refs: Iterable[ContainerRef], told: Telling
    ) -> _Found:
        try:
            theirs = self._source.server.server_time()
            end = self._on_time(theirs)
            names = list(spaces())
            if not names:
                require_series(self._source.server, self._questions, end)
                return _Found()
            made = self._plan(names, end, end if theirs is None else theirs)
            wanted = wanted_names((ref.namespace, ref.kind, ref.workload) for ref in refs)
            keeping = _Keeping(self._cache, self._questions.scope.cluster, end)
            words = self._words(made)
            caught = catch_up(self._asker, wanted, made, keeping, told, words)
            return _Found(
                made,
                caught,
                autoscaled(self._source.server, made.questions, names, end),
                self._lost(made),
                mingled(self._source.server, made.questions, names, end),
                hints(self._source.server, self._questions, end),
            )
        except UnansweredError as error:
            return _Found(error=error)

    def _on_time(self, theirs: int | None) -> int:
        """The end of the window; later than the server's own now there is nothing to be read."""
        if theirs is None or self._end <= theirs + _AHEAD:
            return self._end
        minutes = (self._end - theirs) // 60
        words = (
            f"the server's clock is {minutes} minutes behind ours; nothing newer than its own time can be "
            "known, so set the clocks right (or give --now)"
        )
        raise UnansweredError(Kind.WRONG, words, Whose.YOURS)

    def _plan(self, names: Sequence[str], end: int, theirs: int) -> Plan:
        retention = self._source.server.retention()
        return plan(
            self._asker,
            self._questions,
            names,
            parts_of(self._window, end),
            self._known(),
            self._source.interval,
            theirs,
            None if retention is None else theirs - retention,
        )

    def _known(self) -> Mapping[int, Mapping[str, Known]]:
        return self._cache.known(self._questions.scope.cluster, self._window.first, self._window.last)

    def _lost(self, made: Plan) -> Lost:
        if not made.forgotten:
            return Lost()
        return Lost(made.forgotten, {day: frozenset(names) for day, names in self._known().items()})

    def _loose(self, caught: Caught) -> list[Path]:
        """What is not kept: read anew each time, and there for as long as this process runs."""
        paths = []
        for day, rows in caught.loose.items():
            paths.append(self._room / f"{secrets.token_hex(8)}.parquet")
            write_rows(paths[-1], rows, QUERY, self._end, (day, day))
        return paths

    def _words(self, made: Plan) -> str:
        millions = f"{made.points / 1e6:.1f} M points"
        return f"Reading {self._source.name}: {made.series} series, {millions}, about {_estimate(made):.0f} s"

    def _cost(self, made: Plan | None, before: Load, seconds: float) -> Cost:
        after = self._source.server.load()
        parts = {task.part.day for task in made.tasks} if made else set()
        return Cost(
            source=self._source.name,
            series=made.series if made else 0,
            points=made.points if made else 0,
            queries=after.queries - before.queries,
            bytes=after.bytes - before.bytes,
            samples=after.samples - before.samples,
            seconds=round(seconds, 3),
            days_read=len(parts),
            days_known=made.days_known if made else 0,
            estimated_seconds=_estimate(made) if made else 0.0,
        )


def _estimate(made: Plan) -> float:
    return round(made.points / _POINTS_A_SECOND, 1)


class _Keeping:
    """Finished days into the cache, each cluster's own."""

    def __init__(self, store: Store, cluster: str, now: int) -> None:
        self._store, self._cluster, self._now = store, cluster, now

    def keep(self, day: int, namespaces: Mapping[str, int], rows: Columns) -> None:
        clusters, spaces = rows.texts["cluster"], rows.texts["namespace"]
        mine = np.array([text == self._cluster for text in clusters.strings], bool)[clusters.codes]
        self._store.put(self._cluster, day, namespaces, take(rows, np.flatnonzero(mine)), QUERY, self._now)
        for number in np.unique(clusters.codes[~mine]).tolist():
            theirs = take(rows, np.flatnonzero(clusters.codes == number))
            names = {spaces.strings[code] for code in np.unique(theirs.texts["namespace"].codes)}
            counts = {name: namespaces[name] for name in sorted(names)}
            self._store.put(clusters.strings[number], day, counts, theirs, QUERY, self._now)

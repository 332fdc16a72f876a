"""A metrics server as a source of utilization.

What it says is kept day by day as recordings, and answered from them by the very code that reads a
recording: whether a day comes from the cache or was read just now makes no difference.
"""

from __future__ import annotations

import shutil
import tempfile
import time
import weakref
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from reconciler.errors import Problem
from reconciler.model import ContainerRef, NoUsage, Reason, Usage
from reconciler.usage.index import Window
from reconciler.usage.port import Cost, Namespaces, Reading, Recorded, Telling, every, silent
from reconciler.usage.prometheus.hints import cluster_hints, hints
from reconciler.usage.prometheus.limits import Limits
from reconciler.usage.prometheus.listening import Heard, Listening, Source
from reconciler.usage.prometheus.opencost import NodePrices, node_prices
from reconciler.usage.prometheus.probe import require_series, series_of, with_images
from reconciler.usage.prometheus.promql import MEMORY, Questions, Scope
from reconciler.usage.prometheus.unanswered import UnansweredError

_HOUR: Final = 3600


class State(NamedTuple):
    """What a source has, in words, and what should be done about it."""

    words: str
    hints: tuple[str, ...] = ()


class _Before(NamedTuple):
    """What was asked last, and heard."""

    start: int
    end: int
    refs: frozenset[ContainerRef]
    heard: Heard


def _nothing(source: str) -> Cost:
    return Cost(source, *(0 for _ in Cost._fields[1:]))


class LiveSource:
    """Answers the port's questions from a server, and from what is kept of its earlier answers."""

    def __init__(self, source: Source) -> None:
        self._source = source._replace(limits=source.limits or Limits())
        self._room = Path(tempfile.mkdtemp(prefix="reconcile-usage-"))
        weakref.finalize(self, shutil.rmtree, self._room, ignore_errors=True)
        self._heard: dict[Scope, _Before] = {}

    @property
    def name(self) -> str:
        return self._source.name

    def last_sample(self) -> int | None:
        """A server is asked about now."""
        return None

    def state(self) -> State:
        """What the server has now; Problem when it can't be asked."""
        server, what = self._source.server, f"metrics {self.name}"
        try:
            theirs = server.server_time()
            at = theirs if theirs is not None else int(time.time())
            questions = with_images(server, Questions(Scope(""), self._source.labels), at)
            require_series(server, questions, at)
            series = series_of(server, questions, None, at, _HOUR)
            advice = (*hints(server, questions, at), *self._cluster_hints())
        except UnansweredError as error:
            raise Problem(what, error.words, whose=error.whose) from None
        words = f"containers: {sum(series.values())}, namespaces: {len(series)}, within the last hour"
        return State(words, (*advice, *(note.detail for note in server.cautions())))

    def _cluster_hints(self) -> tuple[str, ...]:
        if any(self._source.clusters.values()):
            return ()
        label = self._source.labels.cluster
        try:
            return cluster_hints(self._source.server.labels(label, [MEMORY]), label)
        except UnansweredError:
            return ()  # not all of the kin answer this, and nothing else needs it

    def prices(self, cluster: str, at: int) -> NodePrices | None:
        """What OpenCost says of that cluster; None where it says nothing. Problem when it can't be asked."""
        questions = Questions(self._scope(cluster), self._source.labels)
        try:
            return node_prices(self._source.server, questions, at)
        except UnansweredError as error:
            raise Problem(f"metrics {self.name}", error.words, whose=error.whose) from None

    def read(
        self,
        wanted: Sequence[ContainerRef],
        start: int,
        end: int,
        *,
        half_life: int = 0,
        told: Telling = silent,
    ) -> Reading:
        found: dict[ContainerRef, Usage | NoUsage] = {}
        said: list[Heard] = []
        for scope, refs in self._by_scope(wanted).items():
            heard = self._hear(scope, list(refs.values()), start, end, told)
            reading = heard.recording.read(
                list(dict.fromkeys(refs.values())), start, end, half_life=half_life
            )
            found |= _answers(heard, refs, reading, Window.between(start, end))
            said.append(heard.after(reading.failures))
        return _reading({ref: found[ref] for ref in wanted}, said)

    def everything(
        self, start: int, end: int, namespaces: Namespaces = every, *, told: Telling = silent
    ) -> Reading:
        found: dict[ContainerRef, Usage | NoUsage] = {}
        said: list[Heard] = []
        window = Window.between(start, end)
        for heard in self._whole(start, end, namespaces, told):
            reading = heard.recording.everything(start, end, namespaces)
            for ref, usage in reading.usage.items():
                named = ref._replace(cluster=ref.cluster or self._only_cluster)
                found[named] = heard.marked(ref, usage, window)
            said.append(heard.after(reading.failures))
        return _reading(found, said)

    def recorded(
        self, start: int, end: int, namespaces: Namespaces = every, *, told: Telling = silent
    ) -> Recorded:
        heard = list(self._whole(start, end, namespaces, told))
        paths = [path for one in heard for path in one.recording.recorded(start, end).paths]
        failures = dict.fromkeys(failure for one in heard for failure in (*one.failures, *one.unfit()))
        return Recorded(paths, tuple(failures), tuple(one.cost for one in heard))

    def _hear(self, scope: Scope, refs: Sequence[ContainerRef], start: int, end: int, told: Telling) -> Heard:
        """Asked once: of the same containers within less time everything is known already."""
        before = self._heard.get(scope)
        if before and before.end == end and before.start <= start and before.refs >= set(refs):
            return before.heard._replace(cost=_nothing(self.name), failures=(), notes=())
        one = self._listening(scope, start, end)
        heard = one.heard(partial(one.spaces, refs), refs, told)
        self._heard[scope] = _Before(start, end, frozenset(refs), heard)
        return heard

    def _whole(self, start: int, end: int, namespaces: Namespaces, told: Telling) -> Iterator[Heard]:
        """Each cluster that the settings tell apart, or all that the server has as one."""
        scopes = map(self._scope, self._source.clusters)
        for scope in list(dict.fromkeys(scopes)) or [Scope("")]:
            one = self._listening(scope, start, end)
            yield one.heard(partial(one.every_space, namespaces), (), told)

    @property
    def _only_cluster(self) -> str:
        """Whose all series are that no label tells: of the one cluster that this server knows."""
        names = list(self._source.clusters)
        return names[0] if len(names) == 1 and not self._source.clusters[names[0]] else ""

    def _listening(self, scope: Scope, start: int, end: int) -> Listening:
        return Listening(self._source, Questions(scope, self._source.labels), self._room, start, end)

    def _scope(self, cluster: str) -> Scope:
        """A cluster without labels of its own can't be asked for by its name.

        Those of others that have all of its labels and more are told by what they have more. One that
        the settings don't name may be any of them.
        """
        known = self._source.clusters
        mine = known.get(cluster, {})
        within = [
            tuple(sorted(theirs.items() - mine.items()))
            for theirs in known.values()
            if theirs != mine and not any(theirs.get(name, text) != text for name, text in mine.items())
        ]
        telling = {name for other in within for name, _ in other}
        return Scope(
            cluster if mine else "",
            tuple(sorted(mine.items())),
            tuple(sorted(telling)),
            tuple(sorted({other for other in within if other})) if cluster in known else (),
        )

    def _by_scope(self, wanted: Iterable[ContainerRef]) -> dict[Scope, dict[ContainerRef, ContainerRef]]:
        """By whose series are asked for: each container, and how that cluster's recording calls it."""
        scopes: dict[Scope, Scope] = {}  # by what is asked; two names may be the same question
        found: dict[Scope, dict[ContainerRef, ContainerRef]] = defaultdict(dict)
        for ref in wanted:
            made = self._scope(ref.cluster)
            scope = scopes.setdefault(made._replace(cluster=""), made)
            found[scope][ref] = ref._replace(cluster=scope.cluster)
        return found


def _reading(found: Mapping[ContainerRef, Usage | NoUsage], said: Sequence[Heard]) -> Reading:
    failures = dict.fromkeys(failure for heard in said for failure in heard.failures)
    notes = dict.fromkeys(note for heard in said for note in heard.notes)
    return Reading(found, tuple(failures), tuple(heard.cost for heard in said), tuple(notes))


def _answers(
    heard: Heard, refs: Mapping[ContainerRef, ContainerRef], reading: Reading, window: Window
) -> dict[ContainerRef, Usage | NoUsage]:
    """What is known of each. Two that the labels don't tell apart are nobody's."""
    shared = Counter(refs.values())
    found: dict[ContainerRef, Usage | NoUsage] = {}
    for ref, local in refs.items():
        if shared[local] > 1:
            twins = sorted(other.cluster for other, theirs in refs.items() if theirs == local)
            found[ref] = NoUsage(Reason.AMBIGUOUS_CLUSTER, _twins(heard.recording.name, twins))
        else:
            found[ref] = heard.marked(local, reading.usage[local], window)
    return found


def _twins(source: str, clusters: Sequence[str]) -> str:
    names = " and ".join(name or '""' for name in clusters)
    return f"{source} has {names} under the same labels: give each its own under `metricsLabels`"

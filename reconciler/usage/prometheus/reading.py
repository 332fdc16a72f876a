"""A day of some namespaces: asked for, joined, and made into rows of a recording."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np

from reconciler.model import ContainerRef, Whose
from reconciler.usage.checks import is_name
from reconciler.usage.days import Resources, Trouble
from reconciler.usage.parquet import Columns
from reconciler.usage.prometheus import owners as owning
from reconciler.usage.prometheus.answers import Matrix, Vector
from reconciler.usage.prometheus.events import (
    Key,
    Marks,
    Points,
    key_of,
    killed,
    limit_before,
    points,
    rises,
)
from reconciler.usage.prometheus.grid import Grid, Pods, rows_of
from reconciler.usage.prometheus.limits import Asker, Span
from reconciler.usage.prometheus.owners import Owner, Pod, Wanted
from reconciler.usage.prometheus.probe import STEPS, Flags, Part, indexes
from reconciler.usage.prometheus.promql import (
    CPU,
    LAST_REASON,
    LIMITS,
    PERIODS,
    REASON,
    REQUESTS,
    STEP,
    THROTTLED,
    Names,
    Questions,
    peak_window,
    rate_window,
)
from reconciler.usage.prometheus.unanswered import Kind, UnansweredError
from reconciler.usage.samples import NO_SAMPLE
from reconciler.usage.sketch import LARGEST, Ints

_BEFORE: Final = 3600  # counters are looked at from an hour before, so that a rise at midnight is one
_PODS_AT_ONCE: Final = 200


class Batch(NamedTuple):
    """Namespaces that are asked for together, and about how many series that makes."""

    namespaces: tuple[str, ...]
    series: int


class Ways(NamedTuple):
    """How a batch is read."""

    asker: Asker
    questions: Questions
    batch: Batch
    wanted: Wanted


class Context(NamedTuple):
    """What is known of the day before it is read."""

    interval: int
    silent: Flags
    ruled: bool
    chain: Mapping[str, Vector]  # what owns what owns pods, over all days


class Rows(NamedTuple):
    """Containers of pods, a row each of the two tables."""

    keys: tuple[Key, ...]
    cpu: Ints
    memory: Ints
    unseen: Mapping[Key, int] = {}  # without a sample: the step at which they lived


def chain(ways: Ways, span: Span) -> dict[str, Vector]:
    """What stands between pods and workloads, of a whole time: it never changes."""
    found = {}
    for step in owning.STEPS:
        answers = ways.asker.within(
            lambda seconds, step=step: ways.questions.owners_of(  # type: ignore[misc]
                step.metric, step.label, ways.batch.namespaces, seconds
            ),
            span,
            ways.batch.series,
            _SLOW,
        )
        found[step.kind] = _joined(answers)
    return found


_SLOW: Final = 1800  # what hardly changes costs a server little, however often it is written down


def _joined(answers: Sequence[Vector]) -> Vector:
    """Later answers come last, so that they win wherever something is looked up."""
    labels = tuple(series for answer in answers for series in answer.labels)
    times = np.concatenate([answer.times for answer in answers])
    return Vector(labels, times, np.concatenate([answer.values for answer in answers]))


def read_part(ways: Ways, part: Part, context: Context) -> Columns:
    """All rows of a batch on a day."""
    marks = _marks(ways, part, context)
    kills = killed(marks, part.span.start, STEP)
    rows = _with_killed(_tables(ways, part, context), kills, part)
    pods = _pods_of(rows.keys)
    by_pod = _owners(ways, part, context, pods)
    refs, owner_of_row = _refs(ways.questions, rows.keys, by_pod)
    first, last = _lifetimes(rows, context.silent, part)
    guessed = np.zeros(len(refs), bool)
    guessed[owner_of_row] |= np.array([by_pod[_pod(key)].guessed for key in rows.keys], bool)
    living = Pods(
        owner=owner_of_row,
        first=first,
        last=last,
        started=first > 1,
        rss=_numbers(rows.keys, _peaks(ways, part, context)),
    )
    return rows_of(
        Grid(
            day=part.day,
            step=STEP,
            owners=refs,
            guessed=guessed,
            pods=living,
            cpu=rows.cpu,
            memory=rows.memory,
            trouble=_trouble(ways, part, context, rows.keys, owner_of_row, _Ends(marks, kills)),
            resources=_resources(ways, part, rows.keys, owner_of_row, last, len(refs)),
        )
    )


# ---------------------------------------------------------------------------------------------
# The tables: a row for each container of a pod, a column for each step
# ---------------------------------------------------------------------------------------------


def _tables(ways: Ways, part: Part, context: Context) -> Rows:
    spaces = ways.batch.namespaces
    query = (
        ways.questions.cpu_of_rule(spaces)
        if context.ruled
        else ways.questions.cpu(spaces, rate_window(context.interval))
    )
    cpu = ways.asker.over(query, part.span, STEP, ways.batch.series)
    memory = ways.asker.over(
        ways.questions.memory(spaces, peak_window(context.interval)), part.span, STEP, ways.batch.series
    )
    numbers: dict[Key, int] = {}
    filled = [_fill(each, ways.questions, part, numbers) for each in (cpu, memory)]
    cpus, memories = (_table(each, len(numbers)) for each in filled)
    _require_both(cpus, memories, rate_window(context.interval), context.ruled)
    keys = tuple(numbers)
    order = sorted(range(len(keys)), key=keys.__getitem__)
    return Rows(tuple(keys[at] for at in order), cpus[order], memories[order])


class _Filled(NamedTuple):
    rows: Ints
    steps: Ints
    values: Ints


def _fill(
    answers: Iterable[Matrix], questions: Questions, part: Part, numbers: dict[Key, int]
) -> list[_Filled]:
    """Where each point belongs. Containers get their numbers as they are met."""
    found = []
    for answer in answers:
        keys = [
            key_of(series, questions.labels.cadvisor, questions.labels.cluster) for series in answer.labels
        ]
        codes = np.array(
            [numbers.setdefault(key, len(numbers)) if _is_sound(key) else NO_SAMPLE for key in keys], np.int64
        )
        rows = np.repeat(codes, np.diff(answer.offsets))
        steps = indexes(answer.times, part)
        sound = np.isfinite(answer.values) & (answer.values >= 0) & (steps >= 0) & (steps < part.steps)
        sound &= rows >= 0
        values = np.minimum(answer.values[sound], LARGEST).astype(np.int64)
        found.append(_Filled(rows[sound], steps[sound], values))
    return found


def _is_sound(key: Key) -> bool:
    """Whether Kubernetes could have given such names: a label may hold anything, a recording may not."""
    return is_name(key.namespace) and is_name(key.pod) and is_name(key.container)


def _table(filled: Iterable[_Filled], rows: int) -> Ints:
    table = np.full((rows, STEPS), NO_SAMPLE, np.int64)
    for each in filled:
        table[each.rows, each.steps] = each.values
    return table


def _with_killed(rows: Rows, kills: Mapping[Key, Points], part: Part) -> Rows:
    """A container that was killed before anybody looked has no sample, and was there all the same."""
    unseen = sorted({key for key in kills if _is_sound(key)} - set(rows.keys))
    if not unseen:
        return rows
    empty = np.full((len(unseen), STEPS), NO_SAMPLE, np.int64)
    steps = {key: max(0, int(indexes(kills[key].times[:1], part)[0])) for key in unseen}
    return Rows(
        (*rows.keys, *unseen),
        np.concatenate((rows.cpu, empty)),
        np.concatenate((rows.memory, empty)),
        steps,
    )


def _require_both(cpu: Ints, memory: Ints, window: int, ruled: bool) -> None:
    """A rate is empty where samples come too seldom for it: no use at all, and not a use of zero."""
    if (memory >= 0).any() and not (cpu >= 0).any():
        what = "its recorded rule" if ruled else f"its rate over {window} seconds"
        words = (
            f"has memory of these containers, but no CPU: {CPU} has no series for them, or {what} is empty "
            "because samples come too seldom (say under `scrapeInterval` of the metrics how often they do)"
        )
        raise UnansweredError(Kind.WRONG, words, Whose.YOURS)


# ---------------------------------------------------------------------------------------------
# Whose they are, and when they lived
# ---------------------------------------------------------------------------------------------


def _pod(key: Key) -> Pod:
    return Pod(key.cluster, key.namespace, key.pod)


def _pods_of(keys: Iterable[Key]) -> dict[Pod, set[str]]:
    found: dict[Pod, set[str]] = defaultdict(set)
    for key in keys:
        found[_pod(key)].add(key.container)
    return found


def _owners(ways: Ways, part: Part, context: Context, pods: Mapping[Pod, Iterable[str]]) -> dict[Pod, Owner]:
    if not pods:
        return {}
    answers = ways.asker.within(
        lambda seconds: ways.questions.pod_owners(ways.batch.namespaces, seconds), part.span, len(pods), _SLOW
    )
    known = owning.told(ways.questions.labels, _joined(answers), context.chain)
    return owning.owners(pods, known, ways.wanted)


def _refs(
    questions: Questions, keys: Sequence[Key], by_pod: Mapping[Pod, Owner]
) -> tuple[tuple[ContainerRef, ...], Ints]:
    """The containers as manifests name them, and which of them each row is of."""
    plain = [
        ContainerRef(questions.scope.cluster, key.namespace, owner.kind, owner.name, key.container)
        for key in keys
        for owner in (by_pod[_pod(key)],)
    ]
    told: dict[ContainerRef, set[str]] = defaultdict(set)
    for ref, key in zip(plain, keys, strict=True):
        told[ref].add(key.cluster)
    numbers: dict[ContainerRef, int] = {}
    rows = []
    for ref, key in zip(plain, keys, strict=True):
        # Whose is what several clusters have, and nothing in the settings tells apart? Each its own.
        own = ref if len(told[ref]) == 1 else ref._replace(cluster=key.cluster or _NAMELESS)
        rows.append(numbers.setdefault(own, len(numbers)))
    return tuple(numbers), np.array(rows, np.int64)


_NAMELESS: Final = "(without a name)"


def _lifetimes(rows: Rows, silent: Flags, part: Part) -> tuple[Ints, Ints]:
    """From its first to its last sample, and on through a silence of the whole cluster beside them."""
    seen = (rows.cpu >= 0) | (rows.memory >= 0)
    first = seen.argmax(axis=1).astype(np.int64)
    last = STEPS - 1 - seen[:, ::-1].argmax(axis=1).astype(np.int64)
    for row in range(len(rows.keys) - len(rows.unseen), len(rows.keys)):
        first[row] = last[row] = rows.unseen[rows.keys[row]]
    quiet = silent.copy()
    quiet[part.steps :] = False
    begins, ends = _stretches(quiet, part.steps)
    return begins[first], ends[last]


def _stretches(quiet: Flags, steps: int) -> tuple[Ints, Ints]:
    """For each step where the silence right before it began, and where the one right after it ends."""
    begins, ends = np.arange(STEPS), np.arange(STEPS)
    for step in range(1, steps):
        if quiet[step - 1]:
            begins[step] = begins[step - 1]
    for step in range(steps - 2, -1, -1):
        if quiet[step + 1]:
            ends[step] = ends[step + 1]
    return begins, ends


# ---------------------------------------------------------------------------------------------
# Beside the samples
# ---------------------------------------------------------------------------------------------


def _each(
    answers: Iterable[Vector], names: Names, cluster: str, combine: Callable[[float, float], float]
) -> dict[Key, float]:
    found: dict[Key, float] = {}
    for answer in answers:
        for series, value in zip(answer.labels, answer.values.tolist(), strict=True):
            if np.isfinite(value):
                key = key_of(series, names, cluster)
                found[key] = combine(found[key], value) if key in found else value
    return found


def _within(
    ways: Ways,
    part: Part,
    context: Context,
    query: Callable[[int], str],
    combine: Callable[[float, float], float],
) -> dict[Key, float]:
    labels = ways.questions.labels
    answers = ways.asker.within(query, part.span, ways.batch.series, context.interval)
    return _each(answers, labels.cadvisor, labels.cluster, combine)


def _peaks(ways: Ways, part: Part, context: Context) -> dict[Key, float]:
    """The highest resident set of each container of a pod."""
    return _within(
        ways, part, context, lambda seconds: ways.questions.rss(ways.batch.namespaces, seconds), max
    )


def _numbers(keys: Sequence[Key], found: Mapping[Key, float]) -> Ints:
    return np.array([min(LARGEST, int(found.get(key, NO_SAMPLE))) for key in keys], np.int64)


def _periods(ways: Ways, part: Part, context: Context, metric: str) -> dict[Key, float]:
    def add(one: float, other: float) -> float:
        return one + other

    def query(seconds: int) -> str:
        return ways.questions.increase(metric, ways.batch.namespaces, seconds)

    return _within(ways, part, context, query, add)


def _marks(ways: Ways, part: Part, context: Context) -> Marks:
    questions, spaces, window = ways.questions, ways.batch.namespaces, _lookback(context)
    labels = questions.labels
    span = Span(part.span.start - _BEFORE, part.end)

    def seen(query: str, names: Names) -> dict[Key, Points]:
        return points(ways.asker.over(query, span, STEP, ways.batch.series), names, labels.cluster)

    return Marks(
        restarts=seen(questions.restarts(spaces, window), labels.state),
        last_killed=seen(questions.oom_killed(LAST_REASON, spaces, window), labels.state),
        ended_killed=seen(questions.oom_killed(REASON, spaces, window), labels.state),
        oom_events=seen(questions.oom_events(spaces, window), labels.cadvisor),
    )


def _lookback(context: Context) -> int:
    """How far to look back for the last sample. A server's own five minutes suffice for most."""
    return STEP if 2 * context.interval <= STEP else 2 * context.interval


class _Ends(NamedTuple):
    """Ends of containers, and those of them that were for lack of memory."""

    marks: Marks
    kills: Mapping[Key, Points]


def _trouble(
    ways: Ways, part: Part, context: Context, keys: Sequence[Key], owner_of_row: Ints, ends: _Ends
) -> tuple[Trouble, ...]:
    marks, kills = ends
    limits = _limits_of(ways, part, context, list(kills))
    throttled = _periods(ways, part, context, THROTTLED)
    periods = _periods(ways, part, context, PERIODS) if throttled else {}
    found = [Trouble()] * (int(owner_of_row.max(initial=-1)) + 1)
    for key, owner in zip(keys, owner_of_row.tolist(), strict=True):
        mine = _of_pod(key, kills.get(key), limits.get(key))
        restarts = marks.restarts.get(key)
        if restarts is not None:
            mine = mine._replace(restarts=int(rises(restarts, part.span.start).values.sum()))
        if key in periods:
            total = round(periods[key])
            mine = mine._replace(throttled_periods=min(total, round(throttled.get(key, 0))), periods=total)
        found[owner] = _added(found[owner], mine)
    return tuple(found)


def _of_pod(key: Key, kills: Points | None, limits: Points | None) -> Trouble:
    if kills is None:
        return Trouble()
    at_limits = [limit_before(limits, at) for at in kills.times.tolist()]
    return Trouble(
        oom_kills=int(kills.values.sum()),
        oom_limit_bytes=max((limit for limit in at_limits if limit), default=None),
    )


def _added(one: Trouble, other: Trouble) -> Trouble:
    return Trouble(
        oom_kills=one.oom_kills + other.oom_kills,
        oom_limit_bytes=_larger(one.oom_limit_bytes, other.oom_limit_bytes),
        restarts=one.restarts + other.restarts,
        throttled_periods=_sum(one.throttled_periods, other.throttled_periods),
        periods=_sum(one.periods, other.periods),
    )


def _larger(one: int | None, other: int | None) -> int | None:
    return max((each for each in (one, other) if each is not None), default=None)


def _sum(one: int | None, other: int | None) -> int | None:
    return other if one is None else one if other is None else one + other


def _limits_of(ways: Ways, part: Part, context: Context, keys: Sequence[Key]) -> dict[Key, Points]:
    """The memory limits that were in force around the kills of a few pods."""
    labels = ways.questions.labels
    span = Span(part.span.start - _BEFORE, part.end)
    pods = sorted({(key.namespace, key.pod) for key in keys})
    found: dict[Key, Points] = {}
    for begin in range(0, len(pods), _PODS_AT_ONCE):
        some = pods[begin : begin + _PODS_AT_ONCE]
        spaces = sorted({namespace for namespace, _ in some})
        query = ways.questions.memory_limits(spaces, [pod for _, pod in some], _lookback(context))
        answers = ways.asker.over(query, span, STEP, len(some))
        found |= points(answers, labels.state, labels.cluster)
    return found


_FIELDS: Final = {
    (REQUESTS, "cpu"): "cpu_request",
    (REQUESTS, "memory"): "memory_request",
    (LIMITS, "cpu"): "cpu_limit",
    (LIMITS, "memory"): "memory_limit",
}


def _resources(
    ways: Ways, part: Part, keys: Sequence[Key], owner_of_row: Ints, last: Ints, owners: int
) -> tuple[Resources, ...]:
    """What was in force at the end: of the pods that lived longest, for older ones may have had another."""
    stated = _stated(ways, part)
    latest = np.full(owners, -1, np.int64)
    np.maximum.at(latest, owner_of_row, last)
    found = [Resources()] * owners
    for row, (key, owner) in enumerate(zip(keys, owner_of_row.tolist(), strict=True)):
        if key in stated and last[row] == latest[owner]:
            found[owner] = Resources(
                *(_larger(*both) for both in zip(found[owner], stated[key], strict=True))
            )
    return tuple(found)


def _stated(ways: Ways, part: Part) -> dict[Key, Resources]:
    labels = ways.questions.labels
    found: dict[Key, Resources] = {}
    for metric in (REQUESTS, LIMITS):
        answers = ways.asker.within(
            lambda seconds, metric=metric: ways.questions.in_force(  # type: ignore[misc]
                metric, ways.batch.namespaces, seconds
            ),
            part.span,
            ways.batch.series,
            _SLOW,
        )
        for answer in answers:
            for series, value in zip(answer.labels, answer.values.tolist(), strict=True):
                field = _FIELDS.get((metric, series.get("resource", "")))
                if field is not None and np.isfinite(value) and value >= 0:
                    key = key_of(series, labels.state, labels.cluster)
                    amount = round(value * 1000) if field.startswith("cpu") else int(value)
                    stated = {field: min(LARGEST, amount)}
                    found[key] = found.get(key, Resources())._replace(**stated)
    return found

"""Answers as tables: a row for each container of a pod, a column for each step of a day."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np

from reconciler.model import Whose
from reconciler.usage.checks import is_name
from reconciler.usage.prometheus.answers import Floats, Matrix
from reconciler.usage.prometheus.events import NOBODYS, Key, Points, key_of
from reconciler.usage.prometheus.probe import STEPS, Flags, Part, indexes
from reconciler.usage.prometheus.promql import CPU, STEP, peak_window, rate_window
from reconciler.usage.prometheus.unanswered import Kind, UnansweredError, printable
from reconciler.usage.prometheus.ways import Context, Ways
from reconciler.usage.samples import NO_SAMPLE
from reconciler.usage.sketch import LARGEST, Ints

_MILLI: Final = 1000


class Rows(NamedTuple):
    """Containers of pods, in order, and what they used at each step; NO_SAMPLE where nobody knows."""

    keys: tuple[Key, ...]
    cpu: Ints  # millicores
    memory: Ints  # bytes
    unseen: Mapping[Key, tuple[int, int]] = {}  # the last rows, without a sample: the steps of their lives


def tables(ways: Ways, part: Part, context: Context) -> Rows:
    """What the containers of a batch used on a day."""
    spaces, series = ways.batch.namespaces, ways.batch.series
    window = rate_window(context.interval, context.from_before)
    query = ways.questions.rule(spaces) if context.ruled else ways.questions.cpu(spaces, window)
    cpu = [of_all_processors(answer) for answer in ways.asker.over(query, part.span, STEP, series)]
    peaks = ways.questions.memory(spaces, peak_window(context.interval))
    memory = ways.asker.over(peaks, part.span, STEP, series)
    numbers: dict[Key, int] = {}
    filled = [_filled(each, ways, numbers) for each in (cpu, memory)]
    table = [_table(each, len(numbers), part, scale) for each, scale in zip(filled, (_MILLI, 1), strict=True)]
    _require_both(table[0], table[1], window, context.ruled)
    keys = tuple(numbers)
    order = sorted(range(len(keys)), key=keys.__getitem__)
    return Rows(tuple(keys[at] for at in order), table[0][order], table[1][order])


def of_all_processors(answer: Matrix) -> Matrix:
    """A cAdvisor may tell each processor's share of a container: together they are what it used."""
    if all(series.get("cpu", "total") in ("", "total") for series in answer.labels):
        return answer
    shares: dict[tuple[tuple[str, str], ...], list[int]] = {}
    for number, series in enumerate(answer.labels):
        rest = {**series, "cpu": ""} if series.get("cpu") != "total" else series
        shares.setdefault(tuple(sorted(rest.items())), []).append(number)
    lines = [_sum(answer, numbers) for numbers in shares.values()]
    return Matrix(
        tuple(dict(rest) for rest in shares),
        np.concatenate(([0], np.cumsum([len(times) for times, _ in lines]))).astype(np.int64),
        np.concatenate([times for times, _ in lines]),
        np.concatenate([values for _, values in lines]),
    )


def _sum(answer: Matrix, numbers: Iterable[int]) -> tuple[Ints, Floats]:
    here = [slice(int(answer.offsets[number]), int(answer.offsets[number + 1])) for number in numbers]
    times, places = np.unique(np.concatenate([answer.times[each] for each in here]), return_inverse=True)
    sums: Floats = np.zeros(len(times))
    np.add.at(sums, places, np.concatenate([answer.values[each] for each in here]))
    return times, sums


class _Filled(NamedTuple):
    """An answer, and the row of each of its series; NO_SAMPLE for those that are no container's."""

    rows: Ints
    answer: Matrix


def _filled(answers: Iterable[Matrix], ways: Ways, numbers: dict[Key, int]) -> list[_Filled]:
    """Containers get their numbers as they are met."""
    names = ways.questions.labels.cadvisor
    found = []
    for answer in answers:
        keys = [key_of(series, names, ways.questions.whose) for series in answer.labels]
        _require_asked(keys, ways.batch.namespaces)
        rows = [numbers.setdefault(key, len(numbers)) if _is_sound(key) else NO_SAMPLE for key in keys]
        found.append(_Filled(np.array(rows, np.int64), answer))
    return found


def _require_asked(keys: Sequence[Key], namespaces: Sequence[str]) -> None:
    """Who answers of other namespaces than were asked for may answer of other clusters too."""
    foreign = {key.namespace for key in keys if key != NOBODYS}.difference(namespaces)
    if foreign:
        words = f"it answers of the namespace {printable(min(foreign))[:60]}, which was not asked for"
        raise UnansweredError(Kind.BROKEN, words)


def _is_sound(key: Key) -> bool:
    """Whether Kubernetes could have given such names: a label may hold anything, a recording may not."""
    return all(map(is_name, key[1:])) and (not key.cluster or is_name(key.cluster))


def _table(filled: Iterable[_Filled], rows: int, part: Part, scale: int) -> Ints:
    """The highest of what several series say of one container: servers in pairs, jobs, restarts."""
    table = np.full((rows, STEPS), NO_SAMPLE, np.int64)
    for each in filled:
        lengths = np.diff(each.answer.offsets)
        steps = indexes(each.answer.times, part)
        values = each.answer.values
        sound = np.isfinite(values) & (values >= 0) & (steps >= 0) & (steps < part.steps)
        at_rows = np.repeat(each.rows, lengths)
        for turn in _turns(each.rows):
            which = np.flatnonzero(sound & np.repeat(turn, lengths)) if turn is not None else sound
            places = at_rows[which], steps[which]
            table[places] = np.maximum(table[places], _whole(values[which], scale))
    return table


def _turns(rows: Ints) -> list[Flags | None]:
    """Series such that no two in a turn are of the same row. None: all of them at once."""
    met: Counter[int] = Counter()
    turns = []
    for row in rows.tolist():
        turns.append(met[row] if row >= 0 else NO_SAMPLE)
        met[row] += 1
    most = max(turns, default=0)
    if most <= 0 and NO_SAMPLE not in turns:
        return [None]
    numbers = np.array(turns)
    return [numbers == turn for turn in range(most + 1)]


def _whole(values: Floats, scale: int) -> Ints:
    """To the nearest whole, and never more than a recording can hold."""
    bounded = np.minimum(values, float(LARGEST))
    scaled = bounded if scale == 1 else np.minimum(np.floor(bounded * scale + 0.5), float(LARGEST))
    return scaled.astype(np.int64)


def _require_both(cpu: Ints, memory: Ints, window: int, ruled: bool) -> None:
    """A rate is empty where samples come too seldom for it: no use at all, and not a use of zero.

    Where all began a moment before the end of the day there is no rate yet, and nothing is wrong.
    """
    measured = int((memory >= 0).any(axis=0).sum())
    if measured * STEP > window + STEP and not (cpu >= 0).any():
        what = "its recorded rule" if ruled else f"its rate over {window} seconds"
        words = (
            f"there is memory of these containers, but no CPU: {CPU} has no series for them, or {what} is "
            "empty because samples come too seldom (`scrapeInterval` of the metrics says how often they do)"
        )
        raise UnansweredError(Kind.WRONG, words, Whose.YOURS)


def with_killed(rows: Rows, kills: Mapping[Key, Points], part: Part, namespaces: Sequence[str]) -> Rows:
    """A container that was killed before anybody looked has no sample, and was there all the same."""
    theirs = {key for key in kills if key.namespace in namespaces}
    steps = {key: max(0, int(indexes(kills[key].times[:1], part)[0])) for key in theirs}
    return with_unseen(rows, {key: (step, step) for key, step in steps.items()})


def with_unseen(rows: Rows, lives: Mapping[Key, tuple[int, int]]) -> Rows:
    """With what lived without a sample, from one step to another."""
    more = sorted(key for key in lives.keys() - {*rows.keys} if _is_sound(key))
    if not more:
        return rows
    empty = np.full((len(more), STEPS), NO_SAMPLE, np.int64)
    return Rows(
        (*rows.keys, *more),
        np.concatenate((rows.cpu, empty)),
        np.concatenate((rows.memory, empty)),
        {**rows.unseen, **{key: lives[key] for key in more}},
    )


def lifetimes(rows: Rows, silent: Flags, part: Part) -> tuple[Ints, Ints]:
    """From its first to its last sample, and on through a silence of the whole cluster beside them."""
    seen = (rows.cpu >= 0) | (rows.memory >= 0)
    first = seen.argmax(axis=1).astype(np.int64)
    last = STEPS - 1 - seen[:, ::-1].argmax(axis=1).astype(np.int64)
    _unseen(rows.keys, rows.unseen, first, last)
    begins, ends = _stretches(silent, part.steps)
    return begins[first], ends[last]


def _unseen(keys: Sequence[Key], steps: Mapping[Key, tuple[int, int]], first: Ints, last: Ints) -> None:
    for row in range(len(keys) - len(steps), len(keys)):
        first[row], last[row] = steps[keys[row]]


def _stretches(silent: Flags, steps: int) -> tuple[Ints, Ints]:
    """For each step where the silence right before it began, and where the one right after it ends."""
    begins, ends = np.arange(STEPS), np.arange(STEPS)
    for step in range(1, steps):
        if silent[step - 1]:
            begins[step] = begins[step - 1]
    for step in range(steps - 2, -1, -1):
        if silent[step + 1]:
            ends[step] = ends[step + 1]
    return begins, ends

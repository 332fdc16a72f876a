"""Kills and restarts out of counters and marks that are looked at every few minutes.

The mark "last ended for lack of memory" stays until the next end, so it says nothing about when. A
kill is counted where a restart is counted while the mark stands, at the limit that was in force
before it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from reconciler.usage.prometheus.answers import Matrix
from reconciler.usage.prometheus.promql import Names
from reconciler.usage.sketch import Ints

Flags = NDArray[np.bool_]


class Key(NamedTuple):
    """A container of a pod."""

    cluster: str
    namespace: str
    pod: str
    container: str


Whose = Callable[[Mapping[str, str]], str | None]  # the cluster of a series; None: one that isn't meant
NOBODYS: Final = Key("", "", "", "")


def key_of(series: Mapping[str, str], names: Names, whose: Whose) -> Key:
    cluster, found = whose(series), series.get
    if cluster is None:
        return NOBODYS
    return Key(cluster, found(names.namespace, ""), found(names.pod, ""), found(names.container, ""))


_MOST: Final = 1 << 50  # of a number that means something; as many as a day has can be added up
_QUIET: Final = 3  # steps; servers don't begin to hear everything at the same time


class Points(NamedTuple):
    """What was seen of one series, in the order of time."""

    times: Ints
    values: Ints


def points(answers: Iterable[Matrix], names: Names, whose: Whose) -> dict[Key, Points]:
    """By container; what isn't a number is left out."""
    parts: dict[Key, list[Points]] = {}
    for answer in answers:
        for at, series in enumerate(answer.labels):
            here = slice(int(answer.offsets[at]), int(answer.offsets[at + 1]))
            values = answer.values[here]
            known = np.isfinite(values)
            bounded = np.clip(values[known], 0, _MOST).astype(np.int64)
            found = Points(answer.times[here][known], bounded)
            parts.setdefault(key_of(series, names, whose), []).append(found)
    return {key: _in_order(each) for key, each in parts.items()}


def _in_order(parts: Sequence[Points]) -> Points:
    times = np.concatenate([part.times for part in parts])
    values = np.concatenate([part.values for part in parts])
    order = np.argsort(times, kind="stable")
    return Points(times[order], values[order])


def rises(counter: Points, since: int) -> Points:
    """When a counter rose after `since`, and by how much.

    A counter that is first seen later began at zero: it is sent only while it is above. One that
    fell was begun anew.
    """
    before = np.concatenate(([0], counter.values[:-1]))
    by = np.where(counter.values < before, counter.values, counter.values - before)
    which = (by > 0) & (counter.times > since)
    return Points(counter.times[which], by[which])


def as_heard(counter: Points, heard: frozenset[int], step: int) -> Points:
    """A counter that is first seen right after a silence may have risen before it, or long ago.

    `heard`: the times at which anything of the cluster was; none where the server doesn't tell.
    """
    first = int(counter.times[0]) if len(counter.times) else 0
    if not first or not heard or all(first - back * step in heard for back in range(1, _QUIET + 1)):
        return counter
    # As if it had been so ever since: before any time that is asked about.
    times = np.concatenate((np.zeros(1, np.int64), counter.times))
    return Points(times, np.concatenate((counter.values[:1], counter.values)))


def beginnings(mark: Points, since: int, step: int) -> Points:
    """When a mark appeared after `since`."""
    before = np.concatenate(([0], mark.times[:-1]))
    which = (mark.times - before > 2 * step) & (mark.times > since)
    return Points(mark.times[which], np.ones(int(which.sum()), np.int64))


class Marks(NamedTuple):
    """What tells of the ends of containers."""

    restarts: Mapping[Key, Points]
    last_killed: Mapping[Key, Points]  # the last end was for lack of memory
    ended_killed: Mapping[Key, Points]  # it has ended so, and is not begun again
    oom_events: Mapping[Key, Points]  # counted by the kernel


NOTHING = Points(np.zeros(0, np.int64), np.zeros(0, np.int64))


def kills(key: Key, marks: Marks, since: int, step: int, lookback: int) -> Points:
    """Kills for lack of memory: each of the three ways may miss some, and none invents any."""
    counter, mark = marks.restarts.get(key, NOTHING), marks.last_killed.get(key, NOTHING)
    risen = rises(counter, since)
    marked = np.isin(risen.times, mark.times) & ~_fades(risen.times, counter, mark, lookback)
    ways = (
        Points(risen.times[marked], risen.values[marked]),
        beginnings(marks.ended_killed.get(key, NOTHING), since, step),
        rises(marks.oom_events.get(key, NOTHING), since),
    )
    return max(ways, key=lambda way: int(way.values.sum()))


def _fades(at: Ints, counter: Points, mark: Points, lookback: int) -> Flags:
    """Where a mark is only seen by looking back, for a later end had another reason.

    It is gone after as long as a server looks back, though the container has not ended again.
    """
    later = at + lookback
    before, after = (np.searchsorted(counter.times, times) for times in (at, later))
    is_known = np.isin(later, counter.times)
    same = is_known & (np.append(counter.values, 0)[after] == np.append(counter.values, 0)[before])
    found: Flags = same & ~np.isin(later, mark.times)
    return found


def killed(marks: Marks, since: int, step: int, lookback: int) -> dict[Key, Points]:
    """All containers that were killed after `since`."""
    keys = {*marks.last_killed, *marks.ended_killed, *marks.oom_events}
    found = {key: kills(key, marks, since, step, lookback) for key in keys}
    return {key: each for key, each in found.items() if len(each.times)}


def limit_before(limits: Points | None, at: int) -> int | None:
    """The limit in force when it was killed; None where there was none."""
    if limits is None or not len(limits.times):
        return None
    position = int(np.searchsorted(limits.times, at, side="left")) - 1
    return int(limits.values[max(0, position)])

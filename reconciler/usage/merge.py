"""The days of each container as one record of what it used.

Sums, peaks and ends of all containers are taken together; only the records are made one by one.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import numpy as np

from reconciler.model import DayPeaks, OomKill, Restarts, Usage
from reconciler.usage.gather import Gathered
from reconciler.usage.index import Index, Space
from reconciler.usage.parquet import NONE
from reconciler.usage.sketch import EMPTY, Ints


def merge_days(
    source: str, index: Index, gathered: Gathered, unknown: Mapping[Space, Ints]
) -> dict[int, Usage]:
    """By number of the container. One that had pods but not a single sample has no usage.

    `unknown` are the days of each namespace on which nobody looked.
    """
    rows = gathered.rows
    if not len(rows.ref):
        return {}
    begins = np.flatnonzero(np.concatenate(([True], rows.ref[1:] != rows.ref[:-1])))
    ends = np.append(begins[1:], len(rows.ref))
    plain = _plain(gathered, begins, ends)
    peaks = _peaks(gathered, begins, ends)
    kills, restarts = _kills(gathered), _restarts(gathered)
    holes = {space: days.tolist() for space, days in unknown.items()}
    usages = {}
    for position, number in enumerate(rows.ref[begins].tolist()):
        one = {name: column[position] for name, column in plain.items()}
        if not one["samples"]:
            continue
        first, last, count = one.pop("first"), one.pop("last"), one.pop("count")
        missing = holes[index.refs[number][:2]]
        between = max(0, bisect_left(missing, last) - bisect_right(missing, first))
        # A day on which nobody looked counts as an average day of the container.
        one["expected"] += one["expected"] * between // count
        query = index.queries[one.pop("query")]
        usages[number] = Usage(
            source=source,
            query=query,
            days=peaks[position],
            oom_kills=tuple(kills.get(number, ())),
            restart_days=tuple(restarts.get(number, ())),
            busy_hours=gathered.busy.get(number, ()),
            **_sketches(gathered, number),
            **one,
        )
    return usages


def _plain(gathered: Gathered, begins: Ints, ends: Ints) -> dict[str, list[Any]]:
    """The fields of `Usage` that are numbers, and what finding the holes needs; a list each."""
    rows, days = gathered.rows, gathered.numbers
    seen = days["samples"] > 0
    last_seen = np.maximum.reduceat(np.where(seen, np.arange(len(seen)), 0), begins)
    first_sample = np.where(seen, days["first_sample"], np.iinfo(np.int64).max)
    last_sample = np.where(seen, days["last_sample"], 0)

    def total(name: str) -> Ints:
        return np.add.reduceat(np.maximum(days[name], 0), begins)

    periods, throttled = total("periods"), total("throttled_periods")
    share = np.where(periods > 0, throttled * 1000 // np.maximum(periods, 1), 0).tolist()
    limited = (np.maximum.reduceat(days["periods"], begins) != NONE).tolist()
    found = {
        "first": rows.day[begins],
        "last": rows.day[ends - 1],
        "count": ends - begins,
        "query": rows.query[begins],
        "start": np.minimum.reduceat(first_sample, begins),
        "end": np.maximum.reduceat(last_sample, begins),
        "step": days["step_seconds"][ends - 1],
        "samples": total("samples"),
        "expected": total("expected_samples"),
        "pods": days["pods"][begins] + total("pods_started") - days["pods_started"][begins],
        "replicas": days["replicas_last"][last_seen],
        "rss_max": np.maximum(np.maximum.reduceat(days["rss_max"], begins), 0),
        "restarts": total("restarts"),
        "owner_guessed": np.maximum.reduceat(days["owner_guessed"], begins) > 0,
    }
    plain: dict[str, list[Any]] = {name: column.tolist() for name, column in found.items()}
    plain["throttled_permille"] = [
        permille if limit else None for permille, limit in zip(share, limited, strict=True)
    ]
    return plain


def _sketches(gathered: Gathered, number: int) -> dict[str, Any]:
    return {
        "cpu": gathered.sketches["cpu"].get(number, EMPTY),
        "cpu_worst_pod": gathered.sketches["worst_cpu"].get(number, EMPTY),
        "memory": gathered.sketches["memory"].get(number, EMPTY),
        "memory_worst_pod": gathered.sketches["worst_memory"].get(number, EMPTY),
        "cpu_decayed": gathered.decayed.get(number, EMPTY),
    }


def _peaks(gathered: Gathered, begins: Ints, ends: Ints) -> list[tuple[DayPeaks, ...]]:
    """Days without a sample have none."""
    names = ("day", "samples", "cpu_p95", "cpu_max", "memory_max")
    columns = (gathered.numbers[name].tolist() for name in names)
    every = list(map(DayPeaks, *columns))
    return [
        tuple(peak for peak in every[begin:end] if peak.samples)
        for begin, end in zip(begins.tolist(), ends.tolist(), strict=True)
    ]


def _restarts(gathered: Gathered) -> dict[int, list[Restarts]]:
    days = gathered.numbers
    which = np.flatnonzero(days["restarts"] > 0)
    columns = (gathered.rows.ref[which], days["day"][which], days["restarts"][which])
    found: dict[int, list[Restarts]] = defaultdict(list)
    for number, day, restarts in zip(*(column.tolist() for column in columns), strict=True):
        found[number].append(Restarts(day, restarts))
    return found


def _kills(gathered: Gathered) -> dict[int, list[OomKill]]:
    days = gathered.numbers
    which = np.flatnonzero(days["oom_kills"] > 0)
    limits = np.maximum(days["oom_limit_bytes"][which], 0)
    columns = (gathered.rows.ref[which], days["day"][which], days["oom_kills"][which], limits)
    found: dict[int, list[OomKill]] = defaultdict(list)
    for number, *kill in zip(*(column.tolist() for column in columns), strict=True):
        found[number].append(OomKill(*kill))
    return found

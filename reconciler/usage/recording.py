"""Recorded utilization as a source: a folder of Parquet files, read offline."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reconciler.errors import Misconfigured
from reconciler.model import ContainerRef, DayPeaks, Failure, NoUsage, OomKill, Reason, Usage
from reconciler.usage import sketch
from reconciler.usage.gather import Gathered, gather
from reconciler.usage.index import Index, Window, build_index, holes, rows_that_count
from reconciler.usage.parquet import NONE, WHAT
from reconciler.usage.port import Reading
from reconciler.usage.sketch import Ints

# A container as a recording without cluster names knows it.
_Local = tuple[str, str, str, str]
_Workload = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class RecordingSource:
    """Answers from the files that `open_recording` found usable."""

    name: str
    folder: Path
    index: Index
    failures: tuple[Failure, ...] = ()

    def last_sample(self) -> int | None:
        return self.index.last_sample()

    def read(self, wanted: Sequence[ContainerRef], start: int, end: int) -> Reading:
        """Days count whole, as many as fit between the two times, and none that ends after `end`."""
        window = Window.between(start, end)
        found = _identify(wanted, self.index.refs)
        index, failures = self.index, self.failures
        while True:
            known = sorted({number for number, _ in found.known.values()})
            gathered, broken = gather(index, rows_that_count(index, known, window))
            if not broken:
                break
            # Their rows may stand in another file too, so choose again without them.
            index, failures = index.without(broken), failures + tuple(broken.values())
        usages = _usages(self.name, index, gathered, holes(index, window))
        answers: dict[ContainerRef, Usage | NoUsage] = dict(found.refused)
        for ref, (number, guessed) in found.known.items():
            usage = usages.get(number)
            answers[ref] = _none_in_window(window) if usage is None else _as_asked(usage, guessed)
        return Reading({ref: answers[ref] for ref in wanted}, failures)


def open_recording(folder: Path, name: str) -> RecordingSource:
    """Look at all files of a folder, or at one file. Broken ones are failures of the source."""
    if folder.is_file():
        paths = [folder]
    elif folder.is_dir():
        paths = sorted(path for path in folder.glob("*.parquet") if not path.name.startswith("."))
    else:
        raise Misconfigured(WHAT, "there is no such folder; check the path of the metrics", path=str(folder))
    if not paths:
        error = "the folder has no *.parquet file; record one with `reconcile record`, or check the path"
        raise Misconfigured(WHAT, error, path=str(folder))
    index, failures = build_index(paths)
    return RecordingSource(name, folder, index, failures)


# ---------------------------------------------------------------------------------------------
# Who is meant
# ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Identified:
    """For each container its number in the index and whether that took a guess, or why not."""

    known: dict[ContainerRef, tuple[int, bool]]
    refused: dict[ContainerRef, NoUsage]


def _identify(wanted: Sequence[ContainerRef], recorded: Sequence[ContainerRef]) -> _Identified:
    exact = {ref: number for number, ref in enumerate(recorded)}
    by_local: dict[_Local, list[int]] = defaultdict(list)
    by_workload: dict[_Workload, list[int]] = defaultdict(list)
    for number, ref in enumerate(recorded):
        by_local[ref[1:]].append(number)
        by_workload[ref[2:]].append(number)
    asked_in: dict[_Local, set[str]] = defaultdict(set)
    for ref in wanted:
        asked_in[ref[1:]].add(ref.cluster)
    result = _Identified({}, {})
    for ref in wanted:
        if ref.namespace:
            numbers = _in_namespace(ref, exact, by_local)
        else:
            same = by_workload[ref[2:]]
            numbers = [number for number in same if ref.cluster in ("", recorded[number].cluster)]
        one = numbers[0] if len(numbers) == 1 else None
        if one is None:
            result.refused[ref] = _unknown(ref, [recorded[number] for number in numbers])
        elif ref.cluster and not recorded[one].cluster and len(asked_in[ref[1:]]) > 1:
            result.refused[ref] = _ambiguous(f"the recording has {recorded[one]} without saying whose it is")
        else:
            result.known[ref] = (one, not ref.namespace)
    return result


def _in_namespace(
    ref: ContainerRef, exact: Mapping[ContainerRef, int], by_local: Mapping[_Local, list[int]]
) -> list[int]:
    """A recording without cluster names is of any cluster; an unknown cluster is any that has it."""
    if not ref.cluster:
        return by_local.get(ref[1:], [])
    found = exact.get(ref, exact.get(ref._replace(cluster="")))
    return [] if found is None else [found]


def _unknown(ref: ContainerRef, candidates: list[ContainerRef]) -> NoUsage:
    clusters = sorted({found.cluster for found in candidates})
    if len(clusters) > 1:
        return _ambiguous(
            f"recorded in the clusters {_listed(clusters)}, and the repository does not say which"
        )
    if candidates:
        spaces = _listed(sorted({found.namespace for found in candidates}))
        detail = f"recorded in the namespaces {spaces}, and the repository does not say which"
        return NoUsage(Reason.NO_METRICS, detail)
    return NoUsage(Reason.NO_METRICS, f"the recording has nothing of {ref}")


def _ambiguous(detail: str) -> NoUsage:
    return NoUsage(Reason.AMBIGUOUS_CLUSTER, detail)


def _listed(names: list[str]) -> str:
    shown = ", ".join(name or '""' for name in names[:5])
    return f"{shown} and {len(names) - 5} more" if len(names) > 5 else shown


def _none_in_window(window: Window) -> NoUsage:
    days = window.last - window.first + 1
    return NoUsage(Reason.NO_METRICS, f"the recording has no samples of it in the {days} days of the window")


def _as_asked(usage: Usage, guessed: bool) -> Usage:
    """A container whose namespace the repository leaves open was found by its name only."""
    return usage._replace(owner_guessed=True) if guessed else usage


# ---------------------------------------------------------------------------------------------
# What they used
# ---------------------------------------------------------------------------------------------


def _usages(source: str, index: Index, gathered: Gathered, missing: Mapping[str, Ints]) -> dict[int, Usage]:
    """By number of the container. One that had pods but not a single sample has no usage."""
    rows = gathered.rows
    if not len(rows.ref):
        return {}
    begins = np.flatnonzero(np.concatenate(([True], rows.ref[1:] != rows.ref[:-1])))
    ends = [*begins[1:].tolist(), len(rows.ref)]
    usages = {}
    for begin, end in zip(begins.tolist(), ends, strict=True):
        number = int(rows.ref[begin])
        if rows.samples[begin:end].any():
            days = {name: column[begin:end] for name, column in gathered.numbers.items()}
            unknown = missing[index.refs[number].cluster]
            query = index.queries[int(rows.query[begin])]
            usages[number] = _usage(source, query, number, days, gathered, unknown)
    return usages


def _usage(
    source: str, query: str, number: int, days: dict[str, Ints], gathered: Gathered, unknown: Ints
) -> Usage:
    seen = days["samples"] > 0
    periods = int(np.maximum(days["periods"], 0).sum())
    throttled = int(np.maximum(days["throttled_periods"], 0).sum())
    has_limit = bool((days["periods"] != NONE).any())
    sketches = {name: found.get(number, sketch.EMPTY) for name, found in gathered.sketches.items()}
    return Usage(
        source=source,
        query=query,
        start=int(days["first_sample"][seen].min()),
        end=int(days["last_sample"][seen].max()),
        step=int(days["step_seconds"][-1]),
        samples=int(days["samples"].sum()),
        expected=_expected(days, unknown),
        pods=int(days["pods"][0] + days["pods_started"][1:].sum()),
        replicas=int(days["replicas_last"][seen][-1]),
        cpu=sketches["cpu"],
        cpu_worst_pod=sketches["worst_cpu"],
        memory=sketches["memory"],
        memory_worst_pod=sketches["worst_memory"],
        rss_max=max(0, int(days["rss_max"].max())),
        days=_peaks(days),
        oom_kills=_kills(days),
        throttled_permille=(throttled * 1000 // periods if periods else 0) if has_limit else None,
        restarts=int(days["restarts"].sum()),
        owner_guessed=bool(days["owner_guessed"].any()),
    )


def _expected(days: dict[str, Ints], unknown: Ints) -> int:
    """Days between its first and last of which nothing is known count as its average day."""
    expected = int(days["expected_samples"].sum())
    count = len(days["day"])
    between = (unknown > days["day"][0]) & (unknown < days["day"][-1])
    return expected + expected * int(between.sum()) // count


def _peaks(days: dict[str, Ints]) -> tuple[DayPeaks, ...]:
    names = ("day", "samples", "cpu_p95", "cpu_max", "memory_max")
    rows = zip(*(days[name].tolist() for name in names), strict=True)
    return tuple(DayPeaks(*row) for row in rows if row[1])


def _kills(days: dict[str, Ints]) -> tuple[OomKill, ...]:
    killed = days["oom_kills"] > 0
    names = ("day", "oom_kills", "oom_limit_bytes")
    rows = zip(*(days[name][killed].tolist() for name in names), strict=True)
    return tuple(OomKill(day, kills, max(0, limit)) for day, kills, limit in rows)

"""The samples to replay: a table of them, taken apart into one history a container."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reconciler.backtest.past import PodPeaks, Points, Requests
from reconciler.errors import Problem
from reconciler.model import ContainerRef, OomKill
from reconciler.usage.days import DAY, ContainerDay
from reconciler.usage.parquet import Texts
from reconciler.usage.samples import NO_SAMPLE
from reconciler.usage.series import Events, Series, days_of_series, millicores
from reconciler.usage.sketch import LARGEST, Ints
from reconciler.usage.tabular import WHAT, Floats, Table, Wanted, read_table

COLUMNS = Wanted(
    texts=("namespace", "workload", "pod", "container"),
    numbers=("timestamp", "cpu_cores", "memory_bytes"),
    optional=("cpu_request", "memory_request"),
    flags=("oom",),
)
KIND = "Deployment"  # the table doesn't say; it is what nothing special holds for
_FAR = 7_258_118_400  # the year 2200; milliseconds are always beyond
_MOST_CORES = 1_000_000.0
_ANY_STEP = 60  # of series with a single sample a pod


@dataclass(frozen=True)
class History:
    """All samples of one container, ascending in time."""

    ref: ContainerRef
    in_pod: int  # containers of its pods
    step: int
    time: Ints
    pod: Ints  # a number for each pod
    cpu: Floats  # cores; NaN for none
    memory: Ints  # bytes; NO_SAMPLE for none
    cpu_request: Floats  # cores as the table states them, NaN for none; empty when it never does
    memory_request: Floats  # bytes
    oom: Ints  # kills

    @cached_property
    def days(self) -> Ints:
        """Days since 1970, UTC, on which there are samples."""
        found: Ints = np.unique(self.time // DAY)
        return found

    @cached_property
    def begins(self) -> Ints:
        """Where the samples of each day begin, and at last where all end."""
        found: Ints = np.append(np.searchsorted(self.time, self.days * DAY), len(self.time))
        return found

    @cached_property
    def peaks(self) -> Ints:
        """The highest memory of each day."""
        found: Ints = np.maximum.reduceat(self.memory, self.begins[:-1])
        return found

    def between(self, first: int, last: int) -> slice:
        """Samples from the begin of one day to the begin of the other."""
        begin, end = np.searchsorted(self.time, [first * DAY, last * DAY]).tolist()
        return slice(begin, end)

    def cpu_points(self, first: int, end: int) -> Points:
        mine = self.between(first, end)
        found = Points(self.time[mine], self.pod[mine], self.cpu[mine], None)
        return found.where(~np.isnan(found.value))

    def memory_points(self, first: int, end: int) -> Points:
        mine = self.between(first, end)
        found = Points(self.time[mine], self.pod[mine], self.memory[mine].astype(np.float64), None)
        return found.where(found.value >= 0)

    def pod_peaks(self) -> PodPeaks:
        known = self.memory >= 0
        pods = int(self.pod.max()) + 1
        keys, entry = np.unique(self.time[known] // DAY * pods + self.pod[known], return_inverse=True)
        peak = np.zeros(len(keys))
        np.maximum.at(peak, entry, self.memory[known].astype(np.float64))
        return PodPeaks(keys // pods, peak)

    def rows(self) -> tuple[ContainerDay, ...]:
        rss = np.full(len(self.time), NO_SAMPLE, np.int64)
        samples = Series(self.time, self.pod, millicores(self.cpu), self.memory, rss)
        return days_of_series(self.ref, samples, self.step, Events())

    def stated(self, day: int) -> Requests:
        before = slice(0, int(np.searchsorted(self.time // DAY, day)))
        cpu, memory = _last(self.cpu_request[before]), _last(self.memory_request[before])
        return Requests(None if cpu is None else round(cpu * 1000), None if memory is None else round(memory))

    def kills(self) -> tuple[OomKill, ...]:
        """Under a limit that nobody knows."""
        found = np.flatnonzero(self.oom)
        days, which = np.unique(self.time[found] // DAY, return_inverse=True)
        numbers = np.bincount(which, self.oom[found], len(days)).astype(np.int64)
        return tuple(OomKill(*pair, 0) for pair in zip(days.tolist(), numbers.tolist(), strict=True))


def _last(stated: Floats) -> float | None:
    known = stated[~np.isnan(stated)]
    return float(known[-1]) if len(known) and known[-1] > 0 else None


def read_series(path: Path) -> tuple[History, ...]:
    """One history a container, in the order of their names."""
    table = read_table(path, COLUMNS)
    _check(table)
    return _apart(table)


def _check(table: Table) -> None:
    numbers = table.numbers
    time = numbers["timestamp"]
    if not len(time):
        raise Problem(WHAT, "it has no samples", path=str(table.path))
    _refuse_where(table, ~((time >= 0) & (time < _FAR)), "timestamp", "no time in Unix seconds")
    for name, most in (("cpu_cores", _MOST_CORES), ("memory_bytes", float(LARGEST))):
        for each in {name, name.replace("cores", "request").replace("bytes", "request")} & numbers.keys():
            wrong = ~np.isnan(numbers[each]) & ~((numbers[each] >= 0) & (numbers[each] <= most))
            _refuse_where(table, wrong, each, "nothing that a container can use or request")
    for name in ("workload", "container"):
        codes, strings = table.texts[name]
        empty = np.array([not text for text in strings], bool)
        if empty[codes].any():
            table.refuse(int(np.argmax(empty[codes])), f"{name} is empty")
    if "oom" in numbers:
        _refuse_where(table, numbers["oom"] < 0, "oom", "no number of kills")


def _refuse_where(table: Table, wrong: NDArray[np.bool_], name: str, why: str) -> None:
    if wrong.any():
        row = int(np.argmax(wrong))
        table.refuse(row, f"{name} is {table.numbers[name][row]:.15g}, {why}")


def _apart(table: Table) -> tuple[History, ...]:
    texts, numbers = table.texts, table.numbers
    workload = _joined(texts["namespace"].codes, texts["workload"].codes)
    owner = _joined(workload, texts["container"].codes)
    together = _containers_in_pods(workload, texts["container"].codes)
    time = numbers["timestamp"].astype(np.int64)
    order = np.argsort(_ranks(texts["pod"]), kind="stable")  # so that the order of lines doesn't matter
    order = order[np.argsort((owner * np.int64(_FAR) + time)[order], kind="stable")]
    owner = owner[order]
    begins = np.flatnonzero(np.diff(owner, prepend=-1))
    ends = np.append(begins[1:], len(owner))
    found = []
    for begin, end in zip(begins.tolist(), ends.tolist(), strict=True):
        mine = order[begin:end]
        found.append(_history(table, mine, int(together[workload[mine[0]]]), time[mine]))
    return tuple(sorted(found, key=lambda one: one.ref))


def _joined(*columns: Ints) -> Ints:
    """One number for each combination, from 0 on."""
    whole = columns[0]
    for column in columns[1:]:
        whole = whole * (int(column.max()) + 1) + column
    _, codes = np.unique(whole, return_inverse=True)
    return codes.astype(np.int64)


def _ranks(texts: Texts) -> Ints:
    """Where each text stands among all, sorted."""
    ranks = {text: rank for rank, text in enumerate(sorted(set(texts.strings)))}
    return np.array([ranks[text] for text in texts.strings], np.int64)[texts.codes]


def _containers_in_pods(workload: Ints, container: Ints) -> Ints:
    """How many each workload has."""
    width = int(container.max()) + 1
    pairs = np.unique(workload * width + container)
    return np.bincount(pairs // width)


def _history(table: Table, mine: Ints, in_pod: int, time: Ints) -> History:
    numbers = table.numbers

    def text(name: str) -> str:
        column: Texts = table.texts[name]
        return column.strings[int(column.codes[mine[0]])]

    def stated(name: str) -> Floats:
        return numbers[name][mine] if name in numbers else np.zeros(0)

    memory = numbers["memory_bytes"][mine]
    _, pod = np.unique(table.texts["pod"].codes[mine], return_inverse=True)
    return History(
        ref=ContainerRef("", text("namespace"), KIND, text("workload"), text("container")),
        in_pod=in_pod,
        step=_step(time, pod),
        time=time,
        pod=pod.astype(np.int64),
        cpu=numbers["cpu_cores"][mine],
        memory=np.where(np.isnan(memory), NO_SAMPLE, np.rint(memory)).astype(np.int64),
        cpu_request=stated("cpu_request"),
        memory_request=stated("memory_request"),
        oom=np.nan_to_num(stated("oom")).astype(np.int64) if "oom" in numbers else np.zeros(0, np.int64),
    )


def _step(time: Ints, pod: Ints) -> int:
    """What mostly lies between two samples of a pod."""
    order = np.argsort(pod, kind="stable")
    gaps = np.diff(time[order])[np.diff(pod[order]) == 0]
    gaps = gaps[gaps > 0]
    return int(np.median(gaps)) if len(gaps) else _ANY_STEP

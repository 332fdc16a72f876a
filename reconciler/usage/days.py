"""A container's day: the row that recordings consist of, and the columns it is written as."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import NamedTuple

from reconciler.canonical import digest
from reconciler.model import ContainerRef, Sketch

FORMAT = "usage/v1"
DAY = 86_400
HOURS = 24
_EPOCH = date(1970, 1, 1).toordinal()

Query = Mapping[str, str | int]
Hours = tuple[int | None, ...]


def query_hash(query: Query) -> str:
    """Names a way of asking. Days that were asked for differently are never merged."""
    return digest(query)[:16]


def days_since_1970(iso: str) -> int:
    """2026-03-01 as a number; ValueError when it is no date."""
    return date.fromisoformat(iso).toordinal() - _EPOCH


def iso_day(day: int) -> str:
    return date.fromordinal(day + _EPOCH).isoformat()


class Hourly(NamedTuple):
    """24 numbers each, None for an hour without samples."""

    samples: tuple[int, ...]
    cpu_p95: Hours
    cpu_max: Hours
    memory_max: Hours


class Trouble(NamedTuple):
    """What went wrong on that day. The periods are None when no CPU limit was in force."""

    oom_kills: int = 0
    oom_limit_bytes: int | None = None
    restarts: int = 0
    throttled_periods: int | None = None
    periods: int | None = None


class Resources(NamedTuple):
    """Requests and limits in force; None is unset."""

    cpu_request: int | None = None
    memory_request: int | None = None
    cpu_limit: int | None = None
    memory_limit: int | None = None


class ContainerDay(NamedTuple):
    """What one container used on one UTC day, over all pods that it had on that day."""

    ref: ContainerRef
    day: int  # days since 1970-01-01
    step: int
    samples: int
    expected: int
    pods: int
    pods_started: int
    replicas_last: int
    first_sample: int
    last_sample: int
    cpu: Sketch
    worst_cpu: Sketch
    memory: Sketch
    worst_memory: Sketch
    rss_max: int | None
    hours: Hourly
    trouble: Trouble = Trouble()
    resources: Resources = Resources()
    owner_guessed: bool = False


class Column(NamedTuple):
    """One column of the file. The reference in docs/recording.md is this table."""

    name: str
    kind: str  # text | date | int | flag | int32s | int64s (a list) | hour32s | hour64s (24 of them)
    nullable: bool
    words: str

    @property
    def is_list(self) -> bool:
        return self.kind.endswith("s")

    @property
    def is_hours(self) -> bool:
        return self.kind.startswith("hour")


def _column(name: str, kind: str, words: str, nullable: bool = False) -> Column:
    return Column(name, kind, nullable, words)


COLUMNS = (
    _column("cluster", "text", "name of the cluster; empty when there is one only"),
    _column("namespace", "text", "namespace of the pods"),
    _column("kind", "text", "kind of the workload, as in its manifest"),
    _column("workload", "text", "name of the workload"),
    _column("container", "text", "name of the container"),
    _column("day", "date", "the day, UTC"),
    _column("query", "text", "hash of how it was asked; the same in all rows of a file"),
    _column("step_seconds", "int", "time between two samples of a pod"),
    _column("samples", "int", "samples that have both CPU and memory, over all pods"),
    _column("expected_samples", "int", "lifetimes of its pods on that day, divided by the step"),
    _column("pods", "int", "pods that lived on that day"),
    _column("pods_started", "int", "of these, the ones that did not live at midnight yet"),
    _column("replicas_last", "int", "pods at the last sample of the day"),
    _column("first_sample", "int", "Unix time of the first sample; midnight when there is none"),
    _column("last_sample", "int", "Unix time of the last sample; midnight when there is none"),
    _column("owner_guessed", "flag", "the workload was guessed from the pods' names"),
    _column("cpu_millicores", "int32s", "CPU of all pods: values, ascending"),
    _column("cpu_samples", "int32s", "how many samples had each of these values"),
    _column("worst_cpu_millicores", "int32s", "CPU of the pod with the highest 95th percentile: values"),
    _column("worst_cpu_samples", "int32s", "their counts"),
    _column("cpu_max", "int", "highest CPU, millicores; exact"),
    _column("memory_bytes", "int64s", "working set of all pods: values, ascending"),
    _column("memory_samples", "int32s", "their counts"),
    _column("worst_memory_bytes", "int64s", "working set of the pod with the highest peak: values"),
    _column("worst_memory_samples", "int32s", "their counts"),
    _column("memory_max", "int", "highest working set, bytes; exact"),
    _column("rss_max", "int", "highest resident set, bytes; null when not measured", True),
    _column("hour_samples", "hour32s", "samples in each hour of the day"),
    _column("hour_cpu_p95", "hour32s", "95th percentile of CPU in each hour; null without samples", True),
    _column("hour_cpu_max", "hour32s", "highest CPU in each hour", True),
    _column("hour_memory_max", "hour64s", "highest working set in each hour", True),
    _column("throttled_periods", "int", "CFS periods that were throttled; null without a CPU limit", True),
    _column("periods", "int", "CFS periods that ran; null without a CPU limit", True),
    _column("oom_kills", "int", "kills for lack of memory"),
    _column("oom_limit_bytes", "int", "highest memory limit at these kills; null when none", True),
    _column("restarts", "int", "restarts of the container"),
    _column("cpu_request", "int", "millicores in force at the end of the day; null when unset", True),
    _column("memory_request", "int", "bytes in force at the end of the day; null when unset", True),
    _column("cpu_limit", "int", "millicores in force at the end of the day; null when unset", True),
    _column("memory_limit", "int", "bytes in force at the end of the day; null when unset", True),
)
BY_NAME = {column.name: column for column in COLUMNS}
IDENTITY = ("cluster", "namespace", "kind", "workload", "container")

# The two lists of each sketch: values and counts.
SKETCHES = {
    "cpu": ("cpu_millicores", "cpu_samples"),
    "worst_cpu": ("worst_cpu_millicores", "worst_cpu_samples"),
    "memory": ("memory_bytes", "memory_samples"),
    "worst_memory": ("worst_memory_bytes", "worst_memory_samples"),
}

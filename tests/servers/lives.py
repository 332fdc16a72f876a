"""Containers of pods as a test makes them up, and the series that a metrics server would have of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from servers.in_process import InProcess, Series

from reconciler.usage.cache import DayCache
from reconciler.usage.prometheus.listening import Server, Source
from reconciler.usage.prometheus.promql import Scope
from reconciler.usage.prometheus.source import LiveSource
from reconciler.usage.shelf import FolderShelf

DAY = 86_400
MEBI = 1 << 20


class Life(NamedTuple):
    """A container of a pod, and how it was seen."""

    namespace: str
    pod: str
    owner: tuple[str, str]  # kind and name, as kube-state-metrics tells; an empty kind: it tells nothing
    begin: int
    end: int
    container: str = "app"
    cpu: float = 0.1  # cores
    memory: float = 100 << 20
    peaks: Sequence[tuple[int, float]] = ()  # when, and how many bytes
    limit: float = 0
    more: Mapping[str, str] = {}  # labels of all its series, such as `cluster`
    every: int = 60


def series_of(lives: Iterable[Life]) -> list[Series]:
    """As the kubelet and kube-state-metrics tell of them; the node lives as long as anything on it."""
    lives = list(lives)
    found = [one for life in lives for one in _of_one(life)]
    for more in {tuple(sorted(life.more.items())) for life in lives}:
        mine = [life for life in lives if tuple(sorted(life.more.items())) == more]
        begin, end = min(life.begin for life in mine), max(life.end for life in mine)
        times = np.arange(begin, end + 1, mine[0].every, dtype=np.int64)
        root = {"__name__": "container_memory_working_set_bytes", "id": "/", **dict(more)}
        found.append(Series(root, times, np.full(len(times), 1e9)))
    return found


def _of_one(life: Life) -> Iterator[Series]:
    times = np.arange(life.begin, life.end + 1, life.every, dtype=np.int64)
    who = {"namespace": life.namespace, "pod": life.pod, **life.more}
    mine = {**who, "container": life.container}
    memory = np.full(len(times), float(life.memory))
    for when, size in life.peaks:
        memory[np.abs(times - when) < life.every] = size
    seen = {**mine, "image": "registry/app:1", "id": f"/pods/{life.pod}/{life.container}"}
    for metric, values in (
        ("container_memory_working_set_bytes", memory),
        ("container_memory_rss", memory // 2),
        ("container_cpu_usage_seconds_total", (times - life.begin) * life.cpu),
    ):
        yield Series({**seen, "__name__": metric}, times, values)
    kind, name = life.owner
    if kind:
        owner = {"owner_kind": kind, "owner_name": name, "owner_is_controller": "true"}
        yield Series({**who, **owner, "__name__": "kube_pod_owner"}, times, np.ones(len(times)))
    stated = {"requests": 64 << 20, **({"limits": life.limit} if life.limit else {})}
    for what, value in stated.items():
        labels = {**mine, "resource": "memory", "__name__": f"kube_pod_container_resource_{what}"}
        yield Series(labels, times, np.full(len(times), float(value)))


def source_over(server: InProcess | Server, folder: Path, **more: object) -> LiveSource:
    """A new one each time, as a run has it; all over one folder share a cache."""

    shelf = FolderShelf(folder)

    def cache(scope: Scope) -> DayCache:
        return DayCache(shelf, str(scope[1:]))

    return LiveSource(Source(**{"name": "main", "server": server, "clusters": {}, "cache": cache, **more}))

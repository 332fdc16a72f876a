"""What containers really used, and what of it was scraped, beside what a metrics server says."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from servers.lived import BEGIN, DAY, END, Container, Pod, Workload, pods_of
from servers.scraped import GRID, Run, Scraping, Series, runs_of

from reconciler.model import ContainerRef

STEP = 300


class Truth(NamedTuple):
    """Of one container over all its pods and the whole time."""

    cpu: np.ndarray  # cores: means of all steps at which a pod lived
    memory_of_days: dict[int, int]  # by day since 1970: highest sample, as scraped
    rss: int  # highest sample
    kills: tuple[tuple[int, int | None], ...]  # when, and the limit
    restarts_of_days: dict[int, int]
    hours: dict[int, float]  # by hour since 1970: millicores that 95 of 100 steps don't pass
    throttled: float | None  # share of periods; None without a limit
    pods: int
    steps: float  # lifetimes divided by the step
    replicas: int  # that lived at the end

    def quantile(self, permille: int) -> float:
        """Millicores, by the nearest rank."""
        return _quantile(self.cpu, permille)

    @property
    def restarts(self) -> int:
        return sum(self.restarts_of_days.values())

    @property
    def memory(self) -> int:
        return max(self.memory_of_days.values())


def truths(
    workloads: Sequence[Workload], series: Iterable[Series], how: Scraping
) -> dict[ContainerRef, Truth]:
    runs = defaultdict(list)
    for run in runs_of(workloads):
        runs[_ref(run.pod.workload, run.container, how)].append(run)
    memory = _highest(series, "container_memory_working_set_bytes")
    resident = _highest(series, "container_memory_rss")
    found = {}
    for workload in workloads:
        pods = list(pods_of(workload))
        for container in workload.containers:
            ref = _ref(workload, container, how)
            names = {(workload.namespace, pod.name, container.name) for pod in pods}
            days: dict[int, int] = defaultdict(int)
            for name in names:
                for day, value in memory.get(name, {}).items():
                    days[day] = max(days[day], value)
            rss = max(value for name in names for value in resident.get(name, {0: 0}).values())
            found[ref] = _truth(container, pods, runs[ref], dict(days), rss)
    return found


def _ref(workload: Workload, container: Container, how: Scraping) -> ContainerRef:
    return ContainerRef(how.cluster, workload.namespace, workload.kind, workload.name, container.name)


def _truth(
    container: Container, pods: Sequence[Pod], runs: Sequence[Run], days: dict[int, int], rss: int
) -> Truth:
    events = [(pod, event) for pod in pods for event in pod.events(container.name)]
    events = [(pod, event) for pod, event in events if BEGIN <= event.time < END]
    restarts = [event.time for pod, event in events if event.what != "child" and not pod.failed]
    kills = [event.time for _, event in events if event.what in ("killed", "child")]
    lived = [(max(pod.begin, BEGIN), pod.failed or pod.end) for pod in pods]
    means = [_means(container, pod) for pod in pods]
    cpu = np.concatenate([found for _, found in means])
    hours = np.concatenate([times // 3600 for times, _ in means])
    return Truth(
        cpu=cpu,
        memory_of_days=days,
        rss=rss,
        kills=tuple((time, container.memory_limit(time)) for time in sorted(kills)),
        restarts_of_days=dict(Counter(time // DAY for time in restarts)),
        hours={hour: _quantile(cpu[hours == hour], 950) for hour in np.unique(hours).tolist()},
        throttled=container.throttled if container.cpu_limit else None,
        pods=len({pod.name for pod, (_, end) in zip(pods, lived, strict=True) if end > BEGIN}),
        steps=sum(max(0, end - begin) for begin, end in lived) / STEP,
        replicas=sum(end >= END for _, end in lived),
    )


def _quantile(values: np.ndarray, permille: int) -> float:
    ordered = np.sort(values)
    return float(ordered[max(0, -(-len(ordered) * permille // 1000) - 1)] * 1000)


def _means(container: Container, pod: Pod) -> tuple[np.ndarray, np.ndarray]:
    """The begin of each step on which it lived, at least in part, and what it used then.

    A container that starts anew goes on as before.
    """
    begin, end = max(pod.begin, BEGIN), pod.failed or pod.end
    if end <= begin:
        return np.zeros(0, np.int64), np.zeros(0)
    grid = np.arange(begin // STEP * STEP, -(-end // STEP) * STEP, GRID)
    use = container.cpu(grid, pod.replica) * ((grid >= begin) & (grid < end))
    return grid[:: STEP // GRID], use.reshape(-1, STEP // GRID).mean(axis=1)


def _highest(series: Iterable[Series], metric: str) -> dict[tuple[str, str, str], dict[int, int]]:
    """By container of a pod and day. What was scraped at midnight belongs to the day before."""
    found: dict[tuple[str, str, str], dict[int, int]] = defaultdict(dict)
    for one in series:
        labels = one.labels
        if labels["__name__"] != metric or labels.get("container", "POD") == "POD":
            continue
        days = found[labels["namespace"], labels["pod"], labels["container"]]
        inside = (one.times > BEGIN * 1000) & (one.times <= END * 1000) & np.isfinite(one.values)
        times, values = one.times[inside], one.values[inside]
        of_day = (times - 1) // (DAY * 1000)
        for day in np.unique(of_day).tolist():
            days[day] = max(days.get(day, 0), int(values[of_day == day].max()))
    return found

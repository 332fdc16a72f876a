"""What a Prometheus would have stored: the series of cAdvisor and of kube-state-metrics."""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from servers.blocks import STALE
from servers.lived import BEGIN, END, NODES, Container, Pod, Workload, pods_of

GRID = 5  # seconds; loads are taken as constant in between
EARLY = 3600  # scraping began this long before the world that is asked for
LINGER = 1800  # a job's pod that failed is there that long
CHURN = 46_800
Labels = Mapping[str, str]


class Series(NamedTuple):
    labels: Labels
    times: np.ndarray  # milliseconds
    values: np.ndarray


class Scraping(NamedTuple):
    """How, and how well, series came to be."""

    interval: int = 60
    jitter: int = 0  # milliseconds, at most
    silence: tuple[int, int] = (0, 0)  # nothing was scraped
    servers: tuple[str, ...] = ("",)  # values of `prometheus_replica`
    jobs: tuple[str, ...] = ("kubelet",)  # that scrape cAdvisor
    churn: bool = False  # a label of the node changes now and then, and for a while both are there
    state_metrics: int = 1  # replicas of kube-state-metrics
    exported: bool = False  # kube-state-metrics with honor_labels: false
    odd: bool = False  # NaN in between, and counters that begin anew in the same series
    rules: bool = False  # the CPU rule of the kubernetes-mixin
    cluster: str = ""  # value of the label


class Run(NamedTuple):
    """A container of a pod, from a start to its end."""

    pod: Pod
    container: Container
    number: int
    begin: int
    end: int


def runs_of(workloads: Iterable[Workload]) -> Iterator[Run]:
    for workload in workloads:
        for pod in pods_of(workload):
            for container in workload.containers:
                for number, (begin, end) in enumerate(pod.runs(container.name)):
                    yield Run(pod, container, number, begin, end)


def scraped(workloads: Sequence[Workload], how: Scraping) -> Iterator[Series]:
    pods = [pod for workload in workloads for pod in pods_of(workload)]
    for server in how.servers:
        view = _View(how, {"cluster": how.cluster, "prometheus_replica": server})
        for job in how.jobs:
            for run in runs_of(workloads):
                yield from view.of_run(run, job)
            for pod in pods:
                yield from view.of_cgroups(pod, job)
            for node in range(NODES):
                yield from view.of_node(node, job)
        for number in range(how.state_metrics):
            for pod in pods:
                if not pod.workload.unowned:
                    yield from view.of_pod(pod, number)
            for workload in workloads:
                yield from view.of_workload(workload, number)
        if how.rules:
            yield from _joined(series for run in runs_of(workloads) for series in view.of_rule(run))


class _View:
    """One server's view of the cluster."""

    def __init__(self, how: Scraping, external: Labels) -> None:
        self.how = how
        self.external = external

    # ---- cAdvisor ------------------------------------------------------------------------------

    def of_run(self, run: Run, job: str) -> Iterator[Series]:
        times = self.times(f"{job}-{run.pod.node}", run.begin + 2, run.end)
        seconds = times / 1000
        counted = _used(run, seconds)
        if self.how.odd:
            counted = _begun_anew(counted, len(times) // 3)
        memory = run.container.memory(seconds, run.pod.replica)
        resident = np.floor(memory * run.container.resident)
        odd = memory.copy()
        if self.how.odd:
            odd[5::97] = np.nan
        children = [e.time for e in run.pod.events(run.container.name) if e.what == "child"]
        children = [time for time in children if run.begin <= time < run.end]
        values = {
            "container_cpu_usage_seconds_total": counted,
            "container_memory_working_set_bytes": odd,
            "container_memory_rss": resident,
            "container_oom_events_total": np.searchsorted(children, seconds).astype(float),
            "container_start_time_seconds": np.full(len(times), float(run.begin)),
        }
        if run.container.cpu_limit:
            periods = np.floor((seconds - run.begin) * 10)
            values["container_cpu_cfs_periods_total"] = periods
            throttled = np.floor(periods * run.container.throttled)
            values["container_cpu_cfs_throttled_periods_total"] = throttled
        ends = run.end < END
        for metric, column in values.items():
            yield from self.churned(_cadvisor(metric, run.pod, job, run), times, column, ends)

    def of_cgroups(self, pod: Pod, job: str) -> Iterator[Series]:
        """The pod as a whole and its pause container, twice what its containers use: not to be counted."""
        times = self.times(f"{job}-{pod.node}", pod.begin, pod.end)
        seconds = times / 1000
        for container in ("", "POD"):
            labels = _cadvisor("", pod, job, None) | {"container": container}
            if container:
                labels["image"] = "registry.example.com/pause:3.9"
            use = {"container_cpu_usage_seconds_total": (seconds - pod.begin) * 99.0}
            use["container_memory_working_set_bytes"] = np.full(len(times), 99e12)
            use["container_memory_rss"] = np.full(len(times), 99e12)
            for metric, values in use.items():
                yield self.series(labels | {"__name__": metric}, times, values, pod.end < END)

    def of_node(self, node: int, job: str) -> Iterator[Series]:
        times = self.times(f"{job}-{node}", BEGIN - EARLY, END)
        where = _target(node, job)
        yield self.series(where | {"__name__": "up"}, times, np.ones(len(times)), False)
        root = where | {"id": "/"}
        memory = np.full(len(times), 64e9)
        yield self.series(root | {"__name__": "container_memory_working_set_bytes"}, times, memory, False)
        counted = (times / 1000 - BEGIN) * 8 + 1e6
        yield self.series(root | {"__name__": "container_cpu_usage_seconds_total"}, times, counted, False)

    def churned(self, labels: Labels, times: np.ndarray, values: np.ndarray, ends: bool) -> Iterator[Series]:
        if not self.how.churn or not len(times):
            yield self.series(labels, times, values, ends)
            return
        cuts = range(int(times[0]) // 1000 // CHURN * CHURN, int(times[-1]) // 1000 + 1, CHURN)
        for cut in cuts:
            within = (times >= cut * 1000) & (times < (cut + CHURN + 120) * 1000)
            label = {"node_pool": f"pool-{cut // CHURN}"}
            yield self.series({**labels, **label}, times[within], values[within], True)

    # ---- kube-state-metrics ----------------------------------------------------------------------

    def of_pod(self, pod: Pod, number: int) -> Iterator[Series]:
        gone = min(END, pod.failed + LINGER) if pod.failed else pod.end
        times = self.times(f"state-{number}", pod.begin + 1, gone)
        one = {"namespace": pod.workload.namespace, "pod": pod.name, "uid": pod.uid}
        kind, name = pod.owner
        controller = "true" if kind != "<none>" else "<none>"
        told = {
            "kube_pod_owner": {"owner_kind": kind, "owner_name": name, "owner_is_controller": controller},
            "kube_pod_info": {"node": f"node-{pod.node}", "created_by_kind": kind, "created_by_name": name},
            "kube_pod_status_phase": {"phase": "Running"},
        }
        for metric, labels in told.items():
            yield self.state(metric, {**one, **labels}, number, times, 1.0)
        for metric in ("kube_pod_start_time", "kube_pod_created"):
            yield self.state(metric, one, number, times, float(pod.begin))
        for container in pod.workload.containers:
            yield from self.of_container(pod, container, number, times)

    def of_container(
        self, pod: Pod, container: Container, number: int, times: np.ndarray
    ) -> Iterator[Series]:
        seconds = times / 1000
        one = {"namespace": pod.workload.namespace, "pod": pod.name, "uid": pod.uid}
        one["container"] = container.name
        ended = [event for event in pod.events(container.name) if event.what != "child"]
        restarts = np.searchsorted([e.time for e in ended if not pod.failed], seconds).astype(float)
        yield self.state("kube_pod_container_status_restarts_total", one, number, times, restarts)
        status = "terminated_reason" if pod.failed else "last_terminated_reason"
        reasons = ["OOMKilled" if event.what == "killed" else "Error" for event in ended]
        latest = np.searchsorted([event.time for event in ended], seconds, side="right")
        for reason in sorted(set(reasons)):
            said = np.array([False, *(each == reason for each in reasons)])[latest]
            labels = {**one, "reason": reason}
            yield self.state(f"kube_pod_container_status_{status}", labels, number, times[said], 1.0)
        limits = np.array([container.memory_limit(moment) or np.nan for moment in seconds])
        asked = {
            ("requests", "cpu", "core"): _amount(container.cpu_request, 1000),
            ("requests", "memory", "byte"): _amount(container.memory_request, 1),
            ("limits", "cpu", "core"): _amount(container.cpu_limit, 1000),
            ("limits", "memory", "byte"): limits,
        }
        for (what, resource, unit), amount in asked.items():
            values = np.broadcast_to(amount, times.shape)
            known = np.isfinite(values)
            labels = {**one, "resource": resource, "unit": unit, "node": f"node-{pod.node}"}
            metric = f"kube_pod_container_resource_{what}"
            yield self.state(metric, labels, number, times[known], values[known])

    def of_workload(self, workload: Workload, number: int) -> Iterator[Series]:
        space = {"namespace": workload.namespace}
        first: dict[str, tuple[tuple[str, str], tuple[str, str], int]] = {}
        for pod in pods_of(workload):
            if pod.above:
                first.setdefault(pod.owner[1], (pod.owner, pod.above, pod.begin))
        for (kind, name), (above_kind, above), begin in first.values():
            metric, label = BETWEEN[kind]
            times = self.times(f"state-{number}", begin, END)
            owner = {label: name, "owner_kind": above_kind, "owner_name": above}
            yield self.state(metric, {**space, **owner}, number, times, 1.0)
        if workload.autoscaled:
            times = self.times(f"state-{number}", BEGIN - EARLY, END)
            scaler = {**space, "horizontalpodautoscaler": workload.name}
            target = {"scaletargetref_kind": workload.kind, "scaletargetref_name": workload.name}
            prefix = "kube_horizontalpodautoscaler"
            yield self.state(f"{prefix}_info", {**scaler, **target}, number, times, 1.0)
            metric = {"metric_name": "cpu", "metric_target_type": "utilization"}
            percent = float(workload.autoscaled)
            yield self.state(f"{prefix}_spec_target_metric", {**scaler, **metric}, number, times, percent)
            yield self.state(f"{prefix}_spec_min_replicas", scaler, number, times, 2.0)
            yield self.state(f"{prefix}_spec_max_replicas", scaler, number, times, 9.0)

    def state(
        self, metric: str, labels: Labels, number: int, times: np.ndarray, values: float | np.ndarray
    ) -> Series:
        if self.how.exported:
            own = {"namespace": "monitoring", "pod": f"state-metrics-{number}", "container": "state-metrics"}
            told = {f"exported_{name}": labels[name] for name in own if name in labels}
            labels = {**labels, **own, **told}
        row = {**labels, "__name__": metric, "job": "kube-state-metrics", "instance": f"10.1.0.{number}:8080"}
        column = np.broadcast_to(np.asarray(values, np.float64), times.shape)
        return self.series(row, times, column, bool(len(times)) and times[-1] < (END - 600) * 1000)

    # ---- recorded rules ----------------------------------------------------------------------------

    def of_rule(self, run: Run) -> Iterator[Series]:
        """As the server would have worked it out each minute from samples."""
        times = np.arange(run.begin + 300, run.end, 60) // 60 * 60
        times = times[(times >= BEGIN - EARLY) & (times < END)]
        rate = (_used(run, times) - _used(run, times - 300)) / 300
        pod = run.pod
        labels = {
            "__name__": "node_namespace_pod_container:container_cpu_usage_seconds_total:sum_rate5m",
            "namespace": pod.workload.namespace,
            "pod": pod.name,
            "container": run.container.name,
            "node": f"node-{pod.node}",
        }
        yield self.series(labels, times * 1000, rate, run.end < END)

    # ---- times ---------------------------------------------------------------------------------------

    def times(self, target: str, begin: float, end: float) -> np.ndarray:
        """When a target was scraped within a time, in milliseconds."""
        how, step = self.how, self.how.interval * 1000
        seed = zlib.crc32(f"{target}{sorted(self.external.items())}".encode())
        found = np.arange((BEGIN - EARLY) * 1000 + seed % step, END * 1000, step)
        if how.jitter:
            found = found + np.random.default_rng(seed).integers(-how.jitter, how.jitter, len(found))
        quiet, loud = how.silence
        kept = (found >= begin * 1000) & (found < min(end, END) * 1000)
        return found[kept & ~((found >= quiet * 1000) & (found < loud * 1000))]

    def series(self, labels: Labels, times: np.ndarray, values: np.ndarray, ends: bool) -> Series:
        """With the mark that it is over, where it is."""
        if ends and len(times):
            times = np.append(times, times[-1] + self.how.interval * 1000)
            values = np.append(values, STALE)
        named = {name: value for name, value in {**labels, **self.external}.items() if value}
        return Series(named, times, values)


BETWEEN = {
    "ReplicaSet": ("kube_replicaset_owner", "replicaset"),
    "Job": ("kube_job_owner", "job_name"),
    "ReplicationController": ("kube_replicationcontroller_owner", "replicationcontroller"),
}


def _joined(parts: Iterable[Series]) -> Iterator[Series]:
    """What has the same labels is one series: a recorded rule knows no runs."""
    found: dict[tuple[tuple[str, str], ...], list[Series]] = defaultdict(list)
    for part in parts:
        found[tuple(sorted(part.labels.items()))].append(part)
    for same in found.values():
        times = np.concatenate([part.times for part in same])
        values = np.concatenate([part.values for part in same])
        _, kept = np.unique(times, return_index=True)
        yield Series(same[0].labels, times[kept], values[kept])


def _used(run: Run, seconds: np.ndarray) -> np.ndarray:
    """CPU seconds since it began."""
    grid = np.arange(run.begin, max(run.end, run.begin + 1) + GRID, GRID)
    used = np.cumsum(run.container.cpu(grid[:-1], run.pod.replica)) * GRID
    return np.interp(seconds, grid, np.concatenate(([0.0], used)))


def _begun_anew(counted: np.ndarray, every: int) -> np.ndarray:
    """As if the counter had been lost twice, without anything else that tells."""
    cuts = [cut for cut in (every, 2 * every) if 0 < cut < len(counted)]
    for cut in cuts:
        counted[cut:] -= counted[cut - 1]
    return counted


def _amount(value: int | None, scale: int) -> float:
    return np.nan if value is None else value / scale


def _target(node: int, job: str) -> dict[str, str]:
    return {
        "endpoint": "https-metrics",
        "instance": f"10.0.0.{node}:10250",
        "job": job,
        "metrics_path": "/metrics/cadvisor",
        "node": f"node-{node}",
        "service": job,
    }


def _cadvisor(metric: str, pod: Pod, job: str, run: Run | None) -> dict[str, str]:
    row = _target(pod.node, job)
    row |= {"__name__": metric, "namespace": pod.workload.namespace, "pod": pod.name}
    row["id"] = f"/kubepods/burstable/pod{pod.uid}"
    if run:
        text = f"{pod.uid}{run.container.name}{run.number}"
        own = f"{zlib.crc32(text.encode()):08x}" * 8
        row |= {"id": f"{row['id']}/{own}", "name": own, "container": run.container.name}
        row["image"] = f"registry.example.com/{run.container.name}:1.2.3"
    return row

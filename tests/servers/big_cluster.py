"""A cluster of thousands of pods over weeks, in blocks of Prometheus, for measurements.

Nothing happens in it: each workload has its level, its day's rhythm and noise, so that every value can be
had from its time alone and blocks can be written side by side. What is read for utilization (CPU,
memory, CFS) has all its samples; what kube-state-metrics says is constant.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import numpy as np
from servers.blocks import CHUNK, Block

START = 1_748_736_000  # 2025-06-01
DAY = 86_400
BLOCK_DAYS = 5
WAY = 2  # to be raised when other series are made of the same words
SLAB = 200  # series that are made at once
Labels = Mapping[str, str]


class BigCluster(NamedTuple):
    workloads: int = 1000
    pods: int = 3  # of each workload
    days: int = 15
    interval: int = 60  # seconds between scrapes
    namespaces: int = 40

    @property
    def end(self) -> int:
        return START + self.days * DAY


def write(cluster: BigCluster, folder: Path, processes: int = 2) -> Path:
    """The folder for Prometheus. One that is complete is used again."""
    done = folder / "complete"
    what = f"{cluster!r}, made in way {WAY}"
    if done.exists() and done.read_text() == what:
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "wal").mkdir(parents=True)
    first = range(0, cluster.days, BLOCK_DAYS)
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        list(pool.map(_write_block, [folder] * len(first), [cluster] * len(first), first))
    done.write_text(what)
    return folder


class Pod(NamedTuple):
    number: int
    workload: int
    namespace: str
    name: str
    replica_set: str
    deployment: str

    @property
    def node(self) -> str:
        return f"node-{self.number % 60:02d}"

    @property
    def uid(self) -> str:
        return f"{self.number:08x}-0000-4000-8000-{self.workload:012x}"


def pods_of(cluster: BigCluster) -> list[Pod]:
    found = []
    for workload in range(cluster.workloads):
        name, namespace = f"service-{workload:04d}", f"team-{workload % cluster.namespaces:02d}"
        replica_set = f"{name}-{0x6F000000 + workload:x}"
        for replica in range(cluster.pods):
            number = workload * cluster.pods + replica
            pod = f"{replica_set}-{_suffix(number)}"
            found.append(Pod(number, workload, namespace, pod, replica_set, name))
    return found


def _suffix(number: int) -> str:
    letters = "bcdfghjklmnpqrstvwxz2456789"
    return "".join(letters[number // 27**at % 27] for at in range(5))


def _write_block(folder: Path, cluster: BigCluster, first: int) -> None:
    block = Block(folder, 1 + first // BLOCK_DAYS)
    days = min(BLOCK_DAYS, cluster.days - first)
    times = START + first * DAY + np.arange(0, days * DAY, cluster.interval)
    pods = pods_of(cluster)
    slabs = [pods[at : at + SLAB] for at in range(0, len(pods), SLAB)]
    for number, slab in enumerate(slabs):
        dice = np.random.default_rng([first, number])
        for name, some, values in _measured(slab, times, dice):
            block.add([_cadvisor(name, pod, "app") for pod in some], times * 1000, values)
    constant = list(_constants(cluster, pods))
    _add_constants(block, [one for one in constant if _is_of_use(*one)], times, CHUNK)
    _add_constants(block, [one for one in constant if not _is_of_use(*one)], times, DAY // cluster.interval)
    block.close()


def _add_constants(
    block: Block, constant: Sequence[tuple[Labels, float]], times: np.ndarray, chunk: int
) -> None:
    for at in range(0, len(constant), SLAB):
        some = constant[at : at + SLAB]
        values = np.repeat([[value] for _, value in some], len(times), axis=1)
        block.add([labels for labels, _ in some], times * 1000, values, chunk)


def _is_of_use(labels: Labels, value: float) -> bool:
    """Others are there as everywhere, but who reads them does so in vain: they take few large chunks."""
    metric = labels["__name__"]
    useless = ("kube_pod_info", "kube_pod_created") if value else ("kube_pod_status_phase",)
    return not metric.startswith("container_") and metric not in useless


def _measured(
    pods: list[Pod], times: np.ndarray, dice: np.random.Generator
) -> Iterator[tuple[str, list[Pod], np.ndarray]]:
    level, size, phase, share = (
        np.array(column)[:, None] for column in zip(*map(_nature, pods), strict=True)
    )
    angle = (times % DAY) * (2 * np.pi / DAY) + phase
    since = times - START + DAY
    noise = dice.random((len(pods), len(times)), np.float32)
    # Noise is a lead of at most 18 s of work, so that the counter never falls.
    counter = level * (since - DAY / (4 * np.pi) * np.cos(angle) + 18 * noise)
    yield "container_cpu_usage_seconds_total", pods, np.round(counter * 2**18) / 2**18
    noise = dice.random((len(pods), len(times)), np.float32)
    pages = np.floor(size * (1 + 0.1 * np.sin(angle) + 0.05 * noise))
    yield "container_memory_working_set_bytes", pods, pages * 4096
    yield "container_memory_rss", pods, np.floor(pages * share) * 4096
    few = [at for at, pod in enumerate(pods) if has_cpu_limit(pod)]
    periods = np.floor(since * 10.0) + np.zeros((len(few), 1))
    some = [pods[at] for at in few]
    yield "container_cpu_cfs_periods_total", some, periods
    yield "container_cpu_cfs_throttled_periods_total", some, np.floor(periods * 0.02 * share[few])


def _nature(pod: Pod) -> tuple[float, float, float, float]:
    """Cores and pages on average, when its day begins, and how much of its memory is resident."""
    dice = np.random.default_rng(pod.workload)
    level, pages, phase, share = dice.random(4)
    return 0.005 * 200**level, 2**12 * 2 ** (7 * pages), 2 * np.pi * phase, 0.4 + 0.5 * share


def has_cpu_limit(pod: Pod) -> bool:
    return pod.workload % 3 == 0


def _cadvisor(metric: str, pod: Pod, container: str) -> Labels:
    own = f"{pod.number:032x}" * 2
    row = {
        "__name__": metric,
        "endpoint": "https-metrics",
        "id": f"/kubepods/burstable/pod{pod.uid}",
        "instance": f"10.0.0.{pod.number % 60}:10250",
        "job": "kubelet",
        "metrics_path": "/metrics/cadvisor",
        "namespace": pod.namespace,
        "node": pod.node,
        "pod": pod.name,
        "service": "kubelet",
    }
    if container:
        image = f"registry.example.com/{pod.deployment}:1.0.{pod.workload}"
        row |= {"id": f"{row['id']}/{own}", "name": own, "image": image, "container": container}
    return row


def _constants(cluster: BigCluster, pods: list[Pod]) -> Iterator[tuple[Labels, float]]:
    measured = ("cpu_usage_seconds_total", "memory_working_set_bytes", "memory_rss")
    for pod in pods:
        for metric in measured:  # the pod's own cgroup: nobody should read it
            yield _cadvisor(f"container_{metric}", pod, ""), 1e6
        yield from _of_pod(pod)
    for pod in pods[:: cluster.pods]:
        yield from _of_workload(pod)
    for number in range(60):
        where = {"instance": f"10.0.0.{number}:10250", "job": "kubelet", "node": f"node-{number:02d}"}
        yield {"__name__": "up", "metrics_path": "/metrics/cadvisor", **where}, 1


def _of_pod(pod: Pod) -> Iterator[tuple[Labels, float]]:
    one = {"namespace": pod.namespace, "pod": pod.name, "uid": pod.uid}
    owner = {"owner_kind": "ReplicaSet", "owner_name": pod.replica_set, "owner_is_controller": "true"}
    born = START - DAY + pod.number
    yield _state("kube_pod_owner", one, owner), 1
    where = {"node": pod.node, "created_by_kind": "ReplicaSet", "created_by_name": pod.replica_set}
    yield _state("kube_pod_info", one, {**where, "host_network": "false"}), 1
    yield _state("kube_pod_start_time", one, {}), born
    yield _state("kube_pod_created", one, {}), born
    for phase in ("Pending", "Running", "Succeeded", "Failed", "Unknown"):
        yield _state("kube_pod_status_phase", one, {"phase": phase}), float(phase == "Running")
    app = {"container": "app"}
    yield _state("kube_pod_container_status_restarts_total", one, app), float(pod.number % 100 == 0)
    if pod.number % 100 == 0:
        reason = {**app, "reason": "OOMKilled"}
        yield _state("kube_pod_container_status_last_terminated_reason", one, reason), 1
    level, pages, *_ = _nature(pod)
    amounts = {"cpu": ("core", round(level * 4, 3)), "memory": ("byte", np.ceil(pages / 2**8) * 2**21)}
    for resource, (unit, amount) in amounts.items():
        what = {**app, "node": pod.node, "resource": resource, "unit": unit}
        yield _state("kube_pod_container_resource_requests", one, what), amount
        if resource == "memory" or has_cpu_limit(pod):
            yield _state("kube_pod_container_resource_limits", one, what), amount * 2


def _of_workload(pod: Pod) -> Iterator[tuple[Labels, float]]:
    space = {"namespace": pod.namespace}
    owner = {"owner_kind": "Deployment", "owner_name": pod.deployment, "owner_is_controller": "true"}
    for name in (pod.replica_set, f"{pod.deployment}-5a0000001", f"{pod.deployment}-5b0000001"):
        yield _state("kube_replicaset_owner", space, {"replicaset": name, **owner}), 1
    yield _state("kube_deployment_spec_replicas", space, {"deployment": pod.deployment}), 3
    if pod.workload % 10 == 0:
        autoscaler = {"horizontalpodautoscaler": pod.deployment}
        target = {"scaletargetref_kind": "Deployment", "scaletargetref_name": pod.deployment}
        name = "kube_horizontalpodautoscaler"
        yield _state(f"{name}_info", space, {**autoscaler, **target}), 1
        metric = {"metric_name": "cpu", "metric_target_type": "utilization"}
        yield _state(f"{name}_spec_target_metric", space, {**autoscaler, **metric}), 70
        yield _state(f"{name}_spec_min_replicas", space, autoscaler), 2
        yield _state(f"{name}_spec_max_replicas", space, autoscaler), 10


def _state(metric: str, *labels: Labels) -> Labels:
    row = {"__name__": metric, "instance": "10.1.0.7:8080", "job": "kube-state-metrics"}
    for more in labels:
        row |= more
    return row

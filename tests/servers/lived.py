"""What a cluster lived through, said in few words: workloads, their pods, and what happened to them.

    Workload("Deployment", "shop", "web", (Container("app", cpu=wave(0.2, 0.1), memory=level(300 << 20)),),
             replicas=3, rollouts=(at(1, "10:07"),))

`series.py` tells what a scraper would have stored of it, `truth.py` what really was.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

DAY = 86_400
BEGIN = 1_748_822_400  # 2025-06-02, a Monday
DAYS = 4
END = BEGIN + DAYS * DAY
NODES = 3
SURGING = ("Deployment", "Rollout", "Service", "DeploymentConfig")

Times = np.ndarray
Load = Callable[[Times, int], np.ndarray]  # Unix seconds and the replica's number → cores, or bytes
MEBI = 1 << 20


def at(day: int, clock: str) -> int:
    """The moment on the world's nth day, as in at(1, "10:07")."""
    hours, minutes = clock.split(":")
    return BEGIN + day * DAY + int(hours) * 3600 + int(minutes) * 60


# ---------------------------------------------------------------------------------- loads


def wave(mean: float, swing: float) -> Load:
    """A day's rhythm, with slower and quicker ones on it, and a little noise."""

    def load(times: Times, replica: int) -> np.ndarray:
        day = np.sin(times * (2 * np.pi / DAY) + replica)
        hours = np.sin(times * (2 * np.pi / 7000) + 2 * replica)
        noise = _noise(times, replica)
        return np.maximum(mean + swing * (0.7 * day + 0.25 * hours + 0.05 * noise), 0)

    return load


def stairs(low: float, high: float, hold: int = 2400) -> Load:
    """Eleven levels that hold still for `hold` seconds each."""

    def load(times: Times, replica: int) -> np.ndarray:
        step = (times // hold).astype(np.int64) + 17 * replica
        return low + (high - low) * ((step * 7) % 11) / 10

    return load


def level(value: float) -> Load:
    return lambda times, _: np.full(len(times), float(value))


def pages(load: Load) -> Load:
    """Memory is had in pages."""
    return lambda times, replica: np.floor(load(times, replica) / 4096) * 4096


def spikes(load: Load, height: float, moments: tuple[int, ...], seconds: int) -> Load:
    def spiked(times: Times, replica: int) -> np.ndarray:
        values = load(times, replica)
        for moment in moments:
            values[(times >= moment) & (times < moment + seconds)] = height
        return values

    return spiked


def _noise(times: Times, seed: int) -> np.ndarray:
    """Between -1 and 1, the same whenever it is asked for."""
    mixed = (times // 5).astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(seed)
    mixed ^= mixed >> np.uint64(29)
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    return (mixed >> np.uint64(40)).astype(np.float64) / 2**23 - 1


# ---------------------------------------------------------------------------------- workloads


class Container(NamedTuple):
    name: str
    cpu: Load
    memory: Load
    cpu_request: int | None = 100  # millicores
    memory_request: int | None = 128 * MEBI
    cpu_limit: int | None = None
    memory_limits: tuple[tuple[int, int], ...] = ()  # since when, bytes
    throttled: float = 0.0  # share of its periods
    resident: float = 0.8  # share of the working set

    def memory_limit(self, moment: float) -> int | None:
        known = [size for since, size in self.memory_limits if since <= moment]
        return known[-1] if known else None


class Event(NamedTuple):
    """Something that happens to one container of one replica."""

    what: str  # killed: for lack of memory | crashed | child: one of its processes was killed, it goes on
    time: int
    container: str
    replica: int = 0


class Workload(NamedTuple):
    kind: str  # as in its manifest
    namespace: str
    name: str
    containers: tuple[Container, ...]
    replicas: int = 1
    rollouts: tuple[int, ...] = ()
    events: tuple[Event, ...] = ()
    every: int = 0  # seconds between the jobs of a CronJob
    lasts: int = 0  # seconds a job runs
    autoscaled: int | None = None  # percent of the CPU request
    unowned: bool = False  # kube-state-metrics says nothing of its pods


class Pod(NamedTuple):
    workload: Workload
    name: str
    replica: int
    begin: int
    end: int
    owner: tuple[str, str]  # kind and name
    above: tuple[str, str] | None = None  # the owner's owner

    @property
    def node(self) -> int:
        return zlib.crc32(self.name.encode()) % NODES

    @property
    def uid(self) -> str:
        return f"{zlib.crc32(f'{self.name}{self.begin}'.encode()):08x}-0000-4000-8000-000000000000"

    def events(self, container: str) -> list[Event]:
        return [
            event
            for event in self.workload.events
            if (event.container, event.replica) == (container, self.replica)
            and self.begin <= event.time < self.end
        ]

    @property
    def failed(self) -> int | None:
        """A job's container that is killed is not started again."""
        ends = [event.time for one in self.workload.containers for event in self.events(one.name)]
        return min(ends) if ends and self.workload.every else None

    def runs(self, container: str) -> list[tuple[int, int]]:
        """From one start of the container to its end."""
        if self.failed:
            return [(self.begin, self.failed)]
        cuts = sorted(event.time for event in self.events(container) if event.what != "child")
        return list(zip([self.begin, *cuts], [*cuts, self.end], strict=True))


def pods_of(workload: Workload) -> Iterator[Pod]:
    if workload.every:
        yield from _jobs(workload)
        return
    cuts = [BEGIN - DAY, *workload.rollouts]
    ends = [*workload.rollouts, END]
    for generation, (begin, end) in enumerate(zip(cuts, ends, strict=True)):
        for replica in range(workload.replicas):
            name, owner, above = _named(workload, generation, replica)
            # A new pod has begun before the old one ends, but where it is called the same.
            overlap = 90 if workload.kind in SURGING else -30
            late = 40 * replica
            gone = end + late + overlap if end < END else END
            yield Pod(workload, name, replica, begin + late, gone, owner, above)


def _named(
    workload: Workload, generation: int, replica: int
) -> tuple[str, tuple[str, str], tuple[str, str] | None]:
    """What a pod is called, whose it is, and whose that is."""
    kind, name = workload.kind, workload.name
    top = (kind, name)
    if kind == "Service":
        name = f"{name}-{generation + 1:05d}-deployment"
        top = ("Deployment", name)
    if kind in ("Deployment", "Rollout", "Service"):
        own = f"{name}-{_word(f'{name}{generation}', 10)}"
        return _ended(own, replica), ("ReplicaSet", own), top
    if kind == "DeploymentConfig":
        own = f"{name}-{generation + 1}"
        return _ended(own, replica), ("ReplicationController", own), top
    if kind == "Job":
        return _ended(name, replica), ("Job", name), ("<none>", "<none>")
    if kind == "DaemonSet":
        return _ended(f"{name}", 10 * generation + replica), top, None
    if kind == "Pod":
        return name, ("<none>", "<none>"), None
    return f"{name}-{replica}", top, None  # StatefulSet, and what operators call their own


def _ended(name: str, number: int) -> str:
    base = f"{name}-{number}"
    return f"{name}-{_word(base, 4)}{'bcdfghjklmnpqrstvwxz'[number % 20]}"


def _word(text: str, length: int) -> str:
    letters, number = "bcdfghjklmnpqrstvwxz2456789", zlib.crc32(text.encode()) * 2_654_435_761
    return "".join(letters[number // 27**place % 27] for place in range(length))


def _jobs(workload: Workload) -> Iterator[Pod]:
    for moment in range(BEGIN + workload.every // 2, END - workload.lasts, workload.every):
        job = f"{workload.name}-{moment // 60}"
        begin = moment + moment // 7 % 50
        above = (workload.kind, workload.name)
        yield Pod(workload, _ended(job, 0), 0, begin, begin + workload.lasts, ("Job", job), above)

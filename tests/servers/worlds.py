"""The clusters of the tests, and the folders that servers answer from.

Most of them stand behind one server, told apart by their label `cluster`: each says in its name what is
odd about how it was scraped. `alone` stands behind a server of its own, and has no label.
"""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from servers.blocks import Block
from servers.lived import MEBI, Container, Event, Workload, at, level, pages, spikes, stairs, wave
from servers.scraped import Scraping, Series, scraped
from servers.truth import Truth, truths

from reconciler.model import ContainerRef

GIBI = 1 << 30


def _app(mean: float, swing: float, memory: int = 300 * MEBI, **more: object) -> Container:
    use = pages(wave(memory, memory // 5))
    return Container("app", wave(mean, swing), use, **more)  # type: ignore[arg-type]


STEADY = Workload(
    "Deployment",
    "shop",
    "steady",
    (Container("app", stairs(0.05, 0.6), pages(stairs(200 * MEBI, 500 * MEBI, 3600))),),
    replicas=2,
)
PLATEAUS = Workload(
    "Deployment", "shop", "plateaus", (Container("app", stairs(0.2, 0.4, 1200), pages(level(90 * MEBI))),)
)
# Shorter than a step: what a rate doesn't see of a step, or sees twice, tells here.
BURSTS = Workload(
    "Deployment",
    "shop",
    "bursts",
    (
        Container(
            "app",
            spikes(level(0.1), 0.9, tuple(range(at(0, "01:01"), at(3, "23:00"), 4 * 3600 + 77)), 100),
            pages(level(90 * MEBI)),
        ),
    ),
)
WEB = Workload(
    "Deployment",
    "shop",
    "web",
    (
        _app(0.2, 0.15, cpu_limit=1000, memory_limits=((0, GIBI),)),
        Container("proxy", wave(0.03, 0.01), pages(level(40 * MEBI)), cpu_request=None, memory_request=None),
    ),
    replicas=3,
    rollouts=(at(1, "10:07"), at(2, "15:31")),
    autoscaled=70,
)
# Killed twice at the first limit and once, elsewhere, at the second; both pods were made anew between.
DB = Workload(
    "StatefulSet",
    "data",
    "db",
    (
        _app(
            0.4,
            0.1,
            400 * MEBI,
            cpu_limit=2000,
            memory_limits=((0, 512 * MEBI), (at(2, "08:00"), 768 * MEBI)),
        ),
    ),
    replicas=2,
    rollouts=(at(2, "08:00"),),
    events=(
        Event("killed", at(0, "09:13"), "app"),
        Event("killed", at(1, "21:40"), "app"),
        Event("crashed", at(2, "03:05"), "app", 1),
        Event("killed", at(3, "12:02"), "app", 1),
    ),
)
SQUEEZED = Workload(
    "Deployment",
    "shop",
    "squeezed",
    (_app(0.45, 0.04, cpu_limit=500, throttled=0.3),),
    events=(Event("child", at(1, "05:55"), "app"), Event("child", at(3, "17:20"), "app")),
)
PEAKS = Workload(
    "Deployment",
    "shop",
    "peaks",
    (
        Container(
            "app",
            spikes(wave(0.1, 0.02), 0.9, (at(0, "12:00"), at(2, "04:20")), 2400),
            spikes(pages(wave(200 * MEBI, 20 * MEBI)), 900.0 * MEBI, (at(1, "11:11"), at(3, "22:03")), 90),
        ),
    ),
)
NIGHTLY = Workload(
    "CronJob",
    "batch",
    "nightly",
    (Container("task", wave(0.5, 0.1), pages(wave(250 * MEBI, 100 * MEBI))),),
    every=10_800,
    lasts=2400,
)
EVERY_KIND = (
    Workload("DaemonSet", "system", "agent", (_app(0.02, 0.01, 60 * MEBI),), replicas=3),
    Workload("Rollout", "shop", "canary", (_app(0.1, 0.05),), replicas=2, rollouts=(at(1, "12:34"),)),
    Workload(
        "Service",
        "serving",
        "hello",
        (
            Container("user-container", wave(0.05, 0.02), pages(wave(80 * MEBI, MEBI))),
            Container("queue-proxy", level(0.01), pages(level(20 * MEBI))),
        ),
        rollouts=(at(2, "02:02"),),
    ),
    Workload("Cluster", "data", "pg", (_app(0.3, 0.1, 500 * MEBI),), replicas=2),
    Workload("DeploymentConfig", "legacy", "old", (_app(0.05, 0.01),), rollouts=(at(1, "16:00"),)),
    Workload("Job", "batch", "migrate", (_app(0.2, 0.05),)),
    Workload("Pod", "tools", "shell", (_app(0.01, 0.005, 30 * MEBI),)),
)
FAILING = Workload(
    "CronJob",
    "batch",
    "failing",
    (Container("task", level(0.2), pages(level(250 * MEBI)), memory_limits=((0, 256 * MEBI),)),),
    every=21_600,
    lasts=3600,
    events=(Event("killed", at(1, "03:22"), "task"),),
)
UNKNOWN = Workload("Deployment", "shop", "stranger", (_app(0.1, 0.05),), replicas=2, unowned=True)
TWIN = Workload("Deployment", "shop", "steady", (_app(0.9, 0.05, 700 * MEBI),), replicas=1)

ALL = (STEADY, WEB, DB, SQUEEZED, PEAKS, NIGHTLY, FAILING, *EVERY_KIND, UNKNOWN)
FEW = (STEADY, WEB, DB, SQUEEZED)


class World(NamedTuple):
    workloads: Sequence[Workload]
    how: Scraping


BEHIND_ONE: Mapping[str, World] = {
    world.how.cluster: world
    for world in (
        World(FEW, Scraping(cluster="plain")),
        World((STEADY, PLATEAUS, BURSTS), Scraping(cluster="every-15s", interval=15)),
        World((STEADY, PLATEAUS, BURSTS), Scraping(cluster="every-60s", interval=60)),
        World((STEADY, PLATEAUS), Scraping(cluster="every-300s", interval=300)),
        World(FEW, Scraping(cluster="jitter", jitter=900)),
        World(FEW, Scraping(cluster="pair", servers=("a", "b"))),
        World(FEW, Scraping(cluster="two-jobs", jobs=("kubelet", "cadvisor"))),
        World(FEW, Scraping(cluster="node-labels", churn=True)),
        World(FEW, Scraping(cluster="two-state-metrics", state_metrics=2)),
        World(FEW, Scraping(cluster="exported", exported=True)),
        World(FEW, Scraping(cluster="odd", odd=True, jitter=400)),
        World(FEW, Scraping(cluster="silent-day", silence=(at(2, "00:00"), at(3, "00:00")))),
        World(FEW, Scraping(cluster="silent-hours", silence=(at(1, "06:00"), at(1, "12:00")))),
        World(FEW, Scraping(cluster="silent-before", silence=(0, at(1, "13:00")))),
        World(FEW, Scraping(cluster="rules", rules=True)),
        World((TWIN,), Scraping(cluster="twin")),
    )
}
ALONE = World(ALL, Scraping())
# For the slower of the two ways to fill a server.
VICTORIAS = ("plain", "every-15s", "every-60s", "every-300s", "pair", "odd", "silent-day", "twin")

Told = Mapping[ContainerRef, Truth]


def series_of(world: World) -> list[Series]:
    return list(scraped(world.workloads, world.how))


def truth_of(world: World) -> Told:
    """By containers of the cluster, which is named as its label is."""
    return truths(world.workloads, series_of(world), world.how)


def write_blocks(worlds: Sequence[World], folder: Path) -> None:
    (folder / "wal").mkdir(parents=True)
    block = Block(folder, 1)
    for world in worlds:
        for series in scraped(world.workloads, world.how):
            if len(series.times):
                block.add([series.labels], series.times, series.values[None])
    block.close()


@contextmanager
def shared(folder: Path) -> Iterator[bool]:
    """Whether it falls to us to make it. Other processes wait, and find it made."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open(f"{folder}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield not folder.exists()


def made(folder: Path, make: Callable[[Path], None]) -> Path:
    with shared(folder) as is_ours:
        if is_ours:
            half = folder.with_name(f"{folder.name}.half")
            make(half)
            half.rename(folder)
    return folder

"""Small recordings, made of samples whose truth the tests know."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from reconciler.model import ContainerRef
from reconciler.usage.days import DAY, ContainerDay, days_since_1970
from reconciler.usage.files import write_days
from reconciler.usage.series import Events, Lifetimes, Series, days_of_series

MONDAY = days_since_1970("2026-02-02")
STEP = 300
QUERY = {"source": "test", "step": STEP}
REF = ContainerRef("", "shop", "Deployment", "web", "app")
NO_EVENTS = Events()

MakeDays = Callable[..., tuple[ContainerDay, ...]]
Record = Callable[..., Path]


@pytest.fixture
def make_days() -> MakeDays:
    def make(
        ref: ContainerRef = REF,
        days: Sequence[int] = range(MONDAY, MONDAY + 7),
        pods: int = 2,
        seed: int = 1,
        events: Events = NO_EVENTS,
        lifetimes: Lifetimes | None = None,
    ) -> tuple[ContainerDay, ...]:
        return days_of_series(ref, make_series(days, pods, seed), STEP, events, lifetimes)

    return make


def make_series(days: Sequence[int], pods: int, seed: int) -> Series:
    random = np.random.default_rng(seed)
    times = np.concatenate([np.arange(day * DAY, (day + 1) * DAY, STEP) for day in days])
    time = np.tile(times, pods).astype(np.int64)
    pod = np.repeat(np.arange(pods), len(times)).astype(np.int64)
    cpu = random.integers(20, 900, len(time))
    memory = random.integers(100 << 20, 400 << 20, len(time))
    return Series(time, pod, cpu, memory, memory // 2)


@pytest.fixture
def record(tmp_path: Path) -> Record:
    def write(days: Sequence[ContainerDay], name: str = "week.parquet", **options: object) -> Path:
        folder = tmp_path / "usage"
        folder.mkdir(exist_ok=True)
        settings = {"query": QUERY, "now": (MONDAY + 60) * DAY, **options}
        write_days(folder / name, days, **settings)  # type: ignore[arg-type]
        return folder

    return write

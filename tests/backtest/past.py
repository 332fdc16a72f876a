"""Histories for the tests: a container with one pod and 24 samples a day, and what a test wants different."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reconciler.backtest.series import KIND, History
from reconciler.model import ContainerRef

MI = 1 << 20
DAY = 86_400
START = 20_000  # the first day
REF = ContainerRef("", "shop", KIND, "web", "app")


def past(
    memory: Sequence[int],
    cpu: float | Sequence[float] = 0.1,
    *,
    in_pod: int = 1,
    stated: tuple[float, float] | None = None,
    killed_on: Sequence[int] = (),
) -> History:
    """A day for each entry of `memory`, which is its peak; the other samples of the day use half of it."""
    days, hours = len(memory), 24
    time = START * DAY + np.arange(days * hours, dtype=np.int64) * 3600
    used = np.repeat(np.array(memory, np.int64) // 2, hours)
    used[12::hours] = memory
    cores = np.repeat(np.broadcast_to(np.array(cpu, np.float64), days), hours)
    oom = np.zeros(days * hours, np.int64)
    oom[[day * hours for day in killed_on]] = 1
    cpu_request, memory_request = (np.full(len(time), stated[at]) if stated else np.zeros(0) for at in (0, 1))
    pod = np.zeros(len(time), np.int64)
    return History(REF, in_pod, 3600, time, pod, cores, used, cpu_request, memory_request, oom)

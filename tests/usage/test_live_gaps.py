"""Samples that are not there yet, and samples that never come: neither is taken for no use."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from servers.in_process import InProcess, Series
from servers.lives import DAY, MEBI, Life, series_of, source_over

from reconciler.model import ContainerRef, Usage

BEGIN = 20_000 * DAY
END = BEGIN + 3 * DAY
EVERY = 300
PEAK = 900 * MEBI
DB = ContainerRef("", "data", "StatefulSet", "db", "app")


def life(pod: str, **more: object) -> Life:
    return Life("data", pod, ("StatefulSet", "db"), BEGIN, END, every=EVERY, **more)  # type: ignore[arg-type]


def read(server: InProcess, folder: Path, end: int = END) -> Usage:
    server.clock = end
    usage = source_over(server, folder).read([DB], end - 3 * DAY, end).usage[DB]
    assert isinstance(usage, Usage)
    return usage


@pytest.mark.parametrize("ago", [5, 600])
def test_a_day_that_ended_just_now_is_not_kept_without_its_last_samples(tmp_path: Path, ago: int) -> None:
    """They are on their way, and so few that no count of samples tells of them."""
    last = END - 300
    whole = series_of([life("db-0", peaks=((last, PEAK),))])
    some = [
        each._replace(times=each.times[each.times < last], values=each.values[each.times < last])
        for each in whole
    ]
    assert read(InProcess(some, keeps=90 * DAY), tmp_path, END + ago).memory.values[-1] < PEAK
    assert read(InProcess(whole, keeps=90 * DAY), tmp_path, END + 3600).memory.values[-1] == PEAK


def phase(pod: str, name: str) -> Series:
    times = np.arange(BEGIN, END + 1, EVERY, dtype=np.int64)
    labels = {"__name__": "kube_pod_status_phase", "namespace": "data", "pod": pod, "phase": name}
    return Series(labels, times, np.ones(len(times)))


@pytest.mark.parametrize(("name", "expected"), [("Running", 2), ("Succeeded", 1), ("Pending", 1)])
def test_a_pod_on_a_node_that_nobody_scrapes_is_missed(tmp_path: Path, name: str, expected: int) -> None:
    """It may be the one that uses most. One that doesn't run uses nothing."""
    dark = {"pod": "db-1", "container": "app", "image": "registry/app:1"}
    series = [
        each
        for each in series_of([life("db-0"), life("db-1", memory=float(PEAK))])
        if not dark.items() <= each.labels.items()
    ]
    usage = read(InProcess([*series, phase("db-1", name)], keeps=90 * DAY), tmp_path)
    assert usage.expected == pytest.approx(expected * usage.samples, rel=0.01)

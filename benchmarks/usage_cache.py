"""The usage cache: keeping days, and knowing them again.

    python benchmarks/usage_cache.py [--containers 1000] [--days 30]

Keeping a day is compared with encoding the same rows as Parquet, which is the least that has to be
done; knowing the days again with reading their rows, as whoever has no cache's index would. Fails
when keeping takes three times as long as encoding alone, when known days and their files take more
than 50 ms in a process that has seen them, or a container's day more than 600 bytes.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from reconciler.model import ContainerRef
from reconciler.usage.cache import DayCache
from reconciler.usage.days import DAY, ContainerDay, days_since_1970
from reconciler.usage.files import encode_rows, read_days
from reconciler.usage.parquet import Columns
from reconciler.usage.rows import of_days
from reconciler.usage.series import Events, Series, days_of_series
from reconciler.usage.shelf import FolderShelf

FIRST = days_since_1970("2026-02-01")
NOW = (FIRST + 100) * DAY
STEP = 300
QUERY = {"source": "benchmark", "step": STEP}
SPACE = 25  # containers in a namespace
MAX_RATIO = 3.0
MAX_KNOWING = 0.050
MAX_BYTES = 600


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--containers", type=int, default=1000)
    parser.add_argument("--days", type=int, default=30)
    wanted = parser.parse_args()
    for pods in (1, 3, 10):
        print(f"{pods:2} pods: {size_of_a_row(pods):.0f} bytes a container-day")
    with tempfile.TemporaryDirectory() as folder:
        return measure(Path(folder), wanted.containers, wanted.days)


def measure(folder: Path, containers: int, days: int) -> int:
    pattern = [lived(number, 3) for number in range(containers)]
    namespaces = {f"team-{number}": 1000 for number in range(-(-containers // SPACE))}
    cache = DayCache(FolderShelf(folder), "server")
    keeping, encoding = [], []
    for day in range(FIRST, FIRST + days):
        rows = on(day, pattern)
        encoding.append(seconds(lambda rows=rows: encode_rows(rows, QUERY, NOW)))
        keeping.append(
            seconds(lambda day=day, rows=rows: cache.put("prod", day, namespaces, rows, QUERY, NOW))
        )
    last = FIRST + days - 1
    for part in range(2):  # late samples came, and another writer was there: up to three files a day
        for day in range(last - 2, last + 1):
            few = {f"late-{part}": 1}
            cache.put("prod", day, few, on(day, []), QUERY, NOW)
    fresh = DayCache(FolderShelf(folder), "server")

    def knowing() -> None:
        assert len(fresh.known("prod", FIRST, last)) == days
        assert len(fresh.files(FIRST, last)) >= days

    first, again = seconds(knowing), min(seconds(knowing) for _ in range(3))
    paths = fresh.files(FIRST, last)
    reading = seconds(lambda: [read_days(path) for path in paths])
    size = sum(path.stat().st_size for path in paths)
    ratio = float(np.median(keeping) / np.median(encoding))
    print(f"{containers} containers, {days} days, {len(paths)} files, {size / 1e6:.1f} MB")
    print(f"keeping a day {np.median(keeping) * 1e3:.0f} ms, {ratio:.2f} times encoding it alone")
    print(
        f"knowing all days {first * 1e3:.0f} ms at first, {again * 1e3:.1f} ms then; reading {reading:.1f} s"
    )
    each = size / containers / days
    failed = [
        f"{what} is {found:.3g}, at most {most} was promised"
        for what, found, most in (
            ("keeping by encoding", ratio, MAX_RATIO),
            ("seconds of knowing", again, MAX_KNOWING),
            ("bytes a container-day", each, MAX_BYTES),
        )
        if found > most
    ]
    print("\n".join(failed) or "as promised")
    return bool(failed)


def seconds(call: Callable[[], object]) -> float:
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun


def on(day: int, pattern: list[ContainerDay]) -> Columns:
    later = (day - FIRST) * DAY
    return of_days(
        row._replace(day=day, first_sample=row.first_sample + later, last_sample=row.last_sample + later)
        for row in pattern
    )


def size_of_a_row(pods: int, containers: int = 300) -> float:
    rows = of_days(lived(number, pods) for number in range(containers))
    return len(encode_rows(rows, QUERY, NOW)) / containers


def lived(number: int, pods: int) -> ContainerDay:
    """A service with a daily rhythm, noise of its own, and memory that wanders."""
    dice = np.random.default_rng(number * 31 + pods)
    times = np.arange(FIRST * DAY, (FIRST + 1) * DAY, STEP)
    time_ = np.tile(times, pods).astype(np.int64)
    daily = 1 + 0.4 * np.sin((time_ % DAY) / DAY * 2 * np.pi + dice.uniform(0, 6))
    cpu = np.maximum(1, dice.lognormal(4, 1.2) * daily * dice.lognormal(0, 0.25, len(time_)))
    walk = np.concatenate([np.cumsum(dice.normal(0, 0.003, len(times))) for _ in range(pods)])
    memory = (dice.lognormal(19.5, 1) * np.exp(walk) * (1 + 0.02 * daily)).astype(np.int64)
    pod = np.repeat(np.arange(pods), len(times)).astype(np.int64)
    ref = ContainerRef("prod", f"team-{number // SPACE}", "Deployment", f"service-{number}", "app")
    (row,) = days_of_series(
        ref, Series(time_, pod, cpu.astype(np.int64), memory, memory // 2), STEP, Events()
    )
    return row


if __name__ == "__main__":
    raise SystemExit(main())

"""Reading a recording: 10,000 containers and 14 days, and the same rows as JSON lines.

    python benchmarks/recording.py [--containers 10000] [--days 14]

The alternative reads a line a row with the standard library and adds up the same sketches, peaks
of days and counts in dictionaries, but checks nothing. Both are measured on a fifth of the
containers, and must agree. Seconds are the processor's, so that a busy machine changes little.
Fails when a recording is not at least twice as fast and ten times as small, or when all containers
take over 5 s or 500 MB.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np

from reconciler.model import ContainerRef, DayPeaks, Sketch, Usage
from reconciler.usage.days import DAY, SKETCHES, ContainerDay, days_since_1970
from reconciler.usage.files import write_days
from reconciler.usage.recording import open_recording
from reconciler.usage.series import Events, Series, days_of_series
from reconciler.usage.sketch import merge

FIRST = days_since_1970("2026-02-01")
STEP = 300
QUERY = {"source": "benchmark", "step": STEP}
MIN_RATIO = 2
MIN_SMALLER = 10
MAX_SECONDS = 5.0
MAX_MB = 500


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--containers", type=int, default=10_000)
    parser.add_argument("--days", type=int, default=14)
    parser.add_argument("--read", type=Path, help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    if wanted.read:
        read_recording(wanted.read, wanted.containers, wanted.days)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        return compare(Path(folder), wanted.containers, wanted.days)


def compare(folder: Path, containers: int, days: int) -> int:
    few = containers // 5
    write(folder / "few", few, days, lines=True)
    write(folder / "all", containers, days, lines=False)
    small, _ = in_a_process(folder / "few", few, days)
    begin = time.process_time()
    merged = read_lines(folder / "few" / "rows.jsonl")
    plain = time.process_time() - begin
    agree(folder / "few", merged, days)
    ratio = plain / small
    seconds, megabytes = in_a_process(folder / "all", containers, days)
    size, plain_size = size_of(folder / "few", "parquet"), size_of(folder / "few", "jsonl")
    smaller = plain_size / size
    print(f"{few:,} containers x {days} days, same answers:")
    print(f"  recording  {small:6.2f} s {size:6.0f} MB")
    print(f"  JSON lines {plain:6.2f} s {plain_size:6.0f} MB")
    print(f"  {ratio:.1f} times faster (at least {MIN_RATIO}), {smaller:.0f} times smaller", end="")
    print(f" (at least {MIN_SMALLER})")
    print(f"{containers:,} containers x {days} days:")
    print(f"  recording  {seconds:6.2f} s {size_of(folder / 'all', 'parquet'):6.0f} MB", end="")
    print(f" (at most {MAX_SECONDS:.0f} s); memory {megabytes} MB (at most {MAX_MB} MB)")
    kept = ratio >= MIN_RATIO and smaller >= MIN_SMALLER and seconds <= MAX_SECONDS
    return 0 if kept and megabytes <= MAX_MB else 1


def size_of(folder: Path, kind: str) -> float:
    return sum(path.stat().st_size for path in folder.glob(f"*.{kind}")) / 1e6


def agree(folder: Path, merged: dict[ContainerRef, Merged], days: int) -> None:
    source = open_recording(folder, "main")
    reading = source.read(list(merged), FIRST * DAY, (FIRST + days) * DAY)
    for ref, mine in merged.items():
        usage = reading.usage[ref]
        assert isinstance(usage, Usage)
        assert usage.cpu == merge([Sketch(*zip(*sorted(mine.cpu.items()), strict=True))])
        assert usage.days == tuple(mine.days)
        assert usage.samples == mine.samples


def refs(containers: int) -> list[ContainerRef]:
    return [
        ContainerRef("prod", f"team-{number % 40}", "Deployment", f"service-{number}", "app")
        for number in range(containers)
    ]


def write(folder: Path, containers: int, days: int, lines: bool) -> None:
    folder.mkdir()
    plays = [behaviour(seed, days) for seed in range(300)]
    names = refs(containers)
    for day in range(days):
        rows = [plays[number % len(plays)][day]._replace(ref=ref) for number, ref in enumerate(names)]
        write_days(folder / f"{day:03}.parquet", rows, QUERY, (FIRST + days) * DAY)
        if lines:
            with (folder / "rows.jsonl").open("a") as file:
                file.writelines(json.dumps(row) + "\n" for row in rows)


def behaviour(seed: int, days: int) -> tuple[ContainerDay, ...]:
    """Three pods with a day's rhythm and noise."""
    random = np.random.default_rng(seed)
    times = np.arange(FIRST * DAY, (FIRST + days) * DAY, STEP)
    time = np.tile(times, 3)
    level = 1200 + 1000 * np.sin(time * 2 * np.pi / DAY)
    cpu = (level * random.uniform(0.8, 1.2, len(time)) * random.uniform(0.1, 1)).astype(np.int64)
    memory = (random.uniform(0.9, 1.1, len(time)) * random.integers(100, 2000) * (1 << 20)).astype(np.int64)
    pods = np.repeat(np.arange(3), len(times))
    series = Series(time, pods, cpu, memory, memory)
    return days_of_series(ContainerRef("", "", "", "", ""), series, STEP, Events())


def in_a_process(folder: Path, containers: int, days: int) -> tuple[float, int]:
    """Processor seconds and megabytes of a process that does nothing else."""
    argv = [sys.executable, __file__, "--read", str(folder), "--containers", str(containers)]
    done = subprocess.run([*argv, "--days", str(days)], capture_output=True, text=True, check=True)
    seconds, megabytes = done.stdout.split()
    return float(seconds), int(megabytes)


def read_recording(folder: Path, containers: int, days: int) -> None:
    begin = time.process_time()
    source = open_recording(folder, "main")
    reading = source.read(refs(containers), FIRST * DAY, (FIRST + days) * DAY)
    seconds = time.process_time() - begin
    assert not reading.failures
    assert all(isinstance(usage, Usage) and len(usage.days) == days for usage in reading.usage.values())
    print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)


class Merged:
    """What the alternative adds up."""

    def __init__(self) -> None:
        self.cpu: Counter[int] = Counter()
        self.worst_cpu: Counter[int] = Counter()
        self.memory: Counter[int] = Counter()
        self.worst_memory: Counter[int] = Counter()
        self.days: list[DayPeaks] = []
        self.samples = self.expected = self.restarts = 0

    def add(self, day: ContainerDay) -> None:
        for name in SKETCHES:
            sums, (values, counts) = getattr(self, name), getattr(day, name)
            for value, count in zip(values, counts, strict=True):
                sums[value] += count
        p95 = Sketch(*day.cpu).quantile(950)
        self.days.append(DayPeaks(day.day, day.samples, p95, day.cpu[0][-1], day.memory[0][-1]))
        self.samples += day.samples
        self.expected += day.expected
        self.restarts += day.trouble[2]


def read_lines(path: Path) -> dict[ContainerRef, Merged]:
    merged: dict[ContainerRef, Merged] = defaultdict(Merged)
    with path.open() as file:
        for line in file:
            day = ContainerDay(*json.loads(line))
            merged[ContainerRef(*day.ref)].add(day)
    return merged


if __name__ == "__main__":
    sys.exit(main())

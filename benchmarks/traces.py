"""What is promised of `auto` on traces of the real world: against the recommenders of VPA and KRR.

    python benchmarks/traces.py FILE...                  samples as `reconcile backtest --series` takes them
    python benchmarks/traces.py --convert FOLDER OUT.parquet

A trace is replayed once, and judged as a whole and in two halves, every other container each: whoever
tuned on one half is told of the other. Fails when a promise is missed in any of the three. Without a
file (also none in $TRACES) it says so and measures nothing.

--convert makes such samples of the Grid Workloads Archive's GWA-T-12 "Rnd" or "fastStorage" (Bitbrains):
folders of CSV files, one a virtual machine and month. --without OTHER.parquet leaves out the machines that
another file has.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow
from pyarrow import csv, parquet

from reconciler.backtest.compare import BASELINES, Comparison, compare, compared
from reconciler.backtest.measures import Measures
from reconciler.backtest.policies import following
from reconciler.backtest.replay import Pace
from reconciler.backtest.series import read_series
from reconciler.config import PolicyBook
from reconciler.model import Policy

PACE = Pace(28, 1)


class Promise(NamedTuple):
    """At equal slack, at most this share of what the other has."""

    what: str
    other: str
    most: float


PROMISES = (
    Promise("overruns", "krr-simple", 1.1),
    Promise("overruns", "vpa", 0.7),
    Promise("cpu_minutes", "krr-simple", 1.0),
    Promise("cpu_minutes", "vpa", 1.5),
    Promise("changes", "krr-simple", 1 / 3),
    Promise("changes", "vpa", 1 / 8),
)
WORDS = {"overruns": "memory overrun-days", "cpu_minutes": "CPU minutes over", "changes": "changes"}


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("files", type=Path, nargs="*")
    parser.add_argument("--convert", type=Path, nargs=2, metavar=("FOLDER", "OUT.parquet"))
    parser.add_argument("--without", type=Path, metavar="OTHER.parquet")
    wanted = parser.parse_args()
    if wanted.convert:
        convert(*wanted.convert, wanted.without)
        return 0
    named = filter(None, os.environ.get("TRACES", "").split(os.pathsep))
    files = wanted.files or [Path(name) for name in named]
    if not files:
        print("SKIPPED, NOTHING WAS MEASURED: no trace is given.")
        print("Name one with: make bench TRACES=FILE (docs/backtest-results.md tells where to find some)")
        return 0
    return max([judged(file) for file in files])


def judged(file: Path) -> int:
    policy = PolicyBook().named("balanced")
    assert isinstance(policy, Policy)
    contenders = {"auto": following(policy), **BASELINES}
    whole = compare(read_series(file), contenders, PACE, lambda words, total: lambda amount: None)
    parts = {
        "all": whole,
        "even": compared(whole.replayed[::2], list(contenders)),
        "odd": compared(whole.replayed[1::2], list(contenders)),
    }
    print(
        f"== {file}: {len(whole.replayed)} containers on {of(whole, 'auto').container_days:,} container-days"
    )
    missed = sum([told(name, part) for name, part in parts.items()])
    print("every promise is kept" if not missed else f"{missed} promises are missed")
    return 1 if missed else 0


def of(found: Comparison, name: str) -> Measures:
    """At the slack of the first."""
    rows = (found.rows[0], *found.scaled)
    return next(row.measures for row in rows if row.policy == name)


def told(part: str, found: Comparison) -> int:
    """How many promises are missed."""
    mine, missed = of(found, "auto"), 0
    print(
        f"{part}: slack of memory {mine.memory_slack:.1%}, of CPU {mine.cpu_slack:.1%}; "
        f"{mine.overruns:.2%} overrun-days by {mine.overrun_size:.0%}, "
        f"{mine.cpu_minutes:.1f} CPU minutes over, {mine.changes:.2f} changes a week"
    )
    for promise in PROMISES:
        theirs, ours = getattr(of(found, promise.other), promise.what), getattr(mine, promise.what)
        ratio = ours / theirs if theirs else float(ours > 0)
        kept = ratio <= promise.most
        missed += not kept
        verdict = "ok" if kept else "MISSED"
        said = f"{WORDS[promise.what]} of {promise.other}"
        print(f"  {verdict:6} {ratio:5.2f} of the {said:34} (at most {promise.most:.3g})")
    return missed


# ---------------------------------------------------------------------------------------------
# From the archive's format
# ---------------------------------------------------------------------------------------------


def convert(folder: Path, out: Path, without: Path | None) -> None:
    """One virtual machine stands for one container of one pod."""
    machines: dict[str, list[Path]] = defaultdict(list)
    for path in folder.rglob("*.csv"):
        machines[path.stem].append(path)
    known = set() if without is None else {past.ref.workload for past in read_series(without)}
    schema = pyarrow.schema(
        [("timestamp", pyarrow.int64())]
        + [(name, pyarrow.string()) for name in ("namespace", "workload", "pod", "container")]
        + [("cpu_cores", pyarrow.float64()), ("memory_bytes", pyarrow.float64())]
    )
    with parquet.ParquetWriter(out, schema, compression="zstd") as writer:
        for name, paths in sorted(machines.items()):
            if f"vm-{name}" in known:
                continue
            time, cores, memory = map(np.concatenate, zip(*map(samples_of, sorted(paths)), strict=True))
            texts = {
                "namespace": "bitbrains",
                "workload": f"vm-{name}",
                "pod": f"vm-{name}",
                "container": "vm",
            }
            columns = {name: pyarrow.array([text] * len(time)) for name, text in texts.items()}
            columns |= {"timestamp": time, "cpu_cores": cores, "memory_bytes": memory}
            writer.write_table(pyarrow.table(columns).select(schema.names).cast(schema))


def samples_of(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Seconds, cores and bytes, of the times at which the machine was there at all.

    The header says milliseconds; the numbers are seconds.
    """
    text = path.read_bytes().replace(b";\t", b";")
    options = csv.ParseOptions(delimiter=";")
    table = csv.read_csv(pyarrow.BufferReader(text), parse_options=options)
    names = (
        *("Timestamp [ms]", "CPU cores", "CPU capacity provisioned [MHZ]", "CPU usage [MHZ]"),
        *("Memory capacity provisioned [KB]", "Memory usage [KB]"),
    )
    time, cores, capacity, used, provisioned, memory = (
        np.asarray(table.column(name).to_numpy(), np.float64) for name in names
    )
    there = (capacity > 0) & (provisioned > 0)
    share = used[there] / capacity[there]
    return time[there].astype(np.int64), share * cores[there], memory[there] * 1024


if __name__ == "__main__":
    sys.exit(main())

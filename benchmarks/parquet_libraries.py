"""Which library should read recordings? Measured before choosing; docs/recording.md has the table.

    python benchmarks/parquet_libraries.py [--rows-a-day 10000] [--days 28]

Writes one Parquet file a day, then reads all of them with every candidate that is installed, each
in a process of its own: the key columns, and the four sketches as flat numpy arrays, which is what
merging needs. Candidates that are missing are skipped.

Then each reads a thousand damaged copies of a small file. A recording may come from anywhere, and
a broken one must be one failure, not the end of the run: "uncatchable" counts answers that
`except Exception` does not stop, "killed" the times that the process itself was gone.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import random
import resource
import selectors
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

LISTS = (
    "cpu_millicores",
    "cpu_samples",
    "worst_cpu_millicores",
    "worst_cpu_samples",
    "memory_bytes",
    "memory_samples",
    "worst_memory_bytes",
    "worst_memory_samples",
)
SCALARS = ("namespace", "workload", "samples", "cpu_max", "memory_max")
MARK = b">"
PATIENCE = 5  # seconds for one file
NEEDS = {  # what comes along with each, beside numpy which we have anyway
    "pyarrow": ("pyarrow",),
    "polars": ("polars", "polars-runtime-32"),
    "duckdb": ("duckdb",),
    "fastparquet": ("fastparquet", "pandas", "cramjam", "fsspec"),
    "arro3": ("arro3-core", "arro3-io"),
}


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows-a-day", type=int, default=10_000)
    parser.add_argument("--days", type=int, default=28)
    parser.add_argument("--broken", type=int, default=1000)
    parser.add_argument("--read", nargs=2, metavar=("LIBRARY", "FOLDER"))
    parser.add_argument("--break", nargs=4, metavar=("LIBRARY", "FILE", "FIRST", "LAST"), dest="damage")
    wanted = parser.parse_args()
    if wanted.read:
        print(json.dumps(read_all(wanted.read[0], Path(wanted.read[1]))))
        return 0
    if wanted.damage:
        library, path, first, last = wanted.damage
        read_broken(library, Path(path), int(first), int(last))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        write_days(Path(folder), wanted.days, wanted.rows_a_day)
        size = sum(path.stat().st_size for path in Path(folder).glob("*.parquet"))
        print(f"{wanted.days * wanted.rows_a_day:,} container-days, {size / 1e6:.0f} MB of Parquet\n")
        print("| library | installed | import | read | peak memory | of damaged files |")
        print("|---|---|---|---|---|---|")
        small = Path(folder) / "small"
        small.mkdir()
        write_days(small, 1, 300)
        for library in NEEDS:
            print(row_of(library, folder, wanted.broken), flush=True)
    return 0


def row_of(library: str, folder: str, broken: int) -> str:
    size = installed(library)
    if not size:
        return f"| {library} | not installed | | | | |"
    argv = [sys.executable, __file__, "--read", library, folder]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["?"])[-1]
        return f"| {library} | {size} MB | | failed: {last[:80]} | | |"
    found = json.loads(done.stdout)
    return (
        f"| {library} | {size} MB | {found['import']:.2f} s | {found['read']:.1f} s "
        f"| {found['peak_mb']} MB | {broken_row(library, Path(folder) / 'small' / '000.parquet', broken)} |"
    )


def broken_row(library: str, path: Path, wanted: int) -> str:
    """Read damaged copies in a child process, and go on behind the one that killed it."""
    seen: Counter[str] = Counter()
    first = 0
    while first < wanted:
        argv = [sys.executable, __file__, "--break", library, str(path), str(first), str(wanted)]
        outcomes, ending = watched(argv)
        seen.update(outcomes)
        first += len(outcomes)
        if ending:
            seen[ending] += 1
            first += 1
    return ", ".join(f"{count} {name}" for name, count in sorted(seen.items()))


def watched(argv: list[str]) -> tuple[list[str], str]:
    """What the child said, and how it ended: "" well, "killed", or "hung" (ended by us)."""
    outcomes = []
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as child:
        assert child.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(child.stdout, selectors.EVENT_READ)
            left = b""
            while selector.select(timeout=PATIENCE):
                block = os.read(child.stdout.fileno(), 1 << 16)
                if not block:
                    return outcomes, "killed" if child.wait() else ""
                *lines, left = (left + block).split(b"\n")
                outcomes += [line[1:].decode() for line in lines if line.startswith(MARK)]
        child.kill()
    return outcomes, "hung"


def read_broken(library: str, path: Path, first: int, last: int) -> None:
    answers = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # some libraries print, and don't stop
    resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))
    reader = READERS[library]()
    whole = path.read_bytes()
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "broken.parquet"
        for seed in range(first, last):
            target.write_bytes(damaged(whole, random.Random(seed)))
            os.write(answers, MARK + outcome(reader, str(target)).encode() + b"\n")


def outcome(reader: Any, path: str) -> str:
    try:
        reader(path)
    except Exception:  # noqa: BLE001 - which errors there are is the question
        return "refused"
    except BaseException:  # noqa: BLE001
        return "uncatchable"
    return "read"


def damaged(whole: bytes, random: random.Random) -> bytes:
    """Cut short, or some bytes changed: half of the time in the footer, where the structure is."""
    kind = random.random()
    if kind < 0.15:
        return whole[: random.randrange(len(whole))]
    begin = 0 if kind < 0.5 else len(whole) - 2500
    changed = bytearray(whole)
    for _ in range(random.choice((1, 1, 2, 5, 20))):
        changed[random.randrange(begin, len(whole))] = random.randrange(256)
    return bytes(changed)


def installed(library: str) -> int:
    """Megabytes on disk; 0 when something of it is missing."""
    total = 0
    for package in NEEDS[library]:
        try:
            files = importlib.metadata.files(package) or []
        except importlib.metadata.PackageNotFoundError:
            return 0
        total += sum(path.stat().st_size for file in files if (path := Path(str(file.locate()))).is_file())
    return total // 1_000_000


# ---------------------------------------------------------------------------------------------
# Reading, as each library does it best. Each gives the number of values it brought to numpy.
# ---------------------------------------------------------------------------------------------


def read_all(library: str, folder: Path) -> dict[str, float]:
    paths = sorted(str(path) for path in folder.glob("*.parquet"))
    begin = time.perf_counter()
    reader = READERS[library]()
    imported = time.perf_counter()
    values = sum(reader(path) for path in paths)
    done = time.perf_counter()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return {"import": imported - begin, "read": done - imported, "peak_mb": peak, "values": values}


def with_pyarrow() -> Any:
    from pyarrow import parquet

    def read(path: str) -> int:
        table = parquet.ParquetFile(path, read_dictionary=SCALARS[:2]).read(columns=[*SCALARS, *LISTS])
        for name in SCALARS:
            table[name].combine_chunks()
        columns = [table[name].combine_chunks() for name in LISTS]
        for column in columns:
            column.offsets.to_numpy()
        return sum(len(column.values.to_numpy()) for column in columns)

    return read


def with_polars() -> Any:
    import polars

    def read(path: str) -> int:
        frame = polars.read_parquet(path, columns=[*SCALARS, *LISTS])
        for name in LISTS:
            frame[name].list.len().to_numpy()
        return sum(len(frame[name].explode().to_numpy()) for name in LISTS)

    return read


def with_duckdb() -> Any:
    import duckdb

    connection = duckdb.connect()

    def read(path: str) -> int:
        lengths = ", ".join(f"len({name}) AS {name}" for name in LISTS)
        query = f"SELECT {', '.join(SCALARS)}, {lengths} FROM read_parquet(?)"
        connection.execute(query, [path]).fetchnumpy()
        values = 0
        for name in LISTS:
            query = f"SELECT unnest({name}) AS value FROM read_parquet(?)"
            values += len(connection.execute(query, [path]).fetchnumpy()["value"])
        return values

    return read


def with_fastparquet() -> Any:
    import fastparquet

    def read(path: str) -> int:
        frame = fastparquet.ParquetFile(path).to_pandas(columns=[*SCALARS, *LISTS])
        return sum(len(np.concatenate(frame[name].to_numpy())) for name in LISTS)

    return read


def with_arro3() -> Any:
    from arro3.core import list_flatten, list_offsets
    from arro3.io import read_parquet

    def read(path: str) -> int:
        values = 0
        for batch in read_parquet(path, batch_size=1 << 16):
            for name in LISTS:
                column = batch[name]
                list_offsets(column).to_numpy()
                values += len(list_flatten(column).to_numpy())
        return values

    return read


READERS = {
    "pyarrow": with_pyarrow,
    "polars": with_polars,
    "duckdb": with_duckdb,
    "fastparquet": with_fastparquet,
    "arro3": with_arro3,
}


# ---------------------------------------------------------------------------------------------
# What is read
# ---------------------------------------------------------------------------------------------


def write_days(folder: Path, days: int, rows: int) -> None:
    import pyarrow
    from pyarrow import parquet

    random = np.random.default_rng(7)
    for day in range(days):
        columns: dict[str, Any] = {
            "namespace": [f"team-{i % 40}" for i in range(rows)],
            "workload": [f"service-{i}" for i in range(rows)],
            "samples": np.full(rows, 288 * 3),
            "cpu_max": random.integers(100, 2000, rows),
            "memory_max": random.integers(1 << 26, 1 << 31, rows),
        }
        for name, buckets in (("cpu_millicores", 40), ("worst_cpu_millicores", 30)):
            columns |= sketches(random, name, name.replace("millicores", "samples"), buckets, rows)
        for name, buckets in (("memory_bytes", 15), ("worst_memory_bytes", 10)):
            columns |= sketches(random, name, name.replace("bytes", "samples"), buckets, rows)
        parquet.write_table(pyarrow.table(columns), folder / f"{day:03}.parquet", compression="zstd")


def sketches(
    random: np.random.Generator, values: str, counts: str, buckets: int, rows: int
) -> dict[str, Any]:
    import pyarrow

    lengths = random.integers(buckets // 2, buckets * 3 // 2, rows)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    total = int(offsets[-1])
    kind = np.int64 if values.endswith("bytes") else np.int32
    flat = np.sort(random.integers(50, 300, total)).astype(kind)
    return {
        values: pyarrow.ListArray.from_arrays(offsets, flat),
        counts: pyarrow.ListArray.from_arrays(offsets, random.integers(1, 60, total).astype(np.int32)),
    }


if __name__ == "__main__":
    sys.exit(main())

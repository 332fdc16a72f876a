"""Answers of a metrics server as arrays, against JSON and against prometheus-api-client's own way.

`python benchmarks/answers.py`: prints ratios measured in this run; fails when a promised one is missed.
"""

from __future__ import annotations

import gc
import json
import random
import sys
import time
import tracemalloc
from collections.abc import Callable

import numpy as np

from reconciler.usage.prometheus.answers import matrix

SERIES, POINTS = 1050, 288
NOW = 1_700_000_000
MOST_BYTES_A_POINT = 100  # of memory at its peak, beside the answer itself

# How many times as fast as JSON put into arrays it has to be.
PROMISED = {"millicores": 4.0, "bytes": 3.0, "cores": 1.5}


def written(value: Callable[[random.Random], str]) -> bytes:
    dice = random.Random(1)
    result = [
        {
            "metric": {"namespace": f"space-{index % 20}", "pod": f"web-{index}-abcde", "container": "app"},
            "values": [[NOW + 300 * point, value(dice)] for point in range(POINTS)],
        }
        for index in range(SERIES)
    ]
    answer = {"status": "success", "data": {"resultType": "matrix", "result": result}}
    return json.dumps(answer, separators=(",", ":")).encode()


SHAPES: dict[str, Callable[[random.Random], str]] = {
    "millicores": lambda dice: str(dice.randint(0, 2000)),
    "bytes": lambda dice: str(dice.randint(1 << 20, 1 << 34)),
    "cores": lambda dice: repr(dice.random() * 3),
}


def by_json(body: bytes) -> object:
    return json.loads(body)


def by_json_to_arrays(body: bytes) -> object:
    return [np.array(one["values"], np.float64) for one in json.loads(body)["data"]["result"]]


def by_the_library(body: bytes) -> object:
    from prometheus_api_client import MetricsList

    return MetricsList(json.loads(body)["data"]["result"])


def seconds(read: Callable[[bytes], object], body: bytes) -> float:
    best = float("inf")
    for _ in range(3):
        gc.collect()
        began = time.perf_counter()
        read(body)
        best = min(best, time.perf_counter() - began)
    return best


def peak(body: bytes) -> float:
    """Bytes a point."""
    tracemalloc.start()
    matrix(body)
    found = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return found / (SERIES * POINTS)


def main() -> int:
    missed = 0
    ways = {"json": by_json, "json to arrays": by_json_to_arrays, "prometheus-api-client": by_the_library}
    print(f"{SERIES * POINTS} points an answer; times as fast as")
    for name, value in SHAPES.items():
        body = written(value)
        ours = seconds(matrix, body)
        ratios = {way: seconds(read, body) / ours for way, read in ways.items()}
        told = ", ".join(f"{way} {ratio:.1f}" for way, ratio in ratios.items())
        memory = peak(body)
        size = f"{len(body) / (1 << 20):.1f} MiB, {ours * 1000:.0f} ms, {memory:.0f} bytes a point"
        print(f"{name:>10} ({size}): {told}")
        if ratios["json to arrays"] < PROMISED[name] or memory > MOST_BYTES_A_POINT:
            print(f"MISSED: {PROMISED[name]} times, and {MOST_BYTES_A_POINT} bytes a point were promised")
            missed += 1
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())

"""Texts of merge requests: a thousand of them, and one with five thousand changes.

Promised: a thousand in six seconds of processor time, and a time that grows with the changes alone. Measured
against what a run does with the same changes anyway: it writes their evidence into the ledger.

    python benchmarks/bodies.py
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "proposals"))

from body_world import GITHUB, MI, Change, ContainerRef, change, keep, memory, proposal, used

from reconciler import canonical
from reconciler.proposals.group import fingerprint
from reconciler.proposals.surface import size

PROMISED = 6.0  # seconds of processor time for a thousand
MOST_GROWTH = 7.0  # of five times the changes


def main() -> int:
    few = [_small(n) for n in range(1000)]
    apart = _timed(lambda: [proposal(changes, GITHUB, near) for changes, near in few])
    ledger = _timed(lambda: [canonical.dump(one.evidence) for changes, _ in few for one in changes])
    print(f"1,000 bodies of 2 changes      {apart:6.2f} s  {apart:6.2f} ms each")
    print(f"their evidence for the ledger  {ledger:6.2f} s  the bodies take {apart / ledger:.1f} times that")
    thousand, most = _many(1000), _many(5000)
    once = _timed(lambda: proposal(thousand, GITHUB))
    five = _timed(lambda: proposal(most, GITHUB))
    print(f"one body of 1,000 changes      {once:6.2f} s")
    print(f"one body of 5,000 changes      {five:6.2f} s  {five / once:.1f} times that")
    longest = size(proposal(most, GITHUB).body)
    print(f"its length                     {longest:,} of {GITHUB.body_limit:,}")
    kept = apart <= PROMISED and five / once <= MOST_GROWTH and longest <= GITHUB.body_limit
    print("ok" if kept else "FAILED")
    return 0 if kept else 1


def _small(n: int) -> tuple[list[Change], list[object]]:
    ref = ContainerRef("", f"team-{n % 40}", "Deployment", f"service-{n:04}", "app")
    usage = used(cpu=200 + n % 300, memory=(300 + n % 500) * MI, days=28)
    resized = memory(ref, usage=usage, klass=change().klass)
    return [change(ref, usage=usage), resized], [keep(ref)]


def _many(count: int) -> list[Change]:
    refs = (ContainerRef("", f"team-{n % 40}", "Deployment", f"service-{n:04}", "app") for n in range(count))
    return [change(ref, usage=used(cpu=200 + n % 300)) for n, ref in enumerate(refs)]


def _timed(what: Callable[[], object]) -> float:
    """The best of three; what is remembered of evidence is forgotten before each."""
    best = float("inf")
    for _ in range(3):
        fingerprint.cache_clear()
        begun = time.process_time()
        what()
        best = min(best, time.process_time() - begun)
    return best


if __name__ == "__main__":
    sys.exit(main())

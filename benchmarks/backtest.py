"""Replaying a policy and two baselines day by day, and the same by reading the samples anew each day.

    python benchmarks/backtest.py [--containers 40] [--days 70]

The alternative is what a script does that asks the metrics server, or a table, for the window of each day
and puts its sketch together from samples: it decides the very same, which is checked. Seconds are the
processor's. Fails when the replay is not at least three times as fast, or manages fewer than 150
container-days a second with all three contenders.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass

import numpy as np

from reconciler.backtest.compare import BASELINES, compare
from reconciler.backtest.past import Past
from reconciler.backtest.policies import following
from reconciler.backtest.replay import Pace, replay
from reconciler.backtest.series import KIND, History
from reconciler.config import PolicyBook
from reconciler.model import ContainerRef, Policy
from reconciler.usage.days import DAY, ContainerDay

STEP, START, TRAINED = 300, 20_000, 28
LEAST_RATIO, LEAST_A_SECOND = 3.0, 150.0


@dataclass(frozen=True)
class Forgetful:
    """A past that keeps nothing: what is asked of it is worked out from samples, each time."""

    past: History
    until: int

    def rows(self) -> tuple[ContainerDay, ...]:
        mine = self.past.between(self.until - 40, self.until)
        cut = {name: getattr(self.past, name)[mine] for name in ("time", "pod", "cpu", "memory")}
        return History(**{**vars_of(self.past), **cut}).rows()

    def __getattr__(self, name: str) -> object:
        return getattr(self.past, name)


def vars_of(past: History) -> dict[str, object]:
    return {name: getattr(past, name) for name in History.__dataclass_fields__}


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--containers", type=int, default=40)
    parser.add_argument("--days", type=int, default=70)
    wanted = parser.parse_args()
    random = np.random.default_rng(3)
    pasts = [made(random, number, wanted.days) for number in range(wanted.containers)]
    policy = PolicyBook().named("balanced")
    assert isinstance(policy, Policy)
    days = wanted.containers * (wanted.days - TRAINED)
    pace = Pace(TRAINED, 1)
    contenders = {"auto": following(policy), **{name: BASELINES[name] for name in ("vpa", "krr-simple")}}
    begun = time.process_time()
    compare(pasts, contenders, pace, lambda words, total: lambda amount: None)
    speed = days / (time.process_time() - begun)
    few = pasts[:4]
    begun = time.process_time()
    ours = [replay(past, following(policy), pace).memory.tolist() for past in few]
    once = time.process_time() - begun
    begun = time.process_time()
    theirs = [anew(past, policy, pace) for past in few]
    each_day = time.process_time() - begun
    assert ours == theirs, "they must decide the same"
    print(f"{days:,} container-days of a policy and two baselines: {speed:.0f} a second")
    print(f"{days // len(pasts) * len(few)} of the policy alone: {once:.2f} s")
    print(f"the same, the samples of the window read anew each day: {each_day:.2f} s")
    print(f"{each_day / once:.1f} times faster (at least {LEAST_RATIO:g} are promised)")
    return 0 if each_day / once >= LEAST_RATIO and speed >= LEAST_A_SECOND else 1


def anew(past: History, policy: Policy, pace: Pace) -> list[int]:
    """An adviser that keeps its changes in mind, and nothing of utilization."""

    class Asking:
        def __init__(self, known: Past) -> None:
            self.adviser = following(policy)(known)

        def advise(self, day, in_force, kills):
            seen = following(policy)(Forgetful(past, day))
            self.adviser._windows = seen._windows
            return self.adviser.advise(day, in_force, kills)

    return replay(past, Asking, pace).memory.tolist()


def made(random: np.random.Generator, number: int, days: int) -> History:
    """Three pods with the rhythm of days, noise, and a level that wanders."""
    times = START * DAY + np.arange(days * DAY // STEP, dtype=np.int64) * STEP
    time_, pod = np.repeat(times, 3), np.tile(np.arange(3), len(times))
    rhythm = 1 + 0.5 * np.sin(time_ % DAY / DAY * 2 * np.pi)
    level = np.exp(np.cumsum(random.normal(0, 0.05, days)))[(time_ // DAY) - START]
    cpu = random.uniform(0.05, 2) * rhythm * level * random.lognormal(0, 0.4, len(time_))
    memory = random.uniform(1e8, 4e9) * level * random.lognormal(0, 0.05, len(time_))
    ref = ContainerRef("", "shop", KIND, f"service-{number}", "app")
    none = np.zeros(0)
    return History(ref, 1, STEP, time_, pod, cpu, memory.astype(np.int64), none, none, none.astype(np.int64))


if __name__ == "__main__":
    sys.exit(main())

"""Several policies and baselines over the same container-days, as they are and at equal slack."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from reconciler.backtest.advice import Adviser
from reconciler.backtest.krr import simple, simple_limit
from reconciler.backtest.measures import (
    Factors,
    Ground,
    Measures,
    factors_to,
    ground,
    kept_days,
    lived,
    measure,
    together,
)
from reconciler.backtest.past import Pasts
from reconciler.backtest.replay import Course, Pace, replay
from reconciler.backtest.vpa import Vpa
from reconciler.errors import Misconfigured, Problem
from reconciler.model import ContainerRef, Price
from reconciler.money import ASSUMED
from reconciler.usage.days import DAY
from reconciler.usage.tabular import WHAT

BASELINES: Mapping[str, Adviser] = {"vpa": Vpa, "krr-simple": simple, "krr-simple-limit": simple_limit}
AS_IT_IS: Factors = (1.0, 1.0)
COLUMNS = (
    *("policy", "time", "namespace", "workload", "container"),
    *("cpu_request_cores", "memory_request_bytes"),
)
Telling = Callable[[str, int], Callable[[int], None]]  # begins a piece of work of some length


class Row(NamedTuple):
    policy: str
    factors: Factors
    measures: Measures


class Replayed(NamedTuple):
    """One container, as everybody would have had it."""

    ref: ContainerRef
    courses: Mapping[str, Course]
    kept: NDArray[np.bool_]  # which of its days count
    ground: Ground  # what was used on these


class Comparison(NamedTuple):
    replayed: tuple[Replayed, ...]  # that have days which count
    rows: tuple[Row, ...]
    scaled: tuple[Row, ...]  # the others, at the slack of the first


def compare(
    histories: Pasts,
    contenders: Mapping[str, Adviser],
    pace: Pace,
    told: Telling,
    price: Callable[[str], Price] = lambda cluster: ASSUMED,
) -> Comparison:
    """Only container-days count on which everybody has requests in force."""
    advance, found = told("Replaying", len(histories)), []
    for history in histories:
        courses = {name: replay(history, adviser, pace) for name, adviser in contenders.items()}
        kept = kept_days(courses.values())
        if kept.any():
            days = next(iter(courses.values())).days[kept]
            used = ground(history, days, price(history.ref.cluster))
            found.append(Replayed(history.ref, courses, kept, used))
        advance(1)
    if not found:
        raise Problem(
            WHAT,
            f"no container has samples after {pace.train_days} days of training and enough before: "
            "give a longer series, or fewer --train-days",
        )
    return compared(found, list(contenders))


def compared(found: Sequence[Replayed], names: Sequence[str]) -> Comparison:
    """What came of it, of all these containers together."""
    on, kept = together([one.ground for one in found]), [one.kept for one in found]
    lives = {name: lived([one.courses[name] for one in found], kept, on) for name in names}
    rows = tuple(Row(name, AS_IT_IS, measure(on, lives[name])) for name in names)
    first, *others = rows
    scaled = []
    for row in others:
        factors = factors_to(row.measures, first.measures)
        scaled.append(Row(row.policy, factors, measure(on, lives[row.policy], factors)))
    return Comparison(tuple(found), rows, tuple(scaled))


def write_recommendations(path: Path, found: Comparison) -> None:
    """A line each time that a request in force begins or changes."""
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(COLUMNS)
            for row in found.rows:
                writer.writerows(_lines(row.policy, found))
    except OSError as error:
        said = f"--recommendations {path} can't be written: {error.strerror}."
        raise Misconfigured("--recommendations", said) from error


def _lines(name: str, found: Comparison) -> Iterator[tuple[str | int, ...]]:
    for one in found.replayed:
        ref, course, before = one.ref, one.courses[name], (0, 0)
        columns = (course.days[one.kept], course.cpu[one.kept], course.memory[one.kept])
        for day, cpu, memory in zip(*(column.tolist() for column in columns), strict=True):
            if (cpu, memory) != before:
                whose = (ref.namespace, ref.workload, ref.container)
                yield (name, day * DAY, *whose, f"{cpu / 1000:.3f}", memory)
            before = (cpu, memory)

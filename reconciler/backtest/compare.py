"""Several policies and baselines over the same container-days, as they are and at equal slack."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from reconciler.backtest.advice import Adviser
from reconciler.backtest.krr import simple, simple_limit
from reconciler.backtest.measures import Factors, Measures, factors_to, ground, kept_days, lived, measure
from reconciler.backtest.past import Past
from reconciler.backtest.replay import Course, Pace, replay
from reconciler.backtest.vpa import Vpa
from reconciler.errors import Misconfigured, Problem
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


class Comparison(NamedTuple):
    histories: tuple[Past, ...]  # that have days which count
    courses: Mapping[str, tuple[Course, ...]]
    kept: tuple[NDArray[np.bool_], ...]  # for each container which of its days count
    rows: tuple[Row, ...]
    scaled: tuple[Row, ...]  # the others, at the slack of the first


def compare(
    histories: Sequence[Past], contenders: Mapping[str, Adviser], pace: Pace, told: Telling
) -> Comparison:
    """Only container-days count on which everybody has requests in force."""
    courses = {}
    for name, adviser in contenders.items():
        advance, lines = told(name, len(histories)), []
        for course in replay(histories, adviser, pace):
            lines.append(course)
            advance(1)
        courses[name] = tuple(lines)
    kept = kept_days(list(courses.values()))
    if not any(mask.any() for mask in kept):
        raise Problem(
            WHAT,
            f"no container has samples after {pace.train_days} days of training and enough before: "
            "give a longer series, or fewer --train-days",
        )
    on = ground(histories, next(iter(courses.values())), kept)
    lives = {name: lived(lines, kept, on) for name, lines in courses.items()}
    rows = tuple(Row(name, AS_IT_IS, measure(on, lives[name])) for name in courses)
    first, *others = rows
    scaled = []
    for row in others:
        factors = factors_to(row.measures, first.measures)
        scaled.append(Row(row.policy, factors, measure(on, lives[row.policy], factors)))
    return Comparison(tuple(histories), courses, tuple(kept), rows, tuple(scaled))


def write_recommendations(path: Path, found: Comparison) -> None:
    """A line each time that a request in force begins or changes."""
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(COLUMNS)
            for name, courses in found.courses.items():
                writer.writerows(_lines(name, found, courses))
    except OSError as error:
        said = f"--recommendations {path} can't be written: {error.strerror}."
        raise Misconfigured("--recommendations", said) from error


def _lines(name: str, found: Comparison, courses: Iterable[Course]) -> Iterator[tuple[str | int, ...]]:
    for history, course, mask in zip(found.histories, courses, found.kept, strict=True):
        ref, before = history.ref, (0, 0)
        columns = (course.days[mask], course.cpu[mask], course.memory[mask])
        for day, cpu, memory in zip(*(column.tolist() for column in columns), strict=True):
            if (cpu, memory) != before:
                whose = (ref.namespace, ref.workload, ref.container)
                yield (name, day * DAY, *whose, f"{cpu / 1000:.3f}", memory)
            before = (cpu, memory)

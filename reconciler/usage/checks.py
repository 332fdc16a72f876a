"""What must hold in every row of a recording, whoever wrote it.

Each check looks at a whole column at once and names the first row that fails. Without them a
damaged or hand-made file would become a wrong number instead of a line in the report.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from reconciler.usage.days import DAY, HOURS, IDENTITY, SKETCHES
from reconciler.usage.parquet import NONE, Columns, Footer, Lists, refuse
from reconciler.usage.sketch import LARGEST, Ints

Flags = NDArray[np.bool_]

KEYS = (*IDENTITY, "day", "query", "samples", "expected_samples", "pods", "step_seconds", "last_sample")
FIRST_DAY = 10_957  # 2000-01-01
MAX_PODS = 1_000_000
LONGEST_NAME = 253  # of anything in Kubernetes


def check_days(footer: Footer, columns: Columns) -> None:
    check_keys(footer, columns)
    check_sketches(footer, columns)
    check_numbers(footer, columns)
    _check_hours(footer, columns)


def check_keys(footer: Footer, columns: Columns) -> None:
    """Whose row it is, which day, and whether so many samples can be."""
    _check_names(footer, columns)
    numbers = columns.ints
    day, step = numbers["day"], numbers["step_seconds"]
    latest = footer.created // DAY + 1  # clocks may differ by a day, not by more
    _every(footer, (step >= 1) & (step <= DAY), f"step_seconds must be 1 to {DAY}")
    _every(footer, day >= FIRST_DAY, "its day is before the year 2000")
    _every(footer, day <= latest, "its day lies in the future of the day on which the file was written")
    _every(footer, numbers["pods"] <= MAX_PODS, f"pods must be at most {MAX_PODS}")
    possible = numbers["pods"] * (DAY // np.maximum(step, 1) + 1)
    for name in ("samples", "expected_samples"):
        _every(footer, numbers[name] <= possible, f"{name} is more than so many pods can have in a day")
    last = numbers["last_sample"]
    _every(footer, (last >= day * DAY) & (last < (day + 1) * DAY), "last_sample is not on its day")


def _check_names(footer: Footer, columns: Columns) -> None:
    for name in IDENTITY:
        texts = columns.texts[name]
        empty_is_fine = name in ("cluster", "namespace")
        if _are_names(texts.strings):
            continue
        sound = [is_name(text) or (empty_is_fine and not text) for text in texts.strings]
        words = f"{name} is empty, too long or has characters that no name has"
        _every(footer, np.array(sound, bool)[texts.codes], words)
    queries = columns.texts["query"]
    same = np.array([text == footer.query for text in queries.strings], bool)[queries.codes]
    _every(footer, same, "query is not the hash of the file's reconciler.query")


def _are_names(texts: Sequence[str]) -> bool:
    """Asked of all together: that is quicker by far than one by one."""
    lengths = [*map(len, texts)]
    return (
        0 < min(lengths, default=1) <= max(lengths, default=1) <= LONGEST_NAME
        and "".join(texts).isprintable()
    )


def is_name(text: str) -> bool:
    return 0 < len(text) <= LONGEST_NAME and text.isprintable()


def check_sketches(footer: Footer, columns: Columns) -> None:
    totals = {}
    tops = {}
    for sketch, (values, counts) in SKETCHES.items():
        totals[sketch], tops[sketch] = _check_sketch(footer, columns, values, counts)
    numbers = columns.ints
    for resource in ("cpu", "memory"):
        worst = f"worst_{resource}"
        exact = tops[resource] == numbers[f"{resource}_max"]
        _every(footer, exact, f"{resource}_max is not the last value of its sketch")
        _every(footer, totals[resource] >= numbers["samples"], f"samples is more than {resource}_samples has")
        _every(footer, totals[worst] <= totals[resource], f"{worst}_samples has more than {resource}_samples")
        _every(footer, tops[worst] <= tops[resource], f"{worst} passes {resource}_max")
    possible = numbers["pods"] * (DAY // np.maximum(numbers["step_seconds"], 1) + 1)
    for resource in ("cpu", "memory"):
        words = f"{resource}_samples are more than so many pods can have in a day"
        _every(footer, totals[resource] <= possible, words)


def _check_sketch(footer: Footer, columns: Columns, values: str, counts: str) -> tuple[Ints, Ints]:
    """The number of samples and the maximum of each row."""
    found, numbers = columns.lists[values], columns.lists[counts]
    equal = np.diff(found.offsets) == np.diff(numbers.offsets)
    _every(footer, equal, f"{values} and {counts} must have equally many entries")
    ascending = np.ones(len(found.values), bool)
    ascending[1:] = found.values[1:] > found.values[:-1]
    ascending[_begins(found)] = True
    _every_in(footer, found, ascending, f"{values} must ascend")
    _every_in(footer, found, found.values <= LARGEST, f"{values} must be at most {LARGEST}")
    _every_in(footer, numbers, numbers.values >= 1, f"{counts} must be at least 1")
    return sums(numbers), lasts(found)


def _begins(lists: Lists) -> Ints:
    return lists.offsets[:-1][np.diff(lists.offsets) > 0]


def sums(lists: Lists) -> Ints:
    running = np.concatenate(([0], np.cumsum(lists.values)))
    return running[lists.offsets[1:]] - running[lists.offsets[:-1]]


def lasts(lists: Lists) -> Ints:
    """The last value of each row; 0 where the list is empty."""
    found = np.zeros(len(lists.offsets) - 1, np.int64)
    full = np.diff(lists.offsets) > 0
    found[full] = lists.values[lists.offsets[1:][full] - 1]
    return found


def check_numbers(footer: Footer, columns: Columns) -> None:
    numbers = columns.ints
    for name in ("rss_max", "memory_request", "memory_limit", "oom_limit_bytes", "cpu_request", "cpu_limit"):
        _every(footer, numbers[name] <= LARGEST, f"{name} must be at most {LARGEST}")
    for name in ("oom_kills", "restarts", "replicas_last", "pods_started", "periods"):
        _every(footer, numbers[name] <= LARGEST, f"{name} must be at most {LARGEST}")
    throttled, periods = numbers["throttled_periods"], numbers["periods"]
    _every(
        footer, (throttled < 0) == (periods < 0), "throttled_periods and periods must both be there or null"
    )
    _every(footer, throttled <= periods, "throttled_periods is more than periods")
    _every(footer, numbers["first_sample"] <= numbers["last_sample"], "first_sample is after last_sample")
    _every(footer, numbers["first_sample"] >= numbers["day"] * DAY, "first_sample is not on its day")
    _every(footer, numbers["pods_started"] <= numbers["pods"], "pods_started is more than pods")


def check_busy_hours(footer: Footer, columns: Columns) -> None:
    """What must hold of the hours that answers are made of; the others are looked at where they are kept."""
    hours = columns.lists["hour_cpu_p95"]
    _every(footer, np.diff(hours.offsets) == HOURS, f"hour_cpu_p95 must have {HOURS} entries")
    highest = hours.values.reshape(-1, HOURS).max(axis=1, initial=NONE)
    _every(footer, highest <= columns.ints["cpu_max"], "hour_cpu_p95 passes cpu_max")


def _check_hours(footer: Footer, columns: Columns) -> None:
    hours = columns.lists["hour_samples"]
    for name in ("hour_samples", "hour_cpu_p95", "hour_cpu_max", "hour_memory_max"):
        each = np.diff(columns.lists[name].offsets) == HOURS
        _every(footer, each, f"{name} must have {HOURS} entries")
    for name, most in (("hour_cpu_max", "cpu_max"), ("hour_memory_max", "memory_max")):
        found = columns.lists[name]
        peak = found.values.reshape(-1, HOURS).max(axis=1, initial=-1)
        full = columns.ints[most] > 0
        _every(footer, (peak == columns.ints[most]) | ~full, f"the highest {name} is not {most}")
    p95 = columns.lists["hour_cpu_p95"].values
    _every_in(footer, hours, p95 <= columns.lists["hour_cpu_max"].values, "hour_cpu_p95 passes hour_cpu_max")


def _every_in(footer: Footer, lists: Lists, sound: Flags, words: str) -> None:
    if not sound.all():
        entry = int(np.argmin(sound))
        _refuse_row(footer, int(np.searchsorted(lists.offsets, entry, side="right")) - 1, words)


def _every(footer: Footer, sound: Flags, words: str) -> None:
    if not sound.all():
        _refuse_row(footer, int(np.argmin(sound)), words)


def _refuse_row(footer: Footer, row: int, words: str) -> None:
    refuse(footer.path, f"row {footer.before + row + 1}: {words}; record it anew, or mend what wrote it")

"""Container-days into a file, and back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from reconciler import __version__
from reconciler.canonical import dump
from reconciler.model import ContainerRef, Sketch
from reconciler.usage.checks import check_days
from reconciler.usage.days import (
    COLUMNS,
    FORMAT,
    IDENTITY,
    SKETCHES,
    ContainerDay,
    Hourly,
    Query,
    Resources,
    Trouble,
    iso_day,
    query_hash,
)
from reconciler.usage.parquet import NONE, Columns, open_footer, read_columns, write_table

# Plain columns, and where the record has them.
_PLAIN = {
    "day": "day",
    "step_seconds": "step",
    "expected_samples": "expected",
    "rss_max": "rss_max",
    "owner_guessed": "owner_guessed",
    **{name: name for name in ("samples", "pods", "pods_started", "replicas_last")},
    **{name: name for name in ("first_sample", "last_sample")},
}


def write_days(
    path: Path,
    days: Iterable[ContainerDay],
    query: Query,
    now: int,
    covers: tuple[int, int] | None = None,
    more_metadata: Mapping[str, str] | None = None,
) -> None:
    """Write a recording. Equal input gives equal bytes.

    `now` is when it says that it was written. `covers` are the first and the last day that were
    asked for: a container without a row on one of them had no pod then. Without it, they are
    the first and the last day that have a row.
    """
    ordered = sorted(days, key=lambda row: (row.ref, row.day))
    if len({(row.ref, row.day) for row in ordered}) != len(ordered):
        raise ValueError("a recording holds each day of a container once")
    numbers = [row.day for row in ordered]
    first, last = covers or (min(numbers, default=1), max(numbers, default=0))
    metadata = {
        "reconciler.format": FORMAT,
        "reconciler.query": dump(query),
        "reconciler.writer": f"reconciler {__version__}",
        "reconciler.created": str(now),
        "reconciler.days": f"{iso_day(first)}/{iso_day(last)}",
        **(more_metadata or {}),
    }
    write_table(path, _columns(ordered, query_hash(query)), metadata)


def _columns(days: list[ContainerDay], query: str) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {name: [getattr(row.ref, name) for row in days] for name in IDENTITY}
    found["query"] = [query] * len(days)
    for sketch, (values, counts) in SKETCHES.items():
        found[values] = [getattr(row, sketch).values for row in days]
        found[counts] = [getattr(row, sketch).counts for row in days]
    found["cpu_max"] = [_top(row.cpu) for row in days]
    found["memory_max"] = [_top(row.memory) for row in days]
    found |= {name: [getattr(row, field) for row in days] for name, field in _PLAIN.items()}
    for name in Hourly._fields:
        found[f"hour_{name}"] = [getattr(row.hours, name) for row in days]
    for name in Trouble._fields:
        found[name] = [getattr(row.trouble, name) for row in days]
    for name in Resources._fields:
        found[name] = [getattr(row.resources, name) for row in days]
    return found


def _top(sketch: Sketch) -> int:
    return sketch.values[-1] if sketch.values else 0


def read_days(path: Path) -> tuple[ContainerDay, ...]:
    """All rows of a recording, fully checked; Problem says what is wrong with it."""
    footer = open_footer(path)
    columns = read_columns(footer, [column.name for column in COLUMNS])
    check_days(footer, columns)
    return tuple(_row(columns, row) for row in range(footer.rows))


def _row(columns: Columns, row: int) -> ContainerDay:
    def number(name: str) -> Any:
        return _number(int(columns.ints[name][row]))

    def hours(name: str) -> Any:
        return tuple(map(_number, _list(columns, f"hour_{name}", row)))

    texts = (columns.texts[name] for name in IDENTITY)
    plain: dict[str, Any] = {field: number(name) for name, field in _PLAIN.items() if name != "owner_guessed"}
    sketches: dict[str, Any] = {
        sketch: Sketch(*(_list(columns, name, row) for name in names)) for sketch, names in SKETCHES.items()
    }
    return ContainerDay(
        ref=ContainerRef(*(text.strings[text.codes[row]] for text in texts)),
        **plain,
        **sketches,
        hours=Hourly(*map(hours, Hourly._fields)),
        trouble=Trouble(*map(number, Trouble._fields)),
        resources=Resources(*map(number, Resources._fields)),
        owner_guessed=bool(number("owner_guessed")),
    )


def _number(number: int) -> int | None:
    return None if number == NONE else number


def _list(columns: Columns, name: str, row: int) -> tuple[int, ...]:
    offsets, values = columns.lists[name]
    return tuple(values[offsets[row] : offsets[row + 1]].tolist())

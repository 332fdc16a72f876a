"""Rows of a recording as columns of numbers: joined, put in order, and turned into records and back.

All columns of the format are there but `query`, which is the file's. `NONE` stands for null.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from reconciler.model import ContainerRef, Sketch
from reconciler.usage.days import IDENTITY, SKETCHES, ContainerDay, Hourly, Resources, Trouble
from reconciler.usage.parquet import NONE, Columns, Lists, Texts
from reconciler.usage.sketch import Ints

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


def count_of(rows: Columns) -> int:
    return len(rows.ints["day"])


def concatenate(parts: Iterable[Columns]) -> Columns:
    """The rows of all parts, one part after the other."""
    found = [of_days(()), *parts]
    names = found[0]
    return Columns(
        {name: _join_texts([part.texts[name] for part in found]) for name in names.texts},
        {name: np.concatenate([part.ints[name] for part in found]) for name in names.ints},
        {name: join_lists([part.lists[name] for part in found]) for name in names.lists},
    )


def _join_texts(parts: Sequence[Texts]) -> Texts:
    """Each string once, whichever parts have it."""
    numbers: dict[str, int] = {}
    codes = []
    for part in parts:
        mine = [numbers.setdefault(text, len(numbers)) for text in part.strings]
        codes.append(np.array(mine, np.int64)[part.codes])
    return Texts(np.concatenate(codes), tuple(numbers))


def join_lists(parts: Sequence[Lists]) -> Lists:
    lengths = np.concatenate([np.diff(part.offsets) for part in parts])
    return Lists(offsets_of(lengths), np.concatenate([part.values for part in parts]))


def offsets_of(lengths: Ints) -> Ints:
    return np.concatenate((np.zeros(1, np.int64), np.cumsum(lengths)))


def take(rows: Columns, which: Ints) -> Columns:
    """These rows, in this order."""
    return Columns(
        {name: Texts(text.codes[which], text.strings) for name, text in rows.texts.items()},
        {name: column[which] for name, column in rows.ints.items()},
        {name: take_lists(column, which) for name, column in rows.lists.items()},
    )


def take_lists(lists: Lists, which: Ints) -> Lists:
    """These rows, in this order."""
    if np.array_equal(which, np.arange(len(lists.offsets) - 1)):
        return lists
    lengths = np.diff(lists.offsets)[which]
    offsets = offsets_of(lengths)
    entries = np.arange(offsets[-1]) + np.repeat(lists.offsets[:-1][which] - offsets[:-1], lengths)
    return Lists(offsets, lists.values[entries])


def in_order(rows: Columns) -> Columns:
    """By container and day; ValueError when a day of a container is there twice."""
    keys = [rows.ints["day"], *(_ranks(rows.texts[name]) for name in reversed(IDENTITY))]
    order = np.lexsort(keys)
    ordered = [key[order] for key in keys]
    if np.logical_and.reduce([key[1:] == key[:-1] for key in ordered]).any():
        raise ValueError("a recording holds each day of a container once")
    return take(rows, order)


def _ranks(text: Texts) -> Ints:
    """Where the string of each row stands among all of them."""
    places = {string: place for place, string in enumerate(sorted(set(text.strings)))}
    return np.array([places[string] for string in text.strings], np.int64)[text.codes]


# ---------------------------------------------------------------------------------------------
# Records
# ---------------------------------------------------------------------------------------------


def of_days(days: Iterable[ContainerDay]) -> Columns:
    days = list(days)
    return Columns(
        texts_of([row.ref for row in days]),
        {
            "cpu_max": _ints([_top(row.cpu) for row in days]),
            "memory_max": _ints([_top(row.memory) for row in days]),
            **{name: _ints([getattr(row, field) for row in days]) for name, field in _PLAIN.items()},
            **fields_of(Trouble._fields, [row.trouble for row in days]),
            **fields_of(Resources._fields, [row.resources for row in days]),
        },
        {
            **{
                name: _lists([getattr(row, sketch)[part] for row in days])
                for sketch, names in SKETCHES.items()
                for part, name in enumerate(names)
            },
            **{f"hour_{name}": _lists([getattr(row.hours, name) for row in days]) for name in Hourly._fields},
        },
    )


def texts_of(refs: Sequence[ContainerRef]) -> dict[str, Texts]:
    """The columns that name the container of each row."""
    found = {}
    for name in IDENTITY:
        numbers: dict[str, int] = {}
        codes = [numbers.setdefault(getattr(ref, name), len(numbers)) for ref in refs]
        found[name] = Texts(_ints(codes), tuple(numbers))
    return found


def fields_of(names: Sequence[str], records: Sequence[Any]) -> dict[str, Ints]:
    """A column for each field of records that hold numbers."""
    return {name: _ints([getattr(record, name) for record in records]) for name in names}


def _ints(numbers: Sequence[int | None]) -> Ints:
    return np.array([NONE if number is None else number for number in numbers], np.int64)


def _lists(rows: Sequence[Sequence[int | None]]) -> Lists:
    return Lists(offsets_of(_ints([len(row) for row in rows])), _ints([one for row in rows for one in row]))


def _top(sketch: Sketch) -> int:
    return sketch.values[-1] if sketch.values else 0


def days_of(rows: Columns) -> Iterator[ContainerDay]:
    return (_row(rows, row) for row in range(count_of(rows)))


def _row(rows: Columns, row: int) -> ContainerDay:
    def number(name: str) -> Any:
        return _number(int(rows.ints[name][row]))

    def hours(name: str) -> Any:
        return tuple(map(_number, _list(rows, f"hour_{name}", row)))

    texts = (rows.texts[name] for name in IDENTITY)
    plain: dict[str, Any] = {field: number(name) for name, field in _PLAIN.items() if name != "owner_guessed"}
    sketches: dict[str, Any] = {
        sketch: Sketch(*(_list(rows, name, row) for name in names)) for sketch, names in SKETCHES.items()
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


def _list(rows: Columns, name: str, row: int) -> tuple[int, ...]:
    offsets, values = rows.lists[name]
    return tuple(values[offsets[row] : offsets[row + 1]].tolist())

"""One file of the day cache: what it says of itself, and its rows.

It is a recording of one cluster and one day. Its own keys in the metadata tell which namespaces it
has all rows of (also those that had no pod), how many raw samples the server had of each when it was
read, and when that was.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from reconciler.canonical import dump
from reconciler.usage.checks import Flags, check_days
from reconciler.usage.days import COLUMNS, Query
from reconciler.usage.files import encode_rows
from reconciler.usage.parquet import Columns, open_footer, read_columns
from reconciler.usage.rows import take

NAMESPACES = "reconciler.namespaces"
READ = "reconciler.read"
CLUSTER = "reconciler.cluster"
SOURCE = "reconciler.source"
MERGED = "reconciler.merged"
LARGEST_MARK = (1 << 53) - 1


@dataclass(frozen=True, slots=True)
class Known:
    """What the cache says of one namespace on one day of a cluster."""

    count: int  # raw samples the server had when the day was read
    created: int  # when it was read; larger than that of every reading known before


class About(NamedTuple):
    """Whose reading a file is."""

    source: str
    cluster: str
    day: int
    query: Query


class Head(NamedTuple):
    about: About
    created: int
    namespaces: Mapping[str, Known]
    merged: int  # of so many generations of files it was made


def encode(head: Head, rows: Columns) -> bytes:
    """Equal readings give equal bytes, so that two who merge the same files write the same file."""
    about = head.about
    more = {
        SOURCE: about.source,
        CLUSTER: about.cluster,
        NAMESPACES: dump({name: known.count for name, known in head.namespaces.items()}),
        READ: dump({name: known.created for name, known in head.namespaces.items()}),
        MERGED: str(head.merged),
    }
    return encode_rows(rows, about.query, head.created, (about.day, about.day), more)


def read_head(path: Path) -> Head | None:
    """None when it is a sound recording, but nothing that we wrote. Problem when it is no recording."""
    footer = open_footer(path)
    said = footer.said
    counts, read = _numbers(said.get(NAMESPACES)), _numbers(said.get(READ))
    if footer.first_day != footer.last_day or counts.keys() != read.keys() or not counts:
        return None
    merged = said.get(MERGED, "")
    if CLUSTER not in said or SOURCE not in said or not re.fullmatch("[0-9]{1,9}", merged):
        return None
    about = About(said[SOURCE], said[CLUSTER], footer.first_day, json.loads(said["reconciler.query"]))
    namespaces = {name: Known(count, read[name]) for name, count in counts.items()}
    return Head(about, footer.created, namespaces, int(merged))


def _numbers(text: str | None) -> dict[str, int]:
    try:
        found: Any = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {}
    if not isinstance(found, dict):
        return {}
    sound = all(type(number) is int and 0 <= number <= LARGEST_MARK for number in found.values())
    return found if sound else {}


def rows_of(path: Path, namespaces: Collection[str]) -> Columns:
    """The file's rows of these namespaces, checked as a whole: one that is broken must not spoil others."""
    footer = open_footer(path)
    columns = read_columns(footer, [column.name for column in COLUMNS])
    check_days(footer, columns)
    texts = {name: text for name, text in columns.texts.items() if name != "query"}
    return take(columns._replace(texts=texts), np.flatnonzero(within(columns, namespaces)))


def within(rows: Columns, namespaces: Collection[str]) -> Flags:
    """Which of the rows are of one of these namespaces."""
    codes, strings = rows.texts["namespace"]
    found: Flags = np.array([text in namespaces for text in strings], bool)[codes]
    return found


def check_reading(about: About, namespaces: Collection[str], rows: Columns) -> None:
    """ValueError when rows are of something else than what they are put as."""
    clusters = {rows.texts["cluster"].strings[code] for code in np.unique(rows.texts["cluster"].codes)}
    if clusters - {about.cluster} or (rows.ints["day"] != about.day).any():
        raise ValueError("a reading holds rows of its own cluster and day")
    if not within(rows, namespaces).all():
        raise ValueError("a reading holds rows of its own namespaces")

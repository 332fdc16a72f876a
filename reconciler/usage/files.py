"""Container-days into a file, and back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from reconciler import __version__
from reconciler.canonical import dump
from reconciler.usage.checks import check_days
from reconciler.usage.days import COLUMNS, FORMAT, ContainerDay, Query, iso_day, query_hash
from reconciler.usage.parquet import Columns, Texts, encode_table, open_footer, put_file, read_columns
from reconciler.usage.rows import count_of, days_of, in_order, of_days


def write_days(
    path: Path, days: Iterable[ContainerDay], query: Query, now: int, covers: tuple[int, int] | None = None
) -> None:
    """Write a recording of these days."""
    write_rows(path, of_days(days), query, now, covers)


def write_rows(
    path: Path,
    rows: Columns,
    query: Query,
    now: int,
    covers: tuple[int, int] | None = None,
    more_metadata: Mapping[str, str] = {},
) -> None:
    """Write a recording. Equal rows, in whatever order, give equal bytes.

    `now` is when it says that it was written. `covers` are the first and the last day that were
    asked for: a container without a row on one of them had no pod then. Without it, they are
    the first and the last day that have a row. `more_metadata` is what else the file says of
    itself; its keys begin with "reconciler.".
    """
    put_file(path, encode_rows(rows, query, now, covers, more_metadata))


def encode_rows(
    rows: Columns,
    query: Query,
    now: int,
    covers: tuple[int, int] | None = None,
    more_metadata: Mapping[str, str] = {},
) -> bytes:
    """The same file as bytes, for whoever puts it elsewhere."""
    ordered = in_order(rows)
    days = ordered.ints["day"].tolist()
    first, last = covers or (min(days, default=1), max(days, default=0))
    metadata = {
        **dict(sorted(more_metadata.items())),
        "reconciler.format": FORMAT,
        "reconciler.query": dump(query),
        "reconciler.writer": f"reconciler {__version__}",
        "reconciler.created": str(now),
        "reconciler.days": f"{iso_day(first)}/{iso_day(last)}",
    }
    asked = Texts(np.zeros(count_of(ordered), np.int64), (query_hash(query),))
    return encode_table(ordered._replace(texts={**ordered.texts, "query": asked}), metadata)


def read_days(path: Path) -> tuple[ContainerDay, ...]:
    """All rows of a recording, fully checked; Problem says what is wrong with it."""
    footer = open_footer(path)
    columns = read_columns(footer, [column.name for column in COLUMNS])
    check_days(footer, columns)
    return tuple(days_of(columns))

"""Recordings as Parquet files; beside `tabular.py` the only module that knows pyarrow.

Reading hands out numpy arrays and Python strings, and refuses what is not a recording before it
spends memory on it. A null becomes `NONE`, which no real number in a recording can be.
"""

from __future__ import annotations

import io
import json
import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple, NoReturn

import numpy as np
import pyarrow
from pyarrow import parquet

from reconciler.errors import Problem
from reconciler.usage.days import BY_NAME, COLUMNS, FORMAT, HOURS, Column, Query, days_since_1970, query_hash
from reconciler.usage.sketch import BUCKETS, Ints

NONE = -1
MAX_ROWS = 5_000_000
MAX_NUMBERS = 100_000_000  # in one column of one file, all lists together
GROUP = 4096  # rows that are written, and later read, together
WHAT = "a recording of utilization"


class Footer(NamedTuple):
    """What a file says about itself, read without touching its rows."""

    path: Path
    rows: int
    query: str
    created: int
    first_day: int  # the days that it speaks for; none when the last is before the first
    last_day: int
    stamp: tuple[int, int, int]  # to notice that another file took its place
    before: int = 0  # rows of the file that come before the ones at hand
    said: Mapping[str, str] = {}  # all of its metadata, a writer's own keys too
    cluster: str | None = None  # it speaks for this one; without, for those of its rows
    namespaces: frozenset[str] | None = None  # it speaks for these only; without, for all


class Texts(NamedTuple):
    """A column of strings: each string once, and which of them each row has."""

    codes: Ints
    strings: tuple[str, ...]


class Lists(NamedTuple):
    """A column of lists, flat: row `i` holds values[offsets[i] : offsets[i + 1]]."""

    offsets: Ints
    values: Ints


class Columns(NamedTuple):
    """Some columns of one file, by name."""

    texts: dict[str, Texts]
    ints: dict[str, Ints]
    lists: dict[str, Lists]


def refuse(path: Path, error: str) -> NoReturn:
    raise Problem(WHAT, error, path=os.fsencode(path).decode("utf-8", "replace"))


# ---------------------------------------------------------------------------------------------
# Reading
# ---------------------------------------------------------------------------------------------


def open_footer(path: Path) -> Footer:
    """Check that this is a recording of the version we know, with exactly its columns."""
    with _opened(path) as (file, handle):
        metadata = file.schema_arrow.metadata or {}
        found = _text_of(metadata, b"reconciler.format")
        if found is None:
            refuse(
                path, f"this Parquet file is not a recording: its metadata has no reconciler.format; {_DO}"
            )
        if found != FORMAT:
            refuse(path, f"its format is {found[:40]!r}, this version reads {FORMAT!r}; record it anew")
        _check_schema(path, file.schema_arrow)
        _check_size(path, file.metadata)
        query = query_hash(_query_of(path, metadata))
        created, days = _created_of(path, metadata), _days_of(path, metadata)
        said = {str(key, "utf-8", "replace"): str(metadata[key], "utf-8", "replace") for key in metadata}
        return Footer(
            *(path, file.metadata.num_rows, query, created, *days, _stamp(handle)),
            said=said,
            cluster=said.get("reconciler.cluster"),
            namespaces=_namespaces_of(path, metadata),
        )


def read_columns(footer: Footer, names: Sequence[str]) -> Columns:
    """These columns of all rows."""
    with _reopened(footer) as file:
        return _columns_of(footer, file.read(columns=list(names), use_threads=False), names)


def read_groups(
    footer: Footer, names: Sequence[str], wanted: Ints | None = None
) -> Iterator[tuple[Footer, Columns]]:
    """The same a few thousand rows at a time, as they were written; only those with a wanted row."""
    with _reopened(footer) as file:
        before = 0
        for group in range(file.metadata.num_row_groups):
            rows = file.metadata.row_group(group).num_rows
            part = footer._replace(rows=rows, before=before)
            if wanted is None or ((wanted >= before) & (wanted < before + rows)).any():
                table = file.read_row_group(group, columns=list(names), use_threads=False)
                yield part, _columns_of(part, table, names)
            before += rows
    pyarrow.default_memory_pool().release_unused()  # it would keep as much as it ever had


def _columns_of(footer: Footer, table: Any, names: Sequence[str]) -> Columns:
    if table.num_rows != footer.rows:
        refuse(footer.path, f"it announces {footer.rows} rows and has {table.num_rows}; record it anew")
    columns = Columns({}, {}, {})
    for name in names:
        _read_column(footer.path, BY_NAME[name], table.column(name).combine_chunks(), columns)
    return columns


_DO = "see docs/recording.md for what it has to look like"


@contextmanager
def _opened(path: Path) -> Iterator[tuple[Any, IO[bytes]]]:
    """The file, with everything that a library says of a broken one translated."""
    if path.exists() and not path.is_file():  # a pipe would keep us waiting for ever
        refuse(path, "this is a folder or a device, not a file; remove it or rename it")
    try:
        with path.open("rb") as handle:
            # No threads of the library's own, here and below: should the interpreter end while they
            # begin, the whole process is aborted.
            yield parquet.ParquetFile(handle, pre_buffer=False), handle
    except UnicodeDecodeError:
        refuse(path, "it holds names that are not UTF-8; record it anew")
    except MemoryError:
        refuse(path, "it does not fit into memory; split it, for example into one file a day")
    except FileNotFoundError:
        refuse(path, "it has vanished; run again, or check the path")
    except PermissionError:
        refuse(path, "it may not be read; change its permissions")
    except (OSError, pyarrow.ArrowException) as error:
        refuse(path, f"it can't be read as Parquet ({_first_line(error)}); copy or record it again")


@contextmanager
def _reopened(footer: Footer) -> Iterator[Any]:
    """Refused when it is no longer the file that was looked at: its rows would be others."""
    with _opened(footer.path) as (file, handle):
        if _stamp(handle) != footer.stamp:
            refuse(footer.path, "it was replaced while it was being read; run again")
        yield file


def _first_line(error: BaseException) -> str:
    """Whatever the library said, short and printable: it may quote bytes of the file."""
    line = next(iter(str(error).strip().splitlines()), type(error).__name__)
    return "".join(letter if letter.isprintable() else "?" for letter in line)[:120]


def _stamp(handle: IO[bytes]) -> tuple[int, int, int]:
    found = os.fstat(handle.fileno())
    return found.st_ino, found.st_mtime_ns, found.st_size


def _text_of(metadata: dict[bytes, bytes], key: bytes) -> str | None:
    value = metadata.get(key)
    return None if value is None else value.decode("utf-8", "replace")


def _query_of(path: Path, metadata: dict[bytes, bytes]) -> Query:
    try:
        query = json.loads(_text_of(metadata, b"reconciler.query") or "")
    except (ValueError, RecursionError):
        query = None
    if not isinstance(query, dict) or not all(type(value) in (str, int) for value in query.values()):
        refuse(path, f"its metadata has no reconciler.query, an object of strings and integers; {_DO}")
    return query


def _created_of(path: Path, metadata: dict[bytes, bytes]) -> int:
    text = _text_of(metadata, b"reconciler.created") or ""
    if not (text.isascii() and text.isdigit() and len(text) <= 12):
        refuse(path, f"its metadata has no reconciler.created, the Unix time of writing; {_DO}")
    return int(text)


def _days_of(path: Path, metadata: dict[bytes, bytes]) -> tuple[int, int]:
    first, _, last = (_text_of(metadata, b"reconciler.days") or "").partition("/")
    try:
        return days_since_1970(first), days_since_1970(last)
    except ValueError:
        refuse(path, f"its metadata has no reconciler.days, as 2026-02-01/2026-02-28; {_DO}")


def _namespaces_of(path: Path, metadata: dict[bytes, bytes]) -> frozenset[str] | None:
    text = _text_of(metadata, b"reconciler.namespaces")
    if text is None:
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or not all(type(count) is int for count in found.values()):
        refuse(path, f"its metadata has reconciler.namespaces, but not as names with numbers; {_DO}")
    return frozenset(found)


def _check_schema(path: Path, schema: Any) -> None:
    found = {field.name: field.type for field in schema}
    missing = [column.name for column in COLUMNS if column.name not in found]
    extra = [str(name) for name in found if name not in BY_NAME]
    if missing:
        refuse(path, f"it has no column {_names(missing)}; {FORMAT} has exactly those of docs/recording.md")
    if extra:
        refuse(path, f"column {_names(extra)} is not one of {FORMAT}; remove it, or record anew")
    if len(schema) != len(COLUMNS):
        refuse(path, "a column is there twice; remove one, or record anew")
    for column in COLUMNS:
        if not _fits(column, found[column.name]):
            expected = _EXPECTED[column.kind]
            refuse(path, f"column {column.name} is {str(found[column.name])[:60]}, expected {expected}")


def _names(names: list[str]) -> str:
    shown = ", ".join(repr(name[:40]) for name in names[:3])
    return f"{shown} and {len(names) - 3} more" if len(names) > 3 else shown


_EXPECTED = {
    "text": "text",
    "date": "a date",
    "int": "an integer",
    "flag": "a boolean",
    "int32s": "a list of integers",
    "int64s": "a list of integers",
    "hour32s": "a list of 24 integers",
    "hour64s": "a list of 24 integers",
}


def _fits(column: Column, found: Any) -> bool:
    """Any width will do: other tools have their own habits."""
    types = pyarrow.types
    if column.is_list:
        listed = types.is_list(found) or types.is_large_list(found)
        return bool(listed and types.is_integer(found.value_type))
    if column.kind == "text":
        plain = found.value_type if types.is_dictionary(found) else found
        return bool(types.is_string(plain) or types.is_large_string(plain))
    if column.kind == "date":
        return bool(types.is_date32(found))
    return bool(types.is_boolean(found) if column.kind == "flag" else types.is_integer(found))


def _check_size(path: Path, metadata: Any) -> None:
    """From the footer alone, so that a small file can't claim more memory than there is."""
    rows = metadata.num_rows
    if not 0 <= rows <= MAX_ROWS:
        refuse(path, f"it announces {rows} rows, at most {MAX_ROWS} are read; write one file a day")
    numbers = dict.fromkeys(BY_NAME, 0)
    for group in range(metadata.num_row_groups):
        for index in range(metadata.num_columns):
            chunk = metadata.row_group(group).column(index)
            name = chunk.path_in_schema.partition(".")[0]
            numbers[name] = numbers.get(name, 0) + max(0, chunk.num_values)
    for column in COLUMNS:
        found = numbers[column.name]
        most = rows * BUCKETS if column.is_list else rows
        if found > min(most, MAX_NUMBERS):
            refuse(path, f"column {column.name} announces {found} numbers in {rows} rows; record it anew")
        if column.is_hours and found != rows * HOURS:
            refuse(path, f"column {column.name} must hold {HOURS} numbers in each row; record it anew")


def _read_column(path: Path, column: Column, array: Any, into: Columns) -> None:
    if array.null_count and not (column.nullable and not column.is_list):
        refuse(path, f"column {column.name} has nulls, which it must not; record it anew")
    if column.is_list:
        into.lists[column.name] = _lists(path, column, array)
    elif column.kind == "text":
        into.texts[column.name] = _texts(array)
    else:
        into.ints[column.name] = _ints(path, column, array)


def _texts(array: Any) -> Texts:
    if pyarrow.types.is_dictionary(array.type):
        array = array.cast(array.type.value_type)
    encoded = array.dictionary_encode()
    return Texts(encoded.indices.to_numpy().astype(np.int64), tuple(encoded.dictionary.to_pylist()))


def _ints(path: Path, column: Column, array: Any) -> Ints:
    nulls = array.null_count
    if column.kind == "date":
        array = array.cast(pyarrow.int32())
    array = array.cast(pyarrow.int64())
    filled = array.fill_null(NONE) if nulls else array
    numbers: Ints = filled.to_numpy(zero_copy_only=False)
    _refuse_negative(path, column, numbers, nulls)
    return numbers


def _lists(path: Path, column: Column, array: Any) -> Lists:
    offsets = array.offsets.to_numpy().astype(np.int64)
    flat = array.flatten()
    nulls = flat.null_count
    if nulls and not column.nullable:
        refuse(path, f"column {column.name} has nulls inside its lists; record it anew")
    filled = flat.cast(pyarrow.int64()).fill_null(NONE) if nulls else flat.cast(pyarrow.int64())
    numbers = filled.to_numpy(zero_copy_only=False)
    _refuse_negative(path, column, numbers, nulls)
    return Lists(offsets - offsets[0] if len(offsets) else np.zeros(1, np.int64), numbers)


def _refuse_negative(path: Path, column: Column, numbers: Ints, nulls: int) -> None:
    if int(np.count_nonzero(numbers < 0)) > nulls:
        refuse(path, f"column {column.name} has a negative number; record it anew")


# ---------------------------------------------------------------------------------------------
# Writing
# ---------------------------------------------------------------------------------------------


def encode_table(columns: Columns, metadata: Mapping[str, str]) -> bytes:
    """The file as bytes; equal columns give equal bytes."""
    fields = [pyarrow.field(column.name, _arrow_type(column), _may_be_null(column)) for column in COLUMNS]
    arrays = [_arrow(column, columns) for column in COLUMNS]
    table = pyarrow.Table.from_arrays(arrays, schema=pyarrow.schema(fields, dict(metadata)))
    buffer = io.BytesIO()
    parquet.write_table(table, buffer, compression="zstd", row_group_size=GROUP)
    return buffer.getvalue()


def put_file(path: Path, content: bytes) -> None:
    """Write the file beside its place and move it there: readers see all of it or nothing."""
    waiting = path.with_name(f".{path.name}.{secrets.token_hex(6)}.tmp")
    try:
        with waiting.open("xb") as handle:
            handle.write(content)
            handle.flush()
            os.fsync(handle.fileno())
        waiting.replace(path)
    except OSError as error:
        raise Problem(WHAT, f"it can't be written ({error.strerror})", path=str(path)) from error
    finally:
        waiting.unlink(missing_ok=True)


def _may_be_null(column: Column) -> bool:
    return column.nullable and not column.is_list


_PLAIN_TYPES = {
    "text": pyarrow.string(),
    "date": pyarrow.date32(),
    "int": pyarrow.int64(),
    "flag": pyarrow.bool_(),
}


def _arrow_type(column: Column) -> Any:
    if not column.is_list:
        return _PLAIN_TYPES[column.kind]
    number = pyarrow.int64() if column.kind.endswith("64s") else pyarrow.int32()
    return pyarrow.list_(pyarrow.field("element", number, column.nullable))


def _arrow(column: Column, columns: Columns) -> Any:
    if column.kind == "text":
        codes, strings = columns.texts[column.name]
        return pyarrow.array(strings, pyarrow.string()).take(pyarrow.array(codes))
    if column.is_list:
        kind = _arrow_type(column)
        offsets, values = columns.lists[column.name]
        flat = _numbers(column, values, kind.value_type)
        return pyarrow.ListArray.from_arrays(pyarrow.array(offsets, pyarrow.int32()), flat, type=kind)
    plain = pyarrow.int32() if column.kind == "date" else pyarrow.int64()
    return _numbers(column, columns.ints[column.name], plain).cast(_arrow_type(column))


def _numbers(column: Column, values: Ints, kind: Any) -> Any:
    return pyarrow.array(values, kind, mask=values == NONE if column.nullable else None)

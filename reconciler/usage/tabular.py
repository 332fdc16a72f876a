"""Tables that others wrote, as CSV or Parquet: columns by name, as numpy arrays.

Beside `parquet.py`, which knows this program's own recordings, the only module that knows pyarrow.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import numpy as np
import pyarrow
from numpy.typing import NDArray
from pyarrow import csv as arrow_csv
from pyarrow import parquet

from reconciler.errors import Problem
from reconciler.usage.parquet import Texts

WHAT = "a table of samples"
Floats = NDArray[np.float64]
_CSV_ROW = re.compile(r"Row #(\d+): (.*)", re.DOTALL)
_BAD_VALUE = re.compile(r"In CSV column #(\d+): .*invalid value '(.*)'", re.DOTALL)
_FLAGS = {"": 0.0, "false": 0.0, "true": 1.0}


class Wanted(NamedTuple):
    """Which columns are read. A flag is a number, or true or false."""

    texts: tuple[str, ...]
    numbers: tuple[str, ...]
    optional: tuple[str, ...] = ()  # numbers
    flags: tuple[str, ...] = ()  # optional

    @property
    def needed(self) -> tuple[str, ...]:
        return (*self.texts, *self.numbers)

    @property
    def all(self) -> tuple[str, ...]:
        return (*self.needed, *self.optional, *self.flags)


class Table(NamedTuple):
    path: Path
    is_csv: bool
    texts: dict[str, Texts]
    numbers: dict[str, Floats]  # NaN where there is none; of the optional ones those that are there

    def refuse(self, row: int, error: str) -> NoReturn:
        """A row is a line of a CSV file, after the one with the names."""
        if self.is_csv:
            raise Problem(WHAT, error, path=str(self.path), line=row + 2)
        raise Problem(WHAT, f"row {row + 1}: {error}", path=str(self.path))


def read_table(path: Path, wanted: Wanted) -> Table:
    """Parquet if the file begins as such, else CSV with a line of names."""
    with _told(path, wanted):
        with path.open("rb") as handle:
            is_parquet = handle.read(4) == b"PAR1"
        found = _of_parquet(path, wanted) if is_parquet else _of_csv(path, wanted)
        there = set(found.column_names)
        texts = {name: _texts(found.column(name)) for name in wanted.texts}
        numbers = {name: _floats(found.column(name)) for name in wanted.all if name in there - texts.keys()}
    table = Table(path, not is_parquet, texts, numbers)
    for name in wanted.flags:
        if name in there and not is_parquet:
            numbers[name] = _flags(table, name, _texts(found.column(name)))
    return table


def _of_parquet(path: Path, wanted: Wanted) -> Any:
    with path.open("rb") as handle:
        file = parquet.ParquetFile(handle, pre_buffer=False)
        names = _present(path, wanted, file.schema_arrow.names)
        return file.read(columns=names, use_threads=False)


def _of_csv(path: Path, wanted: Wanted) -> Any:
    with path.open(encoding="utf-8-sig", newline="") as handle:
        header = next(csv.reader(handle), [])
    names = _present(path, wanted, header)
    text = pyarrow.dictionary(pyarrow.int32(), pyarrow.string())
    kinds = {name: text if name in (*wanted.texts, *wanted.flags) else pyarrow.float64() for name in names}
    return arrow_csv.read_csv(
        path,
        read_options=arrow_csv.ReadOptions(use_threads=False),
        parse_options=arrow_csv.ParseOptions(ignore_empty_lines=False),
        convert_options=arrow_csv.ConvertOptions(column_types=kinds, include_columns=names),
    )


def _present(path: Path, wanted: Wanted, names: Sequence[str]) -> list[str]:
    missing = [name for name in wanted.needed if name not in names]
    if missing:
        said = f"it has no column {' and no column '.join(missing)}; it needs {', '.join(wanted.needed)}"
        raise Problem(WHAT, said, path=str(path), line=1)
    twice = [name for name in wanted.all if list(names).count(name) > 1]
    if twice:
        raise Problem(WHAT, f"it has the column {twice[0]} twice", path=str(path), line=1)
    return [name for name in wanted.all if name in names]


@contextmanager
def _told(path: Path, wanted: Wanted) -> Iterator[None]:
    """What a library says of a file that it can't read, as a sentence with its line."""
    try:
        yield
    except UnicodeDecodeError:
        raise Problem(WHAT, "it is neither Parquet nor CSV in UTF-8", path=str(path)) from None
    except (pyarrow.ArrowException, ValueError) as error:
        raise _problem(path, " ".join(str(error).split())) from error
    except OSError as error:
        raise Problem(WHAT, f"it can't be read: {error.strerror or error}", path=str(path)) from error


def _problem(path: Path, said: str) -> Problem:
    row = _CSV_ROW.search(said)
    bad = _BAD_VALUE.search(said)
    if bad:
        said = f"'{bad[2][:80]}' in column {int(bad[1]) + 1} is no number"
    elif row:
        said = row[2].split(":")[0][:120]
    return Problem(WHAT, said[:300], path=str(path), line=int(row[1]) if row else 0)


def _texts(column: Any) -> Texts:
    """A null counts as an empty text."""
    if not pyarrow.types.is_dictionary(column.type):
        column = column.cast(pyarrow.string()).dictionary_encode()
    whole = column.unify_dictionaries().combine_chunks()
    if isinstance(whole, pyarrow.ChunkedArray):  # of no rows at all
        return Texts(np.zeros(0, np.int64), ())
    strings = [text or "" for text in whole.dictionary.to_pylist()]
    codes = whole.indices.fill_null(len(strings)).to_numpy(zero_copy_only=False).astype(np.int64)
    return Texts(codes, (*strings, ""))


def _floats(column: Any) -> Floats:
    if pyarrow.types.is_dictionary(column.type):
        return np.zeros(0)
    if pyarrow.types.is_timestamp(column.type):
        column = column.cast(pyarrow.timestamp("ms")).cast(pyarrow.int64())
        return np.asarray(column.to_numpy(), np.float64) / 1000
    found = column.cast(pyarrow.float64()) if not pyarrow.types.is_boolean(column.type) else column
    if pyarrow.types.is_boolean(column.type):
        found = column.cast(pyarrow.uint8()).cast(pyarrow.float64())
    return np.asarray(found.to_numpy(), np.float64)


def _flags(table: Table, name: str, texts: Texts) -> Floats:
    values = np.zeros(len(texts.strings))
    for code, text in enumerate(texts.strings):
        try:
            values[code] = _FLAGS[text.lower()] if text.lower() in _FLAGS else float(text)
        except ValueError:
            row = int(np.argmax(texts.codes == code))
            table.refuse(row, f"{text[:80]!r} in {name} is neither a number nor true or false")
    return values[texts.codes]

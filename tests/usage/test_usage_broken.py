"""Recordings that are none, or that somebody damaged: one clear failure each, and the rest goes on."""

from __future__ import annotations

import os
import random
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from pyarrow import parquet

from reconciler.errors import Problem
from reconciler.model import ContainerRef, Usage, Whose
from reconciler.usage.days import DAY, ContainerDay, days_since_1970
from reconciler.usage.files import read_days
from reconciler.usage.recording import open_recording

MakeDays = Callable[..., tuple[ContainerDay, ...]]
Record = Callable[..., Path]
Table = Any
Spoil = Callable[[Path], None]

MONDAY = days_since_1970("2026-02-02")
REF = ContainerRef("", "shop", "Deployment", "web", "app")
END = (MONDAY + 7) * DAY


def edit(change: Callable[[Table], Table]) -> Spoil:
    def spoil(path: Path) -> None:
        table = parquet.read_table(path)
        metadata = table.schema.metadata
        changed = change(table)
        if changed.schema.metadata == metadata or not changed.schema.metadata:
            changed = changed.replace_schema_metadata(metadata)
        parquet.write_table(changed, path)

    return spoil


def column(name: str, values: Any, kind: Any = None) -> Spoil:
    """Put other values into the first row of a column, or others into all rows."""

    def change(table: Table) -> Table:
        at = table.column_names.index(name)
        old = table.column(name)
        new = [values, *old.to_pylist()[1:]]
        return table.set_column(at, name, pyarrow.array(new, kind or old.type))

    return edit(change)


def cast(name: str, kind: Any) -> Spoil:
    def change(table: Table) -> Table:
        at = table.column_names.index(name)
        return table.set_column(at, name, table.column(name).cast(kind))

    return edit(change)


def metadata(key: str, value: str | None) -> Spoil:
    def change(table: Table) -> Table:
        found = dict(table.schema.metadata)
        found.pop(key.encode(), None)
        if value is not None:
            found[key.encode()] = value.encode()
        return table.replace_schema_metadata(found)

    return edit(change)


def content(new: bytes) -> Spoil:
    return lambda path: path.write_bytes(new) and None


def cut(share: float) -> Spoil:
    def spoil(path: Path) -> None:
        whole = path.read_bytes()
        path.write_bytes(whole[: int(len(whole) * share)])

    return spoil


def into_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def into_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def into_link(path: Path) -> None:
    path.unlink()
    path.symlink_to("nowhere")


def not_utf8(path: Path) -> None:
    table = parquet.read_table(path)
    raw = pyarrow.array([b"\xff\xfe"] * table.num_rows, pyarrow.binary()).view(pyarrow.string())
    table = table.set_column(table.column_names.index("workload"), "workload", raw)
    parquet.write_table(table, path)


UNIX_2500 = 16_725_225_600
BROKEN: dict[str, tuple[Spoil, str]] = {
    "empty file": (content(b""), "can't be read as Parquet"),
    "not Parquet": (content(b"cpu,memory\n1,2\n"), "can't be read as Parquet"),
    "only the magic": (content(b"PAR1PAR1"), "can't be read as Parquet"),
    "cut in half": (cut(0.5), "can't be read as Parquet"),
    "cut at the end": (cut(0.99), "can't be read as Parquet"),
    "a folder": (into_folder, "not a file"),
    "a pipe": (into_pipe, "not a file"),
    "a link to nothing": (into_link, "has vanished"),
    "no format": (metadata("reconciler.format", None), "not a recording"),
    "later format": (metadata("reconciler.format", "usage/v2"), "'usage/v2'"),
    "no query": (metadata("reconciler.query", None), "no reconciler.query"),
    "query is a list": (metadata("reconciler.query", "[1]"), "no reconciler.query"),
    "query nested deeply": (metadata("reconciler.query", "[" * 100_000), "no reconciler.query"),
    "another query": (metadata("reconciler.query", '{"step":60}'), "row 1: query is not the hash"),
    "no time of writing": (metadata("reconciler.created", None), "no reconciler.created"),
    "written when?": (metadata("reconciler.created", "yesterday"), "no reconciler.created"),
    "written in 4 digits of ²": (metadata("reconciler.created", "²²"), "no reconciler.created"),
    "no days": (metadata("reconciler.days", None), "no reconciler.days"),
    "days are none": (metadata("reconciler.days", "2026-02-30/2026-02-31"), "no reconciler.days"),
    "namespaces are a list": (metadata("reconciler.namespaces", '["shop"]'), "reconciler.namespaces"),
    "namespaces without numbers": (
        metadata("reconciler.namespaces", '{"shop": "1"}'),
        "reconciler.namespaces",
    ),
    "namespaces nested deeply": (metadata("reconciler.namespaces", "[" * 100_000), "reconciler.namespaces"),
    "missing column": (edit(lambda table: table.drop_columns(["cpu_max"])), "no column 'cpu_max'"),
    "extra column": (
        edit(lambda table: table.append_column("cpu_man", table.column("cpu_max"))),
        "column 'cpu_man' is not one of",
    ),
    "a column twice": (
        edit(lambda table: table.append_column("cpu_max", table.column("cpu_max"))),
        "a column is there twice",
    ),
    "number as text": (cast("samples", pyarrow.string()), "column samples is string, expected an integer"),
    "number with a point": (cast("cpu_max", pyarrow.float64()), "column cpu_max is double"),
    "no list": (
        edit(
            lambda table: table.drop_columns(["cpu_samples"]).append_column("cpu_samples", table["samples"])
        ),
        "column cpu_samples is int64, expected a list of integers",
    ),
    "null": (column("pods", None), "column pods has nulls"),
    "null list": (column("cpu_millicores", None), "column cpu_millicores has nulls"),
    "null in a list": (
        column("cpu_samples", [None], pyarrow.list_(pyarrow.int32())),
        "column cpu_samples has nulls inside",
    ),
    "negative number": (column("restarts", -5), "column restarts has a negative number"),
    "negative null": (column("rss_max", -1), "column rss_max has a negative number"),
    "negative count": (column("memory_samples", [-1]), "column memory_samples has a negative number"),
    "lists of unequal length": (column("cpu_millicores", [7]), "row 1: cpu_millicores and cpu_samples"),
    "descending values": (
        edit(
            lambda table: table.set_column(
                table.column_names.index("cpu_millicores"),
                "cpu_millicores",
                pyarrow.array([row[::-1] for row in table["cpu_millicores"].to_pylist()]),
            )
        ),
        "row 1: cpu_millicores must ascend",
    ),
    "another maximum": (column("cpu_max", 899_999), "row 1: cpu_max is not the last value"),
    "a day too long": (column("hour_samples", [1] * 25), "hour_samples must hold 24 numbers"),
    "a day without hours": (column("hour_cpu_p95", []), "hour_cpu_p95 must hold 24 numbers"),
    "days of other lengths": (
        edit(
            lambda table: table.set_column(
                table.column_names.index("hour_cpu_p95"),
                "hour_cpu_p95",
                pyarrow.array([[0] * (24 + (0, -1, 1)[row % 3]) for row in range(6)] + [[0] * 24]),
            )
        ),
        "row 2: hour_cpu_p95 must have 24 entries",
    ),
    "a busier hour than there was": (column("hour_cpu_p95", [899_999] * 24), "row 1: hour_cpu_p95 passes"),
    "more samples than a day has": (column("samples", 100_000), "row 1: samples is more than"),
    "more expected than a day has": (column("expected_samples", 100_000), "row 1: expected_samples is more"),
    "fewer samples in the sketch": (column("pods", 1), "row 1: samples is more than"),
    "no step": (column("step_seconds", 0), "row 1: step_seconds must be"),
    "far future": (column("day", 40_000, pyarrow.date32()), "row 1: its day lies in the future"),
    "long ago": (column("day", 0, pyarrow.date32()), "row 1: its day is before the year 2000"),
    "sampled on another day": (column("last_sample", UNIX_2500), "row 1: last_sample is not on its day"),
    "throttled more than ran": (column("throttled_periods", 5), "row 1: throttled_periods and periods"),
    "no name": (column("workload", ""), "row 1: workload is empty"),
    "a name with a line end": (column("namespace", "shop\nkind: Secret"), "row 1: namespace is empty, too"),
    "a name that reads backwards": (column("container", "app\u202e"), "row 1: container is empty, too"),
    "an endless name": (column("kind", "D" * 254), "row 1: kind is empty, too long"),
    "names that are not UTF-8": (not_utf8, "UTF-8"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_one_failure_and_the_rest_goes_on(
    name: str, make_days: MakeDays, record: Record
) -> None:
    spoil, words = BROKEN[name]
    other = REF._replace(workload="other")
    record(make_days(REF), "broken.parquet")
    folder = record(make_days(other), "sound.parquet")
    spoil(folder / "broken.parquet")
    source = open_recording(folder, "main")
    reading = source.read([REF, other], END - 7 * DAY, END)
    assert isinstance(reading.usage[other], Usage)
    assert not isinstance(reading.usage[REF], Usage)
    (failure,) = reading.failures
    assert words in failure.error
    assert failure.path == str(folder / "broken.parquet")
    assert failure.whose is Whose.YOURS
    assert failure.error.isprintable()


@pytest.mark.parametrize("name", BROKEN)
def test_and_a_problem_when_it_is_read_alone(name: str, make_days: MakeDays, record: Record) -> None:
    path = record(make_days()) / "week.parquet"
    BROKEN[name][0](path)
    with pytest.raises(Problem, match=re.escape(BROKEN[name][1])):
        read_days(path)


HOURS_THAT_LIE = {
    "a higher hour": (column("hour_cpu_max", [5000] * 24), "the highest hour_cpu_max is not cpu_max"),
    "p95 over the peak": (column("hour_cpu_p95", [899_999] * 24), "hour_cpu_p95 passes hour_cpu_max"),
    "hours of memory": (column("hour_memory_max", [None] * 24), "the highest hour_memory_max is not"),
}


@pytest.mark.parametrize("name", HOURS_THAT_LIE)
def test_hours_are_checked_where_they_are_read(name: str, make_days: MakeDays, record: Record) -> None:
    path = record(make_days()) / "week.parquet"
    HOURS_THAT_LIE[name][0](path)
    with pytest.raises(Problem, match=HOURS_THAT_LIE[name][1]):
        read_days(path)


def test_what_other_tools_write_is_read(make_days: MakeDays, record: Record) -> None:
    """Other widths of integers, dictionaries and large types are matters of habit."""
    days = make_days()
    path = record(days) / "week.parquet"
    cast("samples", pyarrow.uint16())(path)
    cast("workload", pyarrow.large_string())(path)
    cast("namespace", pyarrow.dictionary(pyarrow.int32(), pyarrow.string()))(path)
    cast("cpu_samples", pyarrow.large_list(pyarrow.int64()))(path)
    assert read_days(path) == days


def test_a_small_file_cannot_announce_more_than_there_is(
    make_days: MakeDays, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows that compress to nothing are refused by the footer, before they are unpacked."""
    path = record(make_days()) / "week.parquet"
    monkeypatch.setattr("reconciler.usage.parquet.MAX_NUMBERS", 20)
    with pytest.raises(Problem, match=r"announces .* numbers in 7 rows"):
        read_days(path)
    monkeypatch.setattr("reconciler.usage.parquet.MAX_ROWS", 6)
    with pytest.raises(Problem, match="announces 7 rows, at most 6 are read"):
        read_days(path)


def test_a_file_that_is_replaced_meanwhile_is_not_mixed_up(make_days: MakeDays, record: Record) -> None:
    folder = record(make_days())
    source = open_recording(folder, "main")
    record([*make_days(), *make_days(REF._replace(workload="another"))])
    reading = source.read([REF], END - DAY, END)
    assert not isinstance(reading.usage[REF], Usage)
    assert "replaced" in reading.failures[0].error


def test_a_damaged_file_does_not_hide_its_sound_copy(make_days: MakeDays, record: Record) -> None:
    days = make_days()
    record(days, "a.parquet")
    folder = record(days, "b.parquet", now=(MONDAY + 61) * DAY)
    column("cpu_max", 899_999)(folder / "b.parquet")
    reading = open_recording(folder, "main").read([REF], END - 7 * DAY, END)
    found = reading.usage[REF]
    assert isinstance(found, Usage)
    assert found.samples == sum(day.samples for day in days)
    assert len(reading.failures) == 1


def test_no_damage_escapes(make_days: MakeDays, record: Record) -> None:
    """Whatever bytes change: an answer or a failure, nothing else."""
    folder = record(make_days())
    path = folder / "week.parquet"
    whole = path.read_bytes()
    dice = random.Random(5)
    outcomes = set()
    for _ in range(250):
        changed = bytearray(whole)
        begin = dice.choice((0, len(whole) - 6000))
        for _ in range(dice.choice((1, 2, 10))):
            changed[dice.randrange(begin, len(whole))] = dice.randrange(256)
        path.write_bytes(changed)
        reading = open_recording(folder, "main").read([REF], END - 7 * DAY, END)
        outcomes.add(bool(reading.failures))
        assert all(failure.error.isprintable() for failure in reading.failures)
        with suppress(Problem):
            read_days(path)
    assert outcomes == {True, False}


def test_a_file_name_may_be_any_bytes(make_days: MakeDays, record: Record) -> None:
    folder = record(make_days())
    (folder / "week.parquet").rename(folder / os.fsdecode(b"\xff\n.parquet"))
    (folder / os.fsdecode(b"\xff\n.parquet")).write_bytes(b"")
    (failure,) = open_recording(folder, "main").failures
    assert failure.path.encode("utf-8")


def test_writing_leaves_nothing_half_done(make_days: MakeDays, tmp_path: Path, record: Record) -> None:
    folder = record(make_days())
    assert [path.name for path in folder.iterdir()] == ["week.parquet"]
    with pytest.raises(Problem, match="can't be written"):
        record(make_days(), "nowhere/week.parquet")
    with pytest.raises(ValueError, match="each day of a container once"):
        record([*make_days(), *make_days()])
    assert [path.name for path in folder.iterdir()] == ["week.parquet"]

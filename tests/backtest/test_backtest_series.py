"""Tables of samples: what is read, at which scale, and what is refused with its line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from reconciler.backtest.series import read_series
from reconciler.errors import Problem

HEAD = "timestamp,namespace,workload,pod,container,cpu_cores,memory_bytes"
ROWS = (
    "1700000000,shop,web,web-1,app,0.25,1000",
    "1700000300,shop,web,web-1,app,0.5,3000",
    "1700000000,shop,web,web-2,app,,2000",
    "1700000000,shop,web,web-1,proxy,0.1,10",
)


def written(folder: Path, *lines: str) -> Path:
    path = folder / "series.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def refused(path: Path) -> str:
    with pytest.raises(Problem) as told:
        read_series(path)
    return str(told.value)


def test_samples_are_taken_apart_by_container(tmp_path: Path) -> None:
    app, proxy = read_series(written(tmp_path, HEAD, *ROWS))
    assert (app.ref.namespace, app.ref.workload, app.ref.container) == ("shop", "web", "app")
    assert (app.in_pod, proxy.in_pod) == (2, 2)
    assert app.step == 300
    assert app.memory.tolist() == [1000, 2000, 3000]
    assert np.array_equal(app.cpu, [0.25, np.nan, 0.5], equal_nan=True)
    assert len(set(app.pod.tolist())) == 2


def test_the_order_of_lines_and_columns_does_not_matter(tmp_path: Path) -> None:
    frame = pd.read_csv(written(tmp_path, HEAD, *ROWS))
    shuffled = frame.iloc[::-1][list(reversed(frame.columns))]
    shuffled.to_csv(tmp_path / "other.csv", index=False)
    for one, other in zip(
        read_series(tmp_path / "series.csv"), read_series(tmp_path / "other.csv"), strict=True
    ):
        assert one.ref == other.ref
        assert one.memory.tolist() == other.memory.tolist()


def test_parquet_is_read_as_csv_is(tmp_path: Path) -> None:
    path = written(
        tmp_path, f"{HEAD},cpu_request,oom", *(f"{row},0.5,{at % 2}" for at, row in enumerate(ROWS))
    )
    pd.read_csv(path).to_parquet(tmp_path / "series.parquet")
    for one, other in zip(read_series(path), read_series(tmp_path / "series.parquet"), strict=True):
        for name in ("ref", "in_pod", "step"):
            assert getattr(one, name) == getattr(other, name)
        for name in ("time", "pod", "cpu", "memory", "cpu_request", "memory_request", "oom"):
            assert np.array_equal(getattr(one, name), getattr(other, name), equal_nan=True)


def test_a_kill_is_a_number_or_true_or_false(tmp_path: Path) -> None:
    rows = (f"{row},{said}" for row, said in zip(ROWS, ("true", "2", "", "False"), strict=True))
    app, _ = read_series(written(tmp_path, f"{HEAD},oom", *rows))
    assert app.oom.tolist() == [1, 0, 2]
    assert app.cpu_request.tolist() == []


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("1700000000,shop,web,web-1,app,much,10", "'much' in column 6 is no number"),
        ("1700000000,shop,web,web-1,app,0.1", "Expected 7 columns, got 6"),
        ("1700000000,shop,web,web-1,app,-1,10", "cpu_cores is -1, nothing that a container can use"),
        ("1700000000,shop,web,web-1,app,1,inf", "memory_bytes is inf"),
        ("1700000000000,shop,web,web-1,app,1,10", "timestamp is 1700000000000, no time in Unix seconds"),
        (",shop,web,web-1,app,1,10", "timestamp is nan"),
        ("1700000000,shop,,web-1,app,1,10", "workload is empty"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str, told: str) -> None:
    path = written(tmp_path, HEAD, ROWS[0], line, ROWS[1])
    assert refused(path).startswith(f"{path}:3: {told}")


def test_a_kill_that_is_none_is_named(tmp_path: Path) -> None:
    path = written(tmp_path, f"{HEAD},oom", f"{ROWS[0]},perhaps")
    assert refused(path) == f"{path}:2: 'perhaps' in oom is neither a number nor true or false"


def test_missing_columns_are_named(tmp_path: Path) -> None:
    path = written(tmp_path, "timestamp,namespace,workload,container,cpu_cores", "1,a,b,c,1")
    assert refused(path).startswith(f"{path}:1: it has no column pod and no column memory_bytes; it needs")


def test_a_column_that_is_there_twice_is_named(tmp_path: Path) -> None:
    assert "has the column pod twice" in refused(written(tmp_path, f"{HEAD},pod", f"{ROWS[0]},x"))


@pytest.mark.parametrize("content", [b"", b"\n", b"\x00\xff\xfe", b"PAR1 but no more", HEAD.encode() + b"\n"])
def test_what_is_no_table_of_samples_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "series"
    path.write_bytes(content)
    assert refused(path).startswith(str(path))


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    assert "No such file" in refused(tmp_path / "absent.csv")
    assert str(tmp_path) in refused(tmp_path)

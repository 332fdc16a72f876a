"""docs/recording.md: its table is the format, its examples run and say what we say."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reconciler.demo import END, record_story
from reconciler.demo.story import ROLES
from reconciler.model import ContainerRef, Usage
from reconciler.usage.days import COLUMNS, DAY
from reconciler.usage.files import read_days
from reconciler.usage.recording import open_recording
from reconciler.usage.sketch import _table, build

DOCS = Path(__file__).parents[2] / "docs" / "recording.md"
TYPES = {
    "text": "string",
    "date": "date",
    "int": "int64",
    "flag": "bool",
    "int32s": "list of int32",
    "int64s": "list of int64",
    "hour32s": "24 × int32",
    "hour64s": "24 × int64",
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("docs")
    record_story(folder / "usage")
    return folder


def test_the_table_is_the_format() -> None:
    rows = re.findall(r"^\| `(\w+)` \| ([^|]+) \| ([^|]+) \|$", DOCS.read_text(), re.M)
    assert rows == [(column.name, TYPES[column.kind], column.words) for column in COLUMNS]


def examples(library: str) -> list[str]:
    found = [code for code in re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.S) if library in code]
    assert found
    return found


def run(code: str, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    monkeypatch.chdir(home)
    exec(compile(code, str(DOCS), "exec"), {})
    return capsys.readouterr().out


def test_the_example_writes_what_we_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (code,) = examples("pyarrow")
    monkeypatch.chdir(tmp_path)
    written: dict[str, Any] = {}
    exec(compile(code, str(DOCS), "exec"), written)
    (path,) = (tmp_path / "recorded").iterdir()
    (row,) = read_days(path)
    assert row.ref == ContainerRef("", "shop", "Deployment", "web", "app")
    assert row.cpu == build(np.array(written["cpu"], np.int64))
    assert row.memory == build(np.array(written["memory"], np.int64))
    middles, tops = _table()
    assert written["middles"] == middles.tolist()
    assert written["tops"] == tops.tolist()
    recording = open_recording(path.parent, "mine")
    usage = recording.read([row.ref], row.last_sample + 1 - 14 * DAY, row.last_sample + 1).usage[row.ref]
    assert isinstance(usage, Usage)
    assert usage.coverage_permille == 1000


def test_the_bucket_rule_is_told_with_its_first_numbers() -> None:
    middles, tops = _table()
    told = re.findall(r"(\d+)–(\d+) \((?:represented )?by (\d+)\)", DOCS.read_text())
    assert told == [(str(tops[at - 1] + 1), str(tops[at]), str(middles[at])) for at in (99, 100, 101)]
    assert [*tops[:99]] == [*middles[:99]] == [*range(99)]


def test_the_duckdb_examples_run(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("duckdb")
    slack, _ = (run(code, home, monkeypatch, capsys) for code in examples("duckdb"))
    assert slack.index("ledger-db") < slack.index("event-gateway")


def test_quantiles_by_duckdb_are_ours(home: Path) -> None:
    duckdb: Any = pytest.importorskip("duckdb")
    query = re.findall(r'"""(.*?)"""', examples("unnest")[0], re.S)[0]
    rows = duckdb.sql(query.replace("usage/*.parquet", f"{home}/usage/*.parquet")).fetchall()
    reading = open_recording(home / "usage", "demo").read([role.ref for role in ROLES], END - 28 * DAY, END)
    found = {(namespace, workload, container): p95 for namespace, workload, container, p95 in rows}
    for ref, usage in reading.usage.items():
        assert isinstance(usage, Usage)
        theirs, ours = found[ref.namespace, ref.workload, ref.container], usage.cpu.quantile(950)
        # A day's exact maximum is a value of its own until days are merged into buckets.
        assert abs(theirs - ours) * 50 <= ours


def test_the_pandas_example_runs(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("pandas")
    (code,) = examples("pandas")
    assert re.search(r"nightly-report +[12]\n", run(code, home, monkeypatch, capsys))

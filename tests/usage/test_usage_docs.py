"""docs/recording.md: its table is the format, its examples run and say what we say."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from reconciler.demo import END, record_story
from reconciler.demo.story import ROLES
from reconciler.model import Usage
from reconciler.usage.days import COLUMNS, DAY
from reconciler.usage.recording import open_recording

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

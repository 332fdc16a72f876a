"""What the table says, worked out anew from the samples and the written requests alone."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from past import DAY, MI, START, past

from reconciler.backtest.advice import Requests
from reconciler.backtest.compare import compare
from reconciler.backtest.measures import Measures
from reconciler.backtest.replay import Pace
from reconciler.cli import ended
from reconciler.errors import Problem


def fixed(*requests: Requests):
    """One request a day, the last for the rest."""

    class Fixed:
        def __init__(self, history) -> None:
            self.left = list(requests)

        def advise(self, day, in_force, kills) -> Requests:
            return self.left.pop(0) if len(self.left) > 1 else self.left[0]

    return Fixed


def silent(words: str, total: int):
    return lambda amount: None


def compared(history, pace: Pace = Pace(2, 1), **contenders):  # noqa: B008 - a record
    return compare([history], contenders, pace, silent)


def measures(history, *requests: Requests) -> Measures:
    return compared(history, it=fixed(*requests)).rows[0].measures


def test_slack_is_what_is_left_of_the_request_on_average() -> None:
    found = measures(past(memory=[0, 0, 100 * MI, 100 * MI], cpu=0.1), Requests(200, 200 * MI))
    assert found.container_days == 2
    assert found.cpu_slack == pytest.approx(0.5)
    assert found.memory_slack == pytest.approx(1 - (50 + 50 / 24) / 200)


def test_an_overrun_is_a_day_whose_peak_passes_the_request() -> None:
    history = past(memory=[0, 0, 100 * MI, 150 * MI, 300 * MI, 100 * MI])
    found = measures(history, Requests(200, 100 * MI))
    assert found.overruns == 0.5
    assert found.overrun_size == pytest.approx((0.5 + 2.0) / 2)


def test_cpu_minutes_are_those_of_samples_over_the_request() -> None:
    found = measures(past(memory=[MI] * 4, cpu=[0, 0, 0.3, 0.1]), Requests(200, 2 * MI))
    assert found.cpu_minutes == 24 * 60 / 2


def test_a_change_is_a_day_that_differs_from_the_one_before() -> None:
    first, second = Requests(200, 2 * MI), Requests(300, 3 * MI)
    history = past(memory=[MI] * 9)
    found = measures(history, first, first, second, second._replace(cpu=1), second)
    assert (found.changes, found.cpu_changes, found.memory_changes) == (3, 3, 1)


def test_days_on_which_somebody_has_no_request_count_for_nobody() -> None:
    full = Requests(200, 2 * MI)
    found = compared(past(memory=[MI] * 6), one=fixed(Requests(200, None), full), other=fixed(full))
    assert [row.measures.container_days for row in found.rows] == [3, 3]


def test_the_others_are_scaled_to_the_slack_of_the_first() -> None:
    history = past(memory=[0, 0, *[100 * MI, 300 * MI] * 3], cpu=0.1)
    roomy, tight = Requests(400, 600 * MI), Requests(150, 200 * MI)
    found = compared(history, roomy=fixed(roomy), tight=fixed(tight))
    (scaled,) = found.scaled
    assert scaled.factors == pytest.approx((400 / 150, 3))
    assert scaled.measures.cpu_slack == pytest.approx(found.rows[0].measures.cpu_slack)
    assert scaled.measures.memory_slack == pytest.approx(found.rows[0].measures.memory_slack)
    assert scaled.measures.overruns < found.rows[1].measures.overruns


def test_where_nothing_is_used_nothing_is_scaled() -> None:
    found = compared(past(memory=[0] * 4, cpu=0), one=fixed(Requests(1, 1)), two=fixed(Requests(2, 2)))
    assert found.scaled[0].factors == (1.0, 1.0)


def test_a_series_without_days_that_count_is_refused() -> None:
    with pytest.raises(Problem, match=r"no container has samples after 9 days of training"):
        compared(past(memory=[MI] * 4), Pace(9, 1), it=fixed(Requests(1, 1)))


# ------------------------------------------------------------------------------------ the command


def series(folder: Path, days: int = 40) -> Path:
    """Three workloads, one of them with two pods."""
    rng = np.random.default_rng(3)
    tables = []
    for name, pods in (("web", 2), ("api", 1), ("job", 1)):
        for pod in range(pods):
            history = past(
                memory=(rng.lognormal(0, 0.3, days) * 400 * MI).astype(int).tolist(),
                cpu=rng.lognormal(-2, 0.5, days).tolist(),
            )
            columns = {"timestamp": history.time, "cpu_cores": history.cpu, "memory_bytes": history.memory}
            names = {"namespace": "shop", "workload": name, "pod": f"{name}-{pod}", "container": "app"}
            tables.append(pd.DataFrame(columns).assign(**names))
    path = folder / "series.csv"
    pd.concat(tables).to_csv(path, index=False)
    return path


def ran(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = ended(["backtest", *words])
    out, err = capsys.readouterr()
    return code, out, err


@pytest.fixture(autouse=True)
def _nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RECONCILE_CONFIG", raising=False)


def test_the_table_follows_from_the_samples_and_the_written_requests(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = series(tmp_path), tmp_path / "out.csv"
    code, printed, _ = ran(capsys, "--series", str(path), "--recommendations", str(out), "-o", "json")
    assert code == 0
    told = json.loads(printed)
    names = ["auto", "vpa", "krr-simple", "krr-simple-limit"]
    assert [row["policy"] for row in told["rows"]] == [*names, *names[1:]]
    samples = pd.read_csv(path)
    samples["day"] = samples.timestamp // DAY
    for row in told["rows"][:4]:
        anew = worked_out(samples, pd.read_csv(out).query("policy == @row['policy']"))
        assert {key: pytest.approx(value) for key, value in anew.items()} == {key: row[key] for key in anew}


def worked_out(samples: pd.DataFrame, requests: pd.DataFrame) -> dict[str, float]:
    days = samples.groupby(["workload", "day"]).agg(
        cpu=("cpu_cores", "mean"), memory=("memory_bytes", "mean"), peak=("memory_bytes", "max")
    )
    days = days[days.index.get_level_values("day") >= START + 28].reset_index()
    requests = requests.assign(day=requests.time // DAY).sort_values("day")
    days = pd.merge_asof(days.sort_values("day"), requests, on="day", by="workload")
    over = days.peak > days.memory_request_bytes
    each = samples.merge(days[["workload", "day", "cpu_request_cores"]], on=["workload", "day"])
    waiting = (each.cpu_cores > each.cpu_request_cores).sum() * 60
    return {
        "container_days": len(days),
        "cpu_slack": (1 - days.cpu / days.cpu_request_cores).mean(),
        "memory_slack": (1 - days.memory / days.memory_request_bytes).mean(),
        "overrun_share": over.mean(),
        "overrun_size": (days.peak / days.memory_request_bytes - 1)[over].mean() if over.any() else 0,
        "cpu_minutes_over_a_day": waiting / len(days),
        "changes_a_week": (len(requests) - 3) / (len(days) / 7),
    }


def test_the_same_series_gives_the_same_bytes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--series", str(series(tmp_path)), "-o", "json")
    assert ran(capsys, *words) == ran(capsys, *words)


def test_policies_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, printed, _ = ran(
        capsys, "--series", str(series(tmp_path)), "--policy", "thrifty", "--policy", "vpa"
    )
    assert code == 0
    lines = [line.split()[0] for line in printed.splitlines() if line.strip()]
    assert lines == ["3", "POLICY", "thrifty", "vpa", "##", "POLICY", "thrifty", "vpa", "Prices:"]


def test_a_policy_of_the_settings_is_known(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "wide.yaml").write_text(
        "apiVersion: reconciler/v1\nkind: Policy\nmetadata: {name: wide}\nextends: [cautious]\n"
        "match: {namespaces: [elsewhere]}\nresources: {memory: {headroom: 300%}}\n"
    )
    (tmp_path / "reconcile.yaml").write_text(
        "apiVersion: reconciler/v1\npolicies: policies\nrepositories: [{url: https://git.example/shop}]\n"
    )
    words = ("--series", str(series(tmp_path)), "--policy", "auto", "--policy", "wide", "-o", "json")
    code, printed, err = ran(capsys, *words)
    assert code == 0, err
    auto, wide, _ = json.loads(printed)["rows"]
    assert wide["memory_slack"] > auto["memory_slack"]


def test_an_unknown_policy_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = ran(capsys, "--series", str(tmp_path / "x"), "--policy", "vpaa")
    assert code == 2
    assert "--policy vpaa: there is no such policy; known are auto, vpa, krr-simple" in " ".join(err.split())


def test_what_can_not_be_read_or_written_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ran(capsys, "--series", str(tmp_path / "absent.csv"))[0] == 2
    code, _, err = ran(
        capsys, "--series", str(series(tmp_path)), "--policy", "vpa", "--recommendations", str(tmp_path)
    )
    assert code == 2
    assert "can't be written" in err


def test_a_line_is_written_only_where_a_request_begins_or_changes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.csv"
    ran(capsys, "--series", str(series(tmp_path)), "--policy", "auto", "--recommendations", str(out))
    with out.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == [
        "policy", "time", "namespace", "workload", "container", "cpu_request_cores", "memory_request_bytes"
    ]  # fmt: skip
    seen: dict[str, tuple[str, str]] = {}
    for row in rows:
        values = row["cpu_request_cores"], row["memory_request_bytes"]
        assert seen.get(row["workload"]) != values
        assert int(row["time"]) % DAY == 0
        seen[row["workload"]] = values
    assert seen.keys() == {"web", "api", "job"}


def test_samples_without_a_value_count_for_nothing() -> None:
    history = past(memory=[MI] * 4, cpu=[0.1, 0.1, 0.1, math.nan])
    history = replace(history, memory=np.where(np.arange(96) % 2, -1, history.memory))
    found = measures(history, Requests(200, 2 * MI))
    assert found.cpu_slack == pytest.approx(0.5)

"""The past out of a recording: what its rows tell of the samples that they were made of."""

from __future__ import annotations

import csv
import io
import json
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from past import DAY, MI, START, past
from servers.lived import END
from servers.prometheus import Served

from reconciler.backtest.krr import quantile, quantile_of_counts, simple, simple_limit
from reconciler.backtest.past import Past, Requests
from reconciler.backtest.policies import following
from reconciler.backtest.recorded import RecordedPast, Recording
from reconciler.backtest.replay import Pace, replay
from reconciler.backtest.series import History
from reconciler.backtest.vpa import Vpa
from reconciler.backtest.windows import SOURCE, Windows
from reconciler.cli import ended
from reconciler.config import PolicyBook
from reconciler.model import ContainerRef, OomKill, Policy, Usage
from reconciler.report import schemas
from reconciler.usage.days import ContainerDay, Resources, Trouble
from reconciler.usage.files import write_days
from reconciler.usage.lives import Life, Lives
from reconciler.usage.recording import open_recording

DAYS = 40
QUERY = {"source": "test", "step": 3600}


def lived(pods: int = 1, seed: int = 5) -> History:
    """Noise that grows, of so many pods."""
    rng = np.random.default_rng(seed)
    peaks = rng.lognormal(0, 0.3, DAYS) * np.linspace(1, 4, DAYS) * 400 * MI
    one = past(memory=peaks.astype(int).tolist(), cpu=0.2)
    time = np.repeat(one.time, pods)
    return replace(
        one,
        time=time,
        pod=np.tile(np.arange(pods), len(one.time)),
        cpu=rng.lognormal(-2, 0.5, len(time)),
        memory=(np.repeat(one.memory, pods) * rng.uniform(0.5, 1, len(time))).astype(np.int64),
    )


def recorded(folder: Path, rows: Iterable[ContainerDay], name: str = "all.parquet") -> Recording:
    folder.mkdir(exist_ok=True)
    write_days(folder / name, list(rows), QUERY, (START + 2 * DAYS) * DAY)
    return Recording(lives(folder))


def lives(folder: Path, first: int = START, end: int = START + DAYS) -> Lives:
    return Lives(sorted(folder.glob("*.parquet")), lambda ref: True, first * DAY, end * DAY)


def only(found: Recording) -> Past:
    (one,) = found
    return one


def balanced() -> Policy:
    found = PolicyBook().named("balanced")
    assert isinstance(found, Policy)
    return found


@pytest.mark.parametrize("pods", [1, 2, 3])
def test_a_policy_decides_the_same(tmp_path: Path, pods: int) -> None:
    samples = lived(pods)
    found = only(recorded(tmp_path, samples.rows()))
    assert found.days.tolist() == samples.days.tolist()
    assert found.peaks.tolist() == samples.peaks.tolist()
    ways = [replay(one, following(balanced()), Pace(10, 1)) for one in (samples, found)]
    assert len(set(ways[0].memory.tolist())) > 1
    for one, other in zip(*ways, strict=True):
        assert one.tolist() == other.tolist()


@pytest.mark.parametrize(("until", "days"), [(1, 1), (9, 14), (20, 14), (33, 28), (DAYS, 35)])
@pytest.mark.parametrize("half_life", [0, 1, 7])
def test_it_is_told_what_a_run_on_that_day_would_have_been(
    tmp_path: Path, until: int, days: int, half_life: int
) -> None:
    """Of a container that was gone for some days, too."""
    rows = [row for row in lived(2).rows() if row.day - START not in (5, 6, 18)]
    past_of = only(recorded(tmp_path, rows))
    source, end = open_recording(tmp_path, SOURCE), START + until
    run = source.read([past_of.ref], (end - days) * DAY, end * DAY, half_life=half_life).usage[past_of.ref]
    told = Windows(past_of).usage(end, days, (), half_life)
    assert isinstance(run, Usage)
    assert told is not None
    assert bool(told.cpu_decayed.values) == bool(half_life)
    names = ("cpu", "cpu_decayed", "cpu_worst_pod", "memory", "busy_hours", "days", "samples", "replicas")
    assert {name: getattr(told, name) for name in names} == {name: getattr(run, name) for name in names}


@pytest.mark.parametrize("pods", [1, 2])
def test_baselines_are_within_the_error_of_sketches(tmp_path: Path, pods: int) -> None:
    """Or one bucket, of the autoscaler's, of which the first ones are wider than 5 %."""
    samples = lived(pods)
    found = only(recorded(tmp_path, samples.rows()))
    for adviser, cpu, memory in ((simple_limit, 0.012, 0.0), (Vpa, 0.1, 0.055)):
        exact, near = (replay(one, adviser, Pace(28, 1)) for one in (samples, found))
        assert np.abs(near.cpu / exact.cpu - 1).max() <= cpu
        assert np.abs(near.memory / exact.memory - 1).max() <= memory
    exact, near = (replay(one, simple, Pace(28, 1)) for one in (samples, found))
    assert near.memory.tolist() == exact.memory.tolist()
    # Of several pods the worst of each day counts, so it is never less than that of the worst pod.
    assert (near.cpu / exact.cpu).min() >= 0.988
    assert (near.cpu / exact.cpu).max() <= (1.012 if pods == 1 else 1.25)


def test_each_pods_peak_counts(tmp_path: Path) -> None:
    exact, near = (one.pod_peaks() for one in (lived(2), only(recorded(tmp_path, lived(2).rows()))))
    assert exact.day.tolist() == near.day.tolist()
    pairs = [np.sort(each.peak.reshape(-1, 2)) for each in (exact, near)]
    assert pairs[0][:, 1].tolist() == pairs[1][:, 1].tolist()
    assert np.abs(pairs[1][:, 0] / pairs[0][:, 0] - 1).max() <= 0.011


@given(st.dictionaries(st.integers(0, 50), st.integers(1, 9), min_size=1), st.sampled_from([0.5, 0.66, 0.95]))
def test_a_quantile_of_counts_is_that_of_the_samples(counts: dict[int, int], share: float) -> None:
    values, often = (np.array(column) for column in (list(counts), list(counts.values())))
    samples = np.repeat(values, often).astype(np.float64)
    found = quantile_of_counts(values.astype(np.float64), often, share)
    assert found == pytest.approx(quantile(samples, share))


@given(st.integers(0, 2**32), st.integers(1, 4))
@settings(max_examples=25, deadline=None)
def test_no_sample_is_lost_or_counted_twice(seed: int, pods: int) -> None:
    samples = lived(pods, seed)
    rows = samples.rows()[:5]
    found = RecordedPast(_life_of(rows))
    for points, sketch, scale in (
        (found.cpu_points(START, START + 5), [row.cpu for row in rows], 1000),
        (found.memory_points(START, START + 5), [row.memory for row in rows], 1),
    ):
        days = points.time // DAY
        assert np.bincount(days - START, points.counts).tolist() == [sum(each.counts) for each in sketch]
        assert points.value.max() * scale == max(each.values[-1] for each in sketch)


def _life_of(rows: Sequence[ContainerDay]) -> Life:
    with tempfile.TemporaryDirectory() as folder:
        write_days(Path(folder) / "rows.parquet", list(rows), QUERY, (START + 2 * DAYS) * DAY)
        (life,) = lives(Path(folder))
        return life


def test_what_was_in_force_is_what_the_day_before_ended_with(tmp_path: Path) -> None:
    rows = [
        row._replace(resources=Resources(cpu_request=100 + at, memory_request=None if at == 3 else at * MI))
        for at, row in enumerate(past(memory=[MI] * 5).rows())
    ]
    found = only(recorded(tmp_path, rows))
    assert found.stated(START) == Requests()
    assert found.stated(START + 1) == Requests(100, None)
    assert found.stated(START + 3) == Requests(102, 2 * MI)
    assert found.stated(START + 4) == Requests(103, None)


def killed(*at: int, limit: int | None) -> list[ContainerDay]:
    trouble = Trouble(oom_kills=2, oom_limit_bytes=limit)
    rows = past(memory=[MI] * 8).rows()
    return [row._replace(trouble=trouble) if day in at else row for day, row in enumerate(rows)]


class Noting:
    def __init__(self, request: Requests) -> None:
        self.request = request
        self.told: list[tuple[OomKill, ...]] = []

    def advise(self, day: int, in_force: Requests, kills: Sequence[OomKill]) -> Requests:
        self.told.append(tuple(kills))
        return self.request


@pytest.mark.parametrize(("request_", "told"), [(4 * MI, 1), (5 * MI, 0)])
def test_a_kill_is_none_under_a_request_above_its_limit(tmp_path: Path, request_: int, told: int) -> None:
    found = only(recorded(tmp_path, killed(5, limit=4 * MI)))
    assert found.kills() == (OomKill(START + 5, 2, 4 * MI),)
    noting = Noting(Requests(100, request_))
    replay(found, lambda _: noting, Pace(2, 1))
    assert [len(kills) for kills in noting.told] == [0, 0, 0, 0, told, told]


def test_a_kill_at_an_unknown_limit_is_always_told(tmp_path: Path) -> None:
    noting = Noting(Requests(100, 1 << 40))
    replay(only(recorded(tmp_path, killed(5, limit=None))), lambda _: noting, Pace(2, 1))
    assert noting.told[-1] == (OomKill(START + 5, 2, 0),)


# ---------------------------------------------------------------------------------- several of them


def named(name: str, rows: Sequence[ContainerDay], container: str = "app") -> list[ContainerDay]:
    ref = ContainerRef("", "shop", "StatefulSet", name, container)
    return [row._replace(ref=ref) for row in rows]


def test_containers_come_by_name_with_how_many_share_their_pods(tmp_path: Path) -> None:
    rows = past(memory=[MI] * 3).rows()
    recorded(tmp_path, [*named("b", rows), *named("a", rows), *named("a", rows, "proxy")])
    found = list(Recording(lives(tmp_path)))
    assert [(one.ref.workload, one.ref.container, one.in_pod) for one in found] == [
        ("a", "app", 2), ("a", "proxy", 2), ("b", "app", 1)
    ]  # fmt: skip


def test_a_few_at_a_time_are_all_of_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = past(memory=[MI] * 3).rows()
    for day in range(3):
        each = [row for name in "abcde" for row in named(name, rows[day : day + 1])]
        recorded(tmp_path, each, f"{day}.parquet")
    whole = [(life.ref, life.rows.ints["day"].tolist()) for life in lives(tmp_path)]
    monkeypatch.setattr("reconciler.usage.lives._TOGETHER", 2 * 3)
    assert [(life.ref, life.rows.ints["day"].tolist()) for life in lives(tmp_path)] == whole
    assert [days for _, days in whole] == [[START, START + 1, START + 2]] * 5


def test_a_damaged_file_costs_its_days_and_is_told(tmp_path: Path) -> None:
    rows = past(memory=[MI] * 3).rows()
    for day in range(3):
        recorded(tmp_path, rows[day : day + 1], f"{day}.parquet")
    path = tmp_path / "1.parquet"
    found = lives(tmp_path)
    path.write_bytes(path.read_bytes()[:-200])
    (life,) = found
    assert life.rows.ints["day"].tolist() == [START, START + 2]
    assert [failure.path for failure in found.failures] == [str(path)]


# ------------------------------------------------------------------------------------ the command


def ran(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = ended(["backtest", *words])
    out, err = capsys.readouterr()
    return code, out, err


@pytest.fixture(autouse=True)
def _nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("RECONCILE_CONFIG", raising=False)


@pytest.fixture
def usage(tmp_path: Path) -> str:
    folder = tmp_path / "usage"
    recorded(folder, [*named("web", lived(2).rows()), *named("job", lived(1, 9).rows())])
    return str(folder)


def test_a_recording_is_replayed(usage: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = ran(capsys, "--metrics", usage, "-o", "json")
    assert (code, err) == (0, "")
    told = json.loads(out)
    jsonschema.validate(told, schemas.backtest())
    assert (told["containers"], told["train_days"]) == (2, 20)  # no more than half of the days there are
    assert {row["container_days"] for row in told["rows"]} == {40}


def test_a_pattern_narrows(usage: str, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (("sts/web",), ("web",), ("shop/", "-n", "sh*", "--window", "30d")):
        code, out, _ = ran(capsys, *words, "--metrics", usage, "-o", "json", "--policy", "auto")
        assert code == 0
        assert json.loads(out)["containers"] == (2 if "shop/" in words else 1)
    code, _, err = ran(capsys, "deploy/web", "--metrics", usage)
    assert code == 2
    assert "no container matches 'deploy/web'" in err


def test_without_flags_it_is_the_source_of_the_settings(
    usage: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "reconcile.yaml").write_text(
        "apiVersion: reconciler/v1\nrepositories: [{url: https://git.example/shop}]\n"
        "metrics: [{name: main, kind: recording, path: usage}]\n"
    )
    code, named, err = ran(capsys, "-o", "json")
    assert (code, err) == (0, "")
    assert json.loads(named)["rows"] == json.loads(ran(capsys, "--metrics", usage, "-o", "json")[1])["rows"]


def test_csv_says_what_json_says(usage: str, capsys: pytest.CaptureFixture[str]) -> None:
    rows = json.loads(ran(capsys, "--metrics", usage, "-o", "json")[1])["rows"]
    found = list(csv.DictReader(io.StringIO(ran(capsys, "--metrics", usage, "-o", "csv")[1])))
    assert found == [{key: "" if value is None else str(value) for key, value in row.items()} for row in rows]


def test_a_failure_is_told_and_exits_1(usage: str, capsys: pytest.CaptureFixture[str]) -> None:
    (Path(usage) / "broken.parquet").write_bytes(b"PAR1")
    code, out, _ = ran(capsys, "--metrics", usage, "-o", "json", "--policy", "auto")
    assert code == 1
    assert json.loads(out)["failed"][0]["path"].endswith("broken.parquet")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "nothing is named to be replayed"),
        (("--series", "x.csv", "--metrics", "usage"), "both say where the past is"),
        (("--metrics", "usage", "--train-days", "39", "--window", "20d"), "after 39 days of training"),
        (("--metrics", "usage", "--now", "2001-01-01"), "nothing is known of the last 56 days"),
        (("--metrics", "nowhere"), "there is no such folder"),
    ],
)
def test_what_can_not_be_replayed_is_told(
    usage: str, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], told: str
) -> None:
    code, _, err = ran(capsys, *words)
    assert code == 2
    assert told in " ".join(err.split())


def test_a_server_is_replayed_as_its_recording_is(
    prometheus_server: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Through the same cache of days, and without today."""
    common = ("-n", "shop", "--now", str(END), "--window", "6d")
    replayed = (*common, "--train-days", "2", "-o", "json")
    ran(capsys, "--metrics", prometheus_server.url, *replayed)  # from now on both know the finished days
    assert ended(["record", "kept", "--metrics", prometheus_server.url, *common]) == 0
    capsys.readouterr()
    code, out, err = ran(capsys, "--metrics", prometheus_server.url, *replayed)
    assert code == 0, err
    code, again, err = ran(capsys, "--metrics", "kept", *replayed)
    assert code == 0, err
    served, kept = json.loads(out), json.loads(again)
    assert served["containers"] == kept["containers"] > 0
    assert served["rows"] == kept["rows"]
    assert served["metrics"]
    assert not kept["metrics"]

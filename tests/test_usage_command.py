"""`reconcile usage` and `reconcile record`: what they print, what they write, and how they end."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console
from world import FIRST_DAY, NOW, STEP, Used, World, manifest, ref

from reconciler import cli
from reconciler.commands.choosing import chosen
from reconciler.errors import Misconfigured
from reconciler.model import ContainerRef, Cost, DayPeaks, NoUsage, Reason, Report, Sketch, Usage
from reconciler.report import rows, schemas
from reconciler.report.costs import cost_words
from reconciler.report.text import Shown, console, print_report
from reconciler.report.usage import Seen, bars, print_usage, quantiles, usage_row
from reconciler.usage.days import DAY, ContainerDay, Hourly, Resources, Trouble
from reconciler.usage.files import read_days, write_days
from reconciler.usage.recording import open_recording

MIB = 1 << 20
DAYS = 14
LAST = NOW - STEP  # the last sample
WEB, FINE, JOB = ref("web"), ref("fine"), ContainerRef("", "batch", "CronJob", "nightly", "report")


class Ran(NamedTuple):
    code: int
    out: str
    err: str


Run = Callable[..., Ran]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command line in this process."""
    monkeypatch.delenv("RECONCILE_CONFIG", raising=False)

    def ran(*words: str, cwd: Path) -> Ran:
        monkeypatch.chdir(cwd)
        capsys.readouterr()
        code = cli.ended(words)
        return Ran(code, *capsys.readouterr())

    return ran


@pytest.fixture
def world(tmp_path: Path) -> World:
    used = [
        Used(WEB, 100, 100 * MIB, oom_kills=1, oom_limit=128 * MIB),
        Used(FINE, 300, 200 * MIB, days=3),
        Used(JOB, 40, 900 * MIB, pods=1),
    ]
    return World(tmp_path, {"web.yaml": manifest("web")}, used)


def table(text: str) -> list[list[str]]:
    """The cells of each line of the table, the heads first."""
    return [re.split(r" {2,}", line) for line in text.partition("\n\n")[0].splitlines()]


# -- usage: rows -----------------------------------------------------------------------------------


def test_the_rows_are_what_was_recorded(world: World, run: Run) -> None:
    ran = run("usage", "-o", "json", cwd=world.folder)
    document = json.loads(ran.out)
    assert (ran.code, ran.err) == (0, "")
    jsonschema.validate(document, json.loads(run("schema", "usage", cwd=world.folder).out))
    assert document["now"] == LAST
    assert [row["workload"] for row in document["rows"]] == ["nightly", "fine", "web"]
    web = document["rows"][2]
    samples = DAYS * 2 * DAY // STEP
    assert web.pop("cpu_millicores") == {
        "p50": about(50), "p90": about(50), "p95": about(100), "p99": about(100), "max": 100,
    }  # fmt: skip
    assert web.pop("busy_hours") == [{"hour": hour, "cpu": 100, "weeks": 2} for hour in range(3)]
    assert web.pop("memory_bytes") == {"p50": about(50 * MIB), "p95": about(100 * MIB), "max": 100 * MIB}
    assert web == {
        "cluster": "", "namespace": "shop", "kind": "Deployment", "workload": "web", "container": "app",
        "window_seconds": DAYS * DAY, "step_seconds": STEP, "samples": samples, "expected": samples,
        "coverage": 1.0, "rss_bytes_max": 100 * MIB, "oom_kills": DAYS, "throttled_share": None,
        "restarts": 0, "replicas": 2, "pods": 2, "first": FIRST_DAY * DAY, "last": LAST, "source": "main",
        "autoscaled": [], "owner_guessed": False, "incomplete": "",
    }  # fmt: skip


def about(value: int) -> Any:
    return pytest.approx(value, rel=0.01)


def test_a_shorter_window_counts_less(world: World, run: Run) -> None:
    for words, days in ((("--window", "2d"), 2), (("--window", "1w"), 7)):
        document = json.loads(run("usage", "web", *words, "-o", "json", cwd=world.folder).out)
        (row,) = document["rows"]
        assert (row["window_seconds"], row["oom_kills"]) == (days * DAY, days)
    early = json.loads(
        run("usage", "web", "--now", str((FIRST_DAY + 3) * DAY), "-o", "json", cwd=world.folder).out
    )
    assert early["rows"][0]["oom_kills"] == 3


@given(
    st.dictionaries(st.integers(0, 10**6), st.integers(1, 50), max_size=30),
    st.lists(st.integers(1, 1000), min_size=1, max_size=5),
)
def test_quantiles_in_one_pass_are_those_of_the_sketch(counts: dict[int, int], permilles: list[int]) -> None:
    ordered = sorted(counts.items())
    sketch = Sketch(tuple(value for value, _ in ordered), tuple(count for _, count in ordered))
    assert quantiles(sketch, permilles) == [sketch.quantile(permille) for permille in permilles]


def used(**more: Any) -> Usage:
    sketch = Sketch((10, 200), (90, 10))
    days = tuple(DayPeaks(day, 288, 100, 200, 200) for day in range(FIRST_DAY, FIRST_DAY + DAYS))
    plain = Usage(
        source="main", query="q", start=FIRST_DAY * DAY, end=LAST, step=STEP, samples=100, expected=200,
        pods=1, replicas=1, cpu=sketch, cpu_worst_pod=sketch, memory=sketch, memory_worst_pod=sketch,
        rss_max=0, days=days, oom_kills=(), throttled_permille=None, restarts=0,
    )  # fmt: skip
    return plain._replace(**more)


def test_what_is_unknown_is_null_and_nothing_is_capped() -> None:
    row = usage_row(WEB, used(), DAY)
    assert (row["rss_bytes_max"], row["throttled_share"], row["coverage"]) == (None, None, 0.5)
    row = usage_row(WEB, used(expected=0, throttled_permille=0), DAY)
    assert (row["throttled_share"], row["coverage"]) == (0.0, 0.0)
    assert usage_row(WEB, used(samples=300), DAY)["coverage"] == 1.5


def test_pods_without_a_sample_are_told(world: World, run: Run) -> None:
    silent = [container_day(API, FIRST_DAY + 13, samples=0)]
    write_days(world.folder / "usage" / "silent.parquet", silent, {"step": STEP}, NOW)
    document = json.loads(run("usage", "shop/", "-o", "json", cwd=world.folder).out)
    jsonschema.validate(document, schemas.usage())
    assert {row["workload"] for row in document["rows"]} == {"web", "fine"}
    assert [(row["workload"], row["reason"]) for row in document["unmeasured"]] == [("api", "no-metrics")]
    assert "no samples: shop/Deployment/api/app" in run("usage", "api", cwd=world.folder).out


# -- usage: the table ------------------------------------------------------------------------------


def test_the_table_is_plain_and_aligned_when_piped(world: World, run: Run) -> None:
    ran = run("usage", cwd=world.folder)
    assert "\x1b" not in ran.out
    heads, *cells = table(ran.out)
    assert [row[:3] for row in cells] == [
        ["batch", "cj/nightly", "report"],
        ["shop", "deploy/fine", "app"],
        ["shop", "deploy/web", "app"],
    ]
    web = dict(zip(heads, cells[2], strict=True))
    assert web["CPU max"] == "100m"
    assert web["MEM max"] == "100Mi"
    assert web["COVERED"] == "100%"
    assert web["OOM"] == str(DAYS)
    assert "THROTTLED" not in heads
    assert dict(zip(heads, cells[1], strict=True))["CPU p95 by day"] == "·" * 11 + "███"
    assert "3 containers of 3 workloads, 1 OOM-killed; 14 days until 2026-02-15 23:55 UTC." in ran.out


@pytest.mark.parametrize(
    ("sort", "first"), [("name", "cj/nightly"), ("cpu", "deploy/fine"), ("memory", "cj/nightly")]
)
def test_the_order(world: World, run: Run, sort: str, first: str) -> None:
    for option in ("--sort", "--sort-by"):
        assert table(run("usage", option, sort, cwd=world.folder).out)[1][1] == first


def test_an_ascii_terminal_gets_no_bars(world: World) -> None:
    env = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    ran = subprocess.run(
        [sys.executable, "-m", "reconciler", "usage"],
        cwd=world.folder, env=env, capture_output=True, stdin=subprocess.DEVNULL, check=False,
    )  # fmt: skip
    assert (ran.returncode, ran.stderr) == (0, b"")
    assert b"by day" not in ran.stdout
    assert b"100Mi" in ran.stdout


def printed(seen: Seen, width: int = 0) -> str:
    if not width:
        file = io.StringIO()
        print_usage(console(file), seen)
        return file.getvalue()
    out = Console(
        file=io.StringIO(), force_terminal=True, width=width, color_system="standard", highlight=False
    )
    print_usage(out, seen)
    return out.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def seen(
    *entries: tuple[ContainerRef, Usage], unmeasured: Sequence[tuple[ContainerRef, NoUsage]] = ()
) -> Seen:
    return Seen(entries, unmeasured, NOW - DAYS * DAY, NOW)


@pytest.mark.parametrize("width", [60, 80, 100, 120, 160, 200])
def test_a_terminal_gets_the_columns_that_fit(width: int) -> None:
    text = printed(seen((WEB, used(restarts=3)), (FINE, used(throttled_permille=120))), width)
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text)
    assert max(map(cell_len, plain.splitlines())) <= max(width, 75)
    assert ("Left out" in plain) == (width < 160)
    assert "CPU p95" in plain
    assert "\x1b[31m" in text, "throttling is red"


def test_names_from_outside_can_do_nothing_to_a_terminal() -> None:
    hostile = ContainerRef("c\x1b[2J", "n\r\nfake  row", "Kind\x07", "w\u202eb", "c\x9b31m")
    why = NoUsage(Reason.NO_METRICS, "gone\x1b]0;title\x07")
    text = printed(
        seen((hostile, used(incomplete="a\x1b[31m\nb", owner_guessed=True)), unmeasured=[(hostile, why)])
    )
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", text)
    assert len(text.partition("\n\n")[0].splitlines()) == 2
    assert rows.identity(hostile)["namespace"] == "n\r\nfake  row", "a script gets the name as it is"


def test_what_is_missing_is_said() -> None:
    text = printed(
        seen(
            (WEB, used(incomplete="usage/a.parquet could not be read")),
            (FINE, used(owner_guessed=True)),
            unmeasured=[(JOB, NoUsage(Reason.NO_METRICS, "it had pods, but no samples"))],
        )
    )
    assert "incomplete: usage/a.parquet could not be read, so 1 container may have used more" in text
    assert "deploy/fine?" in text
    assert "no samples: batch/CronJob/nightly/report: it had pods, but no samples" in text


@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 10**9)), unique_by=lambda one: one[0]),
    st.integers(0, 20), st.integers(0, 20), st.integers(1, 5),
)  # fmt: skip
def test_bars_stand_for_days(days: list[tuple[int, int]], first: int, more: int, width: int) -> None:
    last = first + more
    drawn = bars(days, first, last, width)
    assert len(drawn) == -(-(more + 1) // width)
    inside = {day: value for day, value in days if first <= day <= last}
    known = {len(drawn) - 1 - (last - day) // width for day in inside}
    assert {at for at, bar in enumerate(drawn) if bar != "·"} == known
    if inside:
        top = max(inside, key=lambda day: inside[day])
        assert drawn[len(drawn) - 1 - (last - top) // width] == max(set(drawn) - {"·"})


def test_a_long_window_has_several_days_a_bar(world: World, run: Run) -> None:
    heads, *cells = table(run("usage", "--window", "60d", cwd=world.folder).out)
    assert heads[-1] == "MEM max by 3 days"
    assert all(len(row[-1]) == 20 for row in cells)


def test_thousands_of_rows_are_printed_at_once() -> None:
    many = [(WEB._replace(workload=f"web-{number}"), used()) for number in range(10_000)]
    begun = time.process_time()
    assert len(printed(Seen(many, [], NOW - DAYS * DAY, NOW), 200).splitlines()) > 10_000
    assert time.process_time() - begun < 3


# -- usage: whom it is about -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["web"], {"web"}),
        (["w*"], {"web"}),
        (["deploy/web"], {"web"}),
        (["shop/deploy/*"], {"web", "fine"}),
        (["shop/deploy/web/app"], {"web"}),
        (["deploy/web/app"], {"web"}),
        (["*/fine"], {"fine"}),
        (["batch/"], {"nightly"}),
        (["-n", "batch"], {"nightly"}),
        (["-n", "b*", "-n", "SHOP"], {"nightly", "web", "fine"}),
        (["-n", "shop", "f*"], {"fine"}),
        (["cronjobs/nightly"], {"nightly"}),
    ],
)
def test_patterns(world: World, run: Run, words: list[str], found: set[str]) -> None:
    ran = run("usage", *words, "-o", "json", cwd=world.folder)
    assert {row["workload"] for row in json.loads(ran.out)["rows"]} == found, ran.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["nobody"], "no container matches 'nobody'"),
        (["deploi/web"], "did you mean 'deploy'"),
        (["-n", "nowhere"], "no container matches '-n nowhere'"),
        (["a/b/c/d/e"], "is no pattern"),
        (["./apps"], "is no pattern"),
        (["//"], "is no pattern"),
        (["-n", ""], "an empty name"),
        (["--window", "14"], "expected a duration like 14d"),
        (["--window", "90m"], "expected whole days"),
        (["--window", "5000d"], "at most 400d"),
        (["--metrics", "nowhere"], "there is no such folder"),
        (["--metrics", "prometheus:9090"], "a server's address begins with http:// or https://"),
    ],
)
def test_what_makes_no_sense_is_told(world: World, run: Run, words: list[str], told: str) -> None:
    ran = run("usage", *words, cwd=world.folder)
    assert ran.code == 2
    assert told in " ".join(ran.err.split())


NAMES = st.sampled_from(
    ["shop", "batch", "web", "Deployment", "deploy", "galera", "Galera", "app", "*", "s*", "prod"]
)


@given(
    st.builds(ContainerRef, st.sampled_from(["", "prod"]), NAMES, NAMES, NAMES, NAMES),
    st.lists(NAMES, min_size=1, max_size=4).map("/".join),
    st.sampled_from(["", "prod:"]), st.sampled_from(["", "/"]), st.lists(NAMES, max_size=2),
)  # fmt: skip
def test_whatever_is_meant_lies_in_a_namespace_that_is_asked_for(
    ref: ContainerRef, pattern: str, cluster: str, end: str, spaces: list[str]
) -> None:
    try:
        wanted = chosen(f"{cluster}{pattern}{end}", spaces)
    except Misconfigured:
        return
    if wanted.containers(ref):
        assert wanted.namespaces(ref.namespace)


def test_a_full_pattern_asks_for_its_namespace_alone() -> None:
    for pattern in ("shop/deploy/web", "shop/deploy/web/app", "shop/", "prod:shop/deploy/web"):
        wanted = chosen(pattern, [])
        assert wanted.namespaces("shop")
        assert not wanted.namespaces("batch")


# -- usage: sources --------------------------------------------------------------------------------


def test_a_newcomer_needs_no_settings(world: World, run: Run, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    world.folder.joinpath("usage").rename(tmp_path / "kept")
    elsewhere.mkdir()
    world.settings.unlink()
    ran = run("usage", "--metrics", "../kept", cwd=elsewhere)
    assert ran.code == 0
    assert "deploy/web" in ran.out
    without = run("usage", cwd=elsewhere)
    assert without.code == 2
    assert "--metrics" in without.err


def test_settings_without_metrics_say_so(world: World, run: Run) -> None:
    world.write_settings(metrics=[])
    ran = run("usage", cwd=world.folder)
    assert ran.code == 2
    assert "no source of utilization" in ran.err


def test_all_sources_of_the_settings_are_asked(world: World, run: Run) -> None:
    other = ContainerRef("lab", "test", "Deployment", "probe", "app")
    (world.folder / "lab").mkdir()
    write_days(
        world.folder / "lab" / "all.parquet", [container_day(other, FIRST_DAY + 13)], {"step": STEP}, NOW
    )
    both = [
        {"name": "main", "kind": "recording", "path": "usage"},
        {"name": "lab", "kind": "recording", "path": "lab"},
    ]
    world.write_settings(metrics=both)
    found = json.loads(run("usage", "-o", "json", cwd=world.folder).out)["rows"]
    assert {(row["source"], row["workload"]) for row in found} == {
        ("main", "web"), ("main", "fine"), ("main", "nightly"), ("lab", "probe"),
    }  # fmt: skip
    only = json.loads(run("usage", "lab:test/", "-o", "json", cwd=world.folder).out)["rows"]
    assert [row["workload"] for row in only] == ["probe"]


def test_a_source_that_fails_is_a_row_and_all_that_fail_are_an_error(world: World, run: Run) -> None:
    gone = {"name": "gone", "kind": "recording", "path": "gone"}
    world.write_settings(metrics=[{"name": "main", "kind": "recording", "path": "usage"}, gone])
    ran = run("usage", "-o", "json", cwd=world.folder)
    assert ran.code == 1
    document = json.loads(ran.out)
    jsonschema.validate(document, schemas.usage())
    assert len(document["rows"]) == 3
    assert ["gone" in row["path"] for row in document["failed"]] == [True]
    world.write_settings(metrics=[gone])
    assert run("usage", cwd=world.folder).code == 2
    assert run("record", "out", cwd=world.folder).code == 2
    assert not (world.folder / "out").exists()


def test_a_broken_file_flags_what_it_may_have_known(world: World, run: Run) -> None:
    (world.folder / "usage" / "broken.parquet").write_bytes(b"PAR1")
    ran = run("usage", cwd=world.folder)
    assert ran.code == 1
    assert "broken.parquet could not be read, so 3 containers may have used more" in ran.out
    (world.folder / "usage" / "all.parquet").unlink()
    ran = run("usage", cwd=world.folder)
    assert ran.code == 2
    assert "broken.parquet" in ran.out


def test_a_run_without_any_source_says_how_to_name_one(world: World, run: Run) -> None:
    world.write_settings(metrics=[])
    ran = run("--dry-run", cwd=world.folder)
    assert ran.code == 0
    assert "--metrics URL" in ran.out
    assert "--metrics names one" in run("explain", "web", cwd=world.folder).out
    world.write_settings()
    assert "--metrics URL" not in run("--dry-run", cwd=world.folder).out


# -- what it cost ----------------------------------------------------------------------------------

COST = Cost("main", 300, 12_100_000, 96, 31_000_000, 0, 14.2, 1, 13, 15.0)


def test_what_it_cost_is_told() -> None:
    told = "asked main: 96 queries, 12.1 M points, 31 MB, 14 s (estimated: 15 s); 13 of 14 days were known"
    assert cost_words(COST) == told
    assert (
        cost_words(COST._replace(queries=0, days_read=0)) == "asked main: 0 queries; 13 of 13 days were known"
    )
    report = Report(NOW, costs=(COST,))
    file = io.StringIO()
    print_report(console(file), report, Shown(wrote=False, diffs=True, verbose=False, quiet=False))
    assert file.getvalue().splitlines()[-1] == told
    document = rows.report(report)
    jsonschema.validate(document, schemas.run())
    assert document["metrics"][0]["points"] == 12_100_000


# -- record ----------------------------------------------------------------------------------------


def container_day(
    ref: ContainerRef, day: int, samples: int = 288, cpu: int = 100, killed: int = 0
) -> ContainerDay:
    sketch = Sketch((cpu,), (samples,)) if samples else Sketch((), ())
    hours = (cpu if samples else None,) * 24
    return ContainerDay(
        ref=ref, day=day, step=STEP, samples=samples, expected=288, pods=1, pods_started=0, replicas_last=1,
        first_sample=day * DAY, last_sample=day * DAY + (STEP if samples else 0), cpu=sketch,
        worst_cpu=sketch, memory=sketch, worst_memory=sketch, rss_max=None,
        hours=Hourly((samples // 24,) * 24, hours, hours, hours),
        trouble=Trouble(killed, None, killed), resources=Resources(),
    )  # fmt: skip


def numbers(source: Path, *patterns: str) -> Any:
    """All that a recording answers, of all that is meant."""
    found = open_recording(source, "main")
    wanted = chosen(*patterns, namespaces=None) if patterns else chosen("", None)
    answers = found.everything(NOW - DAYS * DAY, NOW).usage
    return {ref: usage for ref, usage in answers.items() if wanted.containers(ref)}


@pytest.mark.parametrize("out", ["copy", "copy.parquet", "new/copy"])
def test_a_recording_of_a_recording_gives_the_same_numbers(world: World, run: Run, out: str) -> None:
    ran = run("record", out, cwd=world.folder)
    assert (ran.code, ran.err) == (0, "")
    assert "3 containers, 31 container-days" in ran.out
    assert numbers(world.folder / out) == numbers(world.folder / "usage")
    words = ("--dry-run", "-o", "json", "--metrics")
    assert run(*words, out, cwd=world.folder) == run(*words, "usage", cwd=world.folder)
    assert not [path for path in world.folder.rglob(".*") if path.suffix == ".tmp"]


CLUSTERS, SPACES = ("", "eu", "us"), ("shop", "batch")
REFS = [ContainerRef(cluster, space, "Deployment", name, "app")
        for cluster in CLUSTERS for space in SPACES for name in ("web", "api")]  # fmt: skip
API = REFS[1]


class File(NamedTuple):
    query: int
    first: int
    last: int
    rows: tuple[tuple[int, int, int], ...]  # container, day, samples


def files_of(draw: st.DrawFn) -> File:
    first = draw(st.integers(0, DAYS + 2))
    last = draw(st.integers(first, min(DAYS + 3, first + 6)))
    row = st.tuples(st.integers(0, len(REFS) - 1), st.integers(first, last), st.integers(0, 288))
    rows = draw(st.lists(row, max_size=10, unique_by=lambda one: one[:2]))
    return File(draw(st.integers(0, 1)), first, last, tuple(rows))


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.composite(files_of)(), min_size=1, max_size=6),
    st.sampled_from(["", "web", "shop/", "eu:shop/"]),
)
def test_whatever_was_recorded_a_part_of_it_gives_the_same_numbers(
    tmp_path_factory: pytest.TempPathFactory, files: list[File], pattern: str
) -> None:
    folder = tmp_path_factory.mktemp("parts")
    (folder / "usage").mkdir()
    begin = FIRST_DAY - 2  # some days lie before the window, some after it
    for number, (query, first, last, found) in enumerate(files):
        days = [container_day(REFS[who], begin + day, samples, 10 + number) for who, day, samples in found]
        covers = begin + first, begin + last
        write_days(folder / "usage" / f"{number}.parquet", days, {"step": query}, NOW + number, covers)
    out = folder / "out"
    words = ["record", str(out), *([pattern] if pattern else []), "--metrics", str(folder / "usage")]
    expected = numbers(folder / "usage", pattern)
    code = cli.ended([*words, "--now", str(NOW)])
    assert code == (0 if expected else 2)
    assert out.exists() == bool(expected)
    if expected:
        assert numbers(out) == expected


def test_only_what_is_asked_for_is_written(world: World, run: Run) -> None:
    assert run("record", "some", "batch/", "--window", "2d", cwd=world.folder).code == 0
    days = [day for path in (world.folder / "some").iterdir() for day in read_days(path)]
    assert {day.ref for day in days} == {JOB}
    assert sorted(day.day for day in days) == [FIRST_DAY + 12, FIRST_DAY + 13]


def test_without_names_the_numbers_stay(world: World, run: Run) -> None:
    assert run("record", "one.parquet", "--anonymous", cwd=world.folder).code == 0
    assert run("record", "two", "--anonymous", cwd=world.folder).code == 0
    known = numbers(world.folder / "usage")
    one, two = numbers(world.folder / "one.parquet"), numbers(world.folder / "two")
    assert not one.keys() & two.keys(), "another key each time"
    for made in (one, two):
        assert sorted((ref.kind, usage._replace(query="")) for ref, usage in made.items()) == sorted(
            (ref.kind, usage._replace(query="")) for ref, usage in known.items()
        )
        assert len({ref.namespace for ref in made}) == 2
        assert {ref.cluster for ref in made} == {""}
    for path in (world.folder / "one.parquet", *(world.folder / "two").iterdir()):
        content = path.read_bytes() + repr([day.ref for day in read_days(path)]).encode()
        assert not re.search(rb"shop|batch|web|fine|nightly|report|'app'", content)


@pytest.mark.parametrize("out", ["there.parquet", "there", "file", "link.parquet"])
def test_nothing_is_written_over(world: World, run: Run, out: str) -> None:
    folder = world.folder
    (folder / "there").mkdir()
    for path in (folder / "there" / "mine", folder / "there.parquet", folder / "file"):
        path.write_text("mine")
    (folder / "link.parquet").symlink_to("nowhere.parquet")
    ran = run("record", out, cwd=folder)
    assert ran.code == 2
    assert "it is there already" in ran.err
    assert (folder / "there" / "mine").read_text() == (folder / "file").read_text() == "mine"
    assert not (folder / "nowhere.parquet").exists()


def test_an_empty_folder_is_filled(world: World, run: Run) -> None:
    (world.folder / "empty").mkdir()
    assert run("record", "empty", cwd=world.folder).code == 0
    assert numbers(world.folder / "empty") == numbers(world.folder / "usage")


@pytest.mark.parametrize(
    ("words", "told"),
    [(["out", "nobody"], "no container matches"), (["web.yaml/out"], "it can't be written"),
     (["out", "--now", "2020-01-01"], "nothing is known of any container")],
)  # fmt: skip
def test_a_record_that_fails_leaves_nothing(world: World, run: Run, words: list[str], told: str) -> None:
    (world.folder / "web.yaml").write_text("")
    before = sorted(world.folder.iterdir())
    ran = run("record", *words, cwd=world.folder)
    assert ran.code == 2
    assert told in ran.err
    assert sorted(world.folder.iterdir()) == before


def test_what_is_no_single_file_is_said(world: World, run: Run) -> None:
    write_days(world.folder / "usage" / "b.parquet", [container_day(API, FIRST_DAY)], {"step": 60}, NOW)
    ran = run("record", "one.parquet", cwd=world.folder)
    assert ran.code == 2
    assert "asked for in different ways: name a folder" in ran.err
    assert run("record", "many", cwd=world.folder).code == 0
    assert numbers(world.folder / "many") == numbers(world.folder / "usage")


def test_damage_that_shows_late_is_a_failure_and_the_rest_is_written(world: World, run: Run) -> None:
    """Hours are looked at only when they are copied."""
    path = world.folder / "usage" / "odd.parquet"
    odd = container_day(API, FIRST_DAY)
    odd = odd._replace(hours=odd.hours._replace(cpu_max=(1,) * 24))
    write_days(path, [odd], {"step": STEP}, NOW)
    ran = run("record", "out", cwd=world.folder)
    assert ran.code == 1
    assert "odd.parquet" in ran.out
    assert numbers(world.folder / "out").keys() == {WEB, FINE, JOB}


# -- docs ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["usage", "record"])
def test_there_is_help(command: str, run: Run, tmp_path: Path) -> None:
    ran = run(command, "--help", cwd=tmp_path)
    assert (ran.code, ran.err) == (0, "")
    assert "CONTAINER]" in ran.out, "brackets are words, not markup"


def test_the_docs_name_every_field_of_a_row() -> None:
    text = (Path(__file__).parents[1] / "docs" / "usage.md").read_text()
    told = re.findall(r"^\| `(\w+)` \|", text, re.M)
    assert told == list(usage_row(WEB, used(), DAY))

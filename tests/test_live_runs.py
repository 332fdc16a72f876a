"""Whole runs of the command line against metrics servers: well ones, small ones, guarded ones, sick ones."""

from __future__ import annotations

import json
import re
import resource
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from live_world import Ran, cut, deploy, hostile, lowered, proposed, rows_of, settle, through, warned
from servers import prometheus, sick
from servers.lived import BEGIN, END
from servers.prometheus import Served

from reconciler import cli
from reconciler.model import ContainerRef, Usage
from reconciler.usage.cache import DayCache
from reconciler.usage.prometheus.listening import Source
from reconciler.usage.prometheus.source import LiveSource
from reconciler.usage.prometheus.wire import Access, Wire
from reconciler.usage.shelf import FolderShelf

Run = Callable[..., Ran]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """The command line in this process, at the end of the clusters' days."""
    monkeypatch.delenv("RECONCILE_CONFIG", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))

    def ran(*words: str) -> Ran:
        monkeypatch.chdir(tmp_path)
        capsys.readouterr()
        code = cli.ended(words)
        return Ran(code, *capsys.readouterr())

    return ran


@pytest.fixture
def deployment(tmp_path: Path) -> Path:
    deploy(tmp_path)
    return tmp_path


DRY = ("--dry-run", "--remote", "--now", str(END), "-o", "json")
USAGE = ("--now", str(END), "--window", "4d", "-o", "json")


# ---------------------------------------------------------------------------------- live and recorded


def test_a_live_server_and_a_recording_of_it_propose_the_same(
    run: Run, deployment: Path, lone_prometheus: Served
) -> None:
    live = run("run", *DRY, "--metrics", lone_prometheus.url)
    assert (live.code, lowered(live)) == (0, ["steady", "steady", "web"])
    assert ("squeezed", "requests.cpu") in proposed(live)
    recorded = run("record", "week", "--metrics", lone_prometheus.url, "--now", str(END), "--window", "4d")
    assert recorded.code == 0, recorded.err
    again = run("run", *DRY, "--metrics", "week")
    # Of autoscalers that no repository has only a live server tells.
    scaled = ("web", "requests.cpu")
    assert {key: new for key, new in proposed(again).items() if key != scaled} == proposed(live)


def test_usage_of_a_live_server_and_of_a_recording_of_it_has_the_same_rows(
    run: Run, tmp_path: Path, lone_prometheus: Served
) -> None:
    live = run("usage", "--metrics", lone_prometheus.url, *USAGE)
    assert (live.code, live.document["failed"]) == (0, [])
    assert len(live.document["rows"]) > 15
    run("record", "week.parquet", "--metrics", lone_prometheus.url, "--now", str(END), "--window", "4d")
    offline = run("usage", "--metrics", "week.parquet", *USAGE)
    assert rows_of(offline) == rows_of(live)
    again = run("usage", "--metrics", lone_prometheus.url, *USAGE)
    assert rows_of(again) == rows_of(live)
    assert [cost["days_read"] for cost in again.document["metrics"]] == [0]


# ---------------------------------------------------------------------------------- a sick server


@pytest.fixture
def guard(lone_prometheus: Served) -> Iterator[sick.Sick]:
    """Stands before a real server, and lets through until it is told to do otherwise."""
    running, stop = sick.start()
    running.does(through(lone_prometheus.url))
    yield running
    stop()


PAGE = sick.says("<html><form action=/login></form></html>", Content_Type="text/html")
LATER = sick.fails(429, "too many requests", Retry_After="3600")
ENDLESS = sick.pours(2 << 30)
SICK: Mapping[str, tuple[sick.Way, str]] = {
    "hangs up": (sick.hangs_up, "breaks the connection off"),
    "breaks off": (sick.breaks_off, "breaks the connection off"),
    "wants to be asked later": (LATER, "asked again in 3600 seconds"),
    "login page": (PAGE, "login page"),
    "2 GB": (ENDLESS, "MiB"),
    "no JSON": (sick.says("[1, 2"), "whole|JSON"),
    "other JSON": (
        sick.says({"status": "success", "data": {"resultType": "matrix", "result": [{}]}}),
        "answer",
    ),
    "denies": (sick.fails(403, "no"), "may not read"),
}


def check_nothing_is_lowered(ran: Ran, well: Ran, words: str) -> None:
    assert ran.code == 1
    assert not lowered(ran)
    # What has to be raised is known from the days that were kept.
    assert proposed(ran) == {key: why for key, why in proposed(well).items() if key[0] == "squeezed"}
    (failure,) = ran.document["failed"]
    assert failure["what"] == "metrics main"
    assert re.search(words, failure["error"]), failure
    assert "Traceback" not in ran.out + ran.err
    kept = {each["reason"] for each in ran.document["kept"] if each["workload"] in ("steady", "web")}
    assert kept <= {"partial-metrics", "scaled-by-hpa"}, kept


def test_nothing_is_lowered_with_a_sick_server_and_what_hurts_is_raised(
    run: Run, deployment: Path, guard: sick.Sick
) -> None:
    well = run("run", *DRY, "--metrics", guard.url)
    assert len(lowered(well)) == 3
    for way, words in SICK.values():
        guard.does(way)
        began = time.monotonic()
        ran = run("run", *DRY, "--metrics", guard.url)
        assert time.monotonic() - began < 20, words
        check_nothing_is_lowered(ran, well, words)


@pytest.mark.parametrize(
    ("spoilt", "words"),
    [(warned, "a store did not answer"), (cut, "the answer is cut short"), (hostile, "was not asked for")],
)
def test_answers_that_are_not_what_was_asked_for_are_none(
    run: Run,
    deployment: Path,
    guard: sick.Sick,
    lone_prometheus: Served,
    spoilt: Callable[[sick.Asked, bytes], bytes],
    words: str,
) -> None:
    guard.does(through(lone_prometheus.url, spoilt=spoilt))
    ran = run("run", *DRY, "--metrics", guard.url)
    assert (ran.code, ran.document["changes"]) == (1, [])
    errors = [failure["error"] for failure in ran.document["failed"]]
    assert all(re.search(words, error) for error in errors), errors
    assert {each["reason"] for each in ran.document["kept"]} <= {"partial-metrics", "no-metrics"}
    guard.does(through(lone_prometheus.url))
    assert len(lowered(run("run", *DRY, "--metrics", guard.url))) == 3  # nothing of it was kept


def test_usage_says_in_one_sentence_why_a_sick_server_tells_nothing(run: Run, guard: sick.Sick) -> None:
    for way, words in SICK.values():
        guard.does(way)
        ran = run("usage", "--metrics", guard.url, "--now", str(END), "--window", "4d")
        assert ran.code == 2  # nothing could be tried
        assert re.search(words, ran.out + ran.err)
        assert len((ran.out + ran.err).split()) < 80
        assert "Traceback" not in ran.out + ran.err


def test_a_server_that_is_not_there(run: Run, deployment: Path) -> None:
    nobody = f"http://127.0.0.1:{prometheus.free_port()}"
    ran = run("run", *DRY, "--metrics", nobody)
    assert (ran.code, ran.document["changes"]) == (1, [])
    assert {each["reason"] for each in ran.document["kept"]} == {"no-metrics"}
    assert len(ran.document["failed"]) == 1


def test_a_server_that_is_slow_is_given_up(tmp_path: Path) -> None:
    server, stop = sick.start()
    for way in (sick.says_nothing, sick.drips_its_body, sick.drips_its_head):
        server.does(way)
        wire = Wire(Access(server.url, seconds=0.5))
        source = LiveSource(Source("main", wire, {}, lambda _: DayCache(FolderShelf(tmp_path), "x")))
        began = time.monotonic()
        reading = source.read([ContainerRef("", "shop", "Deployment", "web", "app")], BEGIN, END)
        wire.close()
        assert time.monotonic() - began < 6
        assert len(reading.failures) == 1
        assert not any(isinstance(usage, Usage) for usage in reading.usage.values())
    stop()


def test_memory_stays_bounded_under_an_endless_answer(run: Run, guard: sick.Sick) -> None:
    guard.does(ENDLESS)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    run("usage", "--metrics", guard.url, "--now", str(END))
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 700 << 10  # kilobytes
    assert guard.sent < 1 << 30


# ---------------------------------------------------------------------------------- a small server


@pytest.fixture
def start_own(
    worlds_folder: Path, tmp_path: Path, lone_prometheus: Served
) -> Iterator[Callable[..., Served]]:
    """A server of its own over the same blocks, with other options."""
    stops = []

    def begun(**more: Any) -> Served:
        room = Path(tempfile.mkdtemp(prefix="own-", dir=worlds_folder))
        server, stop = prometheus.start(worlds_folder / "alone", room / "server", **more)
        stops.append(stop)
        return server

    yield begun
    for stop in stops:
        stop()


def test_a_small_server_is_asked_in_pieces_and_says_the_same(
    run: Run, tmp_path: Path, lone_prometheus: Served, start_own: Callable[..., Served]
) -> None:
    small = start_own(
        options=("--query.max-samples=6000", "--query.timeout=20s"), query_log=tmp_path / "queries"
    )
    full = run("usage", "--metrics", lone_prometheus.url, *USAGE)
    ran = run("usage", "--metrics", small.url, *USAGE)
    assert (ran.code, ran.document["failed"]) == (0, [])
    assert rows_of(ran) == rows_of(full)
    refused = refusals(tmp_path / "queries")
    assert refused
    assert len({*refused}) == len(refused)
    (tmp_path / "queries").write_text("")
    again = run("usage", "--metrics", small.url, "--now", str(END - 3600), "--window", "4d", "-o", "json")
    assert again.code == 0
    assert not refusals(tmp_path / "queries")  # what was learned is remembered


def refusals(log: Path) -> list[tuple[object, ...]]:
    asked = [json.loads(line) for line in log.read_text().splitlines()]
    return [
        tuple(each["params"][key] for key in ("query", "start", "end", "step"))
        for each in asked
        if "error" in each
    ]


# ---------------------------------------------------------------------------------- a guarded server


def test_a_server_under_a_prefix_with_a_password(
    run: Run, deployment: Path, lone_prometheus: Served, start_own: Callable[..., Served]
) -> None:
    server = start_own(prefix="/metrics/prometheus", basic=True)
    (deployment / "password").write_text(prometheus.PASSWORD + "\n")
    entry = {"name": "main", "kind": "prometheus", "url": server.url, "username": prometheus.USER}
    settle(deployment, {**entry, "passwordFile": "password"})
    ran = run("run", *DRY, "-c", "reconcile.yaml")
    settle(deployment, {"name": "main", "kind": "prometheus", "url": lone_prometheus.url})
    assert proposed(ran) == proposed(run("run", *DRY, "-c", "reconcile.yaml"))
    assert prometheus.PASSWORD not in ran.out + ran.err
    (deployment / "password").write_text("wrong\n")
    settle(deployment, {**entry, "passwordFile": "password"})
    denied = run("run", *DRY, "-c", "reconcile.yaml")
    assert (denied.code, lowered(denied)) == (1, [])


def test_a_token_that_rotates_between_two_questions_and_a_tenant(
    run: Run, deployment: Path, guard: sick.Sick, lone_prometheus: Served
) -> None:
    token = deployment / "token"
    token.write_text("first\n")
    valid = ["first"]

    def may(asked: sick.Asked) -> bool:
        if len(guard.asked) == 12:
            valid[:] = ["second"]
            token.write_text("second\n")
        known = asked.headers.get("authorization") == f"Bearer {valid[0]}"
        return known and asked.headers.get("x-scope-orgid") == "team-a"

    guard.does(through(lone_prometheus.url, may, strip="/api/prom"))
    entry = {"name": "main", "kind": "prometheus", "url": f"{guard.url}/api/prom", "tokenFile": "token"}
    settle(deployment, {**entry, "headers": {"X-Scope-OrgID": "team-a"}})
    ran = run("run", *DRY, "-c", "reconcile.yaml")
    assert (ran.code, ran.document["failed"]) == (0, [])
    assert len(lowered(ran)) == 3
    assert len({asked.headers["authorization"] for asked in guard.asked}) == 2


def test_several_servers_for_several_clusters(
    run: Run, tmp_path: Path, lone_prometheus: Served, prometheus_server: Served
) -> None:
    entries = [
        {"name": name, "kind": "prometheus", "url": server.url}
        for name, server in (("one", lone_prometheus), ("many", prometheus_server))
    ]
    clusters = [
        {"name": "lone", "server": "https://a:6443", "metrics": "one"},
        {
            "name": "plain",
            "server": "https://b:6443",
            "metrics": "many",
            "metricsLabels": {"cluster": "plain"},
        },
        {"name": "twin", "server": "https://c:6443", "metrics": "many", "metricsLabels": {"cluster": "twin"}},
    ]
    settle(tmp_path, *entries, clusters=clusters, policies=None)
    ran = run("usage", "steady", *USAGE, "-c", "reconcile.yaml")
    assert ran.code == 0, ran.err
    rows = {row["cluster"]: row for row in ran.document["rows"]}
    assert {*rows} == {"lone", "plain", "twin"}
    assert rows["lone"]["memory_bytes"] == rows["plain"]["memory_bytes"] != rows["twin"]["memory_bytes"]

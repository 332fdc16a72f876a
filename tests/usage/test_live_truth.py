"""What is read from real metrics servers, against what the clusters behind them really lived through."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from servers import worlds
from servers.lived import BEGIN, DAY, END
from servers.prometheus import Served
from servers.truth import Truth
from servers.worlds import ALONE, BEHIND_ONE, VICTORIAS, World

from reconciler.model import ContainerRef, Reason, Usage
from reconciler.usage.cache import DayCache
from reconciler.usage.port import Reading
from reconciler.usage.prometheus.listening import Source
from reconciler.usage.prometheus.promql import PRESETS
from reconciler.usage.prometheus.source import LiveSource
from reconciler.usage.prometheus.wire import Access, Wire
from reconciler.usage.shelf import FolderShelf

QUANTILES = (500, 900, 950, 990, 1000)
PROMETHEUS, VICTORIA = 3.0, 5.0  # percent that CPU may be off
WHOLE = [name for name in BEHIND_ONE if not name.startswith("silent")]

Read = Callable[[Served, World], Reading]


@cache
def truth_of(name: str) -> worlds.Told:
    return worlds.truth_of(BEHIND_ONE[name] if name else ALONE)


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def read(server: Served, world: World) -> Reading:
        labels = PRESETS["exported" if world.how.exported else "kube-prometheus"]
        name = world.how.cluster
        clusters = {name: {"cluster": name}} if name else {}
        wire = Wire(Access(server.url))
        store = FolderShelf(tmp_path / name)
        source = LiveSource(Source("main", wire, clusters, lambda _: DayCache(store, "here"), labels))
        reading = source.read(list(truth_of(name)), BEGIN, END)
        wire.close()
        return reading

    return read


def usage_of(reading: Reading, ref: ContainerRef) -> Usage:
    usage = reading.usage[ref]
    assert isinstance(usage, Usage), usage
    return usage


# ---------------------------------------------------------------------------------- what has to hold


def check_everything(reading: Reading, truth: worlds.Told, percent: float) -> None:
    assert not reading.failures
    for ref in truth:
        usage = usage_of(reading, ref)
        assert not usage.incomplete
        check_cpu(ref, usage, truth[ref], percent)
        check_busy_hours(ref, usage, truth[ref], percent)
        check_memory(ref, usage, truth[ref])
        check_events(ref, usage, truth[ref])
        check_lives(ref, usage, truth[ref])


def check_cpu(ref: ContainerRef, usage: Usage, truth: Truth, percent: float) -> None:
    for quantile in QUANTILES:
        real, said = truth.quantile(quantile), usage.cpu.quantile(quantile)
        assert abs(said - real) <= max(1.0, real * percent / 100), (str(ref), quantile, said, real)


def check_busy_hours(ref: ContainerRef, usage: Usage, truth: Truth, percent: float) -> None:
    """Within less than a week each hour is there once. A rate reaches back a little into the hour before."""
    week = {(hour + 72) % 168: cpu for hour, cpu in truth.hours.items()}
    highest = sorted(week.values(), reverse=True)
    assert [busy.weeks for busy in usage.busy_hours] == [1, 1, 1], str(ref)
    for busy, most in zip(usage.busy_hours, highest, strict=False):
        real, before = week[busy.hour], week.get((busy.hour - 1) % 168, 0.0)
        off = max(1.0, most * percent / 100)
        assert max(real, most) - off <= busy.cpu <= max(real, before) + 2 * off, (str(ref), busy, real, most)


def check_memory(ref: ContainerRef, usage: Usage, truth: Truth) -> None:
    days = {day.day: day.memory_max for day in usage.days}
    assert days == truth.memory_of_days, str(ref)
    assert usage.memory.values[-1] == truth.memory, str(ref)
    assert usage.rss_max == truth.rss, str(ref)


def check_events(ref: ContainerRef, usage: Usage, truth: Truth) -> None:
    real = Counter((time // DAY, limit or 0) for time, limit in truth.kills)
    assert {(kill.day, kill.limit): kill.kills for kill in usage.oom_kills} == real, str(ref)
    assert usage.restarts == truth.restarts, str(ref)
    assert dict(usage.restart_days) == truth.restarts_of_days, str(ref)
    if truth.throttled is None:
        assert usage.throttled_permille is None, str(ref)
    else:
        assert usage.throttled_permille is not None, str(ref)
        assert abs(usage.throttled_permille - 1000 * truth.throttled) <= 5, str(ref)


def check_lives(ref: ContainerRef, usage: Usage, truth: Truth) -> None:
    assert usage.pods == truth.pods, str(ref)
    # A pod has half a step too much at each end, seen from steps.
    assert abs(usage.expected - truth.steps) <= 1 + truth.pods, str(ref)
    assert usage.coverage_permille >= 970, str(ref)
    if ref.kind != "CronJob":
        assert usage.replicas == truth.replicas, str(ref)


# ---------------------------------------------------------------------------------- Prometheus


def test_containers_of_every_kind_of_workload_are_measured_as_they_were(
    lone_prometheus: Served, read: Read
) -> None:
    reading = read(lone_prometheus, ALONE)
    check_everything(reading, truth_of(""), PROMETHEUS)
    guessed = {ref.workload for ref in reading.usage if usage_of(reading, ref).owner_guessed}
    assert guessed == {"stranger"}
    scaled = {ref.workload for ref in reading.usage if usage_of(reading, ref).scaled_on}
    assert scaled == {"web"}


@pytest.mark.parametrize("name", [name for name in WHOLE if not name.startswith("every-")])
def test_however_it_was_scraped_the_truth_is_told(prometheus_server: Served, read: Read, name: str) -> None:
    check_everything(read(prometheus_server, BEHIND_ONE[name]), truth_of(name), PROMETHEUS)


@pytest.mark.parametrize("name", ["every-15s", "every-60s", "every-300s"])
def test_rates_of_any_scrape_interval_tell_the_truth_where_load_holds_still(
    prometheus_server: Served, read: Read, name: str
) -> None:
    percent = 5.0 if name == "every-300s" else PROMETHEUS
    check_everything(read(prometheus_server, BEHIND_ONE[name]), truth_of(name), percent)


def test_one_server_and_a_pair_say_the_same(prometheus_server: Served, read: Read) -> None:
    one, pair = (read(prometheus_server, BEHIND_ONE[name]) for name in ("plain", "pair"))
    for ref in one.usage:
        mine, theirs = usage_of(one, ref), usage_of(pair, ref._replace(cluster="pair"))
        for quantile in QUANTILES:
            assert theirs.cpu.quantile(quantile) == pytest.approx(
                mine.cpu.quantile(quantile), rel=0.01, abs=1
            )
        assert theirs.samples == pytest.approx(mine.samples, rel=0.005)
        assert theirs.restarts == mine.restarts
        assert theirs.oom_kills == mine.oom_kills


def test_a_rollout_changes_nothing(prometheus_server: Served, read: Read) -> None:
    reading = read(prometheus_server, BEHIND_ONE["plain"])
    web = usage_of(reading, ContainerRef("plain", "shop", "Deployment", "web", "app"))
    before, after = web.days[0], web.days[-1]  # the rollouts were on the two days between
    assert after.cpu_p95 == pytest.approx(before.cpu_p95, rel=0.05)
    assert after.samples == before.samples == 3 * DAY // web.step


# ---------------------------------------------------------------------------------- silence


def test_hours_without_samples_lower_the_coverage(prometheus_server: Served, read: Read) -> None:
    truth = truth_of("silent-hours")
    reading = read(prometheus_server, BEHIND_ONE["silent-hours"])
    for ref in truth:
        usage = usage_of(reading, ref)
        check_cpu(ref, usage, truth[ref], PROMETHEUS)
        check_memory(ref, usage, truth[ref])
        assert usage.coverage_permille <= 1000 * 90 // 96


def test_a_day_without_samples_lowers_the_coverage(prometheus_server: Served, read: Read) -> None:
    truth = truth_of("silent-day")
    reading = read(prometheus_server, BEHIND_ONE["silent-day"])
    for ref in truth:
        usage = usage_of(reading, ref)
        check_cpu(ref, usage, truth[ref], PROMETHEUS)
        check_memory(ref, usage, truth[ref])
        check_events_told(usage, truth[ref])
        assert usage.coverage_permille <= 760, str(ref)


def check_events_told(usage: Usage, truth: Truth) -> None:
    """No kill is lost, and none of another day is made up."""
    real = {time // DAY for time, _ in truth.kills}
    assert {kill.day for kill in usage.oom_kills} == real
    assert sum(kill.kills for kill in usage.oom_kills) == len(truth.kills)


def test_what_happened_before_a_server_knew_of_it_is_not_dated_when_it_began_to(
    prometheus_server: Served, read: Read
) -> None:
    begun = BEHIND_ONE["silent-before"].how.silence[1]
    truth = truth_of("silent-before")
    reading = read(prometheus_server, BEHIND_ONE["silent-before"])
    for ref in truth:
        usage = usage_of(reading, ref)
        check_memory(ref, usage, truth[ref])
        real = Counter((time // DAY, limit or 0) for time, limit in truth[ref].kills if time > begun)
        assert {(kill.day, kill.limit): kill.kills for kill in usage.oom_kills} == real, str(ref)
    db = usage_of(reading, ContainerRef("silent-before", "data", "StatefulSet", "db", "app"))
    assert db.restarts == 3


# ---------------------------------------------------------------------------------- two clusters, one server


def test_the_same_names_in_two_clusters_are_told_apart_by_their_labels(
    prometheus_server: Served, tmp_path: Path
) -> None:
    one, twin = (ContainerRef(name, "shop", "Deployment", "steady", "app") for name in ("plain", "twin"))
    clusters = {name: {"cluster": name} for name in ("plain", "twin")}
    store = FolderShelf(tmp_path / "days")
    wire = Wire(Access(prometheus_server.url))
    source = LiveSource(Source("main", wire, clusters, lambda scope: DayCache(store, scope.cluster)))
    reading = source.read([one, twin], BEGIN, END)
    check_cpu(one, usage_of(reading, one), truth_of("plain")[one], PROMETHEUS)
    check_cpu(twin, usage_of(reading, twin), truth_of("twin")[twin], PROMETHEUS)
    unlabelled = LiveSource(Source("main", wire, {}, lambda scope: DayCache(store, "any")))
    plain = unlabelled.read([one._replace(cluster="")], BEGIN, END).usage[one._replace(cluster="")]
    wire.close()
    assert not isinstance(plain, Usage)
    assert plain.reason == Reason.AMBIGUOUS_CLUSTER


# ---------------------------------------------------------------------------------- VictoriaMetrics


@pytest.mark.parametrize("name", [name for name in VICTORIAS if name in WHOLE])
def test_victoria_metrics_tells_the_truth(victoria_server: Served, read: Read, name: str) -> None:
    check_everything(read(victoria_server, BEHIND_ONE[name]), truth_of(name), VICTORIA)


def test_a_silent_day_of_victoria_metrics_lowers_the_coverage(victoria_server: Served, read: Read) -> None:
    reading = read(victoria_server, BEHIND_ONE["silent-day"])
    for ref in reading.usage:
        assert usage_of(reading, ref).coverage_permille <= 760, str(ref)

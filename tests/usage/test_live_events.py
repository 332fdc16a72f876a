"""Kills and restarts as counters and marks tell of them: each once, on its day, at the limit of its time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from servers.in_process import InProcess, Series
from servers.lives import DAY, MEBI, Life, series_of, source_over

from reconciler.model import ContainerRef, OomKill, Usage
from reconciler.usage.prometheus.answers import Matrix
from reconciler.usage.prometheus.events import (
    NOBODYS,
    NOTHING,
    Key,
    Marks,
    Points,
    as_heard,
    beginnings,
    killed,
    limit_before,
    points,
    rises,
)
from reconciler.usage.prometheus.promql import Names

STEP = 300
KEY = Key("", "shop", "web-0", "app")
STEPS = st.integers(1, 400)


def points_of(values: dict[int, int]) -> Points:
    times = sorted(values)
    return Points(np.array(times, np.int64), np.array([values[time] for time in times], np.int64))


def pairs(found: Points) -> list[tuple[int, int]]:
    return list(zip(found.times.tolist(), found.values.tolist(), strict=True))


# ---------------------------------------------------------------------------------- counters


@given(st.lists(st.integers(0, 9), min_size=1, max_size=60), st.integers(0, 60))
def test_every_rise_is_counted_on_its_side_of_midnight(increments: list[int], midnight: int) -> None:
    """The counter is not sent while it is zero."""
    total = np.cumsum(increments)
    counter = points_of({at * STEP: int(value) for at, value in enumerate(total, 1) if value})
    after = [(at * STEP, by) for at, by in enumerate(increments, 1) if by and at > midnight]
    assert pairs(rises(counter, midnight * STEP)) == after


@given(
    st.lists(
        st.tuples(st.booleans(), st.lists(st.integers(0, 5), min_size=1, max_size=9)), min_size=1, max_size=6
    )
)
def test_a_counter_that_was_begun_anew_loses_nothing_that_shows(lives: list[tuple[bool, list[int]]]) -> None:
    """What a pod of the same name counts is no more than all it counted, and at least where it stands."""
    values, at, counted, shown = {}, 0, 0, 0
    for _, increments in lives:
        for value in np.cumsum(increments).tolist():
            at += 1
            if value:
                values[at * STEP] = value
        counted += sum(increments)
        shown = sum(increments)
    found = sum(by for _, by in pairs(rises(points_of(values), 0)))
    assert shown <= found <= counted


def test_no_counter_no_rise() -> None:
    assert pairs(rises(NOTHING, 0)) == pairs(beginnings(NOTHING, 0, STEP)) == []
    assert as_heard(NOTHING, frozenset({STEP}), STEP) is NOTHING


@given(at=st.integers(4, 100), silent=st.booleans())
def test_a_counter_that_is_first_seen_after_a_silence_is_not_dated_to_its_end(at: int, silent: bool) -> None:
    heard = frozenset(time * STEP for time in range(200) if not (silent and at - 50 <= time < at))
    found = rises(as_heard(points_of({at * STEP: 3, (at + 1) * STEP: 4}), heard, STEP), 0)
    assert pairs(found) == ([] if silent else [(at * STEP, 3)]) + [((at + 1) * STEP, 1)]


# ---------------------------------------------------------------------------------- kills


@st.composite
def ends(draw: st.DrawFn) -> dict[int, bool]:
    """When a container ended, no two within one step; whether for lack of memory."""
    return draw(st.dictionaries(STEPS, st.booleans(), max_size=12))


def marks_of(ends: dict[int, bool], until: int = 450) -> Marks:
    """As kube-state-metrics shows them: the mark of the last end stays until the next."""
    restarts, last = {}, {}
    count, was_killed = 0, False
    for step in range(until):
        if step in ends:
            count, was_killed = count + 1, ends[step]
        if count:
            restarts[step * STEP] = count
        if was_killed:
            last[step * STEP] = 1
    return Marks({KEY: points_of(restarts)}, {KEY: points_of(last)}, {}, {})


@given(ends(), st.integers(0, 400))
def test_each_kill_is_counted_once_however_long_its_mark_stays(ends: dict[int, bool], midnight: int) -> None:
    found = killed(marks_of(ends), midnight * STEP, STEP, STEP)
    real = [(step * STEP, 1) for step, was_kill in sorted(ends.items()) if was_kill and step > midnight]
    assert pairs(found.get(KEY, NOTHING)) == real


@given(ends())
def test_days_add_up(ends: dict[int, bool]) -> None:
    """Whatever begins before a day and ends after it is of one day alone."""
    marks = marks_of(ends)
    whole = pairs(killed(marks, 0, STEP, STEP).get(KEY, NOTHING))
    by_day = []
    for since in (0, 100 * STEP, 250 * STEP):
        found = pairs(killed(marks, since, STEP, STEP).get(KEY, NOTHING))
        until = {0: 100, 100 * STEP: 250}.get(since, 10**6) * STEP
        by_day += [each for each in found if each[0] <= until]
    assert by_day == whole


@given(st.integers(3, 400), st.integers(1, 400))
def test_a_pod_that_never_starts_again_tells_by_its_own_mark(at: int, lasts: int) -> None:
    """A Job's: there is no restart to count."""
    mark = points_of({step * STEP: 1 for step in range(at, at + lasts)})
    found = killed(Marks({}, {}, {KEY: mark}, {}), 0, STEP, STEP)
    assert pairs(found[KEY]) == [(at * STEP, 1)]


@given(ends())
def test_what_several_ways_tell_is_not_added_up(ends: dict[int, bool]) -> None:
    """The kernel counts the same kills, and may know of more."""
    count, events = 0, {}
    for step in range(450):
        count += ends.get(step, False)
        if count:
            events[step * STEP] = count
    marks = marks_of(ends)._replace(oom_events={KEY: points_of(events)})
    found = killed(marks, 0, STEP, STEP).get(KEY, NOTHING)
    assert sum(by for _, by in pairs(found)) == sum(ends.values())


@given(st.dictionaries(STEPS, st.integers(1, 10**9), max_size=9), STEPS)
def test_the_limit_of_a_kill_is_the_one_before_it(limits: dict[int, int], at: int) -> None:
    found = limit_before(points_of({step * STEP: size for step, size in limits.items()}), at * STEP)
    before = [size for step, size in sorted(limits.items()) if step < at]
    assert found == (before[-1] if before else min(limits.items())[1] if limits else None)


def test_no_limit() -> None:
    assert limit_before(None, 5) is limit_before(NOTHING, 5) is None


def test_series_of_other_clusters_and_what_is_no_number_are_left_out() -> None:
    labels = {"namespace": "shop", "pod": "web-0", "container": "app"}
    values = np.array([1.0, np.nan, np.inf, 2.0, 7.0])
    answer = Matrix((labels, {**labels, "env": "other"}), np.array([0, 4, 5]), np.arange(5) * STEP, values)
    found = points([answer], Names(), lambda series: None if "env" in series else "")
    assert pairs(found[KEY]) == [(0, 1), (3 * STEP, 2)]
    assert {*found} == {KEY, NOBODYS}


# ---------------------------------------------------------------------------------- through the source

BEGIN, DAYS = 20_000 * DAY, 4
END = BEGIN + DAYS * DAY
WEB = ContainerRef("", "shop", "StatefulSet", "web", "app")
BEFORE, AFTER = 512 * MEBI, 1024 * MEBI


LAST = "kube_pod_container_status_last_terminated_reason"


def state(metric: str, steps: dict[int, float], **more: str) -> Series:
    """Of the container, each minute from one of these times to the next; NaN: not sent."""
    times = np.arange(BEGIN - 7200, END + 1, 60, dtype=np.int64)
    begins = np.array(sorted(steps), np.int64)
    values = np.array([steps[begin] for begin in sorted(steps)])
    which = np.searchsorted(begins, times, side="right") - 1
    line = np.where(which >= 0, values[np.maximum(which, 0)], np.nan)
    labels = {"namespace": "shop", "pod": "web-0", "container": "app", "__name__": metric, **more}
    return Series(labels, times[~np.isnan(line)], line[~np.isnan(line)])


def read(folder: Path, *more: Series) -> Usage:
    life = Life("shop", "web-0", ("StatefulSet", "web"), BEGIN - 7200, END)
    server = InProcess([*series_of([life]), *more], clock=END, keeps=90 * DAY)
    usage = source_over(server, folder).read([WEB], BEGIN, END).usage[WEB]
    assert isinstance(usage, Usage)
    return usage


def story(kill: int, raised: int) -> list[Series]:
    """Killed once, and given more room in place: the mark stays for good."""
    return [
        state("kube_pod_container_status_restarts_total", {BEGIN - 7200: 0, kill: 1}),
        state(LAST, {kill: 1}, reason="OOMKilled"),
        state("kube_pod_container_resource_limits", {BEGIN - 7200: BEFORE, raised: AFTER}, resource="memory"),
    ]


@pytest.mark.parametrize("hours", [0.2, 5, 23.99, 24, 24.05, 50, 95])
def test_raising_a_limit_in_place_leaves_old_kills_at_the_old_one(tmp_path: Path, hours: float) -> None:
    kill = BEGIN + int(hours * 3600)
    for raised in (kill + 600, kill + DAY):
        usage = read(tmp_path / str(raised), *story(kill, raised))
        assert [(each.kills, each.limit) for each in usage.oom_kills] == [(1, BEFORE)]
        assert usage.oom_kills[0].day in ((kill - 1) // DAY, kill // DAY)
        assert usage.restarts == 1


def test_a_kill_before_the_window_is_none_within_it(tmp_path: Path) -> None:
    usage = read(tmp_path, *story(BEGIN - 3000, BEGIN + 600))
    assert (usage.oom_kills, usage.restarts) == ((), 0)


def test_crashes_after_a_kill_are_no_kills(tmp_path: Path) -> None:
    kill, crash = BEGIN + 5000, BEGIN + DAY + 7000
    usage = read(
        tmp_path,
        state("kube_pod_container_status_restarts_total", {BEGIN - 7200: 0, kill: 1, crash: 2}),
        state(LAST, {kill: 1, crash: np.nan}, reason="OOMKilled"),
        state(LAST, {crash: 1}, reason="Error"),
        state("kube_pod_container_resource_limits", {BEGIN - 7200: BEFORE}, resource="memory"),
    )
    assert usage.oom_kills == (OomKill(BEGIN // DAY, 1, BEFORE),)
    assert usage.restarts == 2


def test_a_container_without_a_limit_is_killed_too(tmp_path: Path) -> None:
    usage = read(tmp_path, *story(BEGIN + 5000, BEGIN + 6000)[:2])
    assert [(each.kills, each.limit) for each in usage.oom_kills] == [(1, 0)]


COUNTERS = (
    ("kube_pod_container_status_restarts_total", {}),
    ("container_oom_events_total", {"image": "x"}),
    ("container_cpu_cfs_periods_total", {"image": "x"}),
    ("kube_pod_container_resource_limits", {"resource": "memory"}),
)


@pytest.mark.parametrize("value", [1e300, -1e300, np.inf, 1e19, 9e18])
def test_numbers_beyond_all_bounds_do_not_spoil_the_file_of_all_others(tmp_path: Path, value: float) -> None:
    series = [state(name, {BEGIN - 7200: 0, BEGIN + 9000: value}, **more) for name, more in COUNTERS]
    throttled = {BEGIN - 7200: 0, BEGIN + 9000: value}
    series.append(state("container_cpu_cfs_throttled_periods_total", throttled, image="x"))
    assert not read(tmp_path, *series, *story(BEGIN + 5000, BEGIN + 6000)[1:2]).incomplete

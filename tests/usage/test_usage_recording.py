"""A recording as a source: the same numbers as the samples that it was made of."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from reconciler.errors import Misconfigured
from reconciler.model import ContainerRef, NoUsage, OomKill, Reason, Usage
from reconciler.usage import sketch
from reconciler.usage.days import DAY, ContainerDay, days_since_1970
from reconciler.usage.files import read_days, write_days, write_rows
from reconciler.usage.port import UsageSource
from reconciler.usage.recording import RecordingSource, open_recording
from reconciler.usage.rows import of_days
from reconciler.usage.series import Events

MakeDays = Callable[..., tuple[ContainerDay, ...]]
Record = Callable[..., Path]

MONDAY = days_since_1970("2026-02-02")
REF = ContainerRef("", "shop", "Deployment", "web", "app")
END = (MONDAY + 7) * DAY


def usage_of(
    source: RecordingSource, ref: ContainerRef = REF, days: int = 7, end: int = END
) -> Usage | NoUsage:
    return source.read([ref], end - days * DAY, end).usage[ref]


def found_in(folder: Path, ref: ContainerRef = REF, days: int = 7, end: int = END) -> Usage:
    found = usage_of(open_recording(folder, "main"), ref, days, end)
    assert isinstance(found, Usage)
    return found


def reason_in(folder: Path, ref: ContainerRef) -> Reason:
    found = usage_of(open_recording(folder, "main"), ref)
    assert isinstance(found, NoUsage)
    return found.reason


def test_it_is_a_usage_source(make_days: MakeDays, record: Record) -> None:
    source: UsageSource = open_recording(record(make_days()), "main")
    assert source.name == "main"
    assert source.last_sample() == END - 300


def test_a_row_comes_back_as_it_was_written(make_days: MakeDays, record: Record) -> None:
    days = make_days(events=Events(oom_kills=((MONDAY * DAY, 7),), throttling=((MONDAY * DAY, 1, 2),)))
    assert read_days(record(days) / "week.parquet") == days


def test_equal_input_gives_equal_bytes(make_days: MakeDays, record: Record) -> None:
    days = make_days()
    folder = record(days, "one.parquet")
    record(tuple(reversed(days)), "two.parquet")
    assert (folder / "one.parquet").read_bytes() == (folder / "two.parquet").read_bytes()


def test_days_merge_into_what_the_samples_say(make_days: MakeDays, record: Record) -> None:
    days = make_days()
    found = found_in(record(days))
    assert found.cpu == sketch.merge(day.cpu for day in days)
    assert found.memory == sketch.merge(day.memory for day in days)
    assert found.cpu_worst_pod == sketch.merge(day.worst_cpu for day in days)
    assert found.memory_worst_pod == sketch.merge(day.worst_memory for day in days)
    assert (found.samples, found.expected, found.pods, found.replicas) == (4032, 4032, 2, 2)
    assert (found.start, found.end, found.step) == (MONDAY * DAY, END - 300, 300)
    assert found.coverage_permille == 1000
    assert found.throttled_permille is None
    assert found.rss_max == max(day.rss_max or 0 for day in days)


def test_each_day_has_its_peaks(make_days: MakeDays, record: Record) -> None:
    days = make_days()
    peaks = found_in(record(days)).days
    assert [peak.day for peak in peaks] == [day.day for day in days]
    assert [peak.cpu_p95 for peak in peaks] == [day.cpu.quantile(950) for day in days]
    assert [peak.cpu_max for peak in peaks] == [day.cpu.values[-1] for day in days]
    assert [peak.memory_max for peak in peaks] == [day.memory.values[-1] for day in days]


def test_events_of_the_window_are_summed(make_days: MakeDays, record: Record) -> None:
    at = MONDAY * DAY
    events = Events(
        oom_kills=((at, 100), (at + 5, 200), (at + DAY, None)),
        restarts=(at, at + DAY),
        throttling=((at, 100, 1000), (at + DAY, 200, 1000)),
    )
    found = found_in(record(make_days(events=events)))
    assert found.oom_kills == (OomKill(MONDAY, 2, 200), OomKill(MONDAY + 1, 1, 0))
    assert (found.restarts, found.throttled_permille) == (2, 150)


def test_one_file_a_day_is_the_same_as_one_for_all(
    make_days: MakeDays, record: Record, tmp_path: Path
) -> None:
    days = make_days()
    whole = found_in(record(days))
    (tmp_path / "usage" / "week.parquet").unlink()
    for day in days:
        folder = record([day], f"{day.day}.parquet")
    assert found_in(folder) == whole


@pytest.mark.parametrize("days", [1, 3, 7])
def test_the_window_is_as_many_whole_days(make_days: MakeDays, record: Record, days: int) -> None:
    folder = record(make_days())
    assert [peak.day for peak in found_in(folder, days=days).days] == list(
        range(MONDAY + 7 - days, MONDAY + 7)
    )
    at_last_sample = found_in(folder, days=days, end=END - 300)
    assert len(at_last_sample.days) == days


def test_nothing_later_than_the_end_is_looked_at(make_days: MakeDays, record: Record) -> None:
    found = found_in(record(make_days()), days=3, end=(MONDAY + 4) * DAY + DAY // 2)
    assert [peak.day for peak in found.days] == [MONDAY + 2, MONDAY + 3]


def test_a_day_that_no_file_covers_lowers_coverage(make_days: MakeDays, record: Record) -> None:
    days = make_days()
    for day in days:
        if day.day != MONDAY + 3:
            folder = record([day], f"{day.day}.parquet")
    found = found_in(folder)
    assert (found.samples, found.expected) == (6 * 576, 7 * 576)


def test_a_day_without_pods_does_not(make_days: MakeDays, record: Record) -> None:
    days = [day for day in make_days() if day.day != MONDAY + 3]
    found = found_in(record(days))
    assert (found.samples, found.expected) == (6 * 576, 6 * 576)


def test_an_empty_file_says_that_nothing_ran(make_days: MakeDays, record: Record) -> None:
    days = make_days()
    for day in days:
        rows = [day] if day.day != MONDAY + 3 else []
        folder = record(rows, f"{day.day}.parquet", covers=(day.day, day.day))
    assert found_in(folder).expected == 6 * 576


def also(folder: Path, rows: Sequence[ContainerDay], day: int, **said: str) -> Path:
    """One more file of that day, which says this of itself."""
    more = {f"reconciler.{key}": value for key, value in said.items()}
    path = folder / f"{day}-{len(list(folder.iterdir()))}.parquet"
    write_rows(path, of_days(rows), {"step": 300, "source": "test"}, END, (day, day), more)
    return path


@pytest.mark.parametrize(
    ("said", "known"),
    [
        ({}, True),
        ({"namespaces": '{"shop":17}'}, True),
        ({"namespaces": '{"other":17,"shop":-1}'}, True),
        ({"namespaces": '{"other":17}'}, False),
        ({"namespaces": "{}"}, False),
        ({"cluster": "prod"}, True),
        ({"cluster": "prod", "namespaces": '{"shop":17}'}, True),
        ({"cluster": "prod", "namespaces": '{"other":17}'}, False),
        ({"cluster": "test"}, False),
        ({"cluster": "test", "namespaces": '{"shop":17}'}, False),
        ({"something": "else"}, True),
    ],
)
def test_an_empty_file_speaks_for_what_it_says(
    make_days: MakeDays, record: Record, said: dict[str, str], known: bool
) -> None:
    ref = REF._replace(cluster="prod")
    days = make_days(ref)
    gap = MONDAY + 3
    for day in days:
        if day.day != gap:
            folder = record([day], f"{day.day}.parquet")
    record(make_days(REF._replace(cluster="test"), [MONDAY + 20]), "test.parquet")
    also(folder, [], gap, **said)
    assert found_in(folder, ref).expected == (6 if known else 7) * 576


def test_a_file_with_rows_of_one_namespace_may_speak_for_it_only(make_days: MakeDays, record: Record) -> None:
    """Both lacked a pod in the middle of the week, but only of one does anybody know."""
    other = REF._replace(namespace="other")
    gap = MONDAY + 3
    for day in (*make_days(), *make_days(other)):
        if day.day != gap:
            folder = record([day], f"{day.ref.namespace}-{day.day}.parquet")
    rows = make_days(REF._replace(workload="neighbour"), [gap])
    also(folder, rows, gap, namespaces='{"shop":1}')
    assert found_in(folder).expected == 6 * 576
    assert found_in(folder, other).expected == 7 * 576


def test_a_file_that_turns_out_to_be_broken_speaks_for_nothing(make_days: MakeDays, record: Record) -> None:
    days = make_days()
    for day in days:
        if day.day != MONDAY + 3:
            folder = record([day], f"{day.day}.parquet")
    (odd,) = make_days(REF._replace(workload="neighbour"), [MONDAY + 3])
    also(folder, [odd._replace(pods_started=9)], MONDAY + 3, cluster="", namespaces='{"shop":1}')
    reading = open_recording(folder, "main").read([REF, odd.ref], MONDAY * DAY, END)
    usage = reading.usage[REF]
    assert isinstance(usage, Usage)
    assert len(reading.failures) == 1
    assert usage.expected == 7 * 576


# ---------------------------------------------------------------------------------------------
# One day in several files
# ---------------------------------------------------------------------------------------------


def test_the_same_day_twice_counts_once(make_days: MakeDays, record: Record) -> None:
    days = make_days()
    once = found_in(record(days))
    assert found_in(record(days, "again.parquet")) == once


def test_of_two_writers_the_one_with_more_samples_wins(make_days: MakeDays, record: Record) -> None:
    full = make_days()
    record(make_days(pods=1, seed=2), "a.parquet", now=(MONDAY + 90) * DAY)
    record(full, "b.parquet")
    folder = record(make_days(pods=1, seed=3), "c.parquet")
    assert found_in(folder).cpu == sketch.merge(day.cpu for day in full)


def test_of_two_with_equally_many_the_later_written_wins(make_days: MakeDays, record: Record) -> None:
    later = make_days(seed=2)
    record(later, "a.parquet", now=(MONDAY + 90) * DAY)
    folder = record(make_days(seed=1), "b.parquet")
    assert found_in(folder).cpu == sketch.merge(day.cpu for day in later)


def test_days_asked_for_in_different_ways_are_not_merged(make_days: MakeDays, record: Record) -> None:
    days = make_days()
    record(days[:4], "a.parquet", query={"step": 300, "rate": 600})
    folder = record(days[4:], "b.parquet", query={"step": 300, "rate": 900})
    found = found_in(folder)
    assert [peak.day for peak in found.days] == [day.day for day in days[:4]]


# ---------------------------------------------------------------------------------------------
# Who is meant
# ---------------------------------------------------------------------------------------------


def in_cluster(cluster: str, ref: ContainerRef = REF) -> ContainerRef:
    return ref._replace(cluster=cluster)


def test_a_recording_without_clusters_is_of_any_one(make_days: MakeDays, record: Record) -> None:
    assert found_in(record(make_days()), in_cluster("prod")).samples == 4032


def test_but_not_of_two_at_once(make_days: MakeDays, record: Record) -> None:
    source = open_recording(record(make_days()), "main")
    both = [in_cluster("prod"), in_cluster("test")]
    answers = source.read(both, END - DAY, END).usage
    for ref in both:
        answer = answers[ref]
        assert isinstance(answer, NoUsage)
        assert answer.reason is Reason.AMBIGUOUS_CLUSTER


def test_an_unknown_cluster_is_the_only_one_that_has_it(make_days: MakeDays, record: Record) -> None:
    days = [*make_days(in_cluster("prod")), *make_days(in_cluster("test", REF._replace(workload="other")))]
    assert found_in(record(days)).samples == 4032


def test_an_unknown_cluster_of_two_is_ambiguous(make_days: MakeDays, record: Record) -> None:
    days = [*make_days(in_cluster("prod")), *make_days(in_cluster("test"))]
    assert reason_in(record(days), REF) is Reason.AMBIGUOUS_CLUSTER


def test_clusters_are_told_apart(make_days: MakeDays, record: Record) -> None:
    folder = record([*make_days(in_cluster("prod")), *make_days(in_cluster("test"), pods=1)])
    assert found_in(folder, in_cluster("prod")).samples == 4032
    assert found_in(folder, in_cluster("test")).samples == 2016
    assert reason_in(folder, in_cluster("dev")) is Reason.NO_METRICS


def test_an_unknown_namespace_is_a_guess(make_days: MakeDays, record: Record) -> None:
    folder = record(make_days())
    assert found_in(folder, REF._replace(namespace="")).owner_guessed
    assert not found_in(folder).owner_guessed


def test_an_unknown_namespace_of_two_is_no_answer(make_days: MakeDays, record: Record) -> None:
    folder = record([*make_days(), *make_days(REF._replace(namespace="other"))])
    assert reason_in(folder, REF._replace(namespace="")) is Reason.NO_METRICS


@pytest.mark.parametrize(
    "ref",
    [
        REF._replace(kind="StatefulSet"),
        REF._replace(kind="deployment"),
        REF._replace(workload="we"),
        REF._replace(container="sidecar"),
        REF._replace(namespace="default"),
    ],
)
def test_others_are_not_meant(make_days: MakeDays, record: Record, ref: ContainerRef) -> None:
    assert reason_in(record(make_days()), ref) is Reason.NO_METRICS


def test_every_question_is_answered(make_days: MakeDays, record: Record) -> None:
    source = open_recording(record(make_days()), "main")
    wanted = [REF, REF._replace(workload="unknown"), REF]
    assert list(source.read(wanted, END - DAY, END).usage) == wanted[:2]
    assert source.read([], END - DAY, END).usage == {}


def test_a_window_before_the_recording_has_nothing(make_days: MakeDays, record: Record) -> None:
    found = usage_of(open_recording(record(make_days()), "main"), end=(MONDAY - 10) * DAY)
    assert isinstance(found, NoUsage)
    assert found.reason is Reason.NO_METRICS


def test_a_folder_without_recordings_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"no \*\.parquet file"):
        open_recording(tmp_path, "main")
    with pytest.raises(Misconfigured, match="no such folder"):
        open_recording(tmp_path / "nowhere", "main")


def test_one_file_will_do(make_days: MakeDays, record: Record) -> None:
    assert found_in(record(make_days()) / "week.parquet").samples == 4032


def test_many_containers_keep_apart(make_days: MakeDays, record: Record) -> None:
    refs = [REF._replace(workload=f"web-{number}") for number in range(30)]
    days: Sequence[ContainerDay] = [
        day for number, ref in enumerate(refs) for day in make_days(ref, seed=number, pods=1 + number % 3)
    ]
    answers = open_recording(record(days), "main").read(refs, END - 7 * DAY, END).usage
    random = np.random.default_rng(0)
    for number in random.integers(0, 30, 8).tolist():
        answer = answers[refs[number]]
        assert isinstance(answer, Usage)
        mine = [day for day in days if day.ref == refs[number]]
        assert answer.cpu == sketch.merge(day.cpu for day in mine)
        assert answer.pods == 1 + number % 3


def test_the_order_of_rows_does_not_matter(make_days: MakeDays, record: Record) -> None:
    """Other tools sort as they like."""
    refs = [REF._replace(workload=name) for name in ("b", "a", "c")]
    folder = record([day for seed, ref in enumerate(refs) for day in make_days(ref, seed=seed)])
    before = open_recording(folder, "main").read(refs, END - 7 * DAY, END)
    table = parquet.read_table(folder / "week.parquet")
    shuffled = table.take(np.random.default_rng(1).permutation(table.num_rows))
    parquet.write_table(shuffled, folder / "week.parquet", row_group_size=5)
    assert open_recording(folder, "main").read(refs, END - 7 * DAY, END) == before


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(st.integers(0, 6), max_size=7), min_size=1, max_size=4))
def test_however_days_are_spread_over_files(
    make_days: MakeDays, tmp_path: Path, files: list[list[int]]
) -> None:
    """With some days in several files, some in none, and files that are empty."""
    days = make_days()
    folder = Path(tempfile.mkdtemp(dir=tmp_path))
    for number, which in enumerate(files):
        rows = [days[day] for day in sorted(set(which))]
        write_days(folder / f"{number}.parquet", rows, {"step": 300}, (MONDAY + 60) * DAY)
    found = usage_of(open_recording(folder, "main"))
    there = sorted({day for which in files for day in which})
    if not there:
        assert isinstance(found, NoUsage)
        return
    assert isinstance(found, Usage)
    assert [peak.day - MONDAY for peak in found.days] == there
    assert found.memory == sketch.merge(days[day].memory for day in there)
    assert found.samples == 576 * len(there)
    assert found.expected >= found.samples

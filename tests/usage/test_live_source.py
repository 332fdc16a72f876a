"""What a live source owes whoever asks: each day once, nothing lost, and nothing lowered on a doubt."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from servers.in_process import InProcess, Question
from servers.lives import DAY, MEBI, Life, series_of, source_over

from reconciler.model import ContainerRef, NoUsage, Usage
from reconciler.usage.cache import DayCache
from reconciler.usage.port import Reading
from reconciler.usage.prometheus.limits import Limits
from reconciler.usage.prometheus.promql import Scope
from reconciler.usage.prometheus.unanswered import Kind, UnansweredError
from reconciler.usage.shelf import FolderShelf

BEGIN = 20_000 * DAY
DAYS = 6
NOW = BEGIN + DAYS * DAY + 2 * 3600
PEAK = 900 * MEBI
EVERYTHING = str(Scope("")[1:])  # how source_over calls the cache of a server without clusters
EVERY = 300

DB = ContainerRef("", "data", "StatefulSet", "db", "app")
WEB = ContainerRef("", "shop", "DaemonSet", "web", "app")
CRON = ContainerRef("", "batch", "StatefulSet", "sums", "app")
REFS = (DB, WEB, CRON)


def life(ref: ContainerRef, pod: str, begin: int = BEGIN, end: int = NOW, **more: object) -> Life:
    return Life(ref.namespace, pod, (ref.kind, ref.workload), begin, end, every=EVERY, **more)  # type: ignore[arg-type]


LIVES = (
    life(DB, "db-0", peaks=((BEGIN + DAY + 7200, PEAK),)),
    life(DB, "db-1", memory=120.0 * MEBI),
    life(WEB, "web-x2k4z", end=BEGIN + 3 * DAY + 500, cpu=0.4),
    life(WEB, "web-b7f2x", begin=BEGIN + 3 * DAY + 900, cpu=0.5),
    life(CRON, "sums-0", peaks=((BEGIN + 5 * DAY + 900, PEAK),)),
)
SERIES = series_of(LIVES)


@pytest.fixture
def server() -> InProcess:
    return InProcess(list(SERIES), clock=NOW, keeps=90 * DAY)


def read(server: InProcess, folder: Path, end: int = NOW, days: int = DAYS, **more: object) -> Reading:
    server.clock = end
    return source_over(server, folder, **more).read(REFS, end - days * DAY, end)


def usages(reading: Reading) -> dict[ContainerRef, Usage]:
    found = {ref: usage for ref, usage in reading.usage.items() if isinstance(usage, Usage)}
    assert len(found) == len(reading.usage), reading.usage
    return found


def is_complete(usage: Usage | NoUsage) -> bool:
    return isinstance(usage, Usage) and not usage.incomplete


def broken(kind: Kind = Kind.BROKEN, words: str = "main: what it says is no whole answer") -> UnansweredError:
    return UnansweredError(kind, words)


# ---------------------------------------------------------------------------------- each day once


def days_asked(server: InProcess) -> list[int]:
    """The days whose memory was asked for, in order."""
    return sorted((each.end - 1) // DAY for each in server.asked_for("max_over_time(container_memory_w"))


def test_a_day_that_has_ended_is_read_once_and_the_one_that_has_not_each_time(
    server: InProcess, tmp_path: Path
) -> None:
    first = read(server, tmp_path)
    today = NOW // DAY
    assert days_asked(server) == list(range(today - DAYS + 1, today + 1))
    server.asked.clear()
    assert read(server, tmp_path).usage == first.usage
    assert days_asked(server) == [today]
    server.asked.clear()
    tomorrow = usages(read(server, tmp_path, NOW + DAY))
    assert days_asked(server) == [today]  # what was half a day then is a whole one now
    assert tomorrow[DB].end >= NOW - EVERY


def test_the_day_that_has_not_ended_is_never_kept(server: InProcess, tmp_path: Path) -> None:
    read(server, tmp_path)
    known = DayCache(FolderShelf(tmp_path), EVERYTHING).known("", 0, 1 << 20)
    assert max(known) == NOW // DAY - 1


def test_one_process_asks_once_for_what_it_was_told_already(server: InProcess, tmp_path: Path) -> None:
    source = source_over(server, tmp_path)
    first = source.read(REFS, NOW - DAYS * DAY, NOW)
    server.asked.clear()
    assert source.read([DB], NOW - 3 * DAY, NOW).usage[DB] != first.usage[DB]
    assert not server.asked


def late(server: InProcess, ref: ContainerRef, day: int, size: float) -> None:
    """Another pod's samples of a day come to light."""
    begin = BEGIN + day * DAY
    server.series += series_of([life(ref, f"{ref.workload}-9", begin + 3600, begin + 7200, memory=size)])


@pytest.mark.parametrize("day", [1, 2])
def test_a_day_too_old_for_late_samples_is_not_looked_at_again(
    server: InProcess, tmp_path: Path, day: int
) -> None:
    first = read(server, tmp_path)
    late(server, DB, day, PEAK * 2)
    assert read(server, tmp_path).usage == first.usage


@pytest.mark.parametrize("day", [3, 4, 5])
def test_late_samples_of_the_last_days_are_read_and_nothing_else(
    server: InProcess, tmp_path: Path, day: int
) -> None:
    read(server, tmp_path)
    late(server, DB, day, PEAK * 2)
    server.asked.clear()
    again = usages(read(server, tmp_path))
    assert again[DB].memory.values[-1] == PEAK * 2
    whole = [
        each for each in server.asked_for("max_over_time(container_memory_w") if each.end <= NOW // DAY * DAY
    ]
    assert [(each.end - 1) // DAY for each in whole] == [BEGIN // DAY + day]
    assert 'namespace="data"' in whole[0]
    server.asked.clear()
    assert read(server, tmp_path).usage == again
    assert days_asked(server) == [NOW // DAY]


# ---------------------------------------------------------------------------------- what a server forgets


def test_a_server_that_lost_its_samples_takes_nothing_from_what_is_known(
    server: InProcess, tmp_path: Path
) -> None:
    before = usages(read(server, tmp_path))
    server.forgets = BEGIN + 5 * DAY + 12 * 3600  # begun anew, in the middle of a day that was read
    after = usages(read(server, tmp_path))
    assert after[CRON].memory.values[-1] == before[CRON].memory.values[-1] == PEAK
    assert after[DB] == before[DB]


def test_the_cache_outlives_the_servers_memory(server: InProcess, tmp_path: Path) -> None:
    full = usages(read(server, tmp_path / "full"))
    server.keeps = 2 * DAY
    for end in range(NOW - 5 * DAY, NOW + 1, DAY):
        server.forgets = end - 2 * DAY
        reading = read(server, tmp_path / "kept", end)
    assert usages(reading) == full


@pytest.mark.parametrize("keeps", [None, 2 * DAY])
def test_a_cache_that_vanished_is_no_reason_to_believe_the_server(
    server: InProcess, tmp_path: Path, keeps: int | None
) -> None:
    server.forgets, server.keeps = NOW - 2 * DAY, keeps
    for ref, usage in usages(read(server, tmp_path)).items():
        assert "known neither to main nor to the cache" in usage.incomplete, ref


def test_what_a_server_would_still_have_was_not(server: InProcess, tmp_path: Path) -> None:
    """A young cluster: nothing was before, so nothing is missing."""
    server.forgets = NOW - 2 * DAY
    assert all(is_complete(usage) for usage in read(server, tmp_path).usage.values())


@pytest.mark.parametrize("began", [NOW - 2 * DAY, NOW - NOW % DAY - 3 * DAY + 300, NOW - 3600])
def test_a_young_cluster_is_young_in_every_run(server: InProcess, tmp_path: Path, began: int) -> None:
    """The day on which it began is no sign that the server lost what was before."""
    server.forgets = began
    first = usages(read(server, tmp_path))
    again = usages(read(server, tmp_path))
    assert again == first
    assert all(is_complete(usage) for usage in (*first.values(), *again.values()))


def test_a_server_keeps_samples_from_its_own_now_not_from_the_moment_that_is_asked_about(
    server: InProcess, tmp_path: Path
) -> None:
    server.forgets, server.keeps = NOW - 3 * DAY, 10 * DAY
    end = NOW - 2 * DAY
    server.clock = NOW + 5 * DAY
    found = source_over(server, tmp_path).read(REFS, end - 4 * DAY, end).usage
    assert not any(is_complete(usage) for usage in found.values())


@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_no_part_of_the_cache_can_vanish_unnoticed(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Whatever of it is lost or cut short: the same numbers, or it is said that some are missing."""
    folder = tmp_path_factory.mktemp("cache")
    server = InProcess(list(SERIES), keeps=data.draw(st.sampled_from([None, 2 * DAY])))
    full = usages(read(server, folder))
    files = sorted(folder.rglob("*.parquet"))
    # All of them at once, of a server that forgot what it says it keeps, is more than can be known.
    for file in data.draw(st.lists(st.sampled_from(files), min_size=1, max_size=4, unique=True)):
        cut = data.draw(st.one_of(st.none(), st.integers(0, file.stat().st_size - 1)))
        if cut is None:
            file.unlink()
        else:
            file.write_bytes(file.read_bytes()[:cut])
    server.forgets = data.draw(st.sampled_from([BEGIN + 90_000, NOW - 2 * DAY, NOW - 3600]))
    for ref, usage in read(server, folder).usage.items():
        assert usage == full[ref] or not is_complete(usage), (ref, usage)


# ---------------------------------------------------------------------------------- stopped, or two at once


class StoppedError(Exception):
    pass


class Mortal(DayCache):
    """Its process ends at its nth write."""

    writes = 0

    def put(self, *args: object, **more: object) -> None:
        if self.writes == 0:
            raise StoppedError
        self.writes -= 1
        super().put(*args, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("writes", range(DAYS - 1))
def test_stopped_between_any_two_writes_the_next_run_says_the_same(
    server: InProcess, tmp_path: Path, writes: int
) -> None:
    full = read(server, tmp_path / "full")
    cache = Mortal(FolderShelf(tmp_path / "torn"), EVERYTHING)
    cache.writes = writes
    with pytest.raises(StoppedError):
        read(server, tmp_path, cache=lambda _: cache)
    assert read(server, tmp_path / "torn").usage == full.usage


def test_two_runs_that_fill_one_cache_at_once_leave_what_one_would(server: InProcess, tmp_path: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    full = read(server, tmp_path / "full")
    servers = [InProcess(list(SERIES), clock=NOW, keeps=90 * DAY) for _ in range(3)]
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda each: read(each, tmp_path / "shared").usage, servers))
    assert found == [full.usage] * 3
    server.asked.clear()
    assert read(server, tmp_path / "shared").usage == full.usage
    assert days_asked(server) == [NOW // DAY]


# ---------------------------------------------------------------------------------- failures


def about(question: Question, namespace: str) -> bool:
    return f'namespace="{namespace}"' in question


def each_alone() -> Limits:
    """So small that each namespace is a batch."""
    return Limits({"points": 300})


def test_a_namespace_that_fails_alone_leaves_the_others_whole(server: InProcess, tmp_path: Path) -> None:
    full = usages(read(server, tmp_path / "full"))
    server.fails = lambda question: broken() if about(question, "data") else None
    for _ in range(3):  # the day that has not ended is asked for after all days that failed before
        reading = read(server, tmp_path / "cache", limits=each_alone())
        found = reading.usage
        assert {ref: found[ref] for ref in (WEB, CRON)} == {ref: full[ref] for ref in (WEB, CRON)}
        assert not is_complete(found[DB])
        assert len(reading.failures) == 1
    server.fails = lambda question: None
    assert read(server, tmp_path / "cache").usage == full


@pytest.mark.parametrize(
    ("kind", "most"), [(Kind.BROKEN, 8), (Kind.GONE, 2), (Kind.DENIED, 2), (Kind.TOO_MUCH, 80)]
)
def test_a_server_that_fails_is_left_alone_after_a_few(
    server: InProcess, tmp_path: Path, kind: Kind, most: int
) -> None:
    server.fails = lambda question: broken(kind) if "rate(" in question and question.step == EVERY else None
    reading = read(server, tmp_path, limits=each_alone())
    assert not any(is_complete(usage) for usage in reading.usage.values())
    assert len(server.asked_for("rate(")) <= most + 1  # one is not about a range


@settings(max_examples=14, deadline=None)
@given(at=st.integers(0, 75), kind=st.sampled_from(list(Kind)), recovers=st.booleans())
def test_a_server_that_fails_at_any_question_never_makes_a_wrong_answer(
    tmp_path_factory: pytest.TempPathFactory, at: int, kind: Kind, recovers: bool
) -> None:
    folder = tmp_path_factory.mktemp("cache")
    server = InProcess(list(SERIES), keeps=90 * DAY)
    full = usages(read(server, folder / "full"))
    server.asked.clear()

    def fails(question: Question) -> UnansweredError | None:
        count = len(server.asked)
        return broken(kind) if count == at + 1 or (count > at and not recovers) else None

    server.fails = fails
    reading = read(server, folder / "cache")
    for ref, usage in reading.usage.items():
        assert usage == full[ref] or not is_complete(usage), (ref, usage)
    if any(not is_complete(usage) for usage in reading.usage.values()):
        assert [failure.error for failure in reading.failures] == [broken().words]
    server.fails = lambda question: None
    assert read(server, folder / "cache").usage == full


def test_a_server_whose_clock_is_behind_is_not_believed(server: InProcess, tmp_path: Path) -> None:
    server.clock = NOW - 3600
    reading = source_over(server, tmp_path).read(REFS, NOW - DAYS * DAY, NOW)
    assert not any(is_complete(usage) for usage in reading.usage.values())
    assert [failure.error for failure in reading.failures] == [
        "the server's clock is 60 minutes behind ours; nothing newer than its own time can be known, so "
        "set the clocks right (or give --now)"
    ]


# ---------------------------------------------------------------------------------- what no cluster has


def hostile(texts: Sequence[str]) -> Iterator[Life]:
    for text in texts:
        yield Life(text, "web-0", ("StatefulSet", "web"), BEGIN, NOW, every=EVERY)
        yield Life("data", text, ("StatefulSet", text), BEGIN, NOW, every=EVERY)
        yield Life("data", "web-0", (text, "web"), BEGIN, NOW, container=text, every=EVERY)
        yield Life("data", "web-1", ("StatefulSet", text), BEGIN, NOW, every=EVERY)
        yield Life("data", "web-2", ("StatefulSet", "web"), BEGIN, NOW, more={"cluster": text}, every=EVERY)


HOSTILE = (
    'a"b',
    "a\nb",
    "a\\b",
    'x"} or up{a="',
    "../../etc",
    "{{evil}}",
    ".*",
    "a|b",
    "\x1b[31m",
    "x" * 300,
    "\u202eb",
    "ä",
)


@pytest.mark.parametrize("text", HOSTILE)
def test_names_that_kubernetes_never_gives_do_no_harm(server: InProcess, tmp_path: Path, text: str) -> None:
    full = usages(read(server, tmp_path / "full"))
    server.series += series_of(hostile([text]))
    reading = source_over(server, tmp_path / "cache").everything(NOW - DAYS * DAY, NOW)
    assert not reading.failures
    assert {ref: reading.usage[ref] for ref in REFS} == full
    server.asked.clear()
    again = source_over(server, tmp_path / "cache").everything(NOW - DAYS * DAY, NOW)
    assert again.usage == reading.usage
    assert {*days_asked(server)} == {NOW // DAY}


def test_a_server_that_answers_what_nobody_asked_for_is_not_believed(
    server: InProcess, tmp_path: Path
) -> None:
    """Series of other namespaces than those of the question."""
    theirs = server._selected
    server._selected = lambda selector: (  # type: ignore[method-assign]
        each._replace(labels={**each.labels, "namespace": "elsewhere"}) if "id" in each.labels else each
        for each in theirs(selector)
    )
    reading = read(server, tmp_path)
    assert not any(is_complete(usage) for usage in reading.usage.values())


def test_numbers_that_are_none_are_not_counted(server: InProcess, tmp_path: Path) -> None:
    full = usages(read(server, tmp_path / "full"))
    for at, each in enumerate(server.series):
        if each.labels.get("pod") == "db-1" and "usage" not in each.labels["__name__"]:
            values = each.values.copy()
            values[100:104] = (np.nan, np.inf, -np.inf, -5.0)
            server.series[at] = each._replace(values=values)
    again = usages(read(server, tmp_path / "odd"))
    assert again[DB].memory.values[-1] == full[DB].memory.values[-1]
    assert {ref: again[ref] for ref in (WEB, CRON)} == {ref: full[ref] for ref in (WEB, CRON)}

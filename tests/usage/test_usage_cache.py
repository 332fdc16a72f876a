"""The day cache: what must hold whatever happens to its files."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import pytest
from conftest import MONDAY, NO_EVENTS, QUERY, STEP, make_series
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.model import ContainerRef, Usage
from reconciler.usage.cache import DayCache
from reconciler.usage.days import DAY, ContainerDay
from reconciler.usage.files import read_days, write_days
from reconciler.usage.index import build_index
from reconciler.usage.recording import open_recording
from reconciler.usage.rows import of_days
from reconciler.usage.series import days_of_series
from reconciler.usage.shelf import FolderShelf, ShelfError, file_name, is_folder_of_ours, is_ours, safe_name

NOW = (MONDAY + 10) * DAY
PROD = "prod"
(PATTERN,) = days_of_series(
    ContainerRef(PROD, "shop", "Deployment", "web", "app"), make_series([MONDAY], 1, 3), STEP, NO_EVENTS
)
# By day and namespace the rows that are read back.
Found = dict[tuple[int, str], set[tuple[str, int]]]


def row(namespace: str, version: int = 0, day: int = MONDAY, name: str = "web") -> ContainerDay:
    """A container's day. Its restarts tell which reading it is from."""
    later = (day - MONDAY) * DAY
    return PATTERN._replace(
        ref=PATTERN.ref._replace(namespace=namespace, workload=name),
        day=day,
        first_sample=PATTERN.first_sample + later,
        last_sample=PATTERN.last_sample + later,
        trouble=PATTERN.trouble._replace(restarts=version),
    )


def put(
    cache: DayCache,
    counts: Mapping[str, int],
    rows: Iterable[ContainerDay],
    day: int = MONDAY,
    now: int = NOW,
    cluster: str = PROD,
) -> None:
    named = (each._replace(ref=each.ref._replace(cluster=cluster)) for each in rows)
    cache.put(cluster, day, counts, of_days(named), QUERY, now)


def found(cache: DayCache) -> Found:
    """All rows, as the recorded source would find them, by what they say of themselves."""
    rows: Found = {}
    paths = cache.files(MONDAY, MONDAY + 60)
    index, failures = build_index(paths)
    assert not failures
    for path in paths:
        for one in read_days(path):
            key = (one.day, one.ref.namespace)
            entry = (one.ref.workload, one.trouble.restarts)
            assert entry not in rows.setdefault(key, set()), "a row is there twice"
            rows[key].add(entry)
    assert len(index.rows.row) == sum(map(len, rows.values()))
    return rows


def counts(cache: DayCache, day: int = MONDAY, cluster: str = PROD) -> dict[str, int]:
    return {name: known.count for name, known in cache.known(cluster, day, day).get(day, {}).items()}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def fresh(root: Path, few: int = 4, clock: Callable[[], float] = time.time) -> DayCache:
    """As another process sees it."""
    return DayCache(FolderShelf(root), "server", few, clock)


def cached(root: Path) -> list[Path]:
    """What lies there for others, without what processes hold for themselves."""
    return sorted(path for path in root.glob("*/*/*") if is_ours(path.name) and ".held" not in str(path))


# ---------------------------------------------------------------------------------------- knowing


def test_nothing_is_known_where_nothing_is(root: Path) -> None:
    cache = fresh(root)
    assert cache.known(PROD, MONDAY, MONDAY + 30) == {}
    assert cache.files(MONDAY, MONDAY + 30) == []
    assert cache.notes == ()


def test_what_was_put_is_known_to_the_next_run_whole(root: Path) -> None:
    rows = [row("shop"), row("shop", name="api"), row("db")]
    put(fresh(root), {"shop": 576, "db": 288}, rows)
    cache = fresh(root)
    known = cache.known(PROD, MONDAY - 3, MONDAY + 3)
    assert {name: one.count for name, one in known[MONDAY].items()} == {"shop": 576, "db": 288}
    assert {one.created for one in known[MONDAY].values()} == {NOW}
    (path,) = cache.files(MONDAY, MONDAY)
    assert sorted(read_days(path)) == sorted(rows)
    assert cache.known(PROD, MONDAY + 1, MONDAY + 9) == {}
    assert cache.files(MONDAY + 1, MONDAY + 9) == []


def test_a_namespace_without_pods_is_known(root: Path) -> None:
    put(fresh(root), {"idle": 0}, [])
    cache = fresh(root)
    assert counts(cache) == {"idle": 0}
    assert found(cache) == {}


def test_the_cache_is_a_recording(root: Path) -> None:
    cache = fresh(root)
    for day in range(MONDAY, MONDAY + 7):
        put(cache, {"shop": 288}, [row("shop", day=day)], day)
    source = open_recording(cached(root)[0].parent, "main")
    usage = source.read([PATTERN.ref], MONDAY * DAY, (MONDAY + 7) * DAY).usage[PATTERN.ref]
    assert isinstance(usage, Usage)
    assert len(usage.days) == 7


def test_clusters_and_scopes_are_kept_apart(root: Path) -> None:
    put(fresh(root), {"shop": 1}, [row("shop", 1)])
    put(fresh(root), {"shop": 2}, [row("shop", 2)], cluster="stage")
    other = DayCache(FolderShelf(root), "another server")
    assert counts(fresh(root), cluster="stage") == {"shop": 2}
    assert other.known(PROD, MONDAY, MONDAY) == {}
    assert other.files(MONDAY, MONDAY) == []
    held = fresh(root).hold(MONDAY, MONDAY)
    assert {cluster: sorted(days) for cluster, days in held.known.items()} == {
        PROD: [MONDAY],
        "stage": [MONDAY],
    }
    cache = fresh(root)
    (path,) = cache.files(MONDAY, MONDAY, ["stage"])
    assert [one.ref.cluster for one in read_days(path)] == ["stage"]


def test_rows_of_something_else_are_refused(root: Path) -> None:
    cache = fresh(root)
    with pytest.raises(ValueError, match="namespaces"):
        put(cache, {"shop": 1}, [row("db")])
    with pytest.raises(ValueError, match="cluster and day"):
        put(cache, {"shop": 1}, [row("shop", day=MONDAY + 1)])
    with pytest.raises(ValueError, match="cluster and day"):
        cache.put("stage", MONDAY, {"shop": 1}, of_days([row("shop")]), QUERY, NOW)


# ------------------------------------------------------------------------------------- superseding


def test_a_later_reading_takes_the_place_of_the_earlier_as_a_whole(root: Path) -> None:
    """Also of rows it doesn't have; what else the earlier file knows stays."""
    put(fresh(root), {"shop": 900, "db": 5}, [row("shop", 1), row("shop", 1, name="gone"), row("db", 1)])
    put(fresh(root), {"shop": 901}, [row("shop", 2)], now=NOW + 60)
    cache = fresh(root)
    assert counts(cache) == {"shop": 901, "db": 5}
    assert found(cache) == {(MONDAY, "shop"): {("web", 2)}, (MONDAY, "db"): {("web", 1)}}
    (path,) = cached(root)
    assert {one.ref.workload for one in read_days(path)} == {"web"}


@pytest.mark.parametrize("now", [NOW, NOW - 1, MONDAY * DAY, 0])
def test_a_clock_that_went_back_does_not_bring_back_what_was_replaced(root: Path, now: int) -> None:
    put(fresh(root), {"shop": 100}, [row("shop", 1)], now=NOW)
    put(fresh(root), {"shop": 90}, [row("shop", 2)], now=now)
    assert found(fresh(root)) == {(MONDAY, "shop"): {("web", 2)}}
    assert counts(fresh(root)) == {"shop": 90}


def test_a_far_future_does_not_end_the_order(root: Path) -> None:
    put(fresh(root), {"shop": 1}, [row("shop", 1)], now=999_999_999_999)
    put(fresh(root), {"shop": 1}, [row("shop", 2)], now=NOW)
    put(fresh(root), {"shop": 1}, [row("shop", 3)], now=NOW)
    assert found(fresh(root)) == {(MONDAY, "shop"): {("web", 3)}}


def test_days_asked_for_in_another_way_are_not_written_together(root: Path) -> None:
    cache = fresh(root, few=1)
    for number, name in enumerate("abc"):
        query = {**QUERY, "way": number % 2}
        cache.put(PROD, MONDAY, {name: 1}, of_days([row(name)]), query, NOW)
    assert set(counts(fresh(root))) == {"a", "b", "c"}
    assert len(cached(root)) == 2
    assert len(found(fresh(root))) == 3


# ------------------------------------------------------------------------------- several at once


class Interrupted(FolderShelf):
    """A folder in which somebody else acts at the n-th call."""

    def __init__(self, root: Path, at: int, act: Callable[[], None]) -> None:
        super().__init__(root)
        self.at, self.act = at, act

    def _tick(self) -> None:
        self.at -= 1
        if self.at == 0:
            self.act()

    def names(self, folder: str) -> list[str]:
        self._tick()
        return super().names(folder)

    def fetch(self, folder: str, names: Sequence[str]) -> dict[str, Path]:
        self._tick()
        return super().fetch(folder, names)

    def add(self, folder: str, name: str, content: bytes) -> None:
        self._tick()
        super().add(folder, name, content)

    def remove(self, folder: str, names: Sequence[str]) -> None:
        self._tick()
        super().remove(folder, names)


@pytest.mark.parametrize("at", range(1, 12))
@pytest.mark.parametrize("few", [1, 4])
def test_two_at_once_whenever_the_other_comes(root: Path, at: int, few: int) -> None:
    put(fresh(root, few), {"shop": 1, "db": 1, "old": 1}, [row(name, 1) for name in ("shop", "db", "old")])

    def other() -> None:
        put(
            fresh(root, few), {"shop": 3, "new": 3}, [row("shop", 3), row("shop", 3, name="b"), row("new", 3)]
        )

    first = DayCache(Interrupted(root, at, other), "server", few)
    put(first, {"shop": 2, "db": 2}, [row("shop", 2), row("shop", 2, name="a"), row("db", 2)])
    if not cached(root) or "new" not in counts(fresh(root)):
        other()
    rows = found(fresh(root))
    assert rows[MONDAY, "old"] == {("web", 1)}
    assert rows[MONDAY, "db"] == {("web", 2)}
    assert rows[MONDAY, "new"] == {("web", 3)}
    assert rows[MONDAY, "shop"] in ({("web", 2), ("a", 2)}, {("web", 3), ("b", 3)})


def test_many_writers_at_once(root: Path) -> None:
    names = [f"n{number}" for number in range(5)]

    def write(version: int) -> None:
        for step in range(4):
            name = names[(version + step) % 5]
            put(
                fresh(root, 1 + version % 3),
                {name: version},
                [row(name, version), row(name, version, name="b")],
            )

    threads = [threading.Thread(target=write, args=(version,)) for version in range(1, 6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rows = found(fresh(root))
    assert set(rows) == {(MONDAY, name) for name in names}
    for (_, name), entries in rows.items():
        (version,) = {version for _, version in entries}
        assert entries == {("web", version), ("b", version)}
        assert counts(fresh(root))[name] == version


def test_many_readings_of_a_day_become_few_files(root: Path) -> None:
    for number in range(23):
        put(fresh(root), {f"n{number}": number}, [row(f"n{number}", number)], now=NOW + number)
    assert len(cached(root)) <= 4
    assert found(fresh(root)) == {(MONDAY, f"n{n}"): {("web", n)} for n in range(23)}
    known = fresh(root).known(PROD, MONDAY, MONDAY)[MONDAY]
    assert {name: one.created for name, one in known.items()} == {f"n{n}": NOW + n for n in range(23)}


def test_two_who_put_the_same_in_order_write_the_same_file(root: Path, tmp_path: Path) -> None:
    made = []
    for folder in (root, tmp_path / "copy"):
        for number in range(5):
            put(fresh(folder), {f"n{number}": 1}, [row(f"n{number}")])
        made.append([path.name for path in cached(folder)])
    assert made[0] == made[1]


def test_a_reader_looks_again_when_others_replace_what_it_was_about_to_read(root: Path) -> None:
    put(fresh(root), {"shop": 1, "db": 1}, [row("shop", 1), row("db", 1)])

    def other() -> None:
        put(fresh(root), {"shop": 2}, [row("shop", 2)], now=NOW + 1)

    reader = DayCache(Interrupted(root, 2, other), "server")
    assert counts(reader) == {"shop": 2, "db": 1}


def test_what_was_handed_out_stays_readable(root: Path) -> None:
    """Another process replaces everything, or deletes the folder, between index and reading."""
    cache = fresh(root)
    put(cache, {"shop": 1}, [row("shop", 1)])
    paths = cache.files(MONDAY, MONDAY)
    put(fresh(root), {"shop": 2}, [row("shop", 2)], now=NOW + 1)
    assert [one.trouble.restarts for path in paths for one in read_days(path)] == [1]
    assert found(fresh(root)) == {(MONDAY, "shop"): {("web", 2)}}
    assert found(cache) == {(MONDAY, "shop"): {("web", 2)}}


def test_nothing_is_left_behind_by_a_reader(root: Path) -> None:
    cache = fresh(root)
    put(cache, {"shop": 1}, [row("shop", 1)])
    cache.files(MONDAY, MONDAY)
    del cache
    assert [path.name for path in root.iterdir()] == ["server"]


# ----------------------------------------------------------------------------------------- damage


def test_a_cache_that_vanished_is_not_known(root: Path) -> None:
    cache = fresh(root)
    put(cache, {"shop": 1}, [row("shop", 1)])
    for path in cached(root):
        path.unlink()
    assert cache.known(PROD, MONDAY, MONDAY) == {}
    assert cache.files(MONDAY, MONDAY) == []
    put(cache, {"shop": 1}, [row("shop", 1)])
    assert counts(cache) == {"shop": 1}


def test_cut_short_at_any_byte_it_is_not_known_and_goes(root: Path) -> None:
    put(fresh(root), {"shop": 1}, [row("shop", 1)])
    (path,) = cached(root)
    whole = path.read_bytes()
    for length in [0, 1, 4, *random.Random(1).sample(range(len(whole)), 30), len(whole) - 1]:
        path.write_bytes(whole[:length])
        cache = fresh(root)
        assert cache.known(PROD, MONDAY, MONDAY) == {}
        assert cache.files(MONDAY, MONDAY) == []
        assert cached(root) == []
    put(fresh(root), {"shop": 1}, [row("shop", 1)])
    assert cached(root) == [path]
    assert path.read_bytes() == whole


def test_no_flipped_bit_becomes_a_number(root: Path) -> None:
    """Some flips leave a file that Parquet reads without complaint."""
    put(fresh(root), {"shop": 1}, [row("shop", 1)])
    (path,) = cached(root)
    whole = path.read_bytes()
    dice = random.Random(2)
    for _ in range(60):
        changed = bytearray(whole)
        changed[dice.randrange(len(whole))] ^= 1 << dice.randrange(8)
        path.write_bytes(changed)
        assert fresh(root).known(PROD, MONDAY, MONDAY) == {}


def test_damage_while_it_runs_is_noticed_and_mended(root: Path) -> None:
    cache = fresh(root)
    put(cache, {"shop": 1, "db": 1}, [row("shop", 1), row("db", 1)])
    assert len(cache.files(MONDAY, MONDAY)) == 1
    (path,) = cached(root)
    path.write_bytes(path.read_bytes()[:-9])
    assert cache.known(PROD, MONDAY, MONDAY) == {}
    put(cache, {"shop": 1, "db": 1}, [row("shop", 1), row("db", 1)])
    assert counts(cache) == {"shop": 1, "db": 1}
    assert set(found(cache)) == {(MONDAY, "shop"), (MONDAY, "db")}


def test_one_damaged_file_leaves_the_others(root: Path) -> None:
    for number in range(3):
        put(fresh(root), {f"n{number}": number}, [row(f"n{number}", number)])
    cached(root)[1].write_bytes(b"PAR1")
    assert len(counts(fresh(root))) == 2
    assert len(cached(root)) == 2


def test_a_file_that_turned_out_to_be_of_no_use_is_read_anew(root: Path) -> None:
    cache = fresh(root)
    put(cache, {"shop": 1}, [row("shop", 1)])
    cache.forget([*cache.files(MONDAY, MONDAY), root / "elsewhere"])
    assert cache.known(PROD, MONDAY, MONDAY) == {}
    assert cached(root) == []


def test_rows_that_can_not_be_do_not_spoil_what_they_are_merged_with(root: Path) -> None:
    """Their hash is right: what wrote them was wrong."""
    put(fresh(root), {"shop": 1}, [row("shop", 1)])
    wrong = row("db", 1)
    wrong = wrong._replace(hours=wrong.hours._replace(cpu_max=(999_999,) * 24))
    put(fresh(root), {"db": 1}, [wrong])
    put(fresh(root, few=1), {"new": 1}, [row("new", 1)])
    assert found(fresh(root)) == {(MONDAY, "shop"): {("web", 1)}, (MONDAY, "new"): {("web", 1)}}
    assert counts(fresh(root)) == {"shop": 1, "new": 1}


def test_other_peoples_files_are_left_alone_and_not_read(root: Path, tmp_path: Path) -> None:
    cache = fresh(root)
    put(cache, {"shop": 1}, [row("shop", 1)])
    (own,) = cached(root)
    folder = own.parent
    text = b"not a recording"
    others = {
        folder / "holiday.parquet": text,
        folder / "2026-02-02.parquet": own.read_bytes(),
        folder / f"2026-99-99.{'0' * 64}.parquet": text,
        folder / file_name("2026-02-02", text): text,
        folder / f"{own.name}.bak": text,
        root / "notes.txt": text,
        folder / "a\nb": text,
    }
    for path, content in others.items():
        path.write_bytes(content)
    (folder / f"2026-02-03.{'a' * 64}.parquet").mkdir()
    (folder / f"2026-02-03.{'b' * 64}.parquet").symlink_to(own)
    os.mkfifo(folder / f"2026-02-03.{'c' * 64}.parquet")
    (folder.parent / "UPPER case").mkdir()
    write_days(tmp_path / "else.parquet", [row("shop", 9)], QUERY, NOW)
    plain = (tmp_path / "else.parquet").read_bytes()
    (folder / file_name("2026-02-02", plain)).write_bytes(plain)
    assert counts(fresh(root)) == {"shop": 1}
    assert found(fresh(root)) == {(MONDAY, "shop"): {("web", 1)}}
    fresh(root).prune(MONDAY + 5)
    invalid = folder / f"2026-99-99.{'0' * 64}.parquet"
    assert all(path.read_bytes() == content for path, content in others.items() if path != invalid)


def test_a_file_that_was_moved_is_nobodys(root: Path) -> None:
    put(fresh(root), {"shop": 1}, [row("shop", 1)])
    (own,) = cached(root)
    for place in (root / "server" / "stage", root / "another" / PROD):
        place.mkdir(parents=True)
        (place / own.name).write_bytes(own.read_bytes())
    other_day = own.with_name(own.name.replace("2026-02-02", "2026-02-03"))
    other_day.write_bytes(own.read_bytes())
    assert fresh(root).known("stage", MONDAY, MONDAY) == {}
    assert DayCache(FolderShelf(root), "another").known(PROD, MONDAY, MONDAY) == {}
    assert fresh(root).known(PROD, MONDAY + 1, MONDAY + 1) == {}
    assert len(fresh(root).files(MONDAY, MONDAY + 3)) == 1


# ---------------------------------------------------------------------------- what can't be written


def test_where_nothing_can_be_written_the_run_goes_on_and_says_so_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    cache = fresh(tmp_path / "file")
    for day in range(MONDAY, MONDAY + 6):
        put(cache, {"shop": 288}, [row("shop", 7, day)], day)
    put(cache, {"shop": 289}, [row("shop", 8)])
    assert sorted(cache.known(PROD, MONDAY, MONDAY + 9)) == list(range(MONDAY, MONDAY + 6))
    rows = found(cache)
    assert rows[MONDAY, "shop"] == {("web", 8)}
    assert len(rows) == 6
    cache.prune(MONDAY + 5)
    assert found(DayCache(cache._shelf, "server")) == rows  # also for whoever asks next in this process
    notes = cache.notes
    assert 1 <= len(notes) <= 2  # it can be neither listed nor written
    assert all(str(tmp_path / "file") in note and note.isprintable() for note in notes)


class Full(FolderShelf):
    """A disk on which nothing more fits. Real ones are hard to fill in a test."""

    def add(self, folder: str, name: str, content: bytes) -> None:
        raise ShelfError("the disk is full")


def test_on_a_full_disk_what_was_there_stays(root: Path) -> None:
    """Files could still be removed there, but nothing takes their place."""
    put(fresh(root), {"shop": 1, "db": 1}, [row("shop", 1), row("db", 1)])
    before = cached(root)
    full = DayCache(Full(root), "server", few=1)
    put(full, {"shop": 2}, [row("shop", 2)])
    put(full, {"new": 2}, [row("new", 2)])
    assert found(full) == {
        (MONDAY, "shop"): {("web", 2)},
        (MONDAY, "db"): {("web", 1)},
        (MONDAY, "new"): {("web", 2)},
    }
    assert full.notes == ("the usage cache: the disk is full",)
    assert cached(root) == before
    assert counts(fresh(root)) == {"shop": 1, "db": 1}


# ------------------------------------------------------------------------------------------ pruning


def test_old_days_go_and_others_stay(root: Path) -> None:
    cache = fresh(root)
    for day in (MONDAY, MONDAY + 1, MONDAY + 40):
        put(cache, {"shop": 1}, [row("shop", 1, day)], day, now=(MONDAY + 50) * DAY)
    cache.prune(MONDAY + 41, keep_days=40)
    assert sorted(fresh(root).known(PROD, MONDAY, MONDAY + 60)) == [MONDAY + 1, MONDAY + 40]


def test_a_clock_that_runs_ahead_does_not_empty_it(root: Path) -> None:
    put(fresh(root), {"shop": 1}, [row("shop", 1)])
    fresh(root).prune(MONDAY + 5000)
    assert counts(fresh(root)) == {"shop": 1}


def test_what_killed_runs_left_goes_after_a_day(root: Path) -> None:
    cache = fresh(root)
    put(cache, {"shop": 1}, [row("shop", 1)])
    folder = cached(root)[0].parent
    (folder / ".new-0123").write_bytes(b"half")
    (root / ".held-abc").mkdir()
    cache.prune(MONDAY + 5)
    assert (folder / ".new-0123").exists()
    later = fresh(root, clock=lambda: time.time() + 2 * DAY)
    later.prune(MONDAY + 5)
    assert not (folder / ".new-0123").exists()
    assert not (root / ".held-abc").exists()
    assert counts(fresh(root)) == {"shop": 1}


def test_what_was_replaced_and_not_removed_goes_with_the_next_run(root: Path) -> None:
    put(fresh(root), {"shop": 1}, [row("shop", 1)])
    (old,) = cached(root)
    content = old.read_bytes()
    put(fresh(root), {"shop": 2}, [row("shop", 2)], now=NOW + 1)
    old.write_bytes(content)  # as after a kill before it was removed
    assert counts(fresh(root)) == {"shop": 2}
    fresh(root).prune(MONDAY + 3)
    assert old not in cached(root)
    assert counts(fresh(root)) == {"shop": 2}


def test_who_reads_before_it_is_put_in_order_gets_nothing_that_was_replaced(root: Path) -> None:
    put(fresh(root), {"shop": 1, "db": 1}, [row("shop", 1), row("shop", 1, name="gone"), row("db", 1)])
    (old,) = cached(root)
    content = old.read_bytes()
    put(fresh(root), {"shop": 2}, [row("shop", 2)], now=NOW + 1)
    for path in cached(root):
        path.unlink()
    put(fresh(root), {"shop": 2}, [row("shop", 2)], now=NOW + 1)
    old.write_bytes(content)  # as after a kill before they were put in order
    expected = {(MONDAY, "shop"): {("web", 2)}, (MONDAY, "db"): {("web", 1)}}
    assert found(DayCache(Full(root), "server")) == expected
    assert old in cached(root)
    assert found(fresh(root)) == expected
    assert old not in cached(root)


def test_scopes_that_nobody_writes_any_more_go(root: Path) -> None:
    put(DayCache(FolderShelf(root), "earlier way of asking"), {"shop": 1}, [row("shop", 1)])
    put(fresh(root), {"shop": 1}, [row("shop", 1)])
    assert len(cached(root)) == 2
    fresh(root, clock=lambda: time.time() + 99 * DAY).prune(MONDAY + 1)
    assert len(cached(root)) == 2
    fresh(root, clock=lambda: time.time() + 101 * DAY).prune(MONDAY + 1)
    assert [path.parent.parent.name for path in cached(root)] == ["server"]


# -------------------------------------------------------------------------------------------- names


@given(st.lists(st.text() | st.from_regex(r"[a-zA-Z0-9._-]{0,70}", fullmatch=True), unique=True))
def test_any_text_has_a_folder_of_its_own(texts: list[str]) -> None:
    names = [safe_name(text) for text in texts]
    assert len(set(names)) == len(texts)
    assert all(is_folder_of_ours(name) and name == name.lower() for name in names)


def test_folders_are_readable() -> None:
    assert safe_name("prod-eu.1") == "prod-eu.1"
    assert safe_name("") == "_"
    assert safe_name("Prod EU").startswith("prod-eu_")
    assert safe_name("../../etc").startswith("etc_")


@pytest.mark.parametrize(
    "cluster", ["", "../../x", "a/b", "line\nend", "Ünï", "x" * 200, "CON", "-", ".", ".."]
)
def test_a_cluster_may_have_any_name(root: Path, cluster: str) -> None:
    scoped = DayCache(FolderShelf(root), f"https://user@{cluster}")
    # A row holds only what can be a name; a file without rows knows the cluster all the same.
    put(scoped, {"shop": 4}, [], cluster=cluster)
    again = DayCache(FolderShelf(root), f"https://user@{cluster}")
    assert counts(again, cluster=cluster) == {"shop": 4}
    assert list(again.hold(MONDAY, MONDAY).known) == [cluster]
    assert len(cached(root)) == 1
    assert [path.name for path in root.parent.iterdir()] == ["cache"]


# ---------------------------------------------------------------------------------- any sequence

NAMES = ("a", "b", "c")
_days = st.integers(MONDAY, MONDAY + 1)
_puts = st.tuples(
    st.just("put"), _days, st.sets(st.sampled_from(NAMES), min_size=1), st.integers(0, 2), st.integers(1, 3)
)
_both = st.tuples(
    st.just("both"),
    _days,
    st.sets(st.sampled_from(NAMES), min_size=1),
    st.sets(st.sampled_from(NAMES), min_size=1),
    st.integers(1, 14),
)
_damage = st.tuples(st.sampled_from(["cut", "flip", "delete"]), st.integers(0, 9), st.integers(0, 1 << 20))
_others = st.tuples(st.sampled_from(["prune", "restart", "look"]))


class World:
    """What was put last, beside a cache to which things happen."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.cache = fresh(root, few=2)
        self.version = 0
        self.last: dict[tuple[int, str], list[set[tuple[str, int]]]] = {}
        self.maybe_lost: set[tuple[int, str]] = set()

    def rows(self, day: int, names: Iterable[str], size: int) -> list[ContainerDay]:
        self.version += 1
        return [row(name, self.version, day, f"w{n}") for name in sorted(names) for n in range(size)]

    def write(self, cache: DayCache, day: int, names: Iterable[str], size: int, now: int) -> None:
        rows = self.rows(day, names, size)
        put(cache, dict.fromkeys(names, self.version), rows, day, now)

    def expect(self, day: int, names: Iterable[str], *versions: tuple[int, int]) -> None:
        for name in names:
            self.last[day, name] = [{(f"w{n}", version) for n in range(size)} for version, size in versions]
            self.maybe_lost.discard((day, name))

    def put(self, day: int, names: set[str], size: int, back: int) -> None:
        self.write(self.cache, day, names, size, NOW - back)
        self.expect(day, names, (self.version, size))

    def both(self, day: int, mine: set[str], theirs: set[str], at: int) -> None:
        """Another writer comes in between."""
        versions: list[int] = []

        def other() -> None:
            self.write(fresh(self.root, few=1), day, theirs, 1, NOW)
            versions.append(self.version)

        self.write(DayCache(Interrupted(self.root, at, other), "server", few=2), day, mine, 2, NOW)
        first = self.version - len(versions)
        self.expect(day, mine - theirs, (first, 2))
        if versions:
            self.expect(day, theirs - mine, (versions[0], 1))
            self.expect(day, mine & theirs, (first, 2), (versions[0], 1))
        else:
            self.expect(day, mine, (first, 2))

    def damage(self, how: str, which: int, at: int) -> None:
        files = cached(self.root)
        if not files:
            return
        path = files[which % len(files)]
        content = path.read_bytes()
        if how == "delete":
            path.unlink()
        elif how == "cut":
            path.write_bytes(content[: at % max(1, len(content))])
        else:
            place = at % max(1, len(content))
            path.write_bytes(
                content[:place]
                + bytes(byte ^ 0x10 for byte in content[place : place + 1])
                + content[place + 1 :]
            )
        self.maybe_lost |= set(self.last)

    def check(self) -> None:
        held = self.cache.hold(MONDAY, MONDAY + 1)
        rows = found(self.cache)
        known = {(day, name) for days in held.known.values() for day, names in days.items() for name in names}
        assert set(self.last) - known <= self.maybe_lost
        for key in known:
            assert rows.get(key, set()) in self.last[key]
        assert set(rows) <= known


@settings(max_examples=60, deadline=None)
@given(st.lists(_puts | _both | _damage | _others, min_size=1, max_size=12))
def test_whatever_happens_a_day_is_as_it_was_put_last_or_unknown(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[object, ...]]
) -> None:
    world = World(tmp_path_factory.mktemp("world"))
    for what, *values in steps:
        if what == "put":
            world.put(*values)  # type: ignore[arg-type]
        elif what == "both":
            world.both(*values)  # type: ignore[arg-type]
        elif what == "prune":
            world.cache.prune(MONDAY + 3)
        elif what == "restart":
            world.cache = fresh(world.root, few=2)
        elif what == "look":
            world.check()
        else:
            world.damage(str(what), *values)  # type: ignore[arg-type]
    world.check()

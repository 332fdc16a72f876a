"""Folders and object stores as shelves: the same contract for all, then what is special to each."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import fsspec
import pytest
from conftest import MONDAY
from moto.server import ThreadedMotoServer
from test_usage_cache import counts, found, put, row

from reconciler.errors import Misconfigured
from reconciler.usage.cache import DayCache
from reconciler.usage.days import DAY
from reconciler.usage.shelf import FolderShelf, Shelf, ShelfError, file_name
from reconciler.usage.store import Limits, StoreShelf, open_shelf, open_store

CONTENT = b"some bytes of a day"
NAME = file_name("2026-02-02", CONTENT)
FOLDER = "server/prod"
QUICK = Limits(each=2.0, total=4.0)


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    """A bucket behind HTTP, and credentials for it in the environment."""
    with pytest.MonkeyPatch.context() as patch:
        server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        server.start()
        host, port = server.get_host_and_port()
        aim_at(patch, f"http://{host}:{port}")
        boto3.client("s3").create_bucket(Bucket="usage")
        yield f"http://{host}:{port}"
        server.stop()


def aim_at(patch: pytest.MonkeyPatch, endpoint: str) -> None:
    patch.setenv("AWS_ENDPOINT_URL", endpoint)
    patch.setenv("AWS_ACCESS_KEY_ID", "test")
    patch.setenv("AWS_SECRET_ACCESS_KEY", "test-secret")
    patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    patch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def bucket(s3: str) -> str:
    """A part of the bucket that is this test's own."""
    return f"s3://usage/{secrets.token_hex(6)}"


@pytest.fixture
def memory() -> str:
    return f"memory://{secrets.token_hex(6)}/cache"


Opened = Callable[[str], Shelf]  # a shelf as another machine sees it


@pytest.fixture(params=["folder", "memory", "s3"])
def machine(request: pytest.FixtureRequest, tmp_path: Path) -> Opened:
    if request.param == "folder":
        return lambda name: FolderShelf(tmp_path / "shared")
    address = request.getfixturevalue("memory" if request.param == "memory" else "bucket")
    return lambda name: open_store(address, tmp_path / name)


@functools.cache
def system_of(address: str) -> Any:
    return fsspec.filesystem(address.partition("://")[0], use_listings_cache=False, skip_instance_cache=True)


# ----------------------------------------------------------------------------------- the contract


def test_an_empty_shelf_has_nothing(machine: Opened) -> None:
    shelf = machine("a")
    assert shelf.folders() == []
    assert shelf.names(FOLDER) == []
    assert shelf.fetch(FOLDER, [NAME]) == {}


def test_what_one_adds_all_others_find(machine: Opened) -> None:
    one = machine("a")
    one.add(FOLDER, NAME, CONTENT)
    one.add(FOLDER, NAME, CONTENT)
    for shelf in (one, machine("a"), machine("b")):
        assert shelf.folders() == ["server"]
        assert shelf.folders("server") == ["prod"]
        assert shelf.names(FOLDER) == [NAME]
        assert shelf.fetch(FOLDER, [NAME])[NAME].read_bytes() == CONTENT


def test_what_one_removes_is_gone_for_all(machine: Opened) -> None:
    one, other = machine("a"), machine("b")
    one.add(FOLDER, NAME, CONTENT)
    held = other.fetch(FOLDER, other.names(FOLDER))
    one.remove(FOLDER, [NAME, file_name("2026-02-03", b"never there")])
    assert one.names(FOLDER) == other.names(FOLDER) == []
    assert held[NAME].read_bytes() == CONTENT
    one.add(FOLDER, NAME, CONTENT)
    assert one.names(FOLDER) == [NAME]


def test_a_cache_of_several_machines(machine: Opened) -> None:
    put(DayCache(machine("a"), "server", few=2), {"shop": 1, "db": 1}, [row("shop", 1), row("db", 1)])
    put(DayCache(machine("b"), "server", few=2), {"shop": 2}, [row("shop", 2)])
    put(DayCache(machine("c"), "server", few=2), {"new": 3}, [row("new", 3)])
    for name in "ad":
        cache = DayCache(machine(name), "server")
        assert counts(cache) == {"shop": 2, "db": 1, "new": 3}
        assert found(cache) == {(MONDAY, n): {("web", v)} for n, v in (("shop", 2), ("db", 1), ("new", 3))}
        assert cache.notes == ()
        cache.prune(MONDAY + 1)
    assert len(machine("a").names(FOLDER)) <= 2


def test_writers_at_the_same_time(machine: Opened) -> None:
    def write(version: int) -> None:
        cache = DayCache(machine(f"m{version}"), "server", few=1 + version % 2)
        put(cache, {"shop": version}, [row("shop", version), row("shop", version, name="b")])
        put(cache, {f"n{version}": version}, [row(f"n{version}", version)])

    threads = [threading.Thread(target=write, args=(version,)) for version in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    cache = DayCache(machine("reader"), "server")
    rows = found(cache)
    assert cache.notes == ()
    assert {rows.pop((MONDAY, f"n{version}")).pop() for version in range(1, 5)} == {
        ("web", version) for version in range(1, 5)
    }
    (entries,) = rows.values()
    (version,) = {version for _, version in entries}
    assert entries == {("web", version), ("b", version)}


# -------------------------------------------------------------------------------- object stores


@pytest.fixture(params=["memory", "s3"])
def address(request: pytest.FixtureRequest) -> str:
    found: str = request.getfixturevalue("memory" if request.param == "memory" else "bucket")
    return found


def test_damage_in_the_store_is_removed_there(address: str, tmp_path: Path) -> None:
    shelf = open_store(address, tmp_path / "a")
    shelf.add(FOLDER, NAME, CONTENT)
    path = f"{address}/{FOLDER}/{NAME}"
    kinds = (CONTENT[:-1], b"", CONTENT.upper())
    for damaged in kinds if address.startswith("memory") else kinds[:1]:
        system_of(address).pipe_file(path, damaged)
        other = open_store(address, tmp_path / hashlib.sha256(damaged).hexdigest())
        assert other.names(FOLDER) == [NAME]
        assert other.fetch(FOLDER, [NAME]) == {}
        assert other.names(FOLDER) == []
        assert not system_of(address).exists(path)


def test_damage_of_the_copy_is_mended_from_the_store(address: str, tmp_path: Path) -> None:
    shelf = open_store(address, tmp_path)
    shelf.add(FOLDER, NAME, CONTENT)
    (copy,) = tmp_path.glob(f"*/{FOLDER}/*")
    copy.write_bytes(b"oh")
    assert shelf.fetch(FOLDER, shelf.names(FOLDER))[NAME].read_bytes() == CONTENT
    assert copy.read_bytes() == CONTENT


HOSTILE = ["../../escape", f"../{NAME}", f"..\\{NAME}", f"{NAME}/x", " ", "ü", f" {NAME}", NAME.upper()]


def test_hostile_names_stay_in_the_store(s3: str, tmp_path: Path) -> None:
    """An object may have any name at all."""
    prefix = secrets.token_hex(6)
    client = boto3.client("s3")
    for name in (*HOSTILE, NAME):
        client.put_object(Bucket="usage", Key=f"{prefix}/{FOLDER}/{name}", Body=CONTENT)
    for folder in ("..", "/", "UP", "../../x"):
        client.put_object(Bucket="usage", Key=f"{prefix}/{folder}/prod/{NAME}", Body=CONTENT)
    shelf = open_store(f"s3://usage/{prefix}", tmp_path / "in" / "copies")
    assert shelf.folders() == ["server"]
    assert shelf.names(FOLDER) == [NAME]
    assert list(shelf.fetch(FOLDER, shelf.names(FOLDER))) == [NAME]
    shelf.tidy(time.time(), "server", 100)
    written = {path.name for path in tmp_path.rglob("*") if path.is_file() and ".held" not in str(path)}
    assert written == {NAME}
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


class Listing:
    """A store whose listings are made up."""

    def __init__(self, system: Any) -> None:
        self.system = system
        self.listed: list[dict[str, Any]] = []

    def ls(self, path: str, detail: bool) -> list[dict[str, Any]]:
        return self.listed

    def __getattr__(self, name: str) -> Any:
        return getattr(self.system, name)


def test_a_listing_may_say_anything(memory: str, tmp_path: Path) -> None:
    system = Listing(system_of(memory))
    shelf = StoreShelf(lambda: system, "/made/up", memory, tmp_path, Limits())
    inside = f"made/up/{FOLDER}"
    names = [
        f"{inside}/a\n{NAME}",
        f"{inside}/{NAME}\n",
        f"{inside}/../{NAME}",
        f"/etc/{NAME}",
        NAME,
        "",
        None,
        7,
    ]
    system.listed = [{"name": name, "size": 1, "type": "file"} for name in names]
    system.listed += [{}, {"name": f"{inside}/{NAME}", "size": "much", "type": "file", "mtime": "yesterday"}]
    assert shelf.names(FOLDER) == [NAME]
    system.listed = [
        {"name": f"made/up/{name}", "type": "directory"} for name in ("..", "a\nb", "", "x/y", "UP")
    ]
    assert shelf.folders() == []


def test_a_large_object_is_not_even_fetched(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_store(address, tmp_path / "a").add(FOLDER, NAME, CONTENT)
    monkeypatch.setattr("reconciler.usage.store.LARGEST_FILE", len(CONTENT) - 1)
    shelf = open_store(address, tmp_path / "b")
    assert shelf.fetch(FOLDER, shelf.names(FOLDER)) == {}
    assert shelf.names(FOLDER) == [NAME]


def test_copies_stay_below_a_bound_and_the_oldest_days_go(memory: str, tmp_path: Path) -> None:
    days = [(f"2026-02-{day:02}", str(day).encode() * 40) for day in range(1, 10)]
    shelf = open_store(memory, tmp_path, Limits(most_bytes=200))
    for day, content in days:
        shelf.add(FOLDER, file_name(day, content), content)
    paths = shelf.fetch(FOLDER, shelf.names(FOLDER))
    assert len(paths) == 9
    assert all(path.exists() for path in paths.values())  # held for as long as they are in use
    assert sorted(path.name[:10] for path in tmp_path.glob(f"*/{FOLDER}/*")) == [day for day, _ in days[-5:]]


def test_copies_of_what_is_gone_go_with_the_next_tidying(memory: str, tmp_path: Path) -> None:
    shelf = open_store(memory, tmp_path / "a")
    shelf.add(FOLDER, NAME, CONTENT)
    newer = file_name("2026-02-03", b"x")
    shelf.add(FOLDER, newer, b"x")
    open_store(memory, tmp_path / "b").remove(FOLDER, [NAME])
    again = open_store(memory, tmp_path / "a")
    again.tidy(time.time(), "server", 100)
    assert [path.name for path in (tmp_path / "a").glob(f"*/{FOLDER}/*")] == [newer]


def test_folders_that_nobody_writes_any_more_go(address: str, tmp_path: Path) -> None:
    shelf = open_store(address, tmp_path)
    for scope in ("earlier", "server"):
        shelf.add(f"{scope}/prod", NAME, CONTENT)
    stranger = f"{address}/earlier/prod/README"
    system_of(address).pipe_file(stranger, b"mine")
    later = shelf
    later.tidy(time.time() + 99 * DAY, "server", 100)
    assert later.names("earlier/prod") == [NAME]
    later.tidy(time.time() + 101 * DAY, "server", 100)
    assert later.names("earlier/prod") == []
    assert later.names("server/prod") == [NAME]
    assert system_of(address).cat_file(stranger) == b"mine"


def test_a_listing_may_lag_behind(memory: str, tmp_path: Path) -> None:
    """What one has written oneself is there, and what one has removed is gone, whatever a listing says."""

    system = Listing(system_of(memory))
    shelf = StoreShelf(lambda: system, "/lagging/cache", memory, tmp_path, Limits())
    shelf.add(FOLDER, NAME, CONTENT)
    assert shelf.names(FOLDER) == [NAME]
    assert shelf.folders() == ["server"]
    assert shelf.folders("server") == ["prod"]
    system.listed = system.system.ls(f"/lagging/cache/{FOLDER}", detail=True)
    shelf.remove(FOLDER, [NAME])
    assert shelf.names(FOLDER) == []


def test_where_no_copy_can_lie_it_lies_elsewhere_for_this_run(memory: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    open_store(memory, tmp_path / "a").add(FOLDER, NAME, CONTENT)
    shelf = open_store(memory, tmp_path / "file")
    assert shelf.fetch(FOLDER, [NAME])[NAME].read_bytes() == CONTENT


# ------------------------------------------------------------------------------------- sick stores


def test_a_bucket_that_is_missing(s3: str, tmp_path: Path) -> None:
    cache = DayCache(open_store("s3://nowhere-at-all/cache", tmp_path), "server")
    put(cache, {"shop": 1}, [row("shop", 1)])
    assert counts(cache) == {"shop": 1}
    (note,) = cache.notes
    assert note.startswith(
        "the usage cache: can't write to s3://nowhere-at-all/cache: there is no such bucket"
    )


class Sick(BaseHTTPRequestHandler):
    """Answers as the path of the server says: each method the same."""

    mode = "denied"
    protocol_version = "HTTP/1.1"  # clients ask before they send

    asked = 0

    def do_GET(self) -> None:
        Sick.asked += 1
        length = int(self.headers.get("Content-Length") or 0)
        self.rfile.read(length)
        if self.mode == "silent":
            time.sleep(90)
            return
        if self.mode == "cut":
            self.send_response(200)
            self.send_header("Content-Length", "100000")
            self.end_headers()
            self.wfile.write(b"<?xml")
            self.close_connection = True
            return
        bodies = {
            "denied": (403, b"<Error><Code>AccessDenied</Code><Message>Access\nDenied</Message></Error>"),
            "garbage": (200, b"\x00\xff<html>" * 100),
            "broken": (400, b"<Error><Code>Weird</Code><Message>\x1b[31mno?token=abc</Message></Error>"),
        }
        status, body = bodies[self.mode]
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_PUT = do_POST = do_DELETE = do_HEAD = do_GET  # noqa: N815 - as the server calls them

    def log_message(self, *words: object) -> None:
        pass


class Ward(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, *words: object) -> None:
        """Whoever gave up on an answer is expected here."""


@pytest.fixture
def sick(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    server = Ward(("127.0.0.1", 0), Sick)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    aim_at(monkeypatch, f"http://127.0.0.1:{server.server_port}")
    yield lambda mode: monkeypatch.setattr(Sick, "mode", mode)
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ("denied", "access is denied: check the credentials"),
        ("garbage", "s3://usage/cache"),
        ("broken", "can't "),
        ("silent", "does not answer in time"),
        ("cut", "s3://usage/cache"),
    ],
)
def test_a_sick_store_is_a_note_and_costs_little_time(
    mode: str, words: str, sick: Callable[[str], None], tmp_path: Path
) -> None:
    sick(mode)
    Sick.asked = 0
    begun = time.monotonic()
    answers = mode in ("denied", "broken")  # at once; the others are tried again until time is up
    limits = Limits(each=20.0, total=20.0) if answers else Limits(each=2.0, total=3.0)
    cache = DayCache(open_store("s3://usage/cache", tmp_path, limits), "server")
    assert cache.known("prod", MONDAY, MONDAY + 30) == {}
    for day in range(MONDAY, MONDAY + 5):
        put(cache, {"shop": 1}, [row("shop", 1, day)], day)
    assert len(found(cache)) == 5
    cache.prune(MONDAY + 5)
    assert time.monotonic() - begun < 45
    assert cache.notes
    assert words in " ".join(cache.notes)
    assert len(cache.notes) <= 2  # it can be neither listed nor written
    assert all(note.isprintable() and "token=abc" not in note for note in cache.notes)
    assert mode != "silent" or Sick.asked <= 2  # whoever hangs is left alone
    assert "test-secret" not in " ".join(cache.notes)


def test_to_connect_may_take_for_ever(tmp_path: Path) -> None:
    """Some providers' software asks around before it has been told to do anything."""
    shelf = StoreShelf(lambda: time.sleep(60), "/x", "made://up", tmp_path, Limits(each=0.2, total=1.0))
    cache = DayCache(shelf, "server")
    begun = time.monotonic()
    put(cache, {"shop": 1}, [row("shop", 1)])
    assert counts(cache) == {"shop": 1}
    assert time.monotonic() - begun < 10
    assert cache.notes == ("the usage cache: made://up does not answer in time; the run goes on without it",)


def test_nobody_listens(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        aim_at(monkeypatch, f"http://127.0.0.1:{taken.getsockname()[1]}")
        cache = DayCache(open_store("s3://usage/cache", tmp_path, QUICK), "server")
        put(cache, {"shop": 1}, [row("shop", 1)])
        assert counts(cache) == {"shop": 1}
        assert cache.notes


def test_a_store_that_goes_away_meanwhile_leaves_what_was_read(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(DayCache(open_store(bucket, tmp_path / "a"), "server"), {"shop": 1}, [row("shop", 1)])
    shelf = open_store(bucket, tmp_path / "b")
    cache = DayCache(shelf, "server")
    assert counts(cache) == {"shop": 1}

    def gone(*words: object, **more: object) -> None:
        raise RuntimeError("the software of the provider gave up")

    for name in ("ls", "cat_file", "pipe_file", "rm_file"):
        monkeypatch.setattr(shelf._system, name, gone)
    put(cache, {"db": 2}, [row("db", 2)])
    assert counts(cache) == {"shop": 1, "db": 2}
    assert set(found(cache)) == {(MONDAY, "shop"), (MONDAY, "db")}
    assert all("RuntimeError: the software of the provider gave up" in note for note in cache.notes)


def test_a_part_that_cannot_be_read_is_not_known(
    memory: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = open_store(memory, tmp_path / "a")
    for name in "ab":
        put(DayCache(writer, "server"), {name: 1}, [row(name, 1)])
    shelf = open_store(memory, tmp_path / "b")
    refused = shelf.names(FOLDER)[0]
    honest = shelf._system.cat_file

    def partly(path: str) -> bytes:
        if path.endswith(refused):
            raise PermissionError("Forbidden")
        content: bytes = honest(path)
        return content

    monkeypatch.setattr(shelf._system, "cat_file", partly)
    cache = DayCache(shelf, "server")
    assert len(counts(cache)) == 1
    (note,) = cache.notes
    assert "access is denied" in note


# --------------------------------------------------------------------------------------- addresses


@pytest.mark.parametrize(
    "secret",
    [
        "s3://key:very-secret@bucket/x",
        "s3://key@bucket/x",
        "gs://bucket/x?token=very-secret",
        "abfs://container:very-secret@account/x",
        "memory://x#very-secret",
    ],
)
def test_no_secrets_in_addresses(secret: str, tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="environment") as caught:
        open_shelf(secret, tmp_path)
    assert "very-secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("wanted", "package", "extra"),
    [
        ("gs", "gcsfs", "gcs"),
        ("gcs", "gcsfs", "gcs"),
        ("abfs", "adlfs", "azure-store"),
        ("az", "adlfs", "azure-store"),
    ],
)
def test_a_package_that_is_missing_is_named(wanted: str, package: str, extra: str, tmp_path: Path) -> None:
    if importlib.util.find_spec(package):
        pytest.skip(f"{package} is installed here")
    with pytest.raises(Misconfigured, match=rf"install reconciler\[{extra}\]"):
        open_shelf(f"{wanted}://bucket/x", tmp_path)


@pytest.mark.parametrize("wrong", ["nosuch://x", "://x", "s 3://x", "simplecache::s3://x"])
def test_what_nobody_speaks_is_refused(wrong: str, tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"opened|spoken|no address"):
        open_shelf(wrong, tmp_path)


def test_a_path_is_a_folder(tmp_path: Path) -> None:
    for address in (tmp_path / "x", str(tmp_path / "x"), f"file://{tmp_path}/x"):
        shelf = open_shelf(address, tmp_path / "copies")
        assert isinstance(shelf, FolderShelf)
        shelf.add(FOLDER, NAME, CONTENT)
    assert (tmp_path / "x" / FOLDER / NAME).read_bytes() == CONTENT


def test_a_folder_that_is_none_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    shelf = FolderShelf(tmp_path / "file")
    with pytest.raises(ShelfError, match="can't be read"):
        shelf.names(FOLDER)
    with pytest.raises(ShelfError, match="can't be written"):
        shelf.add(FOLDER, NAME, CONTENT)

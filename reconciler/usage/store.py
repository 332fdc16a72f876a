"""An object store as a shelf: S3, Google Cloud Storage, Azure, and whatever else fsspec speaks to.

The only module that knows fsspec. Files are downloaded once into a local folder and compared with
their names, which never change their meaning, so a copy stays good for ever. Credentials come from
the environment, as each provider's own tools find them.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import re
import shutil
import tempfile
import threading
import time
import weakref
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from multiprocessing.pool import ThreadPool
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple

from reconciler.errors import Misconfigured
from reconciler.usage.shelf import (
    DAY_SECONDS,
    LARGEST_FILE,
    FolderShelf,
    Shelf,
    ShelfError,
    day_of,
    is_folder_of_ours,
    is_ours,
    is_whole,
    printable,
)

WHAT = "the usage cache"
_AT_ONCE = 8
# The package of each address; others are named by fsspec itself.
_EXTRAS = {
    **dict.fromkeys(("s3", "s3a"), "s3"),
    **dict.fromkeys(("gs", "gcs"), "gcs"),
    **dict.fromkeys(("abfs", "abfss", "az", "adl"), "azure-store"),
}
_TALKATIVE = ("adlfs", "azure", "fsspec", "gcsfs", "google", "s3fs")
# So that a store that does not answer is noticed within seconds; not all know such options.
_OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "s3": {"config_kwargs": {"connect_timeout": 10, "read_timeout": 30, "retries": {"max_attempts": 2}}},
}


class Limits(NamedTuple):
    """How long a store may keep us waiting, and how much room its copies may take."""

    each: float = 60.0  # seconds for one answer
    total: float = 600.0  # and for all of them in one run
    most_bytes: int = 1 << 30


class Listed(NamedTuple):
    name: str
    size: int
    folder: bool
    modified: float | None


def open_shelf(address: str | Path, local: Path) -> Shelf:
    """What an address of the settings means: a folder, or an object store with copies in `local`."""
    text = str(address)
    if "://" not in text:
        return FolderShelf(Path(text))
    if text.startswith("file://"):
        return FolderShelf(Path(text.removeprefix("file://")))
    return open_store(text, local)


def open_store(address: str, local: Path, limits: Limits | None = None) -> StoreShelf:
    """Nothing is asked yet. Misconfigured when this can't be an address, or its package is missing."""
    scheme, _, rest = address.partition("://")
    _refuse_secrets(scheme, rest)
    extra = _EXTRAS.get(scheme)
    try:
        import fsspec

        kind = fsspec.get_filesystem_class(scheme)
        root = kind._strip_protocol(address)
        options = {**kind._get_kwargs_from_urls(address), **_OPTIONS.get(extra or "", {})}
        connect = partial(kind, use_listings_cache=False, skip_instance_cache=True, **options)
    except ImportError as error:
        package = f"reconciler[{extra}]" if extra else f"what it needs ({printable(error)})"
        raise Misconfigured(WHAT, f"{scheme}:// can't be spoken yet: install {package}") from error
    except (OSError, ValueError, TypeError, LookupError) as error:
        words = f"{printable(address)} can't be opened ({printable(error)}); check the address"
        raise Misconfigured(WHAT, words) from error
    place = local / hashlib.sha256(address.encode()).hexdigest()[:16]
    shown = f"{scheme}://{printable(rest)}"
    return StoreShelf(connect, root.rstrip("/"), shown, place, limits or Limits(), flat=extra is not None)


def _refuse_secrets(scheme: str, rest: str) -> None:
    """What stands in an address is seen in process lists and logs."""
    if not re.fullmatch(r"[a-z][a-z0-9+.-]*", scheme):
        raise Misconfigured(WHAT, f"{printable(scheme)}://... is no address of an object store; check it")
    authority = rest.partition("/")[0]
    user, _, _ = authority.rpartition("@")
    azure = _EXTRAS.get(scheme) == "azure-store"  # container@account is no user
    if ":" in user or (user and not azure) or re.search(r"[?#]", rest):
        raise Misconfigured(
            WHAT,
            f"the address {printable(scheme)}://... has a user, a password, a `?` or a `#` in it; "
            "give credentials in the environment, as the provider's own tools expect them",
        )


class StoreShelf:
    """Objects below one address, each with a copy here once it was needed."""

    def __init__(
        self,
        connect: Callable[[], Any],
        root: str,
        shown: str,
        local: Path,
        limits: Limits,
        *,
        flat: bool = True,
    ) -> None:
        self._connect = connect
        self._connecting = threading.Lock()
        self._system: Any = None
        self._root = root
        self._shown = shown
        self._flat = flat  # no folders have to be made
        self.notes: list[str] = []
        self.spare: Path | None = None
        self._late = f"{shown} does not answer in time; the run goes on without it"
        self._limits = limits
        self._left = limits.total
        self._local_folder = local
        self._local: FolderShelf | None = None
        self._sizes: dict[tuple[str, str], int] = {}
        # A listing may lag behind what we wrote and removed ourselves.
        self._added: dict[str, set[str]] = defaultdict(set)
        self._removed: dict[str, set[str]] = defaultdict(set)

    # ------------------------------------------------------------------------------- the shelf

    def folders(self, folder: str = "") -> list[str]:
        listed = {one.name for one in self._list(folder) if one.folder and is_folder_of_ours(one.name)}
        prefix = f"{folder}/" if folder else ""
        own = {
            name.removeprefix(prefix).partition("/")[0]
            for name, names in self._added.items()
            if names and name.startswith(prefix)
        }
        return sorted(listed | own)

    def names(self, folder: str) -> list[str]:
        listed = {one.name: one.size for one in self._list(folder) if not one.folder and is_ours(one.name)}
        self._sizes |= {(folder, name): size for name, size in listed.items()}
        return sorted((set(listed) - self._removed[folder]) | self._added[folder])

    def fetch(self, folder: str, names: Sequence[str]) -> dict[str, Path]:
        here = self._copies().fetch(folder, names)
        missing = [
            name for name in names if name not in here and self._sizes.get((folder, name), 0) <= LARGEST_FILE
        ]
        try:  # a few at a time, so that a cold start with a hundred days doesn't hold them all in memory
            for first in range(0, len(missing), _AT_ONCE):
                self._download(folder, missing[first : first + _AT_ONCE])
        except ShelfError as error:
            self.notes.append(str(error))  # what has arrived is good
        found = self._copies().fetch(folder, names)
        self._bound()
        return found

    def add(self, folder: str, name: str, content: bytes) -> None:
        path = self._path(folder, name)
        if not self._flat:
            self._one(partial(self._do, "makedirs", self._path(folder), exist_ok=True), "write to")
        self._one(partial(self._do, "pipe_file", path, content), "write to")
        self._added[folder].add(name)
        self._removed[folder].discard(name)
        with contextlib.suppress(ShelfError):  # else it is downloaded when it is needed
            self._copies().add(folder, name, content)

    def remove(self, folder: str, names: Sequence[str]) -> None:
        self._added[folder].difference_update(names)
        self._removed[folder].update(names)
        calls = [partial(self._do, "rm_file", self._path(folder, name)) for name in names]
        for error in self._ask(calls):
            if isinstance(error, Exception) and not isinstance(error, FileNotFoundError):
                raise self._refused(error, "write to")

    def tidy(self, now: float, keep: str, idle_days: int) -> None:
        """Folders nobody writes to any more; and copies here of what is no longer there."""
        for outer in self.folders():
            inner = {f"{outer}/{name}": self._list(f"{outer}/{name}") for name in self.folders(outer)}
            ours = [(f, one) for f, listed in inner.items() for one in listed if is_ours(one.name)]
            ages = [now - one.modified if one.modified is not None else 0.0 for _, one in ours]
            if outer != keep and min(ages, default=0.0) > idle_days * DAY_SECONDS:
                for folder, listed in inner.items():
                    self.remove(folder, [one.name for one in listed if is_ours(one.name)])
            for folder, listed in inner.items():
                self._forget_copies(folder, {one.name for one in listed} | self._added[folder])
        with contextlib.suppress(ShelfError):
            self._copies().tidy(now, keep, idle_days)

    # ------------------------------------------------------------------------------- the copies

    def _copies(self) -> FolderShelf:
        """In the folder that was asked for; elsewhere for this run alone when that can't be written."""
        if self._local is None:
            try:
                self._local_folder.mkdir(parents=True, exist_ok=True)
                tempfile.TemporaryFile(dir=self._local_folder).close()
            except OSError:
                self._local_folder = Path(tempfile.mkdtemp())
                weakref.finalize(self, shutil.rmtree, self._local_folder, True)
            self._local = FolderShelf(self._local_folder)
        return self._local

    def _download(self, folder: str, names: Sequence[str]) -> None:
        calls = [partial(self._do, "cat_file", self._path(folder, name)) for name in names]
        for name, content in zip(names, self._ask(calls), strict=True):
            if isinstance(content, FileNotFoundError):
                continue  # somebody removed it since
            if isinstance(content, Exception):
                self.notes.append(str(self._refused(content, "read from")))
            elif isinstance(content, bytes) and is_whole(name, content):
                self._copies().add(folder, name, content)
            else:
                with contextlib.suppress(ShelfError):
                    self.remove(folder, [name])

    def _bound(self) -> None:
        files = []
        for path in self._local_folder.glob("*/*/*.parquet"):
            with contextlib.suppress(OSError):
                stat = path.lstat()
                files.append((day_of(path.name), stat.st_size, path))
        size = sum(one[1] for one in files)
        for _, length, path in sorted(files):
            if size <= self._limits.most_bytes:
                break
            with contextlib.suppress(OSError):
                path.unlink()
            size -= length

    def _forget_copies(self, folder: str, there: set[str]) -> None:
        with contextlib.suppress(ShelfError):
            copies = self._copies()
            copies.remove(folder, [name for name in copies.names(folder) if name not in there])

    # ------------------------------------------------------------------------------- the store

    def _path(self, folder: str, name: str = "") -> str:
        return "/".join(part for part in (self._root, folder, name) if part)

    def _list(self, folder: str) -> list[Listed]:
        path = self._path(folder)
        try:
            found = self._one(partial(self._do, "ls", path, detail=True), "list")
        except FileNotFoundError:
            return []
        return [one for each in found if (one := _listed(each, path)) is not None]

    def _do(self, what: str, *words: Any, **more: Any) -> Any:
        """On a thread that may be left behind: to connect already asks the provider, for some."""
        with self._connecting:
            if self._system is None:
                for name in _TALKATIVE:  # what goes wrong is in our notes, not on the terminal
                    logging.getLogger(name).addHandler(logging.NullHandler())
                self._system = self._connect()
        return getattr(self._system, what)(*words, **more)

    def _one(self, call: Callable[[], Any], what: str) -> Any:
        (answer,) = self._ask([call])
        if isinstance(answer, FileNotFoundError) and what == "list":
            raise answer
        if isinstance(answer, Exception):
            raise self._refused(answer, what)
        return answer

    def _ask(self, calls: Sequence[Callable[[], Any]]) -> list[Any]:
        """The answer of each, or its exception. Threads that never end are left behind.

        Software for stores raises whatever its makers thought of: the pool hands that on as a value.
        """
        if self._left <= 0:
            raise ShelfError(self._late, final=True)
        answers: dict[int, Any] = {}
        arrived: SimpleQueue[tuple[int, Any]] = SimpleQueue()
        begun = time.monotonic()
        until = begun + min(self._left, self._limits.each * -(-len(calls) // _AT_ONCE))
        with ThreadPool(min(_AT_ONCE, len(calls)) or 1) as pool:
            for number, call in enumerate(calls):
                put = partial(_put, arrived, number)
                pool.apply_async(call, callback=put, error_callback=put)
            with contextlib.suppress(Empty):
                while len(answers) < len(calls):
                    number, answer = arrived.get(timeout=max(0.0, until - time.monotonic()))
                    answers[number] = answer
        self._left -= time.monotonic() - begun
        if len(answers) < len(calls):
            self._left = 0.0  # whoever hangs once is not asked again in this run
            raise ShelfError(self._late, final=True)
        return [answers[number] for number in range(len(calls))]

    def _refused(self, error: Exception, what: str) -> ShelfError:
        if isinstance(error, PermissionError):
            why = "access is denied: check the credentials in the environment, and the rights they have there"
        elif isinstance(error, FileNotFoundError):
            why = "there is no such bucket or folder: create it, or check the address"
        else:
            why = f"{type(error).__name__}: {printable(error)}".rstrip(": ")
        return ShelfError(f"can't {what} {self._shown}: {why}", final=isinstance(error, PermissionError))


def _put(arrived: SimpleQueue[tuple[int, Any]], number: int, answer: Any) -> None:
    arrived.put((number, answer))


def _listed(found: Any, parent: str) -> Listed | None:
    """What a listing says, if it is about something that lies in that folder itself."""
    path = str(found.get("name", "")).rstrip("/")
    above, _, name = path.rpartition("/")
    if above.strip("/") != parent.strip("/"):
        return None
    size = found.get("size")
    when = next((found[key] for key in _MODIFIED if found.get(key)), None)
    if isinstance(when, datetime):
        when = when.timestamp()
    return Listed(
        name,
        size if isinstance(size, int) else 0,
        found.get("type") == "directory",
        float(when) if isinstance(when, int | float) else None,
    )


_MODIFIED = ("LastModified", "last_modified", "updated", "mtime", "modified", "created")

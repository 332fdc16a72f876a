"""Where the files of the day cache lie: in a folder, or in an object store.

Every file is named by its day and the SHA-256 of its bytes, so that it is never changed, two
writers never write over each other, and damage is noticed whatever it leaves readable. Files with
other names are other people's: they are neither read nor removed.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import shutil
import tempfile
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from reconciler.usage.days import days_since_1970

DAY_SECONDS = 86_400
LARGEST_FILE = 512 << 20  # no day of ours comes near; whatever is larger is not looked into
_NAME = re.compile(r"(\d{4}-\d{2}-\d{2})\.([0-9a-f]{64})\.parquet", re.ASCII)
_FOLDER = re.compile(r"[a-z0-9_][a-z0-9_.-]{0,99}", re.ASCII)
_UNFINISHED, _HELD = ".new-", ".held-"
_MEMO = tuple[int, int, int]


class ShelfError(Exception):
    """The shelf can't do that, in one sentence for the report. `final`: asking it again is of no use."""

    def __init__(self, words: str, final: bool = False) -> None:
        super().__init__(words)
        self.final = final


class Shelf(Protocol):
    """Folders of finished files. Everything on it may vanish at any time, and others write to it too."""

    notes: list[str]  # what went wrong without keeping the rest from going on
    spare: Path | None  # a folder of this process for what can't be put here; it goes with the shelf

    def folders(self, folder: str = "") -> list[str]:
        """The folders in this one that have a name of ours."""
        ...

    def names(self, folder: str) -> list[str]:
        """The files in it that have a name of ours; none when there is no such folder."""
        ...

    def fetch(self, folder: str, names: Sequence[str]) -> dict[str, Path]:
        """Local paths of those that are there and whole. Damaged ones are removed."""
        ...

    def add(self, folder: str, name: str, content: bytes) -> None:
        """Others see all of it or nothing."""
        ...

    def remove(self, folder: str, names: Sequence[str]) -> None: ...

    def tidy(self, now: float, keep: str, idle_days: int) -> None:
        """Remove what killed runs left behind, and outermost folders in which nobody wrote for so long."""
        ...


def file_name(iso_day: str, content: bytes) -> str:
    return f"{iso_day}.{hashlib.sha256(content).hexdigest()}.parquet"


def is_ours(name: str) -> bool:
    return _NAME.fullmatch(name) is not None


def day_of(name: str) -> str:
    return name[:10]


def is_folder_of_ours(name: str) -> bool:
    return _FOLDER.fullmatch(name) is not None


def is_whole(name: str, content: bytes | memoryview) -> bool:
    found = _NAME.fullmatch(name)
    return found is not None and hashlib.sha256(content).hexdigest() == found[2]


def printable(words: object, most: int = 160) -> str:
    """The first line of what somebody else's software said; it may quote anything."""
    line = next(iter(str(words).strip().splitlines()), "")
    line = re.sub(r"\?\S*", "?...", line)  # signatures of addresses stand there
    return "".join(letter if letter.isprintable() else "?" for letter in line)[:most]


_READABLE = re.compile(r"[a-z0-9][a-z0-9.-]{0,59}", re.ASCII)


def safe_name(text: str) -> str:
    """A folder's name for any text: the text itself where it can be, else a part of it and its hash.

    Only the latter have an underscore, and none has capitals, so no two texts share one.
    """
    if _READABLE.fullmatch(text):
        return text
    if not text:
        return "_"
    slug = re.sub(r"[^a-z0-9]+", "-", text.lower())[:40].strip("-")
    return f"{slug}_{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}"


def number_of_day(name: str) -> int | None:
    try:
        return days_since_1970(day_of(name))
    except ValueError:
        return None


class FolderShelf:
    """A folder, which other processes and other machines may share.

    What it hands out stays readable for this process though somebody else removes it meanwhile: files
    are linked into a folder of its own, where the file system lets it.
    """

    def __init__(self, root: Path, hold: bool = True) -> None:
        self._root = root
        self._hold = hold
        self._held: Path | None = None
        self._whole: dict[tuple[str, str], _MEMO] = {}
        self.notes: list[str] = []
        self.spare: Path | None = None

    def folders(self, folder: str = "") -> list[str]:
        return sorted(
            entry.name
            for entry in self._entries(folder)
            if is_folder_of_ours(entry.name) and entry.is_dir(follow_symlinks=False)
        )

    def names(self, folder: str) -> list[str]:
        return sorted(
            entry.name
            for entry in self._entries(folder)
            if is_ours(entry.name) and entry.is_file(follow_symlinks=False)
        )

    def _entries(self, folder: str) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(self._root / folder) as found:
                return list(found)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise ShelfError(f"{self._root} can't be read ({error.strerror})") from error

    def fetch(self, folder: str, names: Sequence[str]) -> dict[str, Path]:
        found = {name: self._sound(folder, name) for name in names}
        return {name: path for name, path in found.items() if path is not None}

    def _sound(self, folder: str, name: str) -> Path | None:
        """Read and compared once; then, while it is the same file, believed."""
        path = self._root / folder / name
        try:
            handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | os.O_NONBLOCK)
        except OSError:
            return None
        with open(handle, "rb") as file:
            stat = os.fstat(handle)
            memo = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
            if self._whole.get((folder, name)) != memo:
                try:
                    sound = stat.st_size <= LARGEST_FILE and is_whole(name, file.read())
                except OSError:
                    return None
                if not sound:
                    self._remove_damaged(path)
                    return None
                self._whole[folder, name] = memo
        return self._kept(path, folder, name, stat.st_ino)

    def _remove_damaged(self, path: Path) -> None:
        with contextlib.suppress(OSError):
            path.unlink()

    def _kept(self, path: Path, folder: str, name: str, inode: int) -> Path:
        """The same file by a name that nobody else removes."""
        own = self._own_folder()
        if own is None:
            return path
        link = own / f"{hashlib.sha256(folder.encode()).hexdigest()[:16]}-{name}"
        try:
            if link.exists() and link.stat().st_ino != inode:
                link.unlink()  # of a file that was damaged since, and written anew
            if not link.exists():
                os.link(path, link, follow_symlinks=False)
        except OSError:
            return path
        return link

    def _own_folder(self) -> Path | None:
        if self._held is None and self._hold:
            try:
                self._held = Path(tempfile.mkdtemp(prefix=_HELD, dir=self._root))
                weakref.finalize(self, shutil.rmtree, self._held, True)
            except OSError:
                self._hold = False  # read-only: what it has can still be read where it lies
        return self._held

    def add(self, folder: str, name: str, content: bytes) -> None:
        place = self._root / folder
        waiting = place / f"{_UNFINISHED}{secrets.token_hex(8)}"
        try:
            place.mkdir(parents=True, exist_ok=True)
            try:
                with waiting.open("xb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                waiting.replace(place / name)
            finally:
                waiting.unlink(missing_ok=True)
            _make_durable(place)
        except OSError as error:
            raise ShelfError(f"{self._root} can't be written ({error.strerror})") from error

    def remove(self, folder: str, names: Sequence[str]) -> None:
        try:
            for name in names:
                (self._root / folder / name).unlink(missing_ok=True)
        except OSError as error:
            raise ShelfError(f"{self._root} can't be written ({error.strerror})") from error

    def tidy(self, now: float, keep: str, idle_days: int) -> None:
        for entry in self._entries(""):
            if entry.name.startswith(_HELD) and _age(entry.path, now) > DAY_SECONDS:
                shutil.rmtree(entry.path, ignore_errors=True)
        for outer in self.folders():
            files = [path for path in self._files(outer) if is_ours(path.name)]
            idle = min((_age(path, now) for path in files), default=0.0) > idle_days * DAY_SECONDS
            unfinished = [path for path in self._files(outer) if path.name.startswith(_UNFINISHED)]
            left = [path for path in unfinished if _age(path, now) > DAY_SECONDS]
            with contextlib.suppress(OSError):
                for path in (*left, *(files if idle and outer != keep else ())):
                    path.unlink(missing_ok=True)

    def _files(self, outer: str) -> Iterator[Path]:
        for inner in self.folders(outer):
            for entry in self._entries(f"{outer}/{inner}"):
                if entry.is_file(follow_symlinks=False):
                    yield Path(entry.path)


def _age(path: str | Path, now: float) -> float:
    try:
        return now - os.lstat(path).st_mtime
    except OSError:
        return 0.0


def _make_durable(folder: Path) -> None:
    """Where the system can, the name outlives a power cut as the bytes do."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

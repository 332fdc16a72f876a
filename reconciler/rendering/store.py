"""Files named by digest, in a folder that is this user's own, below a bound: the longest unused go first.

It may be deleted, damaged or shared by several processes at any time. A store that can't be
written only costs time.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
from pathlib import Path
from typing import NamedTuple


class _Kept(NamedTuple):
    used: float
    size: int
    path: Path


class Store:
    def __init__(self, folder: Path, most_bytes: int) -> None:
        self._folder = folder
        self._most = most_bytes
        self._size: int | None = None  # known once something is written
        self._lock = threading.Lock()

    def read(self, name: str) -> bytes | None:
        path = self._path(name)
        try:
            data = path.read_bytes()
        except OSError:
            return None
        with contextlib.suppress(OSError):
            os.utime(path)
        return data

    def write(self, name: str, data: bytes) -> None:
        path = self._path(name)
        with contextlib.suppress(OSError):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.chmod(self._folder, 0o700)
            path.parent.mkdir(mode=0o700, exist_ok=True)
            _replace(path, data)
            self._bound(len(data))

    def remove(self, name: str) -> None:
        with contextlib.suppress(OSError):
            self._path(name).unlink()

    def _path(self, name: str) -> Path:
        return self._folder / name[:2] / name[2:]

    def _bound(self, added: int) -> None:
        with self._lock:
            if self._size is None:
                self._size = sum(one.size for one in _listed(self._folder))
            else:
                self._size += added
            if self._size > self._most:
                self._size = _shrunk(self._folder, self._most * 3 // 4)


def _listed(folder: Path) -> list[_Kept]:
    """Every file, unfinished ones of a killed run too; what another process removes meanwhile is left out."""
    found = []
    for path in folder.glob("??/*"):
        with contextlib.suppress(OSError):
            stat = path.lstat()
            found.append(_Kept(stat.st_mtime, stat.st_size, path))
    return found


def _shrunk(folder: Path, wanted: int) -> int:
    found = sorted(_listed(folder))
    size = sum(one.size for one in found)
    for one in found:
        if size <= wanted:
            break
        with contextlib.suppress(OSError):
            one.path.unlink()
        size -= one.size
    return size


def _replace(path: Path, data: bytes) -> None:
    """A reader sees the old file or the new one. mkstemp makes files that only this user can read."""
    handle, fresh = tempfile.mkstemp(prefix=".new-", dir=path.parent)
    try:
        with open(handle, "wb") as file:
            file.write(data)
        os.replace(fresh, path)
    except OSError:
        Path(fresh).unlink(missing_ok=True)
        raise

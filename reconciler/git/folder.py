"""A plain folder, read as if it were a commit."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from reconciler.git.names import path_flaw
from reconciler.git.snapshot import READ_LIMIT
from reconciler.model import Entry, Note

_FILE: Final = 0o100644
_EXECUTABLE: Final = 0o100755
_SYMLINK: Final = 0o120000
_SUBMODULE: Final = 0o160000


class FolderSnapshot:
    """The files below a folder. No link is followed, so nothing outside of it is read."""

    commit = ""

    def __init__(
        self,
        folder: Path,
        *,
        repository: str = "",
        limit: int = READ_LIMIT,
        ignored: Callable[[str], bool] | None = None,
    ) -> None:
        """`ignored`: which folders below are left out."""
        self.repository = repository or str(folder)
        self._folder = folder
        self._limit = limit
        self._ignored = ignored or (lambda path: False)
        self._notes: list[Note] = []
        self._found: tuple[Entry, ...] | None = None

    def entries(self) -> Sequence[Entry]:
        """Every leaf but `.git`, sorted by path. A file over the limit has the blob ""."""
        if self._found is None:
            self._found = tuple(sorted(self._walk(self._folder, "")))
        return self._found

    def notes(self) -> Sequence[Note]:
        self.entries()
        return tuple(self._notes)

    def read(self, entry: Entry) -> bytes | None:
        """The bytes as they are now; None when larger than the limit or no longer readable."""
        place = self._folder / entry.path
        if entry.mode == _SUBMODULE:
            return b""
        try:
            if entry.mode == _SYMLINK:
                return os.fsencode(os.readlink(place))
            return self._content(place)
        except OSError:
            return None

    def _walk(self, folder: Path, prefix: str) -> Iterator[Entry]:
        try:
            with os.scandir(folder) as listed:
                inside = list(listed)
        except OSError as error:
            self._note(prefix.rstrip("/"), "unreadable", f"is not readable: {error.strerror}")
            return
        for item in inside:
            path = prefix + item.name
            if item.name == ".git":
                continue
            if path_flaw(item.name):
                self._note(path, "bad-path", "has a name that no file in Git can have")
            elif item.is_dir(follow_symlinks=False) and not _is_submodule(item):
                if not self._ignored(path):
                    yield from self._walk(Path(item.path), path + "/")
            else:
                yield from self._leaf(item, path)

    def _leaf(self, item: os.DirEntry[str], path: str) -> Iterator[Entry]:
        try:
            status = item.stat(follow_symlinks=False)
            if stat.S_ISLNK(status.st_mode):
                yield Entry(path, blob_id(os.fsencode(os.readlink(item.path))), _SYMLINK)
            elif stat.S_ISDIR(status.st_mode):
                yield Entry(path, "", _SUBMODULE)
            elif stat.S_ISREG(status.st_mode):  # a pipe or a device would block the reader
                content = self._content(Path(item.path))
                mode = _EXECUTABLE if status.st_mode & stat.S_IXUSR else _FILE
                yield Entry(path, "" if content is None else blob_id(content), mode)
        except OSError as error:
            self._note(path, "unreadable", f"is not readable: {error.strerror}")

    def _content(self, place: Path) -> bytes | None:
        descriptor = os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:
            if os.fstat(descriptor).st_size > self._limit:
                return None
            content = file.read(self._limit + 1)
        return None if len(content) > self._limit else content

    def _note(self, path: str, what: str, detail: str) -> None:
        shown = path.encode("utf-8", "backslashreplace").decode()
        self._notes.append(Note(what, f"{shown!r} {detail}", repository=self.repository, path=shown))


def _is_submodule(item: os.DirEntry[str]) -> bool:
    """A submodule and a linked work tree have a file `.git` that points elsewhere."""
    return os.path.isfile(os.path.join(item.path, ".git"))


def blob_id(content: bytes) -> str:
    """Git's own name for these bytes."""
    return hashlib.sha1(b"blob %d\x00" % len(content) + content, usedforsecurity=False).hexdigest()

"""One render's own folder: private, made of the request's bytes alone, and always removed.

A run that was killed leaves its folders behind; a later one sweeps them up.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from reconciler.model import Reason, Refused

PREFIX: Final = "reconcile-render-"
_LEFT_BEHIND: Final = 86_400  # seconds; a render is over in a few
_LONGEST_NAME: Final = 255
_LONGEST_PATH: Final = 2_000


@contextmanager
def temporary_tree() -> Iterator[Path]:
    """An empty folder that only this user can enter, with the folders that programs write to."""
    root = Path(os.path.realpath(tempfile.mkdtemp(prefix=PREFIX)))
    try:
        for name in ("home", "tmp", "bin"):
            (root / name).mkdir()
        yield root
    finally:
        shutil.rmtree(root, ignore_errors=True)


def sweep(now: float) -> int:
    """Removes what killed runs of this user left behind a day ago or longer; how many folders it were.

    The folder for temporary files is everybody's: what only has such a name, but is a link or
    another user's, is left alone.
    """
    swept = 0
    with contextlib.suppress(OSError), os.scandir(tempfile.gettempdir()) as found:
        for one in found:
            if one.name.startswith(PREFIX) and _left_behind(one, now):
                # It refuses a link, and goes into folders by their handles.
                shutil.rmtree(one.path, ignore_errors=True)
                swept += not os.path.lexists(one.path)
    return swept


def _left_behind(one: os.DirEntry[str], now: float) -> bool:
    try:
        found = one.stat(follow_symlinks=False)
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and now - found.st_mtime > _LEFT_BEHIND


def write_files(root: Path, files: Mapping[str, bytes]) -> Refused | None:
    """Every file below `root`; a path that leads anywhere else is refused before anything is written."""
    for path in files:
        wrong = path_error(path)
        if wrong:
            return Refused(Reason.RENDER_FAILED, f"the path {path[:200]!r} {wrong}")
    made = {""}
    root.mkdir(exist_ok=True)
    for path in sorted(files):
        parent = path.rpartition("/")[0]
        try:
            if parent not in made:
                os.makedirs(root / parent, exist_ok=True)
                made.add(parent)
            _write(root / path, files[path])
        except (FileExistsError, NotADirectoryError, IsADirectoryError):
            return Refused(Reason.RENDER_FAILED, f"{path[:200]!r} is a file and a folder at once")
    return None


def path_error(path: str) -> str:
    """What is wrong with a path below a root, as the end of a sentence; "" when it is safe."""
    if not path or path.startswith("/"):
        return "is not relative"
    if "\0" in path or not path.isprintable():
        return "has characters that no path should have"
    names = path.split("/")
    if any(name in ("", ".", "..") for name in names):
        return "is not written plainly: it has '.', '..' or '//'"
    if len(path) > _LONGEST_PATH or any(len(name.encode()) > _LONGEST_NAME for name in names):
        return "is too long"
    return ""


def _write(path: Path, data: bytes) -> None:
    # O_EXCL: on a file system that folds case, two paths may be one file.
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(handle, "wb") as file:
        file.write(data)

"""One render's own folder: private, made of the request's bytes alone, and always removed."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from reconciler.model import Reason, Refused

_LONGEST_NAME: Final = 255
_LONGEST_PATH: Final = 2_000


@contextmanager
def temporary_tree() -> Iterator[Path]:
    """An empty folder that only this user can enter, with the folders that programs write to."""
    root = Path(os.path.realpath(tempfile.mkdtemp(prefix="reconcile-render-")))
    try:
        for name in ("home", "tmp", "bin"):
            (root / name).mkdir()
        yield root
    finally:
        shutil.rmtree(root, ignore_errors=True)


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

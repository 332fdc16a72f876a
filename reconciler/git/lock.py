"""One run at a time changes a mirror; the others wait."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from reconciler.errors import Problem
from reconciler.model import Whose

_PAUSE: Final = 0.05


@contextmanager
def locked(path: Path, patience: float) -> Iterator[int]:
    """Hold the lock file; its descriptor can be handed to children, who then hold it too.

    The kernel lets go when the last holder ends, however it ends: there is no stale lock.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        _wait(descriptor, path, time.monotonic() + patience)
        yield descriptor
    finally:
        os.close(descriptor)


def _wait(descriptor: int, path: Path, deadline: float) -> None:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise Problem(
                    str(path),
                    "another run has been using this cache for too long: wait for it to end, or give this "
                    "run a cache folder of its own.",
                    whose=Whose.OURS,
                    path=str(path),
                ) from None
            time.sleep(_PAUSE)
        else:
            return

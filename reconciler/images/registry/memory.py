"""What digests name, kept between runs: a folder of small files that may be deleted at any time."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

_MOST: Final = 4 << 20


class Folder:
    """Whoever reads checks the digest, so a broken file is one that isn't there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, digest: str) -> bytes | None:
        try:
            with self._path(digest).open("rb") as opened:
                return opened.read(_MOST)
        except OSError:
            return None

    def put(self, digest: str, body: bytes) -> None:
        """Whole or not at all; a full disk only costs a question the next time."""
        path = self._path(digest)
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=path.parent)
            with os.fdopen(handle, "wb") as made:
                made.write(body)
            os.replace(name, path)

    def _path(self, digest: str) -> Path:
        """`sha256:ab…` is sha256/ab/…; callers have checked that it is a digest."""
        kind, _, text = digest.partition(":")
        return self._folder / kind / text[:2] / text

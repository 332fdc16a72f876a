"""Remembers what a blob holds, so that a second look at an unchanged repository parses nothing.

A cache may be deleted, damaged or shared at any time: whatever can't be read is only worked
out anew. One file a repository: a line with the version of the program that wrote it and a
checksum, then plain JSON. It is replaced as a whole, and holds at most about twice what the
repository holds now. (One read of three megabytes is faster than twenty thousand rows.)
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import zlib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Final

# Entries kept beyond those of the present commit, for branches that are read in turn.
_SPARE: Final = 5_000

Stored = dict[str, Any]  # content id -> JSON


class Cache:
    """Facts by content id, kept in a folder that is the cache's own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load(self, repository: str, fingerprint: str) -> Stored:
        """Everything stored for this repository by this version of the program; {} when there is none."""
        try:
            data = self._path(repository).read_bytes()
        except OSError:
            return {}
        head, _, body = data.partition(b"\n")
        if head != _head(fingerprint, body):
            return {}
        try:
            found = json.loads(body)
        except (ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}

    def save(
        self, repository: str, fingerprint: str, stored: Mapping[str, Any], used: Collection[str]
    ) -> str:
        """Replace what is stored; what is not used goes when there is too much of it.

        Returns what went wrong, or "".
        """
        if len(stored) > 2 * len(used) + _SPARE:
            stored = {key: stored[key] for key in used if key in stored}
        body = json.dumps(stored, separators=(",", ":")).encode()
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._replace(self._path(repository), _head(fingerprint, body) + b"\n" + body)
        except OSError as error:
            return error.strerror or str(error)
        return ""

    def _path(self, repository: str) -> Path:
        name = hashlib.sha256(repository.encode("utf-8", "surrogateescape")).hexdigest()[:20]
        return self._folder / f"discovery-{name}.json"

    def _replace(self, path: Path, data: bytes) -> None:
        """A reader sees the old file or the new one, whoever writes at the same time."""
        handle, fresh = tempfile.mkstemp(prefix=".discovery-", dir=self._folder)
        try:
            with open(handle, "wb") as file:
                file.write(data)
            os.replace(fresh, path)
        except OSError:
            Path(fresh).unlink(missing_ok=True)
            raise


def _head(fingerprint: str, body: bytes) -> bytes:
    return f"{fingerprint} {zlib.crc32(body):08x}".encode()

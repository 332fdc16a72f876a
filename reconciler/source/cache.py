"""Remembers what a blob holds, so that a second look at an unchanged repository parses nothing.

A cache may be deleted, damaged or shared at any time: whatever can't be read is only worked
out anew. One SQLite file a repository; a row is keyed by content, carries its own checksum and
is plain JSON. Rows of another version of the program are dropped as a whole, and the file holds
at most about twice what the repository holds now.
"""

from __future__ import annotations

import hashlib
import sqlite3
import zlib
from collections.abc import Collection, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

# Rows kept beyond those of the present commit, for branches that are read in turn.
_SPARE: Final = 5_000

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS about (fingerprint TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS facts (key TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;
"""


class Cache:
    """Facts by content id, kept in a folder that is the cache's own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load(self, repository: str, fingerprint: str) -> dict[str, str]:
        """Every sound row, as text; {} when there is none, or none of this fingerprint."""
        path = self._path(repository)
        if not path.exists():
            return {}
        try:
            with self._open(path) as database:
                if database.execute("SELECT fingerprint FROM about").fetchall() != [(fingerprint,)]:
                    return {}
                rows = database.execute("SELECT key, body FROM facts").fetchall()
        except sqlite3.OperationalError:
            return {}  # locked by another run, or not readable: work without
        except sqlite3.DatabaseError:
            path.unlink(missing_ok=True)
            return {}
        return dict(_sound(rows))

    def save(self, repository: str, fingerprint: str, new: Mapping[str, str], used: Collection[str]) -> str:
        """Add rows; forget unused ones when they outnumber the used. Returns what went wrong, or ""."""
        path = self._path(repository)
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with self._open(path) as database:
                database.executescript(_TABLES)
                if database.execute("SELECT fingerprint FROM about").fetchall() != [(fingerprint,)]:
                    database.execute("DELETE FROM about")
                    database.execute("DELETE FROM facts")
                    database.execute("INSERT INTO about VALUES (?)", (fingerprint,))
                packed = ((key, _pack(body)) for key, body in new.items())
                database.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?)", packed)
                _forget(database, used)
        except sqlite3.OperationalError as error:
            return str(error)
        except sqlite3.DatabaseError as error:
            path.unlink(missing_ok=True)
            return str(error)
        except OSError as error:
            return error.strerror or str(error)
        return ""

    def _path(self, repository: str) -> Path:
        name = hashlib.sha256(repository.encode("utf-8", "surrogateescape")).hexdigest()[:20]
        return self._folder / f"discovery-{name}.sqlite"

    @contextmanager
    def _open(self, path: Path) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(path, timeout=2.0)) as database:
            # A torn write is found by the checksums, so nothing has to wait for the disk.
            database.execute("PRAGMA synchronous = OFF")
            with database:
                yield database


def _pack(body: str) -> bytes:
    data = body.encode("utf-8", "surrogateescape")
    return zlib.crc32(data).to_bytes(4, "big") + data


def _sound(rows: list[tuple[object, object]]) -> Iterator[tuple[str, str]]:
    for key, body in rows:
        if isinstance(key, str) and isinstance(body, bytes):
            data = body[4:]
            if zlib.crc32(data) == int.from_bytes(body[:4], "big"):
                yield key, data.decode("utf-8", "surrogateescape")


def _forget(database: sqlite3.Connection, used: Collection[str]) -> None:
    (count,) = database.execute("SELECT count(*) FROM facts").fetchone()
    if count <= 2 * len(used) + _SPARE:
        return
    keep = set(used)
    stale = [key for (key,) in database.execute("SELECT key FROM facts") if key not in keep]
    database.executemany("DELETE FROM facts WHERE key = ?", ((key,) for key in stale))

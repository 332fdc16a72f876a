"""A packed chart as files: nothing but plain files below the chart's own folder, and only so many."""

from __future__ import annotations

import gzip
import io
import tarfile
import zlib
from typing import IO, Final, cast

from reconciler.model import Reason, Refused
from reconciler.rendering.tree import path_error

MOST_BYTES: Final = 100 << 20  # unpacked, as helm has it
_MOST_IN_ONE: Final = 5 << 20
_MOST_FILES: Final = 20_000


def unpack(data: bytes) -> dict[str, bytes] | Refused:
    """The files of a `.tgz`, without the folder that they all lie in."""
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as inflated:
            stream = cast(IO[bytes], _Counted(inflated))  # all that reading forwards needs
            with tarfile.open(fileobj=stream, mode="r|") as archive:
                return _files(archive)
    except _TooMuchError:
        return _refuse(f"unpacks to more than {MOST_BYTES >> 20} MiB")
    except (tarfile.TarError, OSError, EOFError, ValueError, zlib.error) as error:
        return _refuse(f"is damaged: {error}")


class _TooMuchError(Exception):
    """The archive is a bomb, or nearly."""


class _Counted:
    """A stream with an end: not even a header of the archive may ask for more."""

    def __init__(self, stream: gzip.GzipFile) -> None:
        self._stream = stream
        self._left = MOST_BYTES

    def read(self, size: int = -1) -> bytes:
        if size < 0 or size > self._left:
            size = self._left + 1
        data = self._stream.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise _TooMuchError
        return data


def _files(archive: tarfile.TarFile) -> dict[str, bytes] | Refused:
    found: dict[str, bytes] = {}
    tops: set[str] = set()
    size = 0  # as said: a sparse file is long without being there
    for count, member in enumerate(archive):
        if count >= _MOST_FILES:
            return _refuse(f"has more than {_MOST_FILES} entries")
        if member.isdir():
            continue
        top, _, path = member.name.removeprefix("./").partition("/")
        wrong = path_error(f"{top}/{path}") if path else "lies beside the chart's folder"
        if not member.isreg():
            wrong = "is a link or a device"
        elif member.size > _MOST_IN_ONE:
            wrong = f"is larger than {_MOST_IN_ONE >> 20} MiB"
        if wrong:
            return _refuse(f"is refused: {member.name[:200]!r} {wrong}")
        size += member.size
        if size > MOST_BYTES:
            raise _TooMuchError
        content = archive.extractfile(member)
        found[path] = content.read() if content else b""
        tops.add(top)
    if len(tops) != 1 or "Chart.yaml" not in found:
        return _refuse("holds no chart: one folder with a Chart.yaml should be in it")
    return found


def _refuse(what: str) -> Refused:
    return Refused(Reason.CHART_UNAVAILABLE, f"the packed chart {what}")

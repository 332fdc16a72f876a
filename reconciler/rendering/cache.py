"""Remembers answers, so that a second look at an unchanged repository renders nothing.

An answer is kept under the digest of everything that went in: all bytes of the request, and the
programs that answer it. What is rendered may hold secrets, so only this user may read it. The
cache may be deleted, damaged or shared at any time: what can't be read is rendered anew.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from reconciler import __version__
from reconciler.model import Reason, Refused
from reconciler.rendering.renderer import Identified
from reconciler.rendering.store import Store
from reconciler.source.render import Rendered, Request

_FORMAT: Final = b"render/v1\n"
_DIGEST: Final = hashlib.sha256().digest_size
_LONGEST_ANSWER: Final = 64 << 20
# They depend on the machine and the hour, and may be different the next time.
_NOT_KEPT: Final = frozenset({Reason.RENDER_LIMIT, Reason.MISSING_TOOL})

Answer = Rendered | Refused


class Cached:
    """A renderer that asks another only what it wasn't asked before."""

    def __init__(self, renderer: Identified, folder: Path, most_bytes: int = 256 << 20) -> None:
        self._renderer = renderer
        self._store = Store(folder, most_bytes)

    def render(self, request: Request) -> Answer:
        name = request_digest(request, self._renderer.identity(request))
        kept = self._kept(name)
        if kept is not None:
            return kept
        answer = self._renderer.render(request)
        if isinstance(answer, Rendered) or answer.reason not in _NOT_KEPT:
            self._store.write(name, _encoded(answer))
        return answer

    def _kept(self, name: str) -> Answer | None:
        data = self._store.read(name)
        answer = None if data is None else _decoded(data)
        if data is not None and answer is None:
            self._store.remove(name)
        return answer

    def identity(self, request: Request) -> str:
        return self._renderer.identity(request)


def request_digest(request: Request, renderer: str) -> str:
    """Equal for equal requests alone: every part is preceded by its kind and its length."""
    hashed = hashlib.sha256(_FORMAT)
    for part in _parts((__version__, type(request).__name__, renderer, *request)):
        hashed.update(part)
    return hashed.hexdigest()


def _parts(value: object) -> Iterator[bytes]:
    if isinstance(value, bytes):
        yield b"b%d:" % len(value)
        yield value
    elif isinstance(value, str):
        data = value.encode("utf-8", "surrogateescape")
        yield b"s%d:" % len(data)
        yield data
    elif isinstance(value, Mapping):
        yield b"m%d:" % len(value)
        for key in sorted(value):
            yield from _parts(key)
            yield from _parts(value[key])
    elif isinstance(value, tuple):
        yield b"t%d:" % len(value)
        for entry in value:
            yield from _parts(entry)
    else:
        yield f"v{value!r};".encode()


def _encoded(answer: Answer) -> bytes:
    body = zlib.compress(json.dumps([type(answer).__name__, *answer]).encode(), 1)
    return _FORMAT + hashlib.sha256(body).digest() + body


def _decoded(data: bytes) -> Answer | None:
    """None for whatever this program didn't write, or a disk has lost a part of."""
    at = len(_FORMAT) + _DIGEST
    body = data[at:]
    if data[:at] != _FORMAT + hashlib.sha256(body).digest():
        return None
    inflate = zlib.decompressobj()
    try:
        text = inflate.decompress(body, _LONGEST_ANSWER)
        kind, first, second = json.loads(text)
        if kind == Rendered.__name__:
            return Rendered(str(first), str(second))
        return Refused(Reason(str(first)), str(second)) if kind == Refused.__name__ else None
    except (ValueError, TypeError, zlib.error):
        return None

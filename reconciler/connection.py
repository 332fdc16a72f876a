"""HTTP requests whose time is bounded as a whole.

A server that sends a byte now and then is never late by a socket's measure, so a clock cuts the
connection. No redirect is followed: who asks decides where a token may go.
"""

from __future__ import annotations

import contextlib
import functools
import http.client
import socket
import ssl
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import urlsplit

_CHUNK: Final = 1 << 16


class Line:
    """The connections of one question, until its time is over."""

    def __init__(self, seconds: float) -> None:
        self.cut = False
        self._ends = time.monotonic() + seconds
        self._open: list[socket.socket] = []

    @property
    def left(self) -> float:
        """Seconds, and never none: a socket would take that for no bound at all."""
        return max(0.1, self._ends - time.monotonic())

    def connect(self, *where: Any, **how: Any) -> socket.socket:
        """A connection. Its double stays with the line, for TLS takes the first one over."""
        made = socket.create_connection(*where, **how)
        self._open.append(made.dup())
        if self.cut:
            self.end()
        return made

    def end(self) -> None:
        self.cut = True
        for each in self._open:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        for each in self._open:
            each.close()

    def read(self, answer: Any, most: int) -> bytes | None:
        """All of an answer; None when it is too much. Piece by piece, so that the clock is looked at."""
        body = bytearray()
        while piece := answer.read1(_CHUNK):
            body += piece
            if len(body) > most:
                return None
            if time.monotonic() > self._ends:
                raise TimeoutError
        if self.cut:
            raise TimeoutError
        if getattr(answer, "length", 0):
            raise ConnectionError("the answer breaks off")
        return bytes(body)


@contextmanager
def line(seconds: float) -> Iterator[Line]:
    """A line that is cut after so many seconds."""
    made = Line(seconds)
    try:
        with alarm(seconds, made.end):
            yield made
    finally:
        made.close()


@contextmanager
def alarm(seconds: float, act: Callable[[], None]) -> Iterator[None]:
    """Does something when that time is over, unless what is within is done before."""
    timer = threading.Timer(seconds, act)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()


def shown(url: str) -> str:
    """An address as it may be said: without a password, and without what was asked."""
    try:
        parts = urlsplit(url)
        bare = parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()
    except ValueError:
        return "an address that can't be read"
    return printable(bare)[:200]


def printable(text: str) -> str:
    """One line without what a terminal would obey, or what turns text around."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())


def opener(
    line: Line, context: ssl.SSLContext, proxies: Mapping[str, str] | None
) -> urllib.request.OpenerDirector:
    """Opens http and https on a line. `proxies` None: the environment's; NO_PROXY holds for either."""
    through = urllib.request.ProxyHandler(None if proxies is None else dict(proxies))
    return urllib.request.build_opener(through, _Handler(line, context), _NoRedirects())


class _Plain(http.client.HTTPConnection):
    def __init__(self, line: Line, host: str, **options: Any) -> None:
        super().__init__(host, **options)
        self._create_connection = line.connect


class _Secure(http.client.HTTPSConnection):
    def __init__(self, line: Line, host: str, **options: Any) -> None:
        super().__init__(host, **options)
        self._create_connection = line.connect


class _Handler(urllib.request.HTTPHandler, urllib.request.HTTPSHandler):
    """Both schemes, over connections that can be cut."""

    def __init__(self, line: Line, context: ssl.SSLContext) -> None:
        super().__init__()
        self._line = line
        self._trusted = context

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(functools.partial(_Plain, self._line), req)

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(functools.partial(_Secure, self._line), req, context=self._trusted)


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None

"""One GET, for JSON, with a token that goes to one address and nowhere else.

No redirect is followed: Argo CD's API makes none, so one is a wrong address in the settings. Time is
bounded as a whole: a server that sends a byte now and then would never be late by the socket's measure.
"""

from __future__ import annotations

import contextlib
import functools
import http.client
import json
import re
import socket
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from reconciler.model import Secret, Whose

_CHUNK: Final = 1 << 16
_MOST_WORDS: Final = 300
_MOST_COMPLAINT: Final = 1 << 16  # of an error's page, as much as may hold its message


class UnansweredError(Exception):
    """Why there is no answer, in words that hold nothing secret."""

    def __init__(self, words: str, status: int = 0, *, gone: bool = False) -> None:
        super().__init__(words)
        self.status = status
        self.gone = gone  # there was no whole answer: the next question might wait as long

    @property
    def whose(self) -> Whose:
        return Whose.THEIRS if self.gone or self.status == 429 or self.status >= 500 else Whose.YOURS


class Route(NamedTuple):
    """How the server is reached. `proxies` None: the environment's."""

    context: ssl.SSLContext
    proxies: Mapping[str, str] | None
    seconds: float


def get(url: str, token: Secret | None, route: Route, most: int) -> object:
    """The JSON at an address, of at most `most` bytes."""
    try:
        with _line(route.seconds) as line:
            body = _fetched(url, token, route, line, most)
    except (OSError, http.client.HTTPException, ValueError) as error:
        why = getattr(error, "reason", error)
        words = "it takes too long" if line.cut or isinstance(why, TimeoutError) else _said(why, token)
        raise UnansweredError(f"{shown(url)} can't be read: {words}", gone=True) from None
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise UnansweredError(_no_json(url, body)) from None


def shown(url: str) -> str:
    """An address as it may be said: without a password, and without what was asked."""
    try:
        parts = urlsplit(url)
        bare = parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()
    except ValueError:
        return "an address that can't be read"
    return printable(bare)[:200]


def printable(text: str) -> str:
    return " ".join(re.sub(r"[^\x20-\x7e\xa0-\ud7ff]", " ", text).split())


# -- the connection, and the clock that cuts it ----------------------------------------------------


class _Line:
    """The connections of one request."""

    def __init__(self) -> None:
        self.cut = False
        self._open: list[socket.socket] = []

    def hold(self, made: socket.socket) -> None:
        self._open.append(made)
        if self.cut:
            self.end()

    def end(self) -> None:
        self.cut = True
        for each in self._open:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


@contextmanager
def _line(seconds: float) -> Iterator[_Line]:
    line = _Line()
    timer = threading.Timer(seconds, line.end)
    timer.daemon = True
    timer.start()
    try:
        yield line
    finally:
        timer.cancel()


class _Plain(http.client.HTTPConnection):
    def __init__(self, line: _Line, host: str, **options: Any) -> None:
        super().__init__(host, **options)
        self._line = line

    def connect(self) -> None:
        super().connect()
        self._line.hold(self.sock)


class _Secure(http.client.HTTPSConnection):
    def __init__(self, line: _Line, host: str, **options: Any) -> None:
        super().__init__(host, **options)
        self._line = line

    def connect(self) -> None:
        super().connect()
        self._line.hold(self.sock)


class _Handler(urllib.request.HTTPHandler, urllib.request.HTTPSHandler):
    """Both schemes, over connections that can be cut."""

    def __init__(self, line: _Line, context: ssl.SSLContext) -> None:
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


# -- the answer ------------------------------------------------------------------------------------


def _fetched(url: str, token: Secret | None, route: Route, line: _Line, most: int) -> bytes:
    headers = {"User-Agent": "reconciler", "Accept": "application/json"}
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 (settings allow http and https)
    if token is not None:
        request.add_unredirected_header("Authorization", f"Bearer {token.reveal()}")
    proxies = urllib.request.ProxyHandler(None if route.proxies is None else dict(route.proxies))
    opener = urllib.request.build_opener(proxies, _Handler(line, route.context), _NoRedirects())
    ends = time.monotonic() + route.seconds
    try:
        with opener.open(request, timeout=route.seconds) as answer:
            body = _read(answer, most, line, ends)
    except urllib.error.HTTPError as error:
        with error:
            raise _refusal(url, error, token, line, ends) from None
    if body is None:
        raise UnansweredError(f"{shown(url)} sends more than {most >> 20} MiB")
    return body


def _read(answer: Any, most: int, line: _Line, ends: float) -> bytes | None:
    """All of it; None when it is too much. Piece by piece, so that the clock is looked at."""
    body = bytearray()
    while piece := answer.read1(_CHUNK):
        body += piece
        if len(body) > most:
            return None
        if time.monotonic() > ends:
            raise TimeoutError
    if line.cut:
        raise TimeoutError
    if getattr(answer, "length", 0):
        raise ConnectionError("the answer breaks off")
    return bytes(body)


def _refusal(
    url: str, error: urllib.error.HTTPError, token: Secret | None, line: _Line, ends: float
) -> UnansweredError:
    status, where = error.code, shown(url)
    if 300 <= status < 400:
        to = shown(error.headers.get("Location", ""))
        words = f"{where} leads on to {to}: put the address where Argo CD itself answers into the settings"
        return UnansweredError(words, status)
    if status == 401:
        wants = "does not take the token" if token is not None else "wants a token"
        return UnansweredError(f"{where} {wants} (401)", status)
    told = _message(_read(error, _MOST_COMPLAINT, line, ends), token)
    return UnansweredError(f"{where} answers {status}{f': {told}' if told else ''}", status)


def _message(body: bytes | None, token: Secret | None) -> str:
    """What Argo CD says of an error: `{"message": ...}`."""
    try:
        found = json.loads(body or b"")
    except (ValueError, RecursionError):
        return ""
    message = found.get("message") or found.get("error") if isinstance(found, dict) else None
    return _said(message, token) if isinstance(message, str) else ""


def _said(what: object, token: Secret | None) -> str:
    """Words of others, without our token, anyone's password, or what a terminal would obey."""
    text = str(what) or type(what).__name__
    if token is not None and token.reveal():
        text = text.replace(token.reveal(), "***")
    return re.sub(r"(?<=://)[^/\s]*@", "***@", printable(text))[:_MOST_WORDS]


def _no_json(url: str, body: bytes) -> str:
    if body.lstrip()[:1] == b"<":
        return (
            f"{shown(url)} is a web page, not Argo CD's API: the address in the settings lacks its root path"
        )
    return f"{shown(url)} answers with what is no JSON"

"""Requests to registries: kept alive, bounded in time and size, never redirected by themselves."""

from __future__ import annotations

import base64
import http.client
import socket
import ssl
import threading
import urllib.request
import zlib
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Final, NamedTuple
from urllib.parse import unquote, urlsplit

from reconciler.connection import alarm, printable, shown
from reconciler.model import Whose

_CHUNK: Final = 1 << 16
_IDLE: Final = 8  # connections kept for each origin
_PORTS: Final = {"http": 80, "https": 443}
_STALE: Final = (
    http.client.RemoteDisconnected,
    http.client.CannotSendRequest,
    BrokenPipeError,
    ConnectionResetError,
)


class UnreachableError(Exception):
    """There is no answer; the words say why, and whose turn it is."""

    def __init__(self, words: str, whose: Whose = Whose.THEIRS) -> None:
        super().__init__(words)
        self.words = words
        self.whose = whose


class NotAnImageError(UnreachableError):
    """There is an answer, and what a tag points to is something else."""


class MissingError(UnreachableError):
    """There is an answer, and it is that there is no such thing."""


class Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]  # names in lower case
    body: bytes


class Origin(NamedTuple):
    scheme: str
    host: str
    port: int


class _Question(NamedTuple):
    method: str
    url: str
    headers: Mapping[str, str]
    most: int  # bytes of the answer
    body: bytes | None


def origin(url: str) -> Origin:
    """Where an address leads; UnreachableError for one that no request can be sent to."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise UnreachableError("an address that can't be read") from None
    if parts.scheme not in _PORTS or not parts.hostname or parts.username is not None:
        raise UnreachableError(f"{shown(url)} is no address of a server")
    return Origin(parts.scheme, parts.hostname.lower(), port or _PORTS[parts.scheme])


class Wire:
    """Several threads may ask at the same time."""

    def __init__(
        self,
        trusted: Callable[[str], ssl.SSLContext],
        seconds: float = 30.0,
        proxies: Mapping[str, str] | None = None,
    ) -> None:
        """`trusted` has for each host whom to trust there. `proxies` None: the environment's."""
        self._trusted = trusted
        self._seconds = seconds
        self._proxies = proxies
        self._turn = threading.Lock()
        self._idle: dict[Origin, list[http.client.HTTPConnection]] = {}

    def ask(
        self, method: str, url: str, headers: Mapping[str, str], most: int, body: bytes | None = None
    ) -> Answer:
        where = origin(url)
        kept = self._kept(where)
        if kept is not None:
            with suppress(*_STALE):  # the server had closed it meanwhile
                return self._asked(kept, where, _Question(method, url, headers, most, body))
        fresh = self._opened(where, url)
        try:
            return self._asked(fresh, where, _Question(method, url, headers, most, body))
        except _STALE:
            raise UnreachableError(f"{shown(url)} breaks the connection off") from None

    def close(self) -> None:
        with self._turn:
            for some in self._idle.values():
                for each in some:
                    each.close()
            self._idle.clear()

    def _kept(self, where: Origin) -> http.client.HTTPConnection | None:
        with self._turn:
            some = self._idle.get(where)
            return some.pop() if some else None

    def _keep(self, where: Origin, connection: http.client.HTTPConnection) -> None:
        with self._turn:
            some = self._idle.setdefault(where, [])
            if len(some) < _IDLE:
                some.append(connection)
                return
        connection.close()

    def _asked(self, connection: http.client.HTTPConnection, where: Origin, asked: _Question) -> Answer:
        url, most = asked.url, asked.most
        late = threading.Event()

        def cut() -> None:
            late.set()
            if connection.sock is not None:
                with suppress(OSError):
                    connection.sock.shutdown(socket.SHUT_RDWR)

        try:
            with alarm(self._seconds, cut):
                answer, body = _told(connection, self._target(where, url), asked)
        except _STALE as error:
            connection.close()
            if late.is_set() or isinstance(error, ConnectionRefusedError):
                raise UnreachableError(_why(url, error, late=late.is_set())) from None
            raise
        except (OSError, http.client.HTTPException, ValueError) as error:
            connection.close()
            raise UnreachableError(_why(url, error, late=late.is_set()), _whose(error)) from None
        if late.is_set():
            connection.close()
            raise UnreachableError(f"{shown(url)} takes too long")
        if body is None:
            connection.close()
            raise UnreachableError(f"{shown(url)} is larger than the {most >> 10} KiB that are read of it")
        if answer.will_close:
            connection.close()
        else:
            self._keep(where, connection)
        return _unpacked(Answer(answer.status, _headers(answer.getheaders()), body), asked)

    # -- connections ------------------------------------------------------------------------------

    def _target(self, where: Origin, url: str) -> str:
        """What stands in the request line: through a proxy of plain HTTP the whole address."""
        parts = urlsplit(url)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        if where.scheme == "http" and self._proxy(where):
            return f"http://{_host(where)}{path}"
        return path

    def _proxy(self, where: Origin) -> str:
        if urllib.request.proxy_bypass(where.host):
            return ""
        found = urllib.request.getproxies() if self._proxies is None else self._proxies
        return found.get(where.scheme) or found.get("all") or ""

    def _opened(self, where: Origin, url: str) -> http.client.HTTPConnection:
        through = self._proxy(where)
        if not through:
            return self._to(where)
        parts = urlsplit(through if "//" in through else f"http://{through}")
        if parts.scheme not in _PORTS or not parts.hostname:
            raise UnreachableError(
                f"{shown(url)} can't be reached: only proxies over http and https are known", Whose.YOURS
            )
        proxy = Origin(parts.scheme, parts.hostname, parts.port or _PORTS[parts.scheme])
        made = self._to(proxy) if where.scheme == "http" else http.client.HTTPSConnection(
            proxy.host, proxy.port, timeout=self._seconds, context=self._trusted(where.host)
        )  # fmt: skip
        if where.scheme == "https":
            made.set_tunnel(where.host, where.port, _proxy_login(parts.username, parts.password))
        return made

    def _to(self, where: Origin) -> http.client.HTTPConnection:
        if where.scheme == "http":
            return http.client.HTTPConnection(where.host, where.port, timeout=self._seconds)
        context = self._trusted(where.host)
        return http.client.HTTPSConnection(where.host, where.port, timeout=self._seconds, context=context)


def _told(
    connection: http.client.HTTPConnection, target: str, asked: _Question
) -> tuple[http.client.HTTPResponse, bytes | None]:
    usual = {"User-Agent": "reconciler", "Accept-Encoding": "identity"}
    connection.request(asked.method, target, body=asked.body, headers={**usual, **asked.headers})
    answer = connection.getresponse()
    body = bytearray()
    while piece := answer.read1(_CHUNK):
        body += piece
        if len(body) > asked.most:
            return answer, None
    if answer.length and asked.method != "HEAD":
        raise ConnectionError("the answer breaks off")
    answer.close()  # read to its end, it leaves its connection to the next
    return answer, bytes(body)


def _headers(said: Iterable[tuple[str, str]]) -> Mapping[str, str]:
    """One of each name: a registry may want one of two logins, each in a header of its own."""
    found: dict[str, str] = {}
    for name, value in said:
        known = found.get(name.lower())
        found[name.lower()] = value if known is None else f"{known}, {value}"
    return found


def _unpacked(answer: Answer, asked: _Question) -> Answer:
    """Some pack what nobody asked them to pack; what comes out is bounded as what goes in."""
    if (
        answer.headers.get("content-encoding", "").strip().lower() not in ("gzip", "x-gzip")
        or not answer.body
    ):
        return answer
    opener = zlib.decompressobj(wbits=31)
    try:
        body = opener.decompress(answer.body, asked.most + 1)
    except zlib.error:
        raise UnreachableError(f"{shown(asked.url)} answers with gzip that is broken") from None
    if len(body) > asked.most:
        raise UnreachableError(
            f"{shown(asked.url)} is larger than the {asked.most >> 10} KiB that are read of it"
        )
    if not opener.eof:
        raise UnreachableError(f"{shown(asked.url)} breaks off")
    return answer._replace(body=body)


def _proxy_login(user: str | None, password: str | None) -> dict[str, str]:
    if not user:
        return {}
    pair = f"{unquote(user)}:{unquote(password or '')}".encode()
    return {"Proxy-Authorization": f"Basic {base64.b64encode(pair).decode()}"}


def _host(where: Origin) -> str:
    name = f"[{where.host}]" if ":" in where.host else where.host
    return name if where.port == _PORTS[where.scheme] else f"{name}:{where.port}"


def _why(url: str, error: Exception, *, late: bool) -> str:
    """Never the error's own words where they could repeat what was asked."""
    if late or isinstance(error, TimeoutError):
        return f"{shown(url)} takes too long"
    if isinstance(error, ssl.SSLCertVerificationError):
        why = printable(str(error.verify_message))[:200]
        return f"the certificate of {shown(url)} is not accepted ({why}); name its authority with caBundle"
    if isinstance(error, ssl.SSLError):
        return f"no https is spoken at {shown(url)} ({printable(error.reason or 'no reason given')[:100]})"
    if isinstance(error, socket.gaierror):
        return f"{shown(url)} can't be reached: the name of its host can't be resolved"
    if isinstance(error, OSError):
        return f"{shown(url)} can't be reached: {printable(error.strerror or str(error))[:100]}"
    return f"{shown(url)} answers in a way that is no HTTP ({type(error).__name__})"


def _whose(error: Exception) -> Whose:
    yours = isinstance(error, ssl.SSLError | socket.gaierror)
    return Whose.YOURS if yours else Whose.THEIRS

"""Requests whose time and size are bounded, whoever makes them of the session.

The bounds lie in the adapter, below all that asks: a server that sends a byte now and then, more
than anyone can hold, or a little that unpacks to a lot, is cut off.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.utils import get_environ_proxies, should_bypass_proxies
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from reconciler.connection import alarm
from reconciler.errors import Misconfigured
from reconciler.model import Whose
from reconciler.usage.prometheus.unanswered import Kind, UnansweredError, printable, shown

_PROXIES: Final = "only proxies over http and https are known"
_NO_TLS: Final = frozenset({"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"})
_PIECE: Final = 1 << 18
_MOST_COMPLAINT: Final = 1 << 16  # of an error's page, as much as may hold its message
_CONNECT: Final = 10.0  # seconds
_LONG: Final = 5.0  # seconds after which a server was busy with the question, not out of reach
_MIB: Final = 1 << 20
_TELLING: Final = 1 << 18  # bytes of an answer that tell how fast the link is
_SLOW: Final = 4 * _MIB  # bytes a second below which packing an answer takes less time than sending it


class Bounds(NamedTuple):
    """Of one request. Without a proxy here, the environment's hold; NO_PROXY holds for either."""

    seconds: float
    most: int  # bytes, unpacked
    proxy: str = ""


def trusted(ca_bundle: Path | None, certificate: Path | None, key: Path | None) -> ssl.SSLContext:
    """Whom to trust, and as whom to appear."""
    try:
        context = ssl.create_default_context(cafile=str(ca_bundle) if ca_bundle else None)
    except (OSError, ssl.SSLError) as error:
        words = f"the CA bundle can't be read: {error.strerror or 'it holds no certificate in PEM format'}."
        raise Misconfigured("settings", words, path=str(ca_bundle)) from None
    if certificate is not None:
        try:
            # An empty password, or OpenSSL would ask the terminal for one.
            context.load_cert_chain(certificate, key, password=lambda: "")
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) if not isinstance(error, ssl.SSLError) else None
            fault = "certificate and key are not an unencrypted pair in PEM format"
            words = f"the client certificate can't be used: {why or fault}."
            raise Misconfigured("settings", words, path=str(certificate)) from None
    return context


class Clock:
    """Cuts the connections of one request when its time is over."""

    def __init__(self, seconds: float) -> None:
        self.over = False
        self.asked = False  # whether the server has the question
        self.began = time.monotonic()
        self.seconds = seconds
        self._turn = threading.Lock()
        self._ends: list[socket.socket] = []

    @property
    def spent(self) -> float:
        return time.monotonic() - self.began

    def watch(self, connection: socket.socket) -> None:
        """A double is kept: TLS takes a socket over, and an answer outlives its connection."""
        with self._turn:
            self._ends.append(connection.dup())
            if self.over:
                self._shut()

    def cut(self) -> None:
        with self._turn:
            self.over = True
            self._shut()

    def close(self) -> None:
        with self._turn:
            for each in self._ends:
                each.close()
            self._ends.clear()

    def _shut(self) -> None:
        for each in self._ends:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


class _Watched(HTTPConnection):
    """A connection under the clock of the request that uses it."""

    current: threading.local
    _double: socket.socket | None = None

    def _new_conn(self) -> socket.socket:
        made = super()._new_conn()
        self._double = made.dup()
        self.current.clock.watch(self._double)
        return made

    def request(self, *words: Any, **options: Any) -> None:
        if self._double is not None:
            self.current.clock.watch(self._double)
        super().request(*words, **options)
        self.current.clock.asked = True

    def close(self) -> None:
        super().close()
        if self._double is not None:
            self._double.close()
            self._double = None


class _WatchedTLS(_Watched, HTTPSConnection):
    pass


class Bounded(HTTPAdapter):
    """Reads each answer as a whole, within its bounds; raises UnansweredError where there is none."""

    def __init__(self, bounds: Bounds, context: ssl.SSLContext, pool: int) -> None:
        self._bounds = bounds
        self._context = context
        self._current = threading.local()
        self._turn = threading.Lock()
        self._slow = False
        self._received = 0
        own = {"current": self._current}
        plain = type("Plain", (HTTPConnectionPool,), {"ConnectionCls": type("Way", (_Watched,), own)})
        secure = type("Secure", (HTTPSConnectionPool,), {"ConnectionCls": type("Way", (_WatchedTLS,), own)})
        self._pools = {"http": plain, "https": secure}
        super().__init__(pool_connections=2, pool_maxsize=pool, max_retries=0)
        self.poolmanager.pool_classes_by_scheme = self._pools

    @property
    def received(self) -> int:
        """Bytes of all answers, as they were sent."""
        return self._received

    # What requests would choose: certifi's authorities, and the environment's.

    def build_connection_pool_key_attributes(self, request: Any, verify: Any, cert: Any = None) -> Any:
        where, _ = super().build_connection_pool_key_attributes(request, True)
        return where, {"ssl_context": self._context} if where["scheme"] == "https" else {}

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """The context has it all."""

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        if not proxy.lower().startswith(("http://", "https://")):
            raise ValueError(_PROXIES)
        manager = super().proxy_manager_for(proxy, proxy_ssl_context=self._context, **options)
        manager.pool_classes_by_scheme = self._pools
        return manager

    def add_headers(self, request: Any, **_: Any) -> None:
        request.headers["Accept-Encoding"] = "gzip" if self._slow else "identity"

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: Any = True,
        cert: Any = None,
        proxies: Any = None,
    ) -> requests.Response:
        url = request.url or ""
        seconds = float(timeout) if isinstance(timeout, int | float) else self._bounds.seconds
        with _clock(seconds) as clock:
            self._current.clock = clock
            try:
                # While an answer is waited for, the clock comes first.
                waits = (min(_CONNECT, seconds), seconds + 5)
                answer = super().send(request, True, waits, True, None, self._proxies(url))
                try:
                    self._take(url, answer, clock)
                except BaseException:
                    answer.raw.close()  # what is left of it must not reach the next answer
                    raise
            except (requests.RequestException, urllib3.exceptions.HTTPError, http.client.HTTPException,
                    OSError, ValueError, zlib.error) as error:  # fmt: skip
                raise _gone(url, error, clock) from None
        return answer

    def _proxies(self, url: str) -> dict[str, str]:
        if not self._bounds.proxy:
            return get_environ_proxies(url)
        if should_bypass_proxies(url, no_proxy=None):
            return {}
        return {"http": self._bounds.proxy, "https": self._bounds.proxy}

    def _take(self, url: str, answer: requests.Response, clock: Clock) -> None:
        """The answer's body, whole."""
        status = answer.status_code
        if 300 <= status < 400:
            raise _leads_on(url, answer.headers.get("Location", ""))
        packed = answer.headers.get("Content-Encoding", "").strip().lower()
        if packed not in ("", "identity", "gzip", "x-gzip"):
            raise UnansweredError(
                Kind.BROKEN, f"{_server(url)} packs its answer in a way that was not asked for"
            )
        most = self._bounds.most if status == 200 else _MOST_COMPLAINT
        begun, sent = time.monotonic(), 0
        unpacked = _Unpacked(most, gzip=packed.endswith("gzip"))
        while piece := answer.raw.read(_PIECE, decode_content=False):
            sent += len(piece)
            if not unpacked.take(piece) or sent > most:
                if status != 200:
                    answer.raw.close()
                    break
                words = f"{_server(url)} sends more than {most // _MIB or 1} MiB for one question"
                raise UnansweredError(Kind.TOO_MUCH, words)
        if clock.over:
            raise TimeoutError
        if status == 200:
            unpacked.finish()
        answer._content = unpacked.body()
        answer._content_consumed = True
        answer.raw.release_conn()
        self._note(sent, time.monotonic() - begun)

    def _note(self, sent: int, seconds: float) -> None:
        with self._turn:
            self._received += sent
            if sent >= _TELLING and sent / max(seconds, 1e-6) < _SLOW:
                self._slow = True


class _Unpacked:
    """A body as it grows, no larger than it may become."""

    def __init__(self, most: int, *, gzip: bool) -> None:
        self._left = most
        self._pieces: list[bytes] = []
        self._unpack = zlib.decompressobj(16 + zlib.MAX_WBITS) if gzip else None

    def take(self, piece: bytes) -> bool:
        """False when it is too much."""
        if self._unpack is None:
            return self._add(piece)
        while piece:
            if not self._add(self._unpack.decompress(piece, min(self._left + 1, 16 * _MIB))):
                return False
            piece = self._unpack.unconsumed_tail
        return True

    def finish(self) -> None:
        if self._unpack is not None and not self._unpack.eof:
            raise ConnectionError("the answer breaks off")

    def body(self) -> bytes:
        return b"".join(self._pieces)

    def _add(self, piece: bytes) -> bool:
        self._left -= len(piece)
        self._pieces.append(piece)
        return self._left >= 0


@contextmanager
def _clock(seconds: float) -> Iterator[Clock]:
    made = Clock(seconds)
    try:
        with alarm(seconds, made.cut):
            yield made
    finally:
        made.close()


# -- why there is no answer ------------------------------------------------------------------------


def _server(url: str) -> str:
    return shown(url.partition("/api/v1/")[0])


def _leads_on(url: str, location: str) -> UnansweredError:
    try:
        parts = urlsplit(location)
        host = parts.netloc.rpartition("@")[2]
        to = printable(f"{parts.scheme}://{host}")[:100] if host else "another path"
    except ValueError:
        to = "an address that can't be read"
    words = (
        f"{_server(url)} leads on to {to}: put the address where the server itself answers into the settings"
    )
    return UnansweredError(Kind.BROKEN, words, Whose.YOURS)


def _gone(url: str, error: BaseException, clock: Clock) -> UnansweredError:
    where = _server(url)
    chain = list(_causes(error))
    if clock.over and clock.asked:
        words = f"{where} takes more than {clock.seconds:.0f} seconds for one question"
        return UnansweredError(Kind.TOO_MUCH, words)
    if clock.over:
        return UnansweredError(Kind.GONE, f"{where} can't be reached: nobody answers")
    for each in chain:
        if isinstance(each, ssl.SSLError) and (not clock.asked or "ALERT" in (each.reason or "")):
            return UnansweredError(Kind.GONE, f"{where} can't be trusted: {_tls(each)}", Whose.YOURS)
    for each in chain:
        if isinstance(each, socket.gaierror):
            words = "the name of its host can't be resolved"
            return UnansweredError(Kind.GONE, f"{where} can't be reached: {words}", Whose.YOURS)
    if any(
        isinstance(each, requests.exceptions.ProxyError | urllib3.exceptions.ProxyError) for each in chain
    ):
        words = f"the proxy does not lead there: {_said(chain)}"
        return UnansweredError(Kind.GONE, f"{where} can't be reached: {words}", Whose.YOURS)
    if _PROXIES in error.args:
        return UnansweredError(Kind.GONE, f"{where} can't be reached: {_PROXIES}", Whose.YOURS)
    if not clock.asked:
        return UnansweredError(Kind.GONE, f"{where} can't be reached: {_said(chain)}")
    if clock.spent >= _LONG:
        words = f"{where} breaks the connection off after {clock.spent:.0f} seconds"
        return UnansweredError(Kind.TOO_MUCH, words)
    return UnansweredError(Kind.GONE, f"{where} breaks the connection off")


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error and those within it; libraries put them in different places."""
    waiting, seen = [error], set[int]()
    while waiting:
        each = waiting.pop(0)
        if id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        inner = [getattr(each, "reason", None), each.__cause__, each.__context__, *each.args]
        waiting += [one for one in inner if isinstance(one, BaseException)]


def _tls(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        why = printable(str(error.verify_message))[:200]
        return f"its certificate is not accepted ({why}); name its authority with caBundle"
    if error.reason in _NO_TLS:
        return "no https is spoken there: does its address begin with http://?"
    return f"the encrypted connection fails ({printable(error.reason or 'no reason given')[:100]})"


def _said(chain: list[BaseException]) -> str:
    """Never an error's own words: they repeat the address, and what was asked."""
    for each in chain:
        if isinstance(each, ConnectionRefusedError):
            return "the connection is refused"
    for each in chain:
        if isinstance(each, TimeoutError | requests.Timeout):
            return "nobody answers"
    found = [each.strerror for each in chain if isinstance(each, OSError) and each.strerror]
    return printable(str(found[-1]))[:100] if found else "the connection fails"

"""A metrics server that answers as it is told to: well, slowly, endlessly, or not at all."""

from __future__ import annotations

import json
import ssl
import threading
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

Way = Callable[["Handler"], None]


@dataclass
class Asked:
    method: str
    path: str
    form: dict[str, list[str]]
    headers: dict[str, str]
    line: str  # as it was written
    at: float
    until: float = 0.0


@dataclass
class Sick:
    """Attributes may be changed between requests."""

    url: str
    ways: list[Way] = field(default_factory=list)  # one after the other; the last one stays
    asked: list[Asked] = field(default_factory=list)
    sent: int = 0  # bytes of bodies
    turn: threading.Lock = field(default_factory=threading.Lock)

    def does(self, *ways: Way) -> None:
        self.ways = list(ways)

    @property
    def most_at_once(self) -> int:
        return max(
            sum(one.at <= other.at < one.until for one in self.asked) for other in self.asked
        )  # fmt: skip


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    sick: Sick
    asked: Asked

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self._answer(parse_qs(urlsplit(self.path).query, keep_blank_values=True))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self._answer(parse_qs(body.decode(), keep_blank_values=True))

    def _answer(self, form: dict[str, list[str]]) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        path = urlsplit(self.path).path
        self.asked = Asked(self.command, path, form, headers, self.requestline, time.monotonic())
        with self.sick.turn:
            self.sick.asked.append(self.asked)
            way = self.sick.ways.pop(0) if len(self.sick.ways) > 1 else self.sick.ways[0]
        try:
            way(self)
        finally:
            self.asked.until = time.monotonic()

    def head(self, status: int, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def pour(self, piece: bytes) -> None:
        with self.sick.turn:  # counted before: who has read the last byte may ask at once for the sum
            self.sick.sent += len(piece)
        self.wfile.write(piece)


# -- ways to answer --------------------------------------------------------------------------------


def says(body: object, status: int = 200, **headers: str) -> Way:
    """Text as it is, bytes as they are, anything else as JSON. `Retry_After` is a header."""
    raw = body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else _json(body)
    named = {name.replace("_", "-"): value for name, value in headers.items()}

    def way(handler: Handler) -> None:
        handler.head(status, {"Content-Length": str(len(raw)), **named})
        handler.pour(raw)

    return way


def fails(status: int, error: str, kind: str = "execution", **headers: str) -> Way:
    return says({"status": "error", "errorType": kind, "error": error}, status, **headers)


def matrix(
    *series: tuple[Mapping[str, str], Sequence[tuple[float, str]]], **more: object
) -> dict[str, object]:
    result = [{"metric": labels, "values": [list(point) for point in points]} for labels, points in series]
    return {"status": "success", "data": {"resultType": "matrix", "result": result}, **more}


def vector(*samples: tuple[Mapping[str, str], float, str], **more: object) -> dict[str, object]:
    result = [{"metric": labels, "value": [time_, value]} for labels, time_, value in samples]
    return {"status": "success", "data": {"resultType": "vector", "result": result}, **more}


def slowly(seconds: float, way: Way) -> Way:
    def later(handler: Handler) -> None:
        time.sleep(seconds)
        way(handler)

    return later


def drips_its_head(handler: Handler) -> None:
    """A byte now and then, which no socket's patience ever ends."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
    while True:
        handler.wfile.write(b"a")
        time.sleep(0.02)


def drips_its_body(handler: Handler) -> None:
    handler.head(200, {"Transfer-Encoding": "chunked"})
    while True:
        handler.wfile.write(b"1\r\n \r\n")
        time.sleep(0.02)


def drips_and_wants_to_close(handler: Handler) -> None:
    """The client closes its connection at once, and reads on."""
    handler.head(200, {"Connection": "close"})
    while True:
        handler.pour(b" ")
        time.sleep(0.02)


def says_nothing(handler: Handler) -> None:
    time.sleep(5)
    handler.close_connection = True


def hangs_up(handler: Handler) -> None:
    handler.close_connection = True
    handler.connection.close()


def breaks_off(handler: Handler) -> None:
    handler.head(200, {"Content-Length": "1000"})
    handler.pour(b'{"status":"success"')
    handler.close_connection = True


def pours(size: int) -> Way:
    def way(handler: Handler) -> None:
        handler.head(200, {"Content-Length": str(size)})
        piece = b" " * (1 << 16)
        for _ in range(size >> 16):
            handler.pour(piece)

    return way


def trickles(way_body: object, seconds: float) -> Way:
    """A whole answer over a slow link; packed where that is asked for."""
    plain = _json(way_body)

    def way(handler: Handler) -> None:
        packed = "gzip" in handler.asked.headers.get("accept-encoding", "")
        raw = gzipped(plain) if packed else plain
        handler.head(
            200, {"Content-Length": str(len(raw)), **({"Content-Encoding": "gzip"} if packed else {})}
        )
        pieces = 20
        for index in range(pieces):
            handler.pour(raw[len(raw) * index // pieces : len(raw) * (index + 1) // pieces])
            time.sleep(seconds / pieces)

    return way


def unpacks_to(size: int) -> Way:
    """Little that becomes a lot."""
    return says(gzipped(b" " * size), Content_Encoding="gzip")


def gzipped(plain: bytes) -> bytes:
    packer = zlib.compressobj(6, zlib.DEFLATED, 31)
    return packer.compress(plain) + packer.flush()


def _json(body: object) -> bytes:
    return json.dumps(body, separators=(",", ":")).encode()


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is what tests are about."""


def start(*, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None):
    """The running server and what ends it."""
    sick = Sick("")
    server = _Quiet(("127.0.0.1", 0), type("Handler", (Handler,), {"sick": sick}))
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    sick.url = f"{'https' if tls else 'http'}://{host}:{server.server_address[1]}"
    sick.does(says(vector()))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()

    def stop() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    return sick, stop

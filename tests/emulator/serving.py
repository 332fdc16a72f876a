"""The HTTP side: one port for git and for the APIs of all dialects."""

from __future__ import annotations

import base64
import json
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple, Protocol
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

from . import git
from .clock import Clock
from .faults import WRITES, Faults, Limits
from .records import Refused, Right, Role, Token
from .repository import Repository
from .store import Store


@dataclass
class Asked:
    """One request as it arrived, and what became of it."""

    method: str
    path: str  # as it was sent, still encoded
    query_text: str
    headers: dict[str, str]  # names in lower case
    body: bytes
    at: int  # virtual time
    status: int = 0  # of the answer; 0: it was lost
    params: dict[str, str] = field(default_factory=dict)  # from the route, decoded

    @property
    def query(self) -> dict[str, list[str]]:
        return parse_qs(self.query_text, keep_blank_values=True)

    def one(self, name: str, default: str = "") -> str:
        """A parameter of the query."""
        return self.query.get(name, [default])[-1]

    @property
    def json(self) -> Any:
        """The body; {} for none. A broken one is the client's fault."""
        try:
            return json.loads(self.body) if self.body else {}
        except ValueError:
            raise Refused("invalid", "problems parsing JSON") from None

    @property
    def is_write(self) -> bool:
        return self.method in WRITES and not git.claims(self.path)

    @property
    def credential(self) -> str:
        """The token that was shown, in any header in which forges take one; "" for none."""
        for name in ("private-token", "job-token"):
            if name in self.headers:
                return self.headers[name]
        kind, _, text = self.headers.get("authorization", "").partition(" ")
        if kind.lower() == "basic":
            user, _, password = base64.b64decode(text).decode().partition(":")
            return password if password not in ("", "x-oauth-basic") else user
        return text.strip() if kind.lower() in ("bearer", "token") else ""


class Answer(NamedTuple):
    status: int
    body: Any = None  # bytes as they are; anything else as JSON; None for no body
    headers: Mapping[str, str] = {}


Handler = Callable[[Asked], Answer]


class Routes:
    """`@routes("GET", "/repos/{owner}/{repo}/pulls")`. A `{name}` is one piece between slashes as it
    was sent (so `group%2Fproject` is one); `{name+}` may hold slashes. Pieces arrive decoded."""

    def __init__(self, prefix: str = "") -> None:
        self.prefix = prefix
        self._known: list[tuple[str, re.Pattern[str], Callable[..., Answer]]] = []

    def __call__(self, method: str, pattern: str) -> Callable[[Callable[..., Answer]], Callable[..., Answer]]:
        words = re.split(r"\{(\w+\+?)\}", self.prefix + pattern)
        source = "".join(_piece(word) if odd % 2 else re.escape(word) for odd, word in enumerate(words))

        def known(function: Callable[..., Answer]) -> Callable[..., Answer]:
            self._known.append((method, re.compile(source), function))
            return function

        return known

    def find(self, asked: Asked) -> tuple[Callable[..., Answer] | None, bool]:
        """What answers this request, and whether the path is known at all. Fills in `asked.params`."""
        is_known = False
        for method, pattern, function in self._known:
            match = pattern.fullmatch(asked.path.rstrip("/"))
            if match is None:
                continue
            is_known = True
            if method == asked.method:
                asked.params = {name: unquote(text) for name, text in match.groupdict().items()}
                return function, True
        return None, is_known


def _piece(name: str) -> str:
    return f"(?P<{name.rstrip('+')}>{'.+' if name.endswith('+') else '[^/]+'})"


class Dialect(Protocol):
    """One forge's API. `answer` is called with the store's turn held, after `settle`."""

    def claims(self, path: str) -> bool: ...

    def answer(self, emulator: Emulator, asked: Asked, token: Token | None) -> Answer: ...

    def limited(self, asked: Asked, seconds: int) -> Answer:
        """Too many requests, in this forge's words."""


class Lost(Exception):  # noqa: N818
    """The connection breaks off instead of an answer."""


class Emulator:
    """A forge that runs. `start()` gives one; everything about it may be changed while it does."""

    def __init__(self, store: Store, dialects: Iterable[Dialect] = ()) -> None:
        self.store = store
        self.dialects = list(dialects)
        self.faults = Faults()
        self.limits = Limits()
        self.log: list[Asked] = []
        self._accepted: dict[str, tuple[list[int], list[int]]] = {}  # by credential: when; writes among them
        self.url = ""
        self.check: Callable[[Asked, Answer], None] | None = None  # a look at each exchange of an API
        self.broken: list[BaseException] = []  # errors of the emulator itself: a test should find none
        self._stop: Callable[[], None] = lambda: None

    @property
    def clock(self) -> Clock:
        return self.store.clock

    # -- what tests ask ---------------------------------------------------------------------------

    def writes(self, path: str = "") -> list[Asked]:
        """Requests to an API that change something, in order; those whose path has this in it."""
        return [each for each in self.log if each.is_write and re.search(path, each.path)]

    def secrets_in_urls(self) -> list[str]:
        """Addresses that hold a token: there must be none."""
        asked = [f"{each.path}?{each.query_text}" for each in self.log]
        return [url for url in asked if any(text in unquote(url) for text in self.store.tokens)]

    def git_url(self, repository: Repository) -> str:
        return f"{self.url}/{repository.path}.git"

    # -- answering --------------------------------------------------------------------------------

    def serve(self, asked: Asked) -> Answer:
        self.log.append(asked)
        rules = self.faults.met(asked)
        for rule in rules:
            if rule.kind == "act-before" and rule.act:
                rule.act(asked)
        for rule in rules:
            if rule.kind == "before":
                return self._done(asked, Answer(rule.status, rule.body, rule.headers))
        answer = self._answer(asked)
        for rule in rules:
            if rule.kind == "act-after" and rule.act:
                rule.act(asked)
        for rule in rules:
            if rule.kind == "lose":
                raise Lost
            if rule.kind == "after":
                answer = Answer(rule.status, rule.body, rule.headers)
        return self._done(asked, answer)

    def _done(self, asked: Asked, answer: Answer) -> Answer:
        asked.status = answer.status
        return answer

    def _answer(self, asked: Asked) -> Answer:
        dialect = next((each for each in self.dialects if each.claims(asked.path)), None)
        if dialect is None:
            if git.claims(asked.path):
                return git.serve(self, asked)
            return Answer(404, {"message": "Not Found"})
        with self.store.turn:
            seconds = self._wait(asked)
            if seconds:
                return dialect.limited(asked, seconds)
            self.store.settle()
            answer = dialect.answer(self, asked, self.store.holder(asked.credential))
            self.store.settle()
        if self.check is not None:
            self.check(asked, answer)
        return answer

    def _wait(self, asked: Asked) -> int:
        """Seconds that the limits make this request wait; it counts when there are none."""
        times, writes = self._accepted.setdefault(asked.credential, ([], []))
        seconds = self.limits.wait(times, writes, self.clock(), write=asked.is_write)
        if not seconds:
            times.append(self.clock())
            if asked.is_write:
                writes.append(self.clock())
        return seconds

    # -- help for dialects ------------------------------------------------------------------------

    def found(
        self, token: Token | None, path: str, role: Role = Role.READ, right: Right = Right.READ
    ) -> Repository:
        """The repository, if this token may do that there: a stranger isn't even told that it exists."""
        repository = self.store.repositories.get(path)
        if repository is None or not self.store.may(token, repository, Role.READ, Right.READ):
            raise Refused("not-found", "Not Found")
        if not self.store.may(token, repository, role, right):
            raise Refused("forbidden", "you may not do that here")
        return repository

    def page(
        self,
        asked: Asked,
        all_of_them: list[Any],
        size_name: str = "per_page",
        usual: int = 30,
        most: int = 100,
    ) -> tuple[list[Any], dict[str, str]]:
        """One page of a list, and the headers that lead to the others (`Link`, `X-Total-Count`)."""
        size = max(1, min(int(asked.one(size_name) or usual), most))
        if self.faults.page_size:
            size = min(size, self.faults.page_size)
        number = max(1, int(asked.one("page") or 1))
        pages = max(1, -(-len(all_of_them) // size))
        links = {"first": 1, "prev": number - 1, "next": number + 1, "last": pages}
        wanted = {name: at for name, at in links.items() if 1 <= at <= pages and at != number}
        there = ", ".join(f'<{self._page_url(asked, at)}>; rel="{name}"' for name, at in wanted.items())
        headers = {"X-Total-Count": str(len(all_of_them)), "X-Page": str(number), "X-Per-Page": str(size)}
        if there:
            headers["Link"] = there
        return all_of_them[(number - 1) * size : number * size], headers

    def _page_url(self, asked: Asked, number: int) -> str:
        words = {**{name: texts[-1] for name, texts in asked.query.items()}, "page": str(number)}
        return f"{self.url}{asked.path}?{urlencode(words)}"

    # -- running ----------------------------------------------------------------------------------

    def stop(self) -> None:
        self._stop()

    def __enter__(self) -> Emulator:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    emulator: Emulator

    def log_message(self, *_: object) -> None:
        pass

    def date_time_string(self, timestamp: float | None = None) -> str:
        """The `Date` of answers is of virtual time, too: limits end by it."""
        return super().date_time_string(self.emulator.clock() if timestamp is None else timestamp)

    def _serve(self) -> None:
        parts = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        at = self.emulator.clock()
        asked = Asked(self.command, parts.path, parts.query, headers, self._body(), at)
        try:
            self._send(self.emulator.serve(asked))
        except Lost:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
        except Exception as error:  # whatever it is, a test must hear of it
            self.emulator.broken.append(error)
            self._send(Answer(500, {"message": f"the emulator is broken: {error!r}"}))
            raise

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _serve  # noqa: N815

    def _body(self) -> bytes:
        if self.headers.get("transfer-encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("content-length") or 0))
        parts = []
        while size := int(self.rfile.readline().strip() or b"0", 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _send(self, answer: Answer) -> None:
        is_plain = isinstance(answer.body, bytes)
        content = (
            answer.body if is_plain else b"" if answer.body is None else json.dumps(answer.body).encode()
        )
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if not is_plain:
            self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that break off are what tests are about; our own errors are in `broken`."""


def start(
    root: Path,
    dialects: Iterable[Dialect] = (),
    *,
    kind: str = "github",
    clock: Clock | None = None,
    host: str = "127.0.0.1",
    port: int = 0,
    tls: ssl.SSLContext | None = None,
) -> Emulator:
    """A running forge, whose new repositories lie below `root`. `kind`: whose habits it has."""
    emulator = Emulator(Store(root, clock, kind), dialects)
    server = _Quiet(("127.0.0.1", port), type("Handler", (_Handler,), {"emulator": emulator}))
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    emulator.url = f"{'https' if tls else 'http'}://{host}:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()

    def stop() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    emulator._stop = stop
    return emulator

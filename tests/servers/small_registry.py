"""A small registry within the tests' own process, and a server of tokens: for what the real one doesn't do.

It knows pages, limits, referrers, redirects and faults, and keeps account of every request.
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

from servers.registries import Blob, Built


class Asked(NamedTuple):
    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def form(self) -> Mapping[str, list[str]]:
        return parse_qs(self.body.decode())

    @property
    def key(self) -> str:
        return self.headers.get("authorization", "")


class Said(NamedTuple):
    status: int
    body: bytes = b""
    headers: Mapping[str, str] = {}


class Memory(dict[str, bytes]):
    """What a client has read of digests before."""

    def put(self, digest: str, body: bytes) -> None:
        self[digest] = body


@dataclass
class SmallRegistry:
    """Attributes may be changed between two requests."""

    url: str = ""
    tags: dict[str, dict[str, Blob]] = field(default_factory=dict)  # by repository
    contents: dict[str, Blob] = field(default_factory=dict)
    attached: dict[str, list[Blob]] = field(default_factory=dict)  # None of it: no referrers API
    referrers: bool = True
    page: int = 0  # tags on a page; 0: no pages
    modified: str = ""
    key: str = ""  # the header that opens it; "" is open
    challenge: str = ""
    answers: Callable[[Asked], Said | None] = lambda asked: None  # instead of its own
    asked: list[Asked] = field(default_factory=list)

    @property
    def host(self) -> str:
        return self.url.partition("//")[2]

    def push(self, repository: str, built: Built, *tags: str) -> str:
        for blob in (*built.blobs, *built.manifests):
            self.contents[blob.digest] = blob
        for tag in tags:
            self.tags.setdefault(repository, {})[tag] = built.manifests[-1]
        return built.digest

    def paths(self, method: str = "") -> list[str]:
        return [one.path for one in self.asked if method in ("", one.method)]

    def answer(self, asked: Asked) -> Said:
        self.asked.append(asked)
        own = self.answers(asked)
        if own is not None:
            return own
        if self.key and asked.key != self.key:
            return Said(401, b"{}", {"WWW-Authenticate": self.challenge or 'Basic realm="tests"'})
        head, _, reference = asked.path.rpartition("/")
        if asked.path.endswith("/tags/list"):
            return self._list(asked, asked.path.removeprefix("/v2/").removesuffix("/tags/list"))
        if head.endswith("/referrers"):
            return self._attached(reference)
        repository = head.removeprefix("/v2/").rpartition("/")[0]
        blob = self.tags.get(repository, {}).get(reference) or self.contents.get(reference)
        if blob is None:
            return Said(404, b'{"errors": [{"code": "MANIFEST_UNKNOWN"}]}')
        extra = {"Last-Modified": self.modified} if self.modified else {}
        return Said(
            200, blob.data, {"Content-Type": blob.media, "Docker-Content-Digest": blob.digest, **extra}
        )

    def _list(self, asked: Asked, repository: str) -> Said:
        found = sorted(self.tags.get(repository, {}))
        if not found:
            return Said(404, b'{"errors": [{"code": "NAME_UNKNOWN"}]}')
        after = asked.query.get("last", [""])[0]
        rest = [tag for tag in found if tag > after]
        here, headers = rest, {}
        if self.page and len(rest) > self.page:
            here = rest[: self.page]
            headers["Link"] = f'</v2/{repository}/tags/list?last={here[-1]}&n={self.page}>; rel="next"'
        return Said(200, json.dumps({"name": repository, "tags": here}).encode(), headers)

    def _attached(self, digest: str) -> Said:
        if not self.referrers:
            return Said(404, b"404 page not found")
        children = [
            {**blob.descriptor, **{name: said[name] for name in ("artifactType",) if name in said}}
            for blob in self.attached.get(digest, [])
            for said in [json.loads(blob.data)]
        ]
        index = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json"}
        return Said(200, json.dumps({**index, "manifests": children}).encode())


@dataclass
class TokenServer:
    url: str = ""
    login: str = ""  # Basic header that it wants; "" is anybody
    token: str = "t0ken"
    seconds: int | None = 300
    word: str = "token"
    asked: list[Asked] = field(default_factory=list)

    def answer(self, asked: Asked) -> Said:
        self.asked.append(asked)
        if self.login and asked.key != self.login:
            return Said(401, b"{}")
        said: dict[str, object] = {self.word: self.token}
        said |= {"expires_in": self.seconds} if self.seconds is not None else {}
        return Said(200, json.dumps(said).encode())


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def sha256(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


class _Listening(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """Whoever asked has hung up: that is theirs to decide."""


@contextmanager
def running(server: SmallRegistry | TokenServer, host: str = "127.0.0.1") -> Iterator[None]:
    """On a port of its own; `server.url` says which."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = 1 << 16  # an answer in one piece: in two, the second waits for an acknowledgement

        def _do(self) -> None:
            parts = urlsplit(self.path)
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(int(headers.get("content-length", "0")))
            said = server.answer(Asked(self.command, parts.path, parse_qs(parts.query), headers, body))
            self.send_response(said.status)
            for name, value in said.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(said.body)))
            self.end_headers()
            if self.command != "HEAD":
                with suppress(ConnectionError):  # whoever asked has heard enough
                    self.wfile.write(said.body)

        do_GET = do_HEAD = do_POST = _do  # noqa: N815 - the names that the server looks for

        def log_message(self, *_: object) -> None:
            pass

    listening = _Listening((host, 0), Handler)
    listening.daemon_threads = True
    server.url = f"http://{host}:{listening.server_address[1]}"
    thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        listening.shutdown()
        thread.join()
        listening.server_close()

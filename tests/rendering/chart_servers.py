"""A chart repository and an OCI registry on loopback, small enough to misbehave on demand."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple


class Reply(NamedTuple):
    body: bytes = b""
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()


class Asked(NamedTuple):
    path: str
    authorization: str | None


class Server:
    """Answers paths from a table; what was asked is remembered."""

    def __init__(self, port: int) -> None:
        self.host = f"127.0.0.1:{port}"
        self.url = f"http://{self.host}"
        self.pages: dict[str, Reply | Callable[[Asked], Reply]] = {}
        self.asked: list[Asked] = []

    def reply(self, asked: Asked) -> Reply:
        self.asked.append(asked)
        page = self.pages.get(asked.path) or self.pages.get(asked.path.partition("?")[0]) or Reply(status=404)
        return page(asked) if callable(page) else page

    def paths(self) -> list[str]:
        return [one.path for one in self.asked]


@contextmanager
def serving() -> Iterator[Server]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            reply = server.reply(Asked(self.path, self.headers.get("Authorization")))
            self.send_response(reply.status)
            for name, value in reply.headers:
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            try:
                self.wfile.write(reply.body)
            except OSError:
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        server = Server(listening.server_address[1])
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            listening.shutdown()
            thread.join()


def index(charts: dict[str, dict[str, bytes]], where: str = "{name}-{version}.tgz") -> bytes:
    """An index.yaml of charts by name and version, with their digests."""
    entries = {
        name: [
            {
                "version": version,
                "urls": [where.format(name=name, version=version)],
                "digest": hashlib.sha256(data).hexdigest(),
            }
            for version, data in versions.items()
        ]
        for name, versions in charts.items()
    }
    return json.dumps({"apiVersion": "v1", "entries": entries}).encode()


def digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


CONTENT = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"


def push(server: Server, name: str, tags: dict[str, bytes], media: str = CONTENT) -> dict[str, str]:
    """Puts charts into a registry; returns the digest of each tag's manifest."""
    found = {}
    for tag, data in tags.items():
        layers = [
            {
                "mediaType": "application/vnd.cncf.helm.chart.provenance.v1.prov",
                "digest": digest(b"p"),
                "size": 1,
            },
            {"mediaType": media, "digest": digest(data), "size": len(data)},
        ]
        manifest = json.dumps({"schemaVersion": 2, "config": {}, "layers": layers}).encode()
        reply = Reply(manifest, headers=(("Docker-Content-Digest", digest(manifest)),))
        server.pages[f"/v2/{name}/manifests/{tag}"] = reply
        server.pages[f"/v2/{name}/manifests/{digest(manifest)}"] = reply
        server.pages[f"/v2/{name}/blobs/{digest(data)}"] = Reply(data)
        found[tag] = digest(manifest)
    server.pages[f"/v2/{name}/tags/list"] = Reply(json.dumps({"name": name, "tags": list(tags)}).encode())
    return found

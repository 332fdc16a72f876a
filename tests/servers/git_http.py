"""A real Git server over HTTP(S): `git http-backend` behind Basic authentication."""

from __future__ import annotations

import base64
import os
import ssl
import subprocess
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit


@dataclass
class Seen:
    """One request as it arrived, and the command lines of this machine while it was served."""

    method: str
    path: str
    headers: dict[str, str]
    command_lines: bytes


@dataclass
class GitServer:
    """Serves the bare repositories below `root`. Attributes may be changed between requests."""

    root: Path
    url: str
    token: str
    seen: list[Seen] = field(default_factory=list)
    redirect_to: str = ""  # answer every request with a redirect to there
    status: int = 0  # answer every request with this
    hang: threading.Event | None = None  # answer nothing until it is set

    def authorized(self) -> list[Seen]:
        return [seen for seen in self.seen if "authorization" in seen.headers]


def command_lines() -> bytes:
    """The arguments of every process there is."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            found.append((process / "cmdline").read_bytes())
        except OSError:
            continue
    return b"\n".join(found)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    git: GitServer

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def _serve(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self._body()
        git = self.git
        git.seen.append(Seen(self.command, self.path, headers, command_lines()))
        if git.hang is not None:
            git.hang.wait(60)
        if git.redirect_to:
            return self._answer(302, {"Location": git.redirect_to + self.path}, b"")
        if git.status:
            return self._answer(git.status, {}, b"")
        if git.token and not self._may_enter(headers.get("authorization", "")):
            return self._answer(401, {"WWW-Authenticate": 'Basic realm="git"'}, b"who are you?")
        return self._run(headers, body)

    def _may_enter(self, header: str) -> bool:
        kind, _, coded = header.partition(" ")
        return kind == "Basic" and base64.b64decode(coded).decode().partition(":")[2] == self.git.token

    def _body(self) -> bytes:
        if self.headers.get("transfer-encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("content-length") or 0))
        parts = []
        while size := int(self.rfile.readline().strip() or b"0", 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _run(self, headers: dict[str, str], body: bytes) -> None:
        parts = urlsplit(self.path)
        surroundings = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(self.git.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_CONFIG_NOSYSTEM": "1",
            "HOME": str(self.git.root),
            "REMOTE_USER": "tester",
            "REQUEST_METHOD": self.command,
            "PATH_INFO": parts.path,
            "QUERY_STRING": parts.query,
            "CONTENT_TYPE": headers.get("content-type", ""),
            "HTTP_CONTENT_ENCODING": headers.get("content-encoding", ""),
            "GIT_PROTOCOL": headers.get("git-protocol", ""),
        }
        command = ["git", "http-backend"]
        ran = subprocess.run(command, input=body, env=surroundings, capture_output=True, check=False)
        head, _, content = ran.stdout.partition(b"\r\n\r\n")
        lines = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if ": " in line)
        status = int(lines.pop("Status", "200").split()[0])
        self._answer(status, lines, content)

    def _answer(self, status: int, headers: dict[str, str], content: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 32

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that breaks off, or refuses our certificate, is what tests are about."""


def start(root: Path, token: str, *, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None):
    """The running server and what ends it."""
    git = GitServer(root, "", token)
    server = _Quiet(("127.0.0.1", 0), type("Handler", (_Handler,), {"git": git}))
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    git.url = f"{'https' if tls else 'http'}://{host}:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()

    def stop() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    return git, stop

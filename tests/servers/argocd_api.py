"""An Argo CD API server: what its published contract says of the three questions that are asked of it.

Each regular answer is held against that contract (below, for the fields in use) before it is sent, so
that a test can't pass against answers that no Argo CD would give.
"""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

import jsonschema

_TEXTS = {"type": "array", "items": {"type": "string"}}
_TABLE = {"type": "object", "additionalProperties": {"type": "string"}}
_SOURCE = {
    "type": "object",
    "properties": {
        "repoURL": {"type": "string"},
        "path": {"type": "string"},
        "targetRevision": {"type": "string"},
        "chart": {"type": "string"},
        "ref": {"type": "string"},
        "name": {"type": "string"},
    },
}
_IGNORED = {
    "type": "object",
    "properties": {
        **{key: {"type": "string"} for key in ("group", "kind", "name", "namespace")},
        **dict.fromkeys(("jsonPointers", "jqPathExpressions", "managedFieldsManagers"), _TEXTS),
    },
}
_APPLICATION = {
    "type": "object",
    "required": ["metadata", "spec"],
    "properties": {
        "metadata": {
            "type": "object",
            "required": ["name"],
            "properties": {
                "name": {"type": "string"},
                "namespace": {"type": "string"},
                "annotations": _TABLE,
            },
        },
        "spec": {
            "type": "object",
            "properties": {
                "project": {"type": "string"},
                "source": _SOURCE,
                "sources": {"type": "array", "items": _SOURCE},
                "destination": {
                    "type": "object",
                    "properties": {key: {"type": "string"} for key in ("server", "name", "namespace")},
                },
                "ignoreDifferences": {"type": "array", "items": _IGNORED},
            },
        },
    },
}
LIST = {
    "type": "object",
    "properties": {
        "metadata": {"type": "object"},
        "items": {"type": ["array", "null"], "items": _APPLICATION},  # Go writes an empty list as null
    },
}
MANIFESTS = {
    "type": "object",
    "properties": {
        "manifests": {"type": "array", "items": {"type": "string"}},
        **{key: {"type": "string"} for key in ("namespace", "server", "revision", "sourceType")},
    },
    "additionalProperties": False,
}
_WINDOW = {
    "type": "object",
    "properties": {
        **{key: {"type": "string"} for key in ("kind", "schedule", "duration")},
        "manualSync": {"type": "boolean"},
    },
    "additionalProperties": False,
}
WINDOWS = {
    "type": "object",
    "required": ["canSync"],
    "properties": {
        "activeWindows": {"type": "array", "items": _WINDOW},
        "assignedWindows": {"type": "array", "items": _WINDOW},
        "canSync": {"type": "boolean"},
    },
    "additionalProperties": False,
}
ERROR = {
    "type": "object",
    "required": ["error", "code", "message"],
    "properties": {
        "error": {"type": "string"},
        "message": {"type": "string"},
        "code": {"type": "integer"},
        "details": {"type": "array"},
    },
}
_LIST_QUERY = {
    "name", "refresh", "projects", "project", "resourceVersion", "selector", "repo", "appNamespace",
    "fields",  # not in the contract, but what Argo CD's own pages use
}  # fmt: skip
_WINDOWS_QUERY = {"appNamespace", "project"}
_MANIFESTS_QUERY = {"revision", "appNamespace", "project", "sourcePositions", "revisions", "noCache"}


@dataclass
class Asked:
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    line: str  # as it was written


@dataclass
class ArgoServer:
    """Attributes may be changed between requests."""

    url: str
    token: str
    applications: list[dict] = field(default_factory=list)
    rendered: dict[str, list[dict]] = field(default_factory=dict)  # by name of the Application
    windows: dict[str, dict] = field(default_factory=dict)  # by name; those without one have none
    namespace: str = "argocd"  # where Applications lie that say no other
    asked: list[Asked] = field(default_factory=list)
    # instead of an answer by the contract: anything, written to the open connection
    instead: Callable[[BaseHTTPRequestHandler], None] | None = None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    argo: ArgoServer

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = parse_qs(parts.query, keep_blank_values=True)
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.argo.asked.append(Asked(parts.path, query, headers, self.requestline))
        if self.argo.instead is not None:
            self.argo.instead(self)
            return
        if headers.get("authorization") != f"Bearer {self.argo.token}":
            self.fail(401, 16, "invalid session: token signature is invalid")
            return
        names = unquote(parts.path).removeprefix("/api/v1/applications").strip("/").split("/")
        if names == [""]:
            self._list(query)
        elif len(names) == 2 and names[1] == "manifests":
            self._manifests(names[0], query)
        elif len(names) == 2 and names[1] == "syncwindows":
            self._windows(names[0], query)
        else:
            self.fail(404, 5, "Not Found")

    def _list(self, query: dict[str, list[str]]) -> None:
        assert set(query) <= _LIST_QUERY
        fields = query.get("fields", [""])[0].split(",")
        items = [_picked(each, fields) if fields != [""] else each for each in self.argo.applications]
        self.send({"metadata": {"resourceVersion": "1"}, "items": items or None}, LIST)

    def _windows(self, name: str, query: dict[str, list[str]]) -> None:
        assert set(query) <= _WINDOWS_QUERY
        if not any(self._is(each, name, query) for each in self.argo.applications):
            missing = f'applications.argoproj.io "{name}" not found'
            self.fail(*((404, 5, missing) if "project" in query else (403, 7, "permission denied")))
        else:
            self.send(self.argo.windows.get(name, {"canSync": True}), WINDOWS)

    def _manifests(self, name: str, query: dict[str, list[str]]) -> None:
        assert set(query) <= _MANIFESTS_QUERY
        assert len(query.get("sourcePositions", ())) == len(query.get("revisions", ()))
        app = next((each for each in self.argo.applications if self._is(each, name, query)), None)
        if app is None:
            # without a project Argo CD tells nobody what there is
            missing = f'applications.argoproj.io "{name}" not found'
            self.fail(*((404, 5, missing) if "project" in query else (403, 7, "permission denied")))
        elif name not in self.argo.rendered:
            self.fail(500, 2, "error generating manifests: helm template failed\nexit status 1")
        else:
            found = [json.dumps(each, separators=(",", ":")) for each in self.argo.rendered[name]]
            self.send({"manifests": found} if found else {}, MANIFESTS)

    def _is(self, app: dict, name: str, query: dict[str, list[str]]) -> bool:
        metadata, spec = app["metadata"], app["spec"]
        where = query.get("appNamespace", [self.argo.namespace])[0]
        project = query.get("project", [spec.get("project", "default")])[0]
        return (metadata["name"], metadata.get("namespace", self.argo.namespace)) == (name, where) and (
            spec.get("project", "default") == project
        )

    def fail(self, status: int, code: int, message: str) -> None:
        self.send({"error": message, "code": code, "message": message}, ERROR, status)

    def send(self, body: object, schema: dict, status: int = 200) -> None:
        jsonschema.validate(body, schema)
        self.write(json.dumps(body).encode(), status)

    def write(self, body: bytes, status: int = 200, kind: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _picked(app: dict, fields: list[str]) -> dict:
    found: dict = {}
    for name in fields:
        keys, value, to = name.removeprefix("items.").split("."), app, found
        for key in keys:
            value = value.get(key) if isinstance(value, dict) else None
        if value is not None:
            for key in keys[:-1]:
                to = to.setdefault(key, {})
            to[keys[-1]] = value
    return found


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that breaks off, or refuses our certificate, is what tests are about."""


def start(token: str, *, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None):
    """The running server and what ends it."""
    argo = ArgoServer("", token)
    server = _Quiet(("127.0.0.1", 0), type("Handler", (_Handler,), {"argo": argo}))
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    argo.url = f"{'https' if tls else 'http'}://{host}:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()

    def stop() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    return argo, stop

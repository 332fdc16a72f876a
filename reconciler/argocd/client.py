"""One Argo CD server as its published API has it: three questions, and nothing is ever written."""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import quote, urlencode, urlsplit

from reconciler.argocd import windows
from reconciler.argocd.web import Route, UnansweredError, get
from reconciler.connection import shown
from reconciler.errors import Misconfigured, Problem
from reconciler.model import Note, Reason, Refused, Secret, Whose

_MIB: Final = 1 << 20
_MOST_LIST: Final = 256 * _MIB
_MOST_MANIFESTS: Final = 64 * _MIB
_MOST_WINDOWS: Final = 4 * _MIB
_PATIENCE: Final = 3
_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?")
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
# What of an Application is read. Its status, which most of a list would be, is left with the server.
_FIELDS: Final = ",".join(
    f"items.{field}" for field in ("metadata.name", "metadata.namespace", "metadata.annotations", "spec")
)


class Access(NamedTuple):
    """What opens a server. Without a proxy here, the environment's hold; NO_PROXY holds for either."""

    url: str  # with its root path, if it has one
    token: Secret | None = None
    ca_bundle: Path | None = None
    proxy: str = ""
    seconds: float = 60.0  # for one question as a whole


class ArgoCD:
    """A server. When nobody answers several times in a row, it is not asked again."""

    def __init__(self, access: Access) -> None:
        self.url = access.url.rstrip("/")
        self._token = access.token
        proxies = {"http": access.proxy, "https": access.proxy} if access.proxy else None
        self._route = Route(_trusted(access.ca_bundle), proxies, access.seconds)
        self._unanswered = 0  # in a row
        self._last = ""

    def applications(self) -> tuple[dict[str, object], ...]:
        """Every Application that the token may see. Raises Problem: without the list nothing is known."""
        try:
            answer = get(
                f"{self.url}/api/v1/applications?{urlencode({'fields': _FIELDS})}",
                self._token,
                self._route,
                _MOST_LIST,
            )
        except UnansweredError as error:
            raise self._problem(f"{error}{_advice(error)}", error.whose) from None
        items = answer.get("items") if isinstance(answer, dict) else None
        if not isinstance(answer, dict) or not (items is None or isinstance(items, list)):
            raise self._problem("what it says is no list of Applications", Whose.THEIRS)
        found = tuple(_applications(items or ()))
        if len(found) != len(items or ()):
            words = "its list holds Applications without a name or a spec: it is no list of Argo CD's"
            raise self._problem(words, Whose.THEIRS)
        return found

    def manifests(
        self, name: str, namespace: str, project: str, revisions: Sequence[tuple[int, str]] = ()
    ) -> tuple[str, ...] | Refused:
        """What the server renders of an Application, all sources together, each object as JSON.

        `revisions`: commits, each with the position of its source among several, counted from 1; 0 is
        the only source. `namespace` is the Application's own; "" the one that Argo CD runs in.
        """
        if not _NAME.fullmatch(name) or (namespace and not _NAME.fullmatch(namespace)):
            return _not_compared("its name can't be an Application's")
        if self._unanswered >= _PATIENCE:
            return _not_compared(self._last)
        path = f"{self.url}/api/v1/applications/{quote(name, safe='')}/manifests"
        asked = urlencode(list(_asked(namespace, project, revisions)))
        try:
            answer = get(f"{path}?{asked}" if asked else path, self._token, self._route, _MOST_MANIFESTS)
        except UnansweredError as error:
            self._unanswered = self._unanswered + 1 if error.gone else 0
            self._last = str(error)
            return _not_compared(f"{error}{_advice(error)}")
        self._unanswered = 0
        found = (answer.get("manifests") or []) if isinstance(answer, dict) else None
        if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
            return _not_compared(f"what {shown(path)} says is no list of manifests")
        return tuple(found)

    def shut(self, name: str, namespace: str, project: str) -> str | Refused | None:
        """Why the server would not sync an Application by itself now; "" where it would.

        None where it doesn't know the Application, Refused where it can't be asked.
        """
        if not _NAME.fullmatch(name) or (namespace and not _NAME.fullmatch(namespace)):
            return None
        if self._unanswered >= _PATIENCE:
            return _not_asked(self._last)
        path = f"{self.url}/api/v1/applications/{quote(name, safe='')}/syncwindows"
        asked = urlencode(list(_asked(namespace, project, ())))
        try:
            answer = get(f"{path}?{asked}" if asked else path, self._token, self._route, _MOST_WINDOWS)
        except UnansweredError as error:
            self._unanswered = self._unanswered + 1 if error.gone else 0
            self._last = str(error)
            return None if error.status == 404 else _not_asked(f"{error}{_advice(error)}")
        self._unanswered = 0
        found = windows.read(answer)
        if found is None:
            return _not_asked(f"what {shown(path)} says is no list of sync windows")
        return windows.shut(found, name)

    def cautions(self) -> tuple[Note, ...]:
        """What the operator should know about this address although it works."""
        parts = urlsplit(self.url)
        if parts.scheme == "http" and self._token is not None and parts.hostname not in _LOOPBACK:
            words = "travels unencrypted over http; use https where the server offers it"
            return (Note("plain-http", f"the token for {shown(self.url)} {words}"),)
        return ()

    def _problem(self, words: str, whose: Whose) -> Problem:
        return Problem(f"the Applications of {shown(self.url)}", words, whose=whose)


def _trusted(bundle: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=str(bundle) if bundle else None)
    except (OSError, ssl.SSLError) as error:
        words = f"the CA bundle can't be read: {error.strerror or 'it holds no certificate in PEM format'}."
        raise Misconfigured("settings", words, path=str(bundle)) from None


def _applications(items: Sequence[object]) -> Iterator[dict[str, object]]:
    for each in items:
        metadata = each.get("metadata") if isinstance(each, dict) else None
        if isinstance(each, dict) and isinstance(metadata, dict) and isinstance(each.get("spec"), dict):
            name = metadata.get("name")
            if isinstance(name, str) and name:
                yield each


def _asked(namespace: str, project: str, revisions: Sequence[tuple[int, str]]) -> Iterator[tuple[str, str]]:
    if namespace:
        yield "appNamespace", namespace
    if project:
        yield "project", project
    for position, revision in revisions:
        if position == 0:
            yield "revision", revision
        else:
            yield "sourcePositions", str(position)
            yield "revisions", revision


def _advice(error: UnansweredError) -> str:
    if error.status == 401:
        return ": give it one that is valid (`argocd account generate-token`)"
    if error.status == 403:
        return ": the token's account needs `applications, get` on it, or it is not there"
    return ""


def _not_compared(words: str) -> Refused:
    return Refused(Reason.NOT_COMPARED, f"Argo CD can't be asked what it renders: {words}")


def _not_asked(words: str) -> Refused:
    return Refused(Reason.SYNC_WINDOW, f"Argo CD can't be asked whether it would sync: {words}")


def listed(items: Sequence[dict[str, object]]) -> bytes:
    """Applications as `argocd app list -o json` prints them."""
    return json.dumps(list(items)).encode()

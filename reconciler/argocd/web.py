"""One GET, for JSON, with a token that goes to one address and nowhere else.

No redirect is followed: Argo CD's API makes none, so one is a wrong address in the settings.
"""

from __future__ import annotations

import http.client
import json
import re
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Final, NamedTuple

from reconciler import connection
from reconciler.connection import Line, printable, shown
from reconciler.model import Secret, Whose

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
        with connection.line(route.seconds) as line:
            body = _fetched(url, token, route, line, most)
    except (OSError, http.client.HTTPException, ValueError) as error:
        why = getattr(error, "reason", error)
        words = "it takes too long" if line.cut or isinstance(why, TimeoutError) else _said(why, token)
        raise UnansweredError(f"{shown(url)} can't be read: {words}", gone=True) from None
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise UnansweredError(_no_json(url, body)) from None


# -- the answer ------------------------------------------------------------------------------------


def _fetched(url: str, token: Secret | None, route: Route, line: Line, most: int) -> bytes:
    headers = {"User-Agent": "reconciler", "Accept": "application/json"}
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 (settings allow http and https)
    if token is not None:
        request.add_unredirected_header("Authorization", f"Bearer {token.reveal()}")
    opener = connection.opener(line, route.context, route.proxies)
    try:
        with opener.open(request, timeout=route.seconds) as answer:
            body = line.read(answer, most)
    except urllib.error.HTTPError as error:
        with error:
            raise _refusal(url, error, token, line) from None
    if body is None:
        raise UnansweredError(f"{shown(url)} sends more than {most >> 20} MiB")
    return body


def _refusal(url: str, error: urllib.error.HTTPError, token: Secret | None, line: Line) -> UnansweredError:
    status, where = error.code, shown(url)
    if 300 <= status < 400:
        to = shown(error.headers.get("Location", ""))
        words = f"{where} leads on to {to}: put the address where Argo CD itself answers into the settings"
        return UnansweredError(words, status)
    if status == 401:
        wants = "does not take the token" if token is not None else "wants a token"
        return UnansweredError(f"{where} {wants} (401)", status)
    told = _message(line.read(error, _MOST_COMPLAINT), token)
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

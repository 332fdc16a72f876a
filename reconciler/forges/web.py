"""One request to a forge: bounded in time and size, to its own address and nowhere else.

No redirect is followed, and no refusal raises: what a status means, the adapter knows. The token
goes into a header that no log, address or error holds.
"""

from __future__ import annotations

import http.client
import re
import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from reconciler import connection
from reconciler.connection import Line, printable, shown
from reconciler.errors import Misconfigured, Problem
from reconciler.forges.pace import LaterError, LostError, later
from reconciler.forges.port import Site
from reconciler.model import Secret, Whose

_SECONDS: Final = 60.0
_MOST: Final = 32 << 20  # bytes of one answer
_MOST_WORDS: Final = 300
_NO_TLS: Final = frozenset({"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"})


class Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]  # names in small letters
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")


class Web:
    """The way to one server, as the settings have it."""

    def __init__(self, site: Site) -> None:
        self._repository = site.repository
        self._clock = site.clock
        self._site = site
        self._context: ssl.SSLContext | None = None  # reading all authorities takes its time
        self._proxies = {"http": site.proxy, "https": site.proxy} if site.proxy else None

    def ask(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None) -> Answer:
        """Its answer, also of a refusal. LaterError where limits are reached; LostError where there is
        no answer, or none that tells what was done."""
        context = self._trusted(url)
        try:
            with connection.line(_SECONDS) as line:
                answer = self._asked(line, context, method, url, headers, body)
        except (OSError, http.client.HTTPException, ValueError) as error:
            why = getattr(error, "reason", error)
            raise self._gone(url, why, late=line.cut or isinstance(why, TimeoutError)) from None
        if 300 <= answer.status < 400:
            to = shown(answer.headers.get("location", ""))
            words = f"{shown(url)} leads on to {to}: correct the repository's address in the settings."
            raise Problem(shown(url), words, repository=self._repository)
        wait = later(answer.status, answer.headers, answer.text[:_MOST_WORDS], self._clock())
        if wait is not None:
            raise LaterError(wait)
        if answer.status >= 500:
            raise LostError(f"{shown(url)} answers {answer.status}")
        return answer

    def _trusted(self, url: str) -> ssl.SSLContext:
        if not url.startswith("https://"):
            return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # trusts nobody, and is not asked
        if self._context is None:
            self._context = trusted(self._site)
        return self._context

    def _asked(
        self,
        line: Line,
        context: ssl.SSLContext,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None,
    ) -> Answer:
        request = urllib.request.Request(url, body, method=method)  # noqa: S310 (settings allow http and https)
        for name, value in {"User-Agent": "reconciler", **headers}.items():
            request.add_unredirected_header(name, value)
        opener = connection.opener(line, context, self._proxies)
        try:
            answer = opener.open(request, timeout=_SECONDS)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            told = {name.lower(): str(value) for name, value in answer.headers.items()}
            read = line.read(answer, _MOST)
        if read is None:
            raise Problem(
                shown(url),
                f"{shown(url)} sends more than {_MOST >> 20} MiB.",
                whose=Whose.THEIRS,
                repository=self._repository,
            )
        return Answer(answer.status, told, read)

    def _gone(self, url: str, why: object, *, late: bool) -> Exception:
        """What will be the same the next time is a Problem at once."""
        where = shown(url)
        for each in _causes(why):
            if isinstance(each, ssl.SSLError):
                return self._problem(where, f"can't be trusted: {_tls(each)}")
            if isinstance(each, socket.gaierror):
                return self._problem(where, "can't be reached: the name of its host can't be resolved")
        if late:
            return LostError(f"{where} takes too long")
        return LostError(f"{where} can't be read: {said(why)}")

    def _problem(self, where: str, words: str) -> Problem:
        return Problem(where, f"{where} {words}.", repository=self._repository)


def trusted(site: Site) -> ssl.SSLContext:
    """Whom to trust: the authorities of the settings, else those of the system."""
    bundle = site.ca_bundle
    try:
        return ssl.create_default_context(cafile=str(bundle) if bundle else None)
    except (OSError, ssl.SSLError) as error:
        words = f"the CA bundle can't be read: {error.strerror or 'it holds no certificate in PEM format'}."
        raise Misconfigured("settings", words, path=str(bundle)) from None


def said(what: object, *secrets: Secret | None) -> str:
    """Words of others, without our tokens, anyone's password, or what a terminal would obey."""
    text = str(what) or type(what).__name__
    for secret in secrets:
        if secret is not None and secret.reveal():
            text = text.replace(secret.reveal(), "***")
    text = re.sub(r"(?i)(authorization:\s*\w+\s+)\S+", r"\1***", text)
    return re.sub(r"(?<=://)[^/\s]*@", "***@", printable(text))[:_MOST_WORDS]


def _causes(error: object) -> Iterator[object]:
    seen: list[object] = []
    while error is not None and error not in seen:
        seen.append(error)
        yield error
        error = getattr(error, "__cause__", None) or getattr(error, "__context__", None)


def _tls(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        why = printable(str(error.verify_message))[:200]
        return f"its certificate is not accepted ({why}); name its authority with caBundle"
    if error.reason in _NO_TLS:
        return "no https is spoken there: does its address begin with http://?"
    return f"the encrypted connection fails ({printable(error.reason or 'no reason given')[:100]})"

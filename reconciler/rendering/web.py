"""GET over HTTP(S), held to the hosts that the settings allow.

A redirect is followed by hand: its host must be allowed, too, and a token goes to the origin it was
given for and to no other, nor over a connection that others can read.
"""

from __future__ import annotations

import base64
import http.client
import ssl
import urllib.error
import urllib.request
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import SplitResult, urljoin, urlsplit

from reconciler import connection
from reconciler.connection import Line
from reconciler.model import Reason, Refused, Secret

_MOST_REDIRECTS: Final = 5
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_USUAL: Final = {"http": 80, "https": 443}
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


class Login(NamedTuple):
    """What opens one host. With a user it is a password, without one a bearer token."""

    secret: Secret
    user: str = ""

    def header(self) -> str:
        if not self.user:
            return f"Bearer {self.secret.reveal()}"
        pair = f"{self.user}:{self.secret.reveal()}".encode()
        return f"Basic {base64.b64encode(pair).decode()}"


class Page(NamedTuple):
    status: int
    headers: Mapping[str, str]  # names in lower case
    body: bytes


class Web:
    """Answers, from allowed hosts alone.

    A host is `name` (any port of it), `name:port`, or `*.name` for all that lie below it. A login
    has one host, with the port where that isn't the scheme's own.
    """

    def __init__(
        self,
        hosts: Collection[str],
        logins: Mapping[str, Login] | None = None,
        *,
        authorities: Path | None = None,
        proxies: Mapping[str, str] | None = None,
        seconds: float = 60.0,
    ) -> None:
        self._hosts = tuple(host.lower() for host in hosts)
        self._logins = {host.lower(): login for host, login in (logins or {}).items()}
        self._seconds = seconds
        self._trusted = ssl.create_default_context(cafile=str(authorities) if authorities else None)
        self._proxies = proxies  # None: the environment's

    def login(self, url: str) -> Login | None:
        """What the settings have for this very origin, where it can be sent unseen by others."""
        parts = split(url)
        if parts is None or (parts.scheme != "https" and parts.hostname not in _LOOPBACK):
            return None
        return self._logins.get(host_of(parts))

    def get(
        self, url: str, most: int, headers: Mapping[str, str] | None = None, authorization: str = ""
    ) -> Page | Refused:
        """The page at the end of all redirects, of at most `most` bytes; any status is an answer.

        `authorization` (else the login of that origin) is sent to the origin of `url` alone.
        """
        with connection.line(self._seconds) as line:
            return self._got(url, most, headers or {}, authorization, line)

    def _got(
        self, url: str, most: int, headers: Mapping[str, str], authorization: str, line: Line
    ) -> Page | Refused:
        origin = _origin(url)
        for _ in range(_MOST_REDIRECTS + 1):
            refused = self._allowed(url)
            if refused:
                return refused
            login = self.login(url)
            token = (authorization if _origin(url) == origin else "") or (login.header() if login else "")
            page = self._fetch(url, {**headers, **({"Authorization": token} if token else {})}, most, line)
            if isinstance(page, Refused) or page.status not in _REDIRECTS:
                return page
            url = join(url, page.headers.get("location", ""))
        return _refuse(f"{shown(url)} redirects too often")

    def _allowed(self, url: str) -> Refused | None:
        parts = split(url)
        if parts is None:
            return _refuse(f"{url[:100]!r} is no address")
        host = host_of(parts)
        if parts.scheme not in ("http", "https") or not host:
            return _refuse(f"{shown(url)} is no address that can be fetched; it must begin with https://")
        if not allows(self._hosts, parts):
            return _refuse(f"{host} is not among the hosts that charts may be fetched from")
        return None

    def _fetch(self, url: str, headers: Mapping[str, str], most: int, line: Line) -> Page | Refused:
        bare = urlsplit(url)
        address = bare._replace(netloc=bare.netloc.rpartition("@")[2], fragment="").geturl()
        request = urllib.request.Request(address, headers={"User-Agent": "reconciler", **headers})  # noqa: S310
        try:
            return _answer(request, connection.opener(line, self._trusted, self._proxies), line, most, url)
        except (OSError, http.client.HTTPException, ValueError) as error:
            why = getattr(error, "reason", error)
            if line.cut or isinstance(why, TimeoutError):
                return _refuse(f"{shown(url)} takes too long")
            return _refuse(f"{shown(url)} can't be fetched: {str(why) or type(why).__name__}")


def _answer(
    request: urllib.request.Request, opener: urllib.request.OpenerDirector, line: Line, most: int, url: str
) -> Page | Refused:
    answer: http.client.HTTPResponse | urllib.error.HTTPError
    try:
        answer = opener.open(request, timeout=line.left)
    except urllib.error.HTTPError as error:
        answer = error
    with answer:
        body = line.read(answer, most)
    if body is None:
        return _refuse(f"{shown(url)} is larger than {most >> 20} MiB")
    status = answer.code if isinstance(answer, urllib.error.HTTPError) else answer.status
    return Page(status, {name.lower(): value for name, value in answer.headers.items()}, body)


def split(url: str) -> SplitResult | None:
    """The parts of an address; None when it is none."""
    try:
        parts = urlsplit(url)
        return parts if (parts.port or 1) > 0 else None
    except ValueError:
        return None


def join(base: str, address: str) -> str:
    """An address as it is meant where it stands; what can't be joined is no address, and refused as such."""
    try:
        return urljoin(base, address)
    except ValueError:
        return address


def host_of(parts: SplitResult) -> str:
    """`name`, or `name:port` where the port isn't the scheme's own."""
    name, port = _bracketed(parts), _port(parts)
    return name if parts.port is None or port == _USUAL.get(parts.scheme) else f"{name}:{port}"


def allows(hosts: Collection[str], parts: SplitResult) -> bool:
    """Whether one of the hosts, in lower case, is this one."""
    name, port = _bracketed(parts), f":{_port(parts)}"
    below = (name[at:] for at, char in enumerate(name) if char == ".")
    names = [name, *(f"*{rest}" for rest in below)]
    return any(one in hosts or one + port in hosts for one in names)


def _bracketed(parts: SplitResult) -> str:
    """An address of IPv6 in the brackets that set it off from a port."""
    name = (parts.hostname or "").lower()
    return f"[{name}]" if ":" in name else name


def _port(parts: SplitResult) -> int | None:
    return parts.port if parts.port is not None else _USUAL.get(parts.scheme)


def is_loopback(name: str) -> bool:
    return name in _LOOPBACK


def shown(url: str) -> str:
    """An address as it may be said: without a password, and without what a signature adds to it."""
    parts = split(url)
    if parts is None:
        return "an address that can't be read"
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()[:200]


def _origin(url: str) -> tuple[str, str] | None:
    parts = split(url)
    return (parts.scheme, host_of(parts)) if parts else None


def _refuse(why: str) -> Refused:
    return Refused(Reason.CHART_UNAVAILABLE, why)

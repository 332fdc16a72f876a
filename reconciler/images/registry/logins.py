"""Who asks: credentials, and the tokens that registries give for them.

A login goes to the registry it was given for, and to the server of tokens that this registry names,
where that is plainly its own. It goes nowhere else: not along with a redirect, not to another page.
"""

from __future__ import annotations

import base64
import json
import re
import threading
import time
from collections.abc import Callable, Collection
from typing import Final, NamedTuple
from urllib.parse import urlencode

from reconciler.connection import shown
from reconciler.images.registry.wire import Answer, Origin, UnreachableError, Wire, origin
from reconciler.model import Secret, Whose

_MOST: Final = 1 << 20
_EXPIRES: Final = 60  # seconds, where the server doesn't say
_LONGEST: Final = 3600
_SPARE: Final = 10  # a token isn't used up to its last second
LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_FIELD: Final = re.compile(r'([A-Za-z_]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')
# Whose tokens come from a host that is not named like it.
_KNOWN: Final = {"registry-1.docker.io": ("auth.docker.io",)}


class Login(NamedTuple):
    """A name and a password; without a name it is a token that opens the server of tokens."""

    user: str
    password: Secret

    def basic(self) -> str:
        pair = f"{self.user}:{self.password.reveal()}".encode()
        return f"Basic {base64.b64encode(pair).decode()}"


LoginOf = Callable[[], Login | None]


def login_of(text: str) -> Login:
    """`user:password`, parted at the first colon: a password may hold others."""
    user, colon, password = text.strip("\r\n").partition(":")
    if not colon or not user:
        raise ValueError("expected user:password")
    return Login(user, Secret(password))


class Challenge(NamedTuple):
    scheme: str  # basic | bearer
    realm: str = ""
    service: str = ""
    scope: str = ""


def challenge(header: str) -> Challenge | None:
    """What a registry wants, of what it would take: a token before a password."""
    found: dict[str, Challenge] = {}
    for part in re.split(r"(?i)(?:^|,\s*)(?=(?:basic|bearer)\s)", header):
        scheme, _, rest = part.strip().partition(" ")
        said = {name.lower(): quoted or plain for name, quoted, plain in _FIELD.findall(rest)}
        if scheme.lower() in ("basic", "bearer"):
            found[scheme.lower()] = Challenge(
                scheme.lower(), said.get("realm", ""), said.get("service", ""), said.get("scope", "")
            )
    return found.get("bearer") or found.get("basic")


class Keys:
    """What opens one registry: found once, and again when it no longer opens."""

    def __init__(
        self,
        wire: Wire,
        home: Origin,
        login: LoginOf,
        token_hosts: Collection[str] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._wire, self._home, self._login = wire, home, login
        self._token_hosts = frozenset(host.lower() for host in token_hosts)
        self._clock = clock
        self._turn = threading.Lock()
        self._tokens: dict[str, tuple[str, float]] = {}  # by scope
        self._basic = ""

    def header(self, scope: str) -> str:
        """What is known already to open that scope; "" before anything was asked for."""
        with self._turn:
            token, until = self._tokens.get(scope, ("", 0.0))
            return token if token and self._clock() < until else self._basic

    def forget(self, scope: str) -> None:
        with self._turn:
            self._tokens.pop(scope, None)
            self._basic = ""

    def answer(self, asked: Answer, scope: str) -> str:
        """What opens it after it was refused; UnreachableError when nothing does."""
        wanted = challenge(asked.headers.get("www-authenticate", ""))
        if wanted is None:
            raise UnreachableError(
                f"{self._home.host} wants a login and doesn't say which kind", Whose.THEIRS
            )
        login = self._login()
        if wanted.scheme == "basic":
            return self._with_password(login)
        return self._with_token(wanted, scope, login)

    def _with_password(self, login: Login | None) -> str:
        if login is None:
            words = f"{self._home.host} wants a login, and the settings have none for it (registries)"
            raise UnreachableError(words, Whose.YOURS)
        if self._home.scheme != "https" and self._home.host not in LOOPBACK:
            words = f"{self._home.host} wants a password over plain http, where others can read it"
            raise UnreachableError(words, Whose.YOURS)
        with self._turn:
            self._basic = login.basic()
            return self._basic

    def _with_token(self, wanted: Challenge, scope: str, login: Login | None) -> str:
        where = self._realm(wanted.realm)
        words = {"service": wanted.service, "scope": wanted.scope or scope}
        asked = {name: text for name, text in words.items() if text}
        private = where.scheme == "https" or where.host in LOOPBACK
        answer = self._asked_for(wanted.realm, asked, login if private else None)
        token, seconds = _token(answer)
        if not token:
            whose = Whose.YOURS if answer.status in (401, 403) else Whose.THEIRS
            words_ = f"{shown(wanted.realm)} gives no token (it answers with {answer.status})"
            raise UnreachableError(words_, whose)
        with self._turn:
            self._tokens[scope] = (f"Bearer {token}", self._clock() + max(seconds - _SPARE, seconds / 2))
            return f"Bearer {token}"

    def _asked_for(self, realm: str, asked: dict[str, str], login: Login | None) -> Answer:
        accept = {"Accept": "application/json"}
        if login is not None and not login.user:
            form = {"grant_type": "refresh_token", "client_id": "reconciler", **asked}
            body = urlencode({**form, "refresh_token": login.password.reveal()}).encode()
            kind = {"Content-Type": "application/x-www-form-urlencoded"}
            return self._wire.ask("POST", realm, {**accept, **kind}, _MOST, body)
        key = {"Authorization": login.basic()} if login is not None else {}
        url = f"{realm}{'&' if '?' in realm else '?'}{urlencode(asked)}"
        return self._wire.ask("GET", url, {**accept, **key}, _MOST)

    def _realm(self, realm: str) -> Origin:
        """The server of tokens, when it is one that this registry may send us to."""
        where = origin(realm)
        if where.scheme != "https" and where.host not in LOOPBACK and where != self._home:
            raise UnreachableError(
                f"{self._home.host} names a server of tokens without https: {shown(realm)}"
            )
        mine = (self._home.host, *_KNOWN.get(self._home.host, ()), *self._token_hosts)
        if where.host not in mine and not _related(where.host, self._home.host):
            raise UnreachableError(
                f"{self._home.host} sends us to {where.host} for a token; name that host in the settings "
                "(registries[].tokenHosts) if it may be asked",
                Whose.YOURS,
            )
        return where


def _related(one: str, other: str) -> bool:
    """registry.example.com and gitlab.example.com, or example.com."""
    if one in LOOPBACK or other in LOOPBACK or one.replace(".", "").isdigit() or ":" in one:
        return False
    ours, theirs = other.split("."), one.split(".")
    parent = ours[1:] if len(ours) > 2 else ours
    return len(parent) > 1 and theirs[-len(parent) :] == parent


def _token(answer: Answer) -> tuple[str, int]:
    try:
        said = json.loads(answer.body) if answer.status == 200 else None
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict):
        return "", 0
    token, seconds = said.get("token") or said.get("access_token"), said.get("expires_in")
    if not isinstance(token, str) or not token.isascii() or not token.isprintable() or " " in token:
        return "", 0
    if not isinstance(seconds, int) or isinstance(seconds, bool) or seconds <= 0:
        return token, _EXPIRES
    return token, min(seconds, _LONGEST)

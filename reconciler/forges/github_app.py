"""Tokens of a GitHub App: for one repository, for an hour, renewed as long as they are asked for."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

import jwt

from reconciler.errors import Problem
from reconciler.forges.address import Where, where
from reconciler.forges.pace import GITHUB, Pace
from reconciler.forges.port import App, Site
from reconciler.forges.web import Answer, Web, said
from reconciler.model import Secret

VERSION: Final = "2022-11-28"
_MARGIN: Final = 300  # seconds before its end that a token is not used any more
_LIFE: Final = 540  # seconds that the app's own signature holds; GitHub takes 600 at most


def api_of(there: Where) -> str:
    """Where the API of a server is: GitHub's own, one with data residency, or an Enterprise Server."""
    if there.host in ("github.com", "www.github.com", "api.github.com"):
        return "https://api.github.com"
    if there.host.endswith(".ghe.com"):
        return f"https://api.{there.host.removeprefix('api.')}"
    return f"{there.server}/api/v3"


def app_token(site: Site) -> Secret | None:
    """The token of an app for one repository; None where the app is not installed there."""
    if site.app is None:
        raise ValueError("this site has no app")
    asking = AppAsking(site, site.app)
    installation = site.app.installation or asking.installation()
    first = asking.minted(installation) if installation else None
    return None if first is None else AppToken(lambda: asking.minted(installation), first, site.clock)


class AppToken(Secret):
    """Always one that holds: whoever reveals it gets the newest."""

    __slots__ = ("_mint", "_now", "_turn", "_until")

    def __init__(
        self,
        mint: Callable[[], tuple[str, int] | None],
        first: tuple[str, int],
        now: Callable[[], int],
    ) -> None:
        super().__init__(first[0])
        self._until = first[1]
        self._mint = mint
        self._now = now
        self._turn = threading.Lock()

    def reveal(self) -> str:
        with self._turn:
            if self._now() >= self._until - _MARGIN:
                fresh = self._mint()
                if fresh is None:
                    raise Problem("the app", "the app is no longer installed: install it again.")
                self._text, self._until = fresh
            return self._text


class AppAsking:
    """What an app asks in its own name, with a signature of its key."""

    def __init__(self, site: Site, app: App) -> None:
        self._site = site
        self._app = app
        self._where = where(site)
        self._api = api_of(self._where)
        self._web = Web(site)
        self._pace = Pace(site, self._where.host, GITHUB)

    def slug(self) -> str:
        """The app's name in addresses: as `NAME[bot]` it is the author of what it writes."""
        found = self._asked("GET", "/app")
        slug = found.get("slug") if isinstance(found, dict) else None
        if not isinstance(slug, str) or not slug:
            raise self._problem("doesn't tell the app's name")
        return slug

    def installation(self) -> str:
        """Id of the installation that sees the repository; "" where there is none."""
        found = self._asked("GET", f"/repos/{quote(self._where.path)}/installation")
        number = found.get("id") if isinstance(found, dict) else None
        return str(number) if isinstance(number, int) else ""

    def minted(self, installation: str) -> tuple[str, int] | None:
        """A new token and when it ends; None where the installation has no such repository."""
        name = self._where.path.rpartition("/")[2]
        path = f"/app/installations/{quote(installation, safe='')}/access_tokens"
        found = self._asked("POST", path, {"repositories": [name]})
        if found is None:
            return None
        token, until = found.get("token"), found.get("expires_at")
        if not isinstance(token, str) or not re.fullmatch(r"[\x21-\x7e]{1,1000}", token):
            raise self._problem("answers without a token")
        return token, _moment(until)

    def _asked(self, method: str, path: str, sent: object = None) -> Any:
        """The JSON of an answer; None where there is no such thing. Tokens may be asked for twice."""

        def ask() -> Answer:
            headers = {
                "Accept": "application/vnd.github+json",
                "Authorization": f"Bearer {self._signed()}",
                "Content-Type": "application/json",
                "X-GitHub-Api-Version": VERSION,
            }
            body = None if sent is None else json.dumps(sent).encode()
            return self._web.ask(method, self._api + path, headers, body)

        answer = self._pace.read(ask)
        if answer.status in (404, 422):
            return None
        try:
            found = json.loads(answer.body)
        except (ValueError, RecursionError):
            found = None
        if answer.status >= 400 or not isinstance(found, dict):
            told = found.get("message", "") if isinstance(found, dict) else ""
            hint = ": check its id, its key, and this machine's clock" if answer.status == 401 else ""
            raise self._problem(f"does not take the app ({answer.status}: {said(told)}){hint}")
        return found

    def _signed(self) -> str:
        now = self._site.clock()
        claims = {"iat": now - 60, "exp": now + _LIFE, "iss": self._app.id}
        try:
            return jwt.encode(claims, self._app.key().reveal(), algorithm="RS256")
        except (jwt.PyJWTError, ValueError, TypeError):
            words = f"the key of app {self._app.id} is no private RSA key in PEM format."
            raise Problem("the app's key", words, repository=self._site.repository) from None

    def _problem(self, words: str) -> Problem:
        return Problem(self._where.host, f"{self._where.host} {words}.", repository=self._site.repository)


def _moment(text: object) -> int:
    try:
        return int(datetime.fromisoformat(str(text).replace("Z", "+00:00")).timestamp())
    except (ValueError, OverflowError):
        return 0

"""GitHub's API as PyGithub speaks it, over our own way to the server.

PyGithub tries writes again on its own, follows redirects, and asks for more when a field is
missing. None of that happens here: every request is made in `requestJson`, once.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, TypeVar
from urllib.parse import quote, urlsplit

from github import BadAttributeException, GithubException
from github.Auth import Auth
from github.PullRequest import PullRequest
from github.Repository import Repository
from github.Requester import Requester

from reconciler.errors import Problem
from reconciler.forges.address import where
from reconciler.forges.github_app import VERSION, AppAsking, api_of
from reconciler.forges.pace import GITHUB, LaterError, Pace, later
from reconciler.forges.port import Site
from reconciler.forges.web import Answer, Web, said
from reconciler.model import Secret, Whose

T = TypeVar("T")

_PAGE: Final = 100
_MOST_PAGES: Final = 200
_RATE_LIMITED: Final = re.compile(r'"type":\s*"RATE_LIMITED"')
_ACTIONS: Final = "github-actions[bot]"


class Wire(Requester):
    """PyGithub's requester. Reads are tried again here; a write's caller sees LaterError and LostError."""

    def __init__(
        self, api: str, token: Secret | None, web: Web, pace: Pace, clock: Callable[[], int]
    ) -> None:
        super().__init__(
            auth=_Bearer(token) if token is not None else None,
            base_url=api,
            timeout=60,
            user_agent="reconciler",
            per_page=_PAGE,
            verify=True,
            retry=None,
            pool_size=None,
            api_version=VERSION,
        )
        parts = urlsplit(api)
        self._origin, self._prefix = f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/")
        self._web = web
        self._pace = pace
        self._clock = clock

    def requestJson(  # noqa: N802 (named by PyGithub)
        self,
        verb: str,
        url: str,
        parameters: dict[str, Any] | None = None,
        headers: dict[str, Any] | None = None,
        input: Any = None,
        cnx: object = None,
        follow_302_redirect: bool = False,
    ) -> tuple[int, dict[str, Any], str]:
        told: dict[str, str] = {"Accept": "application/vnd.github+json", **(headers or {})}
        told["X-GitHub-Api-Version"] = VERSION
        body = None
        if input is not None:
            told["Content-Type"] = "application/json"
            body = json.dumps(input).encode()
        address = self.add_parameters_to_url(self._address(url), parameters or {})

        def ask() -> Answer:
            if self.auth is not None:
                self.auth.authentication(told)
            return self._web.ask(verb, address, told, body)

        answer = self._pace.read(ask) if verb == "GET" else ask()
        if url == self.graphql_url and _RATE_LIMITED.search(answer.text[:2_000]):
            # GraphQL says it with 200; when the limit ends, the headers tell as they do elsewhere.
            limited = {**answer.headers, "x-ratelimit-remaining": "0"}
            raise LaterError(later(429, limited, "", self._clock()) or 60.0)
        return answer.status, dict(answer.headers), answer.text

    def _address(self, url: str) -> str:
        """On our server, whatever host an answer has put into it."""
        if url.startswith("/"):
            return f"{self._origin}{self._prefix}{url}"
        parts = urlsplit(url)
        return f"{self._origin}{parts.path}" + (f"?{parts.query}" if parts.query else "")


class _Bearer(Auth):
    def __init__(self, token: Secret) -> None:
        self._secret = token

    @property
    def token_type(self) -> str:
        return "Bearer"

    @property
    def token(self) -> str:
        return self._secret.reveal()


class Hub:
    """One repository on GitHub, and who asks: what everything else here is said through."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.where = where(site)
        self.owner, _, self.name = self.where.path.partition("/")
        if not self.name or "/" in self.name:
            words = f"{site.repository} is no repository of GitHub: expected {self.where.server}/OWNER/NAME."
            raise Problem(site.repository, words, repository=site.repository)
        self.pace = Pace(site, self.where.host, GITHUB)
        self.wire = Wire(api_of(self.where), site.token, Web(site), self.pace, site.clock)
        self.path = f"/repos/{self.where.path}"
        self._me = ""
        self._strangers: dict[str, bool] = {}
        self._about: Mapping[str, Any] | None = None

    @property
    def repository(self) -> Repository:
        return Repository(self.wire, {}, {"url": self.path}, completed=True)

    def pull(self, number: int, data: Mapping[str, Any]) -> PullRequest:
        """PyGithub's object of one that was read already; it asks for nothing by itself."""
        issue = {"issue_url": f"{self.path}/issues/{number}", "url": f"{self.path}/pulls/{number}"}
        return PullRequest(self.wire, {}, {**data, **issue}, completed=True)

    def me(self) -> str:
        """Under which name this token writes."""
        if not self._me:
            self._me = self._asked_me()
        return self._me

    def _asked_me(self) -> str:
        if self.site.app is not None:
            return f"{AppAsking(self.site, self.site.app).slug()}[bot]"
        try:
            found: Any = self.get("/user")
        except Refused as refused:
            if refused.status != 403:
                raise
            # A token that was made for an app, like the one of GitHub Actions, is nobody's own.
            found = self.ask("query { viewer { login } }", {}).get("viewer")
        login = found.get("login") if isinstance(found, dict) else None
        if not isinstance(login, str) or not login:
            raise self.problem("the token", "doesn't tell whose token this is")
        return login

    @property
    def starts_workflows(self) -> bool:
        """Whether what this token does starts any; that of GitHub Actions doesn't, so checks never come."""
        site = self.site
        is_made = site.app is None and site.token is not None and site.token.reveal().startswith("ghs_")
        return not is_made or self.me() != _ACTIONS

    def about(self) -> Mapping[str, Any]:
        """What GitHub says of the repository."""
        found = self._about
        if found is None:
            found = self._about = self.get(self.path)
        return found

    def counts(self, login: str) -> bool:
        """Whether a review of theirs has a say: in a public repository anybody may write one. Who GitHub
        tells nothing of, such as an app, is heard."""
        if login not in self._strangers:
            path = f"{self.path}/collaborators/{quote(login, safe='')}/permission"
            try:
                told = self.get(path).get("permission")
            except Refused:
                told = None
            self._strangers[login] = told in ("read", "none")
        return not self._strangers[login]

    # -- reading ------------------------------------------------------------------------------------

    def get(self, path: str, **parameters: object) -> dict[str, Any]:
        """The object at a path of the API."""
        with self.told(path):
            _, found = self.wire.requestJsonAndCheck("GET", path, parameters)
        return self.thing(found, path)

    def pages(self, path: str, **parameters: object) -> Iterator[dict[str, Any]]:
        """All objects of a list, page by page. What a page says of the next one's address is not followed."""
        yield from self.pages_of(path, "", **parameters)

    def pages_of(self, path: str, inside: str, **parameters: object) -> Iterator[dict[str, Any]]:
        """The same where the list lies inside an object."""
        for page in range(1, _MOST_PAGES + 1):
            with self.told(path):
                asked = {**parameters, "per_page": _PAGE, "page": page}
                headers, found = self.wire.requestJsonAndCheck("GET", path, asked)
            if inside:
                found = self.thing(found, path).get(inside)
            if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
                raise self.problem(path, "answers with something else than a list")
            yield from found
            if 'rel="next"' not in str(headers.get("link", "")):
                return

    def ask(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        """The data that a GraphQL query finds."""
        with self.told("GraphQL"):
            _, found = self.pace.read(lambda: self.wire.graphql_query(query, variables))
        return self.thing(self.thing(found, "GraphQL").get("data"), "GraphQL")

    # -- writing ------------------------------------------------------------------------------------

    def write(self, what: str, do: Callable[[], T], find: Callable[[], T | None]) -> T:
        """A write, and how to see whether one whose answer was lost has been done."""
        with self.told(what):
            return self.pace.write(do, find)

    def again(self, what: str, do: Callable[[], object]) -> None:
        """A write that may be done twice, for the second time changes nothing."""

        def done() -> bool:
            do()
            return True

        self.write(what, done, lambda: None)

    # -- refusals -----------------------------------------------------------------------------------

    @contextmanager
    def told(self, what: str) -> Iterator[None]:
        """What PyGithub raises, in our words."""
        try:
            yield
        except (BadAttributeException, RecursionError, AttributeError, TypeError):
            # PyGithub looks into answers without asking what they are
            raise self.problem(what, "answers with something else than its API promises") from None
        except GithubException as error:
            raise self._refused(what, error) from None

    def _refused(self, what: str, error: GithubException) -> Refused:
        told = message(error, self.site.token)
        if error.status == 401:
            text = "does not take the token: it is wrong, or has ended"
        elif error.status == 403:
            needs = said((error.headers or {}).get("x-accepted-github-permissions", ""))
            text = f"does not allow it ({told})" + (f"; the token needs {needs}" if needs else "")
        elif error.status == 404:
            text = f"has no such thing, or the token may not see it ({what})"
        else:
            text = f"refuses ({error.status}: {told})"
        return Refused(what, f"{self.where.host} {text}.", error.status, told, self.site.repository)

    def problem(self, what: str, words: str, whose: Whose = Whose.THEIRS) -> Problem:
        text = f"{self.where.host} {words}."
        return Problem(what, text, whose=whose, repository=self.site.repository)

    def thing(self, found: object, what: str) -> dict[str, Any]:
        if not isinstance(found, dict):
            raise self.problem(what, "answers with something else than an object")
        return found


class Refused(Problem):
    """GitHub says no."""

    def __init__(self, what: str, text: str, status: int, words: str, repository: str) -> None:
        super().__init__(what, text, repository=repository)
        self.status = status
        self.words = words  # GitHub's own


def message(error: GithubException, token: Secret | None) -> str:
    """All that GitHub says of an error, in one line, and without the token should it be told back."""
    data = error.data if isinstance(error.data, dict) else {}
    found = [data.get("message")]
    for each in data.get("errors") or [] if isinstance(data.get("errors"), list) else []:
        if isinstance(each, dict):
            found.append(each.get("message") or f"{each.get('field', '')} {each.get('code', '')}")
        else:
            found.append(each)
    return said("; ".join(str(each) for each in found if each) or "no reason given", token)

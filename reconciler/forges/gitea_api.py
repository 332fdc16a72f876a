"""Questions to Gitea and Forgejo: JSON over HTTP, page by page, and what a refusal means."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, TypeVar
from urllib.parse import quote, urlencode

from reconciler.errors import Problem
from reconciler.forges.address import where
from reconciler.forges.pace import GITEA, Pace
from reconciler.forges.port import Site
from reconciler.forges.web import Answer, Web, said
from reconciler.model import Whose

T = TypeVar("T")

_PAGE: Final = 50  # the most that a server hands out unless it is told otherwise
_MOST_PAGES: Final = 400
_LOOKS: Final = 3  # how often a list that changes while it is read is read again

Told = dict[str, Any]


class RefusedError(Problem):
    """The forge says no. Its status is what callers go by; the text is for the user."""

    def __init__(self, status: int, reason: str, what: str, text: str, repository: str) -> None:
        super().__init__(what, text, repository=repository)
        self.status = status
        self.reason = reason  # the forge's own words


class Api:
    """One repository's API, asked at the pace that its server wants."""

    def __init__(self, site: Site) -> None:
        self._site = site
        at = where(site)
        owner, _, name = at.path.partition("/")
        self._root = f"{at.server}/api/v1"
        self._repository = f"/repos/{quote(owner, safe='')}/{quote(name, safe='')}"
        self.name = f"{at.host}/{at.path}"
        self.owner = owner
        self._web = Web(site)
        self._pace = Pace(site, at.host, GITEA)

    # -- asking -----------------------------------------------------------------------------------

    def read(self, path: str, **query: str | int) -> Any:
        """The JSON at a path below the repository, or from the root where it begins with `//`."""
        return self._pace.read(lambda: self._json(self._ask("GET", path, query), path))

    def found(self, path: str, **query: str | int) -> Any:
        """The same; None where there is nothing."""
        try:
            return self.read(path, **query)
        except RefusedError as error:
            if error.status == 404:
                return None
            raise

    def write(self, method: str, path: str, body: object, find: Callable[[], T | None]) -> Any | T:
        """The answer to a write; what `find` finds, where the answer was lost."""
        content = None if body is None else json.dumps(body).encode()
        return self._pace.write(lambda: self._json(self._ask(method, path, {}, content), path), find)

    def pages(
        self, path: str, enough: Callable[[Told], bool] = lambda _: False, **query: str | int
    ) -> list[Told]:
        """All entries of a list, up to the first that is `enough`.

        Entries move from page to page when some come and go. A list that changed its length while it
        was read is read again.
        """
        for _ in range(_LOOKS):
            found, is_whole = self._listed(path, enough, query)
            if is_whole:
                break
        return found

    def _listed(
        self, path: str, enough: Callable[[Told], bool], query: Mapping[str, str | int]
    ) -> tuple[list[Told], bool]:
        found: dict[int, Told] = {}
        totals = set()
        for page in range(1, _MOST_PAGES + 1):
            asked = {**query, "limit": _PAGE, "page": page}
            answer = self._pace.read(partial(self._ask, "GET", path, asked))
            known = len(found)
            for each in self.things(self._json(answer, path), path):
                if enough(each):
                    return list(found.values()), True
                found[self.number(each, "id", path)] = each
            total = answer.headers.get("x-total-count", "")
            totals.add(total)
            if len(found) == known or (total.isdecimal() and len(found) >= int(total)):
                return list(found.values()), len(totals) == 1 or len(found) == known == 0
        raise self.strange(path, f"has more than {_MOST_PAGES} pages")

    def _ask(
        self, method: str, path: str, query: Mapping[str, str | int], content: bytes | None = None
    ) -> Answer:
        inside = path.removeprefix("/") if path.startswith("//") else f"{self._repository}{path}"
        url = f"{self._root}{inside}" + (f"?{urlencode(query)}" if query else "")
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        if self._site.token is not None:
            headers["Authorization"] = f"token {self._site.token.reveal()}"
        answer = self._web.ask(method, url, headers, content)
        if answer.status >= 400:
            raise self._refused(answer, method, path)
        return answer

    # -- answers ----------------------------------------------------------------------------------

    def _json(self, answer: Answer, path: str) -> Any:
        if not answer.body.strip():
            return None
        try:
            return json.loads(answer.body)
        except (ValueError, RecursionError):
            raise self.strange(path, "answers something that is no JSON") from None

    def _refused(self, answer: Answer, method: str, path: str) -> RefusedError:
        try:
            told = json.loads(answer.body)
        except (ValueError, RecursionError):
            told = None
        message = told.get("message") if isinstance(told, dict) else None
        reason = said(message, self._site.token) if isinstance(message, str) and message else ""
        words = _WORDS.get(answer.status, "it refuses {what}").format(what=f"{method} {path}")
        text = f"{self.name}: {words}" + (f" ({reason})." if reason else ".")
        return RefusedError(answer.status, reason, self.name, text, self._site.repository)

    def strange(self, path: str, how: str) -> Problem:
        """Something that no Gitea answers."""
        text = f"{self.name}: {path} {how}: is there a Gitea or Forgejo at that address?"
        return Problem(self.name, text, whose=Whose.THEIRS, repository=self._site.repository)

    def problem(self, text: str) -> Problem:
        return Problem(self.name, f"{self.name}: {text}.", repository=self._site.repository)

    def things(self, told: object, path: str) -> list[Told]:
        if told is None:
            return []
        if not isinstance(told, list) or not all(isinstance(each, dict) for each in told):
            raise self.strange(path, "answers no list")
        return told

    def thing(self, told: object, path: str) -> Told:
        if not isinstance(told, dict):
            raise self.strange(path, "answers no object")
        return told

    def number(self, told: Told, key: str, path: str) -> int:
        found = told.get(key)
        if not isinstance(found, int) or isinstance(found, bool) or not 0 <= found < 1 << 62:
            raise self.strange(path, f"says nothing about {key}")
        return found


_WORDS: Final = {
    401: "it does not accept the token: make a new one, with the scopes of docs/forges.md",
    403: "the token may not do that ({what}): docs/forges.md names the scopes and the role it needs",
    404: "{what} is not there, or the token may not see it",
    423: "the repository is archived: nothing can be written there",
}

"""One project of a GitLab server, spoken to with python-gitlab, and its answers as plain JSON.

The library's own ways of trying again are off: it would sleep as long as a server says, and send a
write twice. Its managers are left aside where they lose what is needed (the headers of a page), or
send what nobody named (`save()`). The token is added below it, so that none of its objects hold it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, Final, NamedTuple
from urllib.parse import quote, urlencode

import gitlab
from gitlab.exceptions import GitlabError

from reconciler.errors import Problem
from reconciler.forges.address import where
from reconciler.forges.pace import GITLAB, Pace
from reconciler.forges.port import Site
from reconciler.forges.web import Answer, Web, said
from reconciler.model import Secret, Whose

Params = Mapping[str, str | int | bool | tuple[str, ...]]
Found = dict[str, Any]

_PAGE: Final = 100
_MOST_PAGES: Final = 200
_ADVICE: Final = {
    401: "the token is not taken: it has expired or was revoked, or it is a CI job token, which GitLab "
    "lets write no merge requests",
    403: "the token may not do that: it needs the scope `api`, and the role Developer in the project",
    404: "there is none, or the token may not see it: is it a token of this project, or of its group?",
}


class RefusedError(Problem):
    """GitLab says no (4xx)."""

    def __init__(self, status: int, words: str, what: str, text: str, repository: str) -> None:
        super().__init__(what, text, repository=repository)
        self.status = status
        self.words = words  # GitLab's own, safe to show


class Api:
    def __init__(self, site: Site) -> None:
        place = where(site)
        self.server, self.path, self.repository = place.server, place.path, site.repository
        self.pace = Pace(site, f"GitLab at {place.host}", GITLAB)
        self._token = site.token
        self._gitlab = gitlab.Gitlab(
            place.server, backend=_Backend, web=Web(site), token=site.token, retry_transient_errors=False
        )

    @property
    def project(self) -> str:
        """The beginning of all paths below this project: subgroups are one piece."""
        return f"/projects/{quote(self.path, safe='')}"

    def get(self, path: str, params: Params | None = None) -> Found:
        return self._object(path, self.pace.read(lambda: self._asked("get", path, params)))

    def find(
        self, path: str, params: Params | None = None, *, without: tuple[int, ...] = (404,)
    ) -> Found | None:
        """None where GitLab answers with one of these: this edition, or this project, has no such thing."""
        try:
            return self.get(path, params)
        except RefusedError as refused:
            if refused.status in without:
                return None
            raise

    def each(self, path: str, params: Params | None = None) -> Iterator[Found]:
        """Everything in a list, page by page. Pages are asked for by number: no link is followed."""
        page = 1
        for _ in range(_MOST_PAGES):
            asked = {**(params or {}), "per_page": _PAGE, "page": page}
            answer = self.pace.read(partial(self._asked, "get", path, asked))
            items = self._json(path, answer)
            if not isinstance(items, list) or not all(isinstance(each, dict) for each in items):
                raise self.strange(f"its list at {path}")
            yield from items
            following = self._next(path, page, answer, len(items))
            if not following:
                return
            page = following
        raise self.problem(path, f"GitLab's list at {path} has more than {_MOST_PAGES} pages", Whose.YOURS)

    def send(self, method: str, path: str, data: Found, find: Callable[[], object | None]) -> object:
        """A write, and what GitLab says of it. `find` says what has become of it, should that be lost."""
        return self.pace.write(lambda: self._json(path, self._asked(method, path, None, data)), find)

    def problem(self, what: str, words: str, whose: Whose = Whose.THEIRS) -> Problem:
        return Problem(what, f"{words}.", whose=whose, repository=self.repository)

    def strange(self, what: str) -> Problem:
        return self.problem(what, f"GitLab at {self.server} answers with what can't be understood: {what}")

    def shown(self, words: object) -> str:
        """Words of GitLab's, safe to show."""
        return said(words, self._token)

    # -- asking ---------------------------------------------------------------------------------

    def _asked(self, method: str, path: str, params: Params | None, data: Found | None = None) -> Any:
        try:
            return self._gitlab.http_request(
                method, path, query_data=dict(params or {}), post_data=data, obey_rate_limit=False
            )
        except GitlabError as error:
            raise self._refused(path, error) from None

    def _refused(self, path: str, error: GitlabError) -> Problem:
        status = error.response_code or 0
        words = self.shown(_words(error.error_message))
        advice = _ADVICE.get(status, words)
        what = path.replace(self.project, self.path) or self.path
        end = "" if advice.endswith("?") else "."
        text = f"GitLab at {self.server} answers {status} to {what}: {advice}{end}"
        return RefusedError(status, words, what, text, self.repository)

    def _next(self, path: str, page: int, answer: Any, length: int) -> int:
        """The number of the page after this one; 0 after the last."""
        if "x-next-page" not in answer.headers:  # some proxies drop what they don't know
            return page + 1 if length >= _PAGE else 0
        told = answer.headers["x-next-page"].strip()
        if not told:
            return 0
        if not told.isascii() or not told.isdigit() or len(told) > 9 or int(told) <= page:
            raise self.strange(f"the pages of {path}")
        return int(told)

    def _json(self, path: str, answer: Any) -> object:
        try:
            found: object = json.loads(answer.content or b"{}")
            return found
        except (ValueError, RecursionError):
            web_page = answer.content.lstrip()[:1] == b"<"
            hint = (
                " (it is a web page: does GitLab lie below a path? Name it with forges[].url)"
                if web_page
                else ""
            )
            raise self.strange(f"what it says of {path} is no JSON{hint}") from None

    def _object(self, path: str, answer: Any) -> Found:
        found = self._json(path, answer)
        if not isinstance(found, dict):
            raise self.strange(f"what it says of {path}")
        return found


def _words(message: object) -> str:
    """What GitLab says of an error: text, a list of texts, or texts by field."""
    if isinstance(message, dict):
        return "; ".join(f"{field}: {_words(each)}" for field, each in list(message.items())[:10])
    if isinstance(message, list):
        return ", ".join(_words(each) for each in message[:10])
    if isinstance(message, bytes):
        message = message.decode("utf-8", "replace")
    text = str(message).strip()
    return "an error's page" if text.startswith("<") else text.rstrip(".")


# -- below the library --------------------------------------------------------------------------


class _Sent(NamedTuple):
    """A body as the library hands it on."""

    content_type: str
    data: object
    json: object


class _Backend:
    """Carries the library's requests over our own bounded way to the server."""

    client = None

    def __init__(self, web: Web, token: Secret | None) -> None:
        self._web = web
        self._token = token

    @staticmethod
    def prepare_send_data(_files: object, post_data: object, _raw: bool) -> _Sent:
        return _Sent("application/json", None, post_data)

    def http_request(
        self, *, method: str, url: str, json: object, params: Mapping[str, Any] | None, **_: Any
    ) -> _Response:
        words = {name: _query(value) for name, value in (params or {}).items()}
        address = f"{url}?{urlencode(words, doseq=True)}" if words else url
        headers = {"Accept": "application/json"}
        if json is not None:
            headers["Content-Type"] = "application/json"
        if self._token is not None:
            headers["PRIVATE-TOKEN"] = self._token.reveal()
        body = None if json is None else _packed(json)
        return _Response(self._web.ask(method.upper(), address, headers, body))


class _Response:
    """An answer, with what the library looks at."""

    history = ()
    reason = ""

    def __init__(self, answer: Answer) -> None:
        self.status_code = answer.status
        self.headers = answer.headers
        self.content = answer.body

    @property
    def response(self) -> _Response:
        return self

    def json(self) -> Any:
        return json.loads(self.content)


def _query(value: object) -> object:
    return str(value).lower() if isinstance(value, bool) else value


def _packed(data: object) -> bytes:
    """JSON that any database takes: no NUL, and no half of a pair of surrogates."""
    return json.dumps(_clean(data), ensure_ascii=False).encode("utf-8", "replace")


def _clean(data: object) -> object:
    if isinstance(data, dict):
        return {name: _clean(each) for name, each in data.items()}
    return data.replace("\0", "") if isinstance(data, str) else data

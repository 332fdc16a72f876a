"""One request to GitHub's API: who asks, what about, and how it is refused."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import jwt

from . import github_graphql
from .github_shapes import Shapes
from .records import Issue, Refused, Request, Right, Role, Token, User
from .repository import Repository
from .serving import Answer, Asked, Emulator, Routes

if TYPE_CHECKING:
    from .github import GitHub

REST = "/api/v3"
ROUTES = Routes(REST)
_DOCS = "https://docs.github.com/rest"
_MERGES = {"merge": "Merge commits are", "squash": "Squash merges are", "rebase": "Rebase merges are"}


@dataclass
class AppAccount:
    """A GitHub App: its public key, and where it is installed."""

    id: str
    slug: str
    public_key: str
    installations: dict[int, str] = field(default_factory=dict)  # number, and the owner
    minted: int = 0

    @property
    def login(self) -> str:
        return f"{self.slug}[bot]"


class Call:
    """One request, and what it is about."""

    def __init__(self, forge: GitHub, emulator: Emulator, asked: Asked, token: Token | None) -> None:
        self.forge = forge
        self.emulator = emulator
        self.store = emulator.store
        self.asked = asked
        self.token = token
        self.shapes = Shapes(emulator.url, emulator.url + REST)

    @property
    def given(self) -> dict[str, Any]:
        found = self.asked.json
        if not isinstance(found, dict):
            raise Refused("invalid", "Invalid request. An object is expected.")
        return found

    @property
    def by(self) -> User:
        if self.token is None:
            raise Refused("unauthorised", "Requires authentication")
        return self.token.user

    def repository(self, role: Role = Role.READ, right: Right = Right.READ) -> Repository:
        path = f"{self.asked.params['owner']}/{self.asked.params['repo']}"
        if role > Role.READ and self.token is None:
            raise Refused("unauthorised", "Requires authentication")
        return self.emulator.found(self.token, path, role, right)

    def request(self, repository: Repository) -> Request:
        return repository.request(int(self.asked.params["number"]))

    def thing(self, repository: Repository) -> Issue | Request:
        number = int(self.asked.params["number"])
        return repository.requests.get(number) or repository.issue(number)

    def listed(self, found: list[Any]) -> Answer:
        page, headers = self.emulator.page(self.asked, found)
        return Answer(200, page, {name: text for name, text in headers.items() if name == "Link"})

    def graphql(self) -> Answer:
        if self.token is None:
            return problem(401, "Bad credentials")
        return Answer(200, github_graphql.answer(self.store, self.token, self.given, self.forge.queries))

    # -- apps -------------------------------------------------------------------------------------

    @property
    def is_app_asking(self) -> bool:
        return self.asked.credential.count(".") == 2

    def app(self) -> AppAccount:
        """The app that has signed this request."""
        try:
            claims = jwt.decode(self.asked.credential, options={"verify_signature": False})
            app = self.forge.apps[str(claims["iss"])]
            jwt.decode(
                self.asked.credential, app.public_key, algorithms=["RS256"],
                options={"verify_exp": False, "verify_iat": False},
            )  # fmt: skip
        except (jwt.PyJWTError, KeyError):
            raise Refused("unauthorised", "A JSON web token could not be decoded") from None
        now = self.store.clock()
        if claims["exp"] <= now or claims["iat"] > now:
            raise Refused(
                "unauthorised", "'Expiration time' claim ('exp') must be a numeric value in the future"
            )
        if claims["exp"] - claims["iat"] > 660:
            raise Refused("unauthorised", "'Expiration time' claim ('exp') is too far in the future")
        return app


# -- refusals ------------------------------------------------------------------------------------------


class Invalid(Refused):
    """422, with a list of what is wrong."""

    def __init__(self, error: dict[str, str]) -> None:
        super().__init__("invalid", "Validation Failed")
        self.error = error


def invalid(name: str, text: str, code: str = "custom") -> Invalid:
    told = {"resource": "PullRequest", "code": code}
    return Invalid({**told, **({"field": name} if name else {}), **({"message": text} if text else {})})


def title_of(text: object) -> str:
    title = re.sub(r"[\r\n]+", " ", str(text)).strip()
    if len(title) > 256:
        raise invalid("title", "title is too long (maximum is 256 characters)")
    return title


def message(text: str) -> dict[str, Any]:
    return {"message": text, "documentation_url": _DOCS}


def problem(status: int, text: str) -> Answer:
    return Answer(status, {**message(text), "status": str(status)})


_TEXTS = {
    "closed": (405, "Pull Request is not mergeable"),
    "merged": (405, "Pull Request is not mergeable"),
    "conflict": (405, "Pull Request is not mergeable"),
    "no-branch": (405, "Pull Request is not mergeable"),
    "draft": (405, "Pull Request is still a draft"),
    "behind": (405, "This branch must not be behind its base"),
    "approvals": (405, "At least 1 approving review is required by reviewers with write access."),
    "changes-wanted": (405, "Changes were requested by a reviewer with write access."),
    "checks": (405, "Required status check is expected."),
    "queue": (405, ""),
    "head-moved": (409, "Head branch was modified. Review and try the merge again."),
    "not-found": (404, "Not Found"),
    "forbidden": (403, "Resource not accessible by personal access token"),
    "unauthorised": (401, ""),
    "invalid": (422, ""),
    "exists": (422, ""),
    "empty": (422, ""),
    "force-pushed": (422, ""),
    "method": (405, ""),
}


def refusal(refused: Refused) -> Answer:
    status, text = _TEXTS[refused.why]
    if refused.why == "method":
        text = f"{_MERGES[refused.text.split()[0]]} not allowed on this repository."
    answer = problem(status, text or refused.text)
    if isinstance(refused, Invalid):
        answer.body["errors"] = [refused.error]
    if status == 403:
        return answer._replace(headers={"X-Accepted-GitHub-Permissions": "pull_requests=write"})
    return answer

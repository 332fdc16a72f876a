"""GitHub's API, as an Enterprise Server has it: REST below /api/v3, GraphQL at /api/graphql."""

from __future__ import annotations

from . import github_issues, github_pulls, github_repositories  # they know the routes
from .github_calls import REST, ROUTES, AppAccount, Call, message, problem, refusal
from .records import Refused, Token
from .serving import Answer, Asked, Emulator

__all__ = ["AppAccount", "GitHub", "github_issues", "github_pulls", "github_repositories"]


class GitHub:
    def __init__(self) -> None:
        self.apps: dict[str, AppAccount] = {}
        self.queries: list[str] = []  # of GraphQL, as they came
        self.first_body_limit = 65_536

    def claims(self, path: str) -> bool:
        return path.startswith((REST, "/api/graphql"))

    def answer(self, emulator: Emulator, asked: Asked, token: Token | None) -> Answer:
        call = Call(self, emulator, asked, token)
        try:
            if asked.path == "/api/graphql":
                return call.graphql()
            function, is_known = ROUTES.find(asked)
            if function is None:
                return problem(405 if is_known else 404, "Not Found")
            if asked.credential and token is None and not call.is_app_asking:
                return problem(401, "Bad credentials")
            return function(call)
        except Refused as refused:
            return refusal(refused)

    def limited(self, asked: Asked, seconds: int) -> Answer:
        text = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."
        return Answer(403, message(text), {"Retry-After": str(seconds)})

"""The part of GitHub's GraphQL that the adapter asks for; tests compare it with the published schema."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphql import GraphQLError, build_schema, graphql_sync

from .github_basics import unnode
from .records import Refused, Right, Role, Token, User
from .repository import Repository
from .store import Store

SCHEMA = """
interface Actor { login: String! }
type User implements Actor { login: String! }
type Bot implements Actor { login: String! }
type ClosedEvent { actor: Actor }
type MergedEvent { actor: Actor }
union PullRequestTimelineItems = ClosedEvent | MergedEvent
enum PullRequestTimelineItemsItemType { CLOSED_EVENT MERGED_EVENT }
type PullRequestTimelineItemsConnection { nodes: [PullRequestTimelineItems] }
type MergeQueueEntry { id: ID! }
type PullRequest {
  id: ID!
  number: Int!
  isInMergeQueue: Boolean!
  timelineItems(
    last: Int, itemTypes: [PullRequestTimelineItemsItemType!]
  ): PullRequestTimelineItemsConnection!
}
type Repository { pullRequest(number: Int!): PullRequest }
type Query { viewer: User! repository(owner: String!, name: String!): Repository }
enum PullRequestMergeMethod { MERGE SQUASH REBASE }
input EnablePullRequestAutoMergeInput {
  clientMutationId: String
  pullRequestId: ID!
  commitHeadline: String
  commitBody: String
  mergeMethod: PullRequestMergeMethod
  authorEmail: String
  expectedHeadOid: GitObjectID
}
type EnablePullRequestAutoMergePayload { actor: Actor clientMutationId: String }
input EnqueuePullRequestInput {
  clientMutationId: String
  pullRequestId: ID!
  jump: Boolean
  expectedHeadOid: GitObjectID
}
type EnqueuePullRequestPayload { clientMutationId: String mergeQueueEntry: MergeQueueEntry }
scalar GitObjectID
type Mutation {
  enablePullRequestAutoMerge(input: EnablePullRequestAutoMergeInput!): EnablePullRequestAutoMergePayload
  enqueuePullRequest(input: EnqueuePullRequestInput!): EnqueuePullRequestPayload
}
"""
EXTRA = "avatarUrl(size: Int): URI! resourcePath: URI! url: URI!"  # PyGithub asks for them
_SCHEMA = build_schema(SCHEMA.replace("login: String!", f"login: String! {EXTRA}") + "\nscalar URI\n")
_REFUSALS = {
    "clean": "Pull request Pull request is in clean status",
    "method": "Pull request Auto merge is not allowed for this repository",
    "head-moved": "Head sha didn't match expected head sha",
}


def answer(store: Store, token: Token, asked: dict[str, Any], queries: list[str]) -> dict[str, Any]:
    queries.append(str(asked.get("query")))
    result = graphql_sync(
        _SCHEMA,
        str(asked.get("query")),
        root_value=_Root(store, token),
        variable_values=asked.get("variables"),
    )
    found: dict[str, Any] = {"data": result.data}
    if result.errors:
        found["errors"] = [_error(each) for each in result.errors]
    return found


def _error(error: GraphQLError) -> dict[str, Any]:
    told: dict[str, Any] = {"message": error.message, "path": error.path or []}
    if isinstance(error.original_error, Refused):
        why = error.original_error.why
        told["type"] = "NOT_FOUND" if why == "not-found" else "UNPROCESSABLE"
    return told


def _actor(user: User | None) -> dict[str, Any] | None:
    """Apps go without the `[bot]` of their name here."""
    if user is None:
        return None
    kind = "Bot" if user.is_bot else "User"
    login = user.login.removesuffix("[bot]")
    links = {
        "avatarUrl": "https://example.com/a",
        "resourcePath": f"/{login}",
        "url": f"https://example.com/{login}",
    }
    return {"__typename": kind, "login": login, **links}


class _Root:
    def __init__(self, store: Store, token: Token) -> None:
        self._store = store
        self._token = token

    def viewer(self, _: Any) -> dict[str, Any]:
        return {**(_actor(self._token.user) or {}), "__typename": "User", "login": self._token.user.login}

    def repository(self, _: Any, owner: str, name: str) -> dict[str, Any] | None:
        found = self._store.repositories.get(f"{owner}/{name}")
        if found is None or not self._store.may(self._token, found, Role.READ, Right.READ):
            raise Refused("not-found", f"Could not resolve to a Repository with the name '{owner}/{name}'.")
        return {"pullRequest": lambda _, number: _pull(found, number)}

    def enablePullRequestAutoMerge(self, _: Any, input: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        repository, request = self._request(input["pullRequestId"])
        method = str(input.get("mergeMethod") or "MERGE").lower()
        words = [text for text in (input.get("commitHeadline"), input.get("commitBody")) if text]
        self._done(
            lambda: repository.arm(
                request,
                self._token.user,
                method,
                head=input.get("expectedHeadOid") or "",
                message="\n\n".join(words),
            )
        )
        return {"actor": _actor(self._token.user)}

    def enqueuePullRequest(self, _: Any, input: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        repository, request = self._request(input["pullRequestId"])
        if not repository.queue:
            raise Refused("invalid", "Branch does not have a merge queue")
        head = input.get("expectedHeadOid") or ""
        self._done(lambda: repository.enqueue(request, self._token.user, head=head))
        return {"mergeQueueEntry": {"id": "MQE_1"}}

    def _request(self, text: str) -> tuple[Repository, Any]:
        _, number = unnode(text)
        for repository in self._store.repositories.values():
            for request in repository.requests.values():
                if request.id == number and self._store.may(self._token, repository, Role.READ, Right.READ):
                    if self._store.may(self._token, repository, Role.WRITE, Right.REQUESTS):
                        return repository, request
                    raise Refused("forbidden", "Resource not accessible by personal access token")
        raise Refused("not-found", f"Could not resolve to a node with the global id of '{text}'")

    def _done(self, do: Callable[[], None]) -> None:
        try:
            do()
        except Refused as refused:
            raise Refused(refused.why, _REFUSALS.get(refused.why, refused.text)) from None


def _pull(repository: Repository, number: int) -> dict[str, Any]:
    request = repository.requests.get(number)
    if request is None:
        raise Refused("not-found", f"Could not resolve to a PullRequest with the number of {number}.")
    ends = [each for each in request.events if each.what in ("closed", "merged")]
    kinds = {"closed": "ClosedEvent", "merged": "MergedEvent"}
    return {
        "number": number,
        "isInMergeQueue": request.auto_merge is not None and request.auto_merge.queued,
        "timelineItems": lambda _, last=1, itemTypes=(): {  # noqa: N803
            "nodes": [{"__typename": kinds[each.what], "actor": _actor(each.by)} for each in ends[-last:]]
        },
    }

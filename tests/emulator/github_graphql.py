"""The part of GitHub's GraphQL that the adapter asks for; tests compare it with the published schema."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphql import GraphQLError, build_schema, graphql_sync

from .github_basics import node, unnode
from .github_shapes import mergeable_state
from .records import Refused, Right, Role, Token, User
from .repository import Repository
from .store import Store

SCHEMA = """
interface Actor { login: String! avatarUrl(size: Int): URI! resourcePath: URI! url: URI! }
type User implements Actor & RepositoryOwner {
  id: ID!
  login: String!
  name: String
  avatarUrl(size: Int): URI!
  resourcePath: URI!
  url: URI!
}
type Bot implements Actor { login: String! avatarUrl(size: Int): URI! resourcePath: URI! url: URI! }
type ClosedEvent { actor: Actor }
type MergedEvent { actor: Actor }
union PullRequestTimelineItems = ClosedEvent | MergedEvent
enum PullRequestTimelineItemsItemType { CLOSED_EVENT MERGED_EVENT }
type PullRequestTimelineItemsConnection { nodes: [PullRequestTimelineItems] }
type MergeQueueEntry { id: ID! }
enum PullRequestState { OPEN CLOSED MERGED }
enum MergeStateStatus { BEHIND BLOCKED CLEAN DIRTY DRAFT HAS_HOOKS UNKNOWN UNSTABLE }
interface RepositoryOwner { id: ID! login: String! }
type Commit { oid: GitObjectID! }
type PullRequestCommit { commit: Commit! }
type PullRequestCommitConnection { nodes: [PullRequestCommit] }
type PageInfo { hasNextPage: Boolean! endCursor: String }
type PullRequestConnection { totalCount: Int! nodes: [PullRequest] pageInfo: PageInfo! }
enum IssueOrderField { CREATED_AT UPDATED_AT COMMENTS }
enum OrderDirection { ASC DESC }
input IssueOrder { field: IssueOrderField! direction: OrderDirection! }
type PullRequest {
  id: ID!
  number: Int!
  title: String!
  body: String!
  url: URI!
  state: PullRequestState!
  isDraft: Boolean!
  isCrossRepository: Boolean!
  headRefName: String!
  headRefOid: GitObjectID!
  baseRefName: String!
  mergeStateStatus: MergeStateStatus!
  headRepositoryOwner: RepositoryOwner
  commits(last: Int): PullRequestCommitConnection!
  isInMergeQueue: Boolean!
  isMergeQueueEnabled: Boolean!
  timelineItems(
    last: Int, itemTypes: [PullRequestTimelineItemsItemType!]
  ): PullRequestTimelineItemsConnection!
}
type Repository {
  pullRequest(number: Int!): PullRequest
  pullRequests(
    states: [PullRequestState!], baseRefName: String, headRefName: String, first: Int, after: String,
    orderBy: IssueOrder
  ): PullRequestConnection!
}
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
input ClosePullRequestInput { clientMutationId: String pullRequestId: ID! }
type ClosePullRequestPayload { pullRequest: PullRequest }
input ReopenPullRequestInput { clientMutationId: String pullRequestId: ID! }
type ReopenPullRequestPayload { pullRequest: PullRequest }
input MergePullRequestInput {
  clientMutationId: String
  pullRequestId: ID!
  commitHeadline: String
  commitBody: String
  expectedHeadOid: GitObjectID
  mergeMethod: PullRequestMergeMethod
  authorEmail: String
}
type MergePullRequestPayload { clientMutationId: String pullRequest: PullRequest }
input AddCommentInput { clientMutationId: String subjectId: ID! body: String! }
type IssueComment { url: URI! }
type IssueCommentEdge { node: IssueComment }
type AddCommentPayload { commentEdge: IssueCommentEdge }
scalar GitObjectID
scalar URI
type Mutation {
  closePullRequest(input: ClosePullRequestInput!): ClosePullRequestPayload
  reopenPullRequest(input: ReopenPullRequestInput!): ReopenPullRequestPayload
  mergePullRequest(input: MergePullRequestInput!): MergePullRequestPayload
  addComment(input: AddCommentInput!): AddCommentPayload
  enablePullRequestAutoMerge(input: EnablePullRequestAutoMergeInput!): EnablePullRequestAutoMergePayload
  enqueuePullRequest(input: EnqueuePullRequestInput!): EnqueuePullRequestPayload
}
"""
_SCHEMA = build_schema(SCHEMA)
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
        return {
            "pullRequest": lambda _, number: _pull(found, number),
            "pullRequests": lambda _, **wanted: _pulls(found, wanted),
        }

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

    def closePullRequest(self, _: Any, input: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        repository, request = self._request(input["pullRequestId"])
        self._done(lambda: repository.close(request, self._token.user))
        return {"pullRequest": _pull(repository, request.number)}

    def reopenPullRequest(self, _: Any, input: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        repository, request = self._request(input["pullRequestId"])
        self._done(lambda: repository.reopen(request, self._token.user))
        return {"pullRequest": _pull(repository, request.number)}

    def mergePullRequest(self, _: Any, input: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        repository, request = self._request(input["pullRequestId"])
        method, head = str(input.get("mergeMethod") or "MERGE").lower(), input.get("expectedHeadOid") or ""
        self._done(lambda: repository.merge(request, self._token.user, method, head=head))
        return {"pullRequest": _pull(repository, request.number)}

    def addComment(self, _: Any, input: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        repository, request = self._request(input["subjectId"])
        made = repository.comment(request, self._token.user, input["body"])
        return {"commentEdge": {"node": {"url": f"https://example.com/{request.number}#{made.id}"}}}

    def _request(self, text: str) -> tuple[Repository, Any]:
        _, number = unnode(text)
        for repository in self._store.repositories.values():
            for request in repository.requests.values():
                if request.id == number and self._store.may(self._token, repository, Role.READ, Right.READ):
                    if self._store.may(self._token, repository, Role.WRITE, Right.REQUESTS):
                        return repository, request
                    raise Refused("forbidden", "Resource not accessible by personal access token")
        raise Refused("not-found", f"Could not resolve to a node with the global id of '{text}'")

    def _done(self, do: Callable[[], object]) -> None:
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
    state = mergeable_state(repository, request).upper() if request.is_open else "UNKNOWN"
    owner = {"__typename": "User", "id": "U_1", "login": repository.owner, "name": repository.owner}
    return {
        "id": node("PullRequest", request.id),
        "number": number,
        "title": request.title,
        "body": request.body,
        "url": f"https://example.com/{repository.path}/pull/{number}",
        "state": request.state.upper(),
        "isDraft": request.draft,
        "isCrossRepository": False,
        "headRefName": request.branch,
        "headRefOid": request.head,
        "baseRefName": request.base,
        "mergeStateStatus": state,
        "headRepositoryOwner": owner,
        "commits": lambda _, last=1: {"nodes": [{"commit": {"oid": request.head}}]},
        "isMergeQueueEnabled": repository.queue,
        "isInMergeQueue": request.auto_merge is not None and request.auto_merge.queued,
        "timelineItems": lambda _, last=1, itemTypes=(): {  # noqa: N803
            "nodes": [{"__typename": kinds[each.what], "actor": _actor(each.by)} for each in ends[-last:]]
        },
    }


def _pulls(repository: Repository, wanted: dict[str, Any]) -> dict[str, Any]:
    found = [_pull(repository, number) for number in sorted(repository.requests, reverse=True)]
    for name, key in (("headRefName", "headRefName"), ("baseRefName", "baseRefName")):
        found = [each for each in found if wanted.get(name) in (None, each[key])]
    found = [each for each in found if not wanted.get("states") or each["state"] in wanted["states"]]
    page = found[: wanted.get("first") or 30]
    return {"totalCount": len(found), "nodes": page, "pageInfo": {"hasNextPage": len(page) < len(found)}}

"""GitHub and GitHub Enterprise."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, TypeVar
from urllib.parse import quote

from github.GithubObject import NotSet

from reconciler.errors import Problem
from reconciler.forges.github_commits import made_commit
from reconciler.forges.github_merging import Merger
from reconciler.forges.github_pages import Pages
from reconciler.forges.github_seen import (
    StrangeError,
    actor,
    body,
    is_of,
    login,
    moment,
    reviews,
    seen,
)
from reconciler.forges.github_wire import Hub, Refused
from reconciler.forges.marks import marked, unmarked
from reconciler.forges.port import (
    Capabilities,
    Comment,
    Draft,
    Forge,
    Merging,
    Method,
    NotMerged,
    Page,
    Site,
    Standing,
    Wording,
)
from reconciler.model import Commit, MergeRequest

T = TypeVar("T")

_LONGEST_TITLE: Final = 256
_ENDS: Final = 40  # whose end is asked for at once
_ENDED_BY: Final = """
  timelineItems(last: 1, itemTypes: [CLOSED_EVENT, MERGED_EVENT]) {
    nodes {
      ... on ClosedEvent { actor { __typename login } }
      ... on MergedEvent { actor { __typename login } }
    }
  }
"""


def open_github(site: Site) -> Forge:
    return GitHubForge(site)


class GitHubForge:
    def __init__(self, site: Site) -> None:
        self._hub = Hub(site)
        self._ends: dict[tuple[int, int], str] = {}  # number and when: who ended it
        self._merger = Merger(self._hub)
        self._pages = Pages(self._hub)

    @functools.cached_property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            body_limit=60_000,
            squash=True,
            comments=True,
            needs_review=True,
            reviewers=True,
            merges_later=True,
            pages=True,
            diagrams=True,
            details=True,
            boxes=True,
            asks_owners=True,
            commits=self._hub.site.app is not None,  # GitHub signs for apps alone
            starts_checks=self._hub.starts_workflows,
        )

    # -- the port ---------------------------------------------------------------------------------

    def whoami(self) -> str:
        return self._hub.me()

    def mine(self, prefix: str, since: int = 0) -> Sequence[MergeRequest]:
        found = [pull for pull in self._listed("open", "created") if self._is_of(pull, prefix)]
        for pull in self._listed("closed", "updated"):
            if self._moment(pull, "updated_at") < since:
                break
            ended = self._moment(pull, "closed_at")
            if ended >= since and self._is_of(pull, prefix):
                found.append(pull)
        unique = {self._seen(pull).number: pull for pull in found}  # one may have ended between two pages
        return sorted(self._shown_all(unique.values()), key=lambda one: one.number, reverse=True)

    def standing(self, number: int) -> Standing:
        hub, pull = self._hub, self._pull(number)
        head = self._seen(pull).head
        approved, changes = (
            tuple(filter(hub.counts, names))
            for names in reviews(hub.pages(f"{hub.path}/pulls/{number}/reviews"), self._same(head))
        )
        return Standing(approved, changes, self._merger.checks(head), self._merger.is_merging(pull))

    def _same(self, head: str) -> set[str]:
        """The commit, and the one below it where "Update branch" has merged the base into that."""
        parents = self._hub.get(f"{self._hub.path}/git/commits/{head}").get("parents")
        told = parents if isinstance(parents, list) else []
        found = [each.get("sha") for each in told if isinstance(each, dict)]
        return {head, *(str(each) for each in found[:1] if len(found) == 2)}

    def open(self, draft: Draft) -> MergeRequest:
        there = self._open_one(draft.branch)
        if there is not None:
            return self._shown(there)
        made = self._hub.write(
            f"branch {draft.branch}", lambda: self._made(draft), lambda: self._open_one(draft.branch)
        )
        request = self._shown(made)
        if not draft.labels and not draft.reviewers:
            return request
        self._label(request.number, draft.labels)
        self._ask_for_reviews(request, draft.reviewers)
        return self._shown(self._pull(request.number))

    def update(self, number: int, wording: Wording) -> MergeRequest:
        old = self._shown(self._pull(number))
        fields = {"title": _title(wording.title), "body": wording.body}
        now = {"title": old.title, "body": old.body}
        changed = {  # a forge may take the end of a text for none
            key: text
            for key, text in fields.items()
            if text is not None and text.rstrip() != now[key].rstrip()
        }
        if changed:
            self._edit(number, changed)
        wanted = [label for label in wording.add_labels if label not in old.labels]
        unwanted = [label for label in wording.remove_labels if label in old.labels]
        self._label(number, wanted)
        for label in unwanted:
            self._unlabel(number, label)
        missing = [one for one in wording.add_reviewers if one not in old.reviewers]
        self._ask_for_reviews(old, missing)
        if wording.comment is not None:
            self._comment(number, wording.comment)
        unchanged = not (changed or wanted or unwanted or missing)
        return old if unchanged else self._shown(self._pull(number))

    def close(self, number: int, comment: Comment | None = None) -> MergeRequest:
        old = self._seen(self._pull(number))
        if old.state == "merged":
            raise self._hub.problem(f"!{number}", f"has merged {number}, which can't be closed any more")
        if comment is not None:
            self._comment(number, comment)
        if old.state == "open":
            self._edit(number, {"state": "closed"})
        return self._shown(self._pull(number))

    def reopen(self, number: int) -> MergeRequest:
        old = self._seen(self._pull(number))
        if old.state == "merged":
            raise self._hub.problem(f"!{number}", f"has merged {number}, which can't be reopened")
        if old.state == "closed":
            self._edit(number, {"state": "open"})
        return self._shown(self._pull(number))

    def merge(
        self, number: int, head: str, *, method: Method = Method.AUTO, later: bool = False
    ) -> MergeRequest | Merging | NotMerged:
        answer = self._merger.merge(number, head, method, later=later)
        if isinstance(answer, NotMerged):
            return answer
        request = self._shown(self._pull(number))
        return Merging(request, answer) if request.state == "open" else request

    def page(self, topic: str) -> Page | None:
        return self._pages.page(topic)

    def write_page(self, page: Page) -> Page:
        return self._pages.write(page)

    def commit(self, what: Commit) -> str | None:
        return made_commit(self._hub, what) if self.capabilities.commits else None

    # -- reading ----------------------------------------------------------------------------------

    def _pull(self, number: int) -> dict[str, Any]:
        return self._hub.get(f"{self._hub.path}/pulls/{number}")

    def _listed(self, state: str, by: str) -> Iterable[dict[str, Any]]:
        return self._hub.pages(f"{self._hub.path}/pulls", state=state, sort=by, direction="desc")

    def _is_of(self, pull: Mapping[str, Any], prefix: str) -> bool:
        return is_of(pull, self._hub.where.path, prefix)

    def _open_one(self, branch: str) -> dict[str, Any] | None:
        """The open one of a branch. `head` is taken for a wish: what comes is looked at."""
        head = f"{self._hub.owner}:{branch}"
        found = self._hub.pages(f"{self._hub.path}/pulls", state="open", head=head)
        return next(
            (each for each in found if self._is_of(each, branch) and self._seen(each).branch == branch), None
        )

    def _shown(self, pull: Mapping[str, Any]) -> MergeRequest:
        return self._shown_all([pull])[0]

    def _shown_all(self, pulls: Iterable[Mapping[str, Any]]) -> list[MergeRequest]:
        """With who ended them, which no list tells: asked for many at once, and once only."""
        found = [self._seen(pull) for pull in pulls]
        ended = [one for one in found if one.state != "open" and (one.number, one.ended_at) not in self._ends]
        for begin in range(0, len(ended), _ENDS):
            self._learn_ends(ended[begin : begin + _ENDS])
        return [
            one if one.state == "open" else one._replace(ended_by=self._ends[one.number, one.ended_at])
            for one in found
        ]

    def _learn_ends(self, ended: Sequence[MergeRequest]) -> None:
        asked = " ".join(
            f"p{one.number}: pullRequest(number: {one.number}) {{ {_ENDED_BY} }}" for one in ended
        )
        query = (
            "query($owner: String!, $name: String!) "
            f"{{ repository(owner: $owner, name: $name) {{ {asked} }} }}"
        )
        answer = self._hub.ask(query, {"owner": self._hub.owner, "name": self._hub.name})
        found = answer.get("repository")
        for one in ended:
            pull = found.get(f"p{one.number}") if isinstance(found, dict) else None
            items = pull.get("timelineItems") if isinstance(pull, dict) else None
            nodes = items.get("nodes") if isinstance(items, dict) else None
            last = nodes[-1] if isinstance(nodes, list) and nodes else None
            who = last.get("actor") if isinstance(last, dict) else None
            self._ends[one.number, one.ended_at] = actor(who)

    def _seen(self, pull: Mapping[str, Any]) -> MergeRequest:
        try:
            return seen(pull, self._hub.owner)
        except StrangeError as error:
            raise self._strange(error) from None

    def _moment(self, pull: Mapping[str, Any], key: str) -> int:
        try:
            return moment(pull.get(key))
        except StrangeError as error:
            raise self._strange(error) from None

    def _strange(self, error: StrangeError) -> Problem:
        return self._hub.problem("pull requests", f"answers without {error}, which its API promises")

    # -- writing ----------------------------------------------------------------------------------

    def _made(self, draft: Draft) -> dict[str, Any]:
        """A new one; or the one that is there, when somebody was faster."""
        hub = self._hub
        try:
            with hub.told(f"branch {draft.branch}"):
                made = hub.repository.create_pull(
                    draft.base,
                    draft.branch,
                    title=_title(draft.title) or draft.branch,
                    body=draft.body,
                    maintainer_can_modify=False,
                )
                return hub.thing(made.raw_data, f"branch {draft.branch}")
        except Refused as refused:
            there = self._open_one(draft.branch) if refused.status == 422 else None
            if there is None:
                raise
            return there

    def _edit(self, number: int, fields: Mapping[str, str]) -> None:
        pull = self._hub.pull(number, {"number": number})
        title, body, state = (fields.get(name, NotSet) for name in ("title", "body", "state"))
        self._hub.again(f"!{number}", lambda: pull.edit(title, body, state))

    def _label(self, number: int, labels: Iterable[str]) -> None:
        """GitHub makes those that are missing."""
        names = list(dict.fromkeys(labels))
        if names:
            path = f"{self._hub.path}/issues/{number}/labels"
            self._hub.again(
                f"!{number}",
                lambda: self._hub.wire.requestJsonAndCheck("POST", path, input={"labels": names}),
            )

    def _unlabel(self, number: int, label: str) -> None:
        path = f"{self._hub.path}/issues/{number}/labels/{quote(label, safe='')}"
        try:
            self._hub.again(f"!{number}", lambda: self._hub.wire.requestJsonAndCheck("DELETE", path))
        except Refused as refused:
            if refused.status != 404:  # somebody has taken it away already
                raise

    def _ask_for_reviews(self, request: MergeRequest, names: Iterable[str]) -> None:
        """All at once; where GitHub doesn't take one of them, each by itself, so that the rest is asked."""
        others = [name for name in dict.fromkeys(names) if name.lower() != request.author.lower()]
        if not others:
            return
        try:
            self._ask_reviewers(request.number, others)
        except Refused as refused:
            if refused.status != 422:
                raise
            for name in others if len(others) > 1 else ():
                self._ask_one(request.number, name)

    def _ask_one(self, number: int, name: str) -> None:
        try:
            self._ask_reviewers(number, [name])
        except Refused as refused:
            if refused.status != 422:
                raise

    def _ask_reviewers(self, number: int, names: Iterable[str]) -> None:
        users = [name for name in names if "/" not in name]
        teams = [name.partition("/")[2] for name in names if "/" in name]
        pull = self._hub.pull(number, {"number": number})
        self._hub.again(f"!{number}", lambda: pull.create_review_request(users, teams))

    def _comment(self, number: int, comment: Comment) -> None:
        """One comment a topic. Anybody may write our mark, so its author counts, too."""
        written = marked("comment", comment.topic, comment.text)
        path = f"{self._hub.path}/issues/{number}/comments"
        there = self._commented(path, comment.topic)
        wire = self._hub.wire
        if there is None:
            self._hub.write(
                f"!{number}",
                lambda: wire.requestJsonAndCheck("POST", path, input={"body": written})[1],
                lambda: self._commented(path, comment.topic),
            )
        elif body(there) != written:
            one = f"{self._hub.path}/issues/comments/{there.get('id')}"
            self._hub.again(
                f"!{number}", lambda: wire.requestJsonAndCheck("PATCH", one, input={"body": written})
            )

    def _commented(self, path: str, topic: str) -> dict[str, Any] | None:
        for each in self._hub.pages(path):
            found = unmarked("comment", body(each))
            if found is not None and found[0] == topic and login(each.get("user")) == self._hub.me():
                return each
        return None


def _title(text: str | None) -> str | None:
    if text is None:
        return None
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_TITLE else f"{line[: _LONGEST_TITLE - 1]}…"

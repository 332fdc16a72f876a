"""GitLab: gitlab.com, and servers of one's own.

What its API means otherwise than it sounds stands where it is dealt with: words in gitlab_texts,
answers in gitlab_seen, merging in gitlab_merging, what people think of a request in gitlab_standing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime

from reconciler.errors import Problem
from reconciler.forges import gitlab_texts as texts
from reconciler.forges.gitlab_api import Api, Found, RefusedError
from reconciler.forges.gitlab_merging import Merger
from reconciler.forges.gitlab_seen import Seen, number_of, seen, text, url_of, user_of
from reconciler.forges.gitlab_standing import standing
from reconciler.forges.marks import marked, unmarked
from reconciler.forges.port import (
    Capabilities,
    Comment,
    Draft,
    Merging,
    Method,
    NotMerged,
    Page,
    Site,
    Standing,
    Wording,
)
from reconciler.model import Commit, MergeRequest, Whose

_OFF = (403, 404)  # of issues, where a project does without


def open_gitlab(site: Site) -> GitLabForge:
    return GitLabForge(site)


class GitLabForge:
    capabilities = Capabilities(
        body_limit=1_000_000,
        squash=True,
        comments=True,
        needs_review=True,
        reviewers=True,
        merges_later=True,
        pages=True,
        diagrams=True,
        details=True,
        boxes=True,
    )

    def __init__(self, site: Site) -> None:
        self._api = Api(site)
        self._merger = Merger(self._api)
        self._requests = f"{self._api.project}/merge_requests"
        self._issues = f"{self._api.project}/issues"
        self._name = ""
        self._users: dict[str, int] = {}  # 0: GitLab knows nobody of that name

    # -- who, and what there is --------------------------------------------------------------------

    def whoami(self) -> str:
        """Of a project's or group's token it is the name of the bot that GitLab made for it."""
        if not self._name:
            self._name = user_of(self._api.get("/user"))
            if not self._name:
                raise self._api.strange("whose token it is")
        return self._name

    def mine(self, prefix: str, since: int = 0) -> Sequence[MergeRequest]:
        asked: dict[str, str | int | bool] = {"scope": "all", "order_by": "created_at", "sort": "desc"}
        if since > 0:
            after = {"updated_after": datetime.fromtimestamp(since, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")}
            wanted = [{"state": "opened"}, {"state": "closed", **after}, {"state": "merged", **after}]
        else:
            wanted = [{"state": "all"}]
        found: dict[int, MergeRequest] = {}
        for each in wanted:
            for one in self._listed({**asked, **each}):
                request = one.request
                ours = request.branch.startswith(prefix)
                if ours and (request.state == "open" or request.ended_at >= since):
                    found[request.number] = request
        return [found[number] for number in sorted(found, reverse=True)]

    def standing(self, number: int) -> Standing:
        return standing(self._api, self._get(number))

    # -- opening and changing ----------------------------------------------------------------------

    def open(self, draft: Draft) -> MergeRequest:
        there = self._open_of(draft)
        if there is not None:
            return there.request
        self._must_have_something(draft)
        data: Found = {
            "source_branch": draft.branch,
            "target_branch": draft.base,
            "title": texts.title(draft.title),
            "description": texts.written(draft.body),
            "labels": _labels(draft.labels),
            "remove_source_branch": True,
        }
        ids = self._ids(draft.reviewers)
        if ids:
            data["reviewer_ids"] = ids
        try:
            found = self._api.send("post", self._requests, data, lambda: self._raw_open_of(draft))
        except RefusedError as refused:
            there = self._open_of(draft) if refused.status == 409 else None
            if there is None:
                raise
            return there.request
        return seen(self._api, found).request

    def update(self, number: int, wording: Wording) -> MergeRequest:
        now = self._get(number)
        data = self._changes(now, wording)
        if data:
            now = self._put(number, data, lambda one: not self._changes(one, wording))
        self._say(number, wording.comment)
        return now.request

    def close(self, number: int, comment: Comment | None = None) -> MergeRequest:
        now = self._get(number)
        if now.request.state == "merged":
            raise self._wrong(number, "it is merged and can't be closed")
        self._say(number, comment)
        if now.request.state == "open":
            now = self._put(number, {"state_event": "close"}, lambda one: one.request.state != "open")
        if now.request.state != "closed":
            raise self._wrong(number, f"GitLab did not close it; it is {now.request.state}")
        return now.request

    def reopen(self, number: int) -> MergeRequest:
        now = self._get(number)
        if now.request.state == "merged":
            raise self._wrong(number, "it is merged and can't be reopened")
        if now.request.state == "closed":
            try:
                now = self._put(number, {"state_event": "reopen"}, lambda one: one.request.state == "open")
            except RefusedError as refused:
                raise self._wrong(number, f"GitLab does not reopen it: {refused.words}") from None
        # Where the branch is gone, or the user may not, GitLab answers 200 and leaves it closed.
        if now.request.state != "open":
            raise self._wrong(number, "GitLab does not reopen it: is its branch there?")
        return now.request

    def merge(
        self, number: int, head: str, *, method: Method = Method.AUTO, later: bool = False
    ) -> MergeRequest | Merging | NotMerged:
        return self._merger.merge(number, head, method, later=later)

    def commit(self, what: Commit) -> str | None:
        """None: commits that GitLab makes are signed with no more than those that are pushed."""
        return None

    # -- pages -------------------------------------------------------------------------------------

    def page(self, topic: str) -> Page | None:
        try:
            found = self._issue(topic)
        except RefusedError as refused:
            if refused.status not in _OFF:
                raise
            return None
        return self._page(topic, found) if found else None

    def write_page(self, page: Page) -> Page:
        try:
            there = self._issue(page.topic)
        except RefusedError as refused:
            if refused.status not in _OFF:
                raise
            words = "this project has no issues, or the token may not see them: a page needs them"
            raise self._api.problem(page.topic, words, Whose.YOURS) from None
        want: Found = {
            "title": texts.title(page.title),
            "description": texts.written(marked("page", page.topic, page.body)),
        }
        if there is None:
            made = self._api.send("post", self._issues, want, lambda: self._issue(page.topic))
            return self._page(page.topic, made)
        data = {name: value for name, value in want.items() if text(there, name) != value}
        if there.get("state") == "closed":
            data["state_event"] = "reopen"
        if not data:
            return self._page(page.topic, there)
        path = f"{self._issues}/{number_of(self._api, there)}"
        return self._page(page.topic, self._api.send("put", path, data, lambda: self._same_issue(path, want)))

    def _issue(self, topic: str) -> Found | None:
        """The oldest of ours on this topic; one that is open before one that was closed."""
        asked = {"scope": "created_by_me", "state": "all", "order_by": "created_at", "sort": "asc"}
        found = [each for each in self._api.each(self._issues, asked) if _topic(each, "page") == topic]
        return min(found, key=lambda each: each.get("state") != "opened", default=None)

    def _same_issue(self, path: str, want: Found) -> Found | None:
        now = self._api.get(path)
        same = all(text(now, name) == value for name, value in want.items())
        return now if same and now.get("state") == "opened" else None

    def _page(self, topic: str, found: object) -> Page:
        told = found if isinstance(found, dict) else {}
        said = unmarked("page", texts.read(text(told, "description")))
        if said is None or said[0] != topic:
            raise self._api.strange(f"the page {topic}")
        return Page(topic, text(told, "title"), said[1], url_of(told))

    # -- comments ----------------------------------------------------------------------------------

    def _say(self, number: int, comment: Comment | None) -> None:
        if comment is None:
            return
        path = f"{self._requests}/{number}/notes"
        data: Found = {"body": texts.written(marked("comment", comment.topic, comment.text))}
        there = self._note(path, comment.topic)
        if there is None:
            self._api.send("post", path, data, lambda: self._note(path, comment.topic))
        elif text(there, "body") != data["body"]:
            one = f"{path}/{number_of(self._api, there, 'id')}"
            self._api.send("put", one, data, lambda: self._same_note(one, data))

    def _note(self, path: str, topic: str) -> Found | None:
        """Ours: anybody may write our mark, and only our own can be changed."""
        for each in self._api.each(path, {"order_by": "created_at", "sort": "asc"}):
            is_ours = each.get("system") is not True and user_of(each.get("author")) == self.whoami()
            if is_ours and _topic(each, "comment") == topic:
                return each
        return None

    def _same_note(self, path: str, data: Found) -> Found | None:
        now = self._api.get(path)
        return now if text(now, "body") == data["body"] else None

    # -- one request -------------------------------------------------------------------------------

    def _get(self, number: int) -> Seen:
        return seen(self._api, self._api.get(f"{self._requests}/{number}"))

    def _put(self, number: int, data: Found, is_done: Callable[[Seen], bool]) -> Seen:
        path = f"{self._requests}/{number}"

        def find() -> Found | None:
            found = self._api.get(path)
            return found if is_done(seen(self._api, found)) else None

        return seen(self._api, self._api.send("put", path, data, find))

    def _changes(self, now: Seen, wording: Wording) -> Found:
        """What is to be sent: only what differs, and never a list that people edit too."""
        request, data = now.request, Found()
        if wording.title is not None and texts.title(wording.title) != request.title:
            data["title"] = texts.title(f"Draft: {wording.title}" if request.draft else wording.title)
        if wording.body is not None and texts.read(texts.written(wording.body)) != request.body:
            data["description"] = texts.written(wording.body)
        labels = set(request.labels)
        added = _labels(each for each in wording.add_labels if texts.label(each) not in labels)
        removed = _labels(each for each in wording.remove_labels if texts.label(each) in labels)
        data |= {"add_labels": added} if added else {}
        data |= {"remove_labels": removed} if removed else {}
        new = [each for each in self._ids(wording.add_reviewers) if each not in now.reviewers]
        return data | ({"reviewer_ids": [*now.reviewers, *new]} if new else {})

    def _listed(self, asked: dict[str, str | int | bool]) -> Iterator[Seen]:
        """Of this project's branches: a fork's may have any name."""
        found = (seen(self._api, each) for each in self._api.each(self._requests, asked))
        return (each for each in found if each.own)

    # -- opening -----------------------------------------------------------------------------------

    def _open_of(self, draft: Draft) -> Seen | None:
        """The open one of its branch: into the same base before any other."""
        asked: dict[str, str | int | bool] = {
            "scope": "all",
            "state": "opened",
            "source_branch": draft.branch,
        }
        found = [each for each in self._listed(asked) if each.request.branch == draft.branch]
        return min(found, key=lambda each: each.request.base != draft.base, default=None)

    def _raw_open_of(self, draft: Draft) -> Found | None:
        there = self._open_of(draft)
        return self._api.get(f"{self._requests}/{there.request.number}") if there else None

    def _must_have_something(self, draft: Draft) -> None:
        """GitLab opens a request without commits, or of a branch that isn't there, and shows it broken."""
        path = f"{self._api.project}/repository/compare"
        found = self._api.find(path, {"from": draft.base, "to": draft.branch})
        if found is None:
            words = f"there is no branch {draft.branch!r} or {draft.base!r}: push it first"
            raise self._api.problem(draft.branch, words, Whose.YOURS)
        if found.get("commits") == []:
            words = f"there is nothing to merge: {draft.base} already has all of {draft.branch}"
            raise self._api.problem(draft.branch, words, Whose.YOURS)

    def _ids(self, names: Sequence[str]) -> list[int]:
        """Users alone, as far as GitLab knows them: what groups approve, its own rules say."""
        users = (name.removeprefix("@") for name in names if "/" not in name)
        known = (self._id(name) for name in users if "@" not in name)  # CODEOWNERS may hold addresses
        return list(dict.fromkeys(each for each in known if each))

    def _id(self, name: str) -> int:
        if name not in self._users:
            found = self._api.each("/users", {"username": name})
            same = (each for each in found if user_of(each).lower() == name.lower())
            self._users[name] = next((number_of(self._api, each, "id") for each in same), 0)
        return self._users[name]

    def _wrong(self, number: int, why: str) -> Problem:
        return self._api.problem(f"!{number}", f"merge request {number}: {why}", Whose.YOURS)


def _topic(found: Found, kind: str) -> str:
    said = unmarked(kind, texts.read(text(found, "description" if kind == "page" else "body")))
    return said[0] if said else ""


def _labels(names: Iterable[str]) -> str:
    return ",".join(dict.fromkeys(filter(None, map(texts.label, names))))

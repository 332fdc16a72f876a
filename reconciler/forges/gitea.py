"""Merge requests on Gitea and Forgejo."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

from reconciler.forges.gitea_api import Api, RefusedError, Told
from reconciler.forges.gitea_merging import Merger
from reconciler.forges.gitea_seen import (
    Seen,
    actor,
    checked,
    commit,
    last_event,
    reviewed,
    seen,
    text,
)
from reconciler.forges.gitea_texts import Texts
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
from reconciler.model import Commit, MergeRequest


def open_gitea(site: Site) -> GiteaForge:
    return GiteaForge(site)


class GiteaForge:
    capabilities = Capabilities(
        body_limit=200_000,
        squash=True,
        comments=True,
        needs_review=True,
        reviewers=True,
        pages=True,
        diagrams=True,
        details=True,
        boxes=True,
        asks_owners=True,
    )

    def __init__(self, site: Site) -> None:
        self._site = site
        self._api = Api(site)
        self._me = ""
        self._texts_: Texts | None = None
        self._ended: dict[tuple[int, int], MergeRequest] = {}  # by number and end: what it took to ask
        self._opened: dict[str, int] | None = None  # open requests by branch, as they were once seen

    # -- looking ------------------------------------------------------------------------------------

    def whoami(self) -> str:
        if not self._me:
            path = "//user"
            self._me = text(self._api.thing(self._api.read(path), path), "login")
            if not self._me:
                raise self._api.strange(path, "tells no name")
        return self._me

    def mine(self, prefix: str, since: int = 0) -> Sequence[MergeRequest]:
        found = self._open_ones()
        # after the open ones: what is closed meanwhile is seen twice, and not missed
        told = self._api.pages(
            "/pulls",
            lambda each: seen(self._api, each, "/pulls").updated < since,
            state="closed",
            sort="recentupdate",
        )
        found |= {each.request.number: each for each in self._ours(told)}
        ours = [each for each in found.values() if each.request.branch.startswith(prefix)]
        kept = [each for each in ours if each.is_open or each.request.ended_at >= since]
        return [self._whole(each) for each in sorted(kept, key=lambda each: -each.request.number)]

    def standing(self, number: int) -> Standing:
        request = self._get(number).request
        path = f"/pulls/{number}/reviews"
        approved, wants = reviewed(self._api.pages(path))
        status = self._api.found(f"/commits/{request.head}/status")
        return Standing(approved, wants, checked(status), self._is_merging(number))

    def _is_merging(self, number: int) -> bool:
        kinds = ("pull_scheduled_merge", "pull_cancel_scheduled_merge")
        event = last_event(self._timeline(number), *kinds)
        return event is not None and text(event, "type") == kinds[0]

    def _timeline(self, number: int) -> list[Told]:
        return self._api.pages(f"/issues/{number}/timeline")

    def _open_ones(self) -> dict[int, Seen]:
        told = self._api.pages("/pulls", state="open", sort="oldest")
        found = {each.request.number: each for each in self._ours(told)}
        self._opened = {each.request.branch: number for number, each in found.items() if each.is_open}
        return found

    def _ours(self, told: Sequence[Told]) -> list[Seen]:
        found = (seen(self._api, each, "/pulls") for each in told)
        return [each for each in found if each.is_ours]

    def _get(self, number: int) -> Seen:
        path = f"/pulls/{number}"
        return seen(self._api, self._api.thing(self._api.read(path), path), path)

    def _shown(self, number: int) -> MergeRequest:
        return self._whole(self._get(number))

    def _whole(self, found: Seen) -> MergeRequest:
        """With what only further questions tell of one that has ended: who ended it, and at which
        commit. While the branch is there, lists show where that is now; who merged they may leave out."""
        request = found.request
        if request.state == "open" or found.is_open:
            return request
        known = (request.number, request.ended_at)
        if known not in self._ended:
            by = request.ended_by
            if request.state == "closed":
                by = actor(last_event(self._timeline(request.number), "close"))
            elif not by:
                by = self._get(request.number).request.ended_by
            head = self._head_at_end(found) if found.branch_there else request.head
            self._ended[known] = request._replace(ended_by=by, head=head)
        kept = self._ended[known]
        return request._replace(ended_by=kept.ended_by, head=kept.head)

    def _head_at_end(self, found: Seen) -> str:
        path = f"/git/refs/pull/{found.request.number}/head"
        told = self._api.found(path)
        first = told[0] if isinstance(told, list) and told else told
        if not isinstance(first, dict):
            return found.request.head
        return commit(self._api, self._api.thing(first.get("object"), path).get("sha"), path)

    # -- writing ------------------------------------------------------------------------------------

    def open(self, draft: Draft) -> MergeRequest:
        there = self._open_of(draft.branch, draft.base)
        if there is not None:
            return there.request
        self._refuse_nothing(draft)
        body: Told = {
            "head": draft.branch,
            "base": draft.base,
            "title": _title(draft.title),
            "body": draft.body,
            "labels": self._texts.label_ids(draft.labels),
        }
        try:
            told = self._api.write("POST", "/pulls", body, lambda: self._told_open(draft.branch))
        except RefusedError as error:
            told = self._told_open(draft.branch) if error.status == 409 else None
            if told is None:
                raise self._not_opened(draft, error) from None
        made = seen(self._api, self._api.thing(told, "/pulls"), "/pulls").request
        if self._opened is not None:
            self._opened[made.branch] = made.number
        if not draft.reviewers:
            return made
        self._texts.ask_reviewers(made.number, draft.reviewers, made.author)
        return self._shown(made.number)

    def _refuse_nothing(self, draft: Draft) -> None:
        """The forge would open one that changes nothing. Servers that can't compare are not asked."""
        between = f"{quote(draft.base, safe='/')}...{quote(draft.branch, safe='/')}"
        told = self._api.found(f"/compare/{between}")
        if isinstance(told, dict) and told.get("total_commits") == 0:
            raise self._api.problem(
                f"there is nothing to merge: {draft.base} already has all of {draft.branch}"
            )

    def _not_opened(self, draft: Draft, error: RefusedError) -> Exception:
        if error.status != 404:
            return error
        return self._api.problem(
            f"no merge request of {draft.branch} into {draft.base} can be opened: "
            "one of these branches is not there, or the token may not see it"
        )

    def _open_of(self, branch: str, base: str) -> Seen | None:
        """The open request of a branch. One question, once the open ones have been seen."""
        if self._opened is None:
            self._open_ones()
        number = (self._opened or {}).get(branch)
        if number is not None:
            known = self._get(number)
            if known.is_open and known.request.branch == branch:
                return known
        path = f"/pulls/{quote(base, safe='')}/{quote(branch, safe='/')}"
        told = self._api.found(path)
        found = seen(self._api, told, path) if isinstance(told, dict) else None
        return found if found and found.is_ours and found.is_open else None

    def _told_open(self, branch: str) -> Told | None:
        for each in self._api.pages("/pulls", state="open", sort="oldest"):
            found = seen(self._api, each, "/pulls")
            if found.is_ours and found.request.branch == branch:
                return each
        return None

    def update(self, number: int, wording: Wording) -> MergeRequest:
        there = self._get(number)
        old = there.request
        title = None if wording.title is None else _title(wording.title)
        wanted = {"title": title, "body": wording.body}
        have = {"title": old.title, "body": old.body}
        changed = {name: new for name, new in wanted.items() if new is not None and new != have[name]}
        if changed:
            self._patch(number, changed)
        new_labels = [name for name in wording.add_labels if name not in old.labels]
        if new_labels:
            self._texts.add_labels(number, new_labels)
        self._texts.remove_labels(number, [id for name, id in there.labels if name in wording.remove_labels])
        reviewers = [name for name in wording.add_reviewers if name not in old.reviewers]
        self._texts.ask_reviewers(number, reviewers, old.author)
        if wording.comment is not None:
            self._texts.comment(number, wording.comment)
        return self._shown(number)

    def close(self, number: int, comment: Comment | None = None) -> MergeRequest:
        there = self._get(number)
        if there.request.state == "merged":
            raise self._api.problem(f"merge request {number} is merged and can't be closed")
        if comment is not None:
            self._texts.comment(number, comment)
        if there.is_open:
            self._patch(number, {"state": "closed"})
        return self._shown(number)

    def reopen(self, number: int) -> MergeRequest:
        """The forge itself would reopen it beside another one, and without a branch."""
        there = self._get(number)
        if there.is_open:
            return self._whole(there)
        request = there.request
        if request.state == "merged":
            raise self._api.problem(f"merge request {number} is merged and can't be reopened")
        if not there.branch_there:
            raise self._api.problem(f"merge request {number} can't be reopened: its branch is gone")
        other = self._told_open(request.branch)
        if other is not None:
            which = self._api.number(other, "number", "/pulls")
            raise self._api.problem(
                f"merge request {number} can't be reopened: its branch has another open one, {which}"
            )
        self._patch(number, {"state": "open"})
        if self._opened is not None:
            self._opened[request.branch] = number
        return self._shown(number)

    def _patch(self, number: int, changed: dict[str, str]) -> None:
        def find() -> Told | None:
            told = self._api.thing(self._api.read(f"/pulls/{number}"), f"/pulls/{number}")
            return told if all(told.get(name) == value for name, value in changed.items()) else None

        self._api.write("PATCH", f"/pulls/{number}", changed, find)

    def merge(
        self, number: int, head: str, *, method: Method = Method.AUTO, later: bool = False
    ) -> MergeRequest | Merging | NotMerged:
        """Now or not at all, also with `later`: see gitea_merging."""
        return Merger(self._api, self._site, self._get, self._whole).merge(number, head, method)

    def page(self, topic: str) -> Page | None:
        return self._texts.page(topic)

    def write_page(self, page: Page) -> Page:
        return self._texts.write_page(page)

    def commit(self, what: Commit) -> str | None:
        """None: a commit of the API is always on a branch."""
        return None

    @property
    def _texts(self) -> Texts:
        if self._texts_ is None:
            self._texts_ = Texts(self._api, self.whoami())
        return self._texts_


def _title(words: str) -> str:
    """As the forge keeps it: one line, and not too long."""
    return " ".join(words.split())[:255]

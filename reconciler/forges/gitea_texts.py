"""Labels, reviewers, comments and pages of Gitea and Forgejo: found first, then written."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Final
from urllib.parse import quote

from reconciler.forges.gitea_api import Api, RefusedError, Told
from reconciler.forges.gitea_seen import text
from reconciler.forges.marks import marked, unmarked
from reconciler.forges.port import Comment, Page

_COLOR: Final = "#6c7a89"


class Texts:
    def __init__(self, api: Api, whoami: str) -> None:
        self._api = api
        self._me = whoami
        self._ids: dict[str, int] | None = None

    # -- labels -----------------------------------------------------------------------------------

    def label_ids(self, names: Iterable[str]) -> list[int]:
        """The labels of these names, which are made where there are none.

        A second label of the same name would be made without a word, so they are looked for first.
        """
        found = []
        for name in dict.fromkeys(names):
            if self._ids is None:
                self._ids = self._known()
            if name not in self._ids:
                self._ids[name] = self._made(name)
            found.append(self._ids[name])
        return found

    def _known(self) -> dict[str, int]:
        path = f"//orgs/{quote(self._api.owner, safe='')}/labels"
        try:
            shared = self._api.pages(path)
        except RefusedError:  # the owner is a person, or the token knows nothing of organisations
            shared = []
        own = self._api.pages("/labels")
        return {text(each, "name"): self._api.number(each, "id", "/labels") for each in [*shared, *own]}

    def _made(self, name: str) -> int:
        def find() -> Told | None:
            return next((each for each in self._api.pages("/labels") if text(each, "name") == name), None)

        body = {"name": name, "color": _COLOR}
        made = self._api.thing(self._api.write("POST", "/labels", body, find), "/labels")
        return self._api.number(made, "id", "/labels")

    def add_labels(self, number: int, names: Iterable[str]) -> None:
        ids = self.label_ids(names)
        if ids:
            path = f"/issues/{number}/labels"
            self._api.write("POST", path, {"labels": ids}, lambda: self._have(path, ids))

    def remove_labels(self, number: int, ids: Iterable[int]) -> None:
        path = f"/issues/{number}/labels"
        for each in ids:
            self._api.write("DELETE", f"{path}/{each}", None, partial(self._lack, path, each))

    def _have(self, path: str, ids: list[int]) -> bool | None:
        """True when they are there already, which adding them again would not change."""
        return set(ids) <= self._at(path) or None

    def _lack(self, path: str, gone: int) -> bool | None:
        return gone not in self._at(path) or None

    def _at(self, path: str) -> set[int]:
        there = self._api.things(self._api.read(path), path)
        return {self._api.number(each, "id", path) for each in there}

    # -- reviewers --------------------------------------------------------------------------------

    def ask_reviewers(self, number: int, names: Iterable[str], author: str) -> None:
        """Whoever can't be asked is left out, so that the others are."""
        wanted = [name for name in dict.fromkeys(names) if name.lower() != author.lower()]
        if not wanted:
            return
        try:
            self._ask_for(number, wanted)
        except RefusedError as error:
            if error.status not in (403, 404, 422) or len(wanted) == 1:
                if error.status in (404, 422):
                    return
                raise
            for name in wanted:
                self.ask_reviewers(number, [name], author)

    def _ask_for(self, number: int, names: list[str]) -> None:
        path = f"/pulls/{number}/requested_reviewers"
        body = {
            "reviewers": [name for name in names if "/" not in name],
            "team_reviewers": [name.rpartition("/")[2] for name in names if "/" in name],
        }
        # who is asked twice is asked once
        self._api.write("POST", path, body, lambda: None)

    # -- comments and pages -------------------------------------------------------------------------

    def comment(self, number: int, comment: Comment) -> None:
        """One a topic: the one that is there says something else from now on."""
        wanted = marked("comment", comment.topic, comment.text)
        there = self._comment_of(number, comment.topic)
        if there is None:
            path = f"/issues/{number}/comments"
            self._api.write("POST", path, {"body": wanted}, lambda: self._comment_of(number, comment.topic))
        elif unmarked("comment", text(there, "body")) != (comment.topic, comment.text):
            path = f"/issues/comments/{self._api.number(there, 'id', 'a comment')}"
            self._api.write("PATCH", path, {"body": wanted}, lambda: self._says(number, comment))

    def _comment_of(self, number: int, topic: str) -> Told | None:
        for each in self._api.pages(f"/issues/{number}/comments"):
            found = unmarked("comment", text(each, "body"))
            if found is not None and found[0] == topic and self._is_mine(each):
                return each
        return None

    def _says(self, number: int, comment: Comment) -> Told | None:
        there = self._comment_of(number, comment.topic)
        said = unmarked("comment", text(there, "body")) if there else None
        return there if said == (comment.topic, comment.text) else None

    def _is_mine(self, told: Told) -> bool:
        user = told.get("user")
        return isinstance(user, dict) and text(user, "login") == self._me

    def page(self, topic: str) -> Page | None:
        found = self._issue_of(topic)
        return None if found is None else self._page(found)

    def write_page(self, page: Page) -> Page:
        there = self._issue_of(page.topic)
        wanted = {"title": _title(page.title), "body": marked("page", page.topic, page.body)}
        if there is None:
            made = self._api.write("POST", "/issues", wanted, lambda: self._issue_of(page.topic))
            return self._page(self._api.thing(made, "/issues"))
        known = self._page(there)
        if (known.title, known.body) == (wanted["title"], page.body):
            return known
        path = f"/issues/{self._api.number(there, 'number', '/issues')}"
        self._api.write("PATCH", path, wanted, lambda: self._is_written(page))
        return page._replace(title=wanted["title"], url=known.url)

    def _is_written(self, page: Page) -> Told | None:
        there = self._issue_of(page.topic)
        return there if there and self._page(there).body == page.body else None

    def _issue_of(self, topic: str) -> Told | None:
        """The oldest open one, so that two that came about are not both kept current."""
        issues = self._api.pages("/issues", type="issues", state="open", created_by=self._me)
        mine = [each for each in issues if self._is_mine(each) and not each.get("pull_request")]
        about = [each for each in mine if (unmarked("page", text(each, "body")) or ("", ""))[0] == topic]
        return min(about, key=lambda each: self._api.number(each, "number", "/issues"), default=None)

    def _page(self, told: Told) -> Page:
        topic, body = unmarked("page", text(told, "body")) or ("", "")
        return Page(topic, text(told, "title"), body, text(told, "html_url"))


def _title(words: str) -> str:
    """As the forge keeps it: one line, and not too long."""
    return " ".join(words.split())[:255]

"""Pages on GitHub: issues that are kept current, found by a hidden mark."""

from __future__ import annotations

from typing import Any

from reconciler.forges.github_seen import body, login
from reconciler.forges.github_wire import Hub
from reconciler.forges.marks import marked, unmarked
from reconciler.forges.port import Page


class Pages:
    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._path = f"{hub.path}/issues"

    def page(self, topic: str) -> Page | None:
        found = self._found(topic)
        return self._shown(topic, found) if found is not None else None

    def write(self, page: Page) -> Page:
        """One that people have closed stays closed, and is kept current all the same."""
        there = self._found(page.topic)
        written = {"title": page.title, "body": marked("page", page.topic, page.body)}
        wire = self._hub.wire
        if there is None:
            made = self._hub.write(
                f"page {page.topic}",
                lambda: wire.requestJsonAndCheck("POST", self._path, input=written)[1],
                lambda: self._found(page.topic),
            )
            return self._shown(page.topic, self._hub.thing(made, f"page {page.topic}"))
        if {"title": there.get("title"), "body": body(there)} == written:
            return self._shown(page.topic, there)
        one = f"{self._path}/{there.get('number')}"
        self._hub.again(f"page {page.topic}", lambda: wire.requestJsonAndCheck("PATCH", one, input=written))
        return self._shown(page.topic, self._hub.get(one))

    def _found(self, topic: str) -> dict[str, Any] | None:
        """The oldest of ours: should two have been opened at once, every run takes the same."""
        me = self._hub.me()
        asked = {"state": "all", "creator": me, "sort": "created", "direction": "asc"}
        for each in self._hub.pages(self._path, **asked):
            found = unmarked("page", body(each))
            is_ours = login(each.get("user")) == me and "pull_request" not in each
            if is_ours and found is not None and found[0] == topic:
                return each
        return None

    def _shown(self, topic: str, issue: dict[str, Any]) -> Page:
        found = unmarked("page", body(issue))
        title, url = issue.get("title"), issue.get("html_url")
        if found is None or not isinstance(title, str) or not isinstance(url, str):
            raise self._hub.problem(f"page {topic}", "answers with something else than what was written")
        return Page(topic, title, found[1], url)

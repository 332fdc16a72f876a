"""Merging on Gitea and Forgejo: now if it may be, and why not.

The server could be told to merge once checks have passed. It would then merge whatever is on the branch
by that time, in the name of the bot: so it is never told to.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from reconciler.forges.gitea_api import Api, RefusedError, Told
from reconciler.forges.gitea_seen import Seen, text
from reconciler.forges.port import Blocked, Method, NotMerged, Site
from reconciler.model import MergeRequest

_STYLES: Final = {Method.MERGE: "merge", Method.SQUASH: "squash", Method.REBASE: "rebase"}
_USUAL: Final = frozenset({"merge", "rebase", "rebase-merge", "squash", "fast-forward-only"})
_PAUSES: Final = (0.5, 1.0, 2.0, 3.0, 4.0)  # seconds; it is worked out after each move whether it merges
_TRY_AGAIN: Final = "try again later"

Answer = MergeRequest | NotMerged


class Merger:
    def __init__(
        self,
        api: Api,
        site: Site,
        get: Callable[[int], Seen],
        whole: Callable[[Seen], MergeRequest],
    ) -> None:
        self._api = api
        self._site = site
        self._get = get
        self._whole = whole

    def merge(self, number: int, head: str, method: Method) -> Answer:
        there = self._get(number)
        answer = self._standing_in_the_way(there, head)
        if answer is not None:
            return answer
        there = self._worked_out(there)
        answer = self._standing_in_the_way(there, head)
        if answer is not None:
            return answer
        if not there.mergeable:
            base = there.request.base
            return NotMerged(Blocked.CONFLICT, f"it can't be merged into {base}: it has conflicts with it")
        style = _STYLES.get(method) or self._usual()
        return self._now(there, head, style)

    def _standing_in_the_way(self, there: Seen, head: str) -> Answer | None:
        """The answer where there is nothing to merge; None where it can be tried."""
        request = self._whole(there)
        if request.state == "closed":
            return NotMerged(Blocked.NOT_OPEN, f"merge request {request.number} is closed")
        if request.state == "open" and not there.branch_there:
            return NotMerged(Blocked.HEAD_MOVED, f"the branch {request.branch} is gone")
        if request.head != head:
            was = "was merged at" if request.state == "merged" else "is at"
            words = f"the branch {request.branch} {was} {request.head}, not at {head} that was to be merged"
            return NotMerged(Blocked.HEAD_MOVED, words)
        if request.state == "merged":
            return request
        if request.draft:
            return NotMerged(Blocked.NOT_READY, "it is a draft")
        return None

    def _worked_out(self, there: Seen) -> Seen:
        """Once it is known whether it can be merged; that comes late after a push."""
        for pause in _PAUSES:
            if there.mergeable or not there.is_open:
                break
            self._site.sleep(pause)
            there = self._get(there.request.number)
        return there

    def _usual(self) -> str:
        style = text(self._api.thing(self._api.read(""), "the repository"), "default_merge_style")
        return style if style in _USUAL else "merge"

    def _now(self, there: Seen, head: str, style: str) -> Answer:
        number = there.request.number
        body = {"Do": style, "head_commit_id": head, **self._words(number, head, style)}
        for pause in (*_PAUSES, None):
            try:
                self._api.write("POST", f"/pulls/{number}/merge", body, lambda: self._merged(number))
            except RefusedError as error:
                if error.status == 405 and _TRY_AGAIN in error.reason.lower() and pause is not None:
                    self._site.sleep(pause)
                    continue
                return self._why_not(number, head, error)
            break
        found = self._get(number)
        if found.request.state == "merged":
            return self._whole(found)
        return NotMerged(Blocked.NOT_READY, "the forge has not merged it yet")

    def _words(self, number: int, head: str, style: str) -> Told:
        """A squash says what the commit says, with its trailers; else the forge would drop them."""
        if style != "squash":
            return {}
        path = f"/git/commits/{head}"
        told = self._api.thing(self._api.read(path, stat="false", files="false", verification="false"), path)
        subject, _, rest = text(self._api.thing(told.get("commit"), path), "message").partition("\n")
        return {"MergeTitleField": f"{subject} (#{number})", "MergeMessageField": rest.strip()}

    def _merged(self, number: int) -> bool | None:
        return self._get(number).request.state == "merged" or None

    def _why_not(self, number: int, head: str, error: RefusedError) -> Answer:
        """What the forge says, as far as it means something for this one request."""
        reason = error.reason.lower()
        there = self._get(number)
        answer = self._standing_in_the_way(there, head)
        if error.status in (404, 405, 409) and answer is not None:
            return answer
        detail = error.reason or f"the forge answers {error.status}"
        if error.status == 409:
            if "out of date" in reason:
                why = Blocked.HEAD_MOVED if "head" in reason else Blocked.NOT_READY
                return NotMerged(why, detail)
            return NotMerged(Blocked.NOT_ALLOWED if "reject" in reason else Blocked.CONFLICT, detail)
        if error.status == 405:
            refused = "not allowed" in reason or "sign" in reason
            return NotMerged(Blocked.NOT_ALLOWED if refused else Blocked.NOT_READY, detail)
        if error.status in (403, 423):
            return NotMerged(Blocked.NOT_ALLOWED, detail)
        raise error

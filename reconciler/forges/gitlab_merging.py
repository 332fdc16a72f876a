"""Merging on GitLab: whether it may be, how the project wants it, and what became of it.

GitLab works out in the background whether a merge request can be merged. Until it has, it says 405
to every wish; so that is waited for, a little. It squashes when the project or the request says so,
with the title alone for a message unless told better: the trailers of our commits must live on.
"""

from __future__ import annotations

from itertools import islice
from typing import Final, NamedTuple

from reconciler.forges.gitlab_api import Api, Found, RefusedError
from reconciler.forges.gitlab_seen import Seen, seen, text
from reconciler.forges.port import Blocked, Checks, Merging, Method, NotMerged
from reconciler.model import MergeRequest

_PAUSES: Final = (0.5, 1.0, 2.0, 3.0, 5.0, 5.0)  # seconds between looks at what GitLab works out
_MOST_COMMITS: Final = 50  # of a squash, whose messages are kept
_MOST_MESSAGE: Final = 65_536
_AGAIN: Final = 2.0  # seconds before a wish is told a second time
_WORKED_OUT: Final = frozenset({"checking", "unchecked", "preparing", "approvals_syncing"})
_READY: Final = "mergeable"
# What GitLab can wait for by itself. A draft, or an objection, is for people to end.
_WAITS: Final = frozenset(
    {
        _READY,
        "ci_must_pass",
        "ci_still_running",
        "not_approved",
        "status_checks_must_pass",
        "external_status_checks",
        "security_policy_pipeline_check",
        "merge_time",
    }
)
_WHY: Final[dict[str, tuple[Blocked, str]]] = {
    "conflict": (Blocked.CONFLICT, "its base has changed the same lines"),
    "need_rebase": (
        Blocked.CONFLICT,
        "this project only fast-forwards, and the base has moved on: the branch must be made anew on it",
    ),
    "not_open": (Blocked.NOT_OPEN, "it is not open"),
    "commits_status": (Blocked.NOT_ALLOWED, "its branch is gone, or has no commits"),
    "broken_status": (Blocked.CONFLICT, "its base has changed the same lines"),  # before 16.5
    "draft_status": (Blocked.NOT_READY, "it is a draft"),
    "not_approved": (Blocked.NOT_READY, "approvals are missing"),
    "requested_changes": (Blocked.NOT_READY, "a reviewer wants changes"),
    "discussions_not_resolved": (Blocked.NOT_READY, "threads are not resolved"),
    "ci_must_pass": (Blocked.NOT_READY, "its pipeline has to pass"),
    "ci_still_running": (Blocked.NOT_READY, "its pipeline is running"),
    "status_checks_must_pass": (Blocked.NOT_READY, "external status checks have to pass"),
    "external_status_checks": (Blocked.NOT_READY, "external status checks have to pass"),
    "merge_request_blocked": (Blocked.NOT_READY, "another merge request has to be merged first"),
    "merge_time": (Blocked.NOT_READY, "it may be merged later only"),
    "security_policy_violations": (Blocked.NOT_READY, "it violates a security policy"),
    "security_policy_pipeline_check": (Blocked.NOT_READY, "a security policy wants its pipelines to pass"),
    "locked_paths": (Blocked.NOT_READY, "somebody has locked paths that it changes"),
    "locked_lfs_files": (Blocked.NOT_READY, "somebody has locked files that it changes"),
    "jira_association_missing": (Blocked.NOT_ALLOWED, "this project wants a Jira issue in its title"),
    "title_regex": (Blocked.NOT_ALLOWED, "its title is not as this project wants titles"),
}


class How(NamedTuple):
    """What a merge asks for, after what the project is set up for."""

    squash: bool
    unset: bool  # the request says "squash", and is to be merged without
    train: bool


class Merger:
    def __init__(self, api: Api) -> None:
        self._api = api
        self._project: Found | None = None

    def merge(
        self, number: int, head: str, method: Method, *, later: bool
    ) -> MergeRequest | Merging | NotMerged:
        now = self.settled(number)
        early = self._over(now, head)
        if early is not None:
            return early
        how = self._how(now, method)
        if isinstance(how, NotMerged):
            return how
        if how.train and not later:
            return NotMerged(Blocked.NOT_READY, "this project merges through its merge train alone")
        waits = later and now.status in _WAITS
        if now.status != _READY and not waits:
            return self.blocked(now)
        wait = waits and (now.status != _READY or now.checks is Checks.PENDING)
        return self._merged(now, head, how, wait=wait)

    def settled(self, number: int) -> Seen:
        """As it is once GitLab has worked out whether it can be merged, or is merging it no more."""
        for pause in _PAUSES:
            now = self._look(number)
            unsettled = now.status in _WORKED_OUT or not now.prepared
            if not (now.locked or (now.request.state == "open" and unsettled)):
                return now
            self._api.pace.wait(pause)
        return self._look(number)

    def blocked(self, now: Seen) -> NotMerged:
        if now.status in _WORKED_OUT:
            return NotMerged(Blocked.NOT_READY, "GitLab has not worked out yet whether it can be merged")
        told = f"GitLab says {self._api.shown(now.status.replace('_', ' '))}"
        why, words = _WHY.get(now.status, (Blocked.NOT_READY, told))
        return NotMerged(why, words)

    # -- before ---------------------------------------------------------------------------------

    def _look(self, number: int) -> Seen:
        return seen(self._api, self._api.get(f"{self._api.project}/merge_requests/{number}"))

    def _over(self, now: Seen, head: str) -> MergeRequest | Merging | NotMerged | None:
        """The answer where nothing is left to do."""
        request = now.request
        if request.state == "closed":
            return NotMerged(Blocked.NOT_OPEN, f"merge request {request.number} is closed")
        if request.head != head:
            place = "was merged" if request.state == "merged" else "is"
            words = f"the branch {request.branch} {place} at {request.head or 'no commit'}, not at {head}"
            return NotMerged(Blocked.HEAD_MOVED, f"{words} that was to be merged")
        if request.state == "merged":
            return request
        if now.merging:
            return Merging(request, "GitLab merges it once its checks have passed")
        return None

    def _how(self, now: Seen, method: Method) -> How | NotMerged:
        if self._project is None:
            self._project = self._api.get(self._api.project)
        squashes, merges = text(self._project, "squash_option"), text(self._project, "merge_method")
        if method is Method.SQUASH and squashes == "never":
            return _forbidden("this project never squashes")
        if method in (Method.MERGE, Method.REBASE) and squashes == "always":
            return _forbidden("this project always squashes")
        if method is Method.MERGE and merges == "ff":
            return _forbidden("this project only fast-forwards")
        if method is Method.REBASE and merges in ("merge", "rebase_merge"):
            return _forbidden("this project makes merge commits")
        asked = method is Method.SQUASH or (method is Method.AUTO and now.squash)
        squash = squashes == "always" or (squashes != "never" and asked)
        unset = now.squash and not squash and squashes != "never"
        return How(squash, unset, self._project.get("merge_trains_enabled") is True)

    # -- the wish ---------------------------------------------------------------------------------

    def _merged(self, now: Seen, head: str, how: How, *, wait: bool) -> MergeRequest | Merging | NotMerged:
        number = now.request.number
        path = f"{self._api.project}/merge_requests/{number}"
        if how.unset:
            self._api.send("put", path, {"squash": False}, lambda: self._unset(number))
        for last in (False, True):
            try:
                if how.train:
                    self._board(number, head, how, wait=wait)
                else:
                    data = self._wish(now, head, how, wait=wait)
                    self._api.send("put", f"{path}/merge", data, lambda: self._done(number))
                return self._became(number, head)
            except RefusedError as refused:
                answer = self._refused(number, head, refused)
            if answer is not None or last:
                break
            # The base moved between the look and the wish, or the pipeline is being made this moment.
            self._api.pace.wait(_AGAIN)
        return answer or NotMerged(
            Blocked.NOT_READY, "GitLab says that it can be merged, and does not merge it"
        )

    def _wish(self, now: Seen, head: str, how: How, *, wait: bool) -> Found:
        data: Found = {"sha": head}
        if wait:
            # The second is what GitLab before 17.11 calls it; each knows one of them at least.
            data |= {"auto_merge": True, "merge_when_pipeline_succeeds": True}
        if how.squash:
            data |= {"squash": True, "squash_commit_message": self._message(now)}
        return data

    def _board(self, number: int, head: str, how: How, *, wait: bool) -> None:
        """Into the merge train, which answers with the list of its cars."""
        path = f"{self._api.project}/merge_trains/merge_requests/{number}"
        data: Found = {"sha": head, "squash": how.squash}
        if wait:
            data |= {"auto_merge": True, "when_pipeline_succeeds": True}
        self._api.send("post", path, data, lambda: self._done(number))

    def _message(self, now: Seen) -> str:
        """The words of the commits that become one: with their trailers."""
        path = f"{self._api.project}/merge_requests/{now.request.number}/commits"
        newest = islice(self._api.each(path), _MOST_COMMITS)
        messages = [text(each, "message") for each in newest]
        if len(messages) == 1 and messages[0]:
            return messages[0]
        return "\n\n".join((now.request.title, *filter(None, reversed(messages))))[:_MOST_MESSAGE]

    # -- what became of it --------------------------------------------------------------------------

    def _unset(self, number: int) -> Found | None:
        now = self._api.get(f"{self._api.project}/merge_requests/{number}")
        return None if now.get("squash") is True else now

    def _done(self, number: int) -> Found | None:
        found = self._api.get(f"{self._api.project}/merge_requests/{number}")
        now = seen(self._api, found)
        return found if now.locked or now.merging or now.request.state == "merged" else None

    def _became(self, number: int, head: str) -> MergeRequest | Merging | NotMerged:
        now = self.settled(number)
        over = self._over(now, head)
        if over is not None:
            return over
        if now.locked:
            return Merging(now.request, "GitLab is merging it")
        if now.error:
            return NotMerged(Blocked.NOT_ALLOWED, f"GitLab could not merge it: {now.error}")
        return self.blocked(now)

    def _refused(
        self, number: int, head: str, refused: RefusedError
    ) -> MergeRequest | Merging | NotMerged | None:
        """What a refusal means; None where nothing is in the way any more."""
        if refused.status in (401, 403):
            words = "this token's user may not merge into that branch: its protection says who may"
            return NotMerged(Blocked.NOT_ALLOWED, words)
        if refused.status == 404:
            raise refused
        now = self.settled(number)
        over = self._over(now, head)
        if over is not None:
            return over
        if now.error:
            return NotMerged(Blocked.NOT_ALLOWED, f"GitLab could not merge it: {now.error}")
        if now.status != _READY:
            return self.blocked(now)
        if refused.status == 405:
            return None
        return NotMerged(Blocked.NOT_READY, f"GitLab says {refused.status}: {refused.words}")


def _forbidden(words: str) -> NotMerged:
    return NotMerged(Blocked.NOT_ALLOWED, words)

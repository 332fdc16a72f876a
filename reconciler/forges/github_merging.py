"""Merging on GitHub: at once where nothing stands in the way, else later, by GitHub itself.

A token of an administrator may pass over the rules of a branch. So what GitHub calls blocked is
not tried; auto-merge and merge queues keep to the rules by themselves.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from github.GithubObject import NotSet

from reconciler.forges.github_seen import StrangeError, checks, commit
from reconciler.forges.github_wire import Hub, Refused
from reconciler.forges.port import Blocked, Checks, Method, NotMerged

_POLLS: Final = (1.0, 2.0, 3.0, 4.0)  # seconds until GitHub knows whether it can be merged
_FLAGS: Final = {
    Method.MERGE: "allow_merge_commit",
    Method.SQUASH: "allow_squash_merge",
    Method.REBASE: "allow_rebase_merge",
}
_WAITS: Final = {
    "blocked": "checks or approvals are missing",
    "behind": "its base must be merged into it first",
    "draft": "it is a draft",
    "unknown": "GitHub doesn't know yet whether it can be merged",
}
_BASE_MOVED: Final = re.compile(r"base branch was modified", re.IGNORECASE)
_QUEUE: Final = re.compile(r"merge queue", re.IGNORECASE)
_NO_METHOD: Final = re.compile(r"(merges?|commits|rebase\S*) (are|is) not allowed", re.IGNORECASE)
_IN_QUEUE: Final = """
query($owner: String!, $name: String!, $number: Int!) {
  repository(owner: $owner, name: $name) { pullRequest(number: $number) { isInMergeQueue } }
}
"""


class Merger:
    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def merge(self, number: int, head: str, method: Method, *, later: bool) -> str | NotMerged:
        """What has become of it, in words for the reader; merged or not, the request tells."""
        pull = self._pull(number)
        stands = _stands(pull, head)
        if stands is not None or pull.get("merged_at"):
            return stands or "merged"
        if pull.get("auto_merge") is not None or self._in_queue(number):
            return "GitHub merges it by itself" if later else _not_ready("GitHub merges it by itself")
        pull = self._judged(number, pull)
        stands = _stands(pull, head)
        if stands is not None or pull.get("merged_at"):
            return stands or "merged"
        if pull.get("mergeable") is False or pull.get("mergeable_state") == "dirty":
            return NotMerged(Blocked.CONFLICT, f"the base of {number} has changed the same lines")
        how = self._method(method)
        if isinstance(how, NotMerged):
            return how
        if pull.get("mergeable_state") == "unstable" and self.checks(head) in (Checks.PENDING, Checks.FAILED):
            # none that the branch requires, so GitHub itself would merge it
            return _not_ready("its checks have not all passed")
        waits = _WAITS.get(str(pull.get("mergeable_state")))
        answer = _not_ready(waits) if waits else self._merged_now(number, pull, head, how)
        if isinstance(answer, NotMerged) and answer.why is Blocked.NOT_READY and later:
            return self._later(number, pull, head, how, answer)
        return answer

    def is_merging(self, pull: Mapping[str, Any]) -> bool:
        number = pull.get("number")
        waits = pull.get("auto_merge") is not None
        return waits or (isinstance(number, int) and self._in_queue(number))

    def checks(self, head: str) -> Checks:
        hub = self._hub
        runs = hub.pages_of(f"{hub.path}/commits/{head}/check-runs", "check_runs", filter="latest")
        statuses = hub.pages_of(f"{hub.path}/commits/{head}/status", "statuses")
        return checks(runs, statuses, hub.me())

    # -- now --------------------------------------------------------------------------------------

    def _pull(self, number: int) -> dict[str, Any]:
        return self._hub.get(f"{self._hub.path}/pulls/{number}")

    def _judged(self, number: int, pull: dict[str, Any]) -> dict[str, Any]:
        """Asking makes GitHub find out whether it can be merged; the answer comes a little later."""
        for pause in _POLLS:
            if pull.get("mergeable") is not None or pull.get("state") != "open":
                break
            self._hub.pace.wait(pause)
            pull = self._pull(number)
        return pull

    def _method(self, method: Method) -> Method | NotMerged:
        """One that the repository allows. Who may not push isn't told; then it is tried."""
        about = self._hub.about()
        if method is not Method.AUTO:
            if about.get(_FLAGS[method]) is False:
                return NotMerged(Blocked.NOT_ALLOWED, f"this repository does not allow to {method} there")
            return method
        allowed = [one for one, flag in _FLAGS.items() if about.get(flag, True) is not False]
        return allowed[0] if allowed else Method.MERGE

    def _merged_now(self, number: int, pull: Mapping[str, Any], head: str, method: Method) -> str | NotMerged:
        title, message = self._words(pull, head) if method is Method.SQUASH else (NotSet, NotSet)
        request = self._hub.pull(number, pull)

        def merge() -> str:
            request.merge(message, title, merge_method=method.value, sha=head)
            return "merged"

        def find() -> str | None:
            return "merged" if self._pull(number).get("merged_at") else None

        for last in (False, True):
            try:
                return self._hub.write(f"!{number}", merge, find)
            except Refused as refused:
                if last or not _BASE_MOVED.search(refused.words):
                    return self._why(number, head, refused)
                self._hub.pace.wait(_POLLS[0])
        raise AssertionError("a merge was tried more than twice")

    def _words(self, pull: Mapping[str, Any], head: str) -> tuple[str, str]:
        """Of a squash: what our commit says, with its trailers, however the repository is set up."""
        found = self._hub.get(f"{self._hub.path}/git/commits/{head}").get("message")
        _, _, rest = (found if isinstance(found, str) else "").partition("\n")
        return f"{pull.get('title')} (#{pull.get('number')})", rest.strip("\n")

    def _why(self, number: int, head: str, refused: Refused) -> NotMerged:
        """Why GitHub did not merge: its status, its words, and how the request stands now."""
        if refused.status not in (403, 405, 409, 422):
            raise refused
        stands = _stands(self._pull(number), head)
        if stands is not None:
            return stands
        told = refused.words
        if _NO_METHOD.search(told) or refused.status == 403:
            return NotMerged(Blocked.NOT_ALLOWED, told)
        if "conflict" in told.lower():
            return NotMerged(Blocked.CONFLICT, told)
        return _not_ready(told)

    # -- later ------------------------------------------------------------------------------------

    def _later(
        self, number: int, pull: Mapping[str, Any], head: str, method: Method, why: NotMerged
    ) -> str | NotMerged:
        armed = self._armed(number, pull, head, method)
        if not isinstance(armed, Refused):
            return "GitHub merges it once its checks and approvals allow"
        if _QUEUE.search(why.detail) or _QUEUE.search(armed.words) or "clean status" in armed.words.lower():
            queued = self._queued(number, pull, head)
            if not isinstance(queued, Refused):
                return "it is in the merge queue"
            if "clean status" in armed.words.lower():
                return self._merged_now(number, pull, head, method)
        if armed.status == 403:
            return NotMerged(Blocked.NOT_ALLOWED, armed.words)
        return _not_ready(f"{why.detail} (auto-merge: {armed.words})")

    def _armed(self, number: int, pull: Mapping[str, Any], head: str, method: Method) -> str | Refused:
        title, message = self._words(pull, head) if method is Method.SQUASH else (NotSet, NotSet)
        request = self._hub.pull(number, pull)

        def arm() -> str:
            request.enable_automerge(
                method.name, commit_headline=title, commit_body=message, expected_head_oid=head
            )
            return "armed"

        def find() -> str | None:
            now = self._pull(number)
            return "armed" if now.get("auto_merge") is not None or now.get("merged_at") else None

        return self._asked(number, arm, find)

    def _queued(self, number: int, pull: Mapping[str, Any], head: str) -> str | Refused:
        given = {"pullRequestId": pull.get("node_id"), "expectedHeadOid": head}

        def enqueue() -> str:
            self._hub.wire.graphql_named_mutation("enqueuePullRequest", given, "mergeQueueEntry { id }")
            return "queued"

        return self._asked(number, enqueue, lambda: "queued" if self._in_queue(number) else None)

    def _asked(self, number: int, do: Any, find: Any) -> str | Refused:
        try:
            return str(self._hub.write(f"!{number}", do, find))
        except Refused as refused:
            return refused

    def _in_queue(self, number: int) -> bool:
        """Older servers have no queues, and refuse the question."""
        asked = {"owner": self._hub.owner, "name": self._hub.name, "number": number}
        try:
            found = self._hub.ask(_IN_QUEUE, asked).get("repository")
        except Refused:
            return False
        pull = found.get("pullRequest") if isinstance(found, dict) else None
        return isinstance(pull, dict) and pull.get("isInMergeQueue") is True


def _stands(pull: Mapping[str, Any], head: str) -> NotMerged | None:
    """What of the request itself speaks against it; nothing does when it is merged, at that commit."""
    number = pull.get("number")
    try:
        there = commit((pull.get("head") or {}).get("sha"))
    except (StrangeError, AttributeError):
        there = ""
    is_merged = bool(pull.get("merged_at"))
    if not is_merged and pull.get("state") != "open":
        return NotMerged(Blocked.NOT_OPEN, f"merge request {number} is closed")
    if there != head:
        was = "was merged" if is_merged else "is"
        text = f"the branch of {number} {was} at {there or 'no commit'}, not at {head} that was to be merged"
        return NotMerged(Blocked.HEAD_MOVED, text)
    return None


def _not_ready(why: str) -> NotMerged:
    return NotMerged(Blocked.NOT_READY, why)

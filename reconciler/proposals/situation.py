"""What there is of a key, and what can be done about it: the words of the table in `lifecycle`."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

from reconciler.model import Do, MergeRequest
from reconciler.proposals.wishes import Wish

CLOSED_BY_US = " - autoclosed"
ABANDONED = " - abandoned"
REOPENED_WITHIN = 7 * 86_400  # so long its branch stays, and it is opened again rather than another


class Row(StrEnum):
    """The situations of the table above."""

    NEW = "new"
    UNOPENED = "unopened"
    OVERTAKEN = "overtaken"
    THEIRS = "theirs"
    NEEDED_AGAIN = "needed-again"
    SAME = "same"
    NEAR = "near"
    NEWER = "newer"
    CONFLICT = "conflict"
    GONE = "gone"
    TEXT = "text"
    UNJUDGED = "unjudged"
    APPROVED = "approved"
    EDITED = "edited"
    REBASE = "rebase"
    MERGE = "merge"
    NOT_READY = "not-ready"
    MERGING = "merging"
    FROZEN = "frozen"
    STRAYED = "strayed"
    UNSEEN = "unseen"
    OBSOLETE = "obsolete"
    SUPERSEDED = "superseded"
    ABANDONED = "abandoned"
    UNKNOWN = "unknown"
    WANTED = "wanted"
    LEFTOVER = "leftover"


class Branch(NamedTuple):
    """The remote branch of a key, as it is now."""

    tip: str
    plan: str  # of its trailer
    untouched: bool  # nobody but us has written to it
    recorded: bool  # the ledger or a merge request says that we pushed it: only then it may be removed
    conflicts: bool  # can't be merged into the base any more
    fresh: bool = False  # built on the base as it is now
    by: tuple[str, ...] = ()  # who wrote what is not ours, newest first


class Look(NamedTuple):
    """How an open request stands with those who review and check it."""

    approved_by: tuple[str, ...] = ()
    changes_wanted_by: tuple[str, ...] = ()
    checks: str = "none"  # none | pending | passed | failed
    merging: bool = False
    later: bool = False  # the forge itself waits for checks, when told to merge


class Noted(NamedTuple):
    """What the ledger knows to have happened to a request."""

    event: str
    mark: str
    at: int


class Observed(NamedTuple):
    request: MergeRequest | None  # the open one
    branch: Branch | None
    ended: MergeRequest | None = None  # the last one, closed by us, which may be opened again
    strayed: MergeRequest | None = None  # the open one, which somebody pointed at another base
    wishes: frozenset[Wish] = frozenset()
    look: Look | None = None  # None: not asked
    noted: tuple[Noted, ...] = ()


class Remark(NamedTuple):
    """Something to note in the ledger once, and to say on the request where it has words."""

    event: str
    mark: str
    text: str = ""


class Step(NamedTuple):
    """What to do for one key. `push` moves the branch first, expecting `expected` there."""

    do: Do
    why: str
    row: Row
    push: bool = False
    expected: str = ""
    merge: bool = False
    drop: bool = False  # remove the branch, which is at `expected`
    backup: bool = False  # keep what is on the branch under another name, before it is moved
    title: str | None = None  # of the request, where it is neither updated nor closed
    remark: Remark | None = None
    instead: tuple[str, ...] = ()  # keys that hold its values now
    reopened: Remark | None = None  # for the ledger alone: that it is open again

    @property
    def remarks(self) -> tuple[Remark, ...]:
        return tuple(one for one in (self.reopened, self.remark) if one is not None)

    @property
    def writes(self) -> bool:
        """Anything on the forge."""
        return self.do not in (Do.LEAVE, Do.WAIT) or self.remark is not None


def closed_by_us(request: MergeRequest) -> bool:
    """Whether the bot closed it, or was about to: the title says so before it is closed.

    Where the forge tells who closed it, a person who was faster has said "no".
    """
    by_us = not request.ended_by or not request.author or request.ended_by == request.author
    return request.title.endswith(CLOSED_BY_US) and by_us


def newest_open(requests: Iterable[MergeRequest], branch: str) -> MergeRequest | None:
    found = [request for request in requests if request.branch == branch and request.state == "open"]
    return max(found, key=lambda request: request.number, default=None)


def reopenable(requests: Iterable[MergeRequest], branch: str, now: int) -> MergeRequest | None:
    """The last request of a branch, where we closed it no longer than a week ago."""
    last = max((one for one in requests if one.branch == branch), key=lambda one: one.number, default=None)
    if last is None or last.state != "closed" or not closed_by_us(last):
        return None
    return last if now - last.ended_at <= REOPENED_WITHIN else None


def without_marks(title: str) -> str:
    """A title without what we hang on to it."""
    return title.removesuffix(CLOSED_BY_US).removesuffix(ABANDONED)

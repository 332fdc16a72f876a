"""What every forge is asked, and how it answers.

A forge translates and decides nothing. Its rules, which tests/forges/contract.py holds it to:

1. A branch has at most one open merge request: `open` finds before it writes, and hands out the
   one that is there. So nothing is doubled when an answer was lost.
2. `merge` names the commit that was reviewed. If the branch has moved, nothing is merged.
3. Labels that people set stay: `update` adds and removes only what it is told.
4. A comment has a topic. The same topic again changes the comment instead of adding another.
5. What can't be done now is an answer (`NotMerged`); what can't be done at all is a Problem.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import NamedTuple, Protocol

from reconciler.model import MergeRequest, Secret


class Site(NamedTuple):
    """One repository on one forge, and who asks."""

    repository: str  # its address
    token: Secret | None
    user: str  # whom a forge without accounts takes us for
    clock: Callable[[], int]


class Draft(NamedTuple):
    """A merge request that is to be."""

    branch: str
    base: str
    title: str
    body: str
    labels: tuple[str, ...] = ()


class Comment(NamedTuple):
    topic: str
    text: str


class Wording(NamedTuple):
    """What to write anew; None leaves it as it is."""

    title: str | None = None
    body: str | None = None
    add_labels: tuple[str, ...] = ()
    remove_labels: tuple[str, ...] = ()
    comment: Comment | None = None


class Blocked(StrEnum):
    NOT_OPEN = "not-open"
    HEAD_MOVED = "head-moved"
    CONFLICT = "conflict"
    NOT_READY = "not-ready"  # checks or approvals are missing; ask again later


class NotMerged(NamedTuple):
    why: Blocked
    detail: str


class Capabilities(NamedTuple):
    """What callers must know of a forge, so that nobody asks for its name."""

    body_limit: int  # characters
    squash: bool
    comments: bool
    needs_review: bool  # whether the forge itself may hold a merge back


class Forge(Protocol):
    @property
    def capabilities(self) -> Capabilities: ...

    def mine(self, prefix: str) -> Sequence[MergeRequest]:
        """All merge requests of branches that begin so, in any state, newest first."""

    def open(self, draft: Draft) -> MergeRequest: ...

    def update(self, number: int, wording: Wording) -> MergeRequest: ...

    def close(self, number: int, comment: Comment | None = None) -> MergeRequest:
        """Close without merging. Closing a closed one is no error; the branch stays."""

    def reopen(self, number: int) -> MergeRequest: ...

    def merge(self, number: int, head: str, *, squash: bool = False) -> MergeRequest | NotMerged:
        """Merge it if the branch is still at `head`. One that is merged already is the answer."""

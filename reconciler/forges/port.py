"""What every forge is asked, and how it answers.

A forge translates and decides nothing. Its rules, which tests/forges/contract.py holds it to:

1. A branch has at most one open merge request: `open` finds before it writes, and hands out the
   one that is there. So nothing is doubled when an answer was lost.
2. `merge` names the commit that was reviewed. If the branch has moved, nothing is merged.
3. Labels and reviewers that people set stay: `update` adds and removes only what it is told.
4. A comment has a topic. The same topic again changes the comment instead of adding another.
   So has a page.
5. What can't be done now is an answer (`NotMerged`); what can't be done at all is a Problem; what the
   forge wants to be asked later, because of its limits, is `TooMany`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple, Protocol

from reconciler.errors import Problem
from reconciler.model import Commit, MergeRequest, Secret, Whose


class App(NamedTuple):
    """An app of a forge that shows a key of its own and is given tokens for an hour."""

    id: str
    installation: str  # "": the one that the repository's owner has made
    key: Callable[[], Secret]  # PEM


class Spent:
    """What a run has asked of one server by now; its repositories there share it."""

    def __init__(self) -> None:
        self.waited = 0.0  # seconds
        self.writes: list[float] = []  # when, by the monotonic clock, oldest first


class Site(NamedTuple):
    """One repository on one forge, and who asks."""

    repository: str  # its address
    token: Secret | None
    user: str  # whom a forge without accounts takes us for
    clock: Callable[[], int]
    server: str = ""  # the forge's address, where it is not the root of the repository's host
    app: App | None = None
    ca_bundle: Path | None = None
    proxy: str = ""
    patience: int = 600  # seconds that a run may wait for the forge's limits, all in all
    sleep: Callable[[float], None] = time.sleep
    monotonic: Callable[[], float] = time.monotonic
    spent: Spent | None = None  # None: nobody else asks that server


class Draft(NamedTuple):
    """A merge request that is to be."""

    branch: str
    base: str
    title: str
    body: str
    labels: tuple[str, ...] = ()
    reviewers: tuple[str, ...] = ()  # names of users, and of teams as `organisation/team`


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
    add_reviewers: tuple[str, ...] = ()


class Blocked(StrEnum):
    NOT_OPEN = "not-open"
    HEAD_MOVED = "head-moved"
    CONFLICT = "conflict"
    NOT_READY = "not-ready"  # checks or approvals are missing; ask again later
    NOT_ALLOWED = "not-allowed"  # the forge doesn't let this user, or anybody, merge it so


class NotMerged(NamedTuple):
    why: Blocked
    detail: str


class Merging(NamedTuple):
    """Not merged yet: the forge does it by itself once its own checks and approvals allow."""

    request: MergeRequest
    detail: str


class Method(StrEnum):
    """How a branch comes into its base. `AUTO` is what the repository is set up for."""

    AUTO = "auto"
    MERGE = "merge"
    SQUASH = "squash"
    REBASE = "rebase"


class Checks(StrEnum):
    NONE = "none"  # there are none, or the forge doesn't tell
    PENDING = "pending"
    PASSED = "passed"
    FAILED = "failed"


class Standing(NamedTuple):
    """What only a question about one open request tells; asked for few of them."""

    approved_by: tuple[str, ...] = ()  # of the commit that is there now
    changes_wanted_by: tuple[str, ...] = ()
    checks: Checks = Checks.NONE
    merging: bool = False  # the forge will merge it by itself, or has it in a queue: do not push


class Page(NamedTuple):
    """A text that is kept current: an issue of the repository."""

    topic: str
    title: str
    body: str
    url: str = ""


class Capabilities(NamedTuple):
    """What callers must know of a forge, so that nobody asks for its name."""

    body_limit: int  # characters
    squash: bool
    comments: bool
    needs_review: bool  # whether the forge itself may hold a merge back
    reviewers: bool = False
    merges_later: bool = False  # can be told to merge once checks have passed
    pages: bool = False  # has issues, for a dashboard
    diagrams: bool = False  # draws Mermaid
    details: bool = False  # folds <details>
    boxes: bool = False  # a reader may tick boxes of a body
    commits: bool = False  # can make commits of its own, which it then vouches for
    starts_checks: bool = True  # whether what this token opens starts checks
    asks_owners: bool = False  # asks those whom CODEOWNERS names to review, by itself


class TooMany(Problem):
    """The forge's limits are reached, and waiting is longer than a run may: the next run goes on."""

    def __init__(self, what: str, seconds: int, *, repository: str = "") -> None:
        words = f"{what} wants no more requests for {seconds} s: the next run goes on from here."
        super().__init__(what, words, whose=Whose.THEIRS, repository=repository)
        self.seconds = seconds


class Forge(Protocol):
    @property
    def capabilities(self) -> Capabilities: ...

    def whoami(self) -> str:
        """The name under which this forge shows what we write."""

    def mine(self, prefix: str, since: int = 0) -> Sequence[MergeRequest]:
        """Merge requests of branches that begin so, newest first: all open ones, and those that ended
        at that time or later. Whose they are is not asked."""

    def standing(self, number: int) -> Standing: ...

    def open(self, draft: Draft) -> MergeRequest: ...

    def update(self, number: int, wording: Wording) -> MergeRequest: ...

    def close(self, number: int, comment: Comment | None = None) -> MergeRequest:
        """Close without merging. Closing a closed one is no error; the branch stays."""

    def reopen(self, number: int) -> MergeRequest:
        """A Problem where the forge doesn't want to: its branch is gone, or is not what it was."""

    def merge(
        self, number: int, head: str, *, method: Method = Method.AUTO, later: bool = False
    ) -> MergeRequest | Merging | NotMerged:
        """Merge it if the branch is still at `head`. One that is merged already is the answer.

        With `later` the forge may be told to merge it by itself once its checks and approvals allow;
        it never passes over them.
        """

    def page(self, topic: str) -> Page | None: ...

    def write_page(self, page: Page) -> Page:
        """Open the page, or make it say this; an answer without a write where it does."""

    def commit(self, what: Commit) -> str | None:
        """The id of a commit that the forge made, on no branch; None where it makes none."""

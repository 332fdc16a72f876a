"""What a forge keeps, whichever API tells of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import NamedTuple


class Role(IntEnum):
    """What somebody is in one repository. The numbers are GitLab's levels of access."""

    NONE = 0
    READ = 10
    REPORT = 20  # GitLab's reporter, GitHub's triage
    WRITE = 30
    MAINTAIN = 40
    ADMIN = 50


class Right(StrEnum):
    """What a token is for; a dialect maps its scopes or permissions to these."""

    READ = "read"  # repositories and merge requests
    PUSH = "push"
    REQUESTS = "requests"  # open, change and close merge requests
    ISSUES = "issues"
    STATUSES = "statuses"
    USER = "user"  # who am I?


ALL_RIGHTS = frozenset(Right)


class Refused(Exception):  # noqa: N818 - it is what the forge says
    """What a forge doesn't do. `why` is a word that dialects map to their status and text.

    not-found | forbidden | invalid | exists | empty | closed | merged | draft | unknown | conflict |
    behind | head-moved | approvals | changes-wanted | checks | method | no-branch | force-pushed |
    protected | clean (nothing to wait for)
    """

    def __init__(self, why: str, text: str, number: int = 0) -> None:
        super().__init__(text)
        self.why = why
        self.text = text
        self.number = number  # of the merge request that is in the way


@dataclass(eq=False)
class User:
    id: int
    login: str
    name: str
    email: str
    is_bot: bool = False
    is_admin: bool = False


@dataclass(eq=False)
class Token:
    text: str
    user: User
    rights: frozenset[Right] = ALL_RIGHTS
    repositories: frozenset[str] | None = None  # None: all that its user may see
    expires: int = 0  # 0: never
    app: str = ""  # of an installation of this app


@dataclass(eq=False)
class Team:
    id: int
    organisation: str
    slug: str
    name: str
    members: set[str] = field(default_factory=set)


@dataclass(eq=False)
class Label:
    id: int
    name: str
    color: str = "ededed"
    description: str = ""


@dataclass(eq=False)
class Remark:
    """A comment."""

    id: int
    by: User
    body: str
    at: int
    changed: int


@dataclass(eq=False)
class Review:
    id: int
    by: User
    state: str  # approved | changes-wanted | commented
    commit: str
    body: str
    at: int
    dismissed: bool = False
    official: bool = True  # of somebody whose approval counts


@dataclass(eq=False)
class Status:
    """A commit status, or a check: the newest of a context counts."""

    id: int
    sha: str
    context: str
    state: str  # pending | success | failure | error | neutral | skipped
    by: User | None
    at: int
    changed: int
    description: str = ""
    url: str = ""
    kind: str = "status"  # status | check (GitHub's check runs) | job (GitLab's pipelines)
    ends: int = 0  # when it turns into `outcome` by itself; 0: never
    outcome: str = ""


class Event(NamedTuple):
    what: str  # opened | closed | reopened | merged | pushed | force-pushed | labeled | ...
    by: User
    at: int
    detail: str = ""


class AutoMerge(NamedTuple):
    by: User
    method: str
    at: int
    head: str = ""  # only at this commit; "": at any
    title: str = ""
    message: str = ""
    queued: bool = False  # in a merge queue or train


@dataclass(eq=False)
class Issue:
    id: int
    number: int
    author: User
    title: str
    body: str
    created: int
    updated: int
    state: str = "open"  # open | closed
    labels: list[str] = field(default_factory=list)
    comments: list[Remark] = field(default_factory=list)
    closed_at: int = 0
    closed_by: User | None = None
    pinned: bool = False
    locked: bool = False


@dataclass(eq=False)
class Request:
    """A merge request: of a branch of the same repository."""

    id: int
    number: int
    author: User
    branch: str
    base: str
    head: str  # the branch's tip as the forge last saw it
    base_sha: str  # the base's tip when it was opened
    title: str
    body: str
    created: int
    updated: int
    state: str = "open"  # open | closed | merged
    draft: bool = False
    labels: list[str] = field(default_factory=list)
    reviewers: list[str] = field(default_factory=list)  # logins
    teams: list[str] = field(default_factory=list)  # organisation/slug
    assignees: list[str] = field(default_factory=list)
    reviews: list[Review] = field(default_factory=list)
    comments: list[Remark] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    merge_commit: str = ""
    squash_commit: str = ""
    merged_by: User | None = None
    merged_at: int = 0
    closed_by: User | None = None
    closed_at: int = 0
    auto_merge: AutoMerge | None = None
    forced: bool = False  # its branch was force-pushed while it was closed
    unknown: int = 0  # questions about mergeability that are still answered with "not known yet"
    delete_branch: bool = False  # when it is merged

    @property
    def is_open(self) -> bool:
        return self.state == "open"


@dataclass(eq=False)
class Protection:
    """Rules of one branch."""

    approvals: int = 0
    checks: tuple[str, ...] = ()  # contexts that must have passed
    dismiss_stale: bool = False  # a push takes approvals back
    up_to_date: bool = False  # the branch must contain its base
    push: Role = Role.MAINTAIN  # who may push to it
    merge: Role = Role.WRITE
    force: bool = False  # whether anybody may force-push


class Habits(NamedTuple):
    """Where forges differ in what they do by themselves."""

    shared_numbers: bool = True  # issues and merge requests are counted together
    closes_without_branch: bool = True
    notices_manual_merges: bool = True
    refuses_forced_reopen: bool = False  # a closed one whose branch was force-pushed stays closed
    own_approval: bool = False  # whether an author may approve
    all_checks: bool = False  # any failed check stands in the way, not only required ones
    twin_labels: bool = False  # two labels may have one name
    arms_when_clean: bool = True  # auto-merge may be asked for where nothing stands in the way
    opens_empty: bool = False  # one that changes nothing
    reopens_anything: bool = False  # also without a branch, or beside another one
    arms_until_green: bool = False  # auto-merge waits for every check, not only for required ones


HABITS = {
    "github": Habits(refuses_forced_reopen=True, arms_when_clean=False),
    "gitlab": Habits(
        shared_numbers=False, closes_without_branch=False, opens_empty=True, arms_until_green=True
    ),
    "gitea": Habits(twin_labels=True, opens_empty=True, reopens_anything=True),
}

"""One repository: its branches, and the lives of its merge requests and issues."""

from __future__ import annotations

import itertools
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pygit2

from . import merging
from .records import (
    AutoMerge,
    Event,
    Habits,
    Issue,
    Label,
    Protection,
    Refused,
    Remark,
    Request,
    Review,
    Role,
    Status,
    User,
)

if TYPE_CHECKING:
    from .store import Store

METHODS = ("merge", "squash", "rebase", "fast-forward")
_TICK = 50_000_000  # nanoseconds in which two changes may leave the same time behind
ENDED = ("success", "neutral", "skipped")


class Repository:
    def __init__(self, store: Store, path: str, bare: Path, private: bool, habits: Habits) -> None:
        self.forge = store
        self.id = store.next_id()
        self.path = path
        self.bare = bare
        self.private = private
        self.habits = habits
        self.git = pygit2.Repository(str(bare))
        self.git.config["http.receivepack"] = "true"
        self.git.config["receive.advertisePushOptions"] = "true"
        self.git.config["uploadpack.allowFilter"] = "true"
        self.default_branch = "main"
        self.created = store.clock()
        self.methods = ["merge", "squash", "rebase"]  # allowed; the first is the usual one
        self.auto_merge_allowed = True
        self.queue = False  # merges into protected branches go through a queue or train
        self.queue_seconds = 60
        self.delete_branch_on_merge = False
        self.has_issues = True
        self.archived = False
        self.protected: dict[str, Protection] = {}
        self.members: dict[str, Role] = {}
        self.labels: list[Label] = []
        self.requests: dict[int, Request] = {}
        self.issues: dict[int, Issue] = {}
        self.statuses: dict[str, list[Status]] = {}
        self.checks_on_push: list[tuple[str, int, str]] = []  # context, seconds until it ends, outcome
        self.options: dict[str, object] = {}  # what only one dialect knows of
        self.vouched: set[str] = set()  # commits that the forge signed
        self._numbers = itertools.count(1)
        self._issue_numbers = self._numbers if habits.shared_numbers else itertools.count(1)
        self._branches: dict[str, str] = {}
        self._read_at: tuple[tuple[str, int], ...] | None = None
        self._seen: dict[str, str] = self.branches()

    # -- who and what -----------------------------------------------------------------------------

    @property
    def owner(self) -> str:
        return self.path.rpartition("/")[0]

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    def role(self, user: User) -> Role:
        return Role.ADMIN if user.is_admin else self.members.get(user.login, Role.NONE)

    def branches(self) -> dict[str, str]:
        """Read again only when something has changed there: most requests find all as it was."""
        stamp = self._stamp()
        if stamp is None or stamp != self._read_at:
            found = self.git.references.iterator(pygit2.enums.ReferenceFilter.BRANCHES)
            self._branches = {each.shorthand: str(each.target) for each in found}
            self._read_at = stamp
        return dict(self._branches)

    def _stamp(self) -> tuple[tuple[str, int], ...] | None:
        """When the folders of branches changed; None if so lately that the time may not tell."""
        seen = [(folder, os.stat(folder).st_mtime_ns) for folder, _, _ in os.walk(self.bare / "refs/heads")]
        packed = self.bare / "packed-refs"
        seen += [(str(packed), packed.stat().st_mtime_ns)] if packed.exists() else []
        return tuple(seen) if max(at for _, at in seen) < time.time_ns() - _TICK else None

    def tip(self, branch: str) -> str:
        return merging.tip(self.git, branch)

    def request(self, number: int) -> Request:
        if number not in self.requests:
            raise Refused("not-found", f"there is no merge request {number}")
        return self.requests[number]

    def issue(self, number: int) -> Issue:
        if number not in self.issues:
            raise Refused("not-found", f"there is no issue {number}")
        return self.issues[number]

    def open_of(self, branch: str, base: str = "") -> Request | None:
        found = (each for each in self.requests.values() if each.is_open and each.branch == branch)
        return next((each for each in found if not base or each.base == base), None)

    def label(self, name: str, color: str = "ededed") -> Label:
        """The label of this name, made when missing."""
        found = next((each for each in self.labels if each.name == name), None)
        return found or self.new_label(name, color)

    def new_label(self, name: str, color: str = "ededed", description: str = "") -> Label:
        if not self.habits.twin_labels and any(each.name.lower() == name.lower() for each in self.labels):
            raise Refused("exists", f"there is a label {name} already")
        self.labels.append(Label(self.forge.next_id(), name, color, description))
        return self.labels[-1]

    def _happened(self, thing: Request, what: str, by: User, detail: str = "") -> None:
        thing.updated = self.forge.clock()
        thing.events.append(Event(what, by, thing.updated, detail))

    # -- merge requests ---------------------------------------------------------------------------

    def open_request(
        self, by: User, branch: str, base: str, title: str, body: str = "", *, draft: bool = False
    ) -> Request:
        head, onto = self.tip(branch), self.tip(base)
        if not head or not onto:
            raise Refused("no-branch", f"there is no branch {base if head else branch}")
        there = self.open_of(branch, base)
        if there is not None:
            raise Refused("exists", f"a merge request already exists for {branch}", there.number)
        if not self.habits.opens_empty and merging.contains(self.git, onto, head):
            raise Refused("empty", f"no commits between {base} and {branch}")
        now = self.forge.clock()
        made = Request(
            self.forge.next_id(), next(self._numbers), by, branch, base, head, onto, title, body, now, now
        )  # fmt: skip
        made.draft = draft
        made.unknown = self.forge.slow_mergeability
        self.requests[made.number] = made
        self._happened(made, "opened", by)
        return made

    def edit(
        self, request: Request | Issue, by: User, *, title: str | None = None, body: str | None = None
    ) -> None:
        request.title = request.title if title is None else title
        request.body = request.body if body is None else body
        request.updated = self.forge.clock()

    def rebase_onto(self, request: Request, by: User, base: str) -> None:
        if not self.tip(base):
            raise Refused("no-branch", f"there is no branch {base}")
        request.base, request.base_sha = base, self.tip(base)
        self._happened(request, "base-changed", by, base)

    def close(self, request: Request, by: User) -> None:
        if request.state == "merged":
            raise Refused("merged", "it is merged and can't be closed")
        if request.is_open:
            request.state, request.forced, request.auto_merge = "closed", False, None
            request.closed_at, request.closed_by = self.forge.clock(), by
            self._happened(request, "closed", by)

    def reopen(self, request: Request, by: User) -> None:
        if request.state == "merged":
            raise Refused("merged", "it is merged and can't be reopened")
        if request.is_open:
            return
        if not self.habits.reopens_anything:
            self._check_reopening(request)
        request.state, request.head = "open", self.tip(request.branch) or request.head
        request.closed_at, request.closed_by = 0, None
        request.unknown = self.forge.slow_mergeability
        self._happened(request, "reopened", by)

    def _check_reopening(self, request: Request) -> None:
        if not self.tip(request.branch):
            raise Refused("no-branch", f"the branch {request.branch} was deleted")
        there = self.open_of(request.branch, request.base)
        if there is not None:
            raise Refused("exists", f"a merge request already exists for {request.branch}", there.number)
        if request.forced and self.habits.refuses_forced_reopen:
            raise Refused("force-pushed", f"the branch {request.branch} was force-pushed or recreated")

    def set_labels(self, thing: Request | Issue, names: list[str]) -> None:
        for name in names:
            self.label(name)
        thing.labels = list(dict.fromkeys(names))
        thing.updated = self.forge.clock()

    def add_labels(self, thing: Request | Issue, names: list[str]) -> None:
        self.set_labels(thing, [*thing.labels, *names])

    def remove_label(self, thing: Request | Issue, name: str) -> None:
        if name not in thing.labels:
            raise Refused("not-found", f"it has no label {name}")
        self.set_labels(thing, [each for each in thing.labels if each != name])

    def ask(self, request: Request, reviewers: list[str] = (), teams: list[str] = ()) -> None:
        """Ask people and teams for a review."""
        for login in reviewers:
            if login == request.author.login:
                raise Refused("invalid", "reviews may not be requested from the author")
            if login not in self.forge.users or self.role(self.forge.users[login]) < Role.READ:
                raise Refused("invalid", f"{login} can't review here")
        for name in teams:
            if name not in self.forge.teams:
                raise Refused("invalid", f"there is no team {name}")
        request.reviewers = list(dict.fromkeys([*request.reviewers, *reviewers]))
        request.teams = list(dict.fromkeys([*request.teams, *teams]))

    def review(self, request: Request, by: User, state: str, body: str = "", commit: str = "") -> Review:
        """state: approved | changes-wanted | commented"""
        if by is request.author and state != "commented" and not self.habits.own_approval:
            raise Refused("invalid", "nobody can approve their own merge request")
        now, official = self.forge.clock(), self.role(by) >= Role.WRITE
        made = Review(self.forge.next_id(), by, state, commit or request.head, body, now, official=official)
        request.reviews.append(made)
        request.reviewers = [login for login in request.reviewers if login != by.login]
        self._happened(request, "reviewed", by, state)
        return made

    def comment(self, thing: Request | Issue, by: User, body: str) -> Remark:
        now = thing.updated = self.forge.clock()
        thing.comments.append(Remark(self.forge.next_id(), by, body, now, now))
        return thing.comments[-1]

    def open_issue(self, by: User, title: str, body: str = "", labels: list[str] = ()) -> Issue:
        now = self.forge.clock()
        made = Issue(self.forge.next_id(), next(self._issue_numbers), by, title, body, now, now)
        self.issues[made.number] = made
        self.set_labels(made, list(labels))
        return made

    # -- checks -----------------------------------------------------------------------------------

    def set_status(
        self, sha: str, context: str, state: str, by: User | None = None, kind: str = "status", **more: object
    ) -> Status:
        now = self.forge.clock()
        made = Status(self.forge.next_id(), sha, context, state, by, now, now, kind=kind, **more)
        self.statuses.setdefault(sha, []).append(made)
        return made

    def latest(self, sha: str) -> list[Status]:
        """The newest of each context."""
        return list({each.context: each for each in self.statuses.get(sha, [])}.values())

    # -- mergeability -----------------------------------------------------------------------------

    def standing_reviews(self, request: Request) -> list[Review]:
        """What each reviewer said last; comments change nothing."""
        found: dict[str, Review] = {}
        for each in request.reviews:
            if each.state != "commented":
                found[each.by.login] = each
        return [each for each in found.values() if not each.dismissed]

    def obstacles(self, request: Request) -> list[Refused]:
        """What stands in the way of a merge now, worst first."""
        found: list[Refused] = []
        rules = self.protected.get(request.base, Protection())
        base, head = self.tip(request.base), self.tip(request.branch)
        if request.draft:
            found.append(Refused("draft", "it is a draft"))
        if not base or not head:
            return [*found, Refused("no-branch", "its branch is gone")]
        if merging.conflicts(self.git, base, head):
            found.append(Refused("conflict", "it has conflicts"))
        if rules.up_to_date and not merging.contains(self.git, head, base):
            found.append(Refused("behind", "its branch is behind"))
        reviews = [each for each in self.standing_reviews(request) if each.official]
        if rules.approvals and any(each.state == "changes-wanted" for each in reviews):
            found.append(Refused("changes-wanted", "a reviewer wants changes"))
        approved = sum(each.state == "approved" for each in reviews)
        if approved < rules.approvals:
            found.append(Refused("approvals", f"{approved} of {rules.approvals} approvals"))
        checks = {each.context: each.state for each in self.latest(head)}
        wanted = {*rules.checks, *(checks if self.habits.all_checks else ())}
        missing = sorted(name for name in wanted if checks.get(name) not in ENDED)
        if missing:
            found.append(Refused("checks", f"checks have not passed: {', '.join(missing)}"))
        return found

    def is_known(self, request: Request) -> bool:
        """Whether mergeability is worked out already; each question brings it nearer."""
        if request.unknown:
            request.unknown -= 1
            return False
        return True

    # -- merging ----------------------------------------------------------------------------------

    def merge(
        self,
        request: Request,
        by: User,
        method: str = "",
        *,
        head: str = "",
        message: str = "",
        check: bool = True,
    ) -> str:
        """Merge it for real. `check` False passes over the rules, as an administrator may."""
        method = method or self.methods[0]
        if request.state != "open":
            raise Refused("merged" if request.state == "merged" else "closed", f"it is {request.state}")
        if head and head != self.tip(request.branch):
            raise Refused("head-moved", "the head of its branch was modified")
        if method not in self.methods:
            raise Refused("method", f"{method} is not allowed in this repository")
        for obstacle in self.obstacles(request):
            if check or obstacle.why in ("no-branch", "conflict"):
                raise obstacle
        at = self.tip(request.branch)
        who = pygit2.Signature(by.name, by.email, self.forge.clock(), 0)
        text = message or f"{request.title} (#{request.number})\n"
        merged = merging.joined(self.git, method, self.tip(request.base), at, text, who)
        merging.move(self.git, request.base, merged)
        self._merged(request, by, at, merged)
        request.squash_commit = merged if method == "squash" else ""
        self._seen[request.base] = merged
        if request.delete_branch or self.delete_branch_on_merge:
            self.git.references.delete(f"refs/heads/{request.branch}")
            self._seen.pop(request.branch, None)
        self._base_moved(request.base, by)
        return merged

    def _merged(self, request: Request, by: User, head: str, commit: str) -> None:
        request.state, request.head, request.merge_commit = "merged", head, commit
        request.merged_at, request.merged_by, request.auto_merge = self.forge.clock(), by, None
        request.closed_at = request.merged_at
        self._happened(request, "merged", by, commit)

    def arm(self, request: Request, by: User, method: str = "", *, head: str = "", message: str = "") -> None:
        """Merge it as soon as nothing stands in the way."""
        if not request.is_open:
            raise Refused("closed", f"it is {request.state}")
        if not self.auto_merge_allowed:
            raise Refused("method", "auto-merge is not allowed in this repository")
        if head and head != self.tip(request.branch):
            raise Refused("head-moved", "the head of its branch was modified")
        obstacles = self.obstacles(request)
        if any(each.why in ("conflict", "draft", "no-branch") for each in obstacles):
            raise obstacles[0]
        if not obstacles and not self.habits.arms_when_clean:
            raise Refused("clean", "it is in clean status")
        request.auto_merge = AutoMerge(by, method or self.methods[0], self.forge.clock(), head, "", message)
        self._happened(request, "armed", by)

    def disarm(self, request: Request, by: User) -> None:
        request.auto_merge = None
        self._happened(request, "disarmed", by)

    def enqueue(self, request: Request, by: User, *, head: str = "") -> None:
        """Into the merge queue or train: it merges when its time has come."""
        if not request.is_open:
            raise Refused("closed", f"it is {request.state}")
        if head and head != self.tip(request.branch):
            raise Refused("head-moved", "the head of its branch was modified")
        for obstacle in self.obstacles(request):
            raise obstacle
        request.auto_merge = AutoMerge(by, self.methods[0], self.forge.clock(), queued=True)
        self._happened(request, "queued", by)

    # -- what happens by itself -------------------------------------------------------------------

    def settle(self, by: User | None = None) -> None:
        """Notice moved branches (pushed by `by`, else by nobody we know), ended checks, due merges."""
        self._notice(by or self.forge.user("somebody"))
        now = self.forge.clock()
        for each in (status for some in self.statuses.values() for status in some):
            if each.ends and each.ends <= now:
                each.state, each.changed, each.ends = each.outcome, each.ends, 0
        for request in list(self.requests.values()):
            armed = request.auto_merge
            if armed is None or not request.is_open:
                continue
            if armed.queued and armed.at + self.queue_seconds > now:
                continue
            if armed.head and armed.head != request.head:
                request.auto_merge = None
            elif not self.obstacles(request) and self._is_green(request):
                self.merge(request, armed.by, armed.method, message=armed.message)

    def _is_green(self, request: Request) -> bool:
        """Whether what an armed merge waits for, without being required, has passed."""
        states = (each.state for each in self.latest(request.head))
        return not self.habits.arms_until_green or all(each in ENDED for each in states)

    def _notice(self, by: User) -> None:
        now, before = self.branches(), self._seen
        self._seen = now
        for branch in sorted({*now, *before}):
            old, new = before.get(branch, ""), now.get(branch, "")
            if old == new:
                continue
            for request in list(self.requests.values()):
                if request.branch == branch and request.state != "merged":
                    self._branch_moved(request, by, old, new)
            self._checks_begin(new)
            if new:
                self._base_moved(branch, by)

    def _branch_moved(self, request: Request, by: User, old: str, new: str) -> None:
        forced = not (old and new) or not merging.contains(self.git, new, old)
        if not request.is_open:
            request.forced = request.forced or forced
            return
        if not new:
            if self.habits.closes_without_branch:
                self.close(request, by)
                request.forced = True
            return
        request.head, request.unknown = new, self.forge.slow_mergeability
        if request.auto_merge is not None and (forced or request.auto_merge.queued):
            request.auto_merge = None
        if self.protected.get(request.base, Protection()).dismiss_stale:
            for review in request.reviews:
                review.dismissed = review.dismissed or review.state == "approved"
        self._happened(request, "force-pushed" if forced else "pushed", by, new)

    def _checks_begin(self, sha: str) -> None:
        if sha and sha not in self.statuses:
            for context, seconds, outcome in self.checks_on_push:
                ends = self.forge.clock() + max(1, seconds)
                self.set_status(sha, context, "pending", ends=ends, outcome=outcome)

    def _base_moved(self, base: str, by: User) -> None:
        tip = self.tip(base)
        for request in list(self.requests.values()):
            if request.base != base or not request.is_open:
                continue
            request.unknown = self.forge.slow_mergeability
            if self.habits.notices_manual_merges and merging.contains(self.git, tip, request.head):
                self._merged(request, by, request.head, request.head)

"""A forge without a server: merge requests lie as records beside a bare repository.

`deploy.git` has them in `deploy.git.merge-requests/`. Merges are real: they move the base branch
of the bare repository. The whole life of a merge request can be lived, and looked at, offline.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

import pygit2

from reconciler.errors import Problem
from reconciler.forges.landed import Base
from reconciler.forges.port import (
    Blocked,
    Capabilities,
    Comment,
    Draft,
    Method,
    NotMerged,
    Page,
    Site,
    Standing,
    Wording,
)
from reconciler.forges.records import LATEST, Approval, Event, Record, Records, Said
from reconciler.model import Commit, MergeRequest

_HEADS: Final = "refs/heads/"


def open_local(site: Site) -> LocalForge:
    """The forge of a repository's address: a path or `file:///path`."""
    address = site.repository
    path = Path(unquote(urlsplit(address).path)) if address.startswith("file://") else Path(address)
    return LocalForge(path, user=site.user, clock=site.clock)


class LocalForge:
    capabilities = Capabilities(
        body_limit=1_000_000,
        squash=True,
        comments=True,
        needs_review=False,
        reviewers=True,
        pages=True,
        details=True,
    )

    def __init__(self, repository: Path, *, user: str, clock: Callable[[], int]) -> None:
        self._path = repository
        self._user = user
        self._clock = clock
        self.records = Records(repository.with_name(repository.name + ".merge-requests"))

    # -- the port ---------------------------------------------------------------------------

    def whoami(self) -> str:
        return self._user

    def mine(self, prefix: str, since: int = 0) -> Sequence[MergeRequest]:
        now = _Now(self._store())
        ours = (record for record in self.records.all() if record.branch.startswith(prefix))
        shown = (self._shown(now.seen(record)) for record in ours)
        return [request for request in shown if request.state == "open" or request.ended_at >= since]

    def standing(self, number: int) -> Standing:
        """Who approved the commit that is there now. Nobody checks here."""
        seen = self.get(number)
        by = (each.by for each in seen.approved_by if each.head == seen.head)
        return Standing(approved_by=tuple(dict.fromkeys(by)))

    def approve(self, number: int) -> Record:
        """What a reviewer's button does elsewhere: a yes to the commit that is there now."""
        with self.records.writing():
            old = self._current(number)
            if old.state != "open":
                raise self._problem(number, f"it is {old.state} and can't be approved")
            if any((each.by, each.head) == (self._user, old.head) for each in old.approved_by):
                return old
            yes = Approval(at=self._clock(), by=self._user, head=old.head)
            return self._put(old.model_copy(update={"approved_by": (*old.approved_by, yes)}), "approved")

    def get(self, number: int) -> Record:
        """One record with its comments and events, as `reconcile mr show` prints it."""
        return _Now(self._store()).seen(self.records.get(number))

    def open(self, draft: Draft) -> MergeRequest:
        with self.records.writing():
            store = self._store()
            there = self._find_open(store, draft.branch)
            if there is not None:
                return self._shown(there)
            head = self._tip(store, draft.branch)
            base = self._tip(store, draft.base)
            if Base(store, base).contains(head):
                text = f"there is nothing to merge: {draft.base} already has all of {draft.branch}."
                raise Problem(draft.branch, text, repository=str(self._path))
            record = Record(
                number=self.records.next_number(),
                branch=draft.branch,
                base=draft.base,
                head=head,
                since=base,
                state="open",
                title=" ".join(draft.title.split()),
                body=draft.body,
                labels=tuple(dict.fromkeys(draft.labels)),
                reviewers=tuple(dict.fromkeys(draft.reviewers)),
                events=(self._event("opened"),),
            )
            return self._shown(self.records.put(record))

    def update(self, number: int, wording: Wording) -> MergeRequest:
        with self.records.writing():
            old = self._current(number)
            kept = [label for label in old.labels if label not in wording.remove_labels]
            new = old.model_copy(
                update={
                    "title": old.title if wording.title is None else " ".join(wording.title.split()),
                    "body": old.body if wording.body is None else wording.body,
                    "labels": tuple(dict.fromkeys((*kept, *wording.add_labels))),
                    "reviewers": tuple(dict.fromkeys((*old.reviewers, *wording.add_reviewers))),
                }
            )
            new = self._commented(new, wording.comment)
            return self._shown(new if new == old else self._put(new, "updated"))

    def close(self, number: int, comment: Comment | None = None) -> MergeRequest:
        with self.records.writing():
            old = self._current(number)
            if old.state == "merged":
                raise self._problem(number, "it is merged and can't be closed")
            new = self._commented(old, comment)
            if old.state == "open":
                return self._shown(self._put(new.model_copy(update={"state": "closed"}), "closed"))
            return self._shown(new if new == old else self._put(new, "updated"))

    def reopen(self, number: int) -> MergeRequest:
        with self.records.writing():
            store = self._store()
            old = self._current(number)
            if old.state == "open":
                return self._shown(old)
            if old.state == "merged":
                raise self._problem(number, "it is merged and can't be reopened")
            other = self._find_open(store, old.branch)
            if other is not None:
                raise self._problem(number, f"its branch has another open one, {other.number}")
            head, base = self._tip(store, old.branch), self._tip(store, old.base)
            again = old.model_copy(update={"state": "open", "head": head, "since": base})
            return self._shown(self._put(again, "reopened"))

    def merge(
        self, number: int, head: str, *, method: Method = Method.AUTO, later: bool = False
    ) -> MergeRequest | NotMerged:
        with self.records.writing():
            store = self._store()
            record = self._current(number)
            if record.state == "closed":
                return NotMerged(Blocked.NOT_OPEN, f"merge request {number} is closed")
            is_merged = record.state == "merged"
            tip = record.head if is_merged else _tip(store, record.branch)
            if tip != head:
                place = f"was merged at {tip}" if is_merged else f"is at {tip}" if tip else "is gone"
                text = f"the branch {record.branch} {place}, not at {head} that was to be merged"
                return NotMerged(Blocked.HEAD_MOVED, text)
            if is_merged:
                return self._shown(record)
            merged = self._merge_now(store, record, head, method in (Method.SQUASH, Method.REBASE))
            if isinstance(merged, NotMerged):
                return merged
            done = record.model_copy(update={"state": "merged", "head": head, "merge_commit": merged})
            return self._shown(self._put(done, "merged"))

    def page(self, topic: str) -> Page | None:
        return self.records.page(topic)

    def write_page(self, page: Page) -> Page:
        with self.records.writing():
            return self.records.put_page(page)

    def commit(self, what: Commit) -> str | None:
        """None: nobody vouches for commits here."""
        return None

    # -- merging ----------------------------------------------------------------------------

    def _merge_now(
        self, store: pygit2.Repository, record: Record, head: str, squash: bool
    ) -> str | NotMerged:
        ref = _HEADS + record.base
        base = self._tip(store, record.base)
        index = store.merge_commits(base, head)
        if index.conflicts:
            paths = sorted({side.path for sides in index.conflicts for side in sides if side is not None})
            return NotMerged(
                Blocked.CONFLICT, f"{record.base} has changed the same lines: {', '.join(paths)}"
            )
        tree = index.write_tree(store)
        if tree == store[base].peel(pygit2.Tree).id:
            return base  # all of it is there already
        who = self._signature()
        text = _squashed(store, record, head) if squash else _merge_message(record)
        parents = [base] if squash else [base, head]
        commit = store.create_commit(None, who, who, text, tree, [pygit2.Oid(hex=each) for each in parents])
        with store.transaction() as moving:
            moving.lock_ref(ref)
            if str(store.lookup_reference(ref).target) != base:
                return NotMerged(Blocked.NOT_READY, f"{record.base} was moved at this moment: try again")
            moving.set_target(ref, commit, message=f"merge request {record.number}")
        return str(commit)

    def _signature(self) -> pygit2.Signature:
        name = self._user or "reconcile"
        return pygit2.Signature(name, f"{name}@localhost", self._clock(), 0)

    # -- records ----------------------------------------------------------------------------

    def _find_open(self, store: pygit2.Repository, branch: str) -> Record | None:
        now = _Now(store)
        records = [
            self._settled(now, each) for each in self.records.of_branch(branch) if each.state == "open"
        ]
        return next((record for record in records if record.state == "open"), None)

    def _current(self, number: int) -> Record:
        return self._settled(_Now(self._store()), self.records.get(number))

    def _settled(self, now: _Now, record: Record) -> Record:
        """As it is now, and written down: what tells of a squash by hand may be gone some day."""
        seen = now.seen(record)
        return record if seen == record else self.records.put(seen)

    def _put(self, record: Record, what: str) -> Record:
        return self.records.put(record.model_copy(update={"events": (*record.events, self._event(what))}))

    def _event(self, what: str) -> Event:
        return Event(at=self._clock(), by=self._user, what=what)

    def _commented(self, record: Record, comment: Comment | None) -> Record:
        if comment is None:
            return record
        new = Said(at=self._clock(), by=self._user, topic=comment.topic, text=comment.text)
        same = next((said for said in record.comments if comment.topic and said.topic == comment.topic), None)
        if same is not None and same.text == comment.text:
            return record
        others = tuple(said for said in record.comments if said is not same)
        return record.model_copy(update={"comments": (*others, new)})

    def _shown(self, record: Record) -> MergeRequest:
        end = next((event for event in reversed(record.events) if event.what == record.state), None)
        ended = end if record.state != "open" else None
        return MergeRequest(
            number=record.number,
            url=str(self.records.path(record.number)),
            branch=record.branch,
            base=record.base,
            head=record.head,
            state=record.state,
            title=record.title,
            body=record.body,
            labels=record.labels,
            opened_at=record.opened_at,
            ended_at=ended.at if ended else 0,
            ended_by=ended.by if ended else "",
            merge_commit=record.merge_commit,
            author=record.author,
            reviewers=record.reviewers,
        )

    # -- the repository ---------------------------------------------------------------------

    def _store(self) -> pygit2.Repository:
        try:
            store = pygit2.Repository(str(self._path), pygit2.enums.RepositoryOpenFlag.NO_SEARCH)
        except pygit2.GitError as error:
            text = f"there is no Git repository at {self._path} ({error}): correct the address."
            raise Problem(str(self._path), text, path=str(self._path)) from error
        if not store.is_bare:
            text = f"{self._path} is a clone with a work tree: the local forge needs a bare repository."
            raise Problem(str(self._path), text, path=str(self._path))
        return store

    def _tip(self, store: pygit2.Repository, branch: str) -> str:
        found = _tip(store, branch)
        if found is None:
            raise Problem(
                branch, f"there is no branch {branch!r}: push it first.", repository=str(self._path)
            )
        return found

    def _problem(self, number: int, why: str) -> Problem:
        return Problem(f"!{number}", f"merge request {number}: {why}.", repository=str(self._path))


def _tip(store: pygit2.Repository, branch: str) -> str | None:
    try:
        reference = store.references.get(_HEADS + branch)
    except ValueError:  # no name that a branch can have
        return None
    return None if reference is None else str(reference.target)


class _Now:
    """What the repository makes of open records now. One look at a base branch serves them all."""

    def __init__(self, store: pygit2.Repository) -> None:
        self._store = store
        self._bases: dict[str, Base | None] = {}

    def seen(self, record: Record) -> Record:
        """With its branch as it is now; merged, when someone merged it with plain Git."""
        if record.state != "open":
            return record
        tip = _tip(self._store, record.branch) or record.head
        base = self._base(record.base)
        # the commit last seen counts too: its branch may have gone on after it was merged
        for head in dict.fromkeys((tip, record.head)):
            found = base.landed(head, record.since) if base else None
            if found is not None:
                return _merged(record, head, found)
        return record if tip == record.head else record.model_copy(update={"head": tip})

    def _base(self, branch: str) -> Base | None:
        if branch not in self._bases:
            tip = _tip(self._store, branch)
            self._bases[branch] = Base(self._store, tip) if tip else None
        return self._bases[branch]


def _merged(record: Record, head: str, by: pygit2.Commit) -> Record:
    at = min(max(by.commit_time, 0), LATEST)
    event = Event(at=at, by=by.committer.name, what="merged")
    changed = {"state": "merged", "head": head, "merge_commit": str(by.id)}
    return record.model_copy(update={**changed, "events": (*record.events, event)})


def _merge_message(record: Record) -> str:
    subject = f"Merge branch '{record.branch}' into {record.base}"
    return f"{subject}\n\n{record.title}\n\nMerge request: {record.number}\n"


def _squashed(store: pygit2.Repository, record: Record, head: str) -> str:
    """The commit's own words, with its trailers; forges put the request's number into the subject."""
    subject, _, rest = store[head].peel(pygit2.Commit).message.partition("\n")
    return f"{subject} (!{record.number})\n{rest}"

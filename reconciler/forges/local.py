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
from reconciler.forges.port import Blocked, Capabilities, Comment, Draft, NotMerged, Site, Wording
from reconciler.forges.records import Event, Record, Records, Said
from reconciler.model import MergeRequest

_HEADS: Final = "refs/heads/"


def open_local(site: Site) -> LocalForge:
    """The forge of a repository's address: a path or `file:///path`."""
    address = site.repository
    path = Path(unquote(urlsplit(address).path)) if address.startswith("file://") else Path(address)
    return LocalForge(path, user=site.user, clock=site.clock)


class LocalForge:
    capabilities = Capabilities(body_limit=1_000_000, squash=True, comments=True, needs_review=False)

    def __init__(self, repository: Path, *, user: str, clock: Callable[[], int]) -> None:
        self._path = repository
        self._user = user
        self._clock = clock
        self.records = Records(repository.with_name(repository.name + ".merge-requests"))

    # -- the port ---------------------------------------------------------------------------

    def mine(self, prefix: str) -> Sequence[MergeRequest]:
        store = self._store()
        return [
            self._shown(_seen(store, record))
            for record in self.records.all()
            if record.branch.startswith(prefix)
        ]

    def get(self, number: int) -> Record:
        """One record with its comments and events, as `reconcile mr show` prints it."""
        return _seen(self._store(), self.records.get(number))

    def open(self, draft: Draft) -> MergeRequest:
        with self.records.writing():
            store = self._store()
            there = self._find_open(store, draft.branch)
            if there is not None:
                return self._shown(there)
            head = self._tip(store, draft.branch)
            base = self._tip(store, draft.base)
            if _contains(store, base, head):
                text = f"there is nothing to merge: {draft.base} already has all of {draft.branch}."
                raise Problem(draft.branch, text, repository=str(self._path))
            record = Record(
                number=self.records.next_number(),
                branch=draft.branch,
                base=draft.base,
                head=head,
                state="open",
                title=" ".join(draft.title.split()),
                body=draft.body,
                labels=tuple(dict.fromkeys(draft.labels)),
                events=(self._event("opened"),),
            )
            return self._shown(self.records.put(record))

    def update(self, number: int, wording: Wording) -> MergeRequest:
        with self.records.writing():
            old = self.get(number)
            kept = [label for label in old.labels if label not in wording.remove_labels]
            new = old.model_copy(
                update={
                    "title": old.title if wording.title is None else " ".join(wording.title.split()),
                    "body": old.body if wording.body is None else wording.body,
                    "labels": tuple(dict.fromkeys((*kept, *wording.add_labels))),
                }
            )
            new = self._commented(new, wording.comment)
            return self._shown(new if new == old else self._put(new, "updated"))

    def close(self, number: int, comment: Comment | None = None) -> MergeRequest:
        with self.records.writing():
            old = self.get(number)
            if old.state == "merged":
                raise self._problem(number, "it is merged and can't be closed")
            new = self._commented(old, comment)
            if old.state == "open":
                return self._shown(self._put(new.model_copy(update={"state": "closed"}), "closed"))
            return self._shown(new if new == old else self._put(new, "updated"))

    def reopen(self, number: int) -> MergeRequest:
        with self.records.writing():
            store = self._store()
            old = self.get(number)
            if old.state == "open":
                return self._shown(old)
            if old.state == "merged":
                raise self._problem(number, "it is merged and can't be reopened")
            other = self._find_open(store, old.branch)
            if other is not None:
                raise self._problem(number, f"its branch has another open one, {other.number}")
            head = self._tip(store, old.branch)
            return self._shown(self._put(old.model_copy(update={"state": "open", "head": head}), "reopened"))

    def merge(self, number: int, head: str, *, squash: bool = False) -> MergeRequest | NotMerged:
        with self.records.writing():
            store = self._store()
            record = self.get(number)
            if record.state == "merged":
                return self._shown(record)
            if record.state != "open":
                return NotMerged(Blocked.NOT_OPEN, f"merge request {number} is {record.state}")
            tip = self._tip(store, record.branch)
            if tip != head:
                text = (
                    f"the branch {record.branch} is at {tip[:10]}, not at {head[:10]} that was to be merged"
                )
                return NotMerged(Blocked.HEAD_MOVED, text)
            merged = self._merge_now(store, record, head, squash)
            if isinstance(merged, NotMerged):
                return merged
            done = record.model_copy(update={"state": "merged", "head": head, "merge_commit": merged})
            return self._shown(self._put(done, "merged"))

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
            return base  # it is there already: squashed by hand, or before a crash
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
        seen = (_seen(store, record) for record in self.records.all() if record.branch == branch)
        return next((record for record in seen if record.state == "open"), None)

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


def _contains(store: pygit2.Repository, commit: str, other: str) -> bool:
    return commit == other or store.descendant_of(commit, other)


def _seen(store: pygit2.Repository, record: Record) -> Record:
    """An open one with its branch as it is now; merged, when someone merged it with plain Git."""
    if record.state != "open":
        return record
    tip = _tip(store, record.branch) or record.head
    base = _tip(store, record.base)
    # the commit last seen counts too: its branch may have gone on after it was merged
    merged = [head for head in (tip, record.head) if base and head in store and _contains(store, base, head)]
    if base is None or not merged:
        return record.model_copy(update={"head": tip})
    found = _where_merged(store, base, merged[0])
    event = Event(at=found.commit_time, by=found.committer.name, what="merged")
    events = (*record.events, event)
    changed = {"state": "merged", "head": merged[0], "merge_commit": str(found.id), "events": events}
    return record.model_copy(update=changed)


def _where_merged(store: pygit2.Repository, base: str, head: str) -> pygit2.Commit:
    """The oldest commit of the base branch that has it."""
    commit = store[base].peel(pygit2.Commit)
    while commit.parents and _contains(store, str(commit.parent_ids[0]), head):
        commit = commit.parents[0]
    return commit


def _merge_message(record: Record) -> str:
    subject = f"Merge branch '{record.branch}' into {record.base}"
    return f"{subject}\n\n{record.title}\n\nMerge request: {record.number}\n"


def _squashed(store: pygit2.Repository, record: Record, head: str) -> str:
    """The commit's own words, with its trailers; forges put the request's number into the subject."""
    subject, _, rest = store[head].peel(pygit2.Commit).message.partition("\n")
    return f"{subject} (!{record.number})\n{rest}"

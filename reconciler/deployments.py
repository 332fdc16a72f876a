"""Deployment repositories as a run sees them: a mirror of a remote one, or the clone at hand.

Puts the Git adapter, the forge and discovery together; decides nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from reconciler.errors import Problem
from reconciler.forges.port import Forge
from reconciler.git.access import Access
from reconciler.git.clone import Clone
from reconciler.git.commits import Author, CommitRequest
from reconciler.git.ledger import BRANCH as LEDGER
from reconciler.git.ledger import Pen, append_ledger, read_ledger, write_ledger
from reconciler.git.message import message, trailers
from reconciler.git.mirror import Mirror, open_mirror
from reconciler.git.push import Outcome
from reconciler.git.signing import Signing
from reconciler.model import Discovery, Entry, FileChange, LedgerEntry, MergeRequest, Note, RefUpdate, Whose
from reconciler.ports import BranchTip, Past
from reconciler.source.cache import Cache
from reconciler.source.compose import UnitSetting
from reconciler.source.discover import discover
from reconciler.source.snapshot import Snapshot


def ours_of(template: str) -> str:
    """What all branches of ours begin with: the template up to its first placeholder."""
    return template.partition("{")[0]


class NoForge(NamedTuple):
    """No merge request can be opened here, and why."""

    why: str


class Layout(NamedTuple):
    """What settings say about where things of one repository run."""

    units: tuple[UnitSetting, ...] = ()
    clusters: tuple[str, ...] = ()
    cache: Path | None = None


class NotedSnapshot(Snapshot, Protocol):
    def notes(self) -> Sequence[Note]: ...


class SnapshotFiles:
    """The files of one commit, and what is found in them."""

    def __init__(self, snapshot: NotedSnapshot, layout: Layout, notes: Sequence[Note] = ()) -> None:
        self._snapshot = snapshot
        self._layout = layout
        self._notes = tuple(notes)
        self._entries: dict[str, Entry] | None = None
        self.commit = snapshot.commit

    def discover(self) -> Discovery:
        cache = Cache(self._layout.cache) if self._layout.cache else None
        found = discover(self._snapshot, self._layout.units, self._layout.clusters, cache)
        notes = (*self._notes, *self._snapshot.notes(), *found.notes)
        return Discovery(found.repository, found.commit, found.workloads, found.failures, notes, found.blobs)

    def paths(self, folder: str) -> list[str]:
        """The files below a folder."""
        inside = folder.strip("/") + "/"
        return [entry.path for entry in self._snapshot.entries() if entry.path.startswith(inside)]

    def read(self, path: str) -> bytes:
        found = self._entry_of(path)
        content = self._snapshot.read(found) if found is not None else None
        if content is None:
            raise Problem(path, f"{path} is not in the repository, or too large to be read.", path=path)
        return content

    def _entry_of(self, path: str) -> Entry | None:
        if self._entries is None:
            self._entries = {entry.path: entry for entry in self._snapshot.entries()}
        return self._entries.get(path)


class Identity(NamedTuple):
    """Who writes: the commits' author, and what signs them."""

    author: Author
    sign_off: bool
    signing: Signing | None
    when: int


class MirrorRepository:
    """A remote repository at its base branch, read through a mirror and written under leases."""

    def __init__(
        self,
        url: str,
        branch: str,
        cache: Path,
        access: Callable[[], Access],
        forge: Callable[[], Forge] | NoForge,
        layout: Layout,
        identity: Identity,
        ours: str,
    ) -> None:
        self._ours = ours
        self._url = url
        self._branch = branch
        self._cache = cache
        self._access = access
        self._make_forge = forge
        self._layout = layout
        self._identity = identity
        self._opened: Mirror | None = None
        self._base_commit = ""
        self.name = url
        self.base = branch
        self.default_base = branch

    def open(self) -> SnapshotFiles:
        mirror = open_mirror(self._url, self._cache, self._access())
        self._opened = mirror
        self.name = mirror.repository
        self.default_base = mirror.default_branch() or self._branch
        self.base = self._branch or self.default_base
        snapshot = mirror.snapshot(self.base)
        self._base_commit = snapshot.commit
        return SnapshotFiles(snapshot, self._layout, mirror.cautions())

    def past(self) -> Past:
        mirror = self._mirror
        ledger = read_ledger(mirror)
        requests: tuple[MergeRequest, ...] = ()
        if not isinstance(self._make_forge, NoForge):
            requests = tuple(self._make_forge().mine(self._ours))
        tips = {name: tip for name, tip in mirror.branches(self._ours).items() if name != LEDGER}
        pushed = _pushed(ledger.entries)
        author = f"{self._identity.author.name} <{self._identity.author.email}>"
        branches = {
            name: _branch_tip(mirror, tip, self._base_commit, pushed.get(name, {}), author)
            for name, tip in tips.items()
        }
        return Past(requests, ledger.entries, branches, ledger.notes)

    def write(self) -> MirrorWriter:
        if isinstance(self._make_forge, NoForge):
            raise Problem(self.name, f"{self._make_forge.why}.", repository=self.name)
        return MirrorWriter(self._mirror, self._base_commit, self._make_forge(), self._identity)

    @property
    def _mirror(self) -> Mirror:
        if self._opened is None:
            raise RuntimeError("a repository is opened before it is used")
        return self._opened


def _pushed(ledger: Sequence[LedgerEntry]) -> dict[str, dict[str, str]]:
    """For each branch, the commits that the ledger says were pushed there, and their plans."""
    found: dict[str, dict[str, str]] = {}
    for entry in ledger:
        if entry.event == "pushed":
            branch, head, plan = (str(entry.facts.get(name, "")) for name in ("branch", "head", "plan"))
            found.setdefault(branch, {})[head] = plan
    return found


def _branch_tip(mirror: Mirror, tip: str, base: str, pushed: Mapping[str, str], author: str) -> BranchTip:
    """Untouched is what the ledger says was pushed, or what comes to the same.

    Should the ledger be lost, the commit must look like ours: one commit on top of the base's
    history, by us, with our trailers.
    """
    info = mirror.info(tip)
    plan = trailers(info.message).get("Reconcile-Plan", "")
    same = next((head for head in pushed if mirror.is_untouched(tip, head, base)), "")
    looks_ours = (
        bool(plan)
        and info.author == author
        and len(info.parents) == 1
        and mirror.is_ancestor(info.parents[0], base)
        and plan not in pushed.values()
    )
    untouched = bool(same) or looks_ours
    conflicts = untouched and info.parents[0] != base and not mirror.merges_cleanly(base, tip)
    return BranchTip(tip, pushed.get(same, plan), untouched, conflicts)


class MirrorWriter:
    def __init__(self, mirror: Mirror, base_commit: str, forge: Forge, identity: Identity) -> None:
        self._mirror = mirror
        self._base_commit = base_commit
        self._identity = identity
        self.forge = forge

    def commit(self, files: Sequence[FileChange], text: str, marks: Mapping[str, str]) -> str:
        subject, _, body = text.partition("\n")
        author = self._identity.author
        signed_off = {"Signed-off-by": f"{author.name} <{author.email}>"} if self._identity.sign_off else {}
        return self._mirror.commit(
            CommitRequest(
                base=self._base_commit,
                files={change.path: change.after for change in files},
                message=message(subject, body, {**marks, **signed_off}),
                author=author,
                when=self._identity.when,
                signing=self._identity.signing,
            )
        )

    def push(self, updates: Sequence[RefUpdate], entries: Sequence[LedgerEntry]) -> Mapping[str, str]:
        """The ledger travels with the branches; should it alone be refused, it is written anew."""
        pen = Pen(self._identity.author, self._identity.signing)
        line = append_ledger(self._mirror, entries, pen, self._identity.when) if entries else None
        answers = self._mirror.push([*updates, *([line] if line else [])])
        refused = {one.update.ref: one.detail for one in answers if one.outcome is not Outcome.DONE}
        broken = [one for one in answers if one.outcome is Outcome.REFUSED]
        if broken:
            raise Problem(broken[0].update.ref, f"{broken[0].detail}.", whose=Whose.THEIRS,
                          repository=self._mirror.repository)  # fmt: skip
        if line and refused.pop(line.ref, None) is not None:
            write_ledger(self._mirror, entries, pen, self._identity.when)
        return refused


class CloneRepository:
    """The clone that somebody stands in: read at its HEAD, and never written."""

    def __init__(self, clone: Clone, name: str, layout: Layout) -> None:
        self._clone = clone
        self._layout = layout
        self.name = name
        self.base = clone.branch or "HEAD"
        self.default_base = self.base

    def open(self) -> SnapshotFiles:
        snapshot = self._clone.snapshot(self.name)
        dirty = self._clone.dirty()
        told = f"read from the clone {self._clone.root} at HEAD ({snapshot.commit[:12]}), not from its remote"
        notes = [Note("clone", told, self.name)]
        if dirty:
            shown = ", ".join(dirty[:5]) + (f" and {len(dirty) - 5} more" if len(dirty) > 5 else "")
            text = f"not committed, and so not read: {shown}"
            notes.append(Note("uncommitted", text, self.name))
        return SnapshotFiles(snapshot, self._layout, notes)

    def past(self) -> Past:
        return Past((), (), {})

    def write(self) -> None:
        return None

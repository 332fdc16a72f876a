"""Deployment repositories as a run sees them: a mirror of a remote one, or the clone at hand.

Puts the Git adapter, the forge and discovery together; decides nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from reconciler.branches import FILES, branch_tip, files_mark, pushed_commits
from reconciler.dashboards import read_page
from reconciler.errors import Problem
from reconciler.forges.port import Forge
from reconciler.git.access import Access
from reconciler.git.clone import Clone
from reconciler.git.commits import Author, CommitRequest
from reconciler.git.folder import blob_id
from reconciler.git.ledger import BRANCH as LEDGER
from reconciler.git.ledger import Pen, append_ledger, read_ledger, write_ledger
from reconciler.git.message import message
from reconciler.git.mirror import Mirror, open_mirror
from reconciler.git.push import Outcome
from reconciler.git.signing import Signing
from reconciler.model import (
    Discovery,
    Entry,
    FileChange,
    LedgerEntry,
    MergeRequest,
    Note,
    Place,
    RefUpdate,
    Refused,
)
from reconciler.ports import News, Past, Pushed
from reconciler.proposals.dashboard import topic_of
from reconciler.proposals.history import asked_since
from reconciler.proposals.memo import find
from reconciler.proposals.naming import Naming
from reconciler.proposals.pushed import restored
from reconciler.proposals.surface import Surface
from reconciler.proposals.wishes import asked
from reconciler.source.cache import Cache
from reconciler.source.compose import UnitSetting
from reconciler.source.discover import discover
from reconciler.source.estate import Land
from reconciler.source.repositories import Known
from reconciler.source.snapshot import Snapshot
from reconciler.source.yamledit import Document, decode, parse, where
from reconciler.vouched import cautions, vouched


class NoForge(NamedTuple):
    """No merge request can be opened here, and why."""

    why: str


BOT = "reconciler"  # whom a forge without accounts takes us for


class Layout(NamedTuple):
    """What settings say about where things of one repository run."""

    units: tuple[UnitSetting, ...] = ()
    clusters: tuple[str, ...] = ()
    cache: Path | None = None
    addresses: tuple[str, ...] = ()  # all that it goes by, in Applications too
    surface: Surface = Surface()


class NotedSnapshot(Snapshot, Protocol):
    def notes(self) -> Sequence[Note]: ...


class SnapshotFiles:
    """The files of one commit, and what is found in them."""

    def __init__(
        self,
        snapshot: NotedSnapshot,
        layout: Layout,
        notes: Sequence[Note] = (),
        *,
        branches: Sequence[str] = (),
        default: bool = True,
        earlier: Callable[[int], NotedSnapshot | None] | None = None,
        touched: Callable[[str], int] | None = None,
    ) -> None:
        self._snapshot = snapshot
        self._branches = tuple(branches)
        self._default = default  # whether HEAD of the remote means this commit
        self._earlier = earlier
        self._touched = touched
        self._layout = layout
        self._notes = tuple(notes)
        self._entries: dict[str, Entry] | None = None
        self._parsed: dict[str, tuple[str, tuple[Document, ...]]] = {}
        self.commit = snapshot.commit

    def land(self) -> Land:
        addresses = self._layout.addresses
        known = Known(
            self._snapshot.repository,
            self._snapshot,
            addresses,
            self._branches,
            remote=bool(addresses),
            default=self._default,
        )
        return Land(known, self._layout.units, self._cache(), (*self._notes, *self._snapshot.notes()))

    def discover(self) -> Discovery:
        return discover(self._snapshot, self._layout.units, self._layout.clusters, self._cache())

    def _cache(self) -> Cache | None:
        return Cache(self._layout.cache) if self._layout.cache else None

    def value(self, place: Place) -> str | None:
        entry = self._entry_of(place.path)
        if entry is None:
            return None
        if entry.blob not in self._parsed:
            self._parsed[entry.blob] = _parsed(self._snapshot.read(entry) or b"")
        text, documents = self._parsed[entry.blob]
        if not 0 <= place.document < len(documents):
            return None
        return where(documents[place.document], text, place.keys, place.inner).value

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

    def before(self, at: int) -> SnapshotFiles | None:
        """The files as they were deployed at that time; None when nobody can tell."""
        snapshot = self._earlier(at) if self._earlier else None
        return SnapshotFiles(snapshot, self._layout) if snapshot is not None else None

    def touched(self, path: str) -> int:
        """When the file was last committed; 0 when nobody can tell."""
        return self._touched(path) if self._touched else 0

    def _entry_of(self, path: str) -> Entry | None:
        if self._entries is None:
            self._entries = {entry.path: entry for entry in self._snapshot.entries()}
        return self._entries.get(path)


def _parsed(data: bytes) -> tuple[str, tuple[Document, ...]]:
    text = decode(data)
    return ("", ()) if isinstance(text, Refused) else (text, parse(text))


class Identity(NamedTuple):
    """Who writes: the commits' author, and what signs them."""

    author: Author
    sign_off: bool
    signing: Signing | None
    when: int
    by_forge: bool = False  # whether the forge makes the commits, where it can


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
        naming: Naming,
        dashboard: str = "",
    ) -> None:
        self.dashboard = dashboard
        self._naming = naming
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
        self.surface = layout.surface

    def open(self) -> SnapshotFiles:
        mirror = open_mirror(self._url, self._cache, self._access())
        self._opened = mirror
        self.name = mirror.repository
        self.default_base = mirror.default_branch() or self._branch
        self.base = self._branch or self.default_base
        snapshot = mirror.snapshot(self.base)
        self._base_commit = snapshot.commit
        past = mirror.lineage(snapshot.commit)

        def earlier(at: int) -> NotedSnapshot | None:
            commit = past.at(at)
            return mirror.at(commit) if commit else None

        return SnapshotFiles(
            snapshot,
            self._layout,
            mirror.cautions(),
            branches=(self.base,),
            default=self.base == self.default_base,
            earlier=earlier,
            touched=past.touched,
        )

    def past(self) -> Past:
        mirror, naming = self._mirror, self._own_naming()
        ledger = read_ledger(mirror)
        forge = None if isinstance(self._make_forge, NoForge) else self._make_forge()
        me = forge.whoami() if forge else ""
        found = self._found(forge, ledger.entries, naming, me) if forge else []
        requests = tuple(one for one in found if one.base == self.base)
        tips = mirror.branches(naming.prefix)
        pushed = pushed_commits(ledger.entries, self.base)
        known = {(request.branch, request.head) for request in requests}
        author = f"{self._identity.author.name} <{self._identity.author.email}>"
        branches = {
            name: branch_tip(mirror, name, tip, self._base_commit, pushed.get(name, {}), known, author)
            for name, tip in tips.items()
            if naming.fits(name, self.base)
        }
        requests = tuple(restored(request, ledger.entries) for request in requests)
        told = cautions(forge, self.name, by_forge=self._identity.by_forge) if forge else ()
        notes = (*ledger.notes, *told)
        topic = topic_of(self.base, self.default_base)
        page, unread = read_page(forge, topic, self.name) if self.dashboard else (None, ())
        wishes = asked(requests, page.body if page else "")
        past = Past(requests, ledger.entries, branches, (*notes, *unread), me=me, wishes=wishes, page=page)
        if forge is None:
            return past
        return past._replace(
            strayed=tuple(one for one in found if _is_strayed(one, self.base, pushed)),
            asks_owners=forge.capabilities.asks_owners,
            merges_later=forge.capabilities.merges_later,
            standing=forge.standing,
        )

    def news(self) -> News:
        naming, ledger = self._own_naming(), read_ledger(self._mirror).entries
        if isinstance(self._make_forge, NoForge):
            return News((), ledger)
        forge = self._make_forge()
        found = self._found(forge, ledger, naming, forge.whoami())
        return News(tuple(restored(one, ledger) for one in found if one.base == self.base), ledger)

    def _own_naming(self) -> Naming:
        never = self._naming.never | {self.base, self.default_base, LEDGER}
        return self._naming._replace(never=never)

    def _found(
        self, forge: Forge, ledger: Sequence[LedgerEntry], naming: Naming, me: str
    ) -> list[MergeRequest]:
        found = forge.mine(naming.prefix, asked_since(ledger))
        return [one for one in found if self._is_ours(one, naming, me)]

    def _is_ours(self, request: MergeRequest, naming: Naming, me: str) -> bool:
        """From a branch that is called what its key is called, and opened by nobody else."""
        if not naming.fits(request.branch, self.base) or request.author not in ("", me):
            return False
        memo = find(request.body)  # of nobody else's: reading it may take long
        return memo is None or naming.of(memo.key) == request.branch

    def write(self) -> MirrorWriter:
        if isinstance(self._make_forge, NoForge):
            raise Problem(self.name, f"{self._make_forge.why}.", repository=self.name)
        return MirrorWriter(self._mirror, self._base_commit, self._make_forge(), self._identity)

    @property
    def _mirror(self) -> Mirror:
        if self._opened is None:
            raise RuntimeError("a repository is opened before it is used")
        return self._opened


def _is_strayed(request: MergeRequest, base: str, pushed: Mapping[str, object]) -> bool:
    """Whether it is open at another base than the one that we pushed its branch for."""
    return request.state == "open" and request.base != base and request.branch in pushed


class MirrorWriter:
    def __init__(self, mirror: Mirror, base_commit: str, forge: Forge, identity: Identity) -> None:
        self._mirror = mirror
        self._base_commit = base_commit
        self._identity = identity
        self.forge = forge

    def commit(self, files: Sequence[FileChange], text: str, marks: Mapping[str, str]) -> str:
        subject, _, body = text.partition("\n")
        author = self._identity.author
        blobs = {change.path: blob_id(change.after) for change in files}
        signed_off = {"Signed-off-by": f"{author.name} <{author.email}>"} if self._identity.sign_off else {}
        after = {change.path: change.after for change in files}
        words = message(subject, body, {**marks, FILES: files_mark(blobs), **signed_off})
        ours = self._mirror.commit(
            CommitRequest(
                base=self._base_commit,
                files=after,
                message=words,
                author=author,
                when=self._identity.when,
                signing=self._identity.signing,
            )
        )
        if not self._identity.by_forge:
            return ours
        return vouched(self.forge, self._mirror, ours, self._base_commit, after, words)

    def push(self, updates: Sequence[RefUpdate], entries: Sequence[LedgerEntry]) -> Pushed:
        """The ledger travels with the branches; should somebody have moved it, it is written anew."""
        pen = Pen(self._identity.author, self._identity.signing)
        line = append_ledger(self._mirror, entries, pen, self._identity.when) if entries else None
        answers = self._mirror.push([*updates, *([line] if line else [])])
        moved = {one.update.ref: one.detail for one in answers if one.outcome is Outcome.STALE}
        refused = {one.update.ref: one.detail for one in answers if one.outcome is Outcome.REFUSED}
        if line and moved.pop(line.ref, None) is not None:
            write_ledger(self._mirror, entries, pen, self._identity.when)
        return Pushed(moved, refused)


class CloneRepository:
    """The clone that somebody stands in: read at its HEAD, and never written.

    Settings, policies and recordings may lie in it too; those are read as they are, committed or not.
    """

    def __init__(self, clone: Clone, name: str, layout: Layout, as_they_are: Sequence[Path] = ()) -> None:
        self._clone = clone
        self._as_they_are = tuple(path.resolve() for path in as_they_are)
        self._layout = layout
        self.name = name
        self.base = clone.branch or "HEAD"
        self.default_base = self.base
        self.dashboard = ""
        self.surface = layout.surface

    def open(self) -> SnapshotFiles:
        snapshot = self._clone.snapshot(self.name)
        dirty = [path for path in self._clone.dirty() if not self._is_read(path)]
        told = f"read from the clone {self._clone.root} at HEAD ({snapshot.commit[:12]}), not from its remote"
        notes = [Note("clone", told, self.name)]
        if dirty:
            shown = ", ".join(dirty[:5]) + (f" and {len(dirty) - 5} more" if len(dirty) > 5 else "")
            text = f"not committed, and so not read: {shown}"
            notes.append(Note("uncommitted", text, self.name))
        past = self._clone.lineage(snapshot.commit)

        def earlier(at: int) -> NotedSnapshot | None:
            commit = past.at(at)
            return self._clone.at(commit, self.name) if commit else None

        return SnapshotFiles(
            snapshot,
            self._layout,
            notes,
            branches=self._clone.followed,
            earlier=earlier,
            touched=past.touched,
        )

    def _is_read(self, path: str) -> bool:
        found = (self._clone.root / path).resolve()
        return any(found.is_relative_to(each) for each in self._as_they_are)

    def news(self) -> News:
        return News((), ())

    def past(self) -> Past:
        return Past((), (), {})

    def write(self) -> None:
        return None

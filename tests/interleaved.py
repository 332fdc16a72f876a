"""Lives of merge requests, quick enough for thousands: one process, real Git objects, the local forge.

What decides, plans, pushes and writes is the real thing; only the transport is not: refs of the bare
repository are compared and set in process, where a run would call git. So that a run can be cut off
after any write, writes are counted; and the forge can refuse, forget to answer, or want no more.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pygit2
from world import HUMAN, NOW, Used, World, manifest, ref

from reconciler.act import carry_out
from reconciler.deployments import Identity, Layout, MirrorRepository
from reconciler.errors import Problem
from reconciler.forges.local import LocalForge
from reconciler.forges.port import Standing
from reconciler.forges.records import Record, Records
from reconciler.git.access import Access
from reconciler.git.commits import Author, CommitRequest, write_commit
from reconciler.git.ledger import read_ledger
from reconciler.git.mirror import Mirror
from reconciler.git.push import Outcome, Pushed
from reconciler.git.urls import parse_url
from reconciler.model import (
    Action,
    Change,
    ChangeClass,
    Decision,
    Failure,
    Field,
    FileChange,
    Keep,
    LedgerEntry,
    MergeRequest,
    Mode,
    NewValue,
    Proposal,
    Reason,
    RefUpdate,
)  # fmt: skip
from reconciler.planning import Planned, judged, plan
from reconciler.proposals.build import Base, Templates, build
from reconciler.proposals.group import Candidate, group, keep
from reconciler.proposals.history import (
    History,
    events_of,
    history,
    hold_rejected,
    merged_elsewhere,
    taken_back,
)
from reconciler.proposals.memo import find
from reconciler.proposals.naming import Naming
from reconciler.proposals.situation import CLOSED_BY_US, Row
from reconciler.proposals.surface import Surface
from reconciler.proposals.wishes import Wish
from reconciler.quantity import read

BOT = "reconciler"
KEYS = ("web", "api")
HEADS = "refs/heads/"


class Killed(BaseException):
    """The process is gone."""


class Writes:
    """How many more there may be before the run is cut off."""

    def __init__(self) -> None:
        self.left: int | None = None
        self.done = 0
        self.apart = True  # a push may be cut off between two of its refs

    def one(self) -> None:
        self.done += 1
        if self.left is not None:
            self.left -= 1
            if self.left <= 0:
                raise Killed


class Quick(Mirror):
    """A mirror that is the repository itself: nothing is fetched, and a push sets refs under leases."""

    def __init__(self, bare: Path, writes: Writes) -> None:
        super().__init__(parse_url(str(bare)), bare.parent / "cache", Access())
        self.folder = bare
        self._writes = writes

    def fetch(self) -> None:
        self._open = None

    def push(self, updates: Sequence[RefUpdate]) -> tuple[Pushed, ...]:
        self._write_desk()
        found, wrote = [], False
        for update in updates:
            now = self.tip(update.ref.removeprefix(HEADS))
            if now not in (update.new, update.expected):
                found.append(Pushed(update, Outcome.STALE, "moved"))
                continue
            if now != update.new and update.new:
                self._store.references.create(update.ref, update.new, force=True)
            elif now != update.new:
                self._store.references.delete(update.ref)
            found.append(Pushed(update, Outcome.DONE))
            wrote = wrote or now != update.new
            if self._writes.apart and now != update.new:
                self._writes.one()
        if wrote and not self._writes.apart:
            self._writes.one()
        return tuple(found)


class CountedRecords(Records):
    def __init__(self, folder: Path, writes: Writes) -> None:
        super().__init__(folder)
        self._writes = writes

    def put(self, record: Record) -> Record:
        done = super().put(record)
        self._writes.one()
        return done


class Sick(LocalForge):
    """The local forge with reviewers and queues, and with bad days."""

    def __init__(self, bare: Path, clock: Callable[[], int], writes: Writes) -> None:
        super().__init__(bare, user=BOT, clock=clock)
        self.records = CountedRecords(self.records.folder, writes)
        self.said: dict[int, Standing] = {}  # besides approvals
        self.asked: Counter[int] = Counter()
        self.trouble: Callable[[str], Problem | None] = lambda _: None
        self.lost: Callable[[str], Problem | None] = lambda _: None

    def standing(self, number: int) -> Standing:
        self.asked[number] += 1
        self._fail("standing")
        found = super().standing(number)
        return self.said.get(number, Standing())._replace(approved_by=found.approved_by)

    def _fail(self, name: str) -> None:
        if (problem := self.trouble(name)) is not None:
            raise problem

    def _call(self, name: str, *arguments: Any, **named: Any) -> Any:
        self._fail(name)
        done = getattr(LocalForge, name)(self, *arguments, **named)
        if (problem := self.lost(name)) is not None:  # it was done, and nobody tells
            raise problem
        return done

    def open(self, *arguments: Any, **named: Any) -> Any:
        return self._call("open", *arguments, **named)

    def update(self, *arguments: Any, **named: Any) -> Any:
        return self._call("update", *arguments, **named)

    def close(self, *arguments: Any, **named: Any) -> Any:
        return self._call("close", *arguments, **named)

    def reopen(self, *arguments: Any, **named: Any) -> Any:
        return self._call("reopen", *arguments, **named)

    def merge(self, *arguments: Any, **named: Any) -> Any:
        return self._call("merge", *arguments, **named)


class QuickRepository(MirrorRepository):
    def at_hand(self, mirror: Mirror) -> None:
        self._opened = mirror
        self.name = mirror.repository
        self.default_base = self.base = "main"
        self._base_commit = mirror.tip("main")


class Quiet:
    def step(self, words: str, total: int = 0) -> Callable[[int], None]:
        return lambda done: None


class No(NamedTuple):
    """A person's "no", as the test remembers it."""

    number: int
    old: int
    new: int
    at: int


class Ran(NamedTuple):
    planned: list[Planned]
    actions: list[Action]
    failed: list[Failure]


def template(folder: Path) -> tuple[Path, dict[str, Change]]:
    """A repository to copy, and what a real run would change in it."""
    files = {f"apps/{name}/{name}.yaml": manifest(name, "500m", "512Mi") for name in KEYS}
    world = World(folder, files, [Used(ref(name), 100, 100 << 20) for name in KEYS])
    found = {}
    for change in world.run(write=False).changes:
        values = tuple(value for value in change.values if value.slot.field is Field.CPU_REQUEST)
        if values:
            found[values[0].slot.consumers[0].workload] = change._replace(values=values)
    return world.bare, found


class Lived:
    """One repository and its merge requests, the bot, and a person who does whatever comes to mind."""

    def __init__(self, bare: Path, changes: dict[str, Change], dice: random.Random) -> None:
        self.bare = bare
        self.changes = changes
        self.dice = dice
        self.now = NOW
        self.writes = Writes()
        self.store = pygit2.Repository(str(bare))
        self.bot = Sick(bare, lambda: self.now, self.writes)
        self.person = LocalForge(bare, user="hannah", clock=lambda: self.now)
        self.want: dict[str, str | None] = dict.fromkeys(KEYS, "100m")
        self.unknown: set[str] = set()
        self.klass = dict.fromkeys(KEYS, ChangeClass.SAVINGS)
        self.mode = Mode.PROPOSE
        self.grouped = False
        self.page: set[tuple[Wish, str]] = set()
        self.theirs: dict[str, str] = {}  # a person's commit, and the branch that it was pushed to
        self.noes: dict[str, No] = {}
        self.rows: Counter[Row] = Counter()
        self.refusals = 0

    # -- the bot --------------------------------------------------------------------------------

    def run(self, kill: int | None = None) -> Ran | None:
        """One run; None when it was cut off."""
        before = {one.number: (one.state, self._values(one)) for one in self.person.mine("")}
        self.writes.left, self.writes.done = kill, 0
        ran = None
        try:
            ran = self._run()
        except Killed:
            pass
        finally:
            self.writes.left = None
        self.check(before)
        if ran is not None:
            self.rows.update(one.step.row for one in ran.planned)
        return ran

    def _run(self) -> Ran:
        repository = QuickRepository(
            str(self.bare), "main", self.bare.parent / "cache", Access, lambda: self.bot,
            Layout(), Identity(Author(BOT, "bot@example.com"), False, None, self.now),
            Naming(Templates().branch),
        )  # fmt: skip
        mirror = Quick(self.bare, self.writes)
        repository.at_hand(mirror)
        past = repository.past()
        past = past._replace(wishes=past.wishes | self.page)
        told = self._told(past.requests, past.ledger, past.wishes)
        proposals, decisions = self._proposed(told, mirror.tip("main"))
        planned = plan(proposals, past, judged(decisions, False), self.now)
        for entry in told.forgotten:
            self.noes = {name: no for name, no in self.noes.items() if not self._is_of(no, entry.key)}
        writer = repository.write()
        done = carry_out(repository, writer, past, planned, self.now, Quiet(), (), told.forgotten)
        self.page = {(wish, key) for wish, key in self.page if wish is Wish.FREEZE}  # written anew
        return Ran(planned, *done)

    def _told(self, requests: Sequence[MergeRequest], ledger: Sequence[Any], wishes: Any) -> History:
        in_force = {(ref(name), Field.CPU_REQUEST.value): self.current(name) for name in KEYS}
        entries = [
            *ledger, *events_of(requests, ledger), *merged_elsewhere(requests, in_force, self.now)
        ]  # fmt: skip
        forgotten = taken_back(entries, requests, wishes, self.now)
        return history([*entries, *forgotten], requests)._replace(forgotten=forgotten)

    def _proposed(self, told: History, base: str) -> tuple[list[Proposal], list[Decision]]:
        candidates, decisions = [], []
        for name in KEYS:
            change = self._change(name)
            if name in self.unknown:
                decisions += keep(change, Reason.NO_METRICS, "no metrics")
            elif self.want[name] is None or self.want[name] == self.current(name):
                decisions += keep(change, Reason.UP_TO_DATE, "as it should be")
            else:
                candidates.append(Candidate(change, "apps" if self.grouped else f"apps/{name}"))
        going, refused = hold_rejected(candidates, told, self.now)
        self.refusals += len(refused)
        proposals = []
        for one in group(going, "main", "main"):
            files = [self._file(change) for change in one.changes]
            made = build(one, files, Base("deploy", "main", base), Templates(), Surface())
            proposals.append(made._replace(mode=self.mode))
        changed = [change for one in proposals for change in one.changes]
        return proposals, [*changed, *decisions, *(each for each in refused if isinstance(each, Keep))]

    def _change(self, name: str) -> Change:
        change = self.changes[name]
        slot = change.values[0].slot._replace(value=self.current(name))
        values = (NewValue(slot, self.want[name] or "100m"),)
        return change._replace(values=values, klass=self.klass[name])

    def _file(self, change: Change) -> FileChange:
        (slot, new), = change.values  # fmt: skip
        before = self.read(slot.place.path)
        after = before.replace(f"cpu: {slot.value} ".encode(), f"cpu: {new} ".encode(), 1)
        return FileChange(slot.place.path, before, after)

    # -- what must hold ---------------------------------------------------------------------------

    def check(self, before: dict[int, tuple[str, Any]]) -> None:
        requests = self.person.mine("")
        opened = Counter(one.branch for one in requests if one.state == "open")
        assert all(count == 1 for count in opened.values()), opened
        tips = [reference.target for reference in map(self.store.references.get, self.store.references)]
        for commit, branch in self.theirs.items():
            kept = any(str(tip) == commit or self.store.descendant_of(tip, commit) for tip in tips)
            assert kept, f"a person's commit on {branch} is lost"
        for one in requests:
            values = self._values(one)
            if one.title.endswith(CLOSED_BY_US):
                continue  # reopened, and cut off before it got its new text
            if one.state == "open" and one.base == "main" and before.get(one.number) != ("open", values):
                self._check_refused(one, values)

    def _check_refused(self, one: MergeRequest, values: dict[str, tuple[int, int]]) -> None:
        for name, (old, new) in values.items():
            no = self.noes.get(name)
            alike = no is not None and (new > old) == (no.new > no.old) and abs(new - no.new) * 10 <= no.new
            assert not alike, f"!{one.number} proposes again what was refused: {name} {old} -> {new}, {no}"

    def _values(self, one: MergeRequest) -> dict[str, tuple[int, int]]:
        memo = find(one.body)
        return {
            value.consumers[0].workload: tuple(
                read(Field.CPU_REQUEST, text) if text else 0 for text in (value.old, value.new)
            )
            for value in (memo.values if memo else ())
        }  # type: ignore[return-value]

    def _is_of(self, no: No, key: str) -> bool:
        memo = find(self.person.get(no.number).body)
        return memo is not None and memo.key == key

    def state(self) -> dict[str, Any]:
        records = {path.name: path.read_bytes() for path in self.bot.records.folder.glob("*.json")}
        return {name: self.store.references[name].target for name in self.store.references} | records

    def settled(self) -> None:
        """On the same facts the second run writes nothing. What the bot itself merges changes the facts: it
        is seen to be merged by the next run, and makes way for others. So does a box of the page that the
        first run has read: the page is written without its tick."""
        self.bot.trouble = self.bot.lost = lambda _: None
        free = 2 if any(wish is not Wish.FREEZE for wish, _ in self.page) else 1
        for runs in range(1, 8):
            before = self.state()
            ran = self.run()
            assert ran is not None
            assert not ran.failed, ran.failed
            if not self.writes.done:
                break
            wrote = [(one.key, one.step.row.value, one.step.why) for one in ran.planned]
            assert runs <= free or self.mode is Mode.MERGE, f"run {runs} still writes: {wrote}"
        assert not self.writes.done, f"there is no end of it: {wrote}"
        assert self.state() == before

    # -- people -----------------------------------------------------------------------------------

    def read(self, path: str, commit: str = "") -> bytes:
        tip = commit or str(self.store.references[f"{HEADS}main"].target)
        return self.store[tip].peel(pygit2.Tree)[path].data  # type: ignore[union-attr]

    def current(self, name: str) -> str:
        text = self.read(f"apps/{name}/{name}.yaml").decode()
        return text.split("cpu: ", 1)[1].split()[0]

    def ledger(self) -> tuple[LedgerEntry, ...]:
        return read_ledger(Quick(self.bare, self.writes)).entries

    def requests(self, state: str = "open") -> list[MergeRequest]:
        return [one for one in self.person.mine("") if one.state == state]

    def some(self, found: Iterable[MergeRequest]) -> MergeRequest | None:
        many = list(found)
        return self.dice.choice(many) if many else None

    def commit(self, branch: str, path: str, content: bytes) -> str:
        head = f"{HEADS}{branch}"
        tip = str(self.store.references[head].target)
        made = write_commit(
            self.store, CommitRequest(tip, {path: content}, "By hand", HUMAN, self.now), str(self.bare)
        )
        self.store.references[head].set_target(made)
        return made

    def said_no(self, one: MergeRequest) -> None:
        for name, (old, new) in self._values(one).items():
            self.noes[name] = No(one.number, old, new, self.now)

    def took_back(self, number: int) -> None:
        self.noes = {name: no for name, no in self.noes.items() if no.number != number}

    def merged(self, one: MergeRequest) -> None:
        for name in self._values(one):
            self.noes.pop(name, None)

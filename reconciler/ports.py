"""What a run asks of the world, each as a small Protocol; the wiring hands in what answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

from reconciler.model import (
    ContainerRef,
    Discovery,
    FileChange,
    LedgerEntry,
    MergeRequest,
    NoUsage,
    Policy,
    RefUpdate,
    Usage,
    Workload,
)
from reconciler.model import Container as ModelContainer
from reconciler.model import Failure, Note


class BranchTip(NamedTuple):
    """A branch of ours on the remote, and what its commit says of itself."""

    tip: str
    plan: str
    untouched: bool
    conflicts: bool


class Files(Protocol):
    """One commit of a repository, or a folder."""

    @property
    def commit(self) -> str: ...

    def discover(self) -> Discovery: ...

    def read(self, path: str) -> bytes: ...


class Repository(Protocol):
    """A deployment repository: read at its base branch, written on branches of ours."""

    @property
    def name(self) -> str: ...

    @property
    def base(self) -> str: ...

    @property
    def default_base(self) -> str: ...

    def open(self) -> Files: ...

    def past(self) -> Past: ...

    def write(self) -> Writer | None: ...


class Past(NamedTuple):
    """What happened here before: merge requests, ledger, and the branches there are now."""

    requests: tuple[MergeRequest, ...]
    ledger: tuple[LedgerEntry, ...]
    branches: Mapping[str, BranchTip]


class Writer(Protocol):
    """The five writes there are. Each can be the last one before a crash."""

    def commit(self, files: Sequence[FileChange], message: str, trailers: Mapping[str, str]) -> str: ...

    def push(self, updates: Sequence[RefUpdate], entries: Sequence[LedgerEntry]) -> frozenset[str]:
        """Moves all branches, and appends to the ledger, in one push; the refs that were refused."""

    def open_request(self, branch: str, title: str, body: str, labels: Sequence[str]) -> MergeRequest: ...

    def update_request(self, number: int, *, title: str, body: str = "", close: bool = False) -> MergeRequest: ...

    def merge_request(self, number: int, head: str) -> MergeRequest: ...


class UsageSource(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def failures(self) -> Sequence[Failure]: ...

    def last_sample(self) -> int | None: ...

    def read(
        self, wanted: Sequence[ContainerRef], start: int, end: int
    ) -> Mapping[ContainerRef, Usage | NoUsage]: ...


class Policies(Protocol):
    def resolve(self, workload: Workload, container: ModelContainer) -> Policy | Failure: ...

    def unmatched(self, workloads: Iterable[Workload]) -> tuple[Note, ...]: ...


class Progress(Protocol):
    """Told what is going on; a terminal shows it when it takes long."""

    def step(self, words: str, total: int = 0) -> Callable[[int], None]: ...

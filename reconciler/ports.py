"""What a run asks of the world, each as a small Protocol; the wiring hands in what answers."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

from reconciler.forges.port import Forge, Page, Standing
from reconciler.model import Container as ModelContainer
from reconciler.model import (
    Discovery,
    Failure,
    FieldMapping,
    FileChange,
    LedgerEntry,
    MergeRequest,
    Note,
    PeerRule,
    Place,
    Policy,
    RefUpdate,
    Workload,
)
from reconciler.proposals.situation import Branch
from reconciler.proposals.surface import Surface
from reconciler.proposals.wishes import Wish
from reconciler.source.estate import Land


class Pushed(NamedTuple):
    """Which refs did not move, and why."""

    moved: Mapping[str, str]  # by somebody else meanwhile: the next run sees what came
    refused: Mapping[str, str]  # by the server, which somebody has to mend


class Files(Protocol):
    """One commit of a repository, or a folder."""

    @property
    def commit(self) -> str: ...

    def land(self) -> Land:
        """What a survey has to know of it."""
        ...

    def discover(self) -> Discovery:
        """What the manifests say as they stand, without a look at what is rendered."""
        ...

    def value(self, place: Place) -> str | None:
        """The text at a place; None when there is none, or none that can be read."""
        ...

    def paths(self, folder: str) -> Sequence[str]: ...

    def read(self, path: str) -> bytes: ...

    def before(self, at: int) -> Files | None:
        """The files as they were deployed at that time; None when nobody can tell."""
        ...

    def touched(self, path: str) -> int:
        """When the file was last committed."""
        ...


class Repository(Protocol):
    """A deployment repository: read at its base branch, written on branches of ours."""

    @property
    def name(self) -> str: ...

    @property
    def base(self) -> str: ...

    @property
    def default_base(self) -> str: ...

    @property
    def surface(self) -> Surface:
        """What its forge makes of a text."""
        ...

    def open(self) -> Files: ...

    @property
    def dashboard(self) -> str:
        """The title of its dashboard; "" where none is kept."""
        ...

    def past(self) -> Past: ...

    def news(self) -> News:
        """What there is after something was done."""
        ...

    def write(self) -> Writer | None: ...


def nobody_looked(number: int) -> Standing:
    return Standing()


class Past(NamedTuple):
    """What happened here before: merge requests, ledger, and the branches there are now."""

    requests: tuple[MergeRequest, ...]
    ledger: tuple[LedgerEntry, ...]
    branches: Mapping[str, Branch]
    notes: tuple[Note, ...] = ()
    strayed: tuple[MergeRequest, ...] = ()  # open ones of ours that somebody pointed at another base
    wishes: frozenset[tuple[Wish, str]] = frozenset()  # whose boxes are ticked, and labels set
    page: Page | None = None  # the dashboard, as people left it
    merges_later: bool = False  # whether the forge can be told to merge once checks have passed
    standing: Callable[[int], Standing] = nobody_looked  # asked for open requests to be moved or merged
    me: str = ""  # by what name the forge knows us
    asks_owners: bool = False  # the forge itself asks those whom CODEOWNERS names


class News(NamedTuple):
    """Merge requests and ledger, as they are now."""

    requests: tuple[MergeRequest, ...]
    ledger: tuple[LedgerEntry, ...]


class Writer(Protocol):
    """The writes there are. Each can be the last one before a crash."""

    @property
    def forge(self) -> Forge: ...

    def commit(self, files: Sequence[FileChange], message: str, trailers: Mapping[str, str]) -> str: ...

    def push(self, updates: Sequence[RefUpdate], entries: Sequence[LedgerEntry]) -> Pushed:
        """Move branches and append to the ledger, in one push. One refused ref holds no other up."""
        ...


class Policies(Protocol):
    @property
    def mappings(self) -> tuple[FieldMapping, ...]:
        """Values that no manifest of a workload holds, by the policies' `fields`."""
        ...

    def resolve(self, workload: Workload, container: ModelContainer) -> Policy | Failure: ...

    def kin(self, rule: PeerRule) -> Callable[[Workload, ModelContainer], Hashable | None]:
        """What all peers of a container share under the rule; None for one that is nobody's peer."""
        ...

    def unmatched(self, workloads: Iterable[Workload]) -> tuple[Note, ...]: ...


class Progress(Protocol):
    """Told what is going on; a terminal shows it when it takes long."""

    def step(self, words: str, total: int = 0) -> Callable[[int], None]: ...

"""What a run is handed, and what it knows of one repository."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from reconciler import gather, imaging
from reconciler.model import ContainerRef, Discovery, Failure, NodeSize, Note, Refused
from reconciler.ports import Files, Past, Policies, Progress, Repository
from reconciler.pricing import Priced, assumed
from reconciler.proposals.build import Templates
from reconciler.proposals.history import History
from reconciler.source.estate import Estate, Land

Only = Callable[[ContainerRef, str], bool]


class Job(NamedTuple):
    """Everything one run needs, handed in by the wiring."""

    repositories: Sequence[Repository]
    sources: gather.Sources
    policies: Callable[[Repository, Files], Policies]  # the operator's, and those that teams keep in it
    survey: Callable[[Sequence[Land], Progress], Estate]
    templates: Templates
    now: int
    only: Only
    partial: bool  # `only` leaves something out
    write: bool
    progress: Progress
    failed: tuple[Failure, ...] = ()  # targets that could not even be set up
    notes: tuple[Note, ...] = ()
    prices: Callable[[Iterable[str], int], Priced] = assumed  # of the clusters that the run is about
    nodes: Mapping[str, NodeSize] = MappingProxyType({})  # the largest of each cluster
    images: imaging.Looked | None = None  # None where no registry is asked
    syncs: Callable[[str, str, str], str | Refused | None] | None = None  # see argocd.Servers.shut
    alarms: Mapping[str, int] = MappingProxyType({})  # of a source's workloads the permille that may cry


class Site(NamedTuple):
    """One repository, opened and read. `unmatched` are policies that mean nothing in it."""

    repository: Repository
    files: Files
    policies: Policies
    estate: Estate  # it and all repositories beside it
    discovery: Discovery
    past: Past
    history: History
    subjects: tuple[gather.Subject, ...]
    unmatched: tuple[Note, ...]

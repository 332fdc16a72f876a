"""What one blob holds, wherever it lies: plain records that a cache can keep as JSON.

The composed records of the model name repository, path, cluster and namespace; these don't, so
that equal files are read once. Of a large repository there are fifty thousand slots: containers and
slots out of the cache stay the lists that JSON has, so they are unpacked and never asked by name.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from reconciler.model import Key
from reconciler.source.kustomize import Kustomization
from reconciler.source.namespaces import FoundRule
from reconciler.source.namespaces import load as load_rule
from reconciler.source.scalers import Claim, FoundAim, FoundScaler
from reconciler.source.started import Given


class FoundSlot(NamedTuple):
    line: int
    value: str | None
    refused: tuple[str, str] | None = None  # reason and detail, when it can't be edited


class FoundContainer(NamedTuple):
    name: str
    init: bool
    sidecar: bool
    keys: str  # where its mapping stands in the document: see `packed` and `unpacked`
    slots: Sequence[FoundSlot]  # in the order of model.FIELDS
    extras: Sequence[str] = ()  # what else `resources` names: devices, huge pages, storage
    given: Given | None = None  # what it is started with, where that may say a size


class FoundWorkload(NamedTuple):
    document: int
    line: int
    kind: str
    name: str
    namespace: str
    replicas: int | None
    labels: dict[str, str]
    annotations: dict[str, str]
    containers: Sequence[FoundContainer]
    pod_level: Sequence[str] = ()  # of cpu and memory: what the pod itself sets, for all its containers
    node_selector: Sequence[Sequence[str]] = ()  # names and values


class Stand(NamedTuple):
    """A workload without pods of its own, that runs those of another (a Rollout's workloadRef)."""

    namespace: str
    kind: str
    name: str
    other_kind: str
    other_name: str


class FoundConfig(NamedTuple):
    """A ConfigMap, as far as a program may be started with what it holds."""

    namespace: str
    name: str
    data: dict[str, str]


class Trouble(NamedTuple):
    """Something in a file that can't be read, as a failure or as a note."""

    failure: bool
    what: str
    line: int
    words: str


class FileFacts(NamedTuple):
    workloads: Sequence[FoundWorkload] = ()
    scalers: Sequence[FoundScaler] = ()
    stands: Sequence[Stand] = ()
    troubles: Sequence[Trouble] = ()
    kustomization: Kustomization | None = None
    deploys: bool = False  # whether something in it says what else is rendered, and how
    rules: Sequence[FoundRule] = ()
    configs: Sequence[FoundConfig] = ()


NOTHING = FileFacts()
Row = Any  # JSON, as the cache has it


def dump(facts: FileFacts) -> Row:
    """As JSON; nothing found is the shortest, for most files of a repository are that."""
    return list(facts) if any(facts) else 0


def load(row: Row) -> FileFacts:
    """What `dump` made."""
    if not row:
        return NOTHING
    workloads, scalers, stands, troubles, kustomization, deploys, rules, configs = row
    found = [FoundWorkload._make(each) for each in workloads]
    if not (scalers or stands or troubles or kustomization or deploys or rules or configs):
        return FileFacts(found)
    return FileFacts(
        found,
        [_scaler(*scaler) for scaler in scalers],
        [Stand(*stand) for stand in stands],
        [Trouble(*trouble) for trouble in troubles],
        Kustomization(*map(tuple, kustomization)) if kustomization else None,
        deploys,
        [load_rule(rule) for rule in rules],
        [FoundConfig(*config) for config in configs],
    )


def _scaler(*row: Row) -> FoundScaler:
    found = FoundScaler._make(row)
    return found._replace(
        claims=tuple(Claim(name, tuple(has)) for name, has in found.claims),
        aims=tuple(map(_aim, found.aims)),
    )


def _aim(row: Row) -> FoundAim:
    found = FoundAim._make(row)
    return found._replace(
        keys=tuple(found.keys), refused=(found.refused[0], found.refused[1]) if found.refused else None
    )


def packed(keys: Iterable[Key]) -> str:
    """Keys as one text. They are words of ours and positions, so that no key holds a slash."""
    return "/".join(map(str, keys))


def unpacked(keys: str) -> tuple[Key, ...]:
    """What `packed` made one text of."""
    return tuple(int(key) if key.isdigit() else key for key in keys.split("/"))

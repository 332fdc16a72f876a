"""What one blob holds, wherever it lies: plain records that a cache can keep as JSON.

The composed records of the model name repository, path, cluster and namespace; these don't, so
that equal files are read once.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from reconciler.model import Key
from reconciler.source.kustomize import Kustomization
from reconciler.source.scalers import Claim, FoundScaler


class FoundSlot(NamedTuple):
    line: int
    value: str | None
    refused: tuple[str, str] | None = None  # reason and detail, when it can't be edited


class FoundContainer(NamedTuple):
    name: str
    init: bool
    sidecar: bool
    keys: tuple[Key, ...]  # where its mapping stands in the document
    slots: Sequence[FoundSlot]  # in the order of model.Field; to be unpacked, never asked by name


class FoundWorkload(NamedTuple):
    document: int
    line: int
    kind: str
    name: str
    namespace: str
    replicas: int | None
    labels: dict[str, str]
    annotations: dict[str, str]
    containers: tuple[FoundContainer, ...]


class Stand(NamedTuple):
    """A workload without pods of its own, that runs those of another (a Rollout's workloadRef)."""

    namespace: str
    kind: str
    name: str
    other_kind: str
    other_name: str


class Trouble(NamedTuple):
    """Something in a file that can't be read, as a failure or as a note."""

    failure: bool
    what: str
    line: int
    words: str


class FileFacts(NamedTuple):
    workloads: tuple[FoundWorkload, ...] = ()
    scalers: tuple[FoundScaler, ...] = ()
    stands: tuple[Stand, ...] = ()
    troubles: tuple[Trouble, ...] = ()
    kustomization: Kustomization | None = None


NOTHING = FileFacts()


def dump(facts: FileFacts) -> str:
    """As JSON text; nothing found is an empty text, for most files of a repository are that."""
    return "" if facts == NOTHING else json.dumps(facts, separators=(",", ":"))


def load(text: str) -> FileFacts:
    """What `dump` wrote."""
    if not text:
        return NOTHING
    workloads, scalers, stands, troubles, kustomization = json.loads(text)
    return FileFacts(
        tuple(map(_workload, workloads)),
        tuple(
            FoundScaler._make((*scaler[:-1], tuple(Claim(name, tuple(has)) for name, has in scaler[-1])))
            for scaler in scalers
        ),
        tuple(Stand(*stand) for stand in stands),
        tuple(Trouble(*trouble) for trouble in troubles),
        Kustomization(*map(tuple, kustomization)) if kustomization else None,
    )


def _workload(row: list[Any]) -> FoundWorkload:
    """Of a large repository there are fifty thousand slots: they stay the lists that JSON has."""
    containers = tuple(FoundContainer._make((*head, tuple(keys), slots)) for *head, keys, slots in row[-1])
    return FoundWorkload._make((*row[:-1], containers))

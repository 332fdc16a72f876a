"""What is replayed, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from reconciler.model import Evidence, FileChange
from reconciler.proposals.pushed import Push


class Claim(NamedTuple):
    """Enough to make a commit again. Without a commit nothing is compared."""

    commit: str
    base: str  # the commit that it stands on
    key: str
    push: Push | None  # as the ledger tells of it; None for evidence alone
    evidence: Mapping[str, Evidence]  # by their hashes
    notes: tuple[str, ...] = ()


class With(NamedTuple):
    """What decided and what rendered."""

    version: str
    renderers: tuple[str, ...]


class Replayed(NamedTuple):
    claim: Claim
    files: tuple[FileChange, ...]  # as they were made now, on the base
    differences: tuple[FileChange, ...]  # before: as the commit has them; after: as they were made now
    otherwise: tuple[str, ...]  # what is decided otherwise today
    then: With | None
    now: With

    @property
    def is_same(self) -> bool:
        return not self.differences and not self.otherwise

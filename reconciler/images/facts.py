"""What a run asks about its images, and what comes back: plain records."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from reconciler.model import Hold, ImageFacts, ImagePolicy

Sighting = tuple[str, str, str]  # name of the image, tag, digest


class Asked(NamedTuple):
    """An image in force, and what its policy says."""

    text: str
    policy: ImagePolicy
    holds: tuple[Hold, ...] = ()


class Age(NamedTuple):
    """Since when a tag is known with its digest, and how."""

    since: int
    known_by: str  # pushed: its registry has said so; first-seen


class Snapshot(NamedTuple):
    facts: Mapping[Asked, ImageFacts]
    # Tags to be remembered, with when they were pushed; None: all that is known is that they are here now.
    seen: Mapping[Sighting, int | None] = MappingProxyType({})
    requests: int = 0

"""What a run asks about its images, and what comes back: plain records."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from reconciler.model import Hold, ImageFacts, ImagePolicy

Sighting = tuple[str, str, str]  # name of the image, tag, digest


class Asked(NamedTuple):
    """An image in force, and what its policy says."""

    text: str
    policy: ImagePolicy
    holds: tuple[Hold, ...] = ()


class Snapshot(NamedTuple):
    facts: Mapping[Asked, ImageFacts]
    seen: tuple[Sighting, ...] = ()  # tags whose age the registry doesn't tell, seen for the first time
    requests: int = 0

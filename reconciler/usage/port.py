"""The question that every source of utilization answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from reconciler.model import ContainerRef, Failure, NoUsage, Usage


class Reading(NamedTuple):
    """One answer for each container that was asked for, and what could not be read on the way."""

    usage: Mapping[ContainerRef, Usage | NoUsage]
    failures: tuple[Failure, ...] = ()


class UsageSource(Protocol):
    """A place that knows what containers used: a recording, or a metrics server.

    It is asked for all containers at once, so that it can choose its own batches. `Usage.start`
    and `Usage.end` are the first and the last sample it found for a container, `Usage.days` the
    UTC days that have something to say about it.
    """

    @property
    def name(self) -> str: ...

    def last_sample(self) -> int | None:
        """When the newest sample was taken; None where there is none at all."""
        ...

    def read(self, wanted: Sequence[ContainerRef], start: int, end: int) -> Reading:
        """What they used between two Unix times. Nothing later than `end` is looked at."""
        ...

"""The questions that every source of utilization answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from reconciler.model import ContainerRef, Failure, Note, NoUsage, Usage
from reconciler.model import Cost as Cost  # part of every answer

Namespaces = Callable[[str], bool]  # whether a namespace, by its name, is meant


def every(namespace: str) -> bool:
    """All namespaces are meant."""
    return True


class Telling(Protocol):
    """Told how far the reading is; a terminal shows it when it takes long."""

    def step(self, words: str, total: int = 0) -> Callable[[int], None]: ...


class _Silent:
    def step(self, words: str, total: int = 0) -> Callable[[int], None]:
        return lambda amount: None


silent: Final[Telling] = _Silent()


class Reading(NamedTuple):
    """One answer for each container, what could not be read on the way, what the answers cost, and what else
    the operator should know.

    A usage that lacks a part that could not be read says so itself, in `incomplete`: only the source
    knows whose part it was.
    """

    usage: Mapping[ContainerRef, Usage | NoUsage]
    failures: tuple[Failure, ...] = ()
    costs: tuple[Cost, ...] = ()
    notes: tuple[Note, ...] = ()


class Recorded(NamedTuple):
    """Files of a recording that hold what was asked for, and may hold more: other days, other namespaces."""

    paths: Sequence[Path]
    failures: tuple[Failure, ...] = ()
    costs: tuple[Cost, ...] = ()
    notes: tuple[Note, ...] = ()


class UsageSource(Protocol):
    """A place that knows what containers used: a recording, or a metrics server.

    It is asked for all containers at once, so that it can choose its own batches. `Usage.start`
    and `Usage.end` are the first and the last sample it found for a container, `Usage.days` the
    UTC days that have something to say about it. Nothing later than `end` is looked at.
    """

    @property
    def name(self) -> str: ...

    def last_sample(self) -> int | None:
        """When the newest sample was taken; None where there is none at all."""
        ...

    def read(
        self,
        wanted: Sequence[ContainerRef],
        start: int,
        end: int,
        *,
        half_life: int = 0,
        told: Telling = silent,
    ) -> Reading:
        """What these used between two Unix times: one answer for each.

        With a half-life, in days, it is told as well how much CPU that is when older days count less.
        """
        ...

    def everything(
        self, start: int, end: int, namespaces: Namespaces = every, *, told: Telling = silent
    ) -> Reading:
        """What all containers in these namespaces used that the source knows of, without being told of any.

        One that had pods in that time but not a single sample is an answer too, without usage.
        """
        ...

    def recorded(
        self, start: int, end: int, namespaces: Namespaces = every, *, told: Telling = silent
    ) -> Recorded:
        """The same as files of a recording, for whoever wants to keep them."""
        ...

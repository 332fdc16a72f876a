"""The past of one container, as whoever replays it asks for it, wherever it comes from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol

import numpy as np

from reconciler.model import ContainerRef, OomKill
from reconciler.usage.checks import Flags
from reconciler.usage.days import ContainerDay
from reconciler.usage.sketch import Ints
from reconciler.usage.tabular import Floats


class Requests(NamedTuple):
    """Per pod; None where there is none."""

    cpu: int | None = None  # millicores
    memory: int | None = None  # bytes


class Points(NamedTuple):
    """Values that were measured, by time. Out of a recording, each stands for many samples of its day."""

    time: Ints
    pod: Ints  # a number for each pod
    value: Floats
    often: Ints | None  # how many samples had it; None for one each

    @property
    def counts(self) -> Ints:
        return np.ones(len(self.value), np.int64) if self.often is None else self.often

    def where(self, which: Flags) -> Points:
        often = None if self.often is None else self.often[which]
        return Points(self.time[which], self.pod[which], self.value[which], often)


class PodPeaks(NamedTuple):
    """The highest memory of each pod and day."""

    day: Ints
    peak: Floats  # bytes


class Pasts(Protocol):
    """Several, gone through as often as one likes."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Past]: ...


class Past(Protocol):
    """Days are numbered since 1970, UTC; windows go from the begin of one day to the begin of another."""

    @property
    def ref(self) -> ContainerRef: ...

    @property
    def in_pod(self) -> int:
        """Containers of its pods."""
        ...

    @property
    def step(self) -> int: ...

    @property
    def days(self) -> Ints:
        """On which there are samples."""
        ...

    @property
    def peaks(self) -> Ints:
        """The highest memory of each of them."""
        ...

    def cpu_points(self, first: int, end: int) -> Points:
        """Cores."""
        ...

    def memory_points(self, first: int, end: int) -> Points:
        """Bytes."""
        ...

    def pod_peaks(self) -> PodPeaks: ...

    def rows(self) -> tuple[ContainerDay, ...]:
        """What a source of utilization knows of each day."""
        ...

    def stated(self, day: int) -> Requests:
        """What was really in force before that day, as far as anybody tells."""
        ...

    def kills(self) -> tuple[OomKill, ...]:
        """For lack of memory, really; one entry a day."""
        ...

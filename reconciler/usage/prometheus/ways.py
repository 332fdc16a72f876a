"""What it takes to read a batch: whom to ask, how, and what is known of the day before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from reconciler.usage.days import Resources
from reconciler.usage.prometheus.events import Key
from reconciler.usage.prometheus.limits import Asker
from reconciler.usage.prometheus.owners import Named, Owning, Pod, Wanted
from reconciler.usage.prometheus.probe import Flags
from reconciler.usage.prometheus.promql import STEP, Questions


class Batch(NamedTuple):
    """Namespaces that are asked for together, and about how many series that makes."""

    namespaces: tuple[str, ...]
    series: int


class Ways(NamedTuple):
    """How a batch is read."""

    asker: Asker
    questions: Questions
    batch: Batch
    wanted: Wanted


class DayEnd(NamedTuple):
    """What is told of the pods that live when a day ends."""

    owners: Mapping[Pod, Named] = {}
    stated: Mapping[Key, Resources] = {}


class Context(NamedTuple):
    """What is known of a day before it is read."""

    interval: int  # seconds between two samples
    silent: Flags  # steps at which the whole cluster was silent
    heard: frozenset[int]  # times at which it was not, from an hour before; none where nothing tells
    from_before: bool  # the server's rates begin with the sample before their window
    ruled: bool  # the recorded rule of CPU can be taken
    chain: Mapping[str, Owning]  # what owns what owns pods, over all days
    end: DayEnd = DayEnd()

    @property
    def lookback(self) -> int:
        """How far to look back for the last sample. A server's own five minutes suffice for most."""
        return STEP if 2 * self.interval <= STEP else 2 * self.interval

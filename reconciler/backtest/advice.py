"""What every policy and baseline is to the replay: somebody who is asked, day by day."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from reconciler.backtest.series import History
from reconciler.model import OomKill


class Requests(NamedTuple):
    """Per pod; None where there is none."""

    cpu: int | None = None  # millicores
    memory: int | None = None  # bytes


class Advisor(Protocol):
    """Of one container."""

    def advise(self, day: int, in_force: Requests, kills: Sequence[OomKill]) -> Requests:
        """What holds from the begin of that day on, going by nothing later.

        Asked in the order of days. `kills` are all so far, each at the request of its time.
        """
        ...


Adviser = Callable[[History], Advisor]

"""What every policy and baseline is to the replay: somebody who is asked, day by day."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from reconciler.backtest.past import Past
from reconciler.backtest.past import Requests as Requests  # what advisers answer
from reconciler.model import OomKill


class Advisor(Protocol):
    """Of one container."""

    def advise(self, day: int, in_force: Requests, kills: Sequence[OomKill]) -> Requests:
        """What holds from the begin of that day on, going by nothing later.

        Asked in the order of days. `kills` are all so far, each at the request of its time.
        """
        ...


Adviser = Callable[[Past], Advisor]

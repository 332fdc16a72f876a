"""Which rule would have served this container best: several, tried on its own days in the order they came.

On each day every candidate sets a request by the days before it, and is charged for what that costs:
a day on which too little was set costs most, then what was set and not used, then each change. The
cheapest one is asked for its answer of today. Of equal ones the first counts, which has the longest
memory and the most room.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import product
from typing import Final, NamedTuple

from reconciler.model import DayPeaks
from reconciler.sizing.words import count

_MEMORIES: Final = (0, 14, 7, 3)  # days looked back; 0 for all
_MARGINS: Final = (40, 25, 15, 5)  # per cent
LEAST_DAYS: Final = 10  # fewer tell no rule from another
_LEARNT: Final = 5  # days before the first one that is tried

# In thousandths of a request that lies idle for a day: so a day short of memory is worth as much as
# ten days of a request of which half is unused.
_SHORT_OF_MEMORY: Final = 5000
_SHORT_OF_CPU: Final = 1500  # a container that waits for its CPU still runs
_CHANGED: Final = 300
_NEAR_PERCENT: Final = 10  # a difference that nobody would make a change for


class Choice(NamedTuple):
    """Millicores or bytes for today, and in words by which rule."""

    value: int
    words: str


class _Candidate(NamedTuple):
    memory: int
    margin: int

    def asks(self, past: Sequence[int]) -> int:
        seen = past[-self.memory :] if self.memory else past
        return -(-max(seen) * (100 + self.margin) // 100)


def best(days: Iterable[DayPeaks], resource: str) -> Choice | None:
    """None where there are too few days, or nothing was used on any."""
    known = sorted((day for day in days if day.samples > 0), key=lambda day: day.day)
    used = [day.memory_max if resource == "memory" else day.cpu_p95 for day in known]
    if len(used) < LEAST_DAYS or not max(used):
        return None
    short = _SHORT_OF_MEMORY if resource == "memory" else _SHORT_OF_CPU
    candidates = [_Candidate(*pair) for pair in product(_MEMORIES, _MARGINS)]
    costs = [_cost(one, used, short) for one in candidates]
    chosen = candidates[costs.index(min(costs))]
    what = "peak" if resource == "memory" else "busiest day's p95"
    span = f"the last {count(min(chosen.memory, len(used)), 'day')}" if chosen.memory else "all days"
    words = (
        f"{what} of {span} and {chosen.margin} %, the cheapest of {len(candidates)} rules "
        f"replayed over its {count(len(used), 'day')},"
    )
    return Choice(chosen.asks(used), words)


def _cost(one: _Candidate, used: Sequence[int], short: int) -> int:
    total, in_force = 0, 0
    for day in range(_LEARNT, len(used)):
        wanted = one.asks(used[:day])
        if abs(wanted - in_force) * 100 > in_force * _NEAR_PERCENT:
            total += _CHANGED if in_force else 0
            in_force = wanted
        if used[day] > in_force:
            total += short
        elif in_force:
            total += (in_force - used[day]) * 1000 // in_force
    return total

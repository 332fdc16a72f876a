"""From what is needed to the number to set: floor, ceiling, rounding, limit, band and step."""

from __future__ import annotations

from typing import NamedTuple

from reconciler.model import Reason
from reconciler.sizing import bounds, limits, rounding, runtimes, whole
from reconciler.sizing.bounds import Bound
from reconciler.sizing.case import Case
from reconciler.sizing.estimate import Need, largest_of


class Target(NamedTuple):
    """Where the request should end, however many steps it takes."""

    bounded: int  # within floor and ceiling
    rounded: int
    value: int  # and under the limit
    free: int  # what it were without floor, ceiling and limit
    held: Reason | None  # which of the three stands between need and value
    bound: str = ""  # in words: who says so

    @property
    def capped(self) -> bool:
        """Whether more is needed than may be set."""
        return self.held is not None and self.value < self.free


class Way(NamedTuple):
    """The numbers of one decision, before anybody judges them."""

    case: Case
    needs: tuple[Need, ...]
    top: Need
    target: Target
    lowering: bool = False  # by the longer memory: it lowers, or keeps


class Step(NamedTuple):
    """The part of the way that one merge request goes."""

    value: int
    percent: int | None  # the bound that cut it short


def way_of(case: Case, needs: tuple[Need, ...], *, lowering: bool = False) -> Way:
    top = largest_of(needs)
    return Way(case, needs, top, target_of(case, top.wanted), lowering)


def target_of(case: Case, wanted: int) -> Target:
    held, words = None, ""
    low, high = _lowest(case), _highest(case)
    bounded, heap = wanted, runtimes.floor(case, wanted)
    if bounded < heap:
        bounded, held = heap, Reason.HEAP_FLOOR
    if bounded < low.value:
        bounded, held, words = low
    if bounded > high.value:
        bounded, held, words = high
    # What a heap holds where it is, isn't moved by rounding.
    stays = held is Reason.HEAP_FLOOR and bounded in (case.limit, case.in_force)
    rounded = bounded if stays else min(_up(case, bounded), high.value)
    value, cap = rounded, limits.cap(case)
    if cap is not None and rounded > cap:
        value = cap
        held = Reason.LIMIT_BELOW if bounded > cap else held
    return Target(bounded, rounded, value, _up(case, wanted), held, words)


def _lowest(case: Case) -> Bound:
    least, pair = bounds.lowest(case, limit_falls=limits.follows(case)), limits.least_pair(case)
    return least if pair is None or pair.value <= least.value else pair


def _highest(case: Case) -> Bound:
    most, apart = bounds.highest(case), limits.apart(case)
    return most if apart is None or most.value <= apart.value else apart


def _up(case: Case, value: int) -> int:
    return whole.up(value) if whole.owned(case) else rounding.up(value, case.level.round_to)


def step_of(way: Way) -> Step:
    """At most so many per cent up or down at once; nothing bounds a first request, or one of 0."""
    current, value = way.case.in_force, way.target.value
    if not current or value == current:
        return Step(value, None)
    return _step_up(way, current) if value > current else _step_down(way, current)


def _step_up(way: Way, current: int) -> Step:
    case, value, percent = way.case, way.target.value, way.case.evidence.policy.sizing.step_up_percent
    # A kill proves that the limit of that time was used up, so the step is counted from there;
    # else the first steps would end below the limit at which it goes on being killed.
    base = max(current, *(need.killed_at for need in way.needs))
    high = base * (100 + percent) // 100
    if value <= high:
        return Step(value, None)
    if whole.owned(case):
        return Step(whole.step_up(high, current, value), percent)
    stepped = rounding.down_over(high, case.level.round_to, current)
    least = max(bounds.lowest(case, limit_falls=True).value, runtimes.floor(case, way.top.wanted))
    floor = min(value, rounding.up(least, case.level.round_to))
    found = max(stepped, floor)
    return Step(found, percent if found < value else None)


def _step_down(way: Way, current: int) -> Step:
    case, value, percent = way.case, way.target.value, way.case.evidence.policy.sizing.step_down_percent
    low = -(-current * (100 - percent) // 100)
    if value >= low:
        return Step(value, None)
    if whole.owned(case):
        return Step(whole.step_down(low, current, value), percent)
    stepped, ceiling = rounding.up_under(low, case.level.round_to, current), _highest(case).value
    return Step(min(stepped, ceiling) if ceiling >= low else stepped, percent)

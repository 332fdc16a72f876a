"""Where a request is to go: which memory counts, and how much room there is above the need.

Up it goes by what was seen lately, and with extra room: what has outgrown its request once does so
again. Down it goes by the longest memory. Between the two is where it stays.
"""

from __future__ import annotations

from reconciler.sizing.band import beyond_band
from reconciler.sizing.case import Case
from reconciler.sizing.estimate import Need, needs_of
from reconciler.sizing.moments import spared
from reconciler.sizing.target import Way, way_of


def aimed(case: Case, needs: tuple[Need, ...], twins: tuple[Need, ...]) -> Way:
    way = way_of(case, (*needs, *twins))
    side = beyond_band(case, way.target.value)
    if side < 0:
        return way_of(spared(case, needs), (*needs_of(case, lasting=True), *twins), lowering=True)
    if side > 0 and case.in_force is not None and case.level.raise_extra_percent:
        return _roomier(case, way)
    return way


def _roomier(case: Case, way: Way) -> Way:
    """Unless it were so much that the next decision would lower it again."""
    found = way_of(case, tuple(_with_extra(case, need) for need in way.needs))
    after = case._replace(stated=found.target.value)
    return found if beyond_band(after, way.target.value) == 0 else way


def _with_extra(case: Case, need: Need) -> Need:
    extra = case.level.raise_extra_percent
    roomy = -(-need.level * (100 + case.level.headroom_percent + extra) // 100)
    return need._replace(roomy=roomy, wanted=max(roomy, need.wanted), extra=extra)

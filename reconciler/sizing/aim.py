"""Where a request is to go: which memory counts, and how much room there is above the need.

Up it goes by what was seen lately, and with extra room: what has outgrown its request once does so
again. Down it goes by the longest memory. Between the two is where it stays.
"""

from __future__ import annotations

from reconciler.sizing import whole
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
    extra = case.level.raise_extra_percent
    if side > 0 and case.in_force is not None and extra and not whole.owned(case):
        most = _most(case, way.target.value)
        return way_of(case, tuple(_with_extra(case, need, most) for need in way.needs))
    return way


def _most(case: Case, settled: int) -> int:
    """What may be set where `settled` is enough, so that the next decision doesn't lower it again.

    By the narrowest dead band there can be, and with what rounding up may add.
    """
    sizing = case.evidence.policy.sizing
    down = sizing.band_down_percent * 10
    most = settled * 1000 // (1000 - (down // 2 if sizing.band_adapts == "all" else down))
    return most - max(case.level.round_to, most // 64)


def _with_extra(case: Case, need: Need, most: int) -> Need:
    extra = case.level.raise_extra_percent
    roomy = -(-need.level * (100 + case.level.headroom_percent + extra) // 100)
    roomy = max(need.roomy, min(roomy, most))
    return need._replace(roomy=roomy, wanted=max(roomy, need.wanted), extra=extra)

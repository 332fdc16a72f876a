"""How near to the need is near enough: the dead band around the request in force.

The same share means little of a small request and much of a large one: 10 % of 30m is nothing, of 16
CPUs it is a node's worth. So the band can follow the size, by the square root of how far a request is
from the middle, in which the policy's own numbers hold.
"""

from __future__ import annotations

from math import isqrt
from typing import Final, NamedTuple

from reconciler.sizing.case import Case

# Between these the band is as the policy says it.
MIDDLE: Final = {"cpu": (100, 4_000), "memory": (128 << 20, 8 << 30)}
_WHOLE: Final = 1000
_WIDEST: Final = 3 * _WHOLE  # times the band of the middle
_NARROWEST: Final = _WHOLE // 2
_MOST_DOWN: Final = 500  # permille: whatever the size, half of a request is worth having back


class Band(NamedTuple):
    """In permille of the request in force."""

    down: int
    up: int


def band_of(case: Case) -> Band:
    sizing, current = case.evidence.policy.sizing, case.in_force
    down, up = sizing.band_down_percent * 10, sizing.band_up_percent * 10
    if not current or sizing.band_adapts == "none":
        return Band(down, up)
    low, high = MIDDLE[case.resource]
    if current < low:
        # Only downwards: what is short of something isn't left so because it is small.
        wider = down * min(_WIDEST, isqrt(low * _WHOLE * _WHOLE // current)) // _WHOLE
        return Band(max(down, min(wider, _MOST_DOWN)), up)
    if current > high and sizing.band_adapts == "all":
        share = max(_NARROWEST, isqrt(high * _WHOLE * _WHOLE // current))
        return Band(down * share // _WHOLE, up * share // _WHOLE)
    return Band(down, up)


def beyond_band(case: Case, value: int) -> int:
    """1 above the dead band around the request in force, -1 below it, 0 within."""
    current = case.in_force
    if current is None:
        return 1
    band = band_of(case)
    if value * _WHOLE > current * (_WHOLE + band.up):
        return 1
    return -1 if value * _WHOLE < current * (_WHOLE - band.down) else 0


def kept_between(case: Case) -> tuple[int, int]:
    """The lowest and the highest number that leave the request as it is."""
    current, band = case.in_force or 0, band_of(case)
    return -(-current * (_WHOLE - band.down) // _WHOLE), current * (_WHOLE + band.up) // _WHOLE

"""Numbers without false precision: the larger a value, the coarser its multiple."""

from __future__ import annotations

# A multiple may be at most this part of the value, so rounding never adds more than 1.6 %.
_FINENESS = 64


def coarse(value: int, multiple: int) -> int:
    """The multiple to round by: doubled for as long as it stays at most a 64th of the value."""
    while multiple * 2 * _FINENESS <= value:
        multiple *= 2
    return multiple


def up(value: int, multiple: int) -> int:
    """Rounded up, always: a request is a promise to be kept."""
    step = coarse(value, multiple)
    return -(-value // step) * step


def up_under(value: int, multiple: int, bound: int) -> int:
    """Rounded up and still below `bound`, by a finer multiple where that is needed.

    Without it a step down from 40m to 32m would round back to 40m, and never arrive.
    """
    step = coarse(value, multiple)
    while step > 1 and -(-value // step) * step >= bound:
        step //= 2
    return -(-value // step) * step


def down_over(value: int, multiple: int, bound: int) -> int:
    """Rounded down and still above `bound`: a step up keeps within its percentage."""
    step = coarse(value, multiple)
    while step > 1 and value // step * step <= bound:
        step //= 2
    return value // step * step

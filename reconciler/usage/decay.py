"""How much less a day counts the longer it is past: half as much every so many days.

Whole numbers only, so that the same days weigh the same on every machine.
"""

from __future__ import annotations

from functools import cache
from math import isqrt
from typing import Final, NamedTuple

import numpy as np

from reconciler.usage.sketch import Ints

WHOLE: Final = 1 << 12  # what the last day of a window weighs
_BITS: Final = 32  # of the fractions below


def _fractions() -> tuple[int, ...]:
    """2 to the power of -1/2, -1/4, -1/8, …, each the square root of the one before it."""
    found = [isqrt(1 << (2 * _BITS - 1))]
    while len(found) < _BITS:
        found.append(isqrt(found[-1] << _BITS))
    return tuple(found)


_FRACTIONS: Final = _fractions()


@cache
def weight(age: int, half_life: int) -> int:
    """What a day of that age weighs, both in days. One of long ago weighs little, but never nothing."""
    halvings, rest = divmod(age, half_life)
    found = 1 << _BITS
    for fraction in _FRACTIONS:  # the rest as a sum of halves, quarters, …
        rest *= 2
        if rest >= half_life:
            rest -= half_life
            found = found * fraction >> _BITS
    scaled = (found * WHOLE >> (_BITS - 1)) >> halvings
    return max(1, (scaled + 1) >> 1)  # to the nearest


class Decay(NamedTuple):
    """The weights of the days of a window, by their age."""

    last: int  # day of the window
    weights: Ints

    @classmethod
    def over(cls, first: int, last: int, half_life: int) -> Decay:
        ages = range(max(0, last - first + 1))
        return cls(last, np.array([weight(age, half_life) for age in ages], np.int64))

    def of(self, days: Ints) -> Ints:
        found: Ints = self.weights[self.last - days]
        return found

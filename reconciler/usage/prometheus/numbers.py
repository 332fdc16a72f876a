"""The points of many series, `[1700000000,"12"],[1700000300,"0.5"]`, read in bulk.

Eight digits are read at once: as the bytes of one machine word, whose neighbours are put together
by a multiplication each.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from reconciler.usage.sketch import Ints

Floats = NDArray[np.float64]
_Words = NDArray[np.uint64]

_STAMP: Final = 10  # digits of a Unix time from 2001 to 2286
_BEFORE: Final = _STAMP + 2  # of a point before the first quote: `[1700000000,`
_GAP: Final = _BEFORE + 2  # between two values: `],[1700000000,`
_SIGNS: Final = b"0123456789+-.eEINnaf"  # of a number; what Python takes besides holds others
_ZEROS: Final = np.uint64(0x3030_3030_3030_3030)  # eight of them as characters
_TWO_ZEROS: Final = np.uint64(0x3030_0000_0000_0000)
_LONGEST: Final = 400  # characters of a number
_PLAIN: Final = 16  # digits that are read in bulk; all such integers below 2**53 are exact


class Points(NamedTuple):
    counts: Ints  # of each series
    times: Ints
    values: Floats


def number(text: str) -> float:
    """A number as metrics servers write it."""
    written = text.encode("ascii")
    if len(written) > _LONGEST or written.translate(None, _SIGNS):
        raise ValueError
    return float(written)


def points(lists: Sequence[bytes]) -> Points | None:
    """The points of each list; None where one is not written in the usual way."""
    # Eight bytes before the first point, so that eight can be read before any place.
    text = b"," * 8 + b",".join(lists)
    raw = np.frombuffer(text, np.uint8)
    quotes = np.flatnonzero(raw == ord('"'))
    if len(quotes) % 2:
        return None
    opened, closed = quotes[0::2], quotes[1::2]
    if not _regular(raw, opened, closed):
        return None
    words: _Words = np.ndarray((len(text) - 7,), np.dtype("<u8"), text, strides=(1,))
    times = _times(words, opened)
    if times is None:
        return None
    values = _values(text, raw, words, opened, closed)
    ends = np.cumsum([len(one) + 1 for one in lists]) + 8
    counts = np.diff(np.searchsorted(opened, ends), prepend=0)
    return None if values is None else Points(counts.astype(np.int64), times, values)


def _regular(raw: NDArray[np.uint8], opened: Ints, closed: Ints) -> bool:
    """Whether between the values stands nothing but the brackets, commas and digits of a point."""
    if opened[0] != 8 + _BEFORE or closed[-1] != len(raw) - 2:
        return False
    if not (opened[1:] - closed[:-1] == _GAP + 1).all():
        return False
    places = ((opened, -1, ","), (opened, -_BEFORE, "["), (opened, -_BEFORE - 1, ","), (closed, 1, "]"))
    return all(bool((raw[place + offset] == ord(sign)).all()) for place, offset, sign in places)


def _times(words: _Words, opened: Ints) -> Ints | None:
    low = words[opened - 9]  # the last eight of ten digits
    high = words[opened - 11] << np.uint64(48)  # the first two
    if not (_all_digits(low, _ZEROS).all() and _all_digits(high, _TWO_ZEROS).all()):
        return None
    return (_number(high) * np.uint64(10**8) + _number(low)).astype(np.int64)


def _values(text: bytes, raw: NDArray[np.uint8], words: _Words, opened: Ints, closed: Ints) -> Floats | None:
    lengths = closed - opened - 1
    values, plain = _integers(words, closed, np.minimum(lengths, 8))
    found = values.astype(np.float64)
    plain &= lengths > 0
    long = np.flatnonzero(plain & (lengths > 8))
    if len(long):
        high, all_digits = _integers(words, closed[long] - 8, np.minimum(lengths[long] - 8, 8))
        found[long] = (high * np.uint64(10**8) + values[long]).astype(np.float64)
        plain[long] = all_digits & (lengths[long] <= _PLAIN)
    broken = np.flatnonzero(~plain)
    if len(broken):
        found[broken], plain[broken] = _decimals(raw, words, opened[broken], closed[broken])
    others = np.flatnonzero(~plain)
    if len(others):
        first, last = (opened[others] + 1).tolist(), closed[others].tolist()
        written = [text[a:b] for a, b in zip(first, last, strict=True)]
        if b"".join(written).translate(None, _SIGNS) or max(map(len, written)) > _LONGEST:
            return None
        try:
            found[others] = list(map(float, written))
        except ValueError:
            return None
    return found


def _decimals(
    raw: NDArray[np.uint8], words: _Words, opened: Ints, closed: Ints
) -> tuple[Floats, NDArray[np.bool_]]:
    """Numbers such as 0.0123456789012345, to the 16th decimal, and which of them are such."""
    dots = np.flatnonzero(raw == ord("."))
    found, plain = np.zeros(len(opened)), np.zeros(len(opened), bool)
    if not len(dots):
        return found, plain
    dot = dots[np.minimum(np.searchsorted(dots, opened), len(dots) - 1)]
    before, after = dot - opened - 1, closed - dot - 1
    which = np.flatnonzero((before >= 1) & (before <= 8) & (after >= 1) & (after <= 24))
    dot, before, after = dot[which], before[which], after[which]
    high, low = np.minimum(after, 8), np.clip(after - 8, 0, 8)
    whole, sound = _integers(words, dot, before)
    first, digits = _integers(words, dot + 1 + high, high)
    second, more = _integers(words, dot + 1 + high + low, np.maximum(low, 1))
    _, rest = _integers(words, closed[which], high)
    second[low == 0] = 0
    tens = 10.0 ** np.arange(17)
    found[which] = whole + (first * tens[low] + second) / tens[high + low]
    plain[which] = sound & digits & rest & (more | (low == 0))
    return found, plain


def _integers(words: _Words, ends: Ints, lengths: Ints) -> tuple[_Words, NDArray[np.bool_]]:
    """The numbers of at most eight digits that end before a place, and which of them are numbers."""
    away = ((8 - lengths) * 8).astype(np.uint64)
    found = words[ends - 8]
    # A shift by all 64 bits is undefined, but then there is nothing between the quotes.
    found = (found >> away) << away
    return _number(found), _all_digits(found, (_ZEROS >> away) << away)


def _all_digits(words: _Words, wanted: np.uint64 | _Words) -> NDArray[np.bool_]:
    """Whether each byte that should be a digit is one: '0' to '9' begin with 3, and so does 6 more."""
    mask = np.uint64(0xF0F0_F0F0_F0F0_F0F0)
    more = words + (wanted >> np.uint64(3))
    found: NDArray[np.bool_] = ((words & mask) == wanted) & ((more & mask) == wanted)
    return found


def _number(words: _Words) -> _Words:
    """Eight digits, the first in the lowest byte; a zero byte counts as the digit 0."""
    found = words & np.uint64(0x0F0F_0F0F_0F0F_0F0F)
    found = (found * np.uint64(2561)) >> np.uint64(8)
    found = ((found & np.uint64(0x00FF_00FF_00FF_00FF)) * np.uint64(6_553_601)) >> np.uint64(16)
    return ((found & np.uint64(0x0000_FFFF_0000_FFFF)) * np.uint64(42_949_672_960_001)) >> np.uint64(32)

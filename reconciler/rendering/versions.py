"""Versions of charts, and the ranges that people write for them, as helm reads them.

A range is alternatives (`||`) of comparisons that all hold (space or comma): `^1.2`, `~1.2.3`,
`>=1.2 <2`, `1.x`, `1.2 - 1.4`. A pre-release is taken only where the range itself names one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

_VERSION: Final = re.compile(
    r"v?(\d{1,18})(?:\.(\d{1,18}))?(?:\.(\d{1,18}))?(?:-([0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]+)?"
)
_COMPARISON: Final = re.compile(
    r"(?P<sign>=|!=|>=|=>|<=|=<|>|<|~>|~|\^|)\s*"
    r"v?(?P<major>\d{1,18}|[xX*])(?:\.(?P<minor>\d{1,18}|[xX*]))?(?:\.(?P<patch>\d{1,18}|[xX*]))?"
    r"(?:-(?P<pre>[0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]+)?(?=[\s,]|$)"
)
_HYPHEN: Final = re.compile(r"^\s*(\S+)\s+-\s+(\S+)\s*$")
_LONGEST: Final = 256

Numbers = tuple[int, int, int]
Order = tuple[Numbers, bool, tuple[tuple[bool, int, str], ...]]


class Version(NamedTuple):
    numbers: Numbers
    pre: str

    @property
    def order(self) -> Order:
        """A release comes after its pre-releases; numbers in those come before words."""
        parts = tuple(
            (not part.isdigit(), int(part) if part.isdigit() else 0, part) for part in self.pre.split(".")
        )
        return self.numbers, not self.pre, parts if self.pre else ()


class _Bounds(NamedTuple):
    """From `low` on, and before `high` (None: without an end), or everything but that."""

    low: Version
    high: Version | None
    other: bool = False
    pre: bool = False

    def holds(self, version: Version) -> bool:
        if version.pre and not self.pre:
            return False
        inside = self.low.order <= version.order and (self.high is None or version.order < self.high.order)
        return inside is not self.other


def read(text: str) -> Version | None:
    found = _VERSION.fullmatch(text) if len(text) <= _LONGEST else None
    if not found:
        return None
    major, minor, patch, pre = found.groups()
    return Version((int(major), int(minor or 0), int(patch or 0)), pre or "")


def is_exact(text: str) -> bool:
    """Whether a range names one version, so that nobody has to be asked which there are."""
    found = _VERSION.fullmatch(text) if len(text) <= _LONGEST else None
    return found is not None and found.group(3) is not None


def highest(texts: Iterable[str], wanted: str) -> str | None:
    """The highest version that is in a range; None when none is, or the range can't be read."""
    ranges = _read_range(wanted)
    if ranges is None:
        return None
    fitting = [
        (version.order, text)
        for text in texts
        if (version := read(text)) and any(all(one.holds(version) for one in bounds) for bounds in ranges)
    ]
    return max(fitting)[1] if fitting else None


def _read_range(text: str) -> list[list[_Bounds]] | None:
    if len(text) > _LONGEST:
        return None
    ranges = []
    for part in (text.strip() or "*").split("||"):
        bounds = _read_bounds(part)
        if bounds is None:
            return None
        ranges.append(bounds)
    return ranges


def _read_bounds(text: str) -> list[_Bounds] | None:
    hyphen = _HYPHEN.match(text)
    rest = f">={hyphen[1]} <={hyphen[2]}" if hyphen else text.strip()
    found = []
    while rest:
        comparison = _COMPARISON.match(rest)
        if not comparison:
            return None
        found.append(_bounds(comparison))
        rest = rest[comparison.end() :].lstrip(" ,\t")
    return found or None


def _bounds(found: re.Match[str]) -> _Bounds:
    sign, pre = found["sign"], found["pre"] or ""
    given = [int(part) for part in _until_wild(found["major"], found["minor"], found["patch"])]
    low = Version(_padded(given), pre)
    after = _after(given, len(given) - 1)  # the first version that what was written doesn't mean
    any_pre = bool(pre)
    if not given:
        return _Bounds(Version((0, 0, 0), ""), None, other=sign in ("!=", "<", ">"))
    if sign in ("", "=", "!="):
        exact = len(given) == 3
        high = Version(low.numbers, f"{pre}.0") if exact and pre else after
        return _Bounds(low, high, sign == "!=", any_pre or sign == "!=")
    if sign in (">=", "=>"):
        return _Bounds(low, None, pre=any_pre)
    if sign == ">":
        start = Version(low.numbers, f"{pre}.0") if pre else after
        return _Bounds(start, None, pre=any_pre)
    if sign == "<":
        return _Bounds(_FIRST, low, pre=any_pre)
    if sign in ("<=", "=<"):
        return _Bounds(_FIRST, Version(low.numbers, f"{pre}.0") if pre else after, pre=any_pre)
    if sign in ("~", "~>"):
        return _Bounds(low, _after(given, min(1, len(given) - 1)), pre=any_pre)
    return _Bounds(low, _after(given, _leftmost(given)), pre=any_pre)


_FIRST: Final = Version((0, 0, 0), "0")


def _until_wild(*parts: str | None) -> list[str]:
    found: list[str] = []
    for part in parts:
        if part is None or part in "xX*":
            break
        found.append(part)
    return found


def _padded(given: list[int]) -> Numbers:
    major, minor, patch = [*given, 0, 0, 0][:3]
    return major, minor, patch


def _after(given: list[int], at: int) -> Version:
    """The first version with another number at this position, and its pre-releases."""
    if not given:
        return _FIRST
    return Version(_padded([*given[:at], given[at] + 1]), "0")


def _leftmost(given: list[int]) -> int:
    """What `^` holds fixed: the first number that isn't zero, else the last that is written."""
    return next((at for at, number in enumerate(given) if number), len(given) - 1)

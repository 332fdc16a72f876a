"""Semantic versions, and ranges of them with the meaning that Helm, Argo CD and Flux give them.

    ^1.2   ~1.4.2   >=1.2, <3   1.2 - 1.4   1.x || >=2.5   *

A version may leave out its last numbers and may have a `v`. A range takes pre-releases only where
one of its own parts, between `||`, names one: `>=1.0.0-0` opts in.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, NamedTuple

_LONGEST: Final = 256  # of a range; a tag has at most 128 characters
_LARGEST: Final = (1 << 64) - 1
_WORD = r"[0-9A-Za-z-]+"
_TAIL = rf"(?:-(?P<pre>{_WORD}(?:\.{_WORD})*))?(?:\+(?P<build>{_WORD}(?:\.{_WORD})*))?"
_VERSION = re.compile(rf"v?(?P<numbers>[0-9]+(?:\.[0-9]+){{0,2}}){_TAIL}")
_NUMBER = r"(?:[0-9]+|[xX*])"
_BOUND = rf"v?{_NUMBER}(?:\.{_NUMBER}){{0,2}}(?:-{_WORD}(?:\.{_WORD})*)?(?:\+{_WORD}(?:\.{_WORD})*)?"
_OPERATOR = r"!=|>=|=>|<=|=<|~>|=|>|<|~|\^"
_PART = re.compile(rf"(?P<operator>{_OPERATOR}|)\s*(?P<bound>{_BOUND})")
_BETWEEN = re.compile(rf"(?P<low>{_BOUND})\s+-\s+(?P<high>{_BOUND})")
_BOUND_TAKEN = re.compile(rf"v?(?P<numbers>{_NUMBER}(?:\.{_NUMBER}){{0,2}}){_TAIL}")


class BadRangeError(ValueError):
    """The range can't be read; the words say what is wrong."""


Pre = tuple[tuple[int, int, str], ...]
RELEASE: Final[Pre] = ((2, 0, ""),)  # above any word of a pre-release


class Version(NamedTuple):
    """Versions compare as the specification has it; build metadata plays no part."""

    major: int
    minor: int
    patch: int
    pre: Pre = RELEASE

    @property
    def is_pre(self) -> bool:
        return self.pre != RELEASE


def version(text: str) -> Version | None:
    found = _VERSION.fullmatch(text)
    if found is None:
        return None
    numbers = [int(each) for each in found["numbers"].split(".")]
    words = tuple(found["pre"].split(".")) if found["pre"] else ()
    if max(numbers) > _LARGEST or any(len(w) > 1 and w.isdigit() and w[0] == "0" for w in words):
        return None
    major, minor, patch = [*numbers, 0, 0][:3]
    return Version(major, minor, patch, _pre(words))


def _pre(words: tuple[str, ...]) -> Pre:
    """Numbers before words, each among themselves; and fewer before more."""
    return tuple((0, int(word), "") if word.isdigit() else (1, 0, word) for word in words) or RELEASE


class _Bound(NamedTuple):
    """A version in a range, of which only the first `given` numbers count."""

    version: Version
    given: int

    @property
    def numbers(self) -> tuple[int, ...]:
        return self.version[: self.given]  # type: ignore[return-value]

    def covers(self, one: Version) -> bool:
        return one[: self.given] == self.numbers


class _Test(NamedTuple):
    holds: Callable[[Version, _Bound], bool]
    bound: _Bound


class Range(NamedTuple):
    text: str
    groups: tuple[tuple[_Test, ...], ...]  # any of these, each with all of its tests

    def holds(self, one: Version) -> bool:
        return any(_fits(one, group) for group in self.groups)

    def reaches(self, major: int) -> bool:
        """Whether it names a version that high: who writes `>=20240101` means dates."""
        return any(test.bound.version.major >= major for group in self.groups for test in group)


def _fits(one: Version, group: tuple[_Test, ...]) -> bool:
    if one.is_pre and not any(test.bound.version.is_pre for test in group):
        return False
    return all(test.holds(one, test.bound) for test in group)


def version_range(text: str) -> Range:
    if len(text) > _LONGEST:
        raise BadRangeError(f"a range of {len(text)} characters is longer than any that is meant")
    spelled = _BETWEEN.sub(lambda found: f">={found['low']}, <={found['high']} ", text)
    return Range(text, tuple(_group(part, text) for part in spelled.split("||")))


def _group(part: str, whole: str) -> tuple[_Test, ...]:
    if not part:
        return (_Test(_like, _Bound(Version(0, 0, 0), 0)),)
    tests, at = [], len(part) - len(part.lstrip())
    while at < len(part):
        found = _PART.match(part, at)
        if found is None:
            raise BadRangeError(f"{part[at:].strip()!r} in the range {whole!r} is no version")
        tests.append(_Test(_MEANINGS[found["operator"]], _bound(found["bound"], whole)))
        at = _past_separator(part, found.end(), whole)
    if not tests:
        raise BadRangeError(f"the range {whole!r} has a part that says nothing")
    return tuple(tests)


def _past_separator(part: str, end: int, whole: str) -> int:
    rest = part[end:]
    left = rest.lstrip()
    if not left:
        return len(part)
    if left[0] == ",":
        after = left[1:].lstrip()
        if not after:
            raise BadRangeError(f"the range {whole!r} ends with a comma")
        return len(part) - len(after)
    if left == rest:
        raise BadRangeError(f"{left!r} in the range {whole!r} needs a space or a comma before it")
    return len(part) - len(left)


def _bound(written: str, whole: str) -> _Bound:
    found = _BOUND_TAKEN.fullmatch(written)
    assert found is not None
    numbers: list[int] = []
    for each in found["numbers"].split("."):
        if each in "xX*":
            break
        numbers.append(int(each))
    given = len(numbers)
    text = ".".join(map(str, [*numbers, 0, 0, 0][:3]))
    padded = version(f"{text}-{found['pre']}" if found["pre"] else text)
    if padded is None:
        raise BadRangeError(f"{written!r} in the range {whole!r} is no version")
    return _Bound(padded, given)


# ---------------------------------------------------------------------------------------------
# What each operator means, with whole versions (1.2.3), parts of them (1.2, 1, 1.x), and `*`
# ---------------------------------------------------------------------------------------------


def _less(one: Version, bound: _Bound) -> bool:
    return one < bound.version


def _at_least(one: Version, bound: _Bound) -> bool:
    return one >= bound.version


def _more(one: Version, bound: _Bound) -> bool:
    """`>11` begins with 12, and `>11.1` with 11.2."""
    if bound.given in (0, 3):
        return one > bound.version
    return one[: bound.given] > bound.numbers


def _at_most(one: Version, bound: _Bound) -> bool:
    """`<=11` ends with the last 11.x."""
    if bound.given == 3:
        return one <= bound.version
    return one[: bound.given or 2] <= (bound.numbers or (0, 0))


def _tilde(one: Version, bound: _Bound) -> bool:
    """The last number given may grow: `~1.2.3` within 1.2, `~1` within 1. `~0.0.0` and `~*` are all."""
    if one < bound.version:
        return False
    if bound.given in (0, 3) and bound.version[:3] == (0, 0, 0):
        return True
    return one[0] == bound.version[0] and (bound.given == 1 or one[1] == bound.version[1])


def _like(one: Version, bound: _Bound) -> bool:
    return one == bound.version if bound.given == 3 else _tilde(one, bound)


def _unlike(one: Version, bound: _Bound) -> bool:
    if bound.given in (0, 3):
        return one != bound.version
    if bound.given == 2 and bound.covers(one) and (one.is_pre or bound.version.is_pre):
        return one.pre != bound.version.pre
    return not bound.covers(one)


def _caret(one: Version, bound: _Bound) -> bool:
    """All up to the first number that isn't 0 stays: `^1.2` within 1, `^0.2.3` within 0.2, `^0.0.3` is it."""
    if one < bound.version:
        return False
    numbers = bound.version[:3]
    if numbers[0] > 0 or bound.given == 1:
        return one[0] == numbers[0]
    if numbers[1] > 0 or bound.given == 2:
        return one[:2] == numbers[:2]
    return one[:3] == numbers


_MEANINGS: Final[dict[str, Callable[[Version, _Bound], bool]]] = {
    "": _like, "=": _like, "!=": _unlike, ">": _more, "<": _less, ">=": _at_least, "=>": _at_least,
    "<=": _at_most, "=<": _at_most, "~": _tilde, "~>": _tilde, "^": _caret,
}  # fmt: skip

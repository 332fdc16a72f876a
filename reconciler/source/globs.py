"""The four kinds of wildcards that deployment tools use, none of which can be made to run for ever.

Python's own `fnmatch` never backtracks over a `*`; here its patterns are put together.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from fnmatch import translate
from functools import lru_cache
from typing import Final

_MAGIC: Final = re.compile(r"[*?\[]")
_MOST_ALTERNATIVES: Final = 200
Match = Callable[[str], bool]


def is_glob(pattern: str) -> bool:
    return _MAGIC.search(pattern) is not None


@lru_cache(maxsize=1000)
def crossing(pattern: str, *, braces: bool = False) -> Match:
    """`*` matches slashes, too: Git's pathspecs, and (with braces) a directory's include and exclude."""
    found = [re.compile(_translated(each)).match for each in (_expanded(pattern) if braces else [pattern])]
    return lambda path: any(match(path) is not None for match in found)


@lru_cache(maxsize=1000)
def by_segment(pattern: str) -> Match:
    """`*` stays within a segment: directories of a Git generator."""
    segments = [re.compile(_translated(each)).match for each in pattern.split("/")]

    def matches(path: str) -> bool:
        parts = path.split("/")
        return len(parts) == len(segments) and all(
            match(part) is not None for match, part in zip(segments, parts, strict=True)
        )

    return matches


@lru_cache(maxsize=1000)
def doublestar(pattern: str) -> Match:
    """`*` stays within a segment, `**` is any number of them, `{a,b}` is either: value files."""
    found = [_Doublestar(each).matches for each in _expanded(pattern)]
    return lambda path: any(match(path) for match in found)


class _Doublestar:
    def __init__(self, pattern: str) -> None:
        parts = pattern.split("/")
        self._segments = [None if part == "**" else re.compile(_translated(part)).match for part in parts]

    def matches(self, path: str) -> bool:
        at = self._opened({0})
        for part in path.split("/"):
            after = set()
            for state in at:
                if state >= len(self._segments):
                    continue
                match = self._segments[state]
                if match is None:
                    after.add(state)
                elif match(part) is not None:
                    after.add(state + 1)
            at = self._opened(after)
        return len(self._segments) in at

    def _opened(self, states: Iterable[int]) -> set[int]:
        """With every `**` that may also be nothing stepped over."""
        found = set(states)
        for state in sorted(found):
            while state < len(self._segments) and self._segments[state] is None:
                state += 1
                found.add(state)
        return found


def _translated(pattern: str) -> str:
    """Go's syntax in Python's: `[^a]` is `[!a]`, and `\\*` is `[*]`."""
    pattern = re.sub(r"\\(.)", lambda at: f"[{at[1]}]" if at[1] in "*?[" else at[1], pattern, flags=re.DOTALL)
    return translate(pattern.replace("[^", "[!"))


def _expanded(pattern: str) -> list[str]:
    """Every pattern that braces stand for; braces that stand for too many are taken as they are."""
    done: list[str] = []
    waiting = [pattern]
    while waiting:
        each = waiting.pop(0)
        found = re.search(r"\{([^{}]*)\}", each)
        if found is None or len(done) + len(waiting) > _MOST_ALTERNATIVES:
            done.append(each)
            continue
        waiting += [each[: found.start()] + option + each[found.end() :] for option in found[1].split(",")]
    return done

"""Patterns of policies: names with `*`, kinds with kubectl's short names, paths with `**`.

Patterns may come from strangers, so none of them can be made slow: names go through fnmatch's
own translation, which doesn't backtrack, and paths are matched segment by segment.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from fnmatch import translate
from typing import Final

_KINDS: Final = {
    "Deployment": ("deploy", "deployments"),
    "StatefulSet": ("sts", "statefulsets"),
    "DaemonSet": ("ds", "daemonsets"),
    "ReplicaSet": ("rs", "replicasets"),
    "ReplicationController": ("rc", "replicationcontrollers"),
    "CronJob": ("cj", "cronjobs"),
    "Job": ("jobs",),
    "Pod": ("po", "pods"),
    "Rollout": ("ro", "rollouts"),
    "Service": ("ksvc", "services"),
    "DeploymentConfig": ("dc", "deploymentconfigs"),
}
_SPELLINGS: Final = {
    spelling: kind for kind, shorts in _KINDS.items() for spelling in (kind.lower(), *shorts)
}


# Stands in policies for all kinds that only an operator knows.
CUSTOM_RESOURCE: Final = "CustomResource"


def is_built_in(kind: str) -> bool:
    """Whether Kubernetes itself, or a controller that everyone has heard of, runs the pods of a kind."""
    return kind in _KINDS


def full_kind(word: str) -> str:
    """`sts` and `statefulset` are StatefulSet; what isn't known stays as it is."""
    return _SPELLINGS.get(word.lower(), word)


def nearest_kind(word: str) -> str:
    """The known kind that was probably meant; "" for a known one, a pattern, or one that is like none."""
    if full_kind(word) in _KINDS or re.search(r"[*?\[]", word):
        return ""
    near = get_close_matches(word.lower(), _SPELLINGS, n=1, cutoff=0.8)
    return _SPELLINGS[near[0]] if near else ""


def any_name(patterns: Sequence[str]) -> Callable[[str], bool]:
    found = re.compile("|".join(translate(pattern) for pattern in patterns))
    return lambda name: found.match(name) is not None


def any_kind(patterns: Sequence[str]) -> Callable[[str], bool]:
    matches = any_name([full_kind(pattern).lower() for pattern in patterns])
    return lambda kind: matches(kind.lower())


_Pattern = tuple["re.Pattern[str] | None", ...]  # one expression a segment; None for `**`


class _Folder:
    """A path, or the beginning of one: what already matches it, and what still can."""

    __slots__ = ("bits", "open", "within")

    def __init__(self, bits: int, still_open: tuple[tuple[int, _Pattern, frozenset[int]], ...]) -> None:
        self.bits, self.open = bits, still_open
        self.within: dict[str, _Folder] = {}

    def step(self, segment: str) -> _Folder:
        found = self.within.get(segment)
        if found is None:
            found = self.within[segment] = self._entered(segment)
        return found

    def _entered(self, segment: str) -> _Folder:
        bits, still_open = self.bits, []
        for bit, pattern, states in self.open:
            if not bits & bit:
                moved = _moved(pattern, states, segment)
                if len(pattern) in moved:
                    bits |= bit
                elif moved:
                    still_open.append((bit, pattern, moved))
        return _Folder(bits, tuple(still_open))


class PathMatcher:
    """Lists of patterns as in a .gitignore: one that names a folder has everything below it, one
    without a slash is found at any depth, `**` stands for any number of folders.

    All lists are followed at once down the folders of a path, and folders are remembered: what
    doesn't match `teams/` is never looked at again below it.
    """

    def __init__(self, lists: Sequence[Sequence[str] | None]) -> None:
        free = sum(1 << index for index, patterns in enumerate(lists) if patterns is None)
        compiled = [
            (1 << index, _path_pattern(one)) for index, some in enumerate(lists) for one in some or ()
        ]
        start = tuple((bit, pattern, _skipped(pattern, {0})) for bit, pattern in compiled)
        self._root = _Folder(free, start)
        self.asks = bool(compiled)  # whether any list says anything

    def bits(self, path: str) -> int:
        """One bit for each list that matches, or is None."""
        at = self._root
        for segment in path.split("/"):
            if not at.open:
                break
            at = at.step(segment)
        return at.bits


def _path_pattern(text: str) -> _Pattern:
    anywhere = "/" not in text.rstrip("/")
    parts = (["**"] if anywhere else []) + [part for part in text.split("/") if part]
    if parts[-1] == "**":  # at the end it asks for something below, and anything will do
        parts[-1] = "*"
    return tuple(None if part == "**" else re.compile(translate(part)) for part in parts)


def _moved(pattern: _Pattern, states: frozenset[int], segment: str) -> frozenset[int]:
    """All ways through the pattern at once, so that none of them can be slow."""
    moved = {state for state in states if pattern[state] is None}
    moved |= {state + 1 for state in states if (one := pattern[state]) is not None and one.match(segment)}
    return _skipped(pattern, moved)


def _skipped(pattern: _Pattern, states: set[int]) -> frozenset[int]:
    """With the states that a `**` standing for nothing leads to."""
    found = set(states)
    for state in states:
        while state < len(pattern) and pattern[state] is None:
            state += 1
            found.add(state)
    return frozenset(found)

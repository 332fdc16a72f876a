"""Patterns of policies: names with `*`, kinds with kubectl's short names, paths with `**`.

Patterns may come from strangers, so none of them can be made slow: names go through fnmatch's
own translation, which doesn't backtrack, and paths are matched segment by segment.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
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
}
_SPELLINGS: Final = {
    spelling: kind for kind, shorts in _KINDS.items() for spelling in (kind.lower(), *shorts)
}


def full_kind(word: str) -> str:
    """`sts` and `statefulset` are StatefulSet; what isn't known stays as it is."""
    return _SPELLINGS.get(word.lower(), word)


def any_name(patterns: Sequence[str]) -> Callable[[str], bool]:
    found = re.compile("|".join(translate(pattern) for pattern in patterns))
    return lambda name: found.match(name) is not None


def any_kind(patterns: Sequence[str]) -> Callable[[str], bool]:
    matches = any_name([full_kind(pattern).lower() for pattern in patterns])
    return lambda kind: matches(kind.lower())


def any_path(patterns: Sequence[str]) -> Callable[[str], bool]:
    """As in a .gitignore: a pattern that names a folder has everything below it; one without a
    slash is found at any depth; `**` stands for any number of folders."""
    found = [_path_pattern(pattern) for pattern in patterns]
    return lambda path: any(_leads_to(pattern, path.split("/")) for pattern in found)


def _path_pattern(text: str) -> list[re.Pattern[str] | None]:
    """One expression a segment; None for `**`."""
    anywhere = "/" not in text.rstrip("/")
    parts = (["**"] if anywhere else []) + [part for part in text.split("/") if part]
    if parts[-1] == "**":  # at the end it asks for something below, and anything will do
        parts[-1] = "*"
    return [None if part == "**" else re.compile(translate(part)) for part in parts]


def _leads_to(pattern: Sequence[re.Pattern[str] | None], path: Sequence[str]) -> bool:
    """Whether the pattern matches the path or a folder above it; all ways at once, so never slow."""
    states = _skipped(pattern, {0})
    for segment in path:
        moved = {state for state in states if pattern[state] is None}
        moved |= {state + 1 for state in states if (one := pattern[state]) is not None and one.match(segment)}
        states = _skipped(pattern, moved)
        if len(pattern) in states:
            return True
    return False


def _skipped(pattern: Sequence[re.Pattern[str] | None], states: set[int]) -> set[int]:
    """With the states that a `**` standing for nothing leads to."""
    found = set(states)
    for state in states:
        while state < len(pattern) and pattern[state] is None:
            state += 1
            found.add(state)
    return found

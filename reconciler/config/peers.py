"""Peers: containers that are sized together, and the patterns that say in what they may differ."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Final

from pydantic import AfterValidator, Field

from reconciler.config.fields import UNSET, Glob, Written
from reconciler.config.globs import any_name
from reconciler.model import ContainerRef, PeerRule

Kin = Callable[[ContainerRef], tuple[str, ...] | None]

_WORD: Final = re.compile(r"\{([A-Za-z][A-Za-z0-9]{0,30})\}")


def _sound(patterns: tuple[str, ...]) -> tuple[str, ...]:
    """Patterns as everywhere; or each with the same `{word}`, for what peers have in common."""
    for pattern in patterns:
        _sound_braces(pattern)
    words = {word for pattern in patterns for word in _WORD.findall(pattern)}
    if not words:
        return patterns
    if len(words) > 1 or not all(_WORD.search(pattern) for pattern in patterns):
        raise ValueError(f"with {{{min(words)}}} in one pattern, all of them have just that one")
    if len({*patterns}) == 1:
        raise ValueError(
            f"the text of {{{min(words)}}} is the same for all peers, so that one pattern makes nobody a "
            "peer: say the others, too, like [{service}-blue, {service}-green]"
        )
    return patterns


def _sound_braces(pattern: str) -> None:
    around = _WORD.sub("", pattern)
    if re.search(r"[{}]", around):
        raise ValueError("braces stand around one word for what peers have in common, like {service}-blue")
    if around != pattern and re.search(r"[*?\[]", around):
        raise ValueError("beside a word in braces there is no '*', '?' or '['")
    if len(_WORD.findall(pattern)) > 1:
        raise ValueError("a pattern has one word in braces, and no second one")


PeerGlobs = Annotated[tuple[Glob, ...], AfterValidator(_sound)]


class Peers(Written):
    """Whose needs count for each other, such as regions of one service, or active and standby.

    They are containers of one name and kind that differ in nothing but what is said here.
    """

    clusters: PeerGlobs = Field(
        default=UNSET, description="The same workload in all clusters that match: [prod-*]."
    )
    namespaces: PeerGlobs = Field(
        default=UNSET, description="In all namespaces that match: [shop-eu, shop-us]."
    )
    names: PeerGlobs = Field(
        default=UNSET,
        description='Under all names that match: [web, web-standby], or ["{app}-a", "{app}-b"].',
    )


class Twins(Written):
    """From whom a container without history gets its first request: the same, running elsewhere.

    They are containers of one name and kind that differ in nothing but what is said here.
    """

    clusters: PeerGlobs = Field(
        default=UNSET, description='The same workload in all clusters that match: ["*"].'
    )
    namespaces: PeerGlobs = Field(
        default=UNSET, description='In all namespaces that match: ["{team}-dev", "{team}-prod"].'
    )
    names: PeerGlobs = Field(
        default=UNSET, description='Under all names that match: ["{app}-dev", "{app}-prod"].'
    )


def kin(rule: PeerRule) -> Kin:
    """What all peers of a container share, and nobody else; None for one that is nobody's peer."""
    parts = [_common(patterns) for patterns in (rule.clusters, rule.namespaces, rule.names)]

    def shared(ref: ContainerRef) -> tuple[str, ...] | None:
        found = [ref.kind, ref.container]
        for common, value in zip(parts, (ref.cluster, ref.namespace, ref.workload), strict=True):
            part = common(value)
            if part is None:
                return None
            found.append(part)
        return tuple(found)

    return shared


def nobody(pattern: str, names: Iterable[str]) -> bool:
    """Whether none of the names is one that the pattern means: mostly it is misspelt."""
    common = _common((pattern,))
    return not any(common(name) is not None for name in names)


def _common(patterns: Sequence[str]) -> Callable[[str], str | None]:
    """The part of a name that peers have in common: all of it where there are no patterns."""
    if not patterns:
        return lambda name: name
    if not _WORD.search(patterns[0]):
        matches = any_name(patterns)
        return lambda name: "" if matches(name) else None
    ends = [(head, tail) for head, _, tail in (_WORD.split(pattern) for pattern in patterns)]
    ends.sort(key=lambda one: -len(one[0] + one[1]))  # of two that fit the one that says more
    return lambda name: _between(name, ends)


def _between(name: str, ends: Sequence[tuple[str, str]]) -> str | None:
    for head, tail in ends:
        if len(name) > len(head) + len(tail) and name.startswith(head) and name.endswith(tail):
            return name[len(head) : len(name) - len(tail)]
    return None

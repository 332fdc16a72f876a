"""Which containers, of which days, a command about utilization means."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from typing import Annotated, NamedTuple

import typer

from reconciler.config.units import days
from reconciler.errors import Misconfigured
from reconciler.model import ContainerRef
from reconciler.source.targets import GRAMMAR, Missed, malformed, matches, readings

_LONGEST = 400  # days
_WHOLE = re.compile(r"(?:(?P<cluster>[^/:]+):)?(?P<space>[^/:]+)/")  # a namespace

Pattern = Annotated[
    str,
    typer.Argument(
        metavar="[PATTERN]",
        help="[NAMESPACE/]KIND/NAME[/CONTAINER] with globs, a workload's name, or NAMESPACE/ for all in it.",
    ),
]
Namespace = Annotated[
    list[str] | None,
    typer.Option("--namespace", "-n", metavar="NAMESPACE", help="Only in this one; globs. May be repeated."),
]
Window = Annotated[
    str, typer.Option("--window", metavar="DURATION", help="How far back to look: whole days, as 14d or 2w.")
]


class Chosen(NamedTuple):
    """What was typed, as questions. A namespace that can't be meant need not be asked for."""

    namespaces: Callable[[str], bool]
    containers: Callable[[ContainerRef], bool]
    words: str  # "" when everything is meant


def chosen(pattern: str, namespaces: Sequence[str] | None) -> Chosen:
    spaces = [text.lower() for text in namespaces or ()]
    if "" in spaces:
        raise Misconfigured("--namespace", "--namespace: an empty name means nothing.")
    words = " ".join([*([pattern] if pattern else []), *(f"-n {space}" for space in namespaces or ())])
    whole = _WHOLE.fullmatch(pattern)
    meant = [whole["space"].lower()] if whole else _namespaces_of(pattern)

    def in_space(namespace: str) -> bool:
        return (not spaces or _any(namespace, spaces)) and (meant is None or _any(namespace, meant))

    def is_meant(ref: ContainerRef) -> bool:
        if not in_space(ref.namespace):
            return False
        if whole:
            return not whole["cluster"] or _any(ref.cluster, [whole["cluster"].lower()])
        return not pattern or matches(pattern, ref, "")

    return Chosen(in_space, is_meant, words)


def _any(name: str, globs: Sequence[str]) -> bool:
    return any(fnmatchcase(name.lower(), glob) for glob in globs)


def _namespaces_of(pattern: str) -> list[str] | None:
    """The namespaces that a pattern can mean; None for any. Misconfigured when it can mean nothing."""
    if "/" not in pattern:
        return None
    if pattern.startswith("./") or isinstance(
        readings(pattern, pattern.rpartition(":")[2].split("/")), Missed
    ):
        raise Misconfigured("PATTERN", f"{pattern!r} is no pattern: write {GRAMMAR} with globs, or a name.")
    # A kind that only the cluster knows may stand anywhere in it.
    found = readings(pattern)
    spaces = [] if isinstance(found, Missed) else [target.namespace.lower() for target in found]
    return spaces if spaces and all(spaces) else None


def nothing_matches(words: str, pattern: str) -> str:
    """Why a pattern may have met nothing."""
    flaw = "" if _WHOLE.fullmatch(pattern) or not pattern else malformed(pattern)
    hint = flaw or "`reconcile usage` lists them"
    return f"no container matches {words!r} in that time: {hint}."


def days_of(window: str) -> int:
    try:
        found = days(window)
    except ValueError as error:
        raise Misconfigured("--window", f"--window {window!r}: {error}.") from error
    if found > _LONGEST:
        raise Misconfigured("--window", f"--window {window!r}: expected at most {_LONGEST}d.")
    return found

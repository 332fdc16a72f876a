"""All branches in one push, each under an explicit lease."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Final, NamedTuple

from reconciler.git.command import Ran
from reconciler.git.names import checked_branch
from reconciler.model import RefUpdate

_ROOM: Final = 1_000_000  # bytes of arguments that every system takes
_HEADS: Final = "refs/heads/"


class Outcome(StrEnum):
    DONE = "done"  # the remote now has what was asked, or had it already
    STALE = "stale"  # someone else moved it: nothing was overwritten
    REFUSED = "refused"  # the server doesn't want it


class Pushed(NamedTuple):
    update: RefUpdate
    outcome: Outcome
    detail: str = ""


def checked_update(update: RefUpdate, repository: str) -> RefUpdate:
    """With the full name of its ref. Only branches are ever pushed."""
    branch = update.ref.removeprefix(_HEADS)
    for commit in (update.new, update.expected):
        if commit and not re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", commit):
            raise ValueError(f"not a commit id: {commit!r}")
    return update._replace(ref=_HEADS + checked_branch(branch, repository))


def batches(updates: Sequence[RefUpdate]) -> Iterator[tuple[RefUpdate, ...]]:
    """One push takes some 5,000 branches; the system bounds the length of a command."""
    batch: list[RefUpdate] = []
    size = 0
    for update in updates:
        length = 2 * len(update.ref.encode()) + 150
        if batch and size + length > _ROOM:
            yield tuple(batch)
            batch, size = [], 0
        batch.append(update)
        size += length
    if batch:
        yield tuple(batch)


def arguments(url: str, updates: Sequence[RefUpdate]) -> list[str]:
    """A lease without the expected id would trust whatever was fetched last, so each names it."""
    leases = [f"--force-with-lease={update.ref}:{update.expected}" for update in updates]
    specs = [f"{update.new}:{update.ref}" for update in updates]
    return ["push", "--porcelain", "--no-progress", "--no-verify", "--no-signed", *leases, "--", url, *specs]


_LINE: Final = re.compile(r"^([ +\-*!=])\t[^\t]*:(refs/heads/[^\t]+)\t(.*)$", re.MULTILINE)
_MOVED: Final = re.compile(
    r"stale info|fetch first|non-fast-forward|needs force|cannot lock ref|incorrect old value"
    r"|failed to lock|already exists|reference already exists",
)


def results(updates: Sequence[RefUpdate], ran: Ran) -> tuple[Pushed, ...] | None:
    """What became of every ref; None when git got as far as none of them."""
    said = {match[2]: (match[1], match[3]) for match in _LINE.finditer(ran.out)}
    if any(update.ref not in said for update in updates):
        return None
    return tuple(_result(update, *said[update.ref]) for update in updates)


def _result(update: RefUpdate, flag: str, summary: str) -> Pushed:
    if flag != "!":
        return Pushed(update, Outcome.DONE)
    branch = update.ref.removeprefix(_HEADS)
    found = re.search(r"\((.*)\)\s*$", summary)
    why = found[1] if found else summary
    if _MOVED.search(summary):
        return Pushed(
            update, Outcome.STALE, f"the branch {branch} was moved by someone else; nothing was overwritten"
        )
    return Pushed(update, Outcome.REFUSED, f"the server refused the branch {branch} ({why}): {_advice(why)}")


def _advice(why: str) -> str:
    if "hook declined" in why or "protected" in why:
        return "allow this user to push to it, or choose a branch prefix that no rule protects"
    return "ask whoever runs the server"

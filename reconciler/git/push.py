"""All branches in one push, each under an explicit lease."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from enum import StrEnum
from typing import Final, NamedTuple

from reconciler.git.command import Ran
from reconciler.git.names import checked_branch
from reconciler.model import RefUpdate

_ROOM: Final = 1_000_000  # bytes of arguments that every system takes
_HEADS: Final = "refs/heads/"
_MOST_WORDS: Final = 300  # of what a server's rules say
_GIT_S: Final = re.compile(r"error: hook declined|error: failed to push")


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
    r"stale info|fetch first|non-fast-forward|needs force|incorrect old value|failed to lock|already exists"
    r"|reference does not exist",
)
_NOT_SET: Final = re.compile(r"failed to update ref|failed to delete|cannot lock ref|conflict", re.IGNORECASE)
_BROKEN: Final = re.compile(r"Permission denied|No space left|Read-only|quota|Input/output", re.IGNORECASE)


def results(updates: Sequence[RefUpdate], ran: Ran, there: Collection[str] = ()) -> tuple[Pushed, ...] | None:
    """What became of every ref; None when git got as far as none of them.

    `there` are the branches as last seen, for servers that don't tell what is in the way.
    """
    said = {match[2]: (match[1], match[3]) for match in _LINE.finditer(ran.out)}
    if any(update.ref not in said for update in updates):
        return None
    told = "\n".join(line.removeprefix("remote:").strip() for line in ran.err.splitlines())
    words = _words(ran.err)
    names = {*there, *(update.ref.removeprefix(_HEADS) for update in updates if said[update.ref][0] != "!")}
    return tuple(_result(update, *said[update.ref], told, words, names) for update in updates)


def _words(err: str) -> str:
    """What the server's rules say of a push that they refuse, as one line."""
    lines = (line.removeprefix("remote:") for line in err.splitlines() if line.startswith("remote:"))
    plain = ("".join(sign if sign.isprintable() else " " for sign in line).strip() for line in lines)
    theirs = (line for line in plain if any(sign.isalnum() for sign in line) and not _GIT_S.match(line))
    told = " ".join(theirs)
    return re.sub(r"(?<=://)[^/\s]*@", "***@", told)[:_MOST_WORDS].rstrip(".")


def _result(
    update: RefUpdate, flag: str, summary: str, told: str, words: str, there: Collection[str]
) -> Pushed:
    if flag != "!":
        return Pushed(update, Outcome.DONE)
    branch = update.ref.removeprefix(_HEADS)
    found = re.search(r"\((.*)\)\s*$", summary)
    why = found[1] if found else summary
    if _MOVED.search(summary):
        return Pushed(update, Outcome.STALE, _moved(branch))
    if _NOT_SET.search(summary):
        return _not_set(update, why, told, there)
    told_why = f"{why}; it says: {words}" if words and "hook declined" in why else why
    text = f"the server refused the branch {branch} ({told_why}): {_advice(why)}"
    return Pushed(update, Outcome.REFUSED, text)


def _not_set(update: RefUpdate, why: str, told: str, there: Collection[str]) -> Pushed:
    """The server says only that it could not: another branch is in the way, or someone was faster."""
    branch = update.ref.removeprefix(_HEADS)
    lines = [line for line in told.splitlines() if f"'{update.ref}'" in line]
    other = _in_the_way(branch, lines, there) if update.new else ""
    if other:
        text = f"the branch {branch} can't be made beside the branch {other}: delete or rename {other}, or "
        return Pushed(update, Outcome.REFUSED, text + "choose another template for branches")
    broken = next((match[0] for match in map(_BROKEN.search, lines) if match), "")
    if broken or "conflict" in why:
        why = broken or why
        text = f"the server refused the branch {branch} ({why}): {_advice(why)}"
        return Pushed(update, Outcome.REFUSED, text)
    return Pushed(update, Outcome.STALE, _moved(branch))


def _in_the_way(branch: str, lines: Sequence[str], there: Collection[str]) -> str:
    """Git keeps branches like files: where `a` is, there is no room for `a/b`."""
    ending = f"' exists; cannot create '{_HEADS}{branch}'"
    for line in lines:
        before, found, _ = line.partition(ending)
        if found:
            return before.rpartition(f"'{_HEADS}")[2]
    above = (branch[: match.start()] for match in re.finditer("/", branch))
    below = (name for name in sorted(there) if name.startswith(branch + "/"))
    return next((name for name in above if name in there), "") or next(below, "")


def _moved(branch: str) -> str:
    return f"the branch {branch} was moved by someone else; nothing was overwritten"


def _advice(why: str) -> str:
    if "hook declined" in why or "protected" in why:
        return "allow this user to push to it, or choose a branch prefix that no rule protects"
    return "ask whoever runs the server"

"""Branches of ours on the remote: what is on each, and whether anybody else has written to it."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence

from reconciler import canonical
from reconciler.git.message import trailers
from reconciler.git.mirror import Mirror
from reconciler.model import LedgerEntry
from reconciler.proposals.situation import Branch

FILES = "Reconcile-Files"  # the trailer that names what a commit of ours changed


def pushed_commits(ledger: Sequence[LedgerEntry], base: str) -> dict[str, dict[str, str]]:
    """For each branch, the commits that the ledger says were pushed there, and their plans."""
    found: dict[str, dict[str, str]] = {}
    for entry in ledger:
        if entry.event == "pushed" and entry.facts.get("base") == base:
            branch, head, plan = (str(entry.facts.get(name, "")) for name in ("branch", "head", "plan"))
            found.setdefault(branch, {})[head] = plan
    return found


def branch_tip(
    mirror: Mirror,
    name: str,
    tip: str,
    base: str,
    pushed: Mapping[str, str],
    known: Container[tuple[str, str]],
    author: str,
) -> Branch:
    """Untouched is what the ledger says was pushed, or what comes to the same.

    Where the ledger doesn't tell (it was lost, or the push ended before its line was written), the
    commit must be what we wrote: by us, on top of the base's history, with our trailers, and with the
    files that its trailer names.
    """
    info = mirror.info(tip)
    marks = trailers(info.message)
    plan = marks.get("Reconcile-Plan", "")
    same = next((head for head in pushed if mirror.is_untouched(tip, head, base)), "")
    looks_ours = (
        not same
        and bool(plan)
        and info.author == author
        and len(info.parents) == 1
        and mirror.is_ancestor(info.parents[0], base)
        and marks.get(FILES) == files_mark(_changed(mirror, info.parents[0], tip))
    )
    untouched = bool(same) or looks_ours
    conflicts = untouched and info.parents[0] != base and not mirror.merges_cleanly(base, tip)
    recorded = bool(same) or (name, tip) in known
    fresh = untouched and base in info.parents
    by = () if untouched else _others(mirror, tip, pushed, base)
    # what the base has already (merged, and taken back since) can't be opened again
    plan = "" if mirror.is_ancestor(tip, base) else pushed.get(same, plan)
    return Branch(tip, plan, untouched, untouched and recorded, conflicts, fresh, by)


def _others(mirror: Mirror, tip: str, pushed: Container[str], base: str) -> tuple[str, ...]:
    """Who wrote the commits on top of ours, newest first, as far as a comment can name them."""
    found: dict[str, None] = {}
    commit = tip
    for _ in range(20):
        if commit in pushed or mirror.is_ancestor(commit, base):
            break
        info = mirror.info(commit)
        found[info.author.partition(" <")[0]] = None
        if not info.parents or not mirror.knows(info.parents[0]):
            break
        commit = info.parents[0]
    return tuple(found)


def _changed(mirror: Mirror, before: str, after: str) -> dict[str, str]:
    """Path and blob of every file that a commit changed; "" for one that it removed."""
    old = {entry.path: entry.blob for entry in mirror.at(before).entries()}
    new = {entry.path: entry.blob for entry in mirror.at(after).entries()}
    return {path: new.get(path, "") for path in old.keys() | new.keys() if old.get(path) != new.get(path)}


def files_mark(blobs: Mapping[str, str]) -> str:
    return canonical.digest(sorted(blobs.items()))[:16]

"""What of a plan is pushed: what people wrote, put aside where they asked for it; then the branches."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from reconciler import canonical
from reconciler.forges.port import TooMany
from reconciler.model import LedgerEntry, RefUpdate
from reconciler.planning import Planned
from reconciler.ports import Pushed, Writer
from reconciler.proposals.build import trailers
from reconciler.proposals.group import fingerprint
from reconciler.proposals.history import facts_of
from reconciler.proposals.pushed import pushed
from reconciler.proposals.situation import Row

HEADS: Final = "refs/heads/"
BACKUPS: Final = "reconcile-backup"


class Moved(NamedTuple):
    """What became of the branches."""

    tips: dict[str, str]  # the new tip of each
    waits: dict[str, str]  # branches that stay where they were for now, and why
    refused: dict[str, str]  # branches that the server doesn't want, and why


def backup_of(branch: str, tip: str) -> str:
    """Named after what it holds, so that putting it aside twice is once."""
    return f"{BACKUPS}/{branch}/{tip[:12]}"


def put_aside(writer: Writer, planned: Iterable[Planned]) -> dict[str, str]:
    """Commits of people, under another name, before their branch is built anew.

    Apart from the push that builds it anew: only what is safe under its other name is overwritten.
    The answer are branches that must stay, and why.
    """
    asked = [one for one in planned if one.step.backup]
    if not asked:
        return {}
    updates = {
        one.branch: RefUpdate(HEADS + backup_of(one.branch, one.step.expected), one.step.expected, "")
        for one in asked
    }
    answer = writer.push(list(updates.values()), ())
    found = {
        branch: answer.refused.get(each.ref, answer.moved.get(each.ref)) for branch, each in updates.items()
    }
    return {branch: f"what is on it could not be kept: {why}" for branch, why in found.items() if why}


def push_branches(
    writer: Writer, planned: Sequence[Planned], now: int, forgotten: Sequence[LedgerEntry] = ()
) -> Moved:
    """All branches in one push, with their evidence in the ledger.

    Where the forge makes the commits, it may want no more of them: the rest waits for the next run.
    """
    moved = Moved({}, {}, {})
    updates: list[RefUpdate] = []
    entries: dict[str, LedgerEntry] = {}
    limit: TooMany | None = None
    for one in planned:
        if one.proposal is None or not one.step.push:
            continue
        tip = ""
        try:
            tip = (
                ""
                if limit
                else writer.commit(one.proposal.files, one.proposal.message, trailers(one.proposal))
            )
        except TooMany as reached:
            limit = reached
        if limit:
            moved.waits[one.branch] = limit.failure.error
            continue
        moved.tips[one.branch] = tip
        updates.append(RefUpdate(HEADS + one.branch, tip, one.step.expected))
        entries |= _told(one, tip, now)
    told = (*forgotten, *entries.values())
    answer = writer.push(updates, told) if updates or told else Pushed({}, {})
    for update in updates:
        branch = update.ref.removeprefix(HEADS)
        if update.ref in answer.moved:
            moved.waits[branch] = answer.moved[update.ref]
        elif update.ref in answer.refused:
            moved.refused[branch] = answer.refused[update.ref]
    return moved


def _told(one: Planned, tip: str, now: int) -> dict[str, LedgerEntry]:
    """What the ledger is told of a push."""
    proposal = one.proposal
    if proposal is None:
        return {}
    entries = {tip: LedgerEntry(now, "pushed", proposal.key, pushed(proposal, tip))}
    if one.step.row is Row.REBASE and one.step.remark is not None:
        request = one.seen.request
        facts: dict[str, object] = facts_of(request) if request else {"branch": one.branch}
        facts["mark"] = one.step.remark.mark
        if one.step.backup:
            facts["kept"] = backup_of(one.branch, one.step.expected)
        entries[f"rebased {one.branch}"] = LedgerEntry(now, "rebased", proposal.key, facts)
    for change in proposal.changes:
        hashed = fingerprint(change.evidence)
        found = {"hash": hashed, "evidence": canonical.plain(change.evidence)}
        entries[hashed] = LedgerEntry(now, "evidence", proposal.key, found)
    return entries

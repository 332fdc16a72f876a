"""From proposals to the forge: plan every action, then carry the plan out, in an order that can
be cut off after any single write.

    1. one push: new and moved branches, with their evidence in the ledger
    2. the forge, one merge request after the other
    3. one push: branches no longer needed, and what happened, in the ledger

Whatever is missing after a crash, the next run sees missing, and does.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from reconciler import canonical
from reconciler.errors import Problem
from reconciler.forges.port import Draft, Forge, Merging, NotMerged, Wording
from reconciler.model import (
    Action,
    Do,
    Failure,
    LedgerEntry,
    MergeRequest,
    Proposal,
    RefUpdate,
    Whose,
)
from reconciler.planning import Planned
from reconciler.ports import Past, Progress, Pushed, Repository, Writer
from reconciler.proposals.build import trailers
from reconciler.proposals.group import change_id, fingerprint
from reconciler.proposals.history import events_of
from reconciler.proposals.lifecycle import CLOSED_BY_US
from reconciler.proposals.memo import find
from reconciler.proposals.pushed import pushed


def intended(repository: str, planned: Iterable[Planned]) -> list[Action]:
    """The plan as a dry run shows it."""
    return [_action(repository, one, one.seen.request) for one in planned]


def carry_out(
    repository: Repository,
    writer: Writer,
    past: Past,
    planned: Sequence[Planned],
    now: int,
    progress: Progress,
    remembered: Sequence[LedgerEntry] = (),
) -> tuple[list[Action], list[Failure]]:
    """`remembered` is what the ledger is to know besides what becomes of the plan."""
    answer, tips = _push_branches(writer, planned, now)
    actions: list[Action] = []
    failed = _failures(repository.name, answer)
    requests = {request.number: request for request in past.requests}
    gone: list[RefUpdate] = []
    advance = progress.step("Writing merge requests", len(planned))
    for one in planned:
        ref = f"refs/heads/{one.branch}"
        why = answer.moved.get(ref) or answer.refused.get(ref)
        if why:
            actions.append(_refused(repository.name, one, why))
            continue
        try:
            request, more = _on_forge(writer.forge, one, tips.get(one.branch, one.step.expected))
        except Problem as problem:
            failed.append(problem.failure)
        else:
            actions.append(_action(repository.name, one, request, more))
            if request is not None:
                requests[request.number] = request
            if one.step.drop:
                gone.append(RefUpdate(f"refs/heads/{one.branch}", "", one.step.expected))
        advance(1)
    events = (*events_of(requests.values(), past.ledger), *remembered)
    if gone or events:
        failed += _failures(repository.name, writer.push(gone, events))
    return actions, failed


def _failures(repository: str, answer: Pushed) -> list[Failure]:
    return [
        Failure(ref.removeprefix("refs/heads/"), Whose.THEIRS, f"{why}.", repository)
        for ref, why in answer.refused.items()
    ]


def _push_branches(writer: Writer, planned: Sequence[Planned], now: int) -> tuple[Pushed, dict[str, str]]:
    """All branches in one push: which of them did not move, and the new tip of each."""
    tips: dict[str, str] = {}
    updates: list[RefUpdate] = []
    entries: dict[str, LedgerEntry] = {}
    for one in planned:
        if one.proposal is None or not one.step.push:
            continue
        proposal = one.proposal
        tip = writer.commit(proposal.files, proposal.message, trailers(proposal))
        tips[one.branch] = tip
        updates.append(RefUpdate(f"refs/heads/{one.branch}", tip, one.step.expected))
        entries[tip] = LedgerEntry(now, "pushed", proposal.key, pushed(proposal, tip))
        for change in proposal.changes:
            hashed = fingerprint(change.evidence)
            found = {"hash": hashed, "evidence": canonical.plain(change.evidence)}
            entries[hashed] = LedgerEntry(now, "evidence", proposal.key, found)
    if not updates:
        return Pushed({}, {}), tips
    return writer.push(updates, tuple(entries.values())), tips


def _on_forge(forge: Forge, one: Planned, tip: str) -> tuple[MergeRequest | None, str]:
    """What the merge request is now, and what its forge would not do.

    Merged is `tip` alone, which this run has pushed or found untouched; never what came since.
    """
    request, proposal, step = one.seen.request, one.proposal, one.step
    if step.do is Do.OPEN and proposal is not None:
        draft = Draft(
            one.branch, proposal.base, proposal.title, proposal.body, proposal.labels, proposal.reviewers
        )
        request = forge.open(draft)
    elif step.do is Do.UPDATE and proposal is not None and request is not None:
        request = forge.update(request.number, Wording(title=_title(request, proposal), body=proposal.body))
    elif step.do is Do.CLOSE and request is not None:
        title = request.title.removesuffix(CLOSED_BY_US) + CLOSED_BY_US
        forge.update(request.number, Wording(title=title))
        request = forge.close(request.number)
    if step.merge and request is not None:
        merged = forge.merge(request.number, tip, later=forge.capabilities.merges_later)
        if isinstance(merged, NotMerged):
            return request, f"; not merged: {merged.detail}"
        if isinstance(merged, Merging):
            return merged.request, f"; {merged.detail}"
        return merged, "; merged"
    return request, ""


def _title(request: MergeRequest, proposal: Proposal) -> str | None:
    """The new title, unless a person has given it one of their own (`WIP: ...`)."""
    told = find(request.body)
    ours = request.title.removesuffix(CLOSED_BY_US)
    return proposal.title if told is None or not told.title or ours == told.title else None


def _action(repository: str, one: Planned, request: MergeRequest | None, more: str = "") -> Action:
    changes = one.proposal.changes if one.proposal else ()
    return Action(
        do=one.step.do,
        repository=repository,
        key=one.key,
        branch=one.branch,
        url=request.url if request else "",
        changes=tuple(change_id(change) for change in changes),
        why=one.step.why + more,
    )


def _refused(repository: str, one: Planned, why: str) -> Action:
    return _action(repository, one, one.seen.request)._replace(do=Do.WAIT, why=why)

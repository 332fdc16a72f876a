"""From proposals to the forge: plan every action, then carry the plan out, in an order that can
be cut off after any single write.

    1. one push: new and moved branches, with their evidence in the ledger
    2. the forge, one merge request after the other
    3. one push: branches no longer needed, and what happened, in the ledger

Whatever is missing after a crash, the next run sees missing, and does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from reconciler import canonical
from reconciler.errors import Problem
from reconciler.forges.port import Draft, Forge, NotMerged, Wording
from reconciler.model import (
    Action,
    Decision,
    Do,
    Failure,
    Keep,
    LedgerEntry,
    MergeRequest,
    Proposal,
    Reason,
    RefUpdate,
)
from reconciler.ports import Past, Progress, Repository, Writer
from reconciler.proposals.build import trailers
from reconciler.proposals.group import change_id, fingerprint
from reconciler.proposals.history import events_of
from reconciler.proposals.lifecycle import (
    CLOSED_BY_US,
    Branch,
    Observed,
    Step,
    closed_by_us,
    decide,
    newest_open,
    retire,
)
from reconciler.proposals.memo import MemoValue, find

# Not knowing a number is no reason to close what was proposed when it was known.
_UNKNOWN = {
    Reason.NO_METRICS,
    Reason.THIN_EVIDENCE,
    Reason.LOW_COVERAGE,
    Reason.PARTIAL_METRICS,
    Reason.AMBIGUOUS_CLUSTER,
    Reason.CONSUMER_WITHOUT_METRICS,
    Reason.GUESSED_OWNER,
    Reason.FROZEN,
}


class Planned(NamedTuple):
    """One key, what is there, and what to do about it."""

    key: str
    branch: str
    proposal: Proposal | None
    seen: Observed
    step: Step


class Judged(NamedTuple):
    """What this run knows of the values that earlier proposals were about."""

    unknown: Mapping[tuple[str, str], Reason]  # containers and fields that could not be judged, and why
    partial: bool  # containers were left out, or failed


def judged(decisions: Iterable[Decision], partial: bool) -> Judged:
    return Judged(
        {
            (str(ref), decision.slot.field.value): decision.reason
            for decision in decisions
            if isinstance(decision, Keep) and decision.reason in _UNKNOWN
            for ref in decision.slot.consumers
        },
        partial,
    )


def plan(proposals: Sequence[Proposal], past: Past, known: Judged) -> list[Planned]:
    """An action for every proposal, and for everything of ours that no proposal is about."""
    planned = []
    for proposal in proposals:
        seen = _seen(past, proposal.branch)
        planned.append(Planned(proposal.key, proposal.branch, proposal, seen, decide(proposal, seen)))
    wanted = {proposal.branch for proposal in proposals}
    ours = {request.branch for request in past.requests if request.state == "open" and find(request.body)}
    ours |= set(past.branches)
    for branch in sorted(ours - wanted):
        seen = _seen(past, branch)
        step = retire(seen, _unsettled(branch, seen, past, known))
        if step is not None:
            planned.append(Planned(_key(seen, branch), branch, None, seen, step))
    return planned


def _seen(past: Past, branch: str) -> Observed:
    found = past.branches.get(branch)
    tip = Branch(found.tip, found.plan, found.untouched, found.conflicts) if found else None
    return Observed(newest_open(past.requests, branch), tip)


def _key(seen: Observed, branch: str) -> str:
    memo = find(seen.request.body) if seen.request else None
    return memo.key if memo else branch


def _unsettled(branch: str, seen: Observed, past: Past, known: Judged) -> str:
    """Why nobody can say that this is no longer needed; "" when it is not."""
    if seen.request is None:
        ended = [request for request in past.requests if request.branch == branch]
        last = max(ended, key=lambda request: request.number, default=None)
        over = last is None or last.state == "merged" or closed_by_us(last)
        return "" if over and not known.partial else "somebody may still want it"
    memo = find(seen.request.body)
    reasons = sorted({reason for value in memo.values for reason in _reasons(value, known)}) if memo else []
    if reasons:
        return f"not judged in this run: {', '.join(reasons)}"
    return "not everything was looked at in this run" if known.partial or memo is None else ""


def _reasons(value: MemoValue, known: Judged) -> set[str]:
    found = (known.unknown.get((str(ref), value.field)) for ref in value.consumers)
    return {reason.value for reason in found if reason is not None}


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
) -> tuple[list[Action], list[Failure]]:
    known = {str(entry.facts.get("hash")) for entry in past.ledger if entry.event == "evidence"}
    refused = _push_branches(writer, planned, known, now)
    actions: list[Action] = []
    failed: list[Failure] = []
    requests = {request.number: request for request in past.requests}
    gone: list[RefUpdate] = []
    advance = progress.step("Writing merge requests", len(planned))
    for one in planned:
        if one.branch in refused:
            actions.append(_refused(repository.name, one, refused[one.branch]))
            continue
        try:
            request, more = _on_forge(writer.forge, one)
        except Problem as problem:
            failed.append(problem.failure)
        else:
            actions.append(_action(repository.name, one, request, more))
            if request is not None:
                requests[request.number] = request
            if one.step.drop:
                gone.append(RefUpdate(f"refs/heads/{one.branch}", "", one.step.expected))
        advance(1)
    events = events_of(requests.values(), past.ledger)
    if gone or events:
        writer.push(gone, events)
    return actions, failed


def _push_branches(
    writer: Writer, planned: Sequence[Planned], known: set[str], now: int
) -> Mapping[str, str]:
    """All branches in one push; the ones whose lease was refused belong to whoever moved them."""
    updates: list[RefUpdate] = []
    entries: dict[str, LedgerEntry] = {}
    for one in planned:
        if one.proposal is None or not one.step.push:
            continue
        proposal = one.proposal
        tip = writer.commit(proposal.files, proposal.message, trailers(proposal))
        updates.append(RefUpdate(f"refs/heads/{one.branch}", tip, one.step.expected))
        entries[tip] = LedgerEntry(
            now, "pushed", proposal.key, {"branch": one.branch, "head": tip, "plan": proposal.plan}
        )
        for change in proposal.changes:
            hashed = fingerprint(change.evidence)
            if hashed not in known:
                facts = {"hash": hashed, "evidence": canonical.plain(change.evidence)}
                entries[hashed] = LedgerEntry(now, "evidence", proposal.key, facts)
    if not updates:
        return {}
    refused = writer.push(updates, tuple(entries.values()))
    return {ref.removeprefix("refs/heads/"): why for ref, why in refused.items()}


def _on_forge(forge: Forge, one: Planned) -> tuple[MergeRequest | None, str]:
    """What the merge request is now, and what its forge would not do."""
    request, proposal, step = one.seen.request, one.proposal, one.step
    if step.do is Do.OPEN and proposal is not None:
        draft = Draft(one.branch, proposal.base, proposal.title, proposal.body, proposal.labels)
        request = forge.open(draft)
    elif step.do is Do.UPDATE and proposal is not None and request is not None:
        request = forge.update(request.number, Wording(title=proposal.title, body=proposal.body))
    elif step.do is Do.CLOSE and request is not None:
        title = request.title.removesuffix(CLOSED_BY_US) + CLOSED_BY_US
        forge.update(request.number, Wording(title=title))
        request = forge.close(request.number)
    if step.merge and request is not None:
        merged = forge.merge(request.number, request.head)
        if isinstance(merged, NotMerged):
            return request, f"; not merged: {merged.detail}"
        return merged, "; merged"
    return request, ""


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

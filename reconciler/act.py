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
from reconciler.forges.port import Draft, Forge, Merging, NotMerged, Wording
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
    Whose,
)
from reconciler.ports import Past, Progress, Pushed, Repository, Writer
from reconciler.proposals.build import trailers
from reconciler.proposals.group import change_id, fingerprint
from reconciler.proposals.history import Target, events_of, targets
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
from reconciler.proposals.pushed import pushed

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
    # what could not be rendered this time is no longer known, but may be needed as before
    Reason.RENDERED,
    Reason.NOT_ANSWERED,
    Reason.RENDER_FAILED,
    Reason.RENDER_LIMIT,
    Reason.MISSING_TOOL,
    Reason.MISSING_DEPENDENCY,
    Reason.CHART_UNAVAILABLE,
    Reason.REMOTE_BASE,
    Reason.NOT_COMPARED,
    Reason.RENDERS_DIFFERENTLY,
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

    seen: frozenset[Target]  # containers and fields that were looked at
    unknown: Mapping[Target, Reason]  # those that could not be judged, and why
    partial: bool  # containers were left out, or failed
    hidden: bool = False  # there are units of which nothing is known, not even their containers


def judged(decisions: Iterable[Decision], partial: bool, hidden: bool = False) -> Judged:
    seen: set[Target] = set()
    unknown: dict[Target, Reason] = {}
    for decision in decisions:
        slots = [decision.slot] if isinstance(decision, Keep) else [value.slot for value in decision.values]
        found = {(ref, slot.field.value) for slot in slots for ref in slot.consumers}
        seen |= found
        if isinstance(decision, Keep) and decision.reason in _UNKNOWN:
            unknown |= dict.fromkeys(found, decision.reason)
    return Judged(frozenset(seen), unknown, partial, hidden)


def plan(proposals: Sequence[Proposal], past: Past, known: Judged) -> list[Planned]:
    """An action for every proposal, and for everything of ours that no proposal is about."""
    planned = []
    for proposal in proposals:
        seen = _seen(past, proposal.branch)
        step = decide(proposal, seen, _withdrawn_unseen(proposal, seen, known))
        planned.append(Planned(proposal.key, proposal.branch, proposal, seen, step))
    wanted = {proposal.branch for proposal in proposals}
    ours = {request.branch for request in past.requests if request.state == "open" and find(request.body)}
    ours |= set(past.branches)
    for branch in sorted(ours - wanted):
        seen = _seen(past, branch)
        end = retire(seen, _unsettled(branch, seen, past, known))
        if end is not None:
            planned.append(Planned(_key(seen, branch), branch, None, seen, end))
    return planned


def _seen(past: Past, branch: str) -> Observed:
    found = past.branches.get(branch)
    tip = Branch(*found) if found else None
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
    if known.partial or memo is None:
        return "not everything was looked at in this run"
    looked = all((ref, value.field) in known.seen for value in memo.values for ref in value.consumers)
    return "" if looked or not known.hidden else "a unit could not be looked into in this run"


def _reasons(value: MemoValue, known: Judged) -> set[str]:
    found = (known.unknown.get((ref, value.field)) for ref in value.consumers)
    return {reason.value for reason in found if reason is not None}


def _withdrawn_unseen(proposal: Proposal, seen: Observed, known: Judged) -> str:
    """Why the open request can't be cut down to the proposal: the rest of it was not judged."""
    memo = find(seen.request.body) if seen.request else None
    if memo is None:
        return ""
    kept = {target for change in proposal.changes for value in change.values for target in targets(value)}
    missing = [value for value in memo.values if not kept & {(ref, value.field) for ref in value.consumers}]
    reasons = sorted({reason for value in missing for reason in _reasons(value, known)})
    if reasons:
        return f"a part of it was not judged in this run: {', '.join(reasons)}"
    looked = all((ref, value.field) in known.seen for value in missing for ref in value.consumers)
    unsure = known.partial or known.hidden
    return "" if looked or not unsure else "a part of it was not looked at in this run"


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

"""What to do about every merge request of one repository, before anything is done."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from reconciler.model import Decision, Keep, Proposal, Reason
from reconciler.ports import Past
from reconciler.proposals.history import Target, targets
from reconciler.proposals.lifecycle import (
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
    # what only waits is needed as before
    Reason.NEEDS_APPROVAL,
    Reason.NOT_SCHEDULED,
    Reason.SYNC_WINDOW,
    Reason.QUEUED,
    Reason.TOO_MANY_ALARMS,
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
    return Observed(newest_open(past.requests, branch), past.branches.get(branch))


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

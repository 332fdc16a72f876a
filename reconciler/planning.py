"""What to do about every merge request of one repository, before anything is done."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from reconciler.errors import Problem
from reconciler.forges.port import TooMany
from reconciler.model import Decision, Do, Failure, Keep, LedgerEntry, Proposal, Reason
from reconciler.ports import Past
from reconciler.proposals.history import Target, memo_in, targets
from reconciler.proposals.lifecycle import decide, retire
from reconciler.proposals.memo import Memo, MemoValue, find
from reconciler.proposals.situation import (
    Look,
    Noted,
    Observed,
    Row,
    Step,
    closed_by_us,
    newest_open,
    reopenable,
)

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
    failure: Failure | None = None  # why it could not be asked how it stands


class Judged(NamedTuple):
    """What this run knows of the values that earlier proposals were about."""

    seen: frozenset[Target]  # containers and fields that were looked at
    unknown: Mapping[Target, Reason]  # those that could not be judged, and why
    partial: bool  # containers were left out, or failed
    hidden: bool = False  # there are units of which nothing is known, not even their containers
    kept: Mapping[Target, Reason] = MappingProxyType({})  # those that stay as they are, and why


def judged(decisions: Iterable[Decision], partial: bool, hidden: bool = False) -> Judged:
    seen: set[Target] = set()
    unknown: dict[Target, Reason] = {}
    kept: dict[Target, Reason] = {}
    for decision in decisions:
        slots = [decision.slot] if isinstance(decision, Keep) else [value.slot for value in decision.values]
        found = {(ref, slot.field.value) for slot in slots for ref in slot.consumers}
        seen |= found
        if isinstance(decision, Keep):
            kept |= dict.fromkeys(found, decision.reason)
            unknown |= dict.fromkeys(found, decision.reason) if decision.reason in _UNKNOWN else {}
    return Judged(frozenset(seen), unknown, partial, hidden, kept)


def plan(proposals: Sequence[Proposal], past: Past, known: Judged, now: int) -> list[Planned]:
    """An action for every proposal, and for everything of ours that no proposal is about."""
    eye = _Eye(past, now)
    planned = []
    for proposal in proposals:
        seen = eye.seen(proposal.branch, proposal.key)
        decided = _decided(eye, proposal, seen, _withdrawn_unseen(proposal, seen, known))
        planned.append(Planned(proposal.key, proposal.branch, proposal, *decided))
    wanted = {proposal.branch for proposal in proposals}
    ours = {request.branch for request in past.requests if request.state == "open" and find(request.body)}
    ours |= {*past.branches, *(request.branch for request in past.strayed)}
    homes = _homes(proposals)
    for branch in sorted(ours - wanted):
        seen = eye.seen(branch)
        end = retire(seen, _unsettled(branch, seen, past, known), _instead(_memo(seen), homes))
        if end is not None:
            planned.append(Planned(_key(seen, branch), branch, None, seen, _because(end, _memo(seen), known)))
    return planned


def _because(end: Step, memo: Memo | None, known: Judged) -> Step:
    """With the reasons for which the values stay as they are now: a policy's, or that of the numbers."""
    if end.row is not Row.OBSOLETE:
        return end
    asked = ((ref, value.field) for value in (memo.values if memo else ()) for ref in value.consumers)
    reasons = sorted({known.kept[target].value for target in asked if target in known.kept})
    return end._replace(why=f"{end.why}: {', '.join(reasons)}") if reasons else end


def _decided(
    eye: _Eye, proposal: Proposal, seen: Observed, unsettled: str
) -> tuple[Observed, Step, Failure | None]:
    """Only who would be moved or merged is asked how it stands: that costs a question each."""
    step = decide(proposal, seen, unsettled)
    if seen.request is None or not (step.push or step.merge):
        return seen, step, None
    look = eye.look(seen.request.number)
    if isinstance(look, Problem):
        why = "the forge doesn't tell whether somebody has approved it"
        failure = None if isinstance(look, TooMany) else look.failure
        return seen, Step(Do.WAIT, look.failure.error if failure is None else why, Row.UNSEEN), failure
    seen = seen._replace(look=look)
    return seen, decide(proposal, seen, unsettled), None


class _Eye:
    """What there is of a key: on the forge, on the remote, and in the ledger."""

    def __init__(self, past: Past, now: int) -> None:
        self._past = past
        self._now = now
        self._noted: dict[object, list[Noted]] = defaultdict(list)
        self._limit: TooMany | None = None
        for entry in past.ledger:
            number = entry.facts.get("number")
            if isinstance(number, int):
                mark = str(entry.facts.get("mark", ""))
                self._noted[number].append(Noted(entry.event, mark, entry.at))

    def seen(self, branch: str, key: str = "") -> Observed:
        past = self._past
        request = newest_open(past.requests, branch)
        strayed = newest_open(past.strayed, branch) if request is None else None
        there = request or strayed
        ended = None if there else reopenable(past.requests, branch, self._now)
        memo = find(there.body) if there else None
        name = key or (memo.key if memo else "")
        return Observed(
            request,
            past.branches.get(branch),
            ended,
            strayed,
            frozenset(wish for wish, about in past.wishes if about == name),
            None,
            tuple(self._noted.get(there.number, ())) if there else (),
        )

    def look(self, number: int) -> Look | Problem:
        if self._limit is not None:
            return self._limit
        try:
            found = self._past.standing(number)
        except TooMany as limit:
            self._limit = limit
            return limit
        except Problem as problem:
            return problem
        return Look(
            found.approved_by,
            found.changes_wanted_by,
            found.checks.value,
            found.merging,
            self._past.merges_later,
        )


def _homes(proposals: Sequence[Proposal]) -> dict[Target, str]:
    """For every value that is proposed, the key of its proposal."""
    return {
        target: proposal.key
        for proposal in proposals
        for change in proposal.changes
        for value in change.values
        for target in targets(value)
    }


def _instead(memo: Memo | None, homes: Mapping[Target, str]) -> list[str]:
    """The keys that hold values of a request now; [] where none does."""
    targets_of = [(ref, value.field) for value in (memo.values if memo else ()) for ref in value.consumers]
    return sorted({homes[target] for target in targets_of if target in homes})


def superseded(events: Iterable[LedgerEntry], planned: Iterable[Planned]) -> list[LedgerEntry]:
    """Which of those that were closed have their values elsewhere now, for the ledger.

    Told with the closing, so that a run that was cut off in between changes nothing of it.
    """
    homes = _homes([one.proposal for one in planned if one.proposal is not None])
    found = []
    for entry in events:
        keys = _instead(memo_in(entry), homes) if entry.event == "closed" else []
        if keys and keys != [entry.key]:
            facts = {name: entry.facts[name] for name in ("number", "url", "branch", "title")}
            found.append(entry._replace(event="superseded", facts={**facts, "mark": ", ".join(keys)}))
    return found


def _key(seen: Observed, branch: str) -> str:
    memo = _memo(seen)
    return memo.key if memo else branch


def _memo(seen: Observed) -> Memo | None:
    there = seen.request or seen.strayed
    return find(there.body) if there else None


def _unsettled(branch: str, seen: Observed, past: Past, known: Judged) -> str:
    """Why nobody can say that this is no longer needed; "" when it is not."""
    if seen.request is None:
        over = _is_over(branch, past)
        return "" if over and not known.partial else "somebody may still want it"
    memo = find(seen.request.body)
    reasons = sorted({reason for value in memo.values for reason in _reasons(value, known)}) if memo else []
    if reasons:
        return f"not judged in this run: {', '.join(reasons)}"
    if known.partial or memo is None or memo.elsewhere:
        return "not everything was looked at in this run"
    looked = all((ref, value.field) in known.seen for value in memo.values for ref in value.consumers)
    return "" if looked or not known.hidden else "a unit could not be looked into in this run"


def _is_over(branch: str, past: Past) -> bool:
    """Whether nobody said "no" to the last request of a branch: whoever did may reopen it."""
    ended = [request for request in past.requests if request.branch == branch]
    last = max(ended, key=lambda request: request.number, default=None)
    if last is not None:
        return last.state == "merged" or closed_by_us(last)
    told = [entry.event for entry in past.ledger if entry.facts.get("branch") == branch]
    ends = [event for event in told if event in ("merged", "closed", "rejected")]
    return not ends or ends[-1] != "rejected"


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
    looked = not memo.elsewhere and all(
        (ref, value.field) in known.seen for value in missing for ref in value.consumers
    )
    unsure = known.partial or known.hidden
    return "" if looked or not unsure else "a part of it was not looked at in this run"

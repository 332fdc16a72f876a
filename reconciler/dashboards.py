"""The dashboard of a repository, read before a run decides and written when it has acted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

from reconciler import money
from reconciler.errors import Problem
from reconciler.forges.port import Forge, Page
from reconciler.model import (
    Action,
    Amount,
    Do,
    Failure,
    Keep,
    LedgerEntry,
    MergeRequest,
    Note,
    Reason,
    Whose,
)
from reconciler.ports import News, Repository
from reconciler.proposals.dashboard import Entry, Overview, Refusals, dashboard, dated, topic_of
from reconciler.proposals.gates import Held
from reconciler.proposals.history import History, events_of
from reconciler.proposals.memo import find
from reconciler.proposals.pushed import Push, read_push
from reconciler.proposals.wishes import Wish, ticked
from reconciler.proposing import Settled

_EXAMPLES: Final = 3
_ASK: Final = {Reason.QUEUED: Wish.OPEN, Reason.NOT_SCHEDULED: Wish.OPEN}


def read_page(forge: Forge | None, topic: str, repository: str) -> tuple[Page | None, tuple[Note, ...]]:
    """The page as people left it. Without an answer nobody's box is obeyed, which is said."""
    if forge is None or not forge.capabilities.pages:
        return None, ()
    try:
        return forge.page(topic), ()
    except Problem as problem:
        words = f"the dashboard could not be read, so no box on it is obeyed: {problem.failure.error}"
        return None, (Note("dashboard", words, repository),)


_ADVICE: Final = {
    Whose.YOURS: " It is an issue: where the repository has none, set `proposals.dashboard` to false."
}


def keep_current(
    repository: Repository, forge: Forge, one: Settled, actions: Sequence[Action]
) -> list[Failure]:
    """The page says what there is now; a failure to write it is a row, and costs nothing else."""
    if not repository.dashboard or not forge.capabilities.pages:
        return []
    try:
        _write(repository, forge, one, actions)
    except Problem as problem:
        found = problem.failure
        advice = _ADVICE.get(found.whose, "")
        words = f"the dashboard could not be written: {found.error.rstrip('.')}.{advice}"
        return [Failure("dashboard", found.whose, words, repository.name, found.path)]
    return []


def _write(repository: Repository, forge: Forge, one: Settled, actions: Sequence[Action]) -> None:
    news = repository.news()
    topic = topic_of(repository.base, repository.default_base)
    there = forge.page(topic)
    asked = _ticked(there) | _ticked(one.site.past.page)
    text = dashboard(_overview(one, news, actions), forge.capabilities.body_limit, asked)
    if there is None or (there.title, there.body.splitlines()) != (repository.dashboard, text.splitlines()):
        forge.write_page(Page(topic, repository.dashboard, text))


def _ticked(page: Page | None) -> frozenset[tuple[Wish, str]]:
    return ticked(page.body) if page is not None else frozenset()


def _overview(one: Settled, news: News, actions: Sequence[Action]) -> Overview:
    pushes = _pushes(news.ledger)
    events = (*news.ledger, *events_of(news.requests, news.ledger))
    waiting: dict[Reason, list[Entry]] = defaultdict(list)
    for held in sorted(one.held, key=lambda each: (each.place, each.proposal.key)):
        waiting[held.reason].append(_held(held))
    approvals = waiting.pop(Reason.NEEDS_APPROVAL, [])
    going = [request for request in news.requests if request.state == "open"]
    return Overview(
        open=tuple(_open(request, actions) for request in sorted(going, key=lambda each: each.number)),
        approvals=tuple(approvals),
        waiting=tuple((reason, tuple(entries)) for reason, entries in sorted(waiting.items())),
        rejected=tuple(_rejected(one.site.history, events)),
        refused=tuple(_refused(one)),
        saved=_saved(_of_merged(events, pushes)),
        offered=_saved(_of_open(going, pushes)),
    )


def _held(held: Held) -> Entry:
    proposal = held.proposal
    ask = Wish.APPROVE if held.reason is Reason.NEEDS_APPROVAL else _ASK.get(held.reason)
    _, _, why = held.detail.partition("; ")
    return Entry(proposal.key, proposal.title, note=why if ask is not Wish.APPROVE else "", ask=ask)


def _open(request: MergeRequest, actions: Sequence[Action]) -> Entry:
    """One that waits for people who wrote to its branch may be taken back from them."""
    memo = find(request.body)
    theirs = any(action.do is Do.WAIT and action.branch == request.branch for action in actions)
    ask = Wish.REBASE if theirs and memo is not None else None
    return Entry(memo.key if memo else request.branch, request.title, request.url, request.number, ask=ask)


def _rejected(history: History, events: Iterable[LedgerEntry]) -> Iterable[Entry]:
    """The requests to which a "no" still holds, the latest first."""
    holding = {rejection.url for rejection in history.rejected.values()}
    latest: dict[str, LedgerEntry] = {}
    for entry in sorted(events, key=lambda each: each.at):
        if entry.event == "rejected" and entry.facts.get("url") in holding:
            latest[entry.key] = entry
    for key, entry in sorted(latest.items(), key=lambda pair: (-pair[1].at, pair[0])):
        by = str(entry.facts.get("by", ""))
        note = f"{dated(entry.at)}{f' by {by}' if by else ''}"
        url, number = str(entry.facts.get("url", "")), entry.facts.get("number")
        title = str(entry.facts.get("title", ""))
        yield Entry(key, title, url, number if isinstance(number, int) else 0, note, Wish.FORGET)


def _refused(one: Settled) -> Iterable[Refusals]:
    """By reason; what waits has a section of its own."""
    waiting = {(value.slot, each.reason) for each in one.held for change in each.proposal.changes
               for value in change.values}  # fmt: skip
    told: dict[Reason, list[str]] = defaultdict(list)
    for keep in one.kept:
        if (keep.slot, keep.reason) not in waiting:
            told[keep.reason].append(_whose(keep))
    for reason, names in told.items():
        yield Refusals(reason, len(names), tuple(sorted(set(names))[:_EXAMPLES]))


def _whose(keep: Keep) -> str:
    ref = keep.ref or min(keep.slot.consumers, default=None)
    return f"{ref or keep.slot.place.path} {keep.slot.field.value}"


# -- money ------------------------------------------------------------------------------------------


def _pushes(ledger: Iterable[LedgerEntry]) -> dict[tuple[str, str], Push]:
    """By key and plan: what a request holds is worth what it was when it was pushed."""
    found = {}
    for entry in ledger:
        push = read_push(entry.facts) if entry.event == "pushed" else None
        if push is not None:
            found[entry.key, push.plan] = push
    return found


def _of_merged(events: Iterable[LedgerEntry], pushes: dict[tuple[str, str], Push]) -> Iterable[Push]:
    """Each request once, whoever told of its merge."""
    seen: set[object] = set()
    for entry in events:
        memo = entry.facts.get("memo")
        if entry.event == "merged" and isinstance(memo, dict) and entry.facts.get("number") not in seen:
            seen.add(entry.facts.get("number"))
            push = pushes.get((entry.key, str(memo.get("plan", ""))))
            if push is not None:
                yield push


def _of_open(requests: Iterable[MergeRequest], pushes: dict[tuple[str, str], Push]) -> Iterable[Push]:
    for request in requests:
        memo = find(request.body)
        push = pushes.get((memo.key, memo.plan)) if memo else None
        if push is not None:
            yield push


def _saved(pushes: Iterable[Push]) -> tuple[Amount, ...]:
    moved = money.sums(told.monthly for push in pushes for told in push.changes if told.monthly is not None)
    return tuple(Amount(-one.millionths, one.currency) for one in moved)

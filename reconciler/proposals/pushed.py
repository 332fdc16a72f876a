"""What the ledger is told of a push: which decisions made the commit, from what, with what.

It is enough to tell the history of a value, and to make the commit anew, when nothing is left of the
merge request but a squash with another title.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from reconciler import __version__, canonical
from reconciler.model import Amount, Change, ChangeClass, LedgerEntry, MergeRequest, Proposal
from reconciler.proposals.group import fingerprint
from reconciler.proposals.memo import Memo, MemoValue, find, hide, memo_of


class Told(NamedTuple):
    """One change of a push."""

    evidence: str  # its hash
    field: str  # of the value that was decided; what else it sets goes along
    klass: str
    because: str
    monthly: Amount | None  # what it moves a month, below zero it saves; None where no price is known
    values: tuple[MemoValue, ...]


class Push(NamedTuple):
    """A commit that was pushed on a branch of ours."""

    branch: str
    base: str  # branch
    base_commit: str
    head: str
    plan: str
    title: str
    version: str  # of this program
    renderers: tuple[str, ...]  # that proved it; () where nothing had to be rendered
    changes: tuple[Told, ...]


def pushed(proposal: Proposal, head: str) -> dict[str, object]:
    """The facts of the ledger's entry."""
    push = Push(
        proposal.branch,
        proposal.base,
        proposal.base_commit,
        head,
        proposal.plan,
        proposal.title,
        __version__,
        renderers(proposal.changes),
        tuple(_told(change) for change in proposal.changes),
    )
    found: dict[str, object] = canonical.plain(push)
    return found


def renderers(changes: Iterable[Change]) -> tuple[str, ...]:
    return tuple(sorted({proof.renderer for change in changes for proof in change.proofs}))


def _told(change: Change) -> Told:
    return Told(
        fingerprint(change.evidence),
        change.values[0].slot.field.value,
        change.klass.value,
        change.because,
        change.worth.monthly if change.worth else None,
        memo_of("", "", [change]).values,
    )


def read_push(facts: Mapping[str, object]) -> Push | None:
    """A push as it was told; None where it is none that can be read."""
    try:
        push = canonical.load(Push, {name: facts[name] for name in Push._fields})
        for told in push.changes:
            ChangeClass(told.klass)
    except (KeyError, ValueError, RecursionError):  # written by hand, or by another version
        return None
    return push


def whole(memo: Memo, ledger: Iterable[LedgerEntry]) -> Memo | None:
    """The memo with its values, if need be from the ledger; None where that doesn't know them (yet)."""
    if not memo.elsewhere:
        return memo
    for entry in ledger:
        if entry.event == "pushed" and entry.key == memo.key and entry.facts.get("plan") == memo.plan:
            push = read_push(entry.facts)
            if push is not None:
                values = tuple(value for told in push.changes for value in told.values)
                evidence = tuple(sorted({told.evidence for told in push.changes}))
                return memo._replace(values=values, evidence=evidence, elsewhere=False)
    return None


def restored(request: MergeRequest, ledger: Sequence[LedgerEntry]) -> MergeRequest:
    """The request with all that it remembers in its body, where that had no room for it."""
    memo = find(request.body)
    full = whole(memo, ledger) if memo is not None else None
    if memo is None or full is None or full == memo:
        return request
    return request._replace(body=f"{request.body}\n\n{hide(full)}")


def remembering(request: MergeRequest, proposal: Proposal) -> MergeRequest:
    """The same of a request that this run has just written: it knows itself what the ledger is told."""
    memo = find(request.body)
    if memo is None or not memo.elsewhere or memo.plan != proposal.plan:
        return request
    full = memo_of(memo.key, memo.plan, proposal.changes, memo.title)
    return request._replace(body=f"{request.body}\n\n{hide(full)}")

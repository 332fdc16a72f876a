"""What to do with each merge request: a table of situations, as pure functions.

request   branch                      proposal    do
-------   --------------------------  ----------  ------------------------------------------
none      none                        yes         push, open
none      ours, same plan             yes         open (an earlier run was cut off in between)
none      ours, other plan            yes         push over it, open
none      touched by a person         yes         wait
open      ours, same plan, merges     yes         leave; merge where the policy says so
open      ours, near enough, merges   yes         leave: a few percent are not worth a new review
open      ours, conflicts or differs  yes         push over it, update
open      same plan, older body       yes         update (an earlier run was cut off in between)
open      gone                        yes         push, update
open      not all of it was judged    yes         leave: a part that isn't known is not withdrawn
open      touched by a person         any         wait: hands off
open      ours                        settled     close
open      ours                        unknown     leave: not knowing is no reason to close
none      ours, nobody's              settled     delete the branch (cut off while closing)
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from reconciler.model import Do, Field, MergeRequest, Mode, Proposal
from reconciler.proposals.memo import find, memo_of
from reconciler.quantity import BadQuantity, read

CLOSED_BY_US = " - autoclosed"
NEAR_PERCENT = 10


class Branch(NamedTuple):
    """The remote branch of a key, as it is now."""

    tip: str
    plan: str  # of its trailer
    untouched: bool  # nobody but us has written to it
    recorded: bool  # the ledger or a merge request says that we pushed it: only then it may be removed
    conflicts: bool  # can't be merged into the base any more
    fresh: bool = False  # built on the base as it is now
    by: tuple[str, ...] = ()  # who wrote what is not ours, newest first


class Observed(NamedTuple):
    request: MergeRequest | None  # the open one
    branch: Branch | None


class Step(NamedTuple):
    """What to do for one key. `push` moves the branch first, expecting `expected` there."""

    do: Do
    why: str
    push: bool = False
    expected: str = ""
    merge: bool = False
    drop: bool = False  # remove the branch, which is at `expected`


def decide(proposal: Proposal, seen: Observed, unsettled: str = "") -> Step:
    """The row of the table above for a key that has a proposal.

    `unsettled` is why some of what the open request proposes could not be judged in this run.
    """
    branch, request = seen.branch, seen.request
    if branch is not None and not branch.untouched:
        return Step(Do.WAIT, "the branch has commits that are not the bot's; it is left to their author")
    if request is not None and unsettled:
        return Step(Do.LEAVE, unsettled, expected=branch.tip if branch else "")
    merge = proposal.mode is Mode.MERGE and not proposal.merge_waits
    current = branch is not None and branch.plan == proposal.plan and not branch.conflicts
    expected = branch.tip if branch else ""
    if request is None:
        why = "the branch was there already" if current else "new"
        return Step(Do.OPEN, why, push=not current, expected=expected, merge=merge)
    if branch is not None and not branch.conflicts and not current and _near(request, branch, proposal):
        return Step(Do.LEAVE, f"the numbers moved by less than {NEAR_PERCENT} %", expected=expected)
    if not current:
        return Step(Do.UPDATE, _why_pushed(branch, proposal), push=True, expected=expected, merge=merge)
    told = find(request.body)
    if told is None or told.plan != proposal.plan or closed_by_us(request):
        return Step(Do.UPDATE, "its text was behind its branch", expected=expected, merge=merge)
    if merge:
        return Step(Do.MERGE, "the policy merges it", expected=expected, merge=True)
    waits = f"; not merged yet: {proposal.merge_waits}" if proposal.merge_waits else ""
    return Step(Do.LEAVE, f"it says what would be proposed now{waits}", expected=expected)


def retire(seen: Observed, unsettled: str) -> Step | None:
    """The row for a key without a proposal; None where there is nothing to say.

    `unsettled` is why nobody can say that it is no longer needed; "" when it is not.
    """
    branch, request = seen.branch, seen.request
    if branch is not None and not branch.untouched:
        if request is None:
            return None
        return Step(Do.WAIT, "no longer needed, but the branch has commits that are not the bot's")
    expected = branch.tip if branch else ""
    if unsettled:
        return Step(Do.LEAVE, unsettled) if request else None
    if request is None and (branch is None or not branch.recorded):
        return None
    if request is None:
        return Step(
            Do.LEAVE, "its merge request has ended; the branch is removed", expected=expected, drop=True
        )
    return Step(Do.CLOSE, "no longer needed", expected=expected, drop=branch is not None and branch.recorded)


def closed_by_us(request: MergeRequest) -> bool:
    """Whether the bot closed it: the title says so, written in the same call that closed it."""
    return request.title.endswith(CLOSED_BY_US)


def newest_open(requests: Iterable[MergeRequest], branch: str) -> MergeRequest | None:
    found = [request for request in requests if request.branch == branch and request.state == "open"]
    return max(found, key=lambda request: request.number, default=None)


def _near(request: MergeRequest, branch: Branch, proposal: Proposal) -> bool:
    """Whether the request proposes, for the same values, nearly what would be proposed now."""
    told = find(request.body)
    if told is None or told.plan != branch.plan or closed_by_us(request):
        return False
    wanted = memo_of(proposal.key, proposal.plan, proposal.changes).values
    if [value._replace(new="") for value in told.values] != [value._replace(new="") for value in wanted]:
        return False
    return all(_within(old.field, old.new, new.new) for old, new in zip(told.values, wanted, strict=True))


def _within(field: str, one: str, other: str) -> bool:
    if Field(field) is Field.IMAGE:
        return one == other
    try:
        proposed, now = read(Field(field), one), read(Field(field), other)
    except BadQuantity:
        return False
    return abs(now - proposed) * 100 <= NEAR_PERCENT * proposed


def _why_pushed(branch: Branch | None, proposal: Proposal) -> str:
    if branch is None:
        return "its branch was gone"
    if branch.plan != proposal.plan:
        return "the numbers have changed"
    return "it no longer merged into its base"

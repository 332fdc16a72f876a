"""What to do with each merge request: a table of situations, as pure functions.

With a proposal:

request    branch                        and                         row            do
---------  ----------------------------  --------------------------  -------------  ----------------------
none       none                                                      new            push, open
none       ours, same plan                                           unopened       open
none       ours, other plan                                          overtaken      push over it, open
none       touched by a person                                       theirs         wait
closed     ours                          by us, within a week        needed-again   reopen, push, update
open       ours, same plan, merges                                   same           leave
open       ours, near enough, merges                                 near           leave
open       ours, differs                                             newer          push over it, update
open       ours, conflicts                                           conflict       push over it, update
open       gone                                                      gone           push, update
open       same plan, older body                                     text           update
open       ours                          not all of it was judged    unjudged       leave
open       ours, differs                 approved, not for safety    approved       leave, say so once
open       touched by a person                                       edited         wait, say so once
open       any                           somebody asks for a rebase  rebase         push over it, update
open       ours, same plan               the policy merges it        merge          merge
open       ours, same plan               reviews or checks say no    not-ready      leave
open       any                           the forge is merging it     merging        leave
open       any                           somebody froze it           frozen         leave
open       any                           points at another base      strayed        wait, say so once
open       ours                          nobody tells how it stands  unseen         wait

Without one:

open       ours                                                      obsolete       close
open       ours                          others hold its values      superseded     close, name them
open       touched by a person                                       abandoned      say so once
open       any                           nobody knows                unknown        leave
open       ours                          reopened by a person        wanted         leave
none       ours, nobody's                                            leftover       delete the branch
"""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.model import ChangeClass, Do, Field, MergeRequest, Mode, Proposal
from reconciler.proposals.markdown import prose
from reconciler.proposals.memo import find, memo_of
from reconciler.proposals.situation import (
    ABANDONED,
    Branch,
    Look,
    Observed,
    Remark,
    Row,
    Step,
    closed_by_us,
)
from reconciler.proposals.wishes import Wish, label_of, ticked
from reconciler.quantity import BadQuantity, read

NEAR_PERCENT = 10


def decide(proposal: Proposal, seen: Observed, unsettled: str = "") -> Step:
    """The row of the first table for a key that has a proposal.

    `unsettled` is why some of what the open request proposes could not be judged in this run.
    """
    step = _unless_frozen(seen, _decide(proposal, seen, unsettled))
    ended = max(_last(seen, "closed"), _last(seen, "rejected"))
    if seen.request is not None and ended > _last(seen, "reopened"):
        # by a person, or by us in a run that was cut off before the ledger was written
        return step._replace(reopened=Remark("reopened", str(ended)))
    return step


def retire(seen: Observed, unsettled: str, instead: Sequence[str] = ()) -> Step | None:
    """The row of the second table for a key without a proposal; None where there is nothing to say.

    `unsettled` is why nobody can say that it is no longer needed; "" when it is not. `instead` are
    keys whose proposals hold its values.
    """
    step = _retire(seen, unsettled, tuple(instead))
    return _unless_frozen(seen, step) if step else None


def _unless_frozen(seen: Observed, step: Step) -> Step:
    """A freeze holds everything back but what somebody asks for; told only where there is something."""
    if Wish.FREEZE not in seen.wishes or not step.writes or step.row in (Row.REBASE, Row.LEFTOVER):
        return step
    head = seen.request.head if seen.request else ""
    remark = _once(seen, Remark("frozen", f"asked {head}")) if seen.request else None
    why = f"somebody froze it; otherwise: {step.why}"
    return Step(Do.LEAVE if seen.request else Do.WAIT, why, Row.FROZEN, remark=remark)


def _decide(proposal: Proposal, seen: Observed, unsettled: str) -> Step:
    branch, request = seen.branch, seen.request
    if seen.strayed is not None:
        return _strayed(seen, seen.strayed)
    asked = Wish.REBASE in seen.wishes and branch is not None
    touched = branch is not None and not branch.untouched
    if touched and not asked:
        return _edited(seen)
    tip = branch.tip if branch else ""
    if request is not None and unsettled:
        return Step(Do.LEAVE, unsettled, Row.UNJUDGED, expected=tip)
    if asked and branch is not None and (touched or not branch.fresh or _is_asked_on(request, proposal.key)):
        return _rebased(proposal, seen, branch)
    current = branch is not None and branch.plan == proposal.plan and not branch.conflicts
    if request is None:
        return _opened(proposal, seen, current)
    if branch is not None and not branch.conflicts and not current and _near(request, branch, proposal):
        return Step(Do.LEAVE, f"the numbers moved by less than {NEAR_PERCENT} %", Row.NEAR, expected=tip)
    if not current:
        return _pushed(proposal, seen, request)
    merge = _may_merge(proposal)
    told = find(request.body)
    if told is None or told.plan != proposal.plan or closed_by_us(request):
        ready = merge and not _unready(request, seen.look)
        return Step(Do.UPDATE, "its text was behind its branch", Row.TEXT, expected=tip, merge=ready)
    if merge:
        return _merged(request, seen.look, tip)
    waits = f"; not merged yet: {proposal.merge_waits}" if proposal.merge_waits else ""
    return Step(Do.LEAVE, f"it says what would be proposed now{waits}", Row.SAME, expected=tip)


def _opened(proposal: Proposal, seen: Observed, current: bool) -> Step:
    """No request is open."""
    branch, merge = seen.branch, _may_merge(proposal)
    expected = branch.tip if branch else ""
    if seen.ended is not None and branch is not None:
        remark = Remark("reopened", str(seen.ended.ended_at))
        return Step(
            Do.REOPEN, "needed again", Row.NEEDED_AGAIN, push=not current, expected=expected, reopened=remark
        )  # not merged by this run: what reviewers said of it is asked of those alone that are open
    if current:
        why = "the branch was there already"
        return Step(Do.OPEN, why, Row.UNOPENED, expected=expected, merge=merge)
    row = Row.NEW if branch is None else Row.OVERTAKEN
    return Step(Do.OPEN, "new", row, push=True, expected=expected, merge=merge)


def _pushed(proposal: Proposal, seen: Observed, request: MergeRequest) -> Step:
    """What is on the branch is not what would be proposed, or can't be merged."""
    branch, look = seen.branch, seen.look or Look()
    expected = branch.tip if branch else ""
    if look.merging:
        return Step(Do.LEAVE, "the forge is merging it", Row.MERGING, expected=expected)
    stands = branch is not None and not branch.conflicts
    if look.approved_by and stands and proposal.klass is not ChangeClass.SAFETY:
        text = (
            "Newer numbers are available. They are not pushed, because that would undo the approval: "
            "merge this one as it is, or ask for them by ticking *rebase* above or with the label "
            f"`{label_of(Wish.REBASE)}`."
        )
        remark = _once(seen, Remark("frozen", request.head, text))
        return Step(
            Do.LEAVE, f"approved by {', '.join(look.approved_by)}; newer numbers wait", Row.APPROVED,
            expected=expected, remark=remark,
        )  # fmt: skip
    row, why = _why_pushed(branch)
    merge = _may_merge(proposal) and not _unready(request, seen.look, checks=False)
    return Step(Do.UPDATE, why, row, push=True, expected=expected, merge=merge)


def _rebased(proposal: Proposal, seen: Observed, branch: Branch) -> Step:
    """Somebody asks for the branch to be built anew, whatever is on it."""
    if seen.look is not None and seen.look.merging:
        return Step(Do.LEAVE, "the forge is merging it", Row.MERGING, expected=branch.tip)
    current = branch.untouched and branch.fresh and branch.plan == proposal.plan
    why = "somebody asked for a rebase"
    if not branch.untouched:
        why += "; what was on the branch is kept"
    return Step(
        Do.UPDATE if seen.request else Do.OPEN, why, Row.REBASE, push=not current, expected=branch.tip,
        backup=not branch.untouched, remark=None if current else Remark("rebased", branch.tip),
    )  # fmt: skip


def _edited(seen: Observed) -> Step:
    """The branch has commits of others: hands off, and how to give it back."""
    request, branch = seen.request, seen.branch
    why = "the branch has commits that are not the bot's; it is left to their author"
    if request is None:
        return Step(Do.WAIT, why, Row.THEIRS)
    times = sum(noted.event == "rebased" for noted in seen.noted)
    whose = f" by {', '.join(map(prose, branch.by[:5]))}" if branch and branch.by else ""
    text = (
        f"This branch has commits{whose}, so it is left alone from now on: nothing is pushed to it, and "
        "it is not merged by the bot. To hand it back, tick *rebase* above or set the label "
        f"`{label_of(Wish.REBASE)}`: it is then built anew, and what is on it now is kept as a branch "
        "beside it."
    )
    remark = _once(seen, Remark("edited", str(times), text))
    title = None
    if request.title.endswith(ABANDONED):
        title = request.title.removesuffix(ABANDONED)
        remark = remark or Remark("revived", str(_edits(seen)))
    return Step(Do.WAIT, why, Row.EDITED, title=title, remark=remark)


def _strayed(seen: Observed, request: MergeRequest) -> Step:
    why = f"somebody pointed it at {request.base}; it is left to them"
    text = (
        f"This one was pointed at another branch, {prose(request.base)}, so it is left alone from now on. "
        "To hand it back, point it at the branch that it was opened for."
    )
    return Step(Do.WAIT, why, Row.STRAYED, remark=_once(seen, Remark("strayed", request.base, text)))


def _merged(request: MergeRequest, look: Look | None, tip: str) -> Step:
    if look is not None and look.merging:
        return Step(Do.LEAVE, "the forge is merging it", Row.MERGING, expected=tip)
    unready = _unready(request, look)
    if unready:
        return Step(Do.LEAVE, f"not merged: {unready}", Row.NOT_READY, expected=tip)
    return Step(Do.MERGE, "the policy merges it", Row.MERGE, expected=tip, merge=True)


def _may_merge(proposal: Proposal) -> bool:
    return proposal.mode is Mode.MERGE and not proposal.merge_waits


def _unready(request: MergeRequest, look: Look | None, *, checks: bool = True) -> str:
    """Why the bot must not merge it, even if the forge would; `checks` of a commit that stays."""
    if request.draft:
        return "it is a draft"
    if look is None:
        return ""
    if look.changes_wanted_by:
        return f"{', '.join(look.changes_wanted_by)} asked for changes"
    if checks and look.checks == "failed":
        return "its checks have failed"
    if checks and look.checks == "pending" and not look.later:
        return "its checks have not ended"
    return ""


def _retire(seen: Observed, unsettled: str, instead: tuple[str, ...]) -> Step | None:
    branch, request = seen.branch, seen.request
    if seen.strayed is not None:
        return _strayed(seen, seen.strayed)
    touched = branch is not None and not branch.untouched
    if request is None:
        if touched or unsettled or branch is None or not branch.recorded or seen.ended is not None:
            return None
        why = "its merge request has ended; the branch is removed"
        return Step(Do.LEAVE, why, Row.LEFTOVER, expected=branch.tip, drop=True)
    if unsettled:
        return Step(Do.LEAVE, unsettled, Row.UNKNOWN)
    if touched and Wish.REBASE not in seen.wishes:
        return _abandoned(seen, request, instead)
    if _is_wanted(seen, request):
        return Step(Do.LEAVE, "somebody reopened it, though nothing would be proposed now", Row.WANTED)
    if instead:
        why = f"its values are in another merge request now: {', '.join(instead)}"
        return Step(Do.CLOSE, why, Row.SUPERSEDED, instead=instead)
    return Step(Do.CLOSE, "no longer needed", Row.OBSOLETE)


def _abandoned(seen: Observed, request: MergeRequest, instead: tuple[str, ...]) -> Step:
    why = "no longer needed, but the branch has commits that are not the bot's"
    if instead:
        why += f"; its values are in another merge request now: {', '.join(instead)}"
    text = (
        "This one is no longer needed: nothing would be proposed here now. Because the branch has commits "
        "that are not the bot's, it stays open: merge or close it as you like."
    )
    remark = _once(seen, Remark("abandoned", str(_edits(seen)), text))
    title = request.title.removesuffix(ABANDONED) + ABANDONED if remark else None
    return Step(Do.WAIT, why, Row.ABANDONED, title=title, remark=remark)


def _edits(seen: Observed) -> int:
    """Tells one time that it was abandoned from the next."""
    return sum(noted.event in ("edited", "revived") for noted in seen.noted)


def _is_wanted(seen: Observed, request: MergeRequest) -> bool:
    """Whether a person has reopened what we had closed. One that was only about to be closed isn't."""
    closed = _last(seen, "closed")
    return closed_by_us(request) and closed > _last(seen, "reopened")


def _last(seen: Observed, event: str) -> int:
    return max((noted.at for noted in seen.noted if noted.event == event), default=-1)


def _once(seen: Observed, remark: Remark) -> Remark | None:
    known = any((noted.event, noted.mark) == (remark.event, remark.mark) for noted in seen.noted)
    return None if known else remark


def _is_asked_on(request: MergeRequest | None, key: str) -> bool:
    """Whether the request itself still shows that somebody asks for a rebase."""
    if request is None:
        return False
    return label_of(Wish.REBASE) in request.labels or (Wish.REBASE, key) in ticked(request.body)


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


def _why_pushed(branch: Branch | None) -> tuple[Row, str]:
    if branch is None:
        return Row.GONE, "its branch was gone"
    if branch.conflicts:
        return Row.CONFLICT, "it no longer merged into its base"
    return Row.NEWER, "the numbers have changed"

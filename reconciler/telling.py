"""What the forge is told of one merge request, so that any call may be the last one before a crash."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from reconciler.errors import Problem
from reconciler.forges.port import Comment, Draft, Forge, Merging, NotMerged, TooMany, Wording
from reconciler.model import MergeRequest, Proposal, Whose
from reconciler.proposals.markdown import one_line
from reconciler.proposals.memo import find
from reconciler.proposals.situation import CLOSED_BY_US, Row, Step, without_marks
from reconciler.proposals.wishes import Wish, carried, label_of, ticked


class Told(NamedTuple):
    """What the request is now, what its forge would not do, and the limit that ended it."""

    request: MergeRequest | None
    more: str = ""
    limit: TooMany | None = None


def opened(forge: Forge, proposal: Proposal) -> MergeRequest:
    """A new one; or the one that is there, because an answer was lost, or somebody was faster."""
    request = forge.open(
        Draft(
            proposal.branch, proposal.base, proposal.title, proposal.body, proposal.labels, proposal.reviewers
        )
    )
    author = one_line(request.author, 80)
    if author not in ("", forge.whoami()):  # in a public repository anybody may open one
        words = (
            f"!{request.number} of the branch {proposal.branch} was opened by {author}, "
            "not by the bot, so it is left alone: once it is closed, the next run opens its own."
        )
        raise Problem(proposal.key, words, whose=Whose.YOURS, repository=proposal.repository)
    told = find(request.body)
    if told is not None and told.plan == proposal.plan:
        return request
    return forge.update(request.number, Wording(title=_title(request, proposal), body=proposal.body))


def reopened(forge: Forge, ended: MergeRequest) -> MergeRequest:
    return forge.reopen(ended.number)


def updated(forge: Forge, request: MergeRequest, proposal: Proposal, step: Step) -> MergeRequest:
    """Its text, as it would be now. What somebody asked for is done, and asked for no longer; what they
    asked for since this run has read it stays asked."""
    label = label_of(Wish.REBASE)
    obeyed = (step.push or step.row is Row.REBASE) and label in request.labels
    now = forge.update(request.number, Wording())
    since = {wish for wish, key in ticked(now.body) - ticked(request.body) if key == proposal.key}
    kept = since | ({Wish.FREEZE} if (Wish.FREEZE, proposal.key) in ticked(now.body) else set())
    return forge.update(
        request.number,
        Wording(
            title=_title(now, proposal),
            body=carried(proposal.body, sorted(kept), proposal.key),
            remove_labels=(label,) if obeyed else (),
        ),
    )


def close(forge: Forge, request: MergeRequest, heirs: Sequence[MergeRequest]) -> Told:
    """Closed by us, which its title tells before it is: so a crash in between is no person's "no"."""
    title = without_marks(request.title)
    found = forge.update(request.number, Wording(title=title + CLOSED_BY_US))
    if found.state != "open":  # somebody ended it meanwhile: that is theirs, and its title shows it
        return Told(forge.update(request.number, Wording(title=request.title)), "; somebody was faster")
    comment = None
    if heirs and forge.capabilities.comments:
        shown = "\n".join(f"- {one_line(each.url, 1_000)}" for each in heirs)
        comment = Comment("superseded", f"What this one proposed is in another merge request now:\n\n{shown}")
    return Told(forge.close(request.number, comment))


def remarked(forge: Forge, request: MergeRequest, step: Step) -> MergeRequest:
    """Something said once, under its topic; a forge without comments keeps the title alone."""
    remark = step.remark
    said = remark is not None and remark.text and forge.capabilities.comments
    comment = Comment(remark.event, remark.text) if remark is not None and said else None
    if comment is None and step.title is None:
        return request
    return forge.update(request.number, Wording(title=step.title, comment=comment))


def merge(forge: Forge, request: MergeRequest, tip: str) -> Told:
    """Merged is `tip` alone, which this run has pushed or found untouched; never what came since."""
    if request.state != "open":
        return Told(request, "; not merged: somebody has ended it")
    try:
        merged = forge.merge(request.number, tip, later=forge.capabilities.merges_later)
    except TooMany as limit:
        return Told(request, f"; not merged yet: {limit}", limit)
    if isinstance(merged, NotMerged):
        return Told(request, f"; not merged: {merged.detail}")
    if isinstance(merged, Merging):
        return Told(merged.request, f"; {merged.detail}")
    return Told(merged, "; merged")


def _title(request: MergeRequest, proposal: Proposal) -> str | None:
    """The new title, unless a person has given it one of their own (`WIP: ...`)."""
    told = find(request.body)
    ours = without_marks(request.title)
    if told is None or not told.title or ours == told.title:
        return proposal.title
    return ours if ours != request.title else None

"""What happens next, and what a reader can do about it."""

from __future__ import annotations

from typing import Final

from reconciler.model import ChangeClass, Mode
from reconciler.proposals.body_fit import ALWAYS, Section
from reconciler.proposals.group import Group
from reconciler.proposals.images import BESIDE, apart
from reconciler.proposals.markdown import code
from reconciler.proposals.surface import Surface
from reconciler.proposals.wishes import Wish, box

_MERGED_BY: Final = {
    Mode.PROPOSE: "You decide: the bot does not merge this one.",
    Mode.MERGE: "The policy lets the bot merge this one, as soon as the forge allows it.",
    Mode.OBSERVE: "",
}
_WATCHED: Final = (
    "The bot goes on measuring: a kill, throttling or a peak above the request brings a merge request that "
    "raises it again, and nothing is lowered further before the cool-down has passed."
)
_IMAGES: Final = "A tag that somebody takes back in Git is not proposed again until something newer is there."
_UNDO: Final = "To undo it, revert the merge: nothing else was touched."


def next_steps(group: Group, weight: int) -> Section:
    resized, new = apart(group.changes)
    told = [
        f"{_MERGED_BY[group.mode]} Once it is merged, the next sync applies it, and the pods are replaced.",
        _WATCHED if resized else "",
        _IMAGES if new else "",
        _UNDO,
    ]
    lines = "\n".join(f"- {words}" for words in told if words)
    return Section("what happens next", weight, f"**What happens next**\n\n{lines}")


def controls(group: Group, base: str, surface: Surface) -> Section:
    """They stand in every body, however short."""
    rebase = f"build it anew on {code(base)} (commits of others are kept as `reconcile-backup/…`)"
    freeze = "leave it exactly as it is"
    no = (
        "these tags and older ones stay away until something newer is there"
        if group.klass is ChangeClass.IMAGE
        else "it stays closed until the numbers have moved by more than 10 % from these"
        + (BESIDE if apart(group.changes)[1] else "")
    )
    words = (
        f"Close this merge request to say no: {no}; with the label `reconcile:reject-until/YYYY-MM-DD`, "
        "until that day has passed. Push a commit to its branch, and the bot leaves the branch to you."
    )
    if not surface.boxes:
        labels = f"The label `reconcile:rebase` asks to {rebase}, `reconcile:freeze` to {freeze}."
        return Section("controls", ALWAYS, f"{words} {labels}")
    boxes = [
        f"{box(Wish.REBASE, group.key)} **Rebase**: {rebase}",
        f"{box(Wish.FREEZE, group.key)} **Freeze**: {freeze}, for as long as this is ticked",
        f"{box(Wish.FORGET, group.key)} **Once it is closed**: take the no back, and propose it again",
    ]
    return Section("controls", ALWAYS, f"{words}\n\n" + "\n".join(boxes))

"""What the decisions on images come to once they are seen together: pure.

A line that feeds several containers is changed for all of them or for none, and images that a policy
lets move only together come to one tag in one change, or stay. Both also count whoever this run leaves
out: their rows are decided, too, and never written.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from typing import Final, NamedTuple

from reconciler.images.decide import decide_image
from reconciler.images.reference import BadReferenceError, image
from reconciler.model import Beside, Change, ContainerRef, Decision, Keep, Place, Reason, Slot

# Of one that shares a line: it needs no change itself.
_STANDS: Final = (Reason.UP_TO_DATE, Reason.SAME_CONTENT)


class Row(NamedTuple):
    """The decision on one image of one container."""

    ref: ContainerRef
    slot: Slot
    decision: Decision
    together: str | None = None  # the name of the set that it moves with
    left_out: bool = False  # nobody asked this run about it: it only has a say

    def keep(self, reason: Reason, words: str) -> Row:
        return self._replace(decision=Keep(self.slot, reason, words, self.decision.stages))


def agreed(rows: Sequence[Row], known: Collection[ContainerRef]) -> list[Row]:
    """What all on one line can live with: anybody's "no" is one for all. `known` are all of whom a run
    knows what policies say."""
    changes = {row.decision.values[0].new for row in rows if isinstance(row.decision, Change)}
    if not changes:
        return list(rows)
    unseen = sorted({ref for row in rows for ref in row.slot.consumers if ref not in known})
    refused = next((row for row in rows if _refuses(row)), None)
    if unseen:
        words = f"the line also feeds {unseen[0]}, of which this run could learn nothing"
        return [row.keep(Reason.NOT_ANSWERED, words) for row in rows]
    if refused is not None and len(rows) > 1:
        assert isinstance(refused.decision, Keep)
        words = f"the line also feeds {refused.ref}, which is kept: {refused.decision.detail}"
        reason = refused.decision.reason
        return [row if isinstance(row.decision, Keep) else row.keep(reason, words) for row in rows]
    if len(changes) > 1:
        words = f"those that share the line would become different ones: {', '.join(sorted(changes))}"
        return [row if isinstance(row.decision, Keep) else row.keep(Reason.NO_CHOICE, words) for row in rows]
    return list(rows)


def _refuses(row: Row) -> bool:
    return isinstance(row.decision, Keep) and row.decision.reason not in _STANDS


def together(rows: Sequence[Row]) -> Iterator[Row]:
    """Sets move as one, or stay."""
    sets: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if row.together is None:
            yield row
        else:
            sets[row.together].append(row)
    for name, members in sorted(sets.items()):
        yield from _as_one(name, members)


def _as_one(name: str, members: Sequence[Row]) -> Iterator[Row]:
    changes = [row for row in members if isinstance(row.decision, Change)]
    yield from (row for row in members if isinstance(row.decision, Keep))
    if not changes:
        return
    why = _apart(members)
    if why:
        for row in changes:
            new = _new(row)
            yield row.keep(
                Reason.MOVES_TOGETHER, f"it moves only together with {name}, and {why}; it would become {new}"
            )
        return
    first = min(changes, key=lambda row: row.ref)
    found = {_place(row): row.decision for row in changes if isinstance(row.decision, Change)}
    lead = found.pop(_place(first))
    beside = tuple(
        Beside(found[place].values, lead.klass, found[place].because) for place in sorted(found, key=str)
    )
    yield first._replace(decision=decide_image(lead.evidence._replace(beside=beside)) if beside else lead)


def _place(row: Row) -> Place:
    return row.slot.place


def _apart(members: Sequence[Row]) -> str:
    """Why they can't all come to one tag; "" when they can."""
    changes = [row for row in members if isinstance(row.decision, Change)]
    tags = {tag_of(_new(row)) for row in changes}
    missing = sorted({row.ref for row in changes if row.left_out})
    if missing:
        return f"this run leaves out {_listed(missing)}"
    kept = (row for row in members if isinstance(row.decision, Keep))
    behind = sorted({row.ref for row in kept if tag_of(row.slot.value or "") not in tags})
    if behind:
        return f"{_listed(behind)} can't"
    return f"they would come to {', '.join(sorted(tags))}" if len(tags) > 1 else ""


def _listed(refs: Sequence[ContainerRef]) -> str:
    return ", ".join(map(str, refs))


def _new(row: Row) -> str:
    assert isinstance(row.decision, Change)
    return row.decision.values[0].new


def tag_of(text: str) -> str:
    try:
        return image(text).tag
    except BadReferenceError:
        return ""

"""Why not more: what else the same workloads have, and why it stays, in the words of a reviewer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from reconciler.model import Change, ContainerRef, Field, Keep, Reason
from reconciler.proposals.body_fit import Section
from reconciler.proposals.markdown import code, prose
from reconciler.proposals.surface import Surface

MOST_ROWS: Final = 20
# Of images nothing was asked for here, and of a value that nobody set nothing can be said.
_SILENT: Final = frozenset({Reason.OBSERVED, Reason.UNSET, Reason.UP_TO_DATE, Reason.NO_CHOICE})

# What a reviewer would ask, answered; every other reason stands for itself, such as "near enough".
_WORDS: Final[Mapping[Reason, str]] = {
    Reason.TOO_SMALL: "it would move too little to be worth a restart",
    Reason.COOL_DOWN: "it was changed only lately",
    Reason.ONLY_RAISED: "it is never lowered",
    Reason.LIMIT_BELOW: "its limit stands in the way",
    Reason.AT_FLOOR: "the policy allows no less",
    Reason.AT_CEILING: "the policy allows no more",
    Reason.THROTTLED: "it was held back, so nobody knows what it needs",
    Reason.OOM_KILLED: "it was killed for lack of memory",
    Reason.LEAKING: "its memory only ever grows",
    Reason.AT_LIMIT: "it runs at its limit, so its true need is unknown",
    Reason.THIN_EVIDENCE: "too little was measured so far",
    Reason.LOW_COVERAGE: "too many samples are missing",
    Reason.STALE_METRICS: "the last samples are too old",
    Reason.NO_METRICS: "nothing was measured",
    Reason.RESTARTS: "it restarts more often than before",
    Reason.SAFETY_FIRST: "what is too small is raised first",
    Reason.REJECTED: "somebody said no to it",
    Reason.SCALED_BY_HPA: "an autoscaler counts on it",
    Reason.SCALED_BY_VPA: "an autoscaler owns it",
    Reason.SCALED_BY_KEDA: "an autoscaler counts on it",
    Reason.OPTED_OUT: "it is opted out",
    Reason.HEAP_FLOOR: "the program's heap has a fixed size",
    Reason.PERCENTAGE_HEAP: "the program's heap takes a share of what it is given",
    Reason.INIT_CONTAINER: "it only runs at the start",
    Reason.UNPROVEN: "the change could not be proven",
}

Owner = tuple[str, ...]  # cluster, namespace, kind and name of a workload


def by_workload(kept: Iterable[Keep]) -> dict[Owner, list[Keep]]:
    """Everything that was kept, by whom it belongs to: asked for once a run."""
    found: dict[Owner, list[Keep]] = defaultdict(list)
    for keep in kept:
        ref = _whose(keep)
        if ref is not None:
            found[ref[:4]].append(keep)
    return found


def neighbours(changes: Iterable[Change], kept: Mapping[Owner, Sequence[Keep]]) -> list[Keep]:
    """What the workloads of these changes keep, each once."""
    whose = dict.fromkeys(
        ref[:4] for change in changes for value in change.values for ref in value.slot.consumers
    )
    return list(dict.fromkeys(keep for one in whose for keep in kept.get(one, ())))


def why_not_more(near: Sequence[Keep], surface: Surface, weight: int, *, images: bool = False) -> Section:
    wanted = [
        keep for keep in near if keep.reason not in _SILENT and (keep.slot.field is Field.IMAGE) is images
    ]
    rows = tuple(map(_row, wanted[:MOST_ROWS]))
    if not rows:
        return Section("why not more", weight, "")
    head = "<details><summary>Why not more</summary>\n" if surface.details else "**Why not more**\n"
    tail = "\n</details>" if surface.details else ""
    missing = len(wanted) - len(rows)
    return Section("why not more", weight, head, rows, tail, "- … and {n} more values that stay", missing)


def _row(keep: Keep) -> str:
    ref = _whose(keep)
    name = code(f"{ref.namespace}/{ref.workload}/{ref.container}" if ref else keep.slot.place.path)
    value = f" at {code(keep.slot.value)}" if keep.slot.value is not None else " unset"
    words = _WORDS.get(keep.reason)
    because = f"{words} ({prose(keep.detail)})" if words else prose(keep.detail)
    return f"- {name} {keep.slot.field} stays{value}: {because}"


def _whose(keep: Keep) -> ContainerRef | None:
    return keep.ref or min(keep.slot.consumers, default=None)

"""The values of a merge request, each with what it was measured against, and why it moves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from reconciler import money
from reconciler.model import Change, Field, Slot, Usage
from reconciler.proposals.body_chart import largest
from reconciler.proposals.body_fit import Section
from reconciler.proposals.confidence import Confidence, confidence, overall
from reconciler.proposals.group import first_consumer, others_on, whom
from reconciler.proposals.markdown import code, prose
from reconciler.proposals.surface import Surface, file_link
from reconciler.quantity import human_cpu, human_memory, read

MOST_ROWS: Final = 60
OPEN_ROWS: Final = 6  # longer lists are folded
_HEAD: Final = (
    "| container | value | now → proposed | p50 / p95 / max used | headroom | confidence |\n"
    "| --- | --- | --- | --- | --- | --- |"
)
_MORE: Final = "| … and {n} more, in the diff | | | | | |"


def table(changes: Sequence[Change], commit: str, surface: Surface, weight: int) -> Section:
    """The verdict has said the lowest confidence, and why; where it is that, it isn't said again."""
    rows: list[str] = []
    common = overall(changes)
    total = sum(len(change.values) for change in changes)
    for change in changes:
        if len(rows) >= MOST_ROWS:
            break
        rows += _rows(change, common, commit, surface)
    rows = rows[:MOST_ROWS]
    return Section("rows of the table", weight, _HEAD, tuple(rows), "", _MORE, total - len(rows))


def _rows(change: Change, common: Confidence | None, commit: str, surface: Surface) -> list[str]:
    used = largest(change.evidence.fed)
    sure = confidence(change)
    rows = []
    for slot, new in change.values:
        ref, others = whom(change, slot), others_on(slot)
        known = used if slot in change.evidence.slots and not slot.field.is_target else None
        shared = f" and {others} more" if others else ""
        cells = (
            code(f"{ref.namespace}/{ref.workload}/{ref.container}") + shared,
            _linked(slot, commit, surface),
            f"{code(slot.value or 'unset')}\u00a0→\u00a0**{code(new)}**",
            _figures(slot.field, known) if known else "–",
            _headroom(slot.field, new, known) if known else "–",
            sure.level.value if sure == common else f"{sure.level} ({sure.why})",
        )
        rows.append(f"| {' | '.join(cells)} |")
    return rows


def _linked(slot: Slot, commit: str, surface: Surface) -> str:
    address = file_link(surface, commit, slot.place.path, slot.line)
    return f"[{slot.field}]({address})" if address else slot.field.value


def _figures(field: Field, usage: Usage) -> str:
    sketch, words = (usage.cpu, human_cpu) if field.resource == "cpu" else (usage.memory, human_memory)
    return " / ".join(words(sketch.quantile(share)) for share in (500, 950, 1000))


def _headroom(field: Field, new: str, usage: Usage) -> str:
    """Of CPU, which waits when there is none, above p95; of memory, which kills, above the peak."""
    cpu = field.resource == "cpu"
    used = usage.cpu.quantile(950) if cpu else usage.memory.quantile(1000)
    if used <= 0:
        return "–"
    share = (read(field, new) - used) * 100 // used
    above = "p95" if cpu else "peak"
    return f"{share:,} % above {above}" if share >= 0 else f"{-share} % below {above}"


def why(changes: Sequence[Change], surface: Surface, weight: int) -> Section:
    """In one sentence each; of few at once, of many where somebody looks for it."""
    shown = changes[:MOST_ROWS]
    lines = tuple(f"- {_named(change)}: {_reason(change)}" for change in shown)
    folded = surface.details and len(changes) > OPEN_ROWS
    head, tail = ("<details><summary>Why each of them</summary>\n", "\n</details>") if folded else ("", "")
    more = "- … and {n} more, for reasons alike"
    return Section("the reasons", weight, head, lines, tail, more, len(changes) - len(shown))


def _named(change: Change) -> str:
    """As the table names it, with what of it the reason is about."""
    ref = first_consumer(change)
    fields = dict.fromkeys(value.slot.field.value for value in change.values)
    return f"{code(f'{ref.namespace}/{ref.workload}/{ref.container}')} {', '.join(fields)}"


def _reason(change: Change) -> str:
    told = prose(change.because)
    return f"{told}. {prose(money.sentence(change.worth))}" if change.worth else told

"""What new requests would have meant over the days that were measured, as a table for the reviewer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from reconciler.model import Change, Hindsight, Lived
from reconciler.proposals.body_fit import Section
from reconciler.proposals.group import first_consumer
from reconciler.proposals.markdown import code
from reconciler.proposals.surface import Surface

MOST_ROWS: Final = 60
OPEN_ROWS: Final = 6
_NAME: Final = "what it would have meant"
_HEAD: Final = (
    "| container | value | over it, now | over it, proposed | unused, now | unused, proposed |\n"
    "| --- | --- | ---: | ---: | ---: | ---: |"
)
_MORE: Final = "| … and {n} more | | | | | |"
_MINUTE: Final = 60


def hindsight(changes: Sequence[Change], surface: Surface, weight: int) -> Section:
    """Nothing where nothing was measured; folded where it is long."""
    told = [(change, change.hindsight) for change in changes if change.hindsight is not None]
    if not told:
        return Section(_NAME, weight, "")
    rows = tuple(_row(change, found) for change, found in told[:MOST_ROWS])
    title = _title([found for _, found in told])
    folded = surface.details and len(told) > OPEN_ROWS
    head = f"<details><summary>{title}</summary>" if folded else f"**{title}**"
    tail = "\n</details>" if folded else ""
    return Section(_NAME, weight, f"{head}\n\n{_HEAD}", rows, tail, _MORE, len(told) - len(rows))


def _title(found: Sequence[Hindsight]) -> str:
    days = {one.days if one.containers == 1 else 0 for one in found}
    length = days.pop() if len(days) == 1 else 0
    if not length:
        return "Had it been in force over the days that were measured"
    return f"Had it been in force over {'this day' if length == 1 else f'these {length} days'}"


def _row(change: Change, found: Hindsight) -> str:
    ref = first_consumer(change)
    others = found.containers - 1
    more = f" and {others} more" if others else ""
    cells = [
        code(f"{ref.namespace}/{ref.workload}/{ref.container}") + more,
        found.field.value,
        _over(found, found.old),
        _over(found, found.new),
        _unused(found.old),
        _unused(found.new),
    ]
    return f"| {' | '.join(cells)} |"


def _over(found: Hindsight, lived: Lived | None) -> str:
    if lived is None:
        return "–"
    if found.field.resource == "memory":
        what = "days" if found.containers == 1 else "container-days"
        return f"{lived.days_over} of {found.days} {what}"
    minutes = lived.seconds_over // _MINUTE
    few = bool(lived.seconds_over) and not minutes
    return "under 1 pod-minute a day" if few else f"{minutes:,} pod-minute{'' if minutes == 1 else 's'} a day"


def _unused(lived: Lived | None) -> str:
    if lived is None:
        return "–"
    return f"{(lived.slack_permille + 5) // 10} %" if lived.slack_permille >= 0 else "nothing"

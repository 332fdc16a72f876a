"""What new requests would have meant over the days that were measured, as a table for the reviewer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from reconciler.model import Change, Hindsight, Lived
from reconciler.proposals.group import first_consumer
from reconciler.proposals.markdown import code

MOST_ROWS: Final = 60
_MINUTE: Final = 60


def hindsight(changes: Sequence[Change]) -> str:
    """Nothing where nothing was measured."""
    told = [(change, change.hindsight) for change in changes if change.hindsight is not None]
    if not told:
        return ""
    rows = [_row(change, found) for change, found in told[:MOST_ROWS]]
    if len(told) > MOST_ROWS:
        rows.append(f"| … and {len(told) - MOST_ROWS} more | | | | | |")
    return "\n".join(
        [
            f"**{_title([found for _, found in told])}**",
            "",
            "| container | value | over it, now | over it, proposed | unused, now | unused, proposed |",
            "| --- | --- | ---: | ---: | ---: | ---: |",
            *rows,
        ]
    )


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
    return "under 1 minute a day" if few else f"{minutes} minute{'' if minutes == 1 else 's'} a day"


def _unused(lived: Lived | None) -> str:
    return "–" if lived is None else f"{(lived.slack_permille + 5) // 10} %"

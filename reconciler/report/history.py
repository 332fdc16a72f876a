"""The history of values, on a terminal and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from reconciler import money
from reconciler.audit.story import US, Row, Since, What
from reconciler.model import Amount
from reconciler.report.diffs import shown
from reconciler.report.rows import identity
from reconciler.report.text import counted, new_table, print_table, when

_STYLE = {
    What.MERGED: "green",
    What.REJECTED: "red",
    What.CLOSED: "dim",
    What.ABANDONED: "dim",
    What.SUPERSEDED: "dim",
    What.REVERTED: "red",
    What.BY_HAND: "yellow",
    What.OPEN: "cyan",
    What.PUSHED: "cyan",
}
_WORDS = {
    Since.IN_FORCE: "in force",
    Since.SUPERSEDED: "replaced since",
    Since.REVERTED: "taken back since",
    Since.CHANGED: "changed by hand since",
    Since.UNKNOWN: "",
}


def history_row(row: Row, repository: str) -> dict[str, Any]:
    return {
        "at": row.at,
        **identity(row.ref),
        "field": row.field,
        "old": row.old,
        "new": row.new,
        "by": row.by,
        "what": row.what.value,
        "since": row.since.value or None,
        "ended_by": row.ended_by,
        "why": row.why,
        "class": row.klass or None,
        "repository": repository,
        "path": row.path,
        "key": row.key,
        "number": row.number or None,
        "url": row.url,
        "commit": row.commit,
        "proposed_at": row.proposed_at,
        "evidence": row.evidence,
        "shared_with": row.shared,
        "savings_monthly": -row.monthly.millionths / money.MILLION if row.monthly else None,
        "currency": row.monthly.currency if row.monthly else None,
    }


def saved_row(amount: Amount) -> dict[str, Any]:
    return {"currency": amount.currency, "monthly": amount.millionths / money.MILLION}


def print_history(out: Console, rows: Sequence[Row], saved: Sequence[Amount]) -> None:
    """Oldest first, as it happened; whom it is about is said where it changes."""
    table = new_table("WHEN", "CONTAINER", "VALUE", "FROM", "TO", "WHAT", "WHO", "WHY")
    for row in rows:
        shared = f" (+{row.shared})" if row.shared > 0 else ""
        table.add_row(
            when(row.at), Text(shown(f"{row.ref}{shared}")), row.field, Text(shown(row.old or "unset")),
            Text(shown(row.new or "unset")), Text(_what(row), style=_STYLE[row.what]),
            Text(shown(_who(row))), Text(shown(_why(row)), style="dim"),
        )  # fmt: skip
    print_table(out, table)
    out.print()
    ours = sum(row.by == US for row in rows)
    told = f"{counted(ours, 'value')} by reconcile, {counted(len(rows) - ours, 'change')} by hand"
    sums = [f"saved {money.words(amount)} a month" for amount in saved]
    out.print(Text("; ".join([told, *sums]) + "."), style="bold")


def _what(row: Row) -> str:
    words = row.what.value.replace("-", " ")
    return f"{words}, {_WORDS[row.since]}" if row.since else words


def _who(row: Row) -> str:
    if row.what is What.BY_HAND:
        return f"{row.by}, merged by {row.ended_by}" if row.ended_by not in ("", row.by) else row.by
    return row.ended_by or "-"


def _why(row: Row) -> str:
    where = f"!{row.number}" if row.number else row.commit[:12]
    return f"{row.why} ({where})" if where else row.why

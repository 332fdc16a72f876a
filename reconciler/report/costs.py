"""What reading utilization cost the servers that were asked."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.console import Console
from rich.text import Text

from reconciler.model import Cost
from reconciler.report.diffs import shown


def cost_row(cost: Cost) -> dict[str, Any]:
    return cost._asdict()


def print_costs(out: Console, costs: Iterable[Cost]) -> None:
    for cost in costs:
        out.print(Text(shown(cost_words(cost)), style="dim"))


def cost_words(cost: Cost) -> str:
    """`asked main: 96 queries, 12.1 M points, 31 MB, 14 s; 13 of 14 days were known`."""
    parts = [f"{cost.queries:,} {'query' if cost.queries == 1 else 'queries'}"]
    if cost.queries:
        parts += [f"{_many(cost.points)} points", size_words(cost.bytes), _span(cost.seconds)]
        if cost.samples:
            parts.insert(2, f"{_many(cost.samples)} samples looked at there")
        if cost.estimated_seconds:
            parts[-1] += f" (estimated: {_span(cost.estimated_seconds)})"
    days = cost.days_read + cost.days_known
    known = f"; {cost.days_known} of {days} {'day was' if days == 1 else 'days were'} known" if days else ""
    return f"asked {cost.source}: {', '.join(parts)}{known}"


def _many(number: int) -> str:
    return f"{number:,}" if number < 1_000_000 else f"{number / 1_000_000:,.1f} M"


def size_words(size: int) -> str:
    for unit, one in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= one:
            return f"{size / one:.1f} {unit}" if size < 10 * one else f"{size / one:,.0f} {unit}"
    return f"{size} bytes"


def _span(seconds: float) -> str:
    if seconds < 10:
        return f"{seconds:.1f} s"
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"

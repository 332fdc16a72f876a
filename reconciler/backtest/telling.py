"""A comparison as rows of JSON and CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import Any

from reconciler.backtest.compare import Comparison, Row
from reconciler.model import Price


def currency_of(prices: Mapping[str, Price]) -> str | None:
    """That of all clusters; None where they have several, which nobody can add up."""
    found = {price.currency for price in prices.values()}
    return found.pop() if len(found) == 1 else None


def rows_of(found: Comparison, currency: str | None) -> list[dict[str, Any]]:
    """All as they are, and then the others at the slack of the first."""
    first = found.rows[0].policy
    return [
        *(_row(row, None, currency) for row in found.rows),
        *(_row(row, first, currency) for row in found.scaled),
    ]


def _row(row: Row, slack_of: str | None, currency: str | None) -> dict[str, Any]:
    told = row.measures
    return {
        "policy": row.policy,
        "slack_of": slack_of,
        "cpu_factor": row.factors[0],
        "memory_factor": row.factors[1],
        "container_days": told.container_days,
        "cpu_slack": told.cpu_slack,
        "memory_slack": told.memory_slack,
        "overrun_share": told.overruns,
        "overrun_size": told.overrun_size,
        "cpu_minutes_over_a_day": told.cpu_minutes,
        "changes_a_week": told.changes,
        "cpu_changes_a_week": told.cpu_changes,
        "memory_changes_a_week": told.memory_changes,
        "cost_a_month": None if currency is None else round(told.cost, 2),
        "currency": currency,
    }


def price_rows(prices: Mapping[str, Price]) -> list[dict[str, Any]]:
    return [
        {
            "cluster": cluster,
            "currency": price.currency,
            "core_hour": price.core_hour / 1_000_000,
            "gib_hour": price.gib_hour / 1_000_000,
            "source": price.source,
        }
        for cluster, price in sorted(prices.items())
    ]


def as_csv(rows: list[dict[str, Any]]) -> str:
    """A line of names, then one a row; nothing stands for null."""
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()

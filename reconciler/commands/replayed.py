"""How a comparison of policies is shown on a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.text import Text

from reconciler import money
from reconciler.backtest.compare import AS_IT_IS, Comparison, Row
from reconciler.backtest.telling import currency_of
from reconciler.model import Amount, Price
from reconciler.report.diffs import shown
from reconciler.report.text import counted, heading, new_table, print_table


def print_comparison(out: Console, found: Comparison, prices: Mapping[str, Price]) -> None:
    days, currency = found.rows[0].measures.container_days, currency_of(prices)
    said = f"{counted(len(found.replayed), 'container')} on {counted(days, 'container-day')}."
    out.print(Text(said, style="bold"))
    out.print()
    _print_rows(out, found.rows, currency)
    if found.scaled:
        out.print()
        heading(out, shown(f"At the slack of {found.rows[0].policy}"))
        _print_rows(out, (found.rows[0], *found.scaled), currency)
    out.print()
    for words in _prices(prices):
        out.print(Text(shown(words), style="dim"))


def _print_rows(out: Console, rows: Sequence[Row], currency: str | None) -> None:
    scaled = any(row.factors != AS_IT_IS for row in rows)
    factors = ("CPU ×", "MEMORY ×") if scaled else ()
    costs = ("COST A MONTH",) if currency is not None else ()
    table = new_table(
        *("POLICY", *factors, "CPU SLACK", "MEMORY SLACK", "OVERRUN DAYS", "BY", "CPU MINUTES OVER"),
        *("CHANGES A WEEK", *costs),
    )
    for column in table.columns[1:]:
        column.justify = "right"
    for row in rows:
        told = row.measures
        figures = [f"{factor:.3f}" for factor in row.factors] if scaled else []
        cost = [money.words(Amount(round(told.cost * money.MILLION), currency))] if currency else []
        table.add_row(
            *(shown(row.policy), *figures, f"{told.cpu_slack:.1%}", f"{told.memory_slack:.1%}"),
            *(f"{told.overruns:.2%}", f"{told.overrun_size:.0%}", f"{told.cpu_minutes:.1f}"),
            *(f"{told.changes:.2f}", *cost),
        )
    print_table(out, table)


def _prices(prices: Mapping[str, Price]) -> list[str]:
    """What a cost was worked out from, once for all clusters of one price."""
    clusters: dict[Price, list[str]] = {}
    for cluster, price in sorted(prices.items()):
        clusters.setdefault(price, []).append(cluster)
    told = []
    for price, names in clusters.items():
        core, gib = (_figure(each, price.currency) for each in (price.core_hour, price.gib_hour))
        whom = f" in {', '.join(names)}" if any(names) else ""
        told.append(f"Prices{whom}: {core} a core and hour, {gib} a GiB and hour ({price.source}).")
    if currency_of(prices) is None:
        told.append("They are in several currencies, so costs are not added up.")
    return told


def _figure(millionths: int, currency: str) -> str:
    return f"{millionths / money.MILLION:.4f} {currency}"

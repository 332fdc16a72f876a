"""`reconcile backtest`: what policies would have done, day by day, beside what others would have."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from reconciler.backtest.advice import Adviser
from reconciler.backtest.compare import AS_IT_IS, BASELINES, Comparison, Row, compare, write_recommendations
from reconciler.backtest.policies import following
from reconciler.backtest.replay import Pace
from reconciler.backtest.series import read_series
from reconciler.commands.common import Config, Output, OutputOption, print_json, progress_bars
from reconciler.config import PolicyBook
from reconciler.errors import Misconfigured, Problem
from reconciler.model import Failure
from reconciler.report.diffs import shown
from reconciler.report.rows import API_VERSION
from reconciler.report.text import console, counted, heading, new_table, print_table
from reconciler.wiring import operators_policies

AUTO = "auto"
_AUTO_IS = "balanced"


def backtest(
    series: Annotated[
        Path,
        typer.Option("--series", metavar="FILE", help="Samples, as CSV or Parquet; docs/backtest.md."),
    ],
    policy: Annotated[
        list[str] | None,
        typer.Option(
            "--policy",
            metavar="NAME",
            help="auto (balanced as shipped), a policy's name, vpa, krr-simple or krr-simple-limit. May be "
            "repeated. Without it: auto and the three baselines.",
        ),
    ] = None,
    train_days: Annotated[
        int,
        typer.Option("--train-days", min=1, help="Days of each container that are only learned from."),
    ] = 28,
    step_days: Annotated[int, typer.Option("--step-days", min=1, help="Days between two decisions.")] = 1,
    recommendations: Annotated[
        Path | None,
        typer.Option(
            "--recommendations",
            metavar="OUT.csv",
            help="Write every request in force here, a line each time that one begins or changes.",
        ),
    ] = None,
    config: Config = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Replay policies and other tools' recommenders over samples of the past, and compare them.

    Each day they know only the days before. A day whose memory passes the request in force is an
    overrun, and counts as an OOM kill from the next day on. All but the first are also shown with
    their requests scaled so that they leave as much slack as the first.
    """
    contenders = _contenders(policy, config)
    histories = read_series(series)
    with progress_bars() as bars:
        found = compare(histories, contenders, Pace(train_days, step_days), bars.step)
    if recommendations is not None:
        write_recommendations(recommendations, found)
    if output is Output.JSON:
        print_json(_document(found, train_days, step_days))
    else:
        _print(found)


def _contenders(names: Sequence[str] | None, config: Path | None) -> dict[str, Adviser]:
    wanted = list(dict.fromkeys(names or (AUTO, *BASELINES)))
    book = operators_policies(config)
    return {name: BASELINES.get(name) or _policy(name, book) for name in wanted}


def _policy(name: str, book: PolicyBook) -> Adviser:
    found = book.named(_AUTO_IS if name == AUTO else name)
    if isinstance(found, Failure):
        raise Problem(found.what, found.error, path=found.path, line=found.line)
    if found is None:
        known = ", ".join([AUTO, *BASELINES, *book.names])
        raise Misconfigured("--policy", f"--policy {name}: there is no such policy; known are {known}.")
    return following(found)


# ---------------------------------------------------------------------------------------------
# Output
# ---------------------------------------------------------------------------------------------


def _document(found: Comparison, train_days: int, step_days: int) -> dict[str, Any]:
    first = found.rows[0].policy
    return {
        "apiVersion": API_VERSION,
        "containers": _containers(found),
        "train_days": train_days,
        "step_days": step_days,
        "rows": [_row(row, None) for row in found.rows] + [_row(row, first) for row in found.scaled],
    }


def _row(row: Row, slack_of: str | None) -> dict[str, Any]:
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
    }


def _containers(found: Comparison) -> int:
    return len(found.replayed)


def _print(found: Comparison) -> None:
    out = console()
    days = found.rows[0].measures.container_days
    said = f"{counted(_containers(found), 'container')} on {counted(days, 'container-day')}."
    out.print(Text(said, style="bold"))
    out.print()
    _print_rows(found.rows)
    if found.scaled:
        out.print()
        heading(out, shown(f"At the slack of {found.rows[0].policy}"))
        _print_rows((found.rows[0], *found.scaled))


def _print_rows(rows: Sequence[Row]) -> None:
    scaled = any(row.factors != AS_IT_IS for row in rows)
    factors = ("CPU ×", "MEMORY ×") if scaled else ()
    table = new_table(
        *("POLICY", *factors, "CPU SLACK", "MEMORY SLACK", "OVERRUN DAYS", "BY", "CPU MINUTES OVER"),
        "CHANGES A WEEK",
    )
    for column in table.columns[1:]:
        column.justify = "right"
    for row in rows:
        told = row.measures
        figures = [f"{factor:.3f}" for factor in row.factors] if scaled else []
        table.add_row(
            *(shown(row.policy), *figures, f"{told.cpu_slack:.1%}", f"{told.memory_slack:.1%}"),
            *(f"{told.overruns:.2%}", f"{told.overrun_size:.0%}", f"{told.cpu_minutes:.1f}"),
            f"{told.changes:.2f}",
        )
    print_table(console(), table)

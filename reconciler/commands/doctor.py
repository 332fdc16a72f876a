"""`reconcile doctor`: is everything here that a run needs?"""

from __future__ import annotations

from enum import StrEnum

import typer
from rich.table import Table
from rich.text import Text

from reconciler.commands.common import Config, Exit, Metrics, Output, OutputOption, print_json
from reconciler.report.diffs import shown
from reconciler.report.rows import API_VERSION
from reconciler.report.text import console
from reconciler.wiring import Check, Verdict, checks

_STYLE = {Verdict.OK: "green", Verdict.MISSING: "yellow", Verdict.BROKEN: "bold red"}


class _Mark(StrEnum):
    OK = "✓"
    MISSING = "–"
    BROKEN = "✗"


def doctor(config: Config = None, metrics: Metrics = None, output: OutputOption = Output.TEXT) -> None:
    """Check programs, settings, policies, tokens and servers, and say what to do about each.

    Exits with 1 when something that the settings ask for is broken; what is only missing and not
    needed for plain manifests is no failure.
    """
    found = checks(config, metrics)
    if output is Output.JSON:
        print_json({"apiVersion": API_VERSION, "checks": [dict(check._asdict()) for check in found]})
    else:
        _print(found)
    broken = any(check.verdict is Verdict.BROKEN for check in found)
    raise typer.Exit(Exit.SOME_FAILED if broken else Exit.DONE)


def _print(found: list[Check]) -> None:
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    for check in found:
        mark = Text(_Mark[check.verdict.name].value, style=_STYLE[check.verdict])
        table.add_row(mark, Text(shown(check.what)), Text(shown(check.told)))
    console().print(table)

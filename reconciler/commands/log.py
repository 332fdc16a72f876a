"""`reconcile log`: what became of every value, from Git alone."""

from __future__ import annotations

import time
from typing import Annotated

import typer
from rich.text import Text

from reconciler.audit.chronicle import Read, read
from reconciler.audit.requests import Wanted
from reconciler.audit.story import Row, saved
from reconciler.commands.choosing import Namespace, chosen
from reconciler.commands.common import (
    Config,
    Exit,
    Output,
    OutputOption,
    parse_now,
    print_json,
    progress_bars,
)
from reconciler.config.units import duration
from reconciler.errors import Misconfigured, Problem
from reconciler.model import Failure
from reconciler.report.diffs import shown
from reconciler.report.history import history_row, print_history, saved_row
from reconciler.report.rows import API_VERSION, failure_row, note_row
from reconciler.report.text import console, print_failures, print_notes
from reconciler.wiring import Opened, chronicles


def log(
    target: Annotated[
        str,
        typer.Argument(
            metavar="[TARGET]",
            help="[NAMESPACE/]KIND/NAME[/CONTAINER] with globs, a workload's name, or NAMESPACE/ for all.",
        ),
    ] = "",
    namespace: Namespace = None,
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="TIME", help="Only what came since: 30d, 2w, or a time."),
    ] = None,
    until: Annotated[
        str | None, typer.Option("--now", metavar="TIME", help="Only what came until then. Else: now.")
    ] = None,
    config: Config = None,
    remote: Annotated[
        bool, typer.Option("--remote", help="In a clone: fetch, and read what the remote has.")
    ] = False,
    output: OutputOption = Output.TEXT,
) -> None:
    """Tell the history of values: who changed what, when, why, and what came of it.

    From Git alone: the ledger branch, and the history of the branch that is deployed. In a clone it
    works offline. What people changed by hand in between is told as well. A merge is recognised
    whatever became of its commit: merged, rebased, or squashed under another title.
    """
    wanted = chosen(target, namespace)
    now = parse_now(until)
    moment = int(time.time()) if now is None else now
    first = _since(since, moment)
    found, failed = _read(chronicles(config, remote=remote), wanted.containers, now)
    rows = [(row, one.name) for one in found for row in one.story.rows if row.at >= first]
    rows.sort(key=lambda pair: pair[0].at)
    if output is Output.JSON:
        print_json(
            {
                "apiVersion": API_VERSION,
                "now": moment,
                "rows": [history_row(row, name) for row, name in rows],
                "saved": [saved_row(amount) for amount in saved(row for row, _ in rows)],
                "failed": [failure_row(failure) for failure in failed],
                "notes": [note_row(note) for one in found for note in one.notes],
            }
        )
    else:
        _print([row for row, _ in rows], wanted.words)
        print_notes(console(), [note for one in found for note in one.notes])
        print_failures(console(), failed)
    raise typer.Exit((Exit.SOME_FAILED if found else Exit.MISUSED) if failed else Exit.DONE)


def _read(opened: Opened, wanted: Wanted, until: int | None) -> tuple[list[Read], list[Failure]]:
    found: list[Read] = []
    failed = list(opened.failed)
    with progress_bars() as bars:
        advance = bars.step("Reading histories", len(opened.chronicles))
        for one in opened.chronicles:
            try:
                found.append(read(one, wanted, until))
            except Problem as problem:
                failed.append(problem.failure)
            advance(1)
    return found, failed


def _print(rows: list[Row], words: str) -> None:
    if rows:
        print_history(console(), rows, saved(rows))
    else:
        whom = f" for {words}" if words else ""
        console().print(Text(shown(f"Nothing was ever proposed{whom}, as far as Git tells.")))


def _since(text: str | None, now: int) -> int:
    """The first moment that is meant: so long ago, or a time."""
    if text is None:
        return 0
    try:
        return now - duration(text)
    except ValueError:
        pass
    try:
        return parse_now(text) or 0
    except Misconfigured as error:
        words = f"--since {text!r} is neither a span like 30d or 12h nor a time like 2026-03-01."
        raise Misconfigured("--since", words) from error

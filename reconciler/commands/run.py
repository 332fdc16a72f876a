"""`reconcile run`, which is also plain `reconcile`."""

from __future__ import annotations

from typing import Annotated

import typer

from reconciler.commands.common import (
    Config,
    Exit,
    Metrics,
    Now,
    Only,
    RunOutput,
    only_filter,
    parse_now,
    print_json,
    progress_bars,
)
from reconciler.errors import Misconfigured
from reconciler.model import Report
from reconciler.report import markdown, rows
from reconciler.report.text import Shown, console, print_report
from reconciler.run import reconcile
from reconciler.wiring import Asked, job


def run(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "-n", help="Show what would be done; write nothing anywhere.")
    ] = False,
    config: Config = None,
    metrics: Metrics = None,
    only: Only = None,
    remote: Annotated[
        bool,
        typer.Option("--remote", help="In a clone: read the configured branch of the remote, not this HEAD."),
    ] = False,
    now: Now = None,
    output: Annotated[
        RunOutput,
        typer.Option("--output", "-o", metavar="text|json|markdown", help="How to print the report."),
    ] = RunOutput.TEXT,
    detailed_exitcode: Annotated[
        bool, typer.Option("--detailed-exitcode", help="Exit with 4 when changes are pending or were made.")
    ] = False,
    diff: Annotated[bool, typer.Option("--diff/--no-diff", help="Print the diff of every change.")] = True,
    body: Annotated[
        bool,
        typer.Option("--body/--no-body", help="Print the text of every merge request as its forge gets it."),
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Only what changed or failed, and the verdict.")
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="List every value that is kept, with its reason.")
    ] = False,
) -> None:
    """Read utilization, decide, and open or update merge requests.

    Registries are asked for newer image tags only where a policy says something of images, or the
    settings name registries.

    Without --dry-run it needs settings that name repositories and forges. With --dry-run it also
    works in any clone without settings: `reconcile --dry-run --metrics FOLDER`.

    Exit codes: 0 done, 1 some targets failed, 2 settings or usage, 3 a bug, 4 changes pending (only
    with --detailed-exitcode), 130 interrupted.
    """
    asked = Asked(
        config=config,
        metrics=metrics,
        remote=remote,
        now=parse_now(now),
        only=only_filter(only),
        partial=bool(only),
        write=not dry_run,
    )
    with progress_bars() as bars:
        report = reconcile(job(asked, bars))
    if only and not report.stats["containers"] and not report.failed:
        raise Misconfigured("--only", f"--only {' '.join(only)}: no container matches; scan lists them.")
    _print(report, output, Shown(not dry_run, diff, verbose, quiet, body))
    raise typer.Exit(_exit_code(report, detailed_exitcode))


def _print(report: Report, output: RunOutput, how: Shown) -> None:
    if output is RunOutput.JSON:
        print_json(rows.report(report))
    elif output is RunOutput.MARKDOWN:
        typer.echo(markdown.report(report), nl=False)
    else:
        print_report(console(), report, how)


def _exit_code(report: Report, detailed: bool) -> Exit:
    if report.failed:
        return Exit.SOME_FAILED
    return Exit.PENDING if detailed and report.changes else Exit.DONE

"""`reconcile scan`: where every value lives."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text
from rich.tree import Tree

from reconciler.commands.common import Config, Exit, Output, OutputOption, print_json, progress_bars
from reconciler.model import Discovery
from reconciler.report.diffs import shown
from reconciler.report.rows import API_VERSION, failure_row, note_row
from reconciler.report.text import console, counted, print_failures, print_notes
from reconciler.source.counts import count_rows, counts
from reconciler.source.rows import scan_rows, unit_row
from reconciler.wiring import survey_folder


def scan(
    folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="A folder of manifests.")] = Path(),
    config: Config = None,
    all_fields: Annotated[
        bool,
        typer.Option("--all-fields", help="Also replicas, and what autoscalers aim for."),
    ] = False,
    output: OutputOption = Output.TEXT,
) -> None:
    """Show every container of a folder, and the file and line that sets each of its values.

    Charts, overlays and Applications are rendered, and each value is traced to the place that
    controls it. Reads the files as they are, committed or not. With --output json: five rows a
    container. The other way round: `reconcile why PATH:LINE`.
    """
    with progress_bars() as bars:
        estate = survey_folder(folder, config, bars)
    found = estate.only
    rows = [*scan_rows(found), *(count_rows(counts(estate)) if all_fields else ())]
    if output is Output.JSON:
        print_json(
            {
                "apiVersion": API_VERSION,
                "rows": rows,
                "units": [unit_row(unit) for unit in found.units],
                "failed": [failure_row(failure) for failure in found.failures],
                "notes": [note_row(note) for note in found.notes],
            }
        )
    else:
        _print(found, rows)
    raise typer.Exit(Exit.SOME_FAILED if found.failures else Exit.DONE)


def _print(found: Discovery, rows: Sequence[dict[str, Any]]) -> None:
    out = console()
    units: dict[str, Tree] = {}
    workloads: dict[tuple[str, ...], Tree] = {}
    for row in rows:
        unit = units.setdefault(row["unit"], Tree(Text(shown(row["unit"]), style="bold")))
        name = (row["unit"], row["cluster"], row["namespace"], row["kind"], row["workload"], row["container"])
        if name not in workloads:
            space = f"{row['namespace']}/" if row["namespace"] else ""
            kind = " (init)" if row["init"] else ""
            container = f"/{row['container']}" if row["container"] else ""
            workloads[name] = unit.add(
                Text(shown(f"{space}{row['kind']}/{row['workload']}{container}{kind}"))
            )
        workloads[name].add(_line(row))
    for tree in units.values():
        out.print(tree)
    print_notes(out, found.notes)
    print_failures(out, found.failures)
    containers = sum(len(workload.containers) for workload in found.workloads)
    out.print(
        f"{counted(containers, 'container')} in {counted(len(found.workloads), 'workload')}.", style="bold"
    )


def _line(row: dict[str, Any]) -> Text:
    where = f"{row['path']}:{row['line']}"
    value = shown(row["value"] or "unset")
    text = Text.assemble(
        (f"{row['field']:<15} ", ""), (f"{value:<27} ", "" if row["value"] else "dim"), (shown(where), "cyan")
    )
    if row["reason"]:
        text.append(f"  {row['reason']}", style="yellow")
    if row["shared_with"]:
        text.append(f"  shared with {len(row['shared_with'])} more", style="magenta")
    return text

"""`reconcile scan`: where every value lives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from reconciler.commands.common import Config, Exit, Output, OutputOption, print_json, progress_bars
from reconciler.model import Discovery
from reconciler.report.rows import API_VERSION, failure_row, note_row
from reconciler.report.text import console, counted, print_failures, print_notes
from reconciler.report.tree import kept_whole, print_tree
from reconciler.source.counts import count_rows, counts
from reconciler.source.rows import scan_rows, unit_row
from reconciler.source.telling import UNIT
from reconciler.source.within import seen_from
from reconciler.wiring import FolderSurvey, survey_folder


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
        survey = survey_folder(folder, config, bars)
    found, inside = survey.found, survey.inside
    rows = [*scan_rows(found), *(_count_rows(survey) if all_fields else ())]
    rows = [row | {"path": seen_from(row["path"], inside)} for row in rows]
    found = replace(
        found,
        failures=tuple(replace(one, path=seen_from(one.path, inside)) for one in found.failures),
        notes=tuple(replace(one, path=seen_from(one.path, inside)) for one in found.notes),
        units=tuple(one._replace(path=seen_from(one.path, inside)) for one in found.units),
    )
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


def _count_rows(survey: FolderSurvey) -> list[dict[str, Any]]:
    units = {workload.unit for workload in survey.found.workloads}
    return [row for row in count_rows(counts(survey.estate)) if row["unit"] in units]


def _print(found: Discovery, rows: Sequence[dict[str, Any]]) -> None:
    out = console()
    print_tree(out, found, rows)
    print_notes(out, (note for note in found.notes if note.what != UNIT))  # the tree names those
    print_failures(out, found.failures)
    containers = sum(len(workload.containers) for workload in found.workloads)
    told = f"{counted(containers, 'container')} in {counted(len(found.workloads), 'workload')}"
    kept = kept_whole(found)
    out.print(f"{told}{kept and f'; {kept}'}.", style="bold")

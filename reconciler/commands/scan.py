"""`reconcile scan`: where every value lives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from reconciler.commands.common import (
    Config,
    Exit,
    Only,
    Output,
    OutputOption,
    meant,
    only_filter,
    print_json,
    progress_bars,
)
from reconciler.errors import Misconfigured
from reconciler.model import ContainerRef, Discovery, Workload, containers
from reconciler.report.rows import API_VERSION, failure_row, note_row
from reconciler.report.text import console, counted, print_failures, print_notes
from reconciler.report.tree import kept_whole, print_tree
from reconciler.source.counts import count_rows, counts
from reconciler.source.rows import scan_rows, unit_row
from reconciler.source.targets import is_meant
from reconciler.source.telling import UNIT
from reconciler.source.within import seen_from
from reconciler.wiring import FolderSurvey, survey_folder


def scan(
    folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="A folder of manifests.")] = Path(),
    config: Config = None,
    only: Only = None,
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
    chosen = only_filter(only)
    with progress_bars() as bars:
        survey = survey_folder(folder, config, bars)
    found, inside = survey.found, survey.inside
    if only:
        found = _narrowed(found, lambda ref, where: chosen(ref, seen_from(where, inside)))
        if not found.workloads and not found.failures:
            known = [container.ref for _, container in containers(survey.found.workloads)]
            told = f"--only {' '.join(only)}: no container matches{meant(only[0], known, '')}"
            raise Misconfigured("--only", told)
    rows = [*scan_rows(found, targets=all_fields), *(_count_rows(survey, found) if all_fields else ())]
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


def _narrowed(found: Discovery, only: Callable[[ContainerRef, str], bool]) -> Discovery:
    """The chosen containers alone, and the units that they are in."""
    workloads = []
    for workload in found.workloads:
        mine = tuple(one for one in workload.containers if is_meant(only, workload, one.ref))
        workloads += [workload._replace(containers=mine)] if mine else []
    units = {workload.unit for workload in workloads}
    return replace(
        found, workloads=tuple(workloads), units=tuple(unit for unit in found.units if unit.name in units)
    )


def _count_rows(survey: FolderSurvey, found: Discovery) -> list[dict[str, Any]]:
    """Of the workloads that were found, and of what scales them."""
    rows = count_rows(counts(survey.estate))
    units = {workload.unit for workload in found.workloads}
    if found is not survey.found:
        names = {(one.namespace, name) for one in found.workloads for name in (one.name, *_scalers(one))}
        rows = [row for row in rows if (row["namespace"], row["workload"]) in names]
    return [row for row in rows if row["unit"] in units]


def _scalers(workload: Workload) -> list[str]:
    return [scaler.name for scaler in workload.scalers]


def _print(found: Discovery, rows: Sequence[dict[str, Any]]) -> None:
    out = console()
    print_tree(out, found, rows)
    print_notes(out, (note for note in found.notes if note.what != UNIT))  # the tree names those
    print_failures(out, found.failures)
    number = sum(1 for _ in containers(found.workloads))
    told = f"{counted(number, 'container')} in {counted(len(found.workloads), 'workload')}"
    kept = kept_whole(found)
    out.print(f"{told}{kept and f'; {kept}'}.", style="bold")

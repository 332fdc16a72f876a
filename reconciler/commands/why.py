"""`reconcile why`: which containers a line of a file controls."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from reconciler.commands.common import Config, Exit, Output, OutputOption, print_json, progress_bars
from reconciler.errors import Misconfigured
from reconciler.model import Discovery
from reconciler.report.diffs import shown
from reconciler.report.rows import API_VERSION, failure_row, identity
from reconciler.report.text import console, counted, print_failures
from reconciler.source.lines import Controlled, block, controlled, nearest
from reconciler.source.mapping import via
from reconciler.wiring import folder_around, survey_folder

_MOST_NEAR = 5


def why(
    line: Annotated[
        str,
        typer.Argument(metavar="PATH[:LINE]", help="A file, and a line of it, as scan and diffs name it."),
    ],
    folder: Annotated[
        Path | None,
        typer.Option("--dir", help="The folder to look through. Else: the clone that the file lies in."),
    ] = None,
    config: Config = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Tell which values of which containers a line sets: the opposite of scan.

    A line with others indented below it stands for all of them; without a line, the whole file is meant.
    """
    file, number = _parsed(line)
    looked = (folder or folder_around(file)).resolve()
    if not file.resolve().is_relative_to(looked):
        raise Misconfigured(
            "PATH", f"it is not in {looked}: name the folder to look through with --dir.", path=line
        )
    text = file.read_text(encoding="utf-8", errors="replace")
    last = max(1, len(text.splitlines()))
    if number is not None and not 1 <= number <= last:
        raise Misconfigured("LINE", f"{file} has {counted(last, 'line')}.", path=line)
    with progress_bars() as bars:
        survey = survey_folder(looked, config, bars)
    found, path = survey.estate.only, file.resolve().relative_to(survey.root).as_posix()
    lines = range(1, last + 1) if number is None else range(number, number + 1)
    rows = controlled(found, path, lines)
    if not rows and number is not None:
        rows = controlled(found, path, block(text, number))
    if output is Output.JSON:
        failed = [failure_row(failure) for failure in found.failures]
        print_json({"apiVersion": API_VERSION, "rows": [_row(one) for one in rows], "failed": failed})
    else:
        _print(found, rows, path, number)
    raise typer.Exit(Exit.SOME_FAILED if found.failures else Exit.DONE)


def _parsed(text: str) -> tuple[Path, int | None]:
    path, colon, line = text.rpartition(":")
    if colon and line.isascii() and line.isdigit():
        file, number = Path(path), int(line)
    else:
        file, number = Path(text), None
    if not file.is_file():
        raise Misconfigured(
            "PATH", "there is no such file: write PATH:LINE, as in values.yaml:12.", path=str(file)
        )
    return file, number


def _row(one: Controlled) -> dict[str, Any]:
    slot = one.slot
    return {
        "path": slot.place.path,
        "line": slot.line,
        "field": slot.field.value,
        "value": slot.value,
        "keys": [*slot.place.keys, *slot.place.inner],
        "via": via(slot.how_traced),
        "units": list(one.units),
        "consumers": [identity(ref) for ref in one.consumers],
        "reason": slot.refused.reason.value if slot.refused else None,
    }


def _print(found: Discovery, rows: list[Controlled], path: str, number: int | None) -> None:
    out = console()
    for one in (one for one in rows if one.is_set):
        _print_one(one)
    for one in (one for one in rows if not one.is_set):
        _print_one(one)
    if not rows:
        where = path if number is None else f"{path}:{number}"
        out.print(Text(f"{shown(where)} sets no request, limit or image of any container."))
        near = nearest(found, path, number or 1)[:_MOST_NEAR]
        if near:
            out.print(f"Lines of this file that do: {', '.join(map(str, sorted(near)))}")
        unknown = [unit for unit in found.units if unit.refused is not None]
        if unknown:
            named = ", ".join(f"{unit.name} ({unit.refused.reason})" for unit in unknown if unit.refused)
            out.print(Text(f"Nothing is known of {counted(len(unknown), 'unit')}: {shown(named)}"))
    print_failures(out, found.failures)


def _print_one(one: Controlled) -> None:
    slot, out = one.slot, console()
    value = f"sets {slot.field} to {slot.value}" if one.is_set else f"is where {slot.field} would be added"
    head = Text.assemble((f"{slot.place.path}:{slot.line}", "cyan"), f" {shown(value)}")
    if slot.refused:
        head.append(f"  {slot.refused.reason}", style="yellow")
    out.print(head)
    for ref in one.consumers:
        out.print(Text(f"  {shown(str(ref))}"))
    out.print(Text(f"  {shown(', '.join(one.units))}; {shown(via(slot.how_traced))}", style="dim"))

"""`reconcile init`: a commented settings file for the repository at hand."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reconciler.commands.common import Exit
from reconciler.errors import Misconfigured
from reconciler.report.diffs import shown
from reconciler.report.text import console
from reconciler.wiring import starter


def init(
    folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="A clone of the repository.")] = Path(),
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there.")] = False,
) -> None:
    """Write a commented reconcile.yaml for the repository it finds, and say what to do next."""
    path, text = starter(folder)
    if path.exists() and not force:
        raise Misconfigured(
            str(path), f"{path} is there already: edit it, or use --force to write over it.", path=str(path)
        )
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise Misconfigured(str(path), f"{path} can't be written: {error.strerror}.") from error
    out = console()
    out.print(f"Wrote {shown(str(path))}.")
    out.print("Next: look through it, then `reconcile doctor`, then `reconcile --dry-run`.")
    raise typer.Exit(Exit.DONE)

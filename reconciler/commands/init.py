"""`reconcile init`: a commented settings file for the repository at hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from reconciler.commands.common import Exit, progress_bars
from reconciler.config import FILE_NAME, FolderFacts, starter_settings
from reconciler.errors import Misconfigured
from reconciler.git.clone import open_clone
from reconciler.model import AS_IT_STANDS, Workload
from reconciler.report.diffs import shown
from reconciler.report.text import console
from reconciler.wiring import clone_url, survey_folder


def init(
    folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="A clone of the repository.")] = Path(),
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there.")] = False,
) -> None:
    """Write a commented reconcile.yaml for the repository it finds, and say what to do next."""
    path, text = _starter(folder)
    if path.exists() and not force:
        raise Misconfigured(
            str(path), "it is there already: edit it, or use --force to write over it.", path=str(path)
        )
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise Misconfigured(str(path), f"{path} can't be written: {error.strerror}.") from error
    out = console()
    out.print(f"Wrote {shown(str(path))}.")
    out.print("Next: look through it, then `reconcile doctor`, then `reconcile --dry-run`.")
    raise typer.Exit(Exit.DONE)


def _starter(folder: Path) -> tuple[Path, str]:
    """Where the settings of this clone go, and what is in them to begin with."""
    clone = open_clone(folder) if folder.is_dir() else None
    if clone is None:
        raise Misconfigured(
            str(folder),
            f"{folder} is in no Git clone: run it in a clone of your deployment repository, or name one.",
            path=str(folder),
        )
    with progress_bars() as bars:
        found = survey_folder(clone.root, None, bars).found
    text = starter_settings(clone_url(clone), clone.branch, facts_of(found.workloads))
    return clone.root / FILE_NAME, text


def facts_of(workloads: Sequence[Workload]) -> FolderFacts:
    """What the settings should say of the manifests found: folders that name no namespace."""
    bare = sorted({workload.unit for workload in workloads if not workload.namespace and _stands(workload)})
    return FolderFacts(len(workloads), tuple(bare))


def _stands(workload: Workload) -> bool:
    """Whether nothing renders it, so that the settings can give its folder a namespace."""
    return all(slot.how_traced == AS_IT_STANDS for one in workload.containers for slot in one.slots)

"""`reconcile import`: the image rules of other tools, as policies."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from reconciler.commands.common import Config, Exit, errors_console, progress_bars
from reconciler.config import ImageDraft, drafted, parse_policies
from reconciler.config.document import LARGEST
from reconciler.errors import Misconfigured
from reconciler.images.rules import BadRuleError, Compiled, ImageRule, Level, Order, strategy
from reconciler.model import containers
from reconciler.report.diffs import shown
from reconciler.report.text import console, counted, print_failures
from reconciler.source.imageimport import Draft, Left, imported
from reconciler.source.others.translated import Setting
from reconciler.wiring import survey_folder


def import_policies(
    folder: Annotated[
        Path, typer.Argument(metavar="[DIR]", help="A clone, or a folder of manifests.")
    ] = Path(),
    file: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Where to write the policies, instead of here."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there.")] = False,
    config: Config = None,
) -> None:
    """Take over which tags other tools follow: write policies that say the same.

    Read are annotations and ImageUpdater resources of Argo CD Image Updater, Flux's ImagePolicies and
    the lines marked with them, and Renovate's configuration. What can't be said in a policy is told,
    on standard error; docs/images.md has what becomes of what.
    """
    if file is not None and file.exists() and not force:
        raise Misconfigured(
            str(file), "it is there already: name another, or use --force to write over it.", path=str(file)
        )
    with progress_bars() as bars:
        survey = survey_folder(folder, config, bars)
    inside = {one.ref for _, one in containers(survey.found.workloads)}
    found = imported(survey.estate, _flaw, inside)
    drafts = [_written(each) for each in found.drafts]
    text = drafted(drafts)
    if len(text.encode()) > LARGEST:
        words = (
            "its rules make more policies than one file may hold: import one folder of it after the other."
        )
        raise Misconfigured(str(folder), words, path=str(folder))
    _tell(found.left, found.drafts)
    print_failures(errors_console(), survey.found.failures)
    if drafts and file is None:
        sys.stdout.write(text)
    elif drafts and file is not None:
        _write(file, text)
        console().print(f"Wrote {counted(len(drafts), 'policy', 'policies')} to {shown(str(file))}.")
    else:
        errors_console().print("No rule was found that could be taken over.")
    raise typer.Exit(Exit.SOME_FAILED if survey.found.failures else Exit.DONE)


def _written(draft: Draft) -> ImageDraft:
    return ImageDraft(draft.name, draft.match, draft.settings, (draft.origin,), draft.lost)


def _flaw(settings: Mapping[str, Setting]) -> str:
    """Why settings would choose nothing, or not even load; "" when they are good."""
    said = {key: value for key, value in settings.items() if isinstance(value, str)}
    try:
        rule = ImageRule(
            strategy=strategy(said.get("strategy", "auto")),
            range=said.get("range"),
            filter=said.get("filter"),
            extract=said.get("extract"),
            order=Order(said.get("order", "asc")),
            level=Level(said.get("level", "major")),
        )
        Compiled(rule)
        parse_policies(drafted([ImageDraft("draft", (), tuple(settings.items()), (), ())]), "draft")
    except (BadRuleError, ValueError) as bad:
        return str(bad)
    except Misconfigured as bad:
        return f"no policy can say it: {bad.failure.error}"
    return ""


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise Misconfigured(str(file), f"{file} can't be written: {error.strerror}.") from error


def _tell(left: tuple[Left, ...], drafts: tuple[Draft, ...]) -> None:
    """What was not taken over, and what of the rest has no word in a policy."""
    rows = [(each.origin, each.words) for each in left]
    rows += [(each.origin, words) for each in drafts for words in each.lost]
    if not rows:
        return
    out = errors_console()
    out.print("Not taken over:", style="bold")
    for origin, words in dict.fromkeys(rows):
        out.print(Text(f"  {shown(origin)}: {shown(words)}"), soft_wrap=True)

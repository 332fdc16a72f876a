"""`reconcile replay`: a commit made anew from its evidence, and compared byte for byte."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from reconciler.audit import claim as claims
from reconciler.audit.claim import Unknown
from reconciler.audit.records import Claim, Replayed
from reconciler.audit.replay import replay
from reconciler.commands.common import (
    Bars,
    Config,
    Exit,
    Output,
    OutputOption,
    print_json,
    progress_bars,
)
from reconciler.errors import Misconfigured, Problem
from reconciler.report.replays import print_replayed, replayed_row
from reconciler.report.rows import API_VERSION
from reconciler.report.text import console
from reconciler.wiring import Opened, Place, chronicles, surveyed

_LARGEST = 512 * 1024 * 1024


def replay_commit(
    what: Annotated[
        str,
        typer.Argument(
            metavar="COMMIT|FILE",
            help="A commit of ours, a merge or a squash of it; or a file: evidence, an export, the JSON of "
            "a run.",
        ),
    ],
    config: Config = None,
    remote: Annotated[
        bool, typer.Option("--remote", help="In a clone: fetch, and read what the remote has.")
    ] = False,
    export: Annotated[
        Path | None,
        typer.Option("--export", metavar="FILE", help="Write down the evidence, for who lacks the ledger."),
    ] = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Make a commit anew from its evidence, and say whether it is the same.

    Today's code decides again from the evidence that the ledger keeps, and writes and proves the edit on the
    commit that it stood on, offline, without a look at the commit itself. Only then both are compared,
    byte for byte.

    Exit codes: 0 the same, 1 a difference, which is shown, 2 it can't be tried, and why.
    """
    opened = chronicles(config, remote=remote)
    with progress_bars() as bars:
        found = [
            _replayed(opened, place, claim, bars)
            for place, each in _claims(opened, what)
            for claim in each
            if _written(claim, export)
        ]
    if output is Output.JSON:
        print_json({"apiVersion": API_VERSION, "rows": [replayed_row(one) for one in found]})
    else:
        for one in found:
            print_replayed(console(), one)
    raise typer.Exit(Exit.DONE if all(one.is_same for one in found) else Exit.SOME_FAILED)


def _claims(opened: Opened, what: str) -> list[tuple[Place, list[Claim]]]:
    """In the first repository that knows it."""
    text = _text(Path(what))
    why: Problem | None = next((Misconfigured(one.what, one.error) for one in opened.failed), None)
    for place in opened.places:
        annals = place.chronicle.annals
        try:
            found = [claims.of_commit(annals, what)] if text is None else claims.of_file(annals, text, what)
        except Unknown as unknown:
            why = why if why is not None and not annals.named(what) else unknown
        else:
            return [(place, found)]
    raise why or Misconfigured("COMMIT", "the settings name no repository.")


def _text(path: Path) -> str | None:
    """What a file holds; None where there is none."""
    try:
        if not path.is_file():
            return None
        if path.stat().st_size > _LARGEST:
            raise Misconfigured("FILE", "it is larger than any evidence.", path=str(path))
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise Misconfigured("FILE", f"it can't be read ({error}).", path=str(path)) from error


def _replayed(opened: Opened, place: Place, claim: Claim, bars: Bars) -> Replayed:
    annals = place.chronicle.annals

    def read(commit: str, path: str) -> bytes | None:
        found = annals.read(commit, path)
        return found[1] if found is not None else None

    return replay(claim, surveyed(opened, place, bars), read, annals.changed)


def _written(claim: Claim, export: Path | None) -> bool:
    if export is not None:
        if claim.push is None:
            raise Misconfigured("--export", "what is replayed is evidence alone: it is a file already.")
        text = json.dumps(claims.exported(claim), indent=1, sort_keys=True, ensure_ascii=True)
        try:
            export.write_text(f"{text}\n", encoding="ascii")
        except OSError as error:
            words = f"it can't be written ({error.strerror})."
            raise Misconfigured("--export", words, path=str(export)) from error
    return True

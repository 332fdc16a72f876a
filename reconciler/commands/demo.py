"""`reconcile demo`: the whole way once, on a repository and a recording that it makes itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

import typer
from rich.text import Text

from reconciler.commands.common import Exit
from reconciler.demo import END, START, demo_files, record_story, settings_text, story
from reconciler.errors import Misconfigured
from reconciler.git.commits import Author
from reconciler.git.create import create_bare
from reconciler.report.text import console, heading

_EXPLAINED = "deploy/web/web"
_MERGED = "4"  # the service that leaks: its kills, its limit and its request tell the most


def demo(
    folder: Annotated[
        Path | None,
        typer.Argument(metavar="[DIR]", help="Where to build it, and keep it; else a temporary folder."),
    ] = None,
) -> None:
    """Show the main job end to end: dry run, merge request, merge, and a second run that changes nothing.

    Everything is embedded: a deployment repository of a dozen workloads, four weeks of recorded
    utilization, and a local forge. Nothing outside the folder is touched.
    """
    if folder is None:
        with tempfile.TemporaryDirectory(prefix="reconcile-demo-") as made:
            _show(Path(made), kept=False)
        return
    if folder.exists() and any(folder.iterdir()):
        raise Misconfigured(str(folder), f"{folder} is not empty: name a new folder.", path=str(folder))
    folder.mkdir(parents=True, exist_ok=True)
    _show(folder.resolve(), kept=True)


class Stage(NamedTuple):
    """The demo's folder, ready to be played on."""

    folder: Path
    story: Sequence[tuple[str, str]]


def build(folder: Path) -> Stage:
    """A bare repository, a recording and settings for both."""
    author = Author("Dana Developer", "dana@example.com")
    bare = folder / "deploy.git"
    create_bare(bare, demo_files(), branch="main", message="Everything we run", author=author, when=START)
    record_story(folder / "usage")
    text = settings_text(str(bare), "usage") + f"cache: {json.dumps(str(folder / 'cache'))}\n"
    (folder / "reconcile.yaml").write_text(text, encoding="utf-8")
    return Stage(folder, story())


def _show(folder: Path, *, kept: bool) -> None:
    began = time.monotonic()
    out = console()
    out.print(Text("Building a deployment repository and four weeks of recorded utilization …", style="dim"))
    stage = build(folder)
    for name, sentence in stage.story:
        out.print(Text.assemble((f"  {name:<28}", "bold"), sentence))
    _say(stage, "What would it do?", "--dry-run", "--no-diff")
    _say(stage, "Why, for one of them?", "explain", _EXPLAINED)
    _say(stage, "Do it: branches are pushed, merge requests opened.", "run", "-q")
    _say(stage, "The merge requests, as their reviewer finds them.", "mr", "list")
    _say(stage, "One of them, whole.", "mr", "show", _MERGED)
    _say(stage, "The reviewer agrees with that one.", "mr", "merge", _MERGED, "--now", str(END - 300))
    _say(stage, "The next run notes the merge in its ledger. The rest waits for its reviewer.", "run", "-q")
    _say(stage, "And once more: nothing is written at all.", "run", "-q")
    out.print()
    out.print(Text(f"That was the whole way, in {time.monotonic() - began:.0f} s.", style="bold"))
    if kept:
        out.print(f"It is all in {folder}: cd there and try the commands above yourself.")
    else:
        out.print("`reconcile demo DIR` keeps it all in DIR, to try the commands yourself.")


def _say(stage: Stage, words: str, *arguments: str) -> None:
    """One command as a person would type it, and what it prints."""
    out = console()
    out.print()
    heading(out, words)
    out.print(Text(f"$ reconcile {' '.join(arguments)}", style="bold cyan"))
    out.file.flush()
    code = _run(arguments, stage.folder)
    if code != Exit.DONE:
        raise typer.Exit(code)


def _run(arguments: Sequence[str], folder: Path) -> int:
    """In a process of its own, in the demo's folder: just what a shell would do."""
    # Named, the settings are trusted also where the folder lies in somebody's work tree.
    environment = {**os.environ, "RECONCILE_CONFIG": str(folder / "reconcile.yaml")}
    words = [sys.executable, "-m", "reconciler", *arguments]
    return subprocess.run(words, cwd=folder, env=environment, check=False).returncode  # noqa: S603

"""What every command shares: options, exit codes, output."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import IntEnum, StrEnum
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, Task, TextColumn
from rich.table import Table

from reconciler.errors import Misconfigured
from reconciler.model import ContainerRef
from reconciler.report.text import console
from reconciler.source.targets import malformed, matches, nearest

_PIECES = 10_000  # of JSON, written at once
_FAR = 7_258_118_400  # the year 2200; milliseconds are always beyond


class Exit(IntEnum):
    """How a command ends; docs/cli.md lists them."""

    DONE = 0
    SOME_FAILED = 1
    MISUSED = 2
    BUG = 3
    PENDING = 4
    INTERRUPTED = 130


class Output(StrEnum):
    TEXT = "text"
    JSON = "json"


class RunOutput(StrEnum):
    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"


Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        metavar="FILE",
        help="Settings file. Else $RECONCILE_CONFIG, else reconcile.yaml in this folder or one above it.",
    ),
]
Metrics = Annotated[
    str | None,
    typer.Option(
        "--metrics",
        metavar="URL|FOLDER",
        help="Where utilization comes from, instead of the settings' sources.",
    ),
]
Now = Annotated[
    str | None,
    typer.Option(
        "--now",
        metavar="TIME",
        help="The moment to decide for: Unix seconds or ISO 8601. With a recording: its last sample.",
    ),
]
Moment = Annotated[
    str | None,
    typer.Option("--now", metavar="TIME", help="When it happens: Unix seconds or ISO 8601. Else: now."),
]
Only = Annotated[
    list[str] | None,
    typer.Option(
        "--only",
        metavar="PATTERN",
        help="Only these containers: [NAMESPACE/]KIND/NAME[/CONTAINER] with globs, a workload's name, or "
        "./FOLDER. May be repeated.",
    ),
]
OutputOption = Annotated[
    Output, typer.Option("--output", "-o", metavar="text|json", help="How to print the result.")
]


def print_json(document: dict[str, Any]) -> None:
    """Piece by piece: thousands of rows may each name hundreds of others."""
    if sys.stdout is not None:  # closed by whoever started us
        pieces = json.JSONEncoder(indent=2, ensure_ascii=not _speaks_unicode()).iterencode(document)
        while batch := "".join(islice(pieces, _PIECES)):
            sys.stdout.write(batch)
        sys.stdout.write("\n")


def _speaks_unicode() -> bool:
    return (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"


def errors_console() -> Console:
    return console(sys.stderr)


def parse_now(text: str | None) -> int | None:
    """Unix seconds of what was typed; a time without a zone is UTC."""
    if text is None:
        return None
    try:
        moment = int(text) if text.lstrip("-").isdigit() else _iso(text)
    except (ValueError, OverflowError) as error:
        raise Misconfigured(
            "--now", f"--now {text!r} is no time: give Unix seconds or ISO 8601, e.g. 2026-03-01T12:00:00Z."
        ) from error
    if not 0 <= moment < _FAR:
        raise Misconfigured("--now", f"--now {text!r} is far from any time that counts: give seconds.")
    return moment


def _iso(text: str) -> int:
    moment = datetime.fromisoformat(text)
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def only_filter(patterns: Sequence[str] | None) -> Callable[[ContainerRef, str], bool]:
    """Whether a container is meant; every one when nothing narrows it."""
    for pattern in patterns or ():
        flaw = malformed(pattern)
        if flaw:
            raise Misconfigured("--only", f"--only {flaw}.")
    if not patterns:
        return lambda ref, unit: True
    chosen = tuple(patterns)
    return lambda ref, unit: any(matches(pattern, ref, unit) for pattern in chosen)


def meant(pattern: str, known: Iterable[ContainerRef], else_: str = "; `reconcile scan` lists them") -> str:
    """The end of a sentence on a pattern that matches nothing: what it may have meant."""
    near = nearest(pattern, known)
    return f"; did you mean {' or '.join(near)}?" if near else f"{else_}."


class _Patient(Progress):
    """Shows what takes longer than a second, also while it waits for its first step to end."""

    _PATIENCE = 1.0

    def make_tasks_table(self, tasks: Iterable[Task]) -> Table:
        return super().make_tasks_table(
            [task for task in tasks if task.elapsed is not None and task.elapsed >= self._PATIENCE]
        )


class Bars:
    """Progress on standard error, on a terminal."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress

    def step(self, words: str, total: int = 0) -> Callable[[int], None]:
        if self._progress is None or total <= 0:
            return lambda amount: None
        progress = self._progress
        task = progress.add_task(words, total=total)
        done = 0

        def advance(amount: int) -> None:
            nonlocal done
            done += amount
            progress.update(task, completed=done, visible=done < total)

        return advance


@contextmanager
def progress_bars() -> Iterator[Bars]:
    if not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield Bars(None)
        return
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn())
    with _Patient(*columns, console=errors_console(), transient=True) as progress:
        yield Bars(progress)

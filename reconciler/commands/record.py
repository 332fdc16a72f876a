"""`reconcile record`: what is known of containers as files, to attach to a report or to use offline."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from reconciler.commands.choosing import (
    Chosen,
    Namespace,
    Pattern,
    Window,
    chosen,
    days_of,
    nothing_matches,
)
from reconciler.commands.common import Bars, Config, Exit, Metrics, Now, parse_now, progress_bars
from reconciler.errors import Misconfigured, Problem
from reconciler.gather import summed
from reconciler.model import Cost, Failure, Note
from reconciler.report.costs import print_costs, size_words
from reconciler.report.diffs import shown
from reconciler.report.text import console, counted, print_failures, print_notes
from reconciler.usage.days import DAY
from reconciler.usage.excerpt import ManyFilesError, Wanted, Written, names_hashed, write_excerpt
from reconciler.wiring import Sources, usage_sources


def record(
    out: Annotated[
        Path,
        typer.Argument(metavar="OUT", help="A new or empty folder, or a new file that ends in .parquet."),
    ],
    pattern: Pattern = "",
    namespace: Namespace = None,
    metrics: Metrics = None,
    window: Window = "14d",
    anonymous: Annotated[
        bool,
        typer.Option(
            "--anonymous",
            help="Replace names of clusters, namespaces, workloads and containers, each always by the same.",
        ),
    ] = False,
    config: Config = None,
    now: Now = None,
) -> None:
    """Write what containers used into files, to attach to a report or to use without the server.

    What is written is a recording: `--metrics OUT` reads it in every command, and gives the numbers that
    its source gives. With --anonymous names become hashes under a key that is made for this one recording
    and kept nowhere; kinds, times and numbers stay.
    """
    wanted, days = chosen(pattern, namespace), days_of(window)
    _must_be_new(out)
    sources = usage_sources(config, metrics, parse_now(now))
    asked = Wanted(
        wanted.containers,
        sources.now - days * DAY,
        sources.now,
        names_hashed(secrets.token_bytes(32)) if anonymous else None,
    )
    files = _Files(sources)
    with progress_bars() as bars:
        files.ask(sources, wanted, asked, bars)
        written = _write(out, files.paths, asked)
    failures = tuple(dict.fromkeys((*files.failures, *written.failures)))
    _tell(out, written, files, failures)
    if written.rows:
        raise typer.Exit(Exit.SOME_FAILED if failures else Exit.DONE)
    if not failures:
        words = nothing_matches(wanted.words, pattern) if wanted.words else _nothing(days)
        raise Misconfigured("PATTERN", words)
    raise typer.Exit(Exit.MISUSED)


def _nothing(days: int) -> str:
    return f"nothing is known of any container in those {counted(days, 'day')}, so nothing was written."


class _Files:
    """Where the sources have what is wanted."""

    def __init__(self, sources: Sources) -> None:
        self.paths: list[Path] = []
        self.failures: dict[Failure, None] = dict.fromkeys(sources.failed)
        self.notes: dict[Note, None] = dict.fromkeys(sources.notes)
        self.costs: list[Cost] = []

    def ask(self, sources: Sources, wanted: Chosen, asked: Wanted, bars: Bars) -> None:
        for source in sources.opened:
            advance = bars.step(f"Asking {source.name}", 1)
            try:
                found = source.recorded(asked.start, asked.end, wanted.namespaces, told=bars)
            except Problem as problem:
                self.failures[problem.failure] = None
                continue
            finally:
                advance(1)
            self.paths += found.paths
            self.failures.update(dict.fromkeys(found.failures))
            self.notes.update(dict.fromkeys(found.notes))
            self.costs += found.costs


def _must_be_new(out: Path) -> None:
    """Nobody's files are written over, nor mixed with."""
    if out.suffix == ".parquet":
        if out.exists() or out.is_symlink():
            raise Misconfigured("OUT", "it is there already: name a new file.", path=str(out))
    elif out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise Misconfigured(
            "OUT",
            "it is there already: name a new folder, or a new file that ends in .parquet.",
            path=str(out),
        )


def _write(out: Path, paths: list[Path], asked: Wanted) -> Written:
    """Into a folder beside its place, and moved there when all is written."""
    single = out.name if out.suffix == ".parquet" else ""
    try:
        with _beside(out) as folder:
            written = write_excerpt(paths, asked, folder, single=single)
            if written.rows:
                os.replace(folder / single if single else folder, out.resolve())
            return written
    except ManyFilesError as error:
        raise Misconfigured(
            "OUT", f"one file can't hold it, for {error}: name a folder.", path=str(out)
        ) from None
    except OSError as error:
        raise Misconfigured("OUT", f"it can't be written: {error.strerror}.", path=str(out)) from error


@contextmanager
def _beside(out: Path) -> Iterator[Path]:
    place = out.resolve()
    place.parent.mkdir(parents=True, exist_ok=True)
    folder = place.with_name(f".{place.name}.{secrets.token_hex(6)}.tmp")
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _tell(out: Path, written: Written, files: _Files, failures: Iterable[Failure]) -> None:
    to = console()
    if written.rows:
        what = f"{counted(written.containers, 'container')}, {counted(written.rows, 'container-day')}"
        made = f"{counted(written.files, 'file')}, {size_words(written.bytes)}"
        to.print(Text(shown(f"Wrote {out}: {what} ({made}). Read it with --metrics {out}"), style="bold"))
    print_notes(to, files.notes)
    print_failures(to, failures)
    print_costs(to, summed(files.costs))

"""`reconcile usage`: what containers used, as far as anybody knows."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from reconciler.commands.choosing import (
    Chosen,
    Namespace,
    Pattern,
    Window,
    chosen,
    days_of,
    nothing_matches,
)
from reconciler.commands.common import (
    Bars,
    Config,
    Exit,
    Metrics,
    Now,
    Output,
    OutputOption,
    parse_now,
    print_json,
    progress_bars,
)
from reconciler.errors import Misconfigured, Problem
from reconciler.gather import summed
from reconciler.model import ContainerRef, Cost, Failure, Note, NoUsage, Usage
from reconciler.report.costs import cost_row, print_costs
from reconciler.report.rows import API_VERSION, failure_row, note_row
from reconciler.report.text import console, print_failures, print_notes
from reconciler.report.usage import ORDERS, Entry, Seen, print_usage, unmeasured_row, usage_row
from reconciler.usage.days import DAY
from reconciler.wiring import Sources, usage_sources


class Sort(StrEnum):
    NAME = "name"
    CPU = "cpu"
    MEMORY = "memory"


class Answer:
    """What all sources said together."""

    def __init__(self, failed: tuple[Failure, ...], notes: tuple[Note, ...]) -> None:
        self.used: list[Entry] = []
        self.unmeasured: list[tuple[ContainerRef, NoUsage]] = []
        self.failures: dict[Failure, None] = dict.fromkeys(failed)
        self.notes: dict[Note, None] = dict.fromkeys(notes)
        self.costs: list[Cost] = []
        self.known = 0  # containers, also those that aren't meant


def usage(
    pattern: Pattern = "",
    namespace: Namespace = None,
    metrics: Metrics = None,
    window: Window = "14d",
    sort: Annotated[
        Sort,
        typer.Option("--sort", "--sort-by", metavar="name|cpu|memory", help="What comes first."),
    ] = Sort.NAME,
    config: Config = None,
    now: Now = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Show what containers used: CPU, memory, kills, throttling, and how much of it is known.

    With --metrics it needs no settings and no repository: `reconcile usage --metrics
    http://prometheus:9090`. Quantiles are over all samples of all pods that a container had. The bars are
    days, UTC, from zero to the container's own highest; a dot is a day without a sample.
    """
    wanted, days = chosen(pattern, namespace), days_of(window)
    sources = usage_sources(config, metrics, parse_now(now))
    with progress_bars() as bars:
        answer = _ask(sources, wanted, days * DAY, bars)
    if wanted.words and not (answer.used or answer.unmeasured or answer.failures):
        raise Misconfigured("PATTERN", nothing_matches(wanted.words, pattern))
    answer.used.sort(key=ORDERS[sort.value])
    if output is Output.JSON:
        print_json(_document(sources, answer, days * DAY))
    else:
        _print(sources, answer, days * DAY)
    raise typer.Exit(_exit_code(answer))


def _ask(sources: Sources, wanted: Chosen, seconds: int, bars: Bars) -> Answer:
    answer = Answer(sources.failed, sources.notes)
    for source in sources.opened:
        advance = bars.step(f"Asking {source.name}", 1)
        try:
            found = source.everything(sources.now - seconds, sources.now, wanted.namespaces, told=bars)
        except Problem as problem:
            answer.failures[problem.failure] = None
            continue
        finally:
            advance(1)
        answer.failures.update(dict.fromkeys(found.failures))
        answer.notes.update(dict.fromkeys(found.notes))
        answer.costs += found.costs
        answer.known += len(found.usage)
        for ref, one in found.usage.items():
            if not wanted.containers(ref):
                continue
            if isinstance(one, Usage):
                answer.used.append((ref, one))
            else:
                answer.unmeasured.append((ref, one))
    answer.unmeasured.sort(key=lambda entry: entry[0])
    return answer


def _document(sources: Sources, answer: Answer, seconds: int) -> dict[str, Any]:
    return {
        "apiVersion": API_VERSION,
        "now": sources.now,
        "rows": [usage_row(ref, used, seconds) for ref, used in answer.used],
        "unmeasured": [unmeasured_row(ref, why) for ref, why in answer.unmeasured],
        "failed": [failure_row(failure) for failure in answer.failures],
        "notes": [note_row(note) for note in answer.notes],
        "metrics": [cost_row(cost) for cost in summed(answer.costs)],
    }


def _print(sources: Sources, answer: Answer, seconds: int) -> None:
    out = console()
    print_usage(out, Seen(answer.used, answer.unmeasured, sources.now - seconds, sources.now))
    print_notes(out, answer.notes)
    print_failures(out, answer.failures)
    print_costs(out, summed(answer.costs))


def _exit_code(answer: Answer) -> Exit:
    if not answer.failures:
        return Exit.DONE
    return Exit.SOME_FAILED if answer.known else Exit.MISUSED

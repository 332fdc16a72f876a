"""`reconcile backtest`: what policies would have done, day by day, beside what others would have."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from reconciler.backtest.advice import Adviser
from reconciler.backtest.compare import BASELINES, Comparison, compare, write_recommendations
from reconciler.backtest.past import Pasts
from reconciler.backtest.plot import must_be_drawable, write_plot
from reconciler.backtest.policies import following
from reconciler.backtest.recorded import Recording
from reconciler.backtest.replay import Pace
from reconciler.backtest.series import read_series
from reconciler.backtest.telling import as_csv, currency_of, price_rows, rows_of
from reconciler.commands.choosing import Chosen, Namespace, Pattern, chosen, days_of, nothing_matches
from reconciler.commands.common import (
    Bars,
    Config,
    Exit,
    Metrics,
    Now,
    errors_console,
    parse_now,
    print_json,
    progress_bars,
)
from reconciler.commands.replayed import print_comparison
from reconciler.config import PolicyBook
from reconciler.errors import Misconfigured, Problem
from reconciler.gather import summed
from reconciler.model import Cost, Failure, Note, Policy, Price
from reconciler.report.costs import cost_row, print_costs
from reconciler.report.rows import API_VERSION, failure_row, note_row
from reconciler.report.text import console, print_failures, print_notes
from reconciler.usage.days import DAY
from reconciler.usage.lives import Lives
from reconciler.usage.port import UsageSource
from reconciler.wiring import Replaying, Sources, replaying

AUTO = "auto"
_AUTO_IS = "balanced"
_TRAIN_DAYS = 28
_WINDOW = "56d"


Contender = Adviser | Policy


class Format(StrEnum):
    TEXT = "text"
    JSON = "json"
    CSV = "csv"


Series = Annotated[
    Path | None,
    typer.Option("--series", metavar="FILE", help="Samples, as CSV or Parquet; docs/backtest.md."),
]
Window = Annotated[
    str,
    typer.Option("--window", metavar="DURATION", help="Without --series, how far back to look, as 8w."),
]
Policies = Annotated[
    list[str] | None,
    typer.Option(
        "--policy",
        metavar="NAME",
        help="auto (balanced as shipped), a policy's name, vpa, krr-simple or krr-simple-limit. May be "
        "repeated. Without it: auto and the three baselines.",
    ),
]
TrainDays = Annotated[
    int | None,
    typer.Option(
        "--train-days",
        min=1,
        help=f"Days of each container that are only learned from. Else {_TRAIN_DAYS}, and without "
        "--series no more than half of the days there are.",
    ),
]
StepDays = Annotated[int, typer.Option("--step-days", min=1, help="Days between two decisions.")]
Recommendations = Annotated[
    Path | None,
    typer.Option(
        "--recommendations",
        metavar="OUT.csv",
        help="Write every request in force here, a line each time that one begins or changes.",
    ),
]
Plot = Annotated[
    Path | None,
    typer.Option(
        "--plot",
        metavar="FILE",
        help="Draw slack against overruns into this file, which ends in .svg, or in .png (needs "
        "reconciler[png]).",
    ),
]
FormatOption = Annotated[
    Format, typer.Option("--output", "-o", metavar="text|json|csv", help="How to print the result.")
]


def backtest(
    pattern: Pattern = "",
    namespace: Namespace = None,
    series: Series = None,
    metrics: Metrics = None,
    window: Window = _WINDOW,
    policy: Policies = None,
    train_days: TrainDays = None,
    step_days: StepDays = 1,
    recommendations: Recommendations = None,
    plot: Plot = None,
    config: Config = None,
    now: Now = None,
    output: FormatOption = Format.TEXT,
) -> None:
    """Replay policies and other tools' recommenders over the past, and compare them.

    The past is a table of samples (--series), a recording or a metrics server (--metrics, or the
    settings'). Each day they know only the days before. A day whose memory passes the request in force
    is an overrun, and counts as an OOM kill from the next day on. All but the first are also shown with
    their requests scaled so that they leave as much slack as the first.
    """
    wanted, days = chosen(pattern, namespace), days_of(window)
    if series is not None and metrics is not None:
        raise Misconfigured("--series", "--series and --metrics both say where the past is: name one.")
    if plot is not None:
        must_be_drawable(plot)
    given = replaying(config, metrics, parse_now(now), table=series is not None)
    contenders = _contenders(policy, given.policies)
    with progress_bars() as bars:
        if series is not None:
            known = _of_table(series, wanted)
        else:
            assert given.sources is not None
            known = _of_days(given.sources, wanted, days, bars)
        found = _replayed(known, contenders, Pace(train_days or known.train_days, step_days), given, bars)
    if recommendations is not None:
        write_recommendations(recommendations, found.comparison)
    if plot is not None:
        write_plot(plot, found.comparison)
    _tell(found, output)
    raise typer.Exit(Exit.SOME_FAILED if found.failures else Exit.DONE)


def _contenders(names: Sequence[str] | None, book: PolicyBook) -> dict[str, Contender]:
    wanted = list(dict.fromkeys(names or (AUTO, *BASELINES)))
    return {name: BASELINES.get(name) or _policy(name, book) for name in wanted}


def _policy(name: str, book: PolicyBook) -> Policy:
    found = book.named(_AUTO_IS if name == AUTO else name)
    if isinstance(found, Failure):
        raise Problem(found.what, found.error, path=found.path, line=found.line)
    if found is None:
        known = ", ".join([AUTO, *BASELINES, *book.names])
        raise Misconfigured("--policy", f"--policy {name}: there is no such policy; known are {known}.")
    return found


# ---------------------------------------------------------------------------------------------
# The past
# ---------------------------------------------------------------------------------------------


class Known(NamedTuple):
    """What is to be replayed, and what was told on the way to it."""

    every: Pasts
    clusters: frozenset[str]
    train_days: int  # where nobody says how many
    none: str  # what is wrong when there is nobody
    failures: Callable[[], tuple[Failure, ...]] = tuple  # complete when all were gone through
    notes: tuple[Note, ...] = ()
    costs: tuple[Cost, ...] = ()


def _of_table(series: Path, wanted: Chosen) -> Known:
    every = [past for past in read_series(series) if wanted.containers(past.ref)]
    none = f"{series} has no container that matches {wanted.words!r}."
    return Known(every, frozenset({""}), _TRAIN_DAYS, none)


def _of_days(sources: Sources, wanted: Chosen, days: int, bars: Bars) -> Known:
    end = min((_end(source, sources.now) for source in sources.opened), default=sources.now)
    start, paths = end - days * DAY, list[Path]()
    failures, notes, costs = dict.fromkeys(sources.failed), dict.fromkeys(sources.notes), list[Cost]()
    for source in sources.opened:
        advance = bars.step(f"Asking {source.name}", 1)
        try:
            said = source.recorded(start, end, wanted.namespaces, told=bars)
        except Problem as problem:
            failures[problem.failure] = None
            continue
        finally:
            advance(1)
        paths += said.paths
        failures.update(dict.fromkeys(said.failures))
        notes.update(dict.fromkeys(said.notes))
        costs += said.costs
    lives = Lives(paths, wanted.containers, start, end)
    none = nothing_matches(wanted.words, "") if wanted.words else f"nothing is known of the last {days} days."
    return Known(
        Recording(lives),
        frozenset(ref.cluster for ref in lives.refs),
        max(1, min(_TRAIN_DAYS, lives.days // 2)),
        none,
        lambda: tuple(dict.fromkeys((*failures, *lives.failures))),
        tuple(notes),
        summed(costs),
    )


def _end(source: UsageSource, now: int) -> int:
    """What a server has of today is no day to be counted yet."""
    return now if source.last_sample() is not None else now // DAY * DAY


# ---------------------------------------------------------------------------------------------
# The replay, and what is told of it
# ---------------------------------------------------------------------------------------------


class Found(NamedTuple):
    comparison: Comparison
    pace: Pace
    prices: Mapping[str, Price]  # by cluster
    failures: tuple[Failure, ...]
    notes: tuple[Note, ...]
    costs: tuple[Cost, ...]


def _replayed(
    known: Known, contenders: Mapping[str, Contender], pace: Pace, given: Replaying, bars: Bars
) -> Found:
    if not len(known.every):
        print_failures(errors_console(), known.failures())
        raise Misconfigured("PATTERN", known.none)
    priced = given.priced(known.clusters)
    advisers = {
        name: following(each, priced.prices.of) if isinstance(each, Policy) else each
        for name, each in contenders.items()
    }
    comparison = compare(known.every, advisers, pace, bars.step, priced.prices.of)
    prices = {cluster: priced.prices.of(cluster) for cluster in known.clusters}
    notes = tuple(dict.fromkeys((*known.notes, *priced.notes)))
    return Found(comparison, pace, prices, known.failures(), notes, known.costs)


def _tell(found: Found, output: Format) -> None:
    rows = rows_of(found.comparison, currency_of(found.prices))
    if output is Format.CSV:
        typer.echo(as_csv(rows), nl=False)
    elif output is Format.JSON:
        print_json(_document(found, rows))
    else:
        print_comparison(console(), found.comparison, found.prices)
    if output is not Format.JSON:
        to = console() if output is Format.TEXT else errors_console()
        print_notes(to, found.notes)
        print_failures(to, found.failures)
        print_costs(to, found.costs)


def _document(found: Found, rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "apiVersion": API_VERSION,
        "containers": len(found.comparison.replayed),
        "train_days": found.pace.train_days,
        "step_days": found.pace.step_days,
        "prices": price_rows(found.prices),
        "rows": rows,
        "failed": [failure_row(failure) for failure in found.failures],
        "notes": [note_row(note) for note in found.notes],
        "metrics": [cost_row(cost) for cost in found.costs],
    }

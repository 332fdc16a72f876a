"""`reconcile images`: which tag a policy would take, tried without touching anything."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO, Annotated, Any

import typer
from rich.text import Text

from reconciler.commands.common import (
    Config,
    Exit,
    Output,
    OutputOption,
    errors_console,
    parse_now,
    print_json,
)
from reconciler.config import Settings, load_settings
from reconciler.errors import Misconfigured, Problem
from reconciler.images.choose import Chosen, NoChoice, choose, judge_all
from reconciler.images.reference import BadReferenceError, image, is_tag
from reconciler.images.registry.wire import UnreachableError
from reconciler.images.rules import STRATEGIES, BadRuleError, Compiled, ImageRule, Level, Order, strategy
from reconciler.report.diffs import shown
from reconciler.report.rows import API_VERSION
from reconciler.report.text import console, new_table, print_table
from reconciler.wiring import found_settings, registries_of

app = typer.Typer(help="Image tags: which follows which, and what a registry has.", no_args_is_help=True)
_MOST_TEXT = 64 << 20  # more than a million tags


Strategies = Annotated[
    str, typer.Option("--strategy", metavar="NAME", help=f"{', '.join(STRATEGIES)}; docs/images.md.")
]
Range = Annotated[
    str | None, typer.Option("--range", metavar="RANGE", help="For semver: '^1.2', '>=1.2 <3', '1.x'.")
]
Filter = Annotated[
    str | None, typer.Option("--filter", metavar="RE", help="Only tags in which this (RE2) is found.")
]
Extract = Annotated[
    str | None,
    typer.Option("--extract", metavar="TEXT", help="What counts of a tag: '$1', '${name}' of the filter."),
]
Ordered = Annotated[
    Order, typer.Option("--order", help="For numerical and alphabetical: which end is the newest.")
]
Levels = Annotated[Level, typer.Option("--level", help="The largest step, where no range is given.")]
PreReleases = Annotated[bool, typer.Option("--pre-releases", help="Take these as well.")]


@app.command("choose")
def choose_tag(
    current: Annotated[str, typer.Option("--current", metavar="TAG", help="The tag in force.")],
    named: Strategies = "auto",
    range_: Range = None,
    filter_: Filter = None,
    extract: Extract = None,
    order: Ordered = Order.ASCENDING,
    level: Levels = Level.MAJOR,
    pre_releases: PreReleases = False,
    output: OutputOption = Output.TEXT,
) -> None:
    """Choose among tags on standard input, one a line, as a policy would; ends with 1 when none fits.

    The first line printed is the tag. Below it: why the nearest others are not it. For strategy
    newest a line holds the tag, a tab, and when it was made.

    printf '1.2.3\\n1.2.4\\n' | reconcile images choose --current 1.2.3
    """
    rule = _rule(named, ImageRule(range=range_, filter=filter_, extract=extract, order=order, level=level,
                                  pre_releases=pre_releases))  # fmt: skip
    if not is_tag(current):
        raise Misconfigured("--current", f"--current {current!r} is no tag.")
    tags, made = _read(sys.stdin)
    found = choose(rule, current, tags, made)
    if output is Output.JSON:
        print_json(_document(current, found))
    elif isinstance(found, Chosen):
        _print(found)
    else:
        errors_console().print(f"reconcile: {shown(found.why)}.", style="red")
        _print_lost(found)
    if isinstance(found, NoChoice):
        raise typer.Exit(Exit.SOME_FAILED)


@app.command("list")
def list_tags(
    name: Annotated[str, typer.Argument(metavar="IMAGE", help="As a manifest names it.")],
    named: Strategies = "auto",
    range_: Range = None,
    filter_: Filter = None,
    extract: Extract = None,
    order: Ordered = Order.ASCENDING,
    level: Levels = Level.MAJOR,
    pre_releases: PreReleases = False,
    config: Config = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """List the tags of an image in its registry, with what a policy would think of each.

    With a tag, the image's own says which are of its kind; without, every tag is only listed. The
    options stand for a policy: those in the settings are not read.
    """
    rule = _rule(named, ImageRule(range=range_, filter=filter_, extract=extract, order=order, level=level,
                                  pre_releases=pre_releases))  # fmt: skip
    try:
        wanted = image(name)
    except BadReferenceError as bad:
        raise Misconfigured("images list", f"{bad}.") from bad
    asking = registries_of(_settings(config))
    try:
        tags = asking.repository(wanted).tags()
    except UnreachableError as gone:
        raise Problem("images list", f"{gone.words}.", whose=gone.whose) from gone
    finally:
        asking.close()
    rows = _judged(rule, wanted.tag, tags) if wanted.tag else [(tag, False, "") for tag in sorted(tags)]
    if output is Output.JSON:
        listed = [{"tag": tag, "fits": fits, "why": why} for tag, fits, why in rows]
        print_json({"apiVersion": API_VERSION, "image": wanted.name, "current": wanted.tag, "tags": listed})
        return
    table = new_table("TAG", "FITS", "WHY") if wanted.tag else new_table("TAG")
    for tag, fits, why in rows:
        table.add_row(shown(tag), *(("yes" if fits else "", shown(why)) if wanted.tag else ()))
    print_table(console(), table)


def _judged(rule: ImageRule, current: str, tags: Iterable[str]) -> list[tuple[str, bool, str]]:
    """The best says why it is that; the others that would fit, which one is better."""
    rows = judge_all(rule, current, tags)
    best = next((tag for tag, fits, _ in rows if fits), "")
    return [(tag, fits, why or (f"{best} is newer" if fits else "")) for tag, fits, why in rows]


def _settings(config: Path | None) -> Settings:
    """Those that are found; without any, public registries can be asked."""
    found = found_settings(config, Path.cwd())
    return load_settings(found) if found is not None else Settings.for_clone(Path.cwd())


def _rule(named: str, rule: ImageRule) -> ImageRule:
    """What can't be meant is a mistake in the command, not an image without a choice."""
    try:
        rule = rule._replace(strategy=strategy(named))
        Compiled(rule)
    except BadRuleError as bad:
        raise Misconfigured("--strategy", f"{bad}.") from bad
    return rule


def _read(source: IO[str] | None) -> tuple[list[str], dict[str, int]]:
    text = source.buffer.read(_MOST_TEXT + 1) if source is not None else b""  # type: ignore[attr-defined]
    if len(text) > _MOST_TEXT:
        raise Misconfigured("standard input", "standard input is larger than any list of tags.")
    tags: dict[str, None] = {}
    made: dict[str, int] = {}
    for line in text.decode("utf-8", "replace").splitlines():
        tag, tab, moment = line.strip().partition("\t")
        if tag:
            tags[tag] = None
        if tab:
            made[tag] = _moment(tag, moment.strip())
    return list(tags), made


def _moment(tag: str, text: str) -> int:
    try:
        return parse_now(text) or 0
    except Misconfigured as bad:
        words = f"standard input: {tag!r} was made at {text!r}, which is no time: Unix seconds or ISO 8601."
        raise Misconfigured("standard input", words) from bad


def _document(current: str, found: Chosen | NoChoice) -> dict[str, Any]:
    chosen = found.tag if isinstance(found, Chosen) else None
    lost: Iterable[Mapping[str, str]] = ({"tag": one.tag, "why": one.why} for one in found.lost)
    return {
        "apiVersion": API_VERSION,
        "current": current,
        "chosen": chosen,
        "changes": chosen is not None and chosen != current,
        "why": found.why,
        "lost": list(lost),
    }


def _print(found: Chosen) -> None:
    out = console()
    out.print(Text(shown(found.tag), style="bold green"))
    out.print(Text(f"  {shown(found.why)}"))
    _print_lost(found)


def _print_lost(found: Chosen | NoChoice) -> None:
    if not found.lost:
        return
    table = new_table("NOT", "BECAUSE")
    for one in found.lost:
        table.add_row(shown(one.tag), shown(one.why))
    print_table(console(), table)

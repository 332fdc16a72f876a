"""`reconcile doctor`: is everything here that a run needs?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import typer
from rich.text import Text

from reconciler.commands.common import Config, Exit, Metrics, Output, OutputOption, print_json, progress_bars
from reconciler.commands.health import Check, Verdict, of_rendering
from reconciler.config import Settings, load_policies, load_settings
from reconciler.errors import Problem
from reconciler.forges.records import LATEST
from reconciler.git.clone import open_clone
from reconciler.git.command import git_version
from reconciler.git.reach import may_push, remote_branches
from reconciler.money import hourly
from reconciler.report.diffs import shown
from reconciler.report.rows import API_VERSION
from reconciler.report.text import console, counted, new_table, print_table
from reconciler.wiring import access_of, forge_of, found_settings, prices_now, state_of

_MARKS = {
    Verdict.OK: ("✓", "green"),
    Verdict.MISSING: ("–", "yellow"),
    Verdict.BROKEN: ("✗", "bold red"),
}


def doctor(config: Config = None, metrics: Metrics = None, output: OutputOption = Output.TEXT) -> None:
    """Check programs, settings, policies, tokens and servers, and say what to do about each.

    Exits with 1 when something is broken that a run needs. What is only missing, and not needed
    for plain manifests, is no failure.
    """
    with progress_bars() as bars:
        bars.step("Checking", 1)
        found = _checks(config, metrics)
    if output is Output.JSON:
        print_json({"apiVersion": API_VERSION, "checks": [check._asdict() for check in found]})
    else:
        _print(found)
    broken = any(check.verdict is Verdict.BROKEN for check in found)
    raise typer.Exit(Exit.SOME_FAILED if broken else Exit.DONE)


def _checks(config: Path | None, metrics: str | None) -> list[Check]:
    settings, told = _settings(config)
    found = [*_git(), *of_rendering(settings), *told]
    if settings:
        found += _reached(settings, metrics)
    elif metrics:
        found += _metrics(Settings.for_metrics(metrics))
    return found


def _print(found: Sequence[Check]) -> None:
    table = new_table("", "WHAT", "")
    for check in found:
        mark, style = _MARKS[check.verdict]
        table.add_row(Text(mark, style=style), Text(shown(check.what)), Text(shown(check.told)))
    print_table(console(), table)


def _git() -> Iterator[Check]:
    try:
        yield Check("git", Verdict.OK, ".".join(map(str, git_version())))
    except Problem as problem:
        yield Check("git", Verdict.BROKEN, str(problem))


def _settings(config: Path | None) -> tuple[Settings | None, list[Check]]:
    try:
        found = found_settings(config, Path.cwd())
        if found is None:
            return None, [_no_settings()]
        settings = load_settings(found)
    except Problem as problem:
        return None, [Check("settings", Verdict.BROKEN, str(problem))]
    notes = [Check("settings", Verdict.MISSING, note.detail) for note in settings.notes]
    return settings, [Check("settings", Verdict.OK, str(found.path)), *notes]


def _reached(settings: Settings, metrics: str | None) -> Iterator[Check]:
    """What the settings lead to."""
    yield from _policies(settings)
    for each in settings.repositories:
        yield from _repository(settings, each.url, each.branch or "")
    asked = settings.with_metrics(metrics) if metrics else settings
    yield from _metrics(asked)
    yield from _prices(asked)


def _no_settings() -> Check:
    clone = open_clone(Path.cwd())
    if clone is None:
        return Check(
            "settings", Verdict.BROKEN, "no reconcile.yaml here or above; `reconcile init` writes it"
        )
    told = f"none; dry runs read this clone, {clone.root}. `reconcile init` writes a reconcile.yaml"
    return Check("settings", Verdict.MISSING, told)


def _policies(settings: Settings) -> Iterator[Check]:
    try:
        load_policies(settings.policies)
    except Problem as problem:
        yield Check("policies", Verdict.BROKEN, str(problem))
    else:
        told = str(settings.policies) if settings.policies else "none of yours; `balanced` holds"
        yield Check("policies", Verdict.OK, told)


def _repository(settings: Settings, url: str, branch: str) -> Iterator[Check]:
    what = f"repository {url}"
    try:
        branches = remote_branches(url, access_of(settings, url))
    except Problem as problem:
        yield Check(what, Verdict.BROKEN, str(problem))
        return
    if branch and branch not in branches:
        yield Check(what, Verdict.BROKEN, f"there is no branch {branch!r}; correct `branch` in the settings")
    elif not branches:
        yield Check(what, Verdict.BROKEN, "it is empty: push a first commit to it")
    else:
        yield Check(what, Verdict.OK, f"reachable, {counted(len(branches), 'branch', 'branches')}")
    forge = forge_of(settings, url, 0)
    if callable(forge):
        try:
            asked = forge()
            me, told = asked.whoami(), len(asked.mine("", LATEST))
        except Problem as problem:
            here = open_clone(Path.cwd())
            only_dry = here is not None and here.root == Path(url).resolve()
            verdict = Verdict.MISSING if only_dry else Verdict.BROKEN
            yield Check(f"forge of {url}", verdict, f"{problem}{' Dry runs do without.' if only_dry else ''}")
        else:
            words = f"reachable as {me}, {counted(told, 'open merge request')}"
            yield Check(f"forge of {url}", Verdict.OK, words)
            yield from _pushes(settings, url)
    else:
        yield Check(f"forge of {url}", Verdict.MISSING, forge.why)


def _pushes(settings: Settings, url: str) -> Iterator[Check]:
    """Only told where it can't: a token that may read alone is enough for dry runs."""
    try:
        may_push(url, access_of(settings, url))
    except Problem as problem:
        yield Check(f"pushing to {url}", Verdict.BROKEN, f"{problem} Dry runs do without.")


def _metrics(settings: Settings) -> Iterator[Check]:
    if not settings.metrics:
        yield Check("metrics", Verdict.MISSING, "no source: every value would be kept as no-metrics")
    for each in settings.metrics:
        what = f"metrics {each.name}"
        try:
            found = state_of(each, settings)
        except Problem as problem:
            yield Check(what, Verdict.BROKEN, str(problem))
        else:
            verdict = Verdict.OK if found.words else Verdict.BROKEN
            yield Check(what, verdict, found.words or "it has no sample at all")
            yield from (Check(what, Verdict.MISSING, words) for words in found.hints)


def _prices(settings: Settings) -> Iterator[Check]:
    """Not knowing what it costs keeps nothing from being sized."""
    if not settings.prices:
        return
    found, notes = prices_now(settings)
    by_price: dict[str, list[str]] = {}
    for cluster, price in found.items():
        by_price.setdefault(f"{hourly(price)} ({price.source})", []).append(cluster or "everywhere")
    for told, clusters in by_price.items():
        more = f" and {len(clusters) - 5} more" if len(clusters) > 5 else ""
        yield Check(f"prices {', '.join(clusters[:5])}{more}", Verdict.OK, told)
    yield from (Check("prices", Verdict.MISSING, note.detail) for note in notes)

"""`reconcile mr`: the local forge from a shell, so that a merge request's whole life can be lived
without a server."""

from __future__ import annotations

import getpass
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markdown import Markdown
from rich.text import Text

from reconciler.commands.common import Config, Exit, Moment, Output, OutputOption, parse_now, print_json
from reconciler.errors import Misconfigured
from reconciler.forges.local import LocalForge
from reconciler.forges.port import Comment, Method, NotMerged, Wording
from reconciler.forges.records import Record
from reconciler.git.diff import request_diff
from reconciler.model import MergeRequest
from reconciler.proposals.dashboard import topic_of
from reconciler.proposals.markdown import plain
from reconciler.proposals.wishes import boxes, carried, in_words
from reconciler.report.diffs import shown, shown_lines
from reconciler.report.text import console, new_table, print_diff, print_table, when
from reconciler.wiring import local_repository

app = typer.Typer(
    help="Merge requests of a local bare repository: list, show, approve, label, merge, close, reopen, "
    "and the dashboard.",
    no_args_is_help=True,
)
_NUMBER = Annotated[int, typer.Argument(metavar="NUMBER", help="Number of the merge request.", min=1)]
_REPOSITORY = Annotated[
    Path | None,
    typer.Option(
        "--repository", "-r", metavar="PATH", help="The bare repository. Else the one that the settings name."
    ),
]


@app.command("list")
def list_requests(
    repository: _REPOSITORY = None,
    config: Config = None,
    state: Annotated[
        str, typer.Option("--state", metavar="STATE", help="open, merged, closed or all.")
    ] = "open",
    output: OutputOption = Output.TEXT,
) -> None:
    """List merge requests, newest first."""
    if state not in ("open", "merged", "closed", "all"):
        raise Misconfigured("--state", f"--state {state!r} is not one of open, merged, closed, all.")
    forge = _open(_path(repository, config))
    found = [request for request in forge.mine("") if state in ("all", request.state)]
    if output is Output.JSON:
        print_json({"apiVersion": "reconciler/v1", "requests": [_row(request) for request in found]})
        return
    out = console()
    if not found:
        out.print(f"No {'' if state == 'all' else state + ' '}merge request.")
        return
    table = new_table("NUMBER", "STATE", "OPENED", "BRANCH", "TITLE")
    for request in found:
        table.add_row(
            str(request.number), request.state, when(request.opened_at),
            Text(shown(request.branch)), Text(shown(request.title)),
        )  # fmt: skip
    print_table(out, table)


@app.command("show")
def show(
    number: _NUMBER,
    repository: _REPOSITORY = None,
    config: Config = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Show one as its reviewer would see it: title, text, comments and diff."""
    path = _path(repository, config)
    record = _open(path).get(number)
    if output is Output.JSON:
        print_json({"apiVersion": "reconciler/v1", **record.model_dump(mode="json")})
        return
    print_request(record, request_diff(path, record.base, record.head, record.merge_commit))


def print_request(record: Record, diff: str) -> None:
    out = console()
    out.print(Text(f"!{record.number}  {shown(record.title)}", style="bold"))
    labels = f"  [{', '.join(record.labels)}]" if record.labels else ""
    out.print(Text(shown(f"{record.state}  {record.branch} → {record.base}{labels}"), style="dim"))
    approved = [each.by for each in record.approved_by if each.head == record.head]
    if approved:
        out.print(Text(shown(f"approved by {', '.join(approved)}"), style="dim"))
    out.print()
    visible = "\n".join(line for line in record.body.splitlines() if not line.startswith("<!--"))
    for tag, mark in (("<details><summary>", "**"), ("</summary>", "**"), ("</details>", "")):
        visible = visible.replace(tag, mark)
    text = re.sub(r"\n{3,}", "\n\n", shown_lines(plain(visible)))
    out.print(Markdown(text) if out.is_terminal else Text(text.replace("\\$", "$")))
    for said in record.comments:
        out.print(Text(shown_lines(f"{when(said.at)} {said.by}: {said.text}")))
    out.print()
    print_diff(out, diff)


@app.command("approve")
def approve(
    number: _NUMBER, repository: _REPOSITORY = None, config: Config = None, now: Moment = None
) -> None:
    """Approve the commit that one holds now: the bot pushes to it no more, but for safety."""
    record = _writable(repository, config, now).approve(number)
    console().print(f"Approved !{number} at {record.head[:12]}.")


@app.command("label")
def label(
    number: _NUMBER,
    labels: Annotated[list[str], typer.Argument(metavar="LABEL...", help="Labels, e.g. reconcile:freeze.")],
    repository: _REPOSITORY = None,
    config: Config = None,
    remove: Annotated[bool, typer.Option("--remove", help="Take them off instead.")] = False,
    now: Moment = None,
) -> None:
    """Set labels on one, or take them off: some are asked for, and obeyed."""
    named = tuple(labels)
    wording = Wording(remove_labels=named) if remove else Wording(add_labels=named)
    found = _writable(repository, config, now).update(number, wording)
    console().print(Text(f"!{number} has {shown(', '.join(found.labels)) or 'no label'}."))


@app.command("dashboard")
def dashboard(
    repository: _REPOSITORY = None,
    config: Config = None,
    base: Annotated[
        str,
        typer.Option("--branch", metavar="BRANCH", help="Of this branch, where it isn't the default one."),
    ] = "",
    tick: Annotated[
        list[str] | None,
        typer.Option("--tick", metavar="WISH=KEY", help="Tick a box, as open=savings/web. May be repeated."),
    ] = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Print the dashboard, or tick its boxes: the next run obeys them."""
    forge = _open(_path(repository, config, write=bool(tick)))
    page = forge.page(topic_of(base, ""))
    if page is None:
        words = "there is no dashboard yet: set `proposals: {dashboard: true}`, and run."
        raise Misconfigured("dashboard", words)
    for each in tick or ():
        page = forge.write_page(page._replace(body=_with_tick(page.body, each)))
    if output is Output.JSON:
        print_json({"apiVersion": "reconciler/v1", "title": page.title, "body": page.body, "path": page.url})
        return
    out = console()
    out.print(Text(shown(page.title), style="bold"))
    out.print()
    text = shown_lines(plain(in_words(page.body)))
    out.print(Markdown(text) if out.is_terminal else Text(text))


def _with_tick(body: str, word: str) -> str:
    there = {f"{each.wish.value}={each.key}": each for each in boxes(body)}
    if word not in there:
        known = ", ".join(there) or "none"
        raise Misconfigured("--tick", f"--tick {word!r} is no box of the dashboard; it has: {known}.")
    return carried(body, [there[word].wish], there[word].key)


@app.command("merge")
def merge(
    number: _NUMBER,
    repository: _REPOSITORY = None,
    config: Config = None,
    squash: Annotated[bool, typer.Option("--squash", help="One commit instead of a merge commit.")] = False,
    now: Moment = None,
) -> None:
    """Merge one into its base branch."""
    forge = _writable(repository, config, now)
    method = Method.SQUASH if squash else Method.MERGE
    merged = forge.merge(number, forge.get(number).head, method=method)
    if isinstance(merged, NotMerged):
        console().print(Text(f"Not merged: {shown(merged.detail)}."), style="red")
        raise typer.Exit(Exit.SOME_FAILED)
    console().print(Text(f"Merged !{number} as {merged.merge_commit[:12]}."))


@app.command("close")
def close(
    number: _NUMBER,
    repository: _REPOSITORY = None,
    config: Config = None,
    why: Annotated[str, typer.Option("--why", help="A comment to leave on it.")] = "",
    now: Moment = None,
) -> None:
    """Close one without merging: a "no" that the bot remembers."""
    forge = _writable(repository, config, now)
    forge.close(number, Comment("", why) if why else None)
    console().print(f"Closed !{number}.")


@app.command("reopen")
def reopen(
    number: _NUMBER, repository: _REPOSITORY = None, config: Config = None, now: Moment = None
) -> None:
    """Open a closed one again."""
    _writable(repository, config, now).reopen(number)
    console().print(f"Reopened !{number}.")


def _writable(repository: Path | None, config: Path | None, now: str | None) -> LocalForge:
    moment = parse_now(now)
    path = _path(repository, config, write=True)
    return _open(path, (lambda: moment) if moment is not None else None)


def _path(repository: Path | None, config: Path | None, *, write: bool = False) -> Path:
    return repository if repository is not None else local_repository(config, write=write)


def _open(path: Path, clock: Callable[[], int] | None = None) -> LocalForge:
    return LocalForge(path.resolve(), user=getpass.getuser(), clock=clock or (lambda: int(time.time())))


def _row(request: MergeRequest) -> dict[str, Any]:
    return {**request._asdict(), "labels": list(request.labels), "reviewers": list(request.reviewers)}

"""The report in a terminal: tables, diffs and one verdict; plain when piped."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import IO, NamedTuple

from rich.console import Console
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from reconciler import money
from reconciler.model import Action, Change, Do, Failure, Keep, Note, Proposal, Report
from reconciler.proposals import worth
from reconciler.proposals.body import verdict
from reconciler.proposals.body_rendered import proof_words
from reconciler.proposals.group import first_consumer, others_on, whom
from reconciler.report.costs import print_costs
from reconciler.report.diffs import shown, shown_lines, unified

_CLASS_STYLE = {"safety": "bold red", "savings": "green", "image": "cyan"}
_DIFF_STYLE = (("+++", "bold"), ("---", "bold"), ("@@", "cyan"), ("+", "green"), ("-", "red"))
_ACTION_STYLE = {
    Do.OPEN: "green",
    Do.UPDATE: "yellow",
    Do.CLOSE: "red",
    Do.MERGE: "magenta",
    Do.WAIT: "yellow",
}
_MOST_PLACES = 3  # that a note names
_MOST_ALIKE = 3  # merge requests left for one reason, before they become one line
_PIPED_WIDTH = 100_000  # never wrap what another program reads


def console(file: IO[str] | None = None) -> Console:
    """Colours and width of the terminal; neither when there is none. NO_COLOR is obeyed."""
    target = file or sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - closed by its user
    piped = not target.isatty()
    return Console(
        file=target, highlight=False, markup=False, emoji=False, soft_wrap=piped,
        width=_PIPED_WIDTH if piped else None,
    )  # fmt: skip


def heading(out: Console, words: str) -> None:
    """A line across the terminal; just the words when there is none."""
    if out.is_terminal:
        out.print(Rule(Text(words, style="bold"), align="left", style="dim"))
    else:
        out.print(f"## {words}")


class Shown(NamedTuple):
    """How much of a report is printed."""

    wrote: bool
    diffs: bool
    verbose: bool
    quiet: bool
    bodies: bool = False


def print_report(out: Console, report: Report, how: Shown) -> None:
    if not how.quiet:
        _print_details(out, report, how)
    left = [action for action in report.actions if how.quiet and action.do is Do.LEAVE]
    going = [action for action in report.actions if action not in left]
    print_actions(out, going, wrote=how.wrote, each=how.verbose)
    if not how.quiet:
        print_notes(out, report.notes)
    print_failures(out, report.failed)
    out.print(_verdict(report, sum(1 for action in left if action.url)), style="bold")
    if not how.quiet:
        _print_prices(out, report.changes)
        print_costs(out, report.costs)


def _print_details(out: Console, report: Report, how: Shown) -> None:
    if report.changes:
        _print_changes(out, report.changes)
    if how.diffs:
        for proposal in report.proposals:
            print_diff(out, unified(proposal.files))
    if how.bodies:
        for proposal in report.proposals:
            _print_body(out, proposal)
    if report.kept:
        print_kept(out, report.kept, verbose=how.verbose)


def _print_body(out: Console, proposal: Proposal) -> None:
    """To the letter as the forge gets it: all names in it are harmless to a terminal as well."""
    heading(out, shown(f"{proposal.branch}: {proposal.title}"))
    out.print(Text(proposal.body))


def _print_changes(out: Console, changes: Sequence[Change]) -> None:
    """A block a change: whom it is about, what moves and where, and why in one sentence."""
    rows = [
        (str(slot.field), slot.value or "unset", new) for change in changes for slot, new in change.values
    ]
    widths = [max(len(shown(cell)) for cell in column) for column in zip(*rows, strict=True)]
    for change in changes:
        ref = first_consumer(change)
        out.print(Text(shown(str(ref)), style="bold"), _class_of(change))
        for slot, new in change.values:
            field, now, then = (
                shown(cell).ljust(width)
                for cell, width in zip((slot.field, slot.value or "unset", new), widths, strict=True)
            )
            more = others_on(slot)
            others = f" (+{counted(more, 'more container')})" if more else ""
            own = whom(change, slot)
            mate = f" of {own.container}" if own != ref else ""
            where = f"  {slot.place.path}:{slot.line}{others}{mate}"
            out.print(Text.assemble(f"  {field}  {now} → ", (then, "bold"), (shown(where), "cyan")))
        out.print(Padding(Text(shown(change.because), style="dim"), (0, 0, 0, 2), expand=False))
        if change.worth is not None:
            told = Text(shown(money.sentence(change.worth)), style="dim")
            out.print(Padding(told, (0, 0, 0, 2), expand=False))
    out.print()
    _print_proofs(out, changes)


def _print_proofs(out: Console, changes: Sequence[Change]) -> None:
    """Once each: all changes of a merge request are proven together."""
    proofs = dict.fromkeys(proof for change in changes for proof in change.proofs)
    if not proofs:
        return
    out.print("Proven by rendering before and after", style="bold")
    for proof in proofs:
        told = Text.assemble((shown(proof.unit), "bold"), (f" {shown(proof_words(proof))}", "dim"))
        out.print(Padding(told, (0, 0, 0, 2), expand=False))
    out.print()


def _class_of(change: Change) -> Text:
    return Text(change.klass.value, style=_CLASS_STYLE[change.klass.value])


def print_diff(out: Console, diff: str) -> None:
    for line in diff.splitlines():
        style = next((style for mark, style in _DIFF_STYLE if line.startswith(mark)), "")
        out.print(Text(shown(line), style=style))
    out.print()


def print_kept(out: Console, kept: Sequence[Keep], *, verbose: bool) -> None:
    if verbose:
        table = new_table("KEPT", "FIELD", "VALUE", "REASON", "DETAIL")
        for keep in kept:
            ref = keep.ref or min(keep.slot.consumers, default=None)
            table.add_row(
                Text(shown(str(ref or keep.slot.place.path))), keep.slot.field.value,
                Text(shown(keep.slot.value or "unset")), keep.reason.value,
                Text(shown(keep.detail), style="dim"),
            )  # fmt: skip
        print_table(out, table)
    else:
        reasons = Counter(keep.reason.value for keep in kept)
        told = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common())
        out.print(Text.assemble(f"Kept {counted(len(kept), 'value')}: ", (told, "dim")))
        out.print(Text("  (each with its reason: --verbose)", style="dim"))
    out.print()


def print_actions(out: Console, actions: Sequence[Action], *, wrote: bool, each: bool = True) -> None:
    """A line each; without `each`, many that are left for the same reason are one line."""
    if not actions:
        return
    out.print("Merge requests" if wrote else "Merge requests, if this were no dry run", style="bold")
    alike = Counter((action.do, action.why) for action in actions if action.do is Do.LEAVE)
    many = {same for same, count in alike.items() if count > _MOST_ALIKE and not each}
    single = [action for action in actions if (action.do, action.why) not in many]
    width = max((len(action.branch) for action in single), default=0)
    for action in single:
        changes = f"  {counted(len(action.changes), 'change')}" if action.changes else ""
        _print_action(out, action.do, f"{shown(action.branch):<{width}}{changes}", action.why)
        if action.url:
            out.print(Text(f"          {shown(action.url)}", style="cyan dim"), overflow="fold")
    for do, why in sorted(many):
        _print_action(out, do, f"{counted(alike[do, why], 'merge request')} (each: --verbose)", why)
    out.print()


def _print_action(out: Console, do: Do, what: str, why: str) -> None:
    style = _ACTION_STYLE.get(do, "dim")
    out.print(Text.assemble((f"  {do.value:<6}  ", style), f"{what}  ", (shown(why), "dim")))


def print_notes(out: Console, notes: Iterable[Note]) -> None:
    """What is true of several files is said once."""
    same: dict[str, list[Note]] = {}
    for note in notes:
        same.setdefault(note.detail, []).append(note)
    for detail, each in same.items():
        where = _where(each[0])
        if len(each) > 1:
            places = [_where(note).removesuffix(": ") for note in each[:_MOST_PLACES]]
            left = len(each) - _MOST_PLACES
            where = f"{', '.join(filter(None, places))}{f' and {left} more' if left > 0 else ''}: "
        out.print(Text(shown(f"note: {where}{detail}"), style="yellow"))


def print_failures(out: Console, failures: Iterable[Failure]) -> None:
    for failure in failures:
        told = f"failed: {failure.what}: {_where(failure)}"
        out.print(Text(f"{shown(told)}{shown_lines(failure.error)}", style="red"))


def _where(found: Note | Failure) -> str:
    if not found.path:
        known = isinstance(found, Note) or found.repository in ("", found.what)
        return "" if known else f"{found.repository}: "
    return f"{found.path}:{found.line}: " if found.line else f"{found.path}: "


def _print_prices(out: Console, changes: Sequence[Change]) -> None:
    """A sum of money is worth what its prices are."""
    told = worth.priced(changes)
    if told:
        out.print(Text(shown(" ".join(told)), style="dim"))


def _verdict(report: Report, left: int) -> str:
    looked = f"{counted(report.stats.get('containers', 0), 'container')} looked at as of {when(report.now)}"
    failed = f", {counted(len(report.failed), 'target')} failed" if report.failed else ""
    stay = f"; {counted(left, 'merge request')} left as before" if left else ""
    if report.failed and not report.stats.get("containers"):
        return f"Nothing could be looked at as of {when(report.now)}{failed}{stay}."
    if not report.changes:
        return f"Nothing to change: {looked}{failed}{stay}."
    return f"{counted(len(report.changes), 'change')}: {verdict(report.changes)}; {looked}{failed}{stay}."


def when(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")


def counted(number: int, noun: str, plural: str = "") -> str:
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def print_table(out: Console, table: Table) -> None:
    """Without the blanks at line ends that only a terminal hides."""
    if out.is_terminal:
        out.print(table)
        return
    with out.capture() as captured:
        out.print(table)
    out.file.write("".join(f"{line.rstrip()}\n" for line in captured.get().splitlines()))


def new_table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for number, column in enumerate(columns):
        table.add_column(column, overflow="fold", no_wrap=number == 0)
    return table

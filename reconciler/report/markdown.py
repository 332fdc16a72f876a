"""The report as Markdown: what the merge requests would say, and what was kept."""

from __future__ import annotations

from collections.abc import Iterable

from reconciler.model import Failure, Keep, Proposal, Report
from reconciler.proposals.markdown import code, prose
from reconciler.report.diffs import shown_lines, unified


def report(found: Report) -> str:
    parts = ["# Reconcile"]
    parts += [_proposal(proposal) for proposal in found.proposals] or ["Nothing to change."]
    if found.kept:
        parts.append(_kept(found.kept))
    if found.failed:
        parts.append(_failed(found.failed))
    return "\n\n".join(parts) + "\n"


def _proposal(proposal: Proposal) -> str:
    diff = shown_lines(unified(proposal.files))
    fence = "`" * max(3, _longest_run(diff) + 1)
    return f"## {prose(proposal.title)}\n\n{proposal.body}\n{fence}diff\n{diff}{fence}"


def _longest_run(text: str) -> int:
    longest = run = 0
    for mark in text:
        run = run + 1 if mark == "`" else 0
        longest = max(longest, run)
    return longest


def _kept(kept: Iterable[Keep]) -> str:
    rows = ["## Kept", "", "| container | field | value | reason | why |", "| --- | --- | --- | --- | --- |"]
    for keep in kept:
        ref = min(keep.slot.consumers, default=None)
        rows.append(
            f"| {code(str(ref or keep.slot.place.path))} | {keep.slot.field} | {code(keep.slot.value or '')} "
            f"| {keep.reason} | {prose(keep.detail)} |"
        )
    return "\n".join(rows)


def _failed(failures: Iterable[Failure]) -> str:
    rows = ["## Failed", ""]
    for failure in failures:
        where = f" ({code(f'{failure.path}:{failure.line}')})" if failure.path else ""
        rows.append(f"- {prose(failure.what)}{where}: {prose(failure.error)}")
    return "\n".join(rows)

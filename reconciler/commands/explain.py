"""`reconcile explain`: the way from samples to a number, in words and figures."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.text import Text

from reconciler.commands.common import (
    Config,
    Exit,
    Metrics,
    Now,
    Output,
    OutputOption,
    meant,
    only_filter,
    parse_now,
    print_json,
    progress_bars,
)
from reconciler.errors import Misconfigured
from reconciler.images.decide import decide_image
from reconciler.model import Consumer, Evidence, Keep, Usage
from reconciler.proposals.body_evidence import evidence_words
from reconciler.report.diffs import shown
from reconciler.report.rows import API_VERSION, explanation, failure_row, takes
from reconciler.report.text import console, print_failures
from reconciler.run import weigh
from reconciler.sizing import Explanation, tell
from reconciler.sizing import explain as explained
from reconciler.wiring import Asked, job


def explain(
    workload: Annotated[
        str,
        typer.Argument(
            metavar="WORKLOAD", help="[NAMESPACE/]KIND/NAME[/CONTAINER] with globs, or a workload's name."
        ),
    ],
    config: Config = None,
    metrics: Metrics = None,
    remote: Annotated[bool, typer.Option("--remote", help="Read the remote, not this clone's HEAD.")] = False,
    now: Now = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Tell why each request of a workload is proposed or kept, step by step.

    Its images too, where a policy says something of them or the settings name registries. What keeps
    a value has a code, which docs/reasons.md explains.
    """
    asked = Asked(config, metrics, remote, parse_now(now), only_filter([workload]), partial=True, write=False)
    with progress_bars() as bars:
        found, failed, known = weigh(job(asked, bars))
    if not found and not failed:
        raise Misconfigured("WORKLOAD", f"no container matches {workload!r}{meant(workload, known)}")
    if output is Output.JSON:
        print_json(
            {
                "apiVersion": API_VERSION,
                "rows": [explanation(row, seen) for seen in found for row in _explained(seen)],
                "failed": [failure_row(failure) for failure in failed],
            }
        )
    else:
        for seen in found:
            _print(seen)
        print_failures(console(), failed)
        if not found:
            told = f"No container that could be read matches {workload}{meant(workload, known)}"
            console().print(Text(shown(told)))
    raise typer.Exit(Exit.SOME_FAILED if failed else Exit.DONE)


def _print(seen: Evidence) -> None:
    out = console()
    if seen.image is not None:
        out.print(Text(shown(str(seen.consumers[0].ref)), style="bold"))
    for consumer in seen.fed if seen.image is None else ():
        out.print(Text(shown(str(consumer.ref)), style="bold"))
        out.print(Text(f"  evidence: {shown(_used(consumer))}", style="dim"))
    for peer in seen.peers:
        out.print(Text(shown(f"  sized with its peer {peer.ref}: {_used(peer)}"), style="dim"))
    for twin in seen.twins:
        out.print(Text(shown(f"  its twin {twin.ref}: {_used(twin)}"), style="dim"))
    out.print(Text(f"  policies: {shown(', '.join(seen.policy.names))}", style="dim"))
    for row in _explained(seen):
        for line in tell(row):
            out.print(Text(f"  {shown(line)}"))
        if isinstance(row.decision, Keep):
            out.print(Text(shown(f"      what it takes: {takes(seen, row.decision)}"), style="dim"))
    out.print()


def _explained(seen: Evidence) -> tuple[Explanation, ...]:
    """Of a container's requests, or of its image."""
    if seen.image is None:
        return explained(seen)
    row = decide_image(seen)
    return (Explanation(seen.slots[0], row.stages, row),)


def _used(consumer: Consumer) -> str:
    used = consumer.usage
    return evidence_words(used) if isinstance(used, Usage) else used.detail

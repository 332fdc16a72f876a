"""The evidence of a merge request, folded, for whoever wants to check."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Final

from reconciler.model import Change, Consumer, ContainerRef, Usage
from reconciler.proposals.body_chart import largest
from reconciler.proposals.body_fit import Section
from reconciler.proposals.group import fingerprint, first_consumer
from reconciler.proposals.markdown import code, fenced, one_line
from reconciler.proposals.surface import Surface

MOST_ROWS: Final = 60
MOST_PEERS: Final = 6
MOST_OPTIONS: Final = 6
MOST_QUERIES: Final = 3  # containers
_DAY: Final = 86_400


def evidence(changes: Sequence[Change], surface: Surface, weight: int) -> Section:
    shown = changes[:MOST_ROWS]
    told = dict.fromkeys(_row(change) for change in shown)  # those of one container have the same
    head = "<details><summary>Evidence</summary>\n" if surface.details else "**Evidence**\n"
    tail = "\n</details>" if surface.details else ""
    more = "- … and {n} more, in the ledger"
    return Section("evidence", weight, head, tuple(told), tail, more, len(changes) - len(shown))


def _row(change: Change) -> str:
    seen = _seen(largest(change.evidence.fed))
    policies = ", ".join(code(name) for name in change.evidence.policy.names)
    digest = code(fingerprint(change.evidence)[:16])
    peers = _peers(change.evidence.peers)
    words = f"evidence {digest}, policies {policies}{'; sized with its peers:' if peers else ''}"
    lines = [
        f"- {code(str(first_consumer(change)))}: {seen};",
        *_started(change.evidence.fed),
        words,
        *peers,
    ]
    if change.evidence.twins:
        why = "taken from its twins, as it has too little history of its own:"
        lines += [f"- {why}", *(f"  {line}" for line in _peers(change.evidence.twins))]
    return "\n  ".join(lines)


def _started(fed: Sequence[Consumer]) -> list[str]:
    """The heaps and threads that its programs are started with."""
    told = [code(str(option)) for option in dict.fromkeys(one for each in fed for one in each.runtime)]
    more = f" and {len(told) - MOST_OPTIONS} more" if len(told) > MOST_OPTIONS else ""
    return [f"started with {', '.join(told[:MOST_OPTIONS])}{more};"] if told else []


def _peers(peers: Sequence[Consumer]) -> list[str]:
    """A line each, of which Markdown makes a list within the list."""
    told = [f"- {code(str(one.ref))}: {_seen(largest([one]))}" for one in peers[:MOST_PEERS]]
    more = len(peers) - MOST_PEERS
    return [*told, f"- … and {more} more"] if more > 0 else told


def _seen(usage: Usage | None) -> str:
    if usage is None:
        return "nothing is known of its use"
    window = f"from {_day(usage.start)} to {_day(usage.end)}, a sample each {_span(usage.step)}"
    return f"{evidence_words(usage)}; {window}"


def evidence_words(usage: Usage) -> str:
    days = len(usage.days)
    told = [
        f"{usage.samples:,} samples of {usage.pods} pod{'' if usage.pods == 1 else 's'} on {days} days "
        f"({usage.coverage_permille / 10:.0f} % of those expected)"
    ]
    killed = sum(kill.kills for kill in usage.oom_kills)
    told.append(f"{killed} OOM kills" if killed else "no OOM kill")
    if usage.throttled_permille is not None:
        told.append(f"throttled in {usage.throttled_permille / 10:.1f} % of periods")
    if usage.restarts:
        told.append(f"{usage.restarts} restarts")
    if usage.scaled_on:
        told.append(f"scaled by a HorizontalPodAutoscaler on its {' and '.join(usage.scaled_on)}")
    return ", ".join(told)


def _day(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d")


def _span(seconds: int) -> str:
    return f"{seconds // 60} min" if seconds >= 60 and not seconds % 60 else f"{seconds} s"


# -- to look for oneself --------------------------------------------------------------------------


def queries(changes: Iterable[Change], surface: Surface, weight: int) -> Section:
    """PromQL for the first few, so that nobody has to believe a table."""
    told: dict[ContainerRef, Usage] = {}
    for change in changes:
        used = largest(change.evidence.fed)
        if used is not None:
            told.setdefault(first_consumer(change), used)
        if len(told) == MOST_QUERIES:
            break
    lines = [line for ref, used in told.items() for line in _queries(ref, used)]
    if not lines:
        return Section("the queries", weight, "")
    words = "To look for yourself, in Prometheus"
    note = (
        "Written for the kubelet's own labels, for a server with a single cluster, and for pods that are "
        "named after their workload."
    )
    block = fenced("promql", lines)
    if surface.details:
        text = f"<details><summary>{words}</summary>\n\n{block}\n\n{note}\n\n</details>"
    else:
        text = f"**{words}**\n\n{block}\n\n{note}"
    return Section("the queries", weight, text)


def _queries(ref: ContainerRef, used: Usage) -> list[str]:
    days = max(1, -(-(used.end - used.start) // _DAY))
    labels = (
        f"namespace={_text(ref.namespace)}",
        f"pod=~{_text(re.escape(one_line(ref.workload)).replace(chr(92) + '-', '-') + '-.+')}",
        f"container={_text(ref.container)}",
    )
    chosen = f"{{{', '.join(labels)}}}"
    at = f" @ {used.end}"
    return [
        f"quantile_over_time(0.95, rate(container_cpu_usage_seconds_total{chosen}[5m])[{days}d:5m]{at})",
        f"max_over_time(container_memory_working_set_bytes{chosen}[{days}d]{at})",
    ]


def _text(value: str) -> str:
    return json.dumps(one_line(value), ensure_ascii=False)

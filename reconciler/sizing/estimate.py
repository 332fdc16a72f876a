"""How much a container needs: the measured level, headroom over it, and what OOM kills prove."""

from __future__ import annotations

from typing import NamedTuple

from reconciler.model import Consumer, Usage
from reconciler.sizing.case import Case
from reconciler.sizing.estimators import days_of, estimate, largest, named

# An OOM kill proves a need above the limit of that time, by how much nobody knows. These are
# the two steps the vertical pod autoscaler takes, and the larger one holds.
OOM_EXTRA = 100 << 20
OOM_PERCENT = 20


class Need(NamedTuple):
    """What one consumer needs, or a peer, and the steps to it."""

    consumer: Consumer
    usage: Usage
    estimated: int  # by the estimator alone
    words: str  # what that is: `p95 over 14 days`
    reached: int  # what counts as being short already, when it is above the request
    level: int  # at least what stays resident
    roomy: int  # with headroom
    wanted: int  # at least what OOM kills prove
    settled: int  # where it is content: `wanted` without the extra room of a raise
    peak: int
    kills: int
    killed_at: int  # the highest limit that a kill is known of; 0 without one
    days: int  # with samples
    is_peer: bool
    extra: int = 0  # per cent that a raise has on top of the headroom
    twin: bool = False  # it counts while the container has no history of its own

    @property
    def whose(self) -> str:
        if self.twin:
            return f"its twin {self.consumer.ref}"
        return f"its peer {self.consumer.ref}" if self.is_peer else str(self.consumer.ref)


def needs_of(case: Case, *, lasting: bool = False) -> tuple[Need, ...]:
    """One for each consumer with metrics, in the order of their names; then one for each peer.

    `lasting` is what no request is lowered beneath: never less than what it is raised to.
    """
    return tuple(_need(case, consumer, usage, lasting) for consumer, usage in case.measured)


def largest_of(needs: tuple[Need, ...]) -> Need:
    """The need that decides. Of equal ones the first in order, so that the words are stable too."""
    return max(needs, key=lambda need: need.wanted)


def _need(case: Case, consumer: Consumer, usage: Usage, lasting: bool) -> Need:
    memory = case.resource == "memory"
    top = largest(usage.memory if memory else usage.cpu)
    found = estimate(usage, case.level, case.resource, lasting=lasting)
    # What is resident at most may be as old as the window, where only the last days are asked for.
    lately = memory and not lasting and _lately(case)
    level = (
        max(found.value, usage.rss_max) if memory and not (lately and usage.rss_max <= top) else found.value
    )
    roomy = -(-level * (100 + case.level.headroom_percent) // 100)
    kills = sum(kill.kills for kill in usage.oom_kills) if memory else 0
    proven = _proven_by_kills(usage, top) if kills else 0
    killed_at = max((kill.limit for kill in usage.oom_kills if kill.kills), default=0) if memory else 0
    return Need(
        consumer, usage, found.value, found.words, top if memory and not lately else level, level, roomy,
        max(roomy, proven), max(roomy, proven), top, kills, killed_at, days_of(usage), case.is_peer(consumer),
    )  # fmt: skip


def _lately(case: Case) -> bool:
    """Whether a peak that is over for some time is no reason to raise."""
    return named(case.level, case.resource) == "long-peak"


def _proven_by_kills(usage: Usage, top: int) -> int:
    """Counted from the limit of that time, not from today's: so it doesn't feed on itself."""
    bases = [kill.limit or top for kill in usage.oom_kills if kill.kills > 0]
    return max(max(base + OOM_EXTRA, -(-base * (100 + OOM_PERCENT) // 100)) for base in bases)

"""How much a container needs: the measured level, headroom over it, and what OOM kills prove."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from reconciler.model import Consumer, LevelPolicy, Sketch, Usage
from reconciler.sizing.case import Case

# An OOM kill proves a need above the limit of that time, by how much nobody knows. These are
# the two steps the vertical pod autoscaler takes, and the larger one holds.
OOM_EXTRA = 100 << 20
OOM_PERCENT = 20


def percentile(sketch: Sketch, policy: LevelPolicy) -> int:
    return sketch.quantile(policy.percentile_permille)


def peak(sketch: Sketch, policy: LevelPolicy) -> int:
    return largest(sketch)


def largest(sketch: Sketch) -> int:
    """The peak; from the end, because the values ascend and there are hundreds."""
    filled = zip(reversed(sketch.values), reversed(sketch.counts), strict=True)
    return next((value for value, count in filled if count), 0)


ESTIMATORS: dict[str, Callable[[Sketch, LevelPolicy], int]] = {"percentile": percentile, "peak": peak}


class Need(NamedTuple):
    """What one consumer needs, or a peer, and the steps to it."""

    consumer: Consumer
    usage: Usage
    estimated: int  # by the estimator alone
    level: int  # at least what stays resident
    roomy: int  # with headroom
    wanted: int  # at least what OOM kills prove
    peak: int
    kills: int
    killed_at: int  # the highest limit that a kill is known of; 0 without one
    days: int  # with samples
    is_peer: bool
    twin: bool = False  # it counts while the container has no history of its own

    @property
    def whose(self) -> str:
        if self.twin:
            return f"its twin {self.consumer.ref}"
        return f"its peer {self.consumer.ref}" if self.is_peer else str(self.consumer.ref)


def needs_of(case: Case) -> tuple[Need, ...]:
    """One for each consumer with metrics, in the order of their names; then one for each peer."""
    return tuple(_need(case, consumer, usage) for consumer, usage in case.measured)


def largest_of(needs: tuple[Need, ...]) -> Need:
    """The need that decides. Of equal ones the first in order, so that the words are stable too."""
    return max(needs, key=lambda need: need.wanted)


def _need(case: Case, consumer: Consumer, usage: Usage) -> Need:
    memory = case.resource == "memory"
    sketch = usage.memory if memory else usage.cpu
    top = largest(sketch)
    estimated = ESTIMATORS[case.level.estimator](sketch, case.level)
    level = max(estimated, usage.rss_max) if memory else estimated
    roomy = -(-level * (100 + case.level.headroom_percent) // 100)
    kills = sum(kill.kills for kill in usage.oom_kills) if memory else 0
    proven = _proven_by_kills(usage, top) if kills else 0
    killed_at = max((kill.limit for kill in usage.oom_kills if kill.kills), default=0) if memory else 0
    days = sum(1 for day in usage.days if day.samples > 0)
    return Need(
        consumer, usage, estimated, level, roomy, max(roomy, proven), top, kills, killed_at, days,
        case.is_peer(consumer),
    )  # fmt: skip


def _proven_by_kills(usage: Usage, top: int) -> int:
    """Counted from the limit of that time, not from today's: so it doesn't feed on itself."""
    bases = [kill.limit or top for kill in usage.oom_kills if kill.kills > 0]
    return max(max(base + OOM_EXTRA, -(-base * (100 + OOM_PERCENT) // 100)) for base in bases)

"""Bounds of autoscalers that don't fit what was used: told, never changed.

Only where the evidence can't be read in two ways: on each day there were just as many pods as the bound
says, and even if all of them had been at their peak at one moment, fewer would have done.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from reconciler.model import Consumer, Evidence, Field, Note, Scaler, Stage, Usage
from reconciler.sizing import guards, hpa
from reconciler.sizing.case import Case, open_case, slot_of
from reconciler.sizing.estimate import needs_of
from reconciler.sizing.estimators import largest
from reconciler.sizing.target import Way, way_of
from reconciler.sizing.words import DAY, count, figure

REPLICAS: Final = "replicas"  # the stage that tells of it
_SPARE_PERCENT: Final = 20  # that pods stay below the use at which others are added
_LEAST_LEFT: Final = 2  # one pod alone is down with each restart
# Samples of a day, in per cent of those of so many pods: a few get lost, a few are of pods being replaced.
_FEWEST, _MOST = 95, 103


class Advice(NamedTuple):
    scaler: Scaler
    words: str


def advice(evidence: Evidence) -> Advice | None:
    """What to say of the autoscaler of the container's pods."""
    slot = slot_of(evidence, Field.CPU_REQUEST)
    if not evidence.policy.sizing.advises_replicas or slot is None:
        return None
    case = open_case(evidence, slot)
    needs = needs_of(case) if isinstance(case, Case) else ()
    return of(way_of(case, needs)) if isinstance(case, Case) and needs else None


def notes(found: Iterable[Evidence]) -> tuple[Note, ...]:
    """What reports tell of it: once a workload, though each of its containers has seen it."""
    told: dict[tuple[str, ...], Note] = {}
    for one in found:
        said = advice(one)
        if said is not None:
            cluster, namespace, kind, name = one.consumers[0].ref[:4]
            where = "".join((f"{cluster}:" if cluster else "", f"{namespace}/" if namespace else ""))
            words = f"{where}{kind}/{name}: {said.words}"
            note = Note(REPLICAS, words, one.repository, said.scaler.path, said.scaler.line)
            told.setdefault((cluster, namespace, kind, name), note)
    return tuple(told.values())


def of(way: Way) -> Advice | None:
    consumer = way.case.evidence.consumers[0]
    scaler, usage = _only(consumer), consumer.usage
    if scaler is None or not isinstance(usage, Usage) or usage.owner_guessed:
        return None
    days = _whole_days(usage)
    if days < way.case.evidence.policy.sizing.min_days or scaler.fewest == scaler.most:
        return None
    if _always(usage, scaler.most):
        return Advice(scaler, _at_most(scaler, days))
    if not _always(usage, scaler.fewest) or guards.lowering(way) is not None:
        return None
    return _too_many(way.case, consumer, usage, scaler, days)


def stages(way: Way) -> list[Stage]:
    wanted = way.case.resource == "cpu" and way.case.evidence.policy.sizing.advises_replicas
    found = of(way) if wanted else None
    return [Stage(REPLICAS, None, found.words)] if found is not None else []


def _only(consumer: Consumer) -> Scaler | None:
    """The one horizontal autoscaler of the workload."""
    found = [one for one in consumer.scalers if one.most]
    return found[0] if len({(one.kind, one.name, one.path, one.line) for one in found}) == 1 else None


def _whole_days(usage: Usage) -> int:
    """Without the first and the last, which may be cut; 0 where one between them is missing."""
    days = [day.day for day in usage.days if day.samples]
    whole = len(days) - 2
    return whole if whole > 0 and days[-1] - days[0] == whole + 1 else 0


def _always(usage: Usage, pods: int) -> bool:
    """Whether so many pods ran on each whole day, all the time."""
    full = pods * (DAY // usage.step) if usage.step else 0
    inner = [day.samples for day in usage.days if day.samples][1:-1]
    return bool(full) and all(full * _FEWEST <= samples * 100 <= full * _MOST for samples in inner)


def _too_many(case: Case, consumer: Consumer, usage: Usage, scaler: Scaler, days: int) -> Advice | None:
    """How few would have borne the peak of all of them, and stayed well below what adds another."""
    mine = [one for one in hpa.counted_of(case) if one.consumer.ref == consumer.ref]
    if len(mine) != 1 or len(mine[0].shares) != 1 or not mine[0].trigger:
        return None  # what the others of the pod use isn't known here
    peak, trigger = largest(usage.cpu), mine[0].trigger
    fewer = max(_LEAST_LEFT, -(-peak * scaler.fewest * 10_000 // (trigger * (100 - _SPARE_PERCENT))))
    if fewer >= scaler.fewest:
        return None
    kept = f"{scaler.kind} {scaler.name} kept its least of {count(scaler.fewest, 'pod')}"
    use, at = figure("cpu", peak), figure("cpu", trigger // 100)
    return Advice(
        scaler,
        f"{kept} on each of {days} days. With all at their peak of {use} at once, {fewer} would stay a fifth "
        f"under the {at} a pod from which on it adds others: a least of {fewer} would do, if memory and the "
        "loss of a pod allow it",
    )


def _at_most(scaler: Scaler, days: int) -> str:
    most = f"{scaler.kind} {scaler.name} ran its most of {count(scaler.most, 'pod')}"
    return f"{most} on each of {days} days, and has none left to add: raise that bound, or its target"

"""Evidence for the sizing tests: one ordinary container, and whatever a test wants different."""

from __future__ import annotations

from typing import Any

from reconciler.model import (
    Consumer,
    ContainerRef,
    DayPeaks,
    Evidence,
    Field,
    LastChange,
    LevelPolicy,
    Mode,
    NoUsage,
    OomKill,
    Peer,
    Place,
    Policy,
    Scaler,
    SizingPolicy,
    Sketch,
    Slot,
    Usage,
)

MI = 1 << 20
DAY = 86_400
NOW = 20_000 * DAY
WEB = ContainerRef("", "shop", "Deployment", "web", "app")
API = ContainerRef("", "shop", "Deployment", "api", "app")

CPU = LevelPolicy("percentile", 950, 15, 10, None, 5, 50, "add", "keep")
MEMORY = LevelPolicy("peak", 1000, 20, 32 * MI, None, 4 * MI, 64 * MI, "add", "raise")
SIZING = SizingPolicy(CPU, MEMORY, 14, 7, 800, 5, 10, 100, 20, 7 * DAY, 50, ("StatefulSet",), False)
POLICY = Policy(("balanced",), Mode.PROPOSE, Mode.OBSERVE, SIZING, "application", (), ())


def sketch(*values: int) -> Sketch:
    """Of each value as many samples as it is named."""
    distinct = sorted(set(values))
    return Sketch(tuple(distinct), tuple(values.count(value) for value in distinct))


def flat(value: int, peak: int | None = None, samples: int = 4000) -> Sketch:
    """Steady use, with one sample of a peak."""
    if peak is None or peak == value:
        return Sketch((value,), (samples,))
    return Sketch((value, peak), (samples - 1, 1))


def used(cpu: Sketch | int = 182, memory: Sketch | int = 400 * MI, days: int = 14, **other: Any) -> Usage:
    """Three pods, well measured for two weeks."""
    cpu = flat(cpu) if isinstance(cpu, int) else cpu
    memory = flat(memory) if isinstance(memory, int) else memory
    samples = sum(memory.counts)
    peaks = tuple(
        DayPeaks(20_000 - days + day, samples // days, cpu.values[-1], cpu.values[-1], memory.values[-1])
        for day in range(days)
    )
    plain: dict[str, Any] = {
        "source": "main", "query": "q", "start": NOW - days * DAY, "end": NOW, "step": 300,
        "samples": samples, "expected": samples, "pods": 3, "replicas": 3,
        "cpu": cpu, "cpu_worst_pod": cpu, "memory": memory, "memory_worst_pod": memory,
        "rss_max": 0, "days": peaks, "oom_kills": (), "throttled_permille": None, "restarts": 0,
    }  # fmt: skip
    return Usage(**{**plain, **other})


def consumer(
    usage: Usage | NoUsage, ref: ContainerRef = WEB, scalers: tuple[Scaler, ...] = (), **other: bool
) -> Consumer:
    return Consumer(ref, usage, 3, other.get("init", False), other.get("sidecar", False), scalers)


def peer(
    usage: Usage | NoUsage, ref: ContainerRef, of: tuple[ContainerRef, ...] = (WEB,), **limits: int
) -> Consumer:
    """One with lines of its own, whose needs count for others."""
    found = Peer(of, limits.get("cpu_limit", 0), limits.get("memory_limit", 0))
    return consumer(usage, ref)._replace(peer=found)


def evidence(
    cpu: str | None = "200m",
    memory: str | None = "480Mi",
    cpu_limit: str | None = None,
    memory_limit: str | None = None,
    consumers: tuple[Consumer, ...] | None = None,
    sizing: SizingPolicy = SIZING,
    **other: Any,
) -> Evidence:
    """By default both requests are just what the usage asks for."""
    consumers = consumers if consumers is not None else (consumer(used()),)
    refs = tuple(one.ref for one in consumers if one.peer is None)
    texts = {
        Field.CPU_REQUEST: cpu,
        Field.MEMORY_REQUEST: memory,
        Field.CPU_LIMIT: cpu_limit,
        Field.MEMORY_LIMIT: memory_limit,
    }
    slots = tuple(
        Slot(Place("deploy", "web.yaml", 0, tuple(field.split("."))), 10 + index, field, text, refs)
        for index, (field, text) in enumerate(texts.items())
    )
    mode = other.pop("mode", Mode.PROPOSE)
    policy = POLICY._replace(sizing=sizing, resources_mode=mode)
    plain: dict[str, Any] = {
        "now": NOW, "repository": "deploy", "commit": "c" * 40, "blob": "b" * 40,
        "slots": slots, "consumers": consumers, "policy": policy, "last_changes": (),
    }  # fmt: skip
    return Evidence(**{**plain, **other})


def with_slot(found: Evidence, field: Field, **changes: Any) -> Evidence:
    slots = tuple(slot._replace(**changes) if slot.field is field else slot for slot in found.slots)
    return found._replace(slots=slots)


def killed(limit: int, kills: int = 2, ago: int = 3) -> OomKill:
    return OomKill(20_000 - ago, kills, limit)


def changed(field: Field, days_ago: int, old: int = 100, new: int = 200) -> LastChange:
    return LastChange(NOW - days_ago * DAY, field, old, new)


def levels(sizing: SizingPolicy = SIZING, **changes: Any) -> SizingPolicy:
    """The same change to both levels: `levels(limit="keep")`."""
    return sizing._replace(cpu=sizing.cpu._replace(**changes), memory=sizing.memory._replace(**changes))

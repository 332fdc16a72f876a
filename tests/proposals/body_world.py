"""Changes for the tests of bodies: one ordinary container, and whatever a test wants different."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from reconciler.model import (
    Amount,
    Change,
    ChangeClass,
    Consumer,
    ContainerRef,
    DayPeaks,
    Evidence,
    Field,
    FileChange,
    Hindsight,
    Keep,
    LevelPolicy,
    Lived,
    Mode,
    NewValue,
    NoUsage,
    OomKill,
    Place,
    Policy,
    Proof,
    Proposal,
    Reason,
    Risk,
    SizingPolicy,
    Sketch,
    Slot,
    Usage,
    Worth,
)
from reconciler.proposals.build import Templates, build
from reconciler.proposals.group import Base, Candidate, group
from reconciler.proposals.surface import Surface

MI = 1 << 20
DAY = 86_400
LAST = 20_500  # the last day that was measured
NOW = (LAST + 1) * DAY
COMMIT = "0123456789abcdef0123456789abcdef01234567"
WEB = ContainerRef("", "shop", "Deployment", "web", "app")

CPU = LevelPolicy("percentile", 950, 15, 10, None, 5, 50, "add", "keep")
MEMORY = LevelPolicy("peak", 1000, 20, 32 * MI, None, 4 * MI, 64 * MI, "add", "raise")
SIZING = SizingPolicy(CPU, MEMORY, 14, 7, 800, 5, 10, 100, 20, 7 * DAY, 50, ("StatefulSet",), False)
POLICY = Policy(("balanced",), Mode.PROPOSE, Mode.OBSERVE, SIZING, "all", (), ("rightsizing",))

GITHUB = Surface(65_536, True, True, True, "github", "https://git.example.com/platform/deploy")
PLAIN = Surface()

# Two weeks of an office: quiet weekends, and a busy Thursday.
SHAPE = (62, 66, 64, 88, 70, 31, 28, 65, 69, 66, 97, 72, 33, 30)


def sketch(values: Sequence[int]) -> Sketch:
    found = sorted(set(values))
    return Sketch(tuple(found), tuple(288 * values.count(value) for value in found))


def used(cpu: int = 300, memory: int = 400 * MI, days: int = 14, **other: Any) -> Usage:
    """Three pods; their busiest day needs `cpu` and `memory`."""
    shape = [SHAPE[at % len(SHAPE)] for at in range(days)]
    peaks = tuple(
        DayPeaks(
            LAST - days + 1 + at,
            864,
            cpu * part * 7 // 1000,
            cpu * part // 100,
            memory // 2 + memory * part // 200,
        )
        for at, part in enumerate(shape)
    )
    levels = sketch([max(1, day.cpu_max // 2) for day in peaks] + [max(1, day.cpu_max) for day in peaks])
    held = sketch([day.memory_max for day in peaks])
    samples = 864 * days
    plain: dict[str, Any] = {
        "source": "main", "query": "q", "start": NOW - days * DAY, "end": NOW, "step": 300,
        "samples": samples, "expected": samples, "pods": 3, "replicas": 3,
        "cpu": levels, "cpu_worst_pod": levels, "memory": held, "memory_worst_pod": held,
        "rss_max": 0, "days": peaks, "oom_kills": (), "throttled_permille": None, "restarts": 0,
    }  # fmt: skip
    return Usage(**{**plain, **other})


def slot(ref: ContainerRef, field: Field, value: str | None, path: str = "", at: int = 0) -> Slot:
    keys = ("spec", "template", "spec", "containers", at, "resources", *field.value.split("."))
    path = path or f"apps/{ref.workload}/deployment.yaml"
    return Slot(Place("https://git.example.com/platform/deploy.git", path, 0, keys), 21, field, value, (ref,))


def change(
    ref: ContainerRef = WEB,
    field: Field = Field.CPU_REQUEST,
    old: str | None = "500m",
    new: str = "400m",
    *,
    usage: Usage | NoUsage | None = None,
    klass: ChangeClass = ChangeClass.SAVINGS,
    because: str = "p95 over 14 days is 240m with 3 pods; 15 % headroom gives 280m; 20 % a step, so 400m",
    monthly: int | None = -9_220_000,
    risk: Risk = Risk.LOW,
    proofs: Iterable[Proof] = (),
    lived: bool = True,
    path: str = "",
    policy: Policy = POLICY,
    **evidence: Any,
) -> Change:
    found = usage if usage is not None else used()
    mine = slot(ref, field, old, path)
    seen = Evidence(
        NOW, mine.place.repository, COMMIT, "b" * 40, (mine,),
        (Consumer(ref, found, 3, False, False, ()),), policy, (), **evidence,
    )  # fmt: skip
    worth = None
    if monthly is not None:
        worth = Worth(Amount(monthly, "USD"), "prices[0] of the settings", risk, "31 % above the peak")
    over = Hindsight(field, 14, 1, Lived(500, 0, 0, 610), Lived(400, 1, 180, 480)) if lived else None
    return Change((NewValue(mine, new),), klass, because, seen, (), tuple(proofs), worth, over)


def memory(ref: ContainerRef = WEB, old: str = "384Mi", new: str = "512Mi", **other: Any) -> Change:
    kills = (OomKill(LAST - 2, 3, 384 * MI),)
    told: dict[str, Any] = {
        "usage": used(memory=430 * MI, oom_kills=kills),
        "klass": ChangeClass.SAFETY,
        "because": "OOM-killed 3 times at a limit of 384Mi; peak over 14 days is 430Mi with 3 pods; "
        "20 % headroom gives 516Mi",
        "monthly": 1_540_000,
    }
    return change(ref, Field.MEMORY_REQUEST, old, new, **{**told, **other})


def keep(
    ref: ContainerRef = WEB,
    field: Field = Field.MEMORY_REQUEST,
    value: str | None = "512Mi",
    reason: Reason = Reason.IN_BAND,
    detail: str = "peak over 14 days is 410Mi with 3 pods; near enough to the 512Mi in force",
) -> Keep:
    return Keep(slot(ref, field, value), reason, detail, (), ref)


def proposal(
    changes: Iterable[Change],
    surface: Surface = GITHUB,
    near: Sequence[Keep] = (),
    *,
    name: str = "apps/shop",
    base: str = "main",
) -> Proposal:
    """The merge request of changes that all share one; they must be of one class."""
    (one,) = group([Candidate(each, name) for each in changes], base, base)
    files = [FileChange("apps/web/deployment.yaml", b"cpu: 500m\n", b"cpu: 400m\n")]
    where = Base("https://git.example.com/platform/deploy.git", base, COMMIT)
    return build(one, files, where, Templates(), surface, near)

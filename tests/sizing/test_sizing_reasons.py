"""Each reason for which sizing keeps a value, as one small case. Read it as documentation."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import pytest
from sizing_evidence import (
    API,
    DAY,
    MI,
    NOW,
    SIZING,
    WEB,
    changed,
    consumer,
    evidence,
    flat,
    killed,
    levels,
    peer,
    used,
    with_slot,
)
from sizing_pods import keeps, limit_range, node, placed, quota, sibling

from reconciler import sizing
from reconciler.model import (
    Consumer,
    Evidence,
    Field,
    Keep,
    Mode,
    NoUsage,
    PlannedPeak,
    Reason,
    Refused,
    Restarts,
    RuntimeOption,
    Scaler,
    SizingPolicy,
)
from reconciler.sizing import decide

CPU, MEMORY = Field.CPU_REQUEST, Field.MEMORY_REQUEST
NO_PODS = NoUsage(Reason.NO_METRICS, "main knows no pod of it")
TWO_CLUSTERS = NoUsage(Reason.AMBIGUOUS_CLUSTER, "main has it in two clusters")
HPA = Scaler("HorizontalPodAutoscaler", "web", ("cpu",), (), "hpa.yaml", 3)
VPA = Scaler("VerticalPodAutoscaler", "web", ("cpu", "memory"), ("app",), "vpa.yaml", 3)
KEDA = Scaler("ScaledObject", "web", ("memory",), (), "keda.yaml", 3)
STATEFUL = WEB._replace(kind="StatefulSet")
ELSEWHERE = WEB._replace(cluster="prod-us")


class Case(NamedTuple):
    """What there is, which field is asked about, and the reason and words that answer."""

    name: str
    given: Evidence
    field: Field
    reason: Reason
    says: str


def lowered(**other: object) -> Evidence:
    """A request of twice what is needed, to be lowered unless something forbids it."""
    return evidence(cpu="1000m", memory="2048Mi", **other)  # type: ignore[arg-type]


def one(**other: object) -> tuple[object, ...]:
    return (consumer(used(**other)),)  # type: ignore[arg-type]


SHARE = RuntimeOption("-XX:MaxRAMPercentage", "args", "75", "heap-percent", 750)


def growing() -> tuple[Consumer, ...]:
    """By 20Mi a day, to what its request is too small for."""
    peaks = [300 * MI + 20 * MI * day for day in range(14)]
    days = tuple(day._replace(memory_max=peak) for day, peak in zip(used().days, peaks, strict=True))
    return (consumer(used(memory=flat(300 * MI, peak=peaks[-1]))._replace(days=days)),)


def following_trends() -> SizingPolicy:
    return SIZING._replace(memory=SIZING.memory._replace(estimator="trend"))


def heap(name: str, size: int) -> RuntimeOption:
    return RuntimeOption(name, "env JAVA_OPTS", f"{size // MI}m", "heap", size)


def started(*options: RuntimeOption, **other: object) -> tuple[object, ...]:
    return (consumer(used(**other))._replace(runtime=options),)  # type: ignore[arg-type]


def planned(given: Evidence, peak: PlannedPeak) -> Evidence:
    return given._replace(policy=given.policy._replace(planned=(peak,)))


CASES = (
    Case(
        "the need is near the request",
        evidence(),
        CPU,
        Reason.IN_BAND,
        "p95 over 14 days is 182m with 3 pods",
    ),
    Case(
        "the need is a little under the request",
        evidence(memory="500Mi"),
        MEMORY,
        Reason.IN_BAND,
        "20 % headroom gives 480Mi, near enough to the 500Mi in force",
    ),
    Case(
        "three pods would save 30m together",
        evidence(cpu="30m", consumers=one(cpu=15)),
        CPU,
        Reason.TOO_SMALL,
        "for 3 pods would move 30m, less than the 50m",
    ),
    Case(
        "it was changed three days ago",
        lowered(last_changes=(changed(CPU, 3),)),
        CPU,
        Reason.COOL_DOWN,
        "changed from 100m to 200m 3 days ago; the policy waits 7 days between changes, 4 days more",
    ),
    Case(
        "an alarm waits for a day measured under the last value",
        evidence(consumers=one(memory=900 * MI), last_changes=(changed(MEMORY, 0),)),
        MEMORY,
        Reason.COOL_DOWN,
        "no whole day has been measured",
    ),
    Case(
        "it uses next to nothing, and has the floor",
        evidence(cpu="10m", consumers=one(cpu=1)),
        CPU,
        Reason.AT_FLOOR,
        "the floor is 10m, and 10m is in force",
    ),
    Case(
        "it needs more than the ceiling, and has the ceiling",
        evidence(cpu="100m", sizing=levels(ceiling=100)),
        CPU,
        Reason.AT_CEILING,
        "the ceiling is 100m, and 100m is in force",
    ),
    Case(
        "it needs more than the ceiling, and has more than that",
        evidence(cpu="400m", sizing=levels(ceiling=100)),
        CPU,
        Reason.AT_CEILING,
        "400m is in force",
    ),
    Case(
        "it may fill a heap of the size of its request",
        evidence(memory="1280Mi", consumers=started(heap("-Xmx", 1024 * MI))),
        MEMORY,
        Reason.HEAP_FLOOR,
        "-Xmx1024m (env JAVA_OPTS) and the room beside it can fill 1280Mi, and 1280Mi is in force",
    ),
    Case(
        "its heap takes a share of the memory",
        lowered(memory_limit="2048Mi", consumers=started(SHARE)),
        MEMORY,
        Reason.PERCENTAGE_HEAP,
        "-XX:MaxRAMPercentage=75 (args) of shop/Deployment/web/app takes a share of the memory",
    ),
    Case(
        "a limit would be added that its heap doesn't fit into",
        evidence(
            memory="1024Mi",
            sizing=levels(fixed_heap="hold", limit="equal", missing_limit="add"),
            consumers=started(heap("-Xmx", 2048 * MI), memory=950 * MI),
        ),
        MEMORY,
        Reason.HEAP_ABOVE_LIMIT,
        "would be below the 2406.4Mi that -Xmx2048m (env JAVA_OPTS) of shop/Deployment/web/app can fill",
    ),
    Case(
        "its kind is only raised",
        lowered(consumers=(consumer(used(), STATEFUL),)),
        CPU,
        Reason.ONLY_RAISED,
        "requests of a StatefulSet are only raised",
    ),
    Case(
        "its memory limit is its request and has to stay so",
        evidence(memory="2048Mi", memory_limit="2048Mi", sizing=levels(limit="equal")),
        MEMORY,
        Reason.ONLY_RAISED,
        "memory limits are never lowered",
    ),
    Case(
        "headroom would pass the limit",
        evidence(cpu="200m", cpu_limit="200m"),
        CPU,
        Reason.IN_BAND,
        "15 % headroom gives 210m",
    ),
    Case(
        "the limit is in the way",
        evidence(cpu="200m", cpu_limit="200m", sizing=levels(headroom_percent=40)),
        CPU,
        Reason.LIMIT_BELOW,
        "it needs 255m, but its limit is 200m",
    ),
    Case(
        "the request is above its limit",
        evidence(cpu="500m", cpu_limit="200m"),
        CPU,
        Reason.LIMIT_BELOW,
        "which Kubernetes refuses",
    ),
    Case(
        "nobody measures it",
        evidence(consumers=(consumer(NO_PODS),)),
        CPU,
        Reason.NO_METRICS,
        "main knows no pod of it",
    ),
    Case(
        "its name is in two clusters",
        evidence(consumers=(consumer(TWO_CLUSTERS),)),
        MEMORY,
        Reason.AMBIGUOUS_CLUSTER,
        "in two clusters",
    ),
    Case(
        "neither of two is measured, for different reasons",
        evidence(consumers=(consumer(TWO_CLUSTERS), consumer(NO_PODS, API))),
        CPU,
        Reason.NO_METRICS,
        "main knows no pod of it",
    ),
    Case(
        "one of two on the line isn't measured",
        lowered(consumers=(consumer(used()), consumer(NO_PODS, API))),
        CPU,
        Reason.CONSUMER_WITHOUT_METRICS,
        "the line also feeds shop/Deployment/api/app",
    ),
    Case(
        "its peer isn't measured",
        lowered(consumers=(consumer(used()), peer(NO_PODS, ELSEWHERE))),
        CPU,
        Reason.PEER_WITHOUT_METRICS,
        "it is sized with its peer prod-us:shop/Deployment/web/app, of which no use is known: main",
    ),
    Case(
        "only its peer is measured",
        lowered(consumers=(consumer(NO_PODS), peer(used(), ELSEWHERE))),
        CPU,
        Reason.NO_METRICS,
        "main knows no pod of it; what peers use is no reason to lower it",
    ),
    Case(
        "its peer was killed",
        lowered(consumers=(consumer(used()), peer(used(oom_kills=(killed(512 * MI),)), ELSEWHERE))),
        MEMORY,
        Reason.OOM_KILLED,
        "its peer prod-us:shop/Deployment/web/app was OOM-killed 2 times at a limit of 512Mi",
    ),
    Case(
        "its peer is at a limit of its own",
        lowered(consumers=(consumer(used()), peer(used(cpu=400), ELSEWHERE, cpu_limit=410))),
        CPU,
        Reason.AT_LIMIT,
        "the peak of its peer prod-us:shop/Deployment/web/app, 400m, is at its limit of 410m",
    ),
    Case(
        "it is three days old",
        lowered(consumers=one(days=3)),
        CPU,
        Reason.THIN_EVIDENCE,
        "known on 3 days, and the policy wants 7",
    ),
    Case(
        "it is three days old, and not in need",
        evidence(cpu="185m", consumers=one(days=3)),
        CPU,
        Reason.THIN_EVIDENCE,
        "known on 3 days",
    ),
    Case(
        "it ran for minutes",
        lowered(consumers=one(cpu=flat(182, samples=20), memory=flat(MI, samples=20))),
        CPU,
        Reason.THIN_EVIDENCE,
        "only 20 samples",
    ),
    Case(
        "half of the samples are missing",
        lowered(consumers=one(samples=2000)),
        CPU,
        Reason.LOW_COVERAGE,
        "50 % of the samples",
    ),
    Case(
        "it was throttled",
        lowered(consumers=one(throttled_permille=123), cpu_limit="2000m"),
        CPU,
        Reason.THROTTLED,
        "throttled in 12.3 % of its periods",
    ),
    Case(
        "it was throttled at a limit that stays",
        evidence(cpu="200m", cpu_limit="200m", consumers=one(cpu=200, throttled_permille=300)),
        CPU,
        Reason.THROTTLED,
        "a request can't pass a limit that stays: somebody has to raise it",
    ),
    Case(
        "it was killed",
        lowered(consumers=one(oom_kills=(killed(512 * MI),))),
        MEMORY,
        Reason.OOM_KILLED,
        "OOM-killed 2 times at a limit of 512Mi",
    ),
    Case(
        "it leaks, and the policy doesn't chase that",
        evidence(memory="480Mi", consumers=growing(), sizing=following_trends()),
        MEMORY,
        Reason.LEAKING,
        "rises by 20Mi a day, over 14 days: it may be leaking, and more memory would only put off the end",
    ),
    Case(
        "its peak touches the limit",
        evidence(cpu="1000m", cpu_limit="1000m", consumers=one(cpu=flat(100, peak=980))),
        CPU,
        Reason.AT_LIMIT,
        "the peak of shop/Deployment/web/app, 980m, is at its limit of 1000m",
    ),
    Case(
        "its pods were found by name",
        lowered(consumers=one(owner_guessed=True)),
        CPU,
        Reason.GUESSED_OWNER,
        "found by their names alone",
    ),
    Case(
        "a part of the metrics could not be read",
        lowered(consumers=one(incomplete="usage/week.parquet could not be read")),
        CPU,
        Reason.PARTIAL_METRICS,
        "usage/week.parquet could not be read, and what is missing may have held the highest use of shop/",
    ),
    Case(
        "an autoscaler that isn't in the repository counts in per cent of the request",
        lowered(consumers=one(scaled_on=("cpu",))),
        CPU,
        Reason.SCALED_BY_HPA,
        "the metrics show a HorizontalPodAutoscaler, which isn't in the repository, that scales shop/",
    ),
    Case(
        "an autoscaler counts in per cent of the request",
        lowered(consumers=(consumer(used(), scalers=(HPA,)),)),
        CPU,
        Reason.SCALED_BY_HPA,
        "HorizontalPodAutoscaler web (hpa.yaml:3)",
    ),
    Case(
        "another autoscaler sets the request itself",
        lowered(consumers=(consumer(used(), scalers=(VPA,)),)),
        MEMORY,
        Reason.SCALED_BY_VPA,
        "acts on the memory",
    ),
    Case(
        "KEDA counts in per cent of the request",
        lowered(consumers=(consumer(used(), scalers=(KEDA,)),)),
        MEMORY,
        Reason.SCALED_BY_KEDA,
        "ScaledObject web",
    ),
    Case(
        "the policy only observes",
        lowered(mode=Mode.OBSERVE),
        CPU,
        Reason.OBSERVED,
        "requests.cpu 1000m → 800m",
    ),
    Case(
        "its owners opted out",
        lowered(opted_out="reconciler/resources"),
        CPU,
        Reason.OPTED_OUT,
        "the annotation reconciler/resources",
    ),
    Case(
        "it runs before the others",
        lowered(consumers=(consumer(used(), init=True),)),
        CPU,
        Reason.INIT_CONTAINER,
        "runs for moments",
    ),
    Case(
        "nothing is set, and nothing is to be added",
        evidence(cpu=None, sizing=levels(missing="keep")),
        CPU,
        Reason.UNSET,
        "no requests.cpu is set",
    ),
    Case(
        "the text is no quantity",
        evidence(cpu="lots"),
        CPU,
        Reason.BAD_QUANTITY,
        "requests.cpu: 'lots' is no quantity",
    ),
    Case(
        "less than nothing is no request",
        evidence(memory="-5Mi"),
        MEMORY,
        Reason.BAD_QUANTITY,
        "-5Mi is less than nothing",
    ),
    Case(
        "the limit is no quantity",
        evidence(memory_limit="lots\n\x1b[2J"),
        MEMORY,
        Reason.BAD_QUANTITY,
        "limits.memory: 'lots\\n\\x1b[2J' is no quantity",
    ),
    Case(
        "the place can't be edited",
        with_slot(lowered(), CPU, refused=Refused(Reason.SHARED_ANCHOR, "&small is used 4 times")),
        CPU,
        Reason.SHARED_ANCHOR,
        "&small is used 4 times",
    ),
    Case(
        "a limit that the policy wants none of",
        evidence(cpu_limit="1", sizing=keeps(cpu={"limit": "none"})),
        Field.CPU_LIMIT,
        Reason.UNWANTED_LIMIT,
        "the policy wants no cpu limit (limit: none), and one of 1000m is set: remove its line",
    ),
    Case(
        "a Guaranteed pod whose limit stays",
        evidence("500m", "480Mi", "500m", "480Mi", sizing=keeps()),
        CPU,
        Reason.QOS_CLASS,
        "its pod is Guaranteed, so that its request and limit stay equal, and the policy keeps the limit",
    ),
    Case(
        "the namespace allows no more",
        evidence(cpu="200m", consumers=placed(400, limit_ranges=(limit_range(maximum=200),))),
        CPU,
        Reason.LIMIT_RANGE,
        "the LimitRange limits (shop/namespace.yaml:7) allows at most 200m",
    ),
    Case(
        "the quota is full",
        evidence(cpu="200m", consumers=placed(400, quotas=(quota(CPU, 4000, 3900),))),
        CPU,
        Reason.QUOTA,
        "it would take 600m more of requests.cpu, and of the 4000m that the ResourceQuota budget "
        "(shop/namespace.yaml:21) allows in shop 100m are left",
    ),
    Case(
        "no node is larger",
        evidence(cpu="3500m", consumers=placed(5000, node=node(cpu=4000), siblings=(sibling(cpu=500),))),
        CPU,
        Reason.NODE_SIZE,
        "the largest node has 4000m for pods, and the rest of the pod asks for 500m",
    ),
    Case(
        "a GPU beside it",
        evidence(cpu="4", consumers=placed(extras=("nvidia.com/gpu",)), sizing=keeps()),
        CPU,
        Reason.ACCELERATOR,
        "it has nvidia.com/gpu, beside which CPU and memory cost little",
    ),
    Case(
        "nothing was heard of it for long",
        lowered(
            consumers=one(end=NOW - 9 * DAY), sizing=SIZING._replace(stale_after=7 * DAY, window_days=28)
        ),
        CPU,
        Reason.STALE_METRICS,
        "is 9 days old, and the policy wants one of the last 7 days",
    ),
    Case(
        "it restarts since it was changed",
        lowered(
            consumers=one(restart_days=(Restarts(20_000 - 2, 5),)),
            sizing=SIZING._replace(most_restarts=3),
            last_changes=(changed(MEMORY, 7),),
        ),
        CPU,
        Reason.RESTARTS,
        "restarted 5 times on the 6 days after its last change, 7 days ago, and 0 times on the 7 days",
    ),
    Case(
        "a peak is planned",
        planned(evidence(cpu="2"), PlannedPeak(NOW, NOW + 7 * DAY, "sale", cpu=2000)),
        CPU,
        Reason.PLANNED_PEAK,
        "sale from 2024-10-04 to 2024-10-10: 2000m is said to be needed",
    ),
    Case(
        "the pod as a whole sets it",
        evidence(cpu="4", consumers=placed(pod_level=("cpu",))),
        CPU,
        Reason.POD_LEVEL,
        "the pod of shop/Deployment/web/app sets cpu itself (spec.resources)",
    ),
)


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_reason(case: Case) -> None:
    row = next(row for row in decide(case.given) if isinstance(row, Keep) and row.slot.field is case.field)

    assert row.reason is case.reason, row.detail
    assert case.says in row.detail
    assert "\n" not in row.detail


def test_every_reason_that_sizing_gives_has_a_case() -> None:
    room = Path(sizing.__file__).parent
    named = {
        name for path in room.rglob("*.py") for name in re.findall(r"Reason\.([A-Z_]+)", path.read_text())
    }
    assert named
    of_several = {Reason.SCALED_TOGETHER}  # no single container's: test_sizing_hpa.py
    assert {case.reason for case in CASES} | of_several >= {Reason[name] for name in named}


def test_stuck_limit_gets_a_row_of_its_own() -> None:
    given = with_slot(
        evidence(memory="480Mi", memory_limit="480Mi", consumers=one(memory=470 * MI)),
        Field.MEMORY_LIMIT,
        refused=Refused(Reason.ALIASED, "it is an alias of &limit"),
    )

    rows = {row.slot.field: row for row in decide(given) if isinstance(row, Keep)}

    assert rows[MEMORY].reason is Reason.AT_LIMIT
    assert rows[Field.MEMORY_LIMIT].reason is Reason.ALIASED
    assert rows[Field.MEMORY_LIMIT].detail == "had to rise to 568Mi, but it is an alias of &limit"


@pytest.mark.parametrize(
    ("said", "left"),
    [("true", set()), ("cpu", {MEMORY}), ("memory", {CPU}), ("cpu, memory", set()), ("", {CPU, MEMORY})],
)
def test_an_annotation_may_opt_out_of_one_resource(said: str, left: set[Field]) -> None:
    rows = decide(lowered(opted_out=f"reconciler.io/ignore: {said}" if said else ""))
    kept = {row.slot.field for row in rows if isinstance(row, Keep) and row.reason is Reason.OPTED_OUT}
    assert {CPU, MEMORY} - kept == left

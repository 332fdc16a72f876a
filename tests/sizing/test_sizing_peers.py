"""Peers: containers with lines of their own that are sized together, on the largest need of them."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sizing_evidence import (
    API,
    DAY,
    MI,
    NOW,
    SIZING,
    WEB,
    consumer,
    evidence,
    flat,
    killed,
    levels,
    peer,
    used,
    with_slot,
)

from reconciler import canonical
from reconciler.model import (
    Change,
    ChangeClass,
    Consumer,
    ContainerRef,
    Evidence,
    Field,
    Keep,
    LastChange,
    NoUsage,
    Reason,
    Scaler,
    Usage,
)
from reconciler.quantity import parse_cpu, parse_memory
from reconciler.sizing import decide

CPU, MEMORY = Field.CPU_REQUEST, Field.MEMORY_REQUEST
STANDBY = WEB._replace(workload="web-standby")
THIRD = WEB._replace(cluster="prod-us")
PARSE = {CPU: parse_cpu, MEMORY: parse_memory}
FREE = levels(SIZING._replace(step_up_percent=1_000_000, step_down_percent=100), smallest_change=0)


def row(found: Evidence, field: Field) -> Change | Keep:
    rows = {(one.slot if isinstance(one, Keep) else one.values[0].slot).field: one for one in decide(found)}
    return rows[field]


def new(found: Evidence, field: Field) -> int:
    """What the request is afterwards."""
    decided = row(found, field)
    text = decided.values[0].new if isinstance(decided, Change) else decided.slot.value
    assert text is not None
    return PARSE[field](text)


def of(ref: ContainerRef, group: dict[ContainerRef, Usage | NoUsage], **other: object) -> Evidence:
    """The evidence of one of the group: its own use, and that of all others as its peers'."""
    peers = tuple(peer(usage, name, (ref,)) for name, usage in group.items() if name != ref)
    return evidence(consumers=(consumer(group[ref], ref), *peers), **other)  # type: ignore[arg-type]


# ---------------------------------------------------------------------------------------------
# What must not change
# ---------------------------------------------------------------------------------------------


def test_an_idle_standby_is_not_shrunk() -> None:
    group: dict[ContainerRef, Usage | NoUsage] = {WEB: used(), STANDBY: used(cpu=2, memory=20 * MI)}

    for field in (CPU, MEMORY):
        decided = row(of(STANDBY, group), field)
        assert isinstance(decided, Keep)
        assert decided.reason is Reason.IN_BAND
        assert "of its peer shop/Deployment/web/app, the largest need of the container and its 1 peer" in (
            decided.detail
        )
    alone = row(evidence(cpu="200m", consumers=(consumer(group[STANDBY], STANDBY),)), CPU)
    assert isinstance(alone, Change)


def test_an_idle_peer_moves_nothing() -> None:
    idle = used(cpu=1, memory=MI)
    with_peer, alone = (
        evidence(cpu="500m", memory="1024Mi", consumers=(consumer(used()), *peers))
        for peers in ((peer(idle, STANDBY),), ())
    )

    assert [new(with_peer, field) for field in PARSE] == [new(alone, field) for field in PARSE]


def test_an_autoscaler_of_a_peer_is_the_peers_business() -> None:
    hpa = Scaler("HorizontalPodAutoscaler", "web", ("cpu",), (), "hpa.yaml", 3)
    scaled = peer(used(scaled_on=("cpu", "memory")), STANDBY)._replace(scalers=(hpa,))

    assert isinstance(row(evidence(cpu="500m", consumers=(consumer(used()), scaled)), CPU), Change)


def test_an_init_container_among_the_peers_is_the_peers_business() -> None:
    init = peer(used(), STANDBY)._replace(init=True)

    assert isinstance(row(evidence(cpu="500m", consumers=(consumer(used()), init)), CPU), Change)


def test_what_a_peer_would_save_is_not_counted() -> None:
    """Three pods of its own save 45m together, less than the 50m that are worth it; six would save 90m."""
    small = used(cpu=10)
    found = evidence(cpu="30m", consumers=(consumer(small), peer(small, STANDBY)))

    decided = row(found, CPU)

    assert isinstance(decided, Keep)
    assert decided.reason is Reason.TOO_SMALL
    assert "for 3 pods" in decided.detail


def test_peers_of_another_line_do_not_count() -> None:
    """The CPU line feeds two, the memory line one of them: the other one's peers are nothing to it."""
    busy = peer(used(cpu=900, memory=4000 * MI), THIRD, (API,))
    found = evidence(consumers=(consumer(used()), consumer(used(), API), busy))
    found = with_slot(found, MEMORY, consumers=(WEB,))

    assert new(found, MEMORY) == 480 * MI
    assert new(found, CPU) > 200


# ---------------------------------------------------------------------------------------------
# What must
# ---------------------------------------------------------------------------------------------


def test_a_busy_peer_raises_and_is_named() -> None:
    found = evidence(consumers=(consumer(used()), peer(used(memory=600 * MI), THIRD)))
    decided = row(found, MEMORY)

    assert isinstance(decided, Change)
    assert (decided.klass, decided.values[0].new) == (ChangeClass.SAFETY, "720Mi")
    assert decided.because == (
        "the peak of its peer prod-us:shop/Deployment/web/app is above the request of 480Mi; "
        "peak over 14 days is 600Mi with 3 pods, of its peer prod-us:shop/Deployment/web/app, "
        "the largest need of the container and its 1 peer; 20 % headroom gives 720Mi"
    )


def test_a_kill_of_a_peer_raises_too() -> None:
    dying = used(memory=500 * MI, oom_kills=(killed(512 * MI),))
    decided = row(evidence(consumers=(consumer(used()), peer(dying, THIRD))), MEMORY)

    assert isinstance(decided, Change)
    assert decided.values[0].new == "616Mi"
    assert decided.because.startswith(
        "its peer prod-us:shop/Deployment/web/app was OOM-killed 2 times at a limit of 512Mi; "
    )


def test_a_line_of_two_and_their_peers() -> None:
    found = evidence(
        cpu="100m",
        consumers=(
            consumer(used()), consumer(used(), API), peer(used(cpu=150), STANDBY, (API,)),
            peer(used(cpu=160), THIRD),
        ),
    )  # fmt: skip
    decided = row(found, CPU)

    assert isinstance(decided, Change)
    assert (
        "of shop/Deployment/api/app, the largest need of the 2 containers on this line and their 2 peers"
        in (decided.because)
    )


def test_one_without_metrics_is_raised_with_its_peers() -> None:
    """A standby scaled to nothing has no samples, and is to be as large as the active one all the same."""
    silent = NoUsage(Reason.NO_METRICS, "main knows no pod of it")
    found = evidence(cpu="100m", consumers=(consumer(silent, STANDBY), peer(used(), WEB, (STANDBY,))))

    assert new(found, CPU) == 200


@pytest.mark.parametrize(
    ("flaw", "reason"),
    [
        ({"days": 3}, Reason.THIN_EVIDENCE),
        ({"expected": 100_000}, Reason.LOW_COVERAGE),
        ({"owner_guessed": True}, Reason.GUESSED_OWNER),
        ({"incomplete": "the server answered in part"}, Reason.PARTIAL_METRICS),
        ({"throttled_permille": 600}, Reason.THROTTLED),
    ],
)
def test_what_forbids_lowering_a_peer_forbids_it_for_all(flaw: dict[str, object], reason: Reason) -> None:
    idle = used(cpu=1, memory=MI, **flaw)  # type: ignore[arg-type]
    decided = row(evidence(cpu="500m", consumers=(consumer(used()), peer(idle, THIRD))), CPU)

    assert isinstance(decided, Keep)
    assert decided.reason is reason
    assert f"its peer {THIRD}" in decided.detail


# ---------------------------------------------------------------------------------------------
# Laws
# ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Group:
    uses: dict[ContainerRef, Usage | NoUsage]
    cpu: str
    memory: str


@st.composite
def groups(draw: st.DrawFn) -> Group:
    refs = [WEB._replace(cluster=f"prod-{at}") for at in range(draw(st.integers(2, 4)))]
    silent = st.just(NoUsage(Reason.NO_METRICS, "nothing known"))
    uses: dict[ContainerRef, Usage | NoUsage] = {}
    for ref in refs:
        cpu, memory = draw(st.integers(0, 4000)), draw(st.integers(0, 4000))
        kills = (killed(memory * MI),) if memory and draw(st.integers(0, 5)) == 0 else ()
        measured = used(
            flat(cpu, cpu + draw(st.integers(0, 900))), memory * MI, oom_kills=kills,
            owner_guessed=draw(st.integers(0, 6)) == 0,
            throttled_permille=draw(st.sampled_from([None, 0, 900])),
        )  # fmt: skip
        uses[ref] = draw(silent) if draw(st.integers(0, 5)) == 0 else measured
    return Group(uses, f"{draw(st.integers(1, 6000))}m", f"{draw(st.integers(1, 6000))}Mi")


def requests(group: Group, ref: ContainerRef) -> dict[str, object]:
    return {"cpu": group.cpu, "memory": group.memory, "sizing": FREE}


@settings(max_examples=120, deadline=None)
@given(groups())
def test_nobody_gets_less_than_the_largest_need_of_the_group(group: Group) -> None:
    """What it would be decided to be were each of the others' use its own."""
    for ref in group.uses:
        found = of(ref, group.uses, **requests(group, ref))
        for usage in group.uses.values():
            alone = evidence(consumers=(consumer(usage, ref),), **requests(group, ref))  # type: ignore[arg-type]
            for field in PARSE:
                assert new(found, field) >= new(alone, field)


@settings(max_examples=120, deadline=None)
@given(groups())
def test_all_of_a_group_come_to_the_same(group: Group) -> None:
    """Of equal requests they move as one, but that one without metrics of its own is not lowered."""
    for field in PARSE:
        decided = {
            new(of(ref, group.uses, **requests(group, ref)), field)
            for ref, usage in group.uses.items()
            if isinstance(usage, Usage)
        }
        assert len(decided) <= 1


@settings(max_examples=80, deadline=None)
@given(groups(), st.randoms())
def test_names_and_order_decide_nothing(group: Group, chance: st.randoms) -> None:  # type: ignore[valid-type]
    refs = list(group.uses)
    others = refs[1:]
    chance.shuffle(others)  # type: ignore[attr-defined]
    renamed = dict(zip([refs[0], *others], group.uses.values(), strict=True))
    shuffled = dict(sorted(renamed.items(), key=lambda one: one[0].cluster, reverse=True))
    first, second = (of(refs[0], uses, **requests(group, refs[0])) for uses in (group.uses, shuffled))
    turned = second._replace(consumers=second.consumers[::-1])

    for field in PARSE:
        assert new(first, field) == new(second, field) == new(turned, field)


@settings(max_examples=80, deadline=None)
@given(groups())
def test_the_evidence_alone_gives_the_decision_again(group: Group) -> None:
    for ref in group.uses:
        found = of(ref, group.uses, **requests(group, ref))
        assert decide(canonical.load(Evidence, canonical.plain(found))) == decide(found)


@settings(max_examples=80, deadline=None)
@given(groups())
def test_twice_is_once(group: Group) -> None:
    ref = next(iter(group.uses))
    found = of(ref, group.uses, **requests(group, ref))
    texts = {
        value.slot.field: value.new
        for one in decide(found)
        if isinstance(one, Change)
        for value in one.values
    }
    slots = tuple(slot._replace(value=texts.get(slot.field, slot.value)) for slot in found.slots)
    merged = tuple(LastChange(NOW - 30 * DAY, field, 1, 2) for field in texts)
    again = found._replace(slots=slots, last_changes=merged)

    assert [type(one) for one in decide(again)] == [Keep, Keep]


def test_consumers_of_the_line_are_told_apart_from_peers() -> None:
    both: tuple[Consumer, ...] = (consumer(used()), peer(used(), THIRD))
    found = evidence(consumers=both)

    assert found.fed == both[:1]
    assert found.peers == both[1:]
    shared = with_slot(found, CPU, consumers=(WEB, THIRD))
    assert shared.fed == both  # on one of its lines
    assert shared.peers == ()

"""The order of changes and of merge requests: total, stable, and safety before money."""

from __future__ import annotations

import random
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model import (
    Amount,
    Change,
    ChangeClass,
    Consumer,
    ContainerRef,
    Evidence,
    Field,
    Mode,
    NewValue,
    OomKill,
    Place,
    Policy,
    Risk,
    Sketch,
    Slot,
    Usage,
    Worth,
)
from reconciler.proposals.group import Candidate, group
from reconciler.proposals.rank import merge_requests, ranked

NONE = Sketch((), ())
USED = Usage("m", "q", 0, 1, 1, 1, 1, 1, 1, NONE, NONE, NONE, NONE, 0, (), (), None, 0)
SAFETY, SAVINGS, IMAGE = ChangeClass.SAFETY, ChangeClass.SAVINGS, ChangeClass.IMAGE


def change(
    name: str,
    saves: int | None = 0,
    risk: Risk = Risk.LOW,
    klass: ChangeClass = SAVINGS,
    currency: str = "USD",
    field: Field = Field.MEMORY_REQUEST,
    **usage: object,
) -> Change:
    ref = ContainerRef("", "shop", "Deployment", name, "app")
    slot = Slot(Place("deploy", f"{name}.yaml", 0, ("x",)), 1, field, "1", (ref,))
    policy = Policy(("p",), Mode.PROPOSE, Mode.PROPOSE, None, "workload", (), ())  # type: ignore[arg-type]
    consumer = Consumer(ref, USED._replace(**usage), 1, False, False, ())  # type: ignore[arg-type]
    evidence = Evidence(0, "deploy", "c", "b", (slot,), (consumer,), policy, ())
    worth = None if saves is None else Worth(Amount(-saves, currency), "me", risk, "")
    return Change((NewValue(slot, "2"),), klass, "", evidence, (), worth=worth)


def names(changes: object) -> list[str]:
    return [one.values[0].slot.consumers[0].workload for one in changes]  # type: ignore[attr-defined]


def kills(number: int) -> dict[str, object]:
    return {"oom_kills": (OomKill(1, number, 0),)}


IN_ORDER = [
    change("killed-often", klass=SAFETY, **kills(9)),
    change("killed", klass=SAFETY, **kills(1)),
    change("throttled", klass=SAFETY, field=Field.CPU_REQUEST, throttled_permille=400),
    change("throttled-less", klass=SAFETY, field=Field.CPU_REQUEST, throttled_permille=90),
    change("short-and-cheap", -10, klass=SAFETY),
    change("short", -90, klass=SAFETY),
    change("sure", 60, Risk.LOW),
    change("half", 100, Risk.MEDIUM),
    change("quarter", 190, Risk.HIGH),
    change("little", 11, Risk.LOW),
    change("nothing", 0),
    change("costs", -5, Risk.LOW),
    change("costs-at-a-risk", -5, Risk.MEDIUM),
    change("costs-more", -500, Risk.LOW),
    change("unpriced", None),
    change("image-a", None, klass=IMAGE),
    change("image-b", None, klass=IMAGE),
]


@pytest.mark.parametrize("seed", range(20))
def test_the_order_is_the_same_however_they_come(seed: int) -> None:
    mixed = list(IN_ORDER)
    random.Random(seed).shuffle(mixed)
    assert names(ranked(mixed)) == names(IN_ORDER)


def test_kills_count_for_memory_and_throttling_for_cpu() -> None:
    cpu = change("a-cpu", klass=SAFETY, field=Field.CPU_REQUEST, **kills(9))
    memory = change("b-memory", klass=SAFETY, throttled_permille=900, **kills(1))
    assert names(ranked([cpu, memory])) == ["b-memory", "a-cpu"]


def test_currencies_take_turns() -> None:
    changes = [
        change("usd-1", 900), change("usd-2", 800), change("usd-3", 700),
        change("jpy-1", 90_000, currency="JPY"), change("eur-1", 5, currency="EUR"),
        change("eur-2", 4, currency="EUR"), change("killed", klass=SAFETY, currency="JPY", **kills(1)),
    ]  # fmt: skip
    assert names(ranked(changes)) == ["killed", "eur-1", "jpy-1", "usd-1", "eur-2", "usd-2", "usd-3"]


class Request(NamedTuple):
    name: str
    changes: tuple[Change, ...]


def order(*requests: Request) -> list[str]:
    return [one.name for one in merge_requests(requests, lambda one: one.changes)]


def test_merge_requests_go_by_the_sum_of_what_they_hold() -> None:
    large = Request("large", (change("a", 50),))
    many = Request("many", (change("b", 20), change("c", 20), change("d", 20)))
    safe = Request("safe", (change("e", -1, klass=SAFETY),))
    mixed = Request("mixed", (change("f", 40), change("g", 9_000_000, currency="JPY"), change("h", 1)))
    assert order(large, many, safe) == ["safe", "many", "large"]
    assert order(mixed, many) == ["many", "mixed"], "yen are not dollars"


def test_groups_come_in_that_order_and_so_do_their_changes() -> None:
    changes = [change("a", 1), change("b", 5), change("c", klass=SAFETY)]
    found = group([Candidate(one, "unit") for one in changes], "main", "main")
    assert [one.name for one in found] == [
        "shop/deployment/c",
        "shop/deployment/b",
        "shop/deployment/a",
    ]
    policy = changes[0].evidence.policy._replace(group="all")
    together = [one._replace(evidence=one.evidence._replace(policy=policy)) for one in changes[:2]]
    (only,) = group([Candidate(one, "unit") for one in together], "main", "main")
    assert names(only.changes) == ["b", "a"]


CHANGES = st.builds(
    change,
    st.sampled_from("abcdefgh"),
    st.none() | st.integers(-50, 50),
    st.sampled_from(Risk),
    st.sampled_from(ChangeClass),
    st.sampled_from(["USD", "EUR"]),
)


@given(st.lists(CHANGES, unique_by=lambda one: one.values[0].slot.place.path), st.randoms())
def test_the_order_is_total_and_loses_nobody(changes: list[Change], dice: random.Random) -> None:
    found = ranked(changes)
    mixed = list(changes)
    dice.shuffle(mixed)
    assert ranked(mixed) == found
    assert sorted(names(found)) == sorted(names(changes))
    classes = [[*ChangeClass].index(one.klass) for one in found]
    assert classes == sorted(classes)


@given(st.lists(CHANGES, unique_by=lambda one: one.values[0].slot.place.path, min_size=1))
def test_of_one_risk_and_currency_more_money_comes_first(changes: list[Change]) -> None:
    alike = [
        one for one in ranked(changes)
        if one.klass is SAVINGS and one.worth and one.worth.risk is Risk.LOW
        and one.worth.monthly.currency == "EUR"
    ]  # fmt: skip
    saved = [-one.worth.monthly.millionths for one in alike if one.worth]
    assert saved == sorted(saved, reverse=True)

"""What a new merge request has to pass: a table of situations, and the laws of all of them."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.model import (
    Amount,
    Change,
    ChangeClass,
    Consumer,
    ContainerRef,
    Evidence,
    Field,
    Gates,
    Hours,
    Mode,
    NewValue,
    Place,
    Policy,
    Proposal,
    Reason,
    Risk,
    Sketch,
    Slot,
    Stage,
    Usage,
    Worth,
)
from reconciler.proposals.gates import Admission, Bid, Tally, admit, braked, hold_alarmed, kept
from reconciler.proposals.group import Candidate
from reconciler.proposals.wishes import Wish

NOW = 1_772_445_600  # Monday, 2026-03-02 10:00 UTC
HOUR = 3600
NONE = Sketch((), ())
USED = Usage("m", "q", 0, 1, 1, 1, 1, 1, 1, NONE, NONE, NONE, NONE, 0, (), (), None, 0)
SAFETY, SAVINGS, IMAGE = ChangeClass.SAFETY, ChangeClass.SAVINGS, ChangeClass.IMAGE
FREE = Gates(most_open=None, per_hour=None)
NIGHTS = (Hours(tuple(range(7)), 22 * 60, 30 * 60),)


def change(
    name: str, saves: int = 0, klass: ChangeClass = SAVINGS, gates: Gates = FREE, cluster: str = ""
) -> Change:
    ref = ContainerRef(cluster, "shop", "Deployment", name, "app")
    slot = Slot(Place("deploy", f"{name}.yaml", 0, ("x",)), 1, Field.MEMORY_REQUEST, "1", (ref,))
    policy = Policy(
        ("p",), Mode.PROPOSE, Mode.PROPOSE, None, "workload", (), (), gates=gates  # type: ignore[arg-type]
    )  # fmt: skip
    evidence = Evidence(
        0, "deploy", "c", "b", (slot,), (Consumer(ref, USED, 1, False, False, ()),), policy, ()
    )
    worth = Worth(Amount(-saves, "USD"), "me", Risk.LOW, "")
    return Change((NewValue(slot, "2"),), klass, "", evidence, (), worth=worth)


def proposal(name: str, *changes: Change, mode: Mode = Mode.PROPOSE, repository: str = "deploy") -> Proposal:
    klass = changes[0].klass
    key = f"{klass.value}/{name}"
    return Proposal(
        key, klass, name, repository, "main", "c", f"reconcile/{key}", mode,
        "plan", "", "", "", (), (), (), changes,
    )  # fmt: skip


def bid(name: str, saves: int = 0, klass: ChangeClass = SAVINGS, gates: Gates = FREE, **more: object) -> Bid:
    mode = more.pop("mode", Mode.PROPOSE)
    repository = more.pop("repository", "deploy")
    made = proposal(name, change(name, saves, klass, gates), mode=mode, repository=repository)  # type: ignore[arg-type]
    return Bid(made, **more)  # type: ignore[arg-type]


def names(found: Admission) -> list[str]:
    return [one.group for one in found.admitted]


def reasons(found: Admission) -> dict[str, Reason]:
    return {one.proposal.group: one.reason for one in found.held}


def details(found: Admission) -> str:
    return "\n".join(one.detail for one in found.held)


# -- what must not be opened -----------------------------------------------------------------------


@pytest.mark.parametrize("ahead", [1, 90, 30 * 24 * HOUR])
def test_what_a_forge_with_a_later_clock_opened_counts_as_of_just_now(ahead: int) -> None:
    there = {"deploy": Tally(1, opened=(NOW + ahead,), safety_opened=(NOW + ahead,) * 5)}
    gates = Gates(per_hour=1)
    found = admit([bid("one", gates=gates), bid("fire", klass=SAFETY, gates=gates)], there, NOW)
    assert reasons(found) == {"one": Reason.QUEUED, "fire": Reason.QUEUED}


def test_approval_is_needed_by_safety_too_and_an_open_request_goes_on() -> None:
    gates = FREE._replace(approval="required")
    found = admit(
        [
            bid("waits", gates=gates),
            bid("killed", klass=SAFETY, gates=gates),
            bid("asked", gates=gates, wishes=frozenset({Wish.APPROVE})),
            bid("hurried", gates=gates, wishes=frozenset({Wish.OPEN})),
            bid("open", gates=gates, is_open=True),
        ],
        {}, NOW,
    )  # fmt: skip
    assert set(names(found)) == {"open", "asked"}
    assert set(reasons(found).values()) == {Reason.NEEDS_APPROVAL}
    assert "tick its box" in details(found)


def test_off_schedule_only_safety_and_what_somebody_asks_for_is_opened() -> None:
    gates = FREE._replace(hours=NIGHTS, time_zone="Europe/Berlin")
    found = admit(
        [
            bid("waits", gates=gates),
            bid("picture", klass=IMAGE, gates=gates),
            bid("killed", klass=SAFETY, gates=gates),
            bid("hurried", gates=gates, wishes=frozenset({Wish.OPEN})),
            bid("open", gates=gates, is_open=True),
        ],
        {}, NOW,
    )  # fmt: skip
    assert set(names(found)) == {"open", "killed", "hurried"}
    assert reasons(found) == {"waits": Reason.NOT_SCHEDULED, "picture": Reason.NOT_SCHEDULED}
    assert "opens next on Mon 2026-03-02 22:00 Europe/Berlin" in details(found)


def test_of_several_policies_in_one_request_each_must_be_open() -> None:
    both = proposal("both", change("a", gates=FREE), change("b", gates=FREE._replace(hours=NIGHTS)))
    assert not admit([Bid(both)], {}, NOW).admitted
    assert admit([Bid(both)], {}, NOW + 13 * HOUR).admitted


def test_a_sync_window_holds_safety_and_wishes_and_is_asked_about_few() -> None:
    asked: list[str] = []

    def shut(name: str) -> object:
        return lambda: asked.append(name) or "a deny window is on"

    one = FREE._replace(per_run=1)
    found = admit(
        [
            bid("killed", klass=SAFETY, gates=one, window=shut("killed")),
            bid("hurried", gates=one, wishes=frozenset({Wish.OPEN}), window=shut("hurried")),
            bid("free", 9, gates=one),
            bid("over", 5, gates=one, window=shut("over")),
            bid("open", gates=one, is_open=True, window=shut("open")),
        ],
        {}, NOW,
    )  # fmt: skip
    assert names(found) == ["open", "free"]
    assert reasons(found) == {
        "killed": Reason.SYNC_WINDOW, "hurried": Reason.SYNC_WINDOW, "over": Reason.QUEUED
    }  # fmt: skip
    assert asked == ["hurried", "killed"]


def test_what_the_bot_may_merge_waits_for_windows_and_schedule() -> None:
    def waits(**more: object) -> str:
        (found,) = admit([bid("web", mode=Mode.MERGE, **more)], {}, NOW).admitted  # type: ignore[arg-type]
        return found.merge_waits

    night = FREE._replace(hours=NIGHTS)
    assert waits() == ""
    assert waits(is_open=True, window=lambda: "shut") == "shut"
    assert "opens next" in waits(is_open=True, gates=night)
    assert waits(klass=SAFETY, gates=night) == ""
    assert waits(is_open=True, klass=SAFETY, gates=night, window=lambda: "shut") == "shut"


LIMITS = {
    "open": (FREE._replace(most_open=3), Tally(open=2), "at most 3 open at once"),
    "hour": (
        FREE._replace(per_hour=3),
        Tally(opened=(NOW - 10, NOW - HOUR + 1, NOW - HOUR)),
        "new ones an hour",
    ),
    "week": (FREE._replace(per_week=3), Tally(opened=(NOW - 10, NOW - 6 * 24 * HOUR, 5)), "new ones a week"),
    "run": (FREE._replace(per_run=1), Tally(open=99, opened=(NOW,) * 99), "new ones a run"),
    "owner": (FREE._replace(per_owner=2), Tally(open=9, by_owner={"org/web": 1, "you": 9}), "of org/web"),
}


@pytest.mark.parametrize("name", LIMITS)
def test_each_limit_lets_the_best_through_and_names_itself(name: str) -> None:
    gates, tally, words = LIMITS[name]
    bids = [bid(f"saves-{n}", n, gates=gates, owners=("org/web",)) for n in (1, 9, 5)]
    found = admit(bids, {"deploy": tally}, NOW)
    assert names(found) == ["saves-9"]
    assert set(reasons(found).values()) == {Reason.QUEUED}
    assert words in details(found)
    assert [(one.proposal.group, one.place) for one in found.held] == [("saves-5", 1), ("saves-1", 2)]
    assert "1 of 2 in the queue" in details(found)


def test_another_repository_has_limits_of_its_own() -> None:
    gates = FREE._replace(most_open=1)
    bids = [bid(f"{where}-{n}", n, gates=gates, repository=where) for where in ("a", "b") for n in (1, 2)]
    found = admit(bids, {"a": Tally(open=1)}, NOW)
    assert names(found) == ["b-2"]
    assert {one.proposal.group: one.place for one in found.held} == {"a-2": 1, "a-1": 2, "b-1": 1}


def test_at_most_five_new_ones_for_safety_also_when_run_again() -> None:
    bids = [bid(f"killed-{n}", klass=SAFETY, gates=Gates(most_open=0, per_hour=0)) for n in range(9)]
    first = admit(bids, {}, NOW)
    assert len(first.admitted) == 5
    assert "at most 5 new ones for safety a run" in details(first)
    again = [one._replace(is_open=one.proposal in first.admitted) for one in bids]
    opened = (NOW,) * 5
    second = admit(again, {"deploy": Tally(5, {}, opened, opened)}, NOW + 60)
    assert set(second.admitted) == set(first.admitted)
    assert len(admit(again, {"deploy": Tally(5, {}, opened, opened)}, NOW + HOUR).admitted) == 9


def test_what_waits_is_kept_with_the_value_not_taken() -> None:
    found = admit([bid("web", gates=Gates(most_open=0))], {}, NOW)
    (row,) = kept(found.held)
    assert (row.reason, row.slot.field) == (Reason.QUEUED, Field.MEMORY_REQUEST)
    assert row.detail == "would become 2; 1 of 1 in the queue: at most 0 open at once (limits.open)"


# -- laws ------------------------------------------------------------------------------------------

SMALL = st.one_of(st.none(), st.integers(0, 4))
POLICIES = st.fixed_dictionaries(
    {
        "hours": st.sampled_from([(), NIGHTS, (Hours((0,), 0, 24 * 60),)]),
        "approval": st.sampled_from(["none", "none", "none", "required"]),
        **dict.fromkeys(("most_open", "per_hour", "per_run", "per_week", "per_owner"), SMALL),
    }
).map(lambda said: Gates(**said))


@st.composite
def bids_and_tallies(draw: st.DrawFn) -> tuple[list[Bid], dict[str, Tally]]:
    policies = draw(st.lists(POLICIES, min_size=1, max_size=3))
    found = []
    for n in range(draw(st.integers(0, 14))):
        shut = draw(st.booleans())
        found.append(
            bid(
                f"w{n}",
                draw(st.integers(-3, 3)),
                draw(st.sampled_from([SAFETY, SAVINGS, SAVINGS, IMAGE])),
                draw(st.sampled_from(policies)),
                is_open=draw(st.integers(0, 3)) == 0,
                owners=tuple(draw(st.lists(st.sampled_from(["a", "b"]), max_size=2, unique=True))),
                window=(lambda: "shut") if shut else (lambda: ""),
                wishes=frozenset(draw(st.lists(st.sampled_from(list(Wish)), max_size=2))),
                repository=draw(st.sampled_from(["r", "s"])),
                mode=draw(st.sampled_from([Mode.PROPOSE, Mode.MERGE])),
            )
        )
    times = st.lists(st.integers(NOW - 8 * 24 * HOUR, NOW), max_size=5).map(tuple)
    tallies = {}
    for where in ("r", "s"):
        opened = draw(times)
        owned = {"a": draw(st.integers(0, 3))}
        tallies[where] = Tally(draw(st.integers(0, 4)), owned, opened, opened[:2])
    return found, tallies


@settings(max_examples=100, deadline=None)
@given(bids_and_tallies(), st.randoms(use_true_random=False))
def test_the_order_of_bids_never_matters(
    drawn: tuple[list[Bid], dict[str, Tally]], dice: random.Random
) -> None:
    bids, tallies = drawn
    shuffled = list(bids)
    dice.shuffle(shuffled)
    assert admit(shuffled, tallies, NOW) == admit(bids, tallies, NOW)


@settings(max_examples=100, deadline=None)
@given(bids_and_tallies())
def test_each_is_admitted_or_held_with_a_reason(drawn: tuple[list[Bid], dict[str, Tally]]) -> None:
    bids, tallies = drawn
    found = admit(bids, tallies, NOW)
    keys = Counter((one.repository, one.key) for one in found.admitted)
    keys += Counter((one.proposal.repository, one.proposal.key) for one in found.held)
    assert keys == Counter((one.proposal.repository, one.proposal.key) for one in bids)
    assert {one.proposal.key for one in bids if one.is_open} <= {one.key for one in found.admitted}
    for where in ("r", "s"):
        places = [one.place for one in found.held if one.proposal.repository == where and one.place]
        assert places == list(range(1, len(places) + 1))


@settings(max_examples=200, deadline=None)
@given(bids_and_tallies())
def test_limits_are_never_passed_but_by_safety_and_wishes(drawn: tuple[list[Bid], dict[str, Tally]]) -> None:
    bids, tallies = drawn
    by_key = {(one.where, one.proposal.key): one for one in bids}
    new = [by_key[one.repository, one.key] for one in admit(bids, tallies, NOW).admitted]
    new = [one for one in new if not one.is_open]
    assert not any(one.window() for one in new)
    recent = sum(at > NOW - HOUR for tally in tallies.values() for at in tally.safety_opened)
    safety = [one for one in new if one.is_safety and Wish.OPEN not in one.wishes]
    assert not safety or recent + len(safety) <= 5
    for one in new:
        (gates,) = {each.evidence.policy.gates for each in one.proposal.changes}
        assert gates.approval == "none" or Wish.APPROVE in one.wishes
        if one.is_safety or Wish.OPEN in one.wishes:
            continue
        assert gates.hours != NIGHTS
        beside, tally = [other for other in new if other.where == one.where], tallies[one.where]
        _within(gates.most_open, tally.open, beside)
        _within(gates.per_hour, sum(at > NOW - HOUR for at in tally.opened), beside)
        _within(gates.per_run, 0, new)
        for owner in one.owners:
            _within(gates.per_owner, tally.by_owner.get(owner, 0), [b for b in beside if owner in b.owners])


def _within(limit: int | None, before: int, new: Sequence[Bid]) -> None:
    """Those of other policies may be more; those that one of its own follows are not."""
    if limit is not None:
        assert before < limit
        first = [one for one in new if not one.is_safety and Wish.OPEN not in one.wishes]
        gates = {each.evidence.policy.gates for one in first for each in one.proposal.changes}
        if len(gates) == 1:
            others = len(new) - len(first)
            assert before + len(first) <= limit or others


# -- the brake -------------------------------------------------------------------------------------


def refs(number: int, cluster: str = "") -> list[ContainerRef]:
    return [ContainerRef(cluster, "shop", "Deployment", f"w{n}", "app") for n in range(number)]


def source_of(cluster: str) -> str:
    return f"metrics-{cluster or 'main'}"


@pytest.mark.parametrize(
    ("wanting", "measured", "expected"),
    [
        (5, 5, False), (6, 6, True), (6, 119, True), (6, 120, False), (7, 120, True), (50, 1000, False),
        (51, 1000, True),
    ],
)  # fmt: skip
def test_more_than_five_and_more_than_a_twentieth(wanting: int, measured: int, expected: bool) -> None:
    changes = [change(f"w{n}", klass=SAFETY) for n in range(wanting)]
    found = braked(changes, refs(measured), source_of)
    assert bool(found.alarms) is expected
    assert len(found.notes) == expected


def test_what_rests_on_an_unbelieved_source_waits_and_nothing_else() -> None:
    changes = [change(f"w{n}", klass=SAFETY, cluster="eu") for n in range(6)]
    brake = braked(changes, [*refs(20, "eu"), *refs(500, "us")], source_of)
    rest = [change("a", cluster="eu"), change("b", cluster="us"), change("c", klass=IMAGE, cluster="eu")]
    going, held = hold_alarmed([Candidate(one, "unit") for one in [*changes, *rest]], brake)
    assert [one.change for one in going] == rest[1:]
    assert {row.reason for row in held} == {Reason.TOO_MANY_ALARMS}
    assert len(held) == 7
    assert "6 of 20 workloads of metrics-eu want more at once" in held[0].detail
    (note,) = brake.notes
    assert "6 of 20 workloads of metrics-eu" in note.detail


def test_the_containers_of_one_workload_are_one_alarm_and_planned_peaks_are_none() -> None:
    one = change("web", klass=SAFETY)
    value = one.values[0]
    lines = [value._replace(slot=value.slot._replace(line=n)) for n in range(9)]
    many = [one._replace(values=(each,)) for each in lines]
    assert not braked(many, refs(9), source_of).alarms
    planned = Stage("planned peak", 100, "sale")
    peaks = [change(f"w{n}", klass=SAFETY)._replace(stages=(planned,)) for n in range(9)]
    assert not braked(peaks, refs(9), source_of).alarms


def test_the_settings_may_believe_a_source_more() -> None:
    changes = [change(f"w{n}", klass=SAFETY) for n in range(8)]
    assert braked(changes, refs(10), source_of, most={"metrics-other": 1000}).alarms
    assert not braked(changes, refs(10), source_of, most={"metrics-main": 800}).alarms

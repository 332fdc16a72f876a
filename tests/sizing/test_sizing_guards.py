"""Each guard as a table: where it keeps a request, where it doesn't, and the line between the two."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

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
    changed,
    consumer,
    evidence,
    flat,
    killed,
    levels,
    peer,
    used,
)
from test_sizing_laws import applied, evidences, in_force, news

from reconciler.model import (
    Change,
    ChangeClass,
    Consumer,
    DayPeaks,
    Evidence,
    Field,
    Keep,
    LastChange,
    NoUsage,
    Peer,
    PlannedPeak,
    Reason,
    Restarts,
    SizingPolicy,
    Usage,
    YearBefore,
)
from reconciler.sizing import decide, explain, remedy, tell
from reconciler.sizing.band import band_of
from reconciler.sizing.case import Case, open_case
from reconciler.sizing.guards.standing import applies
from reconciler.sizing.planned import due

CPU, MEMORY = Field.CPU_REQUEST, Field.MEMORY_REQUEST
TODAY = NOW // DAY  # a Friday
TWIN = WEB._replace(cluster="prod")
GUARDED = SIZING._replace(weekend=True, stale_after=7 * DAY, quiet_days=14, most_restarts=3)
DOCS = Path(__file__).parents[2] / "docs"


def on(*days_ago: int, memory: int = 400 * MI, **other: Any) -> Usage:
    """Seen on those days alone."""
    peaks = tuple(DayPeaks(TODAY - ago, 288, 182, 182, memory) for ago in sorted(days_ago, reverse=True))
    last = (TODAY - min(days_ago) + 1) * DAY
    return used(memory=memory, end=last, start=peaks[0].day * DAY, **other)._replace(days=peaks)


def lowered(*fed: Usage, sizing: SizingPolicy = GUARDED, **other: Any) -> Evidence:
    """Requests far above the need, to be lowered unless something forbids it."""
    refs = (WEB, API)
    consumers = tuple(consumer(usage, ref) for usage, ref in zip(fed, refs, strict=False))
    return evidence(
        cpu="1000m", memory="2048Mi", consumers=consumers or (consumer(used()),), sizing=sizing, **other
    )


def reason(given: Evidence, field: Field = MEMORY) -> Reason | None:
    """Why the request is kept; None where it is changed."""
    row = next(
        row
        for row in decide(given)
        if (row.slot if isinstance(row, Keep) else row.values[0].slot).field is field
    )
    return row.reason if isinstance(row, Keep) else None


def with_restarts(before: int, after: int, changed_ago: int = 7) -> Usage:
    days = [Restarts(TODAY - changed_ago - 2, before), Restarts(TODAY - changed_ago + 2, after)]
    return used(restart_days=tuple(one for one in days if one.restarts))


# ---------------------------------------------------------------------------------------------
# What keeps a request from being lowered
# ---------------------------------------------------------------------------------------------

SHORT = GUARDED._replace(min_days=1)
LONG = GUARDED._replace(window_days=28)


def once_killed(limit: int, ago: int, sizing: SizingPolicy = LONG, **texts: str) -> Evidence:
    """Seen for four weeks, with one kill among them."""
    return lowered(on(*range(1, 29), oom_kills=(killed(limit * MI, ago=ago),)), sizing=sizing, **texts)


def limited(peak: int, old: int, ago: int) -> Evidence:
    """A peak under a limit that was raised so many days ago, and a lower one since."""
    moved = LastChange(NOW - ago * DAY, Field.MEMORY_LIMIT, old * MI, 3072 * MI)
    days = tuple(
        DayPeaks(TODAY - day, 288, 182, 182, (peak if day > ago else 700) * MI) for day in range(14, 0, -1)
    )
    usage = used(memory=peak * MI)._replace(days=days)
    return lowered(usage, memory_limit="3Gi", last_changes=(moved,))


TABLE: tuple[tuple[str, Evidence, Reason | None], ...] = (
    # a weekday and a day of a weekend: today is Friday, so five days ago is a Sunday
    ("only weekdays", lowered(on(1, 2), sizing=SHORT), Reason.THIN_EVIDENCE),
    ("a weekday and a Sunday", lowered(on(4, 5), sizing=SHORT), None),
    ("only a weekend", lowered(on(5, 6), sizing=SHORT), Reason.THIN_EVIDENCE),
    ("a weekend between, without a sample", lowered(on(4, 7), sizing=SHORT), None),
    ("only weekdays, and nobody minds", lowered(on(1, 2), sizing=SHORT._replace(weekend=False)), None),
    # age
    ("a week old", lowered(on(*range(8, 15)), sizing=GUARDED._replace(min_days=7)), None),
    ("more than a week", lowered(on(*range(9, 20)), sizing=LONG), Reason.STALE_METRICS),
    ("old, and any age will do", lowered(on(*range(9, 20)), sizing=LONG._replace(stale_after=0)), None),
    ("as silent as before", lowered(on(11, 21, 31), sizing=SHORT._replace(window_days=35)), None),
    ("never so long", lowered(on(13, 23, 33), sizing=SHORT._replace(window_days=40)), Reason.STALE_METRICS),
    # kills
    ("a kill", lowered(used(oom_kills=(killed(300 * MI),))), Reason.OOM_KILLED),
    ("long ago, under a higher limit now", once_killed(300, 15, memory_limit="3Gi"), None),
    ("a day too early", once_killed(300, 14, memory_limit="3Gi"), Reason.OOM_KILLED),
    ("long ago, and no limit is left", once_killed(300, 20), None),
    ("long ago, under a limit not known", once_killed(0, 20), Reason.OOM_KILLED),
    ("no policy forgives", once_killed(300, 20, LONG._replace(quiet_days=0)), Reason.OOM_KILLED),
    # limits of that time
    ("at the limit it had", limited(990, 1000, ago=3), Reason.AT_LIMIT),
    ("at a limit long gone", limited(990, 1000, ago=10), None),
    ("well below the limit it had", limited(900, 1000, ago=3), None),
    ("it had no limit", limited(990, 0, ago=3), None),
    # restarts
    ("as often as before", lowered(with_restarts(3, 3), last_changes=(changed(CPU, 7),)), None),
    ("more often", lowered(with_restarts(1, 4), last_changes=(changed(CPU, 7),)), Reason.RESTARTS),
    ("twice the rate, in more days", lowered(with_restarts(2, 4), last_changes=(changed(CPU, 8),)), None),
    ("two are not many", lowered(with_restarts(0, 2), last_changes=(changed(CPU, 7),)), None),
    ("three are", lowered(with_restarts(0, 3), last_changes=(changed(CPU, 7),)), Reason.RESTARTS),
    ("before any change", lowered(with_restarts(0, 30)), None),
    ("nothing to compare with", lowered(with_restarts(0, 30, 20), last_changes=(changed(CPU, 20),)), None),
    ("nobody counts", lowered(with_restarts(0, 30), last_changes=(changed(CPU, 7),), sizing=SIZING), None),
    # an annotation
    ("only to be raised", lowered(raise_only="reconciler.io/raise-only: true"), Reason.ONLY_RAISED),
    ("of memory", lowered(raise_only="reconciler.io/raise-only: memory"), Reason.ONLY_RAISED),
    ("of CPU alone", lowered(raise_only="reconciler.io/raise-only: cpu"), None),
)  # fmt: skip


@pytest.mark.parametrize(("given", "expected"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_guard(given: Evidence, expected: Reason | None) -> None:
    assert reason(given) is expected


@pytest.mark.parametrize(
    "row",
    [row for row in TABLE if row[2] not in (None, Reason.ONLY_RAISED)],
    ids=lambda row: row[0],
)
@pytest.mark.parametrize("kind", ["line", "peer"])
def test_a_guard_of_anyone_whose_need_counts_holds(row: tuple[str, Evidence, Reason], kind: str) -> None:
    """What keeps one from being lowered keeps everyone on its line, and, but for its changes, its peers."""
    _, alone, expected = row
    if kind == "peer" and alone.last_changes:
        return  # they are those of the container, not of its peer
    guarded = alone.consumers[0].usage
    assert isinstance(guarded, Usage)
    others = (consumer(used()), consumer(guarded, API) if kind == "line" else peer(guarded, API))
    limits = {slot.field: slot.value for slot in alone.slots}
    both = evidence(
        cpu="1000m", memory="2048Mi", memory_limit=limits[Field.MEMORY_LIMIT], consumers=others,
        sizing=alone.policy.sizing, last_changes=alone.last_changes,
    )  # fmt: skip
    assert reason(both) is expected


def test_a_raise_asks_none_of_them() -> None:
    """Thin, stale, restarting: what is short of memory is raised all the same."""
    usage = on(9, memory=900 * MI, restart_days=(Restarts(TODAY - 2, 50),))
    row = next(row for row in decide(evidence(memory="512Mi", consumers=(consumer(usage),), sizing=GUARDED)))
    assert not isinstance(row, Change) or row.values[0].slot.field is not CPU
    assert reason(evidence(memory="512Mi", consumers=(consumer(usage),), sizing=GUARDED)) is None


Loosened = Callable[[SizingPolicy], SizingPolicy]


@settings(max_examples=150, deadline=None)
@given(
    evidences(),
    st.booleans(),
    st.sampled_from([0, DAY, 7 * DAY]),
    st.integers(0, 3),
    st.lists(st.builds(Restarts, st.integers(19_986, 19_999), st.integers(1, 9)), max_size=4),
    st.sampled_from(["none", "small", "all"]),
    st.sampled_from(["", "reconciler.io/raise-only: true"]),
    st.integers(0, 12),
)
def test_no_guard_makes_a_request_lower(
    found: Evidence,
    weekend: bool,
    stale: int,
    most: int,
    restarts: list[Restarts],
    adapts: str,
    said: str,
    old: int,
) -> None:
    """Whatever the state of a guard: with it a request is never less than without it."""
    days = tuple(sorted({one.day: one for one in restarts}.values()))
    seen = tuple(
        one._replace(usage=one.usage._replace(restart_days=days, end=one.usage.end - old * DAY))
        if isinstance(one.usage, Usage)
        else one
        for one in found.consumers
    )
    sizing = found.policy.sizing._replace(band_adapts="none")
    bare = found._replace(consumers=seen, policy=found.policy._replace(sizing=sizing))
    guarded = sizing._replace(
        weekend=weekend,
        stale_after=stale,
        most_restarts=most,
        band_adapts=adapts if adapts != "all" else "small",
    )
    strict = bare._replace(policy=bare.policy._replace(sizing=guarded), raise_only=said)
    without, with_it = news(decide(bare)), news(decide(strict))
    for field in (CPU, MEMORY):
        assert with_it.get(field, in_force(strict, field)) >= without.get(field, in_force(bare, field))


# ---------------------------------------------------------------------------------------------
# The dead band
# ---------------------------------------------------------------------------------------------


def case_of(request: str, field: Field, adapts: str) -> Case:
    sizing = SIZING._replace(band_adapts=adapts)
    given = evidence(**{field.resource: request}, sizing=sizing)
    case = open_case(given, next(slot for slot in given.slots if slot.field is field))
    assert isinstance(case, Case)
    return case


@pytest.mark.parametrize(
    ("field", "request_", "adapts", "expected"),
    [
        (CPU, "100m", "small", (100, 50)),
        (CPU, "25m", "small", (200, 50)),
        (CPU, "10m", "small", (300, 50)),
        (CPU, "1m", "small", (300, 50)),
        (CPU, "4", "small", (100, 50)),
        (CPU, "16", "small", (100, 50)),
        (CPU, "9", "all", (66, 33)),
        (CPU, "16", "all", (50, 25)),
        (CPU, "64", "all", (50, 25)),
        (CPU, "25m", "all", (200, 50)),
        (CPU, "25m", "none", (100, 50)),
        (CPU, "64", "none", (100, 50)),
        (MEMORY, "128Mi", "all", (100, 50)),
        (MEMORY, "32Mi", "small", (200, 50)),
        (MEMORY, "8Gi", "all", (100, 50)),
        (MEMORY, "32Gi", "all", (50, 25)),
    ],
)
def test_the_band_follows_the_size(
    field: Field, request_: str, adapts: str, expected: tuple[int, int]
) -> None:
    assert band_of(case_of(request_, field, adapts)) == expected


def test_a_wide_band_leaves_half_of_a_request_to_be_had() -> None:
    sizing = SIZING._replace(band_adapts="small", band_down_percent=40)
    given = evidence(cpu="10m", sizing=sizing)
    case = open_case(given, given.slots[0])
    assert isinstance(case, Case)
    assert band_of(case).down == 500


@given(st.integers(1, 1 << 20), st.sampled_from(["small", "all", "none"]))
def test_a_larger_request_has_no_wider_band(millicores: int, adapts: str) -> None:
    one, two = (band_of(case_of(f"{size}m", CPU, adapts)) for size in (millicores, millicores + 1))
    assert two.down <= one.down
    assert two.up <= one.up


# ---------------------------------------------------------------------------------------------
# Planned peaks
# ---------------------------------------------------------------------------------------------


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


SALE = PlannedPeak(NOW + 3 * DAY, NOW + 10 * DAY, "sale", cpu=2000, memory=4096 * MI, lead=7 * DAY)


def planning(*peaks: PlannedPeak, **other: Any) -> Evidence:
    given = evidence(**other)
    return given._replace(policy=given.policy._replace(planned=peaks))


def row_of(given: Evidence, field: Field) -> Change | Keep:
    return next(
        row
        for row in decide(given)
        if (row.slot if isinstance(row, Keep) else row.values[0].slot).field is field
    )


def test_a_planned_peak_is_prepared_for_at_once() -> None:
    """In spite of the cool-down and of how far one step goes."""
    row = row_of(planning(SALE, cpu="200m", last_changes=(changed(CPU, 1),)), CPU)
    assert isinstance(row, Change)
    assert row.klass is ChangeClass.SAFETY
    assert row.values[0].new == "2000m"
    assert row.because.startswith("sale from 2024-10-07 to 2024-10-13: 2000m is said to be needed")
    stage = next(stage for stage in row.stages if stage.name == "planned peak")
    assert stage.value == 2000


@pytest.mark.parametrize(
    ("start", "end", "lead", "holds"),
    [(7, 9, 7, True), (7, 9, 6, False), (-3, 1, 0, True), (-3, 0, 0, False), (0, 1, 0, True)],
    ids=["its lead begins", "before its lead", "it is on", "it is over", "it begins"],
)
def test_a_planned_peak_holds_from_its_lead_to_its_end(start: int, end: int, lead: int, holds: bool) -> None:
    peak = SALE._replace(start=NOW + start * DAY, end=NOW + end * DAY, lead=lead * DAY)
    assert isinstance(row_of(planning(peak, cpu="200m"), CPU), Change) is holds


def test_nothing_is_lowered_beneath_a_planned_peak() -> None:
    assert reason(planning(SALE, cpu="2000m"), CPU) is Reason.PLANNED_PEAK
    row = row_of(planning(SALE, cpu="4"), CPU)
    assert isinstance(row, Change)
    assert row.values[0].new == "3200m"
    assert row.klass is ChangeClass.SAVINGS


def test_what_is_said_of_one_resource_says_nothing_of_the_other() -> None:
    row = row_of(planning(SALE._replace(memory=0), memory="2048Mi"), MEMORY)
    assert isinstance(row, Change)
    assert row.klass is ChangeClass.SAVINGS
    assert not any(stage.name == "planned peak" for stage in row.stages)


def test_a_ceiling_holds_for_planned_peaks_too() -> None:
    row = row_of(planning(SALE, cpu="200m", sizing=levels(ceiling=1500 * MI)), MEMORY)
    assert isinstance(row, Change)
    assert row.values[0].new == "1500Mi"


def test_a_request_prepared_for_a_peak_stays() -> None:
    """Deciding again on its own result keeps, until the peak is over."""
    assert reason(planning(SALE, cpu="2000m", memory="4096Mi"), MEMORY) is Reason.PLANNED_PEAK
    over = planning(SALE._replace(start=NOW - 9 * DAY, end=NOW), cpu="2000m", memory="4096Mi")
    assert reason(over, MEMORY) is None


@settings(max_examples=120, deadline=None)
@given(evidences(), st.integers(0, 5000), st.integers(0, 5000), st.booleans())
def test_a_second_decision_on_the_first_ones_result_changes_nothing(
    found: Evidence, cpu: int, memory: int, cold: bool
) -> None:
    """With a planned peak, and twins, whatever they ask for: what was just merged waits, or is content."""
    peak = SALE._replace(cpu=cpu, memory=memory * MI)
    one = consumer(used(cpu=cpu + 1, memory=(memory + 1) * MI), TWIN)
    one = one._replace(peer=Peer(tuple(each.ref for each in found.consumers), 0, 0))
    given = found._replace(
        policy=found.policy._replace(planned=(peak,)), twins=(one,) if cold else (), last_changes=()
    )
    again = applied(given, decide(given))
    assert news(decide(again)) == {}


def year_before(usage: Usage | NoUsage, peak: PlannedPeak, now: int = NOW) -> tuple[YearBefore, ...]:
    one = due(evidence().policy._replace(planned=(peak,)), now)[0]
    return (YearBefore(*one.year_before, (consumer(usage),)),)


LAST_YEAR = SALE._replace(cpu=0, memory=0, as_last_year=True)


def test_last_years_need_is_a_floor() -> None:
    then = year_before(used(cpu=1000, memory=1000 * MI), LAST_YEAR)
    row = row_of(planning(LAST_YEAR, cpu="200m", last_year=then), CPU)
    assert isinstance(row, Change)
    assert row.values[0].new == "1150m"
    assert "1150m was needed in the same days a year before" in row.because
    stated = LAST_YEAR._replace(cpu=3000)
    again = row_of(planning(stated, cpu="200m", last_year=year_before(used(cpu=1000), stated)), CPU)
    assert isinstance(again, Change)
    assert again.values[0].new == "3000m"


def test_where_last_year_is_forgotten_nothing_is_lowered() -> None:
    gone = NoUsage(Reason.NO_METRICS, "nothing was measured of it")
    for last_year in ((), year_before(gone, LAST_YEAR)):  # not asked, and not answered
        row = row_of(planning(LAST_YEAR, cpu="1000m", last_year=last_year), CPU)
        assert isinstance(row, Keep)
        assert row.reason is Reason.PLANNED_PEAK
        assert (
            "nothing is known of the days from 2023-10-07 a year before, so nothing is lowered" in row.detail
        )
        raised = row_of(planning(LAST_YEAR, cpu="100m", last_year=last_year), CPU)
        assert isinstance(raised, Change)


@pytest.mark.parametrize(
    ("then", "found"),
    [
        (used(cpu=100, days=3), Reason.PLANNED_PEAK),
        (used(cpu=100, days=4), None),
        (used(cpu=100, days=7, incomplete="a file is damaged"), Reason.PLANNED_PEAK),
    ],
)
def test_a_year_before_that_was_hardly_seen_says_too_little(then: Usage, found: Reason | None) -> None:
    """Of seven days."""
    given = planning(LAST_YEAR, cpu="1000m", last_year=year_before(then, LAST_YEAR))
    assert reason(given, CPU) is found


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("2026-11-22", ("2026-11-23", "2026-12-01")),
        ("2027-11-22", ("2027-11-23", "2027-12-01")),
        ("2031-11-30", ("2031-11-23", "2031-12-01")),
        ("2027-07-01", None),
        ("2025-11-25", None),  # before the first time
    ],
)
def test_what_comes_every_year_comes_every_year(now: str, expected: tuple[str, str] | None) -> None:
    peak = PlannedPeak(at("2026-11-23"), at("2026-12-01"), "sale", cpu=1, yearly=True, lead=7 * DAY)
    found = due(evidence().policy._replace(planned=(peak,)), at(now))
    assert [(one.start, one.end) for one in found] == ([tuple(map(at, expected))] if expected else [])


def test_a_peak_over_new_year_and_a_leap_day() -> None:
    policy = evidence().policy
    turn = PlannedPeak(at("2026-12-28"), at("2027-01-04"), "sale", cpu=1, yearly=True)
    assert [one.end for one in due(policy._replace(planned=(turn,)), at("2029-01-02"))] == [at("2029-01-04")]
    leap = PlannedPeak(at("2028-02-29"), at("2028-03-02"), "day", cpu=1, yearly=True)
    assert [one.start for one in due(policy._replace(planned=(leap,)), at("2029-03-01"))] == [
        at("2029-02-28")
    ]
    assert due(policy._replace(planned=(leap,)), at("2028-03-01"))[0].year_before[0] == at("2027-02-28")


# ---------------------------------------------------------------------------------------------
# Init containers, sidecars, twins
# ---------------------------------------------------------------------------------------------

MANAGED = SIZING._replace(manage_init=True)


def moment(memory: int, samples: int = 20, **other: Any) -> tuple[Consumer, ...]:
    usage = used(flat(10, samples=samples), flat(memory * MI, samples=samples), days=7, expected=4000)
    return (consumer(usage._replace(**other), init=True),)


def test_an_init_container_is_not_lowered_beneath_twice_its_peak() -> None:
    assert reason(evidence(memory="512Mi", consumers=moment(300), sizing=MANAGED)) is Reason.INIT_CONTAINER
    row = row_of(evidence(memory="512Mi", consumers=moment(220), sizing=MANAGED), MEMORY)
    assert isinstance(row, Change)
    assert row.values[0].new == "440Mi"


def test_one_sample_above_the_request_raises_an_init_container() -> None:
    row = row_of(evidence(memory="256Mi", consumers=moment(300, samples=1), sizing=MANAGED), MEMORY)
    assert isinstance(row, Change)
    assert (row.klass, row.values[0].new) == (ChangeClass.SAFETY, "360Mi")
    usual = used(memory=flat(300 * MI, samples=1), expected=4000)
    assert reason(evidence(memory="256Mi", consumers=(consumer(usual),))) is Reason.THIN_EVIDENCE


def test_few_samples_of_an_init_container_lower_nothing() -> None:
    assert (
        reason(evidence(memory="2Gi", consumers=moment(50, samples=11), sizing=MANAGED))
        is Reason.THIN_EVIDENCE
    )
    assert reason(evidence(memory="2Gi", consumers=moment(50, samples=12), sizing=MANAGED)) is None


def test_a_native_sidecar_is_sized_like_any_other() -> None:
    side = consumer(used(), init=True, sidecar=True)
    plain = consumer(used())
    for field in (CPU, MEMORY):
        rows = [row_of(evidence("1000m", "2Gi", consumers=(one,)), field) for one in (side, plain)]
        assert isinstance(rows[0], Change)
        assert isinstance(rows[1], Change)
        assert rows[0].values == rows[1].values


TWO_CLUSTERS = NoUsage(Reason.AMBIGUOUS_CLUSTER, "main has it in two clusters")
NOBODY = NoUsage(Reason.NO_METRICS, "main knows no pod of it")


def twin(usage: Usage | NoUsage, cpu: int = 0, memory: int = 0) -> Consumer:
    return consumer(usage, TWIN)._replace(peer=Peer((WEB,), 0, 0), stated=(cpu, memory * MI))


def cold(own: Usage | NoUsage, *twins: Consumer, **texts: Any) -> Evidence:
    return evidence(consumers=(consumer(own),), twins=twins, **texts)


@pytest.mark.parametrize(
    ("given", "new"),
    [
        (cold(NOBODY, twin(used(cpu=400)), cpu=None), "460m"),
        (cold(NOBODY, twin(used(cpu=400)), cpu="100m"), Reason.NO_METRICS),
        (cold(NOBODY, twin(used(cpu=400), cpu=100), cpu="100m"), "200m"),
        (cold(NOBODY, twin(used(cpu=400), cpu=2000), cpu="2000m"), Reason.NO_METRICS),
        (cold(used(cpu=900, days=3), twin(used(cpu=400)), cpu=None), "1040m"),
        (cold(used(cpu=100, days=3), twin(used(cpu=400)), cpu=None), "460m"),
        (cold(used(cpu=100, days=14), twin(used(cpu=400)), cpu=None), "115m"),
        (cold(used(cpu=100, days=3), twin(used(cpu=400), cpu=900), cpu="900m"), Reason.THIN_EVIDENCE),
        (cold(NOBODY, twin(used(cpu=400, days=3)), cpu=None), Reason.NO_METRICS),
        (cold(NOBODY, twin(used(cpu=400, owner_guessed=True)), cpu=None), Reason.NO_METRICS),
        (cold(NOBODY, twin(used(cpu=400, incomplete="a file is damaged")), cpu=None), Reason.NO_METRICS),
        (cold(NOBODY, twin(NOBODY), cpu=None), Reason.NO_METRICS),
        (cold(TWO_CLUSTERS, twin(used(cpu=400)), cpu=None), Reason.AMBIGUOUS_CLUSTER),
    ],
)  # fmt: skip
def test_twins(given: Evidence, new: str | Reason) -> None:
    row = row_of(given, CPU)
    assert (row.reason if isinstance(row, Keep) else row.values[0].new) == new


def test_a_twin_makes_no_change_one_of_safety() -> None:
    row = row_of(cold(NOBODY, twin(used(cpu=400), cpu=100), cpu="100m"), CPU)
    assert isinstance(row, Change)
    assert row.klass is ChangeClass.SAVINGS
    assert "of its twin prod:shop/Deployment/web/app: there is too little history of its own" in row.because


@settings(max_examples=80, deadline=None)
@given(evidences(), st.integers(1, 4000), st.integers(1, 4000))
def test_twins_never_lower(found: Evidence, millicores: int, mebibytes: int) -> None:
    requests = in_force(found, CPU), in_force(found, MEMORY)
    one = consumer(used(cpu=millicores, memory=mebibytes * MI), TWIN)
    one = one._replace(peer=Peer(tuple(each.ref for each in found.consumers), 0, 0), stated=requests)
    without, with_it = news(decide(found)), news(decide(found._replace(twins=(one,))))
    for field in (CPU, MEMORY):
        assert with_it.get(field, in_force(found, field)) >= without.get(field, in_force(found, field))


# ---------------------------------------------------------------------------------------------
# What is told
# ---------------------------------------------------------------------------------------------


def test_a_kept_request_is_told_what_it_would_be_and_what_it_takes() -> None:
    given = lowered(on(*range(1, 6)))
    row = row_of(given, MEMORY)
    assert isinstance(row, Keep)
    assert [(stage.name, stage.value) for stage in row.stages if stage.name == "held back"] == [
        ("held back", 1648 * MI)
    ]
    assert remedy(given, row) == "2 more days with samples"


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (evidence(), "a need below 432Mi or above 504Mi"),
        (lowered(last_changes=(changed(MEMORY, 3),)), "4 days more"),
        (lowered(used(oom_kills=(killed(300 * MI, ago=3),))), "12 more days without another kill"),
        (lowered(used(samples=20, memory=flat(400 * MI, samples=20))), "30 more samples"),
        (lowered(used(expected=9000)), "80 % of the expected samples"),
        (lowered(raise_only="reconciler.io/raise-only: true"), "nothing but a higher need moves it"),
    ],
)
def test_what_it_takes(given: Evidence, says: str) -> None:
    row = row_of(given, MEMORY)
    assert isinstance(row, Keep)
    assert says in remedy(given, row)


def test_every_stage_of_a_guard_is_in_the_table() -> None:
    table = (DOCS / "decisions.md").read_text("utf-8").partition("## The stages")[2]
    named = set(re.findall(r"^\| ([a-z-]+(?: [a-z]+)?) \|", table, re.MULTILINE))
    given = (planning(SALE), lowered(on(1, 2)), cold(NOBODY, twin(used(cpu=400)), cpu=None))
    assert {stage.name for one in given for found in explain(one) for stage in found.stages} <= named


def test_the_example_of_the_docs_is_what_explain_says() -> None:
    page = (DOCS / "guards.md").read_text("utf-8")
    example = re.search(r"```console\n\$ reconcile explain.*?```", page, re.DOTALL)
    assert example
    given = evidence(memory="2Gi", consumers=(consumer(on(*range(1, 6))),), sizing=GUARDED)
    found = next(one for one in explain(given) if one.slot.field is MEMORY)
    assert isinstance(found.decision, Keep)
    told = {line.strip() for line in tell(found)} | {
        f"what it takes: {remedy(given, found.decision)}",
        str(WEB),
    }
    lines = [line.strip() for line in example[0].splitlines()[2:-1]]
    words = {re.sub(r" +", " ", line) for line in told}
    assert [line for line in lines if line != "..." and re.sub(r" +", " ", line) not in words] == []


def test_every_guard_has_its_place_in_the_docs() -> None:
    """Its reason, and the key of the policy that loosens it."""
    page = (DOCS / "guards.md").read_text("utf-8")
    reasons = {row[2] for row in TABLE if row[2]}
    assert {found for found in reasons if f"`{found}`" not in page} == set()
    for key in ("evidence.weekend", "evidence.age", "killed", "restarts", "band.adapt", "peaks", "twins"):
        assert f"`{key}`" in page


@pytest.mark.parametrize(
    ("said", "about"),
    [
        ("true", "cpu memory"),
        ("cpu", "cpu"),
        ("memory, image", "memory"),
        ("image", ""),
        ("imgae", "cpu memory"),
    ],
)
def test_what_an_annotation_is_about(said: str, about: str) -> None:
    found = [resource for resource in ("cpu", "memory") if applies(f"reconciler.io/ignore: {said}", resource)]
    assert found == about.split()

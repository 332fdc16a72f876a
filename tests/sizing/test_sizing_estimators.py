"""The estimators: what each one makes of a known use, and the laws that all of them keep."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sizing_evidence import CPU, MEMORY, MI, SIZING, consumer, evidence, flat, sketch, used

from reconciler.model import BusyHour, Change, DayPeaks, Field, Keep, Reason, Restarts, Usage
from reconciler.sizing import decide
from reconciler.sizing.estimators import AUTO, ESTIMATORS, LASTING, estimate, named
from reconciler.sizing.trend import rise_of

FIRST = 19_965


def days(*peaks: int, cpu: int = 100) -> tuple[DayPeaks, ...]:
    """One after the other, of these peaks of memory in MiB."""
    return tuple(DayPeaks(FIRST + day, 288, cpu, 2 * cpu, peak * MI) for day, peak in enumerate(peaks))


def by_memory(*peaks: int, **other: Any) -> Usage:
    return used(100, flat(10 * MI, peak=max(peaks) * MI))._replace(days=days(*peaks), **other)


def by_cpu(*p95: int, **other: Any) -> Usage:
    each = tuple(DayPeaks(FIRST + day, 288, cpu, 3 * cpu, MI) for day, cpu in enumerate(p95))
    return used(flat(50, peak=3 * max(p95)), 10 * MI)._replace(days=each, **other)


def memory(estimator: str, usage: Usage, *, lasting: bool = False, **level: Any) -> int:
    return estimate(
        usage, MEMORY._replace(estimator=estimator, **level), "memory", lasting=lasting
    ).value // MI  # fmt: skip


def cpu(estimator: str, usage: Usage, *, lasting: bool = False, **level: Any) -> int:
    return estimate(usage, CPU._replace(estimator=estimator, **level), "cpu", lasting=lasting).value


# ---------------------------------------------------------------------------------------------
# One by one
# ---------------------------------------------------------------------------------------------


def test_a_percentile_pools_all_samples() -> None:
    assert cpu("percentile", used(sketch(*range(1, 101)))) == 95
    assert cpu("percentile", used(sketch(*range(1, 101))), percentile_permille=995) == 100


def test_the_busiest_pod_is_not_outvoted() -> None:
    usage = used(flat(50), cpu_worst_pod=flat(400, samples=100))

    assert cpu("percentile", usage) == 50
    assert cpu("worst-pod", usage) == 400
    assert cpu("worst-pod", used(flat(50), cpu_worst_pod=sketch())) == 50  # no pod is told from another


def test_a_monday_peak_counts_on_wednesday() -> None:
    usage = used(flat(50), busy_hours=(BusyHour(9, 700, 2), BusyHour(33, 300, 2)))
    level = CPU._replace(estimator="hour-of-week")

    found = estimate(usage, level, "cpu")

    assert found.value == 700
    assert found.words == "p95 of the busiest hour of the week, Monday 09:00 UTC, over 14 days"
    assert estimate(used(flat(50)), level, "cpu") == (50, "p95 over 14 days (hours of the week are unknown)")


def test_what_is_old_fades() -> None:
    usage = used(flat(400), cpu_decayed=flat(90))

    assert cpu("decayed", usage, half_life_days=3) == 90
    assert cpu("decayed", usage) == 400  # no half-life
    assert cpu("decayed", used(flat(400)), half_life_days=3) == 400  # the source can't weigh days


def test_of_memory_the_peaks_of_days_fade() -> None:
    usage = by_memory(900, *[300] * 13)

    assert memory("decayed", usage, percentile_permille=900, half_life_days=1) == 300
    assert memory("decayed", usage, percentile_permille=900, half_life_days=365) == 300
    assert memory("decayed", usage, percentile_permille=990, half_life_days=365) == 900
    # The newest day weighs as much as all before it together.
    assert memory("decayed", by_memory(*[300] * 13, 900), percentile_permille=600, half_life_days=1) == 900


def test_a_peak_is_the_highest_sample() -> None:
    assert memory("peak", by_memory(300, 900, 300)) == 900


def test_raised_by_what_is_recent_and_lowered_by_all() -> None:
    usage = by_memory(900, *[300] * 9, 400, *[300] * 10)

    assert memory("long-peak", usage, recent_days=20) == 400
    assert memory("long-peak", usage, recent_days=21) == 900
    assert memory("long-peak", usage, recent_days=5) == 300
    assert memory("long-peak", usage, recent_days=5, lasting=True) == 900
    level = MEMORY._replace(estimator="long-peak", recent_days=20)
    assert estimate(usage, level, "memory").words == "peak of the last 20 days"


def test_a_busy_day_keeps_a_request_up() -> None:
    usage = by_cpu(50, 50, 400, *[50] * 11)

    assert cpu("long-percentile", usage) == 50
    assert cpu("long-percentile", usage, lasting=True) == 400
    level = CPU._replace(estimator="long-percentile")
    assert estimate(usage, level, "cpu", lasting=True).words == "p95 of the busiest of 14 days"


def test_auto_is_one_rule_for_each_resource() -> None:
    level = CPU._replace(estimator="auto")

    assert (named(level, "cpu"), named(level, "memory")) == (AUTO["cpu"], AUTO["memory"])
    assert estimate(by_cpu(50, 90), level, "cpu") == estimate(
        by_cpu(50, 90), CPU._replace(estimator="long-percentile"), "cpu"
    )


# ---------------------------------------------------------------------------------------------
# Chosen by replay
# ---------------------------------------------------------------------------------------------

STEADY = [300, 301, 299, 300, 302, 300, 301] * 5
WEEKLY = [300, 300, 300, 300, 300, 300, 900] * 5
FALLEN = [900] * 15 + [200] * 20
GROWING = [300 + 12 * day for day in range(35)]


def chosen(peaks: list[int]) -> tuple[int, str]:
    found = estimate(by_memory(*peaks), MEMORY._replace(estimator="replayed"), "memory")
    return found.value // MI, found.words


def test_different_histories_get_different_choices() -> None:
    steady, weekly, fallen, growing = map(chosen, (STEADY, WEEKLY, FALLEN, GROWING))

    assert steady == (317, "peak of all days and 5 %, the cheapest of 16 rules replayed over its 35 days,")
    assert weekly[0] >= 900  # the peak of Sundays isn't forgotten by Wednesday
    assert "of the last 3 days" in fallen[1]
    assert fallen[0] < 300
    assert growing[0] > 708  # above all that was seen
    assert len({words for _, words in (steady, weekly, fallen, growing)}) >= 3


def test_too_few_days_are_nothing_to_choose_by() -> None:
    assert chosen([300] * 9) == (300, "peak over 9 days")


# ---------------------------------------------------------------------------------------------
# Leaks
# ---------------------------------------------------------------------------------------------


def sawtooth(life: int, lives: int) -> Usage:
    peaks = [300 + 40 * day for day in range(life)] * lives
    restarts = tuple(Restarts(FIRST + life * begun, 1) for begun in range(1, lives))
    return by_memory(*peaks, restart_days=restarts)


def test_steady_growth_is_a_rise() -> None:
    rise = rise_of(by_memory(*GROWING))

    assert rise is not None
    assert rise.a_day == 12 * MI
    assert str(rise) == "its memory rises by 12Mi a day, over 35 days: it may be leaking"


def test_restarts_reset_a_leak_and_do_not_hide_it() -> None:
    hidden = sawtooth(8, 4)._replace(restart_days=())

    assert rise_of(hidden) is None
    rise = rise_of(sawtooth(8, 4))
    assert rise is not None
    assert rise.a_day == 40 * MI


@pytest.mark.parametrize(
    "peaks", [STEADY, WEEKLY, FALLEN, [300] * 35, [300, 400, 500], [1000 + d for d in range(35)]]
)
def test_all_else_is_none(peaks: list[int]) -> None:
    assert rise_of(by_memory(*peaks)) is None


def leaking(estimator: str, in_force: str) -> Change | Keep:
    sizing = SIZING._replace(memory=MEMORY._replace(estimator=estimator))
    rows = decide(evidence(memory=in_force, consumers=(consumer(by_memory(*GROWING)),), sizing=sizing))
    return next(
        row
        for row in rows
        if (row.slot if isinstance(row, Keep) else row.values[0].slot).field is MEMORY_FIELD
    )


MEMORY_FIELD = Field.MEMORY_REQUEST


def test_a_leak_is_told_and_with_trend_not_chased() -> None:
    raised, kept = leaking("peak", "500Mi"), leaking("trend", "500Mi")

    assert isinstance(raised, Change)
    assert "its memory rises by 12Mi a day, over 35 days: it may be leaking" in raised.because
    assert isinstance(kept, Keep)
    assert kept.reason is Reason.LEAKING
    assert "would only put off the end" in kept.detail


def test_where_nothing_is_short_a_rise_is_no_news() -> None:
    row = leaking("trend", "900Mi")

    assert isinstance(row, Keep)
    assert row.reason is Reason.IN_BAND


# ---------------------------------------------------------------------------------------------
# The room of a raise
# ---------------------------------------------------------------------------------------------


def raised(in_force: str | None, extra: int, band_down: int = 30) -> tuple[str, str]:
    sizing = SIZING._replace(cpu=CPU._replace(raise_extra_percent=extra), band_down_percent=band_down)
    rows = decide(evidence(in_force, "12Mi", consumers=(consumer(used(200, 10 * MI)),), sizing=sizing))
    row = next(
        row for row in rows if isinstance(row, Change) and row.values[0].slot.field is Field.CPU_REQUEST
    )
    return row.values[0].new, row.because


def test_what_has_outgrown_its_request_gets_more_room() -> None:
    assert raised("150m", 0)[0] == "230m"
    new, because = raised("150m", 20)
    assert new == "270m"
    assert "35 % headroom gives 270m" in because


def test_a_first_request_gets_no_more_than_others() -> None:
    assert raised(None, 20)[0] == "230m"


def test_no_more_than_the_next_decision_leaves() -> None:
    new, because = raised("150m", 100, band_down=20)

    assert new == "285m"  # a fifth less is 228m, and 230m would do
    assert "up to 115 % headroom gives 285m" in because


# ---------------------------------------------------------------------------------------------
# A window of which the server has forgotten the begin
# ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("forgotten", "known_days", "lowered"),
    [(19_986, 14, True), (19_987, 14, False), (19_986, 0, False), (0, 14, False)],
)
def test_what_is_known_until_now_can_be_enough(forgotten: int, known_days: int, lowered: bool) -> None:
    usage = used(182, incomplete="some days are known to nobody", forgotten=forgotten)
    sizing = SIZING._replace(known_days=known_days)

    row = decide(evidence("500m", consumers=(consumer(usage),), sizing=sizing))[0]

    assert isinstance(row, Change) is lowered
    assert isinstance(row, Change) or row.reason is Reason.PARTIAL_METRICS


# ---------------------------------------------------------------------------------------------
# Laws
# ---------------------------------------------------------------------------------------------

LEVELS = st.builds(
    lambda permille, half, recent: CPU._replace(
        percentile_permille=permille, half_life_days=half, recent_days=recent
    ),
    st.integers(1, 1000),
    st.sampled_from([0, 1, 7]),
    st.sampled_from([0, 1, 7, 21]),
)
COUNTS = st.lists(st.integers(0, 5000), min_size=1, max_size=40)


@st.composite
def measured(draw: st.DrawFn) -> Usage:
    """Days of one or two samples each, so that a few numbers say all."""
    values = draw(COUNTS)
    each = tuple(DayPeaks(FIRST + day, 1, value, value, value * MI) for day, value in enumerate(values))
    cores, bytes_ = sketch(*values), sketch(*(value * MI for value in values))
    busy = tuple(BusyHour(7 * rank, value, 1) for rank, value in enumerate(sorted(values)[-3:]))
    return used(cores, bytes_, cpu_decayed=cores)._replace(days=each, busy_hours=busy)


def with_more(usage: Usage, day: int, more: int) -> Usage:
    """One sample is higher, in every view of the same use."""
    values = [one.cpu_max for one in usage.days]
    values[day % len(values)] += more
    each = tuple(DayPeaks(FIRST + at, 1, value, value, value * MI) for at, value in enumerate(values))
    cores, bytes_ = sketch(*values), sketch(*(value * MI for value in values))
    busy = tuple(BusyHour(7 * rank, value, 1) for rank, value in enumerate(sorted(values)[-3:]))
    return usage._replace(
        cpu=cores, cpu_worst_pod=cores, cpu_decayed=cores, memory=bytes_, memory_worst_pod=bytes_, days=each,
        busy_hours=busy,
    )  # fmt: skip


@pytest.mark.parametrize("name", sorted(ESTIMATORS.keys() - {"replayed"}))
@settings(max_examples=40, deadline=None)
@given(measured(), LEVELS, st.integers(0, 40), st.integers(0, 5000))
def test_more_use_never_gives_less(name: str, usage: Usage, level: Any, day: int, more: int) -> None:
    level, more_used = level._replace(estimator=name), with_more(usage, day, more)
    for resource in ("cpu", "memory"):
        for lasting in (False, True):
            before = estimate(usage, level, resource, lasting=lasting).value
            assert estimate(more_used, level, resource, lasting=lasting).value >= before


@pytest.mark.parametrize("name", sorted(ESTIMATORS))
@settings(max_examples=30, deadline=None)
@given(measured(), LEVELS)
def test_whole_numbers_between_the_least_and_the_most(name: str, usage: Usage, level: Any) -> None:
    for resource in ("cpu", "memory"):
        found = estimate(usage, level._replace(estimator=name), resource)
        used_most = (usage.memory if resource == "memory" else usage.cpu).values[-1]
        assert isinstance(found.value, int)
        assert 0 <= found.value <= (used_most * 140 // 100 + 1 if name == "replayed" else used_most)
        assert found.words


@pytest.mark.parametrize("name", sorted(LASTING))
@settings(max_examples=40, deadline=None)
@given(measured(), LEVELS)
def test_the_long_memory_is_never_the_less(name: str, usage: Usage, level: Any) -> None:
    level = level._replace(estimator=name)
    for resource in ("cpu", "memory"):
        lately = estimate(usage, level, resource).value
        assert estimate(usage, level, resource, lasting=True).value >= lately


@settings(max_examples=40, deadline=None)
@given(measured(), st.integers(1, 5))
def test_a_choice_by_replay_follows_the_unit(usage: Usage, times: int) -> None:
    """Of all amounts multiplied the choice is the same rule, and its answer multiplied as well."""
    level = CPU._replace(estimator="replayed")
    assume(max(day.cpu_p95 for day in usage.days) > 0)
    larger = usage._replace(days=tuple(day._replace(memory_max=day.memory_max * times) for day in usage.days))

    assert estimate(larger, level, "memory").words == estimate(usage, level, "memory").words

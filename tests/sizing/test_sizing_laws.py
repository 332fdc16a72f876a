"""Laws of deciding, on generated evidence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from sizing_evidence import API, DAY, MI, NOW, SIZING, WEB, consumer, evidence, used

from reconciler import canonical
from reconciler.model import (
    BusyHour,
    Change,
    ChangeClass,
    Consumer,
    DayPeaks,
    Decision,
    Evidence,
    Field,
    Keep,
    LastChange,
    LevelPolicy,
    NoUsage,
    OomKill,
    Reason,
    SizingPolicy,
    Sketch,
    Usage,
)
from reconciler.quantity import parse_cpu, parse_memory
from reconciler.sizing import decide
from reconciler.sizing.estimators import ESTIMATORS
from reconciler.sizing.rounding import down_over, up, up_under

CPU, MEMORY = Field.CPU_REQUEST, Field.MEMORY_REQUEST
PARSE = {"cpu": parse_cpu, "memory": parse_memory}
STATEFUL = WEB._replace(kind="StatefulSet", workload="db")
SETTLED = {
    Reason.IN_BAND, Reason.AT_FLOOR, Reason.AT_CEILING, Reason.LIMIT_BELOW,
    Reason.AT_LIMIT, Reason.OOM_KILLED, Reason.THROTTLED,
}  # fmt: skip

# All but the one that chooses between rules: more use can mean another choice.
MONOTONE = sorted(ESTIMATORS.keys() - {"replayed"} | {"auto"})

# ---------------------------------------------------------------------------------------------
# What evidence there can be
# ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Scale:
    """The same numbers as millicores, or as a quarter of a MiB each."""

    unit: int

    def values(self, least: int = 0, most: int = 6000) -> st.SearchStrategy[int]:
        return st.integers(least, most).map(lambda value: value * self.unit)


CORES, BYTES = Scale(1), Scale(MI // 4)


def sketches(scale: Scale) -> st.SearchStrategy[Sketch]:
    values = st.dictionaries(scale.values(), st.integers(1, 3000), min_size=1, max_size=5)
    return values.map(lambda found: Sketch(tuple(sorted(found)), tuple(found[key] for key in sorted(found))))


@st.composite
def by_time(draw: st.DrawFn, cpu: Sketch, memory: Sketch, days: int) -> dict[str, Any]:
    """When it was used: by day, the busiest hour, and the CPU of old days counting less."""
    each = [
        DayPeaks(
            20_000 - days + day,
            sum(cpu.counts) // days,
            draw(st.sampled_from(cpu.values)),
            cpu.values[-1],
            draw(st.sampled_from(memory.values)),
        )
        for day in range(days)
    ]
    highest = draw(st.integers(0, days - 1))
    each[highest] = each[highest]._replace(memory_max=memory.values[-1])
    hours = (BusyHour(draw(st.integers(0, 167)), draw(st.sampled_from(cpu.values)), 2),)
    return {
        "busy_hours": draw(st.sampled_from([(), hours])),
        "cpu_decayed": draw(st.sampled_from([Sketch((), ()), cpu])),
        "days": tuple(each),
    }


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    kills = st.builds(OomKill, st.integers(19_990, 19_999), st.integers(0, 3), BYTES.values(0, 4000))
    cpu, memory, days = draw(sketches(CORES)), draw(sketches(BYTES)), draw(st.sampled_from([1, 6, 7, 14]))
    found = used(
        cpu,
        memory,
        days=days,
        rss_max=draw(BYTES.values(0, 3000)),
        expected=sum(cpu.counts) * draw(st.sampled_from([1, 1, 1, 3])),
        samples=sum(cpu.counts),
        oom_kills=tuple(draw(st.lists(kills, max_size=2))) if draw(st.integers(0, 3)) == 0 else (),
        throttled_permille=draw(st.sampled_from([None, None, 0, 50, 51, 900])),
        replicas=draw(st.integers(0, 30)),
        owner_guessed=draw(st.sampled_from([False, False, False, True])),
    )
    return found._replace(**draw(by_time(cpu, memory, days)))


@st.composite
def consumers(draw: st.DrawFn) -> tuple[Consumer, ...]:
    refs = draw(st.sampled_from([(WEB,), (WEB,), (WEB,), (WEB, API), (API, STATEFUL)]))
    silent = st.just(NoUsage(Reason.NO_METRICS, "nothing known"))
    return tuple(
        consumer(draw(silent if index and draw(st.integers(0, 2)) == 0 else usages()), ref)
        for index, ref in enumerate(refs)
    )


@st.composite
def level_policies(draw: st.DrawFn, scale: Scale) -> LevelPolicy:
    floor = draw(scale.values(1, 60))
    return LevelPolicy(
        estimator=draw(st.sampled_from(MONOTONE)),
        percentile_permille=draw(st.integers(1, 1000)),
        headroom_percent=draw(st.integers(0, 100)),
        floor=floor,
        ceiling=draw(st.one_of(st.none(), scale.values(60, 4000))),
        round_to=draw(st.sampled_from([1, 5, 10])) * scale.unit,
        smallest_change=draw(st.sampled_from([0, 50])) * scale.unit,
        missing=draw(st.sampled_from(["add", "add", "keep"])),
        limit=draw(st.sampled_from(["keep", "raise", "equal"])),
        half_life_days=draw(st.sampled_from([0, 1, 3])),
        recent_days=draw(st.sampled_from([0, 3, 21])),
        raise_extra_percent=draw(st.sampled_from([0, 0, 20, 100])),
    )


@st.composite
def sizings(draw: st.DrawFn) -> SizingPolicy:
    return SIZING._replace(
        cpu=draw(level_policies(CORES)),
        memory=draw(level_policies(BYTES)),
        band_up_percent=draw(st.integers(0, 20)),
        band_down_percent=draw(st.integers(0, 30)),
        step_up_percent=draw(st.sampled_from([5, 50, 100, 10_000])),
        step_down_percent=draw(st.sampled_from([5, 20, 50, 100])),
    )


@st.composite
def evidences(draw: st.DrawFn) -> Evidence:
    def text(scale: Scale, suffix: str) -> str | None:
        value = draw(st.one_of(st.none(), scale.values(1)))
        return None if value is None else f"{value}{suffix}"

    limits = text(CORES, "m"), text(BYTES, "")
    changes = st.builds(
        LastChange, st.integers(NOW - 20 * DAY, NOW), st.sampled_from([CPU, MEMORY]), st.just(1), st.just(2)
    )
    return evidence(
        text(CORES, "m"), text(BYTES, ""), *limits, draw(consumers()), draw(sizings()),
        last_changes=tuple(draw(st.lists(changes, max_size=2))),
    )  # fmt: skip


# ---------------------------------------------------------------------------------------------
# Reading decisions
# ---------------------------------------------------------------------------------------------


def read(found: Evidence, field: Field) -> int | None:
    text = next(slot.value for slot in found.slots if slot.field is field)
    return None if text is None else PARSE[field.resource](text)


def in_force(found: Evidence, field: Field) -> int:
    """What the scheduler goes by: the limit where no request is set, and nothing without either."""
    stated = read(found, field)
    limit = read(found, Field(f"limits.{field.resource}"))
    return stated if stated is not None else limit or 0


def news(rows: tuple[Decision, ...]) -> dict[Field, int]:
    values = [value for row in rows if isinstance(row, Change) for value in row.values]
    return {value.slot.field: PARSE[value.slot.field.resource](value.new) for value in values}


def applied(found: Evidence, rows: tuple[Decision, ...]) -> Evidence:
    """The world once these changes are merged."""
    texts = {value.slot.field: value.new for row in rows if isinstance(row, Change) for value in row.values}
    slots = tuple(slot._replace(value=texts.get(slot.field, slot.value)) for slot in found.slots)
    recorded = tuple(
        LastChange(found.now, field, in_force(found, field), value)
        for field, value in news(rows).items()
        if field in (CPU, MEMORY)
    )
    return found._replace(slots=slots, last_changes=found.last_changes + recorded)


def capped(row: Change) -> bool:
    return any(stage.name == "step" and "at most" in stage.words for stage in row.stages)


def later(found: Evidence, days: int) -> Evidence:
    """The same use, measured again so many days later."""
    shifted = tuple(
        one._replace(usage=one.usage._replace(end=one.usage.end + days * DAY))
        if isinstance(one.usage, Usage)
        else one
        for one in found.consumers
    )
    return found._replace(now=found.now + days * DAY, consumers=shifted)


# ---------------------------------------------------------------------------------------------
# The laws
# ---------------------------------------------------------------------------------------------


def grown_by(used: Usage, resource: str, more: int) -> Usage:
    """Every sample by as much."""

    def higher(old: Sketch) -> Sketch:
        return old._replace(values=tuple(value + more for value in old.values))

    if resource == "memory":
        days = tuple(day._replace(memory_max=day.memory_max + more) for day in used.days)
        return used._replace(
            memory=higher(used.memory), memory_worst_pod=higher(used.memory_worst_pod), days=days
        )
    return used._replace(
        cpu=higher(used.cpu),
        cpu_worst_pod=higher(used.cpu_worst_pod),
        cpu_decayed=higher(used.cpu_decayed),
        busy_hours=tuple(hour._replace(cpu=hour.cpu + more) for hour in used.busy_hours),
        days=tuple(day._replace(cpu_p95=day.cpu_p95 + more, cpu_max=day.cpu_max + more) for day in used.days),
    )


@settings(max_examples=80, deadline=None)
@given(evidences())
def test_same_evidence_same_decision(found: Evidence) -> None:
    """Also read back from its canonical text, and in any order."""
    again = canonical.load(Evidence, canonical.plain(found))
    turned = found._replace(
        slots=found.slots[::-1],
        consumers=found.consumers[::-1],
        last_changes=found.last_changes[::-1],
    )

    assert decide(again) == decide(found)
    assert news(decide(turned)) == news(decide(found))
    assert [type(row) for row in decide(turned)] == [type(row) for row in decide(found)]


@settings(max_examples=80, deadline=None)
@given(evidences())
def test_one_row_a_request(found: Evidence) -> None:
    fields = [row.slot.field if isinstance(row, Keep) else row.values[0].slot.field for row in decide(found)]

    assert [field for field in fields if field in (CPU, MEMORY)] == [CPU, MEMORY]
    assert all(row.detail for row in decide(found) if isinstance(row, Keep))


@settings(max_examples=200, deadline=None)
@given(evidences(), st.integers(0, 3000), st.sampled_from([CPU, MEMORY]), st.integers(0, 1))
def test_more_usage_never_gives_less(found: Evidence, more: int, field: Field, who: int) -> None:
    scale = CORES if field is CPU else BYTES
    chosen = found.consumers[who % len(found.consumers)]
    if isinstance(chosen.usage, NoUsage):
        return
    busier = chosen._replace(usage=grown_by(chosen.usage, field.resource, more * scale.unit))
    grown = found._replace(consumers=tuple(busier if one is chosen else one for one in found.consumers))

    before = news(decide(found)).get(field, in_force(found, field))
    after = news(decide(grown)).get(field, in_force(grown, field))

    assert after >= before


@settings(max_examples=200, deadline=None)
@given(evidences(), st.sampled_from([0, 1, 7, 30, 400]))
def test_twice_is_once(found: Evidence, days: int) -> None:
    rows = decide(found)
    settled = later(applied(found, rows), days)
    after = {row.slot.field: row for row in decide(settled) if isinstance(row, Keep)}

    for row in rows:
        if not isinstance(row, Change) or (capped(row) and days > 0):
            continue
        kept = after[row.values[0].slot.field]
        if len(found.consumers) == 1 and not capped(row):
            assert kept.reason in SETTLED, kept.detail


@settings(max_examples=60, deadline=None)
@given(evidences())
def test_steps_arrive(found: Evidence) -> None:
    """However small the steps, after enough cool-downs nothing is left to do."""
    for _ in range(400):
        rows = decide(found)
        if not news(rows) and not any(
            isinstance(row, Keep) and row.reason is Reason.COOL_DOWN for row in rows
        ):
            return
        found = later(applied(found, rows), 8)
    raise AssertionError("it never settles")


@settings(max_examples=200, deadline=None)
@given(evidences())
def test_bounds(found: Evidence) -> None:
    sizing = found.policy.sizing
    rows = decide(found)
    values = news(rows)
    for field, level in ((CPU, sizing.cpu), (MEMORY, sizing.memory)):
        if field not in values:
            continue
        value, old = values[field], in_force(found, field)
        limit = values.get(Field(f"limits.{field.resource}"), read(found, Field(f"limits.{field.resource}")))
        assert limit is None or value <= limit
        assert value >= min(level.floor, limit if limit is not None else level.floor)
        if level.ceiling is not None and value > old:
            assert value <= level.ceiling
        if value < old:
            assert value * 100 >= old * (100 - sizing.step_down_percent)
        elif old and not any(usage.oom_kills for usage in measured(found)):
            highest = max(old * (100 + sizing.step_up_percent) // 100, up(level.floor, level.round_to))
            assert value <= highest


@settings(max_examples=200, deadline=None)
@given(evidences())
def test_nothing_is_lowered_on_thin_or_censored_evidence(found: Evidence) -> None:
    lowered = {field for field, value in news(decide(found)).items() if value < in_force(found, field)}
    for field in lowered & {CPU, MEMORY}:
        limit = read(found, Field(f"limits.{field.resource}"))
        assert all(isinstance(one.usage, Usage) for one in found.consumers)
        assert all(one.ref.kind != "StatefulSet" for one in found.consumers)
        assert all(change.at <= NOW - 7 * DAY for change in found.last_changes if change.field is field)
        for usage in measured(found):
            assert len(usage.days) >= 7
            assert usage.samples >= 50
            assert usage.coverage_permille >= 800
            assert not usage.owner_guessed
            if field is CPU:
                assert (usage.throttled_permille or 0) <= 50
            else:
                assert not any(kill.kills for kill in usage.oom_kills)
            peak = (usage.cpu if field is CPU else usage.memory).values[-1]
            assert limit is None or peak * 100 < limit * 95


@settings(max_examples=120, deadline=None)
@given(evidences())
def test_limits_move_only_as_the_policy_says(found: Evidence) -> None:
    for row in decide(found):
        for value in row.values[1:] if isinstance(row, Change) else ():
            request = PARSE[value.slot.field.resource](row.values[0].new)  # type: ignore[union-attr]
            new, old = PARSE[value.slot.field.resource](value.new), read(found, value.slot.field)
            level = (
                found.policy.sizing.cpu if value.slot.field is Field.CPU_LIMIT else found.policy.sizing.memory
            )
            assert old is not None
            assert new == request
            assert level.limit != "keep"
            assert new > old or (value.slot.field is Field.CPU_LIMIT and level.limit == "equal")


@settings(max_examples=120, deadline=None)
@given(evidences())
def test_a_change_is_worth_it_or_urgent(found: Evidence) -> None:
    for row in decide(found):
        if isinstance(row, Change) and row.klass is ChangeClass.SAFETY:
            field = row.values[0].slot.field
            assert news((row,))[field] > in_force(found, field) or row.values[0].slot.value is None
            assert any(word in row.because for word in ("OOM-killed", "throttled", "is above the request"))


def measured(found: Evidence) -> list[Usage]:
    return [one.usage for one in found.consumers if isinstance(one.usage, Usage)]


# ---------------------------------------------------------------------------------------------
# Rounding
# ---------------------------------------------------------------------------------------------


@given(st.integers(1, 1 << 45), st.sampled_from([1, 5, 16, 4 * MI]))
def test_rounding_adds_at_most_a_64th_or_the_multiple(value: int, multiple: int) -> None:
    rounded = up(value, multiple)

    assert rounded % multiple == 0
    assert value <= rounded < value + max(multiple, -(-value // 64) + 1)


@given(st.integers(1, 1 << 45), st.integers(0, 1 << 45), st.sampled_from([1, 5, 16, 4 * MI]))
def test_rounding_is_monotone(value: int, more: int, multiple: int) -> None:
    assert up(value, multiple) <= up(value + more, multiple)


@given(st.integers(2, 1 << 45), st.sampled_from([1, 5, 16, 4 * MI]), st.integers(1, 99))
def test_rounding_stays_on_the_right_side(value: int, multiple: int, percent: int) -> None:
    low = -(-value * (100 - percent) // 100)
    high = value * (100 + percent) // 100

    lower, higher = up_under(low, multiple, value), down_over(high, multiple, value)

    assert low <= lower
    assert lower < value or low == value
    assert higher <= high
    assert higher > value or high == value

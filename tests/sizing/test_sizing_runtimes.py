"""Heaps of a fixed size, shares of the memory, soft limits and threads: what they do to a request."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sizing_evidence import API, DAY, MI, NOW, SIZING, WEB, consumer, evidence, flat, killed, used

from reconciler import canonical
from reconciler.model import Change, Evidence, Field, Keep, LastChange, Reason, RuntimeOption
from reconciler.quantity import human_memory, parse_memory
from reconciler.sizing import decide, explain, runtimes, tell

GI = 1 << 30
XMX = RuntimeOption("-Xmx", "env JAVA_OPTS", "2g", "heap", 2 * GI)
SHARE = RuntimeOption("-XX:MaxRAMPercentage", "env JAVA_TOOL_OPTIONS", "75.0", "heap-percent", 750)
SOFT = RuntimeOption("GOMEMLIMIT", "env GOMEMLIMIT", "900MiB", "soft-limit", 900 * MI)
NO_GC = RuntimeOption("GOGC", "env GOGC", "off", "no-gc", 1)
FOLLOWS = RuntimeOption("GOMEMLIMIT", "env GOMEMLIMIT", "1073741824", "soft-limit", GI, "limits.memory")
NEEDED = 2 * GI + GI // 4 + -(-GI // 10)  # -Xmx2g and its room


def heap(size: int, kind: str = "heap", **other: str) -> RuntimeOption:
    return RuntimeOption("-Xmx", "args", str(size), kind, size, **other)


def started(*options: RuntimeOption, use: int = 400 * MI, **other: object) -> Evidence:
    """A container that uses little, and is started with these."""
    one = consumer(used(memory=use))._replace(runtime=options)
    return evidence(consumers=(one,), **{"memory": "8Gi", **other})  # type: ignore[arg-type]


def policy(**memory: object) -> dict[str, object]:
    return {"sizing": SIZING._replace(memory=SIZING.memory._replace(**memory))}  # type: ignore[arg-type]


def of_memory(found: Evidence) -> Change | Keep:
    return next(row for row in decide(found) if _field(row) is Field.MEMORY_REQUEST)


def _field(row: Change | Keep) -> Field:
    return row.slot.field if isinstance(row, Keep) else row.values[0].slot.field


def settled(found: Evidence) -> str:
    """The request after as many steps as it takes."""
    for _ in range(60):
        row = of_memory(found)
        if isinstance(row, Keep):
            return row.slot.value or ""
        new = {value.slot.field: value.new for value in row.values}
        slots = tuple(slot._replace(value=new.get(slot.field, slot.value)) for slot in found.slots)
        found = found._replace(slots=slots)
    raise AssertionError("it never settles")


def told(found: Evidence, field: Field = Field.MEMORY_REQUEST) -> str:
    return "\n".join(tell(next(row for row in explain(found) if row.slot.field is field)))


# ------------------------------------------------------------------------------ a fixed heap


def test_usage_lowers_a_request_no_further_than_its_heap_needs() -> None:
    assert settled(started(XMX)) == "2432Mi"  # 2406.4Mi, rounded up
    assert settled(started()) == "480Mi"


def test_a_request_that_stands_on_its_heap_says_so() -> None:
    row = of_memory(started(XMX, use=100 * MI)._replace(last_changes=()))
    assert isinstance(row, Change)
    kept = of_memory(with_memory(started(XMX), "2432Mi"))

    assert isinstance(kept, Keep)
    assert kept.reason is Reason.HEAP_FLOOR
    assert "-Xmx2g (env JAVA_OPTS) and the room beside it can fill 2406.4Mi" in kept.detail


def with_memory(found: Evidence, text: str) -> Evidence:
    slots = tuple(
        slot._replace(value=text) if slot.field is Field.MEMORY_REQUEST else slot for slot in found.slots
    )
    return found._replace(slots=slots)


def test_a_request_below_its_heap_is_raised_without_haste() -> None:
    row = of_memory(started(XMX, memory="1Gi"))

    assert isinstance(row, Change)
    assert (row.klass, row.values[0].new) == ("savings", "2432Mi")
    young = started(XMX, memory="1Gi")
    young = young._replace(consumers=(young.consumers[0]._replace(usage=used(days=2)),))
    assert isinstance(of_memory(young), Keep)  # on thin evidence a heap moves nothing


def test_the_policy_can_hold_without_raising_or_ignore_it() -> None:
    hold, ignore = policy(fixed_heap="hold"), policy(fixed_heap="ignore")

    assert settled(started(XMX, **hold)) == "2432Mi"
    kept = of_memory(started(XMX, memory="1Gi", **hold))
    assert isinstance(kept, Keep)
    assert kept.reason is Reason.HEAP_FLOOR
    assert settled(started(XMX, **ignore)) == "480Mi"
    assert settled(started(XMX, memory="1Gi", **ignore)) == "480Mi"


def test_a_first_request_covers_the_heap_even_where_it_is_only_held() -> None:
    row = of_memory(started(XMX, memory=None, **policy(fixed_heap="hold")))

    assert isinstance(row, Change)
    assert row.values[0].new == "2432Mi"


def test_a_heap_alone_raises_no_limit() -> None:
    row = of_memory(started(XMX, memory="1Gi", memory_limit="1500Mi"))

    assert isinstance(row, Change)
    assert [(value.slot.field, value.new) for value in row.values] == [(Field.MEMORY_REQUEST, "1500Mi")]
    assert "killed before the heap is full" in told(started(XMX, memory="1Gi", memory_limit="1500Mi"))


def test_a_limit_that_has_to_rise_rises_to_what_the_heap_needs() -> None:
    dying = used(memory=flat(900 * MI, peak=1000 * MI), oom_kills=(killed(GI),))
    one = consumer(dying)._replace(runtime=(XMX,))
    row = of_memory(evidence(memory="1Gi", memory_limit="1Gi", consumers=(one,)))

    assert isinstance(row, Change)
    assert row.klass == "safety"
    assert {value.new for value in row.values} == {"2432Mi"}


def test_the_ceiling_is_the_operators_last_word() -> None:
    assert settled(started(XMX, **policy(ceiling=GI))) == "1024Mi"
    first = of_memory(with_memory(started(XMX, **policy(ceiling=GI)), "512Mi"))
    assert isinstance(first, Change)
    assert "can fill 2406.4Mi; the ceiling is 1Gi" in first.because


def test_the_largest_heap_on_a_line_counts() -> None:
    small = consumer(used())._replace(runtime=(heap(GI),))
    large = consumer(used(), API)._replace(runtime=(XMX,))

    assert settled(evidence(memory="8Gi", consumers=(small, large))) == "2432Mi"
    text = told(evidence(memory="2432Mi", consumers=(small, large)))
    assert f"of {API}" in text


def test_several_processes_need_their_heaps_and_rooms_together() -> None:
    three = [heap(512 * MI), heap(512 * MI), heap(GI)]

    assert runtimes.least(three) == 2 * GI + 128 * MI + 128 * MI + 256 * MI


def test_what_is_said_of_the_room_counts_where_it_is_more() -> None:
    classes = RuntimeOption("-XX:MaxMetaspaceSize", "args", "512m", "native", 512 * MI)
    buffers = RuntimeOption("-XX:MaxDirectMemorySize", "args", "1g", "direct", GI)

    assert runtimes.least([heap(GI)]) == GI + 256 * MI
    assert runtimes.least([heap(GI), classes]) == GI + 512 * MI + 64 * MI
    assert runtimes.least([heap(GI), buffers]) == GI + 256 * MI + GI
    assert runtimes.least([buffers, classes]) == 0  # without a heap nobody knows whether they are ever used


@pytest.mark.parametrize(
    ("size", "beside"),
    [(64, 64), (256, 64), (512, 128), (1024, 256), (4096, 256 + 308), (31 * 1024, 256 + 3072)],
)
def test_the_room_is_a_quarter_of_the_first_gibibyte_and_a_tenth_of_the_rest(size: int, beside: int) -> None:
    assert -(-runtimes.room(size * MI) // MI) == beside


# ---------------------------------------------------------------------- a share of the memory


def test_a_share_of_the_memory_is_never_lowered_by_usage() -> None:
    row = of_memory(started(SHARE, memory_limit="8Gi"))

    assert isinstance(row, Keep)
    assert row.reason is Reason.PERCENTAGE_HEAP
    assert "-XX:MaxRAMPercentage=75.0 (env JAVA_TOOL_OPTIONS)" in row.detail
    assert settled(started(SHARE, memory_limit="8Gi", **policy(percentage_heap="lower"))) == "480Mi"


def test_a_share_is_raised_and_a_higher_limit_is_said_to_grow_the_heap() -> None:
    dying = used(memory=flat(900 * MI, peak=1000 * MI), oom_kills=(killed(GI),))
    one = consumer(dying)._replace(runtime=(SHARE,))
    row = of_memory(evidence(memory="1Gi", memory_limit="1Gi", consumers=(one,)))

    assert isinstance(row, Change)
    assert len(row.values) == 2
    assert "the heap grows with the limit, by -XX:MaxRAMPercentage=75.0" in row.because


def test_the_cpu_of_a_program_with_a_share_of_the_memory_is_lowered_as_ever() -> None:
    row = next(row for row in decide(started(SHARE, cpu="1")) if _field(row) is Field.CPU_REQUEST)

    assert isinstance(row, Change)


def test_a_heap_that_follows_the_limit_is_a_share_of_it() -> None:
    row = of_memory(started(heap(6 * GI, from_resources="limits.memory"), memory_limit="8Gi"))

    assert isinstance(row, Keep)
    assert row.reason is Reason.PERCENTAGE_HEAP


# -------------------------------------------------------------------------------- soft limits


def test_a_soft_limit_holds_the_request_and_raises_nothing() -> None:
    assert settled(started(SOFT, use=100 * MI)) == "928Mi"  # 900MiB, within the band
    below = of_memory(started(SOFT, memory="500Mi"))
    assert isinstance(below, Keep)
    assert below.slot.value == "500Mi"


def test_a_soft_limit_at_which_alone_is_collected_is_filled_like_a_heap() -> None:
    row = of_memory(started(SOFT, NO_GC, memory="500Mi"))

    assert isinstance(row, Change)
    assert row.values[0].new == "904Mi"
    follows = of_memory(started(FOLLOWS, NO_GC, memory_limit="1Gi", memory="900Mi"))
    assert isinstance(follows, Keep)
    assert follows.reason is Reason.PERCENTAGE_HEAP


def test_a_soft_limit_that_follows_the_limit_leaves_the_request_to_usage() -> None:
    assert settled(started(FOLLOWS, memory="1Gi", memory_limit="1Gi")) == "480Mi"
    assert "GOMEMLIMIT=1073741824 (env GOMEMLIMIT) follows limits.memory" in told(
        started(FOLLOWS, memory="1Gi", memory_limit="1Gi")
    )


def test_what_follows_a_limit_is_named_when_the_limit_moves() -> None:
    dying = used(memory=flat(900 * MI, peak=1000 * MI), oom_kills=(killed(GI),))
    one = consumer(dying)._replace(runtime=(FOLLOWS,))
    row = of_memory(evidence(memory="1Gi", memory_limit="1Gi", consumers=(one,)))

    assert isinstance(row, Change)
    assert "GOMEMLIMIT=1073741824 (env GOMEMLIMIT) follows limits.memory" in row.because


def test_a_copy_of_the_limit_is_named_when_the_limit_moves_away_from_it() -> None:
    copied = RuntimeOption("GOMEMLIMIT", "env GOMEMLIMIT", "1GiB", "soft-limit", GI)
    dying = used(memory=flat(900 * MI, peak=1000 * MI), oom_kills=(killed(GI),))
    one = consumer(dying)._replace(runtime=(copied,))
    row = of_memory(evidence(memory="1Gi", memory_limit="1Gi", consumers=(one,)))

    assert isinstance(row, Change)
    assert "GOMEMLIMIT=1GiB (env GOMEMLIMIT) is a copy of the old limit, and stays as it is" in row.because


# ------------------------------------------------------------------------------------- limits


def of(found: Evidence) -> runtimes.Case:
    from reconciler.sizing.case import open_case, slot_of

    slot = slot_of(found, Field.MEMORY_REQUEST)
    assert slot is not None
    case = open_case(found, slot)
    assert isinstance(case, runtimes.Case)
    return case


def test_a_limit_isnt_lowered_below_a_heap() -> None:
    case = of(started(XMX, memory_limit="8Gi"))

    assert runtimes.limit_refused(case, 3 * GI) is None
    refused = runtimes.limit_refused(case, 2 * GI)
    assert refused is not None
    assert refused.reason is Reason.HEAP_ABOVE_LIMIT
    assert runtimes.limit_refused(case, 9 * GI) is None
    assert runtimes.limit_refused(case, None) is None
    assert runtimes.limit_refused(of(started(XMX, memory_limit="1Gi")), 1500 * MI) is None  # a raise helps


def test_a_limit_that_a_heap_doesnt_fit_into_isnt_added_and_stops_no_alarm() -> None:
    adding = policy(fixed_heap="hold", limit="equal", missing_limit="add")
    calm = of_memory(started(XMX, memory="1Gi", use=950 * MI, **adding))
    assert isinstance(calm, Keep)
    assert calm.reason is Reason.HEAP_ABOVE_LIMIT

    pressed = of_memory(started(XMX, memory="1Gi", use=1500 * MI, **adding))
    assert isinstance(pressed, Change)
    assert [value.slot.field for value in pressed.values] == [Field.MEMORY_REQUEST]


def test_a_limit_that_a_heap_takes_a_share_of_isnt_lowered() -> None:
    refused = runtimes.limit_refused(of(started(SHARE, memory_limit="8Gi")), 4 * GI)

    assert refused is not None
    assert refused.reason is Reason.PERCENTAGE_HEAP


# ---------------------------------------------------------------------------- threads, words


def test_threads_far_above_the_request_are_told_and_change_nothing() -> None:
    many = RuntimeOption("GOMAXPROCS", "env GOMAXPROCS", "8", "processors", 8)
    plain = next(row for row in decide(started(cpu="500m")) if _field(row) is Field.CPU_REQUEST)
    row = next(row for row in decide(started(many, cpu="500m")) if _field(row) is Field.CPU_REQUEST)

    assert isinstance(row, Change)
    assert isinstance(plain, Change)
    assert [value.new for value in row.values] == [value.new for value in plain.values]
    text = told(started(many, cpu="500m"), Field.CPU_REQUEST)
    assert "GOMAXPROCS=8 (env GOMAXPROCS): 8 at once, on a request of 500m" in text


def test_what_cant_be_read_is_told_and_counts_for_nothing() -> None:
    broken = RuntimeOption("-Xmx", "env JAVA_OPTS", "2gb", "unread", 0)
    hidden = RuntimeOption("JAVA_OPTS", "env JAVA_OPTS, from Secret web", "", "unread", 0)

    assert settled(started(broken, hidden)) == "480Mi"
    text = told(started(broken, hidden))
    assert "-Xmx2gb (env JAVA_OPTS) can't be read, and counts for nothing" in text
    assert "JAVA_OPTS (env JAVA_OPTS, from Secret web) isn't known here" in text


def test_without_options_there_is_no_such_stage() -> None:
    assert "runtime" not in told(started())
    assert "  runtime   2406.4Mi  -Xmx2g (env JAVA_OPTS)" in told(started(XMX))


# --------------------------------------------------------------------------------------- laws

OPTIONS = st.builds(
    RuntimeOption,
    st.sampled_from(["-Xmx", "GOMEMLIMIT", "--maxmemory"]),
    st.just("args"),
    st.just("x"),
    st.sampled_from(
        ["heap", "heap-start", "cache", "native", "direct", "soft-limit", "no-gc", "heap-percent", "workers"]
    ),
    st.integers(0, 1 << 42),
    st.sampled_from(["", "", "limits.memory", "requests.memory"]),
)


@given(st.lists(OPTIONS, max_size=6), st.integers(0, 5), st.integers(0, 1 << 40))
def test_more_is_never_needed_less(options: list[RuntimeOption], at: int, more: int) -> None:
    grown = [
        one._replace(amount=one.amount + more) if index == at else one for index, one in enumerate(options)
    ]

    assert runtimes.least(grown) >= runtimes.least(options)
    assert runtimes.soft(grown) >= runtimes.soft(options)
    assert runtimes.least([*options, heap(more)]) >= runtimes.least(options)


@given(
    st.lists(OPTIONS, max_size=4),
    st.integers(1, 1 << 40),
    st.integers(0, 1 << 40),
    st.sampled_from(["floor", "hold", "ignore"]),
    st.sampled_from([None, "64Mi", "1Gi", "900000000", "16Gi"]),
    st.sampled_from([None, "1Gi", "3Gi", "20Gi"]),
)
def test_more_use_never_gives_less(
    options: list[RuntimeOption], used_: int, more: int, fixed: str, request: str | None, limit: str | None
) -> None:
    from reconciler.sizing.target import target_of

    case = of(started(*options, memory=request, memory_limit=limit, **policy(fixed_heap=fixed)))
    low, high = target_of(case, used_), target_of(case, used_ + more)

    assert low.value <= high.value


@given(
    st.lists(OPTIONS, max_size=4),
    st.sampled_from(["floor", "hold", "ignore"]),
    st.sampled_from(["64Mi", "1Gi", "900000000", "16Gi"]),
    st.sampled_from([None, "1Gi", "3Gi", "20Gi"]),
)
def test_its_own_settled_result_is_kept(
    options: list[RuntimeOption], fixed: str, request: str, limit: str | None
) -> None:
    found = started(*options, memory=request, memory_limit=limit, **policy(fixed_heap=fixed))

    assert settled(found)


def test_a_change_waits_for_its_cool_down_as_ever() -> None:
    before = LastChange(NOW - DAY, Field.MEMORY_REQUEST, 9 * GI, 8 * GI)
    row = of_memory(started(XMX)._replace(last_changes=(before,)))

    assert isinstance(row, Keep)
    assert row.reason is Reason.COOL_DOWN
    assert WEB in {one.ref for one in started(XMX).consumers}


# ----------------------------------------------------------------------------------- evidence


def test_evidence_carries_what_was_read_and_is_as_it_was_without_any() -> None:
    found = started(XMX, FOLLOWS)

    assert canonical.load(Evidence, canonical.plain(found)) == found
    assert decide(canonical.load(Evidence, canonical.plain(found))) == decide(found)
    assert canonical.digest(found) != canonical.digest(started())
    for word in ("runtime", "fixed_heap", "percentage_heap"):
        assert f'"{word}"' not in canonical.dump(started())


# --------------------------------------------------------------------------------------- docs

DOCS = (Path(__file__).parents[2] / "docs" / "runtimes.md").read_text("utf-8")


def test_the_rooms_in_the_docs_are_those_that_are_worked_out() -> None:
    rows = re.findall(r"^\| ([0-9]+[MG]i) \| ([0-9.]+[MG]i) \| ([0-9.]+[MG]i) \|$", DOCS, re.MULTILINE)
    sizes = [parse_memory(size) for size, _, _ in rows]

    assert len(rows) == 6
    shown = [
        (human_memory(runtimes.room(size)), human_memory(runtimes.least([heap(size)]))) for size in sizes
    ]
    assert [(beside, least) for _, beside, least in rows] == shown


def test_the_examples_in_the_docs_are_the_programs_words() -> None:
    (line,) = re.findall(r"^    runtime +(.*)$", DOCS, re.MULTILINE)

    assert re.sub(r" +", " ", line) in re.sub(r" +", " ", told(started(XMX, memory="4Gi")))
    for words in re.findall(r"(?<!`)`([^`]*\(env [^`]*)`(?!`)", DOCS):
        broken = RuntimeOption("-Xmx", "env JAVA_OPTS", "2gb", "unread", 0)
        copied = RuntimeOption("GOMEMLIMIT", "env GOMEMLIMIT", "1GiB", "soft-limit", GI)
        many = RuntimeOption("GOMAXPROCS", "env GOMAXPROCS", "8", "processors", 8)
        found = started(broken, copied, many, cpu="500m", memory_limit="1Gi", memory="1Gi")
        text = told(found) + told(found, Field.CPU_REQUEST)
        assert " ".join(words.split()) in text, words

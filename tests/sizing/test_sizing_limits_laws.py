"""Laws of limits, classes of service, namespaces and nodes, on generated pods."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from sizing_evidence import MI, WEB, consumer, evidence, flat, used
from sizing_pods import keeps, limit_range, node, quota, sibling

from reconciler.model import Change, Consumer, Evidence, Field, Keep, LimitRange, NewValue, Quota, Sibling
from reconciler.quantity import read
from reconciler.requested import LIMIT_OF, amount_of, in_force, together, with_amount
from reconciler.sizing import decide, without_room
from reconciler.sizing.classes import quality

CPU, MEMORY = Field.CPU_REQUEST, Field.MEMORY_REQUEST
RULES = ("keep", "raise", "equal", "ratio", "multiple", "none")
Pod = tuple[Sibling, ...]

# ---------------------------------------------------------------------------------------------
# What pods there can be
# ---------------------------------------------------------------------------------------------

UNIT = {"cpu": 5, "memory": 4 * MI}


def amounts(resource: str) -> st.SearchStrategy[int]:
    return st.integers(1, 400).map(lambda value: value * UNIT[resource])


@st.composite
def pairs(draw: st.DrawFn, resource: str) -> tuple[int | None, int | None]:
    """Request and limit: equal often, so that classes come to their edges."""
    request = draw(st.one_of(st.none(), amounts(resource)))
    shape = draw(st.sampled_from(["none", "equal", "equal", "above"]))
    if shape == "none":
        return request, None
    if request is None or shape == "equal":
        found = request or draw(amounts(resource))
        return (request, found)
    return request, request + draw(amounts(resource))


@st.composite
def siblings(draw: st.DrawFn) -> tuple[Sibling, ...]:
    found = []
    for name in draw(st.sampled_from([(), (), ("a",), ("z",), ("a", "z")])):
        (cpu, cpu_limit), (memory, memory_limit) = draw(pairs("cpu")), draw(pairs("memory"))
        init, sidecar = draw(st.sampled_from([(False, False), (False, False), (True, False), (True, True)]))
        cpu, memory = cpu or cpu_limit, memory or memory_limit
        found.append(
            sibling(cpu, memory, cpu_limit, memory_limit, container=name, init=init, sidecar=sidecar)
        )
    return tuple(found)


@st.composite
def ranges(draw: st.DrawFn) -> tuple[LimitRange, ...]:
    found = []
    for resource in draw(st.sampled_from([(), (), ("cpu",), ("memory",), ("cpu", "memory")])):
        some = st.one_of(st.none(), amounts(resource))
        kind = draw(st.sampled_from(["Container", "Container", "Pod"]))
        low, high = draw(some), draw(some)
        other: dict[str, Any] = {"kind": kind, "minimum": low, "maximum": high}
        if low and high and low > high:
            other["minimum"] = high
        other["ratio_permille"] = draw(st.sampled_from([None, None, 1000, 1500, 4000]))
        if kind == "Container":
            limit = draw(some)
            other["default_limit"] = high if limit is None else limit
            other["default_request"] = limit if limit is not None else low
        found.append(limit_range(resource, **other))
    return tuple(found)


@st.composite
def quotas(draw: st.DrawFn) -> tuple[Quota, ...]:
    fields = draw(st.sampled_from([(), (), (CPU,), (MEMORY,), (Field.CPU_LIMIT, MEMORY)]))
    scale = {"cpu": 4000, "memory": 8000 * MI}
    return tuple(
        quota(field, scale[field.resource], draw(st.integers(0, scale[field.resource]))) for field in fields
    )


@st.composite
def levels(draw: st.DrawFn) -> dict[str, Any]:
    return {
        "estimator": draw(st.sampled_from(["percentile", "peak"])),
        "limit": draw(st.sampled_from(RULES)),
        "limit_percent": draw(st.sampled_from([100, 150, 333])),
        "missing_limit": draw(st.sampled_from(["keep", "add"])),
        "lower_limit": draw(st.sampled_from([None, False, True])),
        "smallest_change": 0,
    }


def text(field: Field, amount: int | None) -> str | None:
    if amount is None:
        return None
    return f"{amount}m" if field.resource == "cpu" else str(amount)


@st.composite
def worlds(draw: st.DrawFn) -> Evidence:
    (cpu, cpu_limit), (memory, memory_limit) = draw(pairs("cpu")), draw(pairs("memory"))
    level = draw(amounts("cpu"))
    usage = used(
        flat(level, peak=level + draw(amounts("cpu"))),
        flat(draw(amounts("memory")), peak=2000 * MI if draw(st.booleans()) else None),
        throttled_permille=draw(st.sampled_from([None, 200])),
        replicas=draw(st.integers(0, 5)),
    )
    init, sidecar = draw(st.sampled_from([(False, False), (False, False), (True, True)]))
    one = consumer(usage, init=init, sidecar=sidecar)._replace(
        siblings=draw(siblings()),
        limit_ranges=draw(ranges()),
        quotas=draw(quotas()),
        node=draw(st.sampled_from([None, None, node(2000, 4000 * MI)])),
        replicas=draw(st.integers(1, 5)),
    )
    sizing = keeps(
        draw(levels()) | {"whole": draw(st.booleans())},
        draw(levels()),
        step_up_percent=draw(st.sampled_from([50, 100, 10_000])),
        step_down_percent=draw(st.sampled_from([20, 90])),
    )
    return evidence(
        text(CPU, cpu), text(MEMORY, memory), text(CPU, cpu_limit), text(MEMORY, memory_limit),
        consumers=(one,), sizing=sizing,
    )  # fmt: skip


# ---------------------------------------------------------------------------------------------
# What was before, and what comes after
# ---------------------------------------------------------------------------------------------


def pod_of(found: Evidence) -> Pod:
    (one,) = found.consumers
    texts = {slot.field: slot.value for slot in found.slots}
    own = in_force(one.ref, one.init, one.sidecar, texts, one.limit_ranges)
    return (own, *one.siblings) if own.sidecar or not own.init else (*one.siblings, own)


def changes(found: Evidence) -> list[Change]:
    return [row for row in decide(found) if isinstance(row, Change)]


def after(pod: Pod, values: list[NewValue]) -> Pod:
    for value in values:
        (ref,) = value.slot.consumers
        amount = read(value.slot.field, value.new)
        pod = tuple(
            with_amount(one, value.slot.field, amount) if one.container == ref.container else one
            for one in pod
        )
    return pod


def values_of(found: Evidence) -> list[NewValue]:
    return [value for change in changes(found) for value in change.values]


def own(pod: Pod, name: str = WEB.container) -> Sibling:
    return next(one for one in pod if one.container == name)


def offences(one: LimitRange, pod: Pod) -> list[int]:
    """By how much Kubernetes would find each part of the range broken."""
    request = CPU if one.resource == "cpu" else MEMORY
    limit = LIMIT_OF[request]
    if one.kind == "Pod":
        asked, most = together(request, pod), together(limit, pod)
    else:
        asked, most = amount_of(own(pod), request) or 0, amount_of(own(pod), limit) or 0
    found = []
    if one.minimum is not None:
        found += [one.minimum - asked, one.minimum - (most or one.minimum)]
    if one.maximum is not None:
        found += [asked - one.maximum, most - one.maximum]
    if one.ratio_permille:
        found.append(most * 1000 - asked * one.ratio_permille)
    return found


# ---------------------------------------------------------------------------------------------
# The laws
# ---------------------------------------------------------------------------------------------


@settings(max_examples=150, deadline=None)
@given(worlds())
def test_a_limit_is_never_below_its_request(found: Evidence) -> None:
    pod = after(pod_of(found), values_of(found))
    touched = {value.slot.field.resource for value in values_of(found)}
    for request, limit in LIMIT_OF.items():
        most = amount_of(own(pod), limit)
        if request.resource in touched and most:
            assert (amount_of(own(pod), request) or 0) <= most


@settings(max_examples=150, deadline=None)
@given(worlds())
def test_the_class_of_a_pod_is_kept(found: Evidence) -> None:
    before = pod_of(found)
    was, becomes = quality(before), quality(after(before, values_of(found)))

    assert becomes == was or was == "BestEffort"


@settings(max_examples=150, deadline=None)
@given(worlds(), st.data())
def test_the_class_of_a_pod_is_kept_whatever_its_containers_do_at_once(
    found: Evidence, data: st.DataObject
) -> None:
    """Two containers are decided, each as if the other stayed as it is."""
    (one,) = found.consumers
    other_ref = one.ref._replace(container="other")
    other = data.draw(worlds())
    (beside,) = other.consumers
    mine, theirs = own(pod_of(found)), own(pod_of(other))._replace(container="other")
    rest = one.siblings
    found = found._replace(consumers=(one._replace(siblings=(theirs, *rest), limit_ranges=()),))
    other = other._replace(
        consumers=(beside._replace(ref=other_ref, siblings=(mine, *rest), limit_ranges=()),),
        slots=tuple(slot._replace(consumers=(other_ref,)) for slot in other.slots),
    )
    mine, theirs = (own(pod_of(each), name) for each, name in ((found, "app"), (other, "other")))
    found, other = (
        each._replace(consumers=(each.consumers[0]._replace(siblings=(sees, *rest)),))
        for each, sees in ((found, theirs), (other, mine))
    )
    before = (mine, theirs, *rest)
    was = quality(before)

    becomes = quality(after(before, [*values_of(found), *values_of(other)]))

    assert becomes == was or was == "BestEffort"


@settings(max_examples=150, deadline=None)
@given(worlds())
def test_no_limit_range_is_broken(found: Evidence) -> None:
    before = pod_of(found)
    for change in changes(found):
        now = after(before, list(change.values))
        for one in found.consumers[0].limit_ranges:
            for was, becomes in zip(offences(one, before), offences(one, now), strict=True):
                assert becomes <= max(0, was)


@settings(max_examples=150, deadline=None)
@given(worlds())
def test_limits_are_lowered_and_added_only_where_the_policy_says_so(found: Evidence) -> None:
    texts = {slot.field: slot.value for slot in found.slots}
    sizing = found.policy.sizing
    for value in values_of(found):
        field = value.slot.field
        if field not in (Field.CPU_LIMIT, Field.MEMORY_LIMIT):
            continue
        level = sizing.cpu if field.resource == "cpu" else sizing.memory
        lower = field is Field.CPU_LIMIT if level.lower_limit is None else level.lower_limit
        before = texts[field]
        if before is not None:
            assert lower or read(field, value.new) > read(field, before)
        else:
            default = any(one.default_limit is not None for one in found.consumers[0].limit_ranges)
            assert level.missing_limit == "add" or default
        assert level.limit != "keep"


@settings(max_examples=150, deadline=None)
@given(worlds())
def test_nodes_and_quotas_hold(found: Evidence) -> None:
    (one,) = found.consumers
    before = pod_of(found)
    for change in changes(found):
        now = after(before, list(change.values))
        for request, size in ((CPU, one.node.cpu), (MEMORY, one.node.memory)) if one.node else ():
            assert together(request, now) <= max(size or 0, together(request, before))
        for each in one.quotas:
            more = (together(each.field, now) - together(each.field, before)) * one.replicas
            assert more <= max(0, each.hard - each.used)


@settings(max_examples=100, deadline=None)
@given(worlds())
def test_it_settles(found: Evidence) -> None:
    """Deciding on its own result again and again comes to an end, and nothing swings."""
    directions: dict[Field, set[bool]] = {CPU: set(), MEMORY: set()}
    for _ in range(60):
        values = values_of(found)
        if not values:
            break
        texts = {slot.field: slot.value for slot in found.slots}
        for value in values:
            before = texts[value.slot.field]
            if value.slot.field in directions and before is not None:
                directions[value.slot.field].add(
                    read(value.slot.field, value.new) > read(value.slot.field, before)
                )
        news = {value.slot.field: value.new for value in values}
        slots = tuple(slot._replace(value=news.get(slot.field, slot.value)) for slot in found.slots)
        found = found._replace(slots=slots)
    else:
        raise AssertionError("it goes on and on")
    assert all(len(each) <= 1 for each in directions.values())


@settings(max_examples=100, deadline=None)
@given(st.lists(worlds(), min_size=1, max_size=6), st.integers(0, 8000))
def test_a_quota_is_never_given_out_twice(found: list[Evidence], left: int) -> None:
    full = (quota(CPU, 10_000, 10_000 - left),)
    named = [_named(each, f"w{at}", full) for at, each in enumerate(found)]
    rows = [row for each in named for row in changes(each)]

    refused = without_room(rows)

    taken = 0
    for at, change in enumerate(rows):
        if at not in refused:
            (one,) = change.evidence.consumers
            before = pod_of(change.evidence)
            now = after(before, list(change.values))
            taken += max(0, together(CPU, now) - together(CPU, before)) * one.replicas
    assert taken <= left
    assert without_room(rows[::-1]).keys() == {len(rows) - 1 - at for at in refused}


def _named(found: Evidence, name: str, full: tuple[Quota, ...]) -> Evidence:
    ref = WEB._replace(workload=name)
    (one,) = found.consumers
    held: Consumer = one._replace(ref=ref, quotas=full)
    slots = tuple(slot._replace(consumers=(ref,)) for slot in found.slots)
    return found._replace(consumers=(held,), slots=slots)


@settings(max_examples=100, deadline=None)
@given(worlds())
def test_whole_cpus_stay_whole(found: Evidence) -> None:
    mine = own(pod_of(found))
    whole = found.policy.sizing.cpu.whole and quality(pod_of(found)) == "Guaranteed"
    if whole and (mine.cpu_request or 1) % 1000 == 0:
        for value in values_of(found):
            if value.slot.field.resource == "cpu":
                assert read(value.slot.field, value.new) % 1000 == 0


@settings(max_examples=100, deadline=None)
@given(worlds())
def test_every_kept_value_has_words(found: Evidence) -> None:
    for row in decide(found):
        if isinstance(row, Keep):
            assert row.detail
            assert "None" not in row.detail

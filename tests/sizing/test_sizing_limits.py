"""What becomes of limits, classes of service, namespaces and nodes: tables."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
from sizing_evidence import API, WEB, consumer, evidence, flat, killed, used, with_slot
from sizing_pods import GI, MI, keeps, limit_range, node, placed, quota, sibling

from reconciler.model import Change, Consumer, Evidence, Field, Keep, LimitRange, Reason, Refused
from reconciler.quantity import read
from reconciler.requested import in_force, together
from reconciler.sizing import decide, explain, without_room
from reconciler.sizing.classes import quality

CPU, MEMORY = Field.CPU_REQUEST, Field.MEMORY_REQUEST


def new(given: Evidence) -> dict[Field, str]:
    """What is set, by field."""
    rows = decide(given)
    return {value.slot.field: value.new for row in rows if isinstance(row, Change) for value in row.values}


def kept(given: Evidence, field: Field) -> Keep:
    return next(row for row in decide(given) if isinstance(row, Keep) and row.slot.field is field)


def stage(given: Evidence, field: Field, name: str) -> str:
    told = next(one for one in explain(given) if one.slot.field is field)
    return "; ".join(one.words for one in told.stages if one.name == name)


# ---------------------------------------------------------------------------------------------
# The rules
# ---------------------------------------------------------------------------------------------


class Rule(NamedTuple):
    rule: dict[str, Any]
    before: tuple[str, str | None]
    use: int  # at p95; 15 % go on top
    request: str
    limit: str | None  # None: it stays, or there is none


RATIO = {"limit": "ratio"}
HALF_MORE = {"limit": "multiple", "limit_percent": 150}
P95 = {"estimator": "percentile", "percentile_permille": 950}

CPU_RULES = (
    # down, from 500m to what 370m and its headroom come to
    Rule({"limit": "keep"}, ("500m", "1"), 370, "430m", None),
    Rule({"limit": "raise"}, ("500m", "1"), 370, "430m", None),
    Rule({"limit": "none"}, ("500m", "1"), 370, "430m", None),
    Rule(RATIO, ("500m", "1"), 370, "430m", "860m"),
    Rule(RATIO, ("500m", "1300m"), 370, "430m", "1115m"),  # 1118, and down to a multiple of 5
    Rule(RATIO, ("500m", "500m"), 370, "430m", "430m"),
    Rule(RATIO | {"lower_limit": False}, ("500m", "1"), 370, "430m", None),
    Rule(HALF_MORE, ("500m", "1"), 370, "430m", "650m"),  # 645, and up to a multiple of 10
    Rule(HALF_MORE | {"lower_limit": False}, ("500m", "1"), 370, "430m", None),
    Rule({"limit": "equal"}, ("500m", "500m"), 370, "430m", "430m"),
    Rule({"limit": "equal"}, ("500m", "1"), 370, "430m", None),  # a pair that isn't equal isn't made so
    # up, within the limit
    Rule({"limit": "raise"}, ("200m", "1"), 300, "345m", None),
    Rule({"limit": "none"}, ("200m", "1"), 300, "345m", None),
    Rule({"limit": "equal"}, ("200m", "1"), 300, "345m", None),
    Rule(RATIO, ("200m", "1"), 300, "345m", "1725m"),
    Rule(HALF_MORE, ("200m", "1"), 300, "345m", None),  # a request that rises lowers no limit
    Rule(HALF_MORE, ("200m", "300m"), 300, "345m", "520m"),
    # up, beyond it
    Rule({"limit": "keep"}, ("200m", "250m"), 300, "250m", None),
    Rule({"limit": "raise"}, ("200m", "250m"), 300, "345m", "345m"),
    Rule({"limit": "none"}, ("200m", "250m"), 300, "345m", "345m"),
    Rule({"limit": "equal"}, ("200m", "250m"), 300, "345m", "345m"),
    Rule(RATIO, ("200m", "250m"), 300, "345m", "430m"),
    # where no limit is
    Rule(RATIO | {"missing_limit": "add"}, ("200m", None), 300, "345m", None),
    Rule({"limit": "raise", "missing_limit": "add"}, ("200m", None), 300, "345m", None),
    Rule(HALF_MORE, ("200m", None), 300, "345m", None),
    Rule(HALF_MORE | {"missing_limit": "add"}, ("200m", None), 300, "345m", "520m"),
    Rule({"limit": "equal", "missing_limit": "add"}, ("200m", None), 300, "345m", "345m"),
)


@pytest.mark.parametrize("rule", CPU_RULES, ids=lambda rule: f"{rule.rule}-{rule.before}-{rule.use}")
def test_rules(rule: Rule) -> None:
    request, limit = rule.before
    given = evidence(request, cpu_limit=limit, consumers=placed(rule.use), sizing=keeps(cpu=rule.rule))

    found = new(given)

    assert (found.get(CPU), found.get(Field.CPU_LIMIT)) == (rule.request, rule.limit)


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ({"limit": "keep"}, "within the limit of 1000m"),
        (RATIO, "within the limit of 1000m, which comes down with it to 860m (limit: ratio)"),
        (HALF_MORE, "within the limit of 1000m, which comes down with it to 650m (limit: 150%)"),
    ],
)
def test_the_stage_tells_what_the_limit_does(rule: dict[str, Any], told: str) -> None:
    given = evidence("500m", cpu_limit="1", consumers=placed(370), sizing=keeps(cpu=rule))

    assert stage(given, CPU, "limit") == told


def test_an_added_limit_is_told() -> None:
    rule = HALF_MORE | {"missing_limit": "add"}
    given = evidence("500m", consumers=placed(370), sizing=keeps(cpu=rule))

    assert stage(given, CPU, "limit") == "a limit of 650m is added (limit: 150%)"


def test_a_memory_limit_is_lowered_only_where_the_policy_says_so() -> None:
    def both(rule: dict[str, Any]) -> dict[Field, str]:
        return new(evidence(memory="1Gi", memory_limit="2Gi", sizing=keeps(memory=rule)))

    assert both(RATIO) == {MEMORY: "824Mi"}
    assert both(RATIO | {"lower_limit": True}) == {MEMORY: "824Mi", Field.MEMORY_LIMIT: "1648Mi"}


def test_no_limit_goes_beneath_what_was_used() -> None:
    memory = flat(300 * MI, peak=900 * MI)
    levels = {"limit": "multiple", "limit_percent": 100, "lower_limit": True} | P95
    given = evidence(
        memory="1Gi", memory_limit="2Gi", consumers=placed(182, memory), sizing=keeps(memory=levels)
    )

    assert new(given) == {MEMORY: "824Mi", Field.MEMORY_LIMIT: "1088Mi"}  # 900Mi, and 20 % on top

    spiky = placed(flat(182, peak=900))
    given = evidence("500m", cpu_limit="2", consumers=spiky, sizing=keeps(cpu=HALF_MORE))

    assert new(given) == {CPU: "400m", Field.CPU_LIMIT: "900m"}


def test_a_pair_of_memory_comes_down_together_to_no_less_than_its_peak() -> None:
    levels = {"limit": "equal", "lower_limit": True} | P95
    memory = flat(300 * MI, peak=800 * MI)
    given = evidence(
        memory="1Gi", memory_limit="1Gi", consumers=placed(182, memory), sizing=keeps(memory=levels)
    )

    row = kept(given, MEMORY)

    assert row.reason is Reason.AT_LIMIT
    assert "the peak with its headroom is 960Mi" in row.detail
    given = evidence(
        memory="2Gi", memory_limit="2Gi", consumers=placed(182, memory), sizing=keeps(memory=levels)
    )
    assert new(given) == {MEMORY: "1648Mi", Field.MEMORY_LIMIT: "1648Mi"}


def test_huge_limits_neither_overflow_nor_pass_what_can_be_written() -> None:
    most = 2**63 - 1
    sizing = keeps(memory=RATIO, step_up_percent=100_000_000)
    given = evidence(memory="1Mi", memory_limit=str(most // 2), sizing=sizing)

    found = new(given)

    assert found[MEMORY] == "480Mi"
    assert most - 4 * MI < read(Field.MEMORY_LIMIT, found[Field.MEMORY_LIMIT]) <= most


def test_a_limit_of_nothing_is_no_limit_to_move() -> None:
    given = evidence(cpu=None, cpu_limit="0", consumers=placed(300), sizing=keeps(cpu=RATIO))

    assert Field.CPU_LIMIT not in new(given)


def test_a_limit_that_others_live_under_is_not_lowered() -> None:
    given = evidence("500m", cpu_limit="1", consumers=placed(370), sizing=keeps(cpu=RATIO))
    shared = with_slot(given, Field.CPU_LIMIT, consumers=(API, WEB))

    assert new(given)[Field.CPU_LIMIT] == "860m"
    assert new(shared) == {CPU: "430m"}


def test_a_limit_that_is_unwanted_is_told_beside_the_change() -> None:
    given = evidence("500m", cpu_limit="1", consumers=placed(370), sizing=keeps(cpu={"limit": "none"}))

    assert new(given) == {CPU: "430m"}
    assert kept(given, Field.CPU_LIMIT).reason is Reason.UNWANTED_LIMIT
    opted_out = given._replace(opted_out="reconciler.io/ignore: true")
    assert [row.slot.field for row in decide(opted_out)] == [CPU, MEMORY]


# ---------------------------------------------------------------------------------------------
# Classes of service
# ---------------------------------------------------------------------------------------------

GUARANTEED = ("500m", "480Mi", "500m", "480Mi")


def test_a_guaranteed_pod_moves_both_or_nothing() -> None:
    assert kept(evidence(*GUARANTEED, sizing=keeps()), CPU).reason is Reason.QOS_CLASS
    assert new(evidence(*GUARANTEED, sizing=keeps(cpu={"limit": "raise"}))) == {
        CPU: "400m",
        Field.CPU_LIMIT: "400m",
    }
    # any other rule, too: request and limit stay one
    for rule in (RATIO, HALF_MORE, {"limit": "equal"}, {"limit": "none"}):
        assert new(evidence(*GUARANTEED, sizing=keeps(cpu=rule))) == {CPU: "400m", Field.CPU_LIMIT: "400m"}


def test_a_guaranteed_pod_whose_limit_is_not_lowered_is_kept() -> None:
    row = kept(evidence("500m", "1Gi", "500m", "1Gi", sizing=keeps()), MEMORY)

    assert row.reason is Reason.QOS_CLASS
    assert row.detail == (
        "its pod is Guaranteed, so that its request and limit stay equal, and of the limit memory limits "
        "are never lowered"
    )


def test_a_guaranteed_pod_is_raised_as_a_pair() -> None:
    dying = placed(usage={"oom_kills": (killed(480 * MI),)})
    given = evidence(*GUARANTEED, consumers=dying, sizing=keeps())

    assert new(given) == {MEMORY: "584Mi", Field.MEMORY_LIMIT: "584Mi"}


def test_the_class_is_told() -> None:
    given = evidence(*GUARANTEED, sizing=keeps(cpu={"limit": "equal"}))

    assert stage(given, CPU, "class") == "Guaranteed, and stays so: request and limit move together"
    assert stage(given, MEMORY, "class") == "Guaranteed, and stays so: request and limit only rise, together"
    assert stage(evidence("500m"), CPU, "class") == ""


def test_with_another_container_that_is_burstable_the_pod_is() -> None:
    beside = placed(siblings=(sibling(),))

    assert new(evidence(*GUARANTEED, consumers=beside, sizing=keeps())) == {CPU: "400m"}


def test_an_init_container_counts_for_the_class() -> None:
    pair = {"cpu_limit": 100, "memory_limit": 128 * MI}
    guaranteed = placed(siblings=(sibling(init=True, container="migrate", **pair),))
    burstable = placed(siblings=(sibling(init=True, container="migrate"),))

    assert kept(evidence(*GUARANTEED, consumers=guaranteed, sizing=keeps()), CPU).reason is Reason.QOS_CLASS
    assert new(evidence(*GUARANTEED, consumers=burstable, sizing=keeps())) == {CPU: "400m"}


def test_told_to_the_class_may_change() -> None:
    assert new(evidence(*GUARANTEED, sizing=keeps(qos_class="change"))) == {CPU: "400m"}


def test_a_burstable_pod_does_not_become_guaranteed_by_a_raise() -> None:
    """The memory is one number already; with the CPU's request at its limit all were."""
    given = evidence("200m", "480Mi", "250m", "480Mi", consumers=placed(300), sizing=keeps())

    assert new(given) == {CPU: "245m"}
    limit = evidence(
        "200m", "480Mi", "250m", "480Mi", consumers=placed(300), sizing=keeps(cpu={"limit": "raise"})
    )
    assert new(limit) == {CPU: "345m", Field.CPU_LIMIT: "350m"}
    told = keeps(cpu={"limit": "raise"}, qos_class="change")
    assert new(limit._replace(policy=limit.policy._replace(sizing=told))) == {
        CPU: "345m",
        Field.CPU_LIMIT: "345m",
    }


def test_an_added_limit_does_not_make_a_pod_guaranteed() -> None:
    rule = {"limit": "equal", "missing_limit": "add"}
    given = evidence("200m", "480Mi", None, "480Mi", consumers=placed(300), sizing=keeps(cpu=rule))

    assert new(given) == {CPU: "345m"}
    assert (
        stage(given, CPU, "class")
        == "Burstable, and stays so: request and limit are kept apart (qosClass: keep)"
    )


def test_of_two_last_pairs_only_one_may_close() -> None:
    """Each container sees the other as it is today: without a witness both would close at once."""
    pair = {"cpu_limit": 250, "memory_limit": 128 * MI}
    ours = sibling(200, 128 * MI, **pair)

    def closed(name: str, other: str) -> str:
        ref = WEB._replace(container=name)
        one = (consumer(used(300), ref)._replace(siblings=(ours._replace(container=other),)),)
        found = evidence("200m", "128Mi", "250m", "128Mi", consumers=one, sizing=keeps())
        return new(found)[CPU]

    assert {closed("app", "proxy"), closed("proxy", "app")} == {"245m", "250m"}


@pytest.mark.parametrize(
    ("pod", "expected"),
    [
        ((sibling(100, MI, 100, MI),), "Guaranteed"),
        ((sibling(100, MI, 100, MI), sibling(100, MI, 100, None)), "Burstable"),
        ((sibling(None, None, None, None),), "BestEffort"),
        ((sibling(0, 0, None, None),), "BestEffort"),
        ((sibling(0, MI, 0, MI),), "Burstable"),
        ((sibling(None, None, None, None), sibling(100, MI, 100, MI)), "Burstable"),
        ((sibling(100, MI, 100, MI, unknown=True),), ""),
    ],
)
def test_quality(pod: Any, expected: str) -> None:
    assert quality(pod) == expected


# ---------------------------------------------------------------------------------------------
# Whole CPUs
# ---------------------------------------------------------------------------------------------

WHOLE = {"limit": "equal", "whole": True}


@pytest.mark.parametrize(
    ("before", "use", "after"),
    [
        ("4", 1500, "3"),  # 20 % down is 3200m: no whole one, and one at least goes
        ("20", 1500, "16"),
        ("2", 1500, None),  # 1725m need two
        ("2", 3000, "4"),  # 3450m, and not beyond twice
        ("1", 2500, "2"),
        ("1", 100, None),  # less than one there isn't
        ("1500m", 300, "1200m"),  # no whole number: no CPU to itself
    ],
)
def test_whole_cpus_stay_whole(before: str, use: int, after: str | None) -> None:
    given = evidence(before, "480Mi", before, "480Mi", consumers=placed(use), sizing=keeps(cpu=WHOLE))

    assert new(given).get(CPU) == after
    assert new(given).get(Field.CPU_LIMIT) == after


def test_whole_cpus_of_a_burstable_pod_are_nobodys_own() -> None:
    given = evidence("4", "480Mi", "4", None, consumers=placed(1500), sizing=keeps(cpu=WHOLE))

    assert new(given)[CPU] == "3200m"


# ---------------------------------------------------------------------------------------------
# Namespaces
# ---------------------------------------------------------------------------------------------


def within(*ranges: LimitRange, **other: Any) -> tuple[Consumer]:
    return placed(**other, limit_ranges=ranges)


def test_the_least_of_a_namespace_is_a_floor() -> None:
    given = evidence("500m", consumers=within(limit_range(minimum=450)))

    assert new(given) == {}
    assert "the LimitRange limits (shop/namespace.yaml:7) wants at least 450m" in kept(given, CPU).detail
    assert (
        stage(given, CPU, "namespace")
        == "the LimitRange limits (shop/namespace.yaml:7): it wants at least 450m"
    )


def test_a_request_below_the_least_is_raised_to_it_at_once() -> None:
    assert new(evidence("20m", consumers=within(limit_range(minimum=300)))) == {CPU: "300m"}


def test_the_most_of_a_namespace_is_a_ceiling_for_the_limit_too() -> None:
    rule = {"limit": "multiple", "limit_percent": 300}
    given = evidence(
        "200m", cpu_limit="400m", consumers=within(limit_range(maximum=700), cpu=300), sizing=keeps(cpu=rule)
    )

    assert new(given) == {CPU: "345m", Field.CPU_LIMIT: "700m"}


def test_nothing_is_lowered_to_the_most_of_a_namespace() -> None:
    given = evidence("500m", consumers=within(limit_range(maximum=300), cpu=700))

    assert kept(given, CPU).reason is Reason.LIMIT_RANGE


def test_the_share_that_a_limit_may_be_of_its_request() -> None:
    four = limit_range(ratio_permille=4000)

    assert new(evidence("500m", cpu_limit="1600m", consumers=within(four))) == {CPU: "400m"}
    assert new(evidence("420m", cpu_limit="1600m", consumers=within(four))) == {}
    told = stage(evidence("420m", cpu_limit="1600m", consumers=within(four)), CPU, "namespace")
    assert told.endswith("it wants a limit of at most 4 times the request")
    moving = evidence("500m", cpu_limit="2", consumers=within(four), sizing=keeps(cpu=RATIO))
    assert new(moving) == {CPU: "400m", Field.CPU_LIMIT: "1600m"}


def test_bounds_of_the_whole_pod() -> None:
    whole = limit_range(kind="Pod", maximum=500)
    given = evidence("200m", consumers=within(whole, cpu=600, siblings=(sibling(cpu=150),)))

    assert new(given) == {CPU: "350m"}
    assert stage(given, CPU, "namespace").endswith("it wants at most 500m for a whole pod")
    least = limit_range(kind="Pod", minimum=600)
    given = evidence("550m", consumers=within(least, siblings=(sibling(cpu=150),)))
    assert new(given) == {CPU: "450m"}


def test_the_defaults_of_a_namespace_are_in_force() -> None:
    default = limit_range(default_request=500, default_limit=800)
    given = evidence(None, consumers=within(default))

    assert stage(given, CPU, "in force") == "the default of the namespace, as no request is set"
    assert new(given) == {CPU: "400m"}  # one step down from 500m
    assert stage(given, CPU, "limit") == "within the namespace's default limit of 800m"
    needy = evidence(None, consumers=within(default, cpu=1500))
    assert new(needy) == {CPU: "800m"}  # a limit that stays
    risen = evidence(None, consumers=within(default, cpu=800), sizing=keeps(cpu={"limit": "raise"}))
    assert new(risen) == {CPU: "920m", Field.CPU_LIMIT: "920m"}


def test_a_limit_of_its_own_counts_before_the_default_request() -> None:
    default = limit_range(default_request=100, default_limit=800)
    given = evidence(None, cpu_limit="500m", consumers=within(default))

    assert stage(given, CPU, "in force") == "the limit, as no request is set"


def test_a_namespace_that_is_broken_already_is_no_reason_against_better() -> None:
    given = evidence("500m", consumers=within(limit_range(maximum=300)))

    assert new(given) == {CPU: "400m"}


# ---------------------------------------------------------------------------------------------
# Quotas and nodes
# ---------------------------------------------------------------------------------------------


def test_a_raise_within_the_quota_is_made() -> None:
    given = evidence("200m", consumers=placed(300, quotas=(quota(CPU, 4000, 3565),)))

    assert new(given) == {CPU: "345m"}  # three pods: 435m
    assert "3565m of 4000m requests.cpu are used" in stage(given, CPU, "namespace")
    less = placed(300, quotas=(quota(CPU, 4000, 3566),))
    assert kept(evidence("200m", consumers=less), CPU).reason is Reason.QUOTA


def test_a_quota_of_limits_counts_the_limit() -> None:
    full = (quota(Field.CPU_LIMIT, 1000, 1000),)
    given = evidence(
        "200m", cpu_limit="250m", consumers=placed(300, quotas=full), sizing=keeps(cpu={"limit": "raise"})
    )

    assert kept(given, CPU).reason is Reason.QUOTA
    assert new(evidence("200m", cpu_limit="400m", consumers=placed(300, quotas=full))) == {CPU: "345m"}


def test_what_is_lowered_needs_no_room() -> None:
    assert new(evidence("500m", consumers=placed(quotas=(quota(CPU, 100, 4000),)))) == {CPU: "400m"}


def test_no_pod_grows_beyond_the_largest_node() -> None:
    given = evidence("3", consumers=placed(8000, node=node(cpu=8000), siblings=(sibling(cpu=1000),)))

    assert new(evidence("3", consumers=placed(8000))) == {CPU: "6"}
    assert new(given) == {CPU: "6"}
    given = evidence("5", consumers=placed(8000, node=node(cpu=8000), siblings=(sibling(cpu=1000),)))
    assert new(given) == {CPU: "7"}
    assert (
        stage(given, CPU, "namespace")
        == "the largest node: 8000m for the container and 1 other container of its pod"
    )


def test_an_init_container_leaves_the_node_to_those_that_follow() -> None:
    starting = sibling(cpu=6000, init=True, container="migrate")
    given = evidence("5", consumers=placed(8000, node=node(cpu=8000), siblings=(starting,)))

    assert new(given) == {CPU: "8"}


def changes(*found: Evidence) -> list[Change]:
    return [row for one in found for row in decide(one) if isinstance(row, Change)]


def raising(name: str, left: int, use: int = 300, **usage: Any) -> Evidence:
    ref = WEB._replace(workload=name)
    full = (quota(CPU, 10_000, 10_000 - left),)
    return evidence("200m", consumers=(consumer(used(use, **usage), ref)._replace(quotas=full),))


def test_what_is_left_of_a_quota_is_given_out_once() -> None:
    """Each takes 435m: two fit, in the order of their names."""
    found = changes(*(raising(name, 1000) for name in ("c", "a", "b")))

    refused = without_room(found)

    assert {found[at].values[0].slot.consumers[0].workload for at in refused} == {"c"}
    (why,) = refused.values()
    assert why.reason is Reason.QUOTA
    assert why.detail.startswith(
        "beside what else is raised in this run, it would take 435m more of requests.cpu"
    )
    assert "130m are left" in why.detail


def test_what_is_short_of_something_comes_first() -> None:
    calm, hurt = raising("a", 500, use=190), raising("b", 500)
    calm = calm._replace(slots=tuple(one._replace(value="200m") for one in calm.slots if one.field is CPU))
    found = changes(calm, hurt)

    assert [change.klass for change in found] == ["savings", "safety"]
    assert {found[at].values[0].slot.consumers[0].workload for at in without_room(found)} <= {"a"}


def test_two_containers_of_a_pod_share_its_node() -> None:
    def one(name: str, other: str) -> Evidence:
        ref = WEB._replace(container=name)
        beside = (sibling(cpu=1000, container=other),)
        held = consumer(used(2000), ref)._replace(siblings=beside, node=node(cpu=4000))
        return evidence("1", consumers=(held,))

    found = changes(one("app", "proxy"), one("proxy", "app"))

    assert [change.values[0].new for change in found] == ["2", "2"] or len(found) == 2
    refused = without_room(found)
    total = 1000 * (2 - len(found)) + sum(2000 if at not in refused else 1000 for at in range(len(found)))
    assert total <= 4000


def test_changes_of_nowhere_bounded_are_left_alone() -> None:
    assert without_room(changes(evidence("500m"), evidence("200m", consumers=placed(400)))) == {}


# ---------------------------------------------------------------------------------------------
# Devices, and pods with resources of their own
# ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "nvidia.com/gpu", "nvidia.com/mig-1g.10gb", "amd.com/gpu", "gpu.intel.com/i915", "google.com/tpu",
        "cloud-tpus.google.com/v3", "aws.amazon.com/neuron", "aws.amazon.com/neuroncore", "habana.ai/gaudi",
        "huawei.com/Ascend910", "aliyun.com/gpu-mem",
    ],
)  # fmt: skip
def test_beside_an_accelerator_nothing_is_lowered(name: str) -> None:
    given = evidence("4", consumers=placed(extras=(name,)), sizing=keeps())

    assert kept(given, CPU).reason is Reason.ACCELERATOR
    assert stage(given, CPU, "devices") == f"{name}; what it requests beside that is only raised"
    assert new(evidence("4", consumers=placed(extras=(name,)), sizing=keeps(accelerators="manage")))
    assert new(evidence("100m", consumers=placed(extras=(name,)), sizing=keeps())) == {CPU: "200m"}


@pytest.mark.parametrize(
    "name", ["ephemeral-storage", "hugepages-2Mi", "example.com/input", "vpc.amazonaws.com/pod-eni"]
)
def test_whatever_else_is_requested_is_no_accelerator(name: str) -> None:
    assert new(evidence("500m", consumers=placed(extras=(name,)), sizing=keeps())) == {CPU: "400m"}


def test_what_the_pod_sets_itself_is_about_that_resource_alone() -> None:
    given = evidence("500m", "1Gi", consumers=placed(pod_level=("memory",)))

    assert new(given) == {CPU: "400m"}
    assert kept(given, MEMORY).reason is Reason.POD_LEVEL


# ---------------------------------------------------------------------------------------------
# Sums
# ---------------------------------------------------------------------------------------------


def test_a_pod_asks_for_what_runs_or_for_what_starts() -> None:
    app, proxy = sibling(cpu=300), sibling(cpu=100, init=True, sidecar=True)
    migrate = sibling(cpu=350, init=True)

    assert together(CPU, (app,)) == 300
    assert together(CPU, (migrate, app)) == 350
    assert together(CPU, (proxy, app)) == 400
    assert together(CPU, (proxy, migrate, app)) == 450
    assert together(CPU, (migrate, proxy, app)) == 400


def test_what_is_in_force_of_a_container() -> None:
    ranges = (limit_range(default_request=100, default_limit=800), limit_range("memory", default_limit=GI))
    ranges = (*ranges, limit_range(kind="Pod", default_limit=1))

    def of(**texts: str) -> tuple[int | None, ...]:
        named = {Field[name.upper()]: text for name, text in texts.items()}
        return in_force(WEB, False, False, named, ranges)[3:]

    assert of() == (100, None, 800, GI, False)
    assert of(cpu_limit="500m") == (500, None, 500, GI, False)
    assert of(cpu_request="1", memory_limit="64Mi") == (1000, 64 * MI, 800, 64 * MI, False)
    assert of(cpu_request="lots")[4] is True


def test_a_stuck_limit_of_a_guaranteed_pod_holds_its_request() -> None:
    given = with_slot(
        evidence(*GUARANTEED, sizing=keeps(cpu={"limit": "equal"})),
        Field.CPU_LIMIT,
        refused=Refused(Reason.ALIASED, "it is an alias"),
    )
    assert kept(given, CPU).reason is Reason.QOS_CLASS

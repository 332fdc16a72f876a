"""What changes, by how much, in which class, and in which words."""

from __future__ import annotations

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
    sketch,
    used,
    with_slot,
)

from reconciler.model import Change, ChangeClass, Evidence, Field, Keep, NoUsage, Place, Reason, Scaler
from reconciler.quantity import parse_memory
from reconciler.sizing import decide

CPU, MEMORY = Field.CPU_REQUEST, Field.MEMORY_REQUEST
WIDE = SIZING._replace(step_up_percent=10_000, step_down_percent=100)


def change(given: Evidence, field: Field) -> Change:
    rows = [row for row in decide(given) if isinstance(row, Change)]
    return next(row for row in rows if row.values[0].slot.field is field)


def new(given: Evidence, field: Field) -> str:
    return change(given, field).values[0].new


def kept(given: Evidence, field: Field) -> Keep:
    return next(row for row in decide(given) if isinstance(row, Keep) and row.slot.field is field)


# ---------------------------------------------------------------------------------------------
# What must not change
# ---------------------------------------------------------------------------------------------


def test_right_requests_are_kept() -> None:
    rows = decide(evidence())

    assert [type(row) for row in rows] == [Keep, Keep]
    assert [row.slot.field for row in rows if isinstance(row, Keep)] == [CPU, MEMORY]


def test_limits_are_never_lowered() -> None:
    rows = decide(evidence(cpu="4000m", memory="4096Mi", cpu_limit="8000m", memory_limit="8192Mi"))

    assert all(len(row.values) == 1 for row in rows if isinstance(row, Change))


def test_scaler_of_the_other_resource_is_nobodys_business() -> None:
    hpa = Scaler("HorizontalPodAutoscaler", "web", ("cpu",), (), "hpa.yaml", 3)
    given = evidence(cpu="1000m", memory="2048Mi", consumers=(consumer(used(), scalers=(hpa,)),))

    assert kept(given, CPU).reason is Reason.SCALED_BY_HPA
    assert new(given, MEMORY) == "1648Mi"


def test_scaler_of_the_other_container_is_nobodys_business() -> None:
    hpa = Scaler("HorizontalPodAutoscaler", "web", ("cpu",), ("proxy",), "hpa.yaml", 3)

    assert new(evidence(cpu="1000m", consumers=(consumer(used(), scalers=(hpa,)),)), CPU) == "800m"


def test_limit_of_zero_means_none_and_is_not_made_one() -> None:
    given = evidence(memory="300Mi", memory_limit="0")

    assert kept(given, MEMORY).reason is Reason.LIMIT_BELOW


# ---------------------------------------------------------------------------------------------
# Down and up
# ---------------------------------------------------------------------------------------------


def test_down_at_most_a_fifth() -> None:
    found = change(evidence(cpu="500m"), CPU)

    assert found.values[0].new == "400m"
    assert found.klass is ChangeClass.SAVINGS
    assert found.because == (
        "p95 over 14 days is 182m with 3 pods; 15 % headroom gives 210m; down at most 20 % a step, so 400m"
    )


def test_down_all_the_way_where_the_policy_lets_it() -> None:
    assert change(evidence(cpu="500m", sizing=WIDE), CPU).because == (
        "p95 over 14 days is 182m with 3 pods; 15 % headroom gives 210m"
    )


def test_a_step_down_that_rounds_back_takes_a_finer_multiple() -> None:
    sizing = levels(round_to=10, smallest_change=0)

    assert new(evidence(cpu="40m", consumers=(consumer(used(cpu=1)),), sizing=sizing), CPU) == "35m"


def test_peak_above_the_request_is_safety() -> None:
    found = change(evidence(consumers=(consumer(used(memory=600 * MI)),)), MEMORY)

    assert (found.klass, found.values[0].new) == (ChangeClass.SAFETY, "720Mi")
    assert found.because == (
        "its peak is above the request of 480Mi; peak over 14 days is 600Mi with 3 pods; "
        "20 % headroom gives 720Mi"
    )


def test_raise_for_headroom_alone_is_savings() -> None:
    given = evidence(consumers=(consumer(used(memory=470 * MI)),))

    assert change(given, MEMORY).klass is ChangeClass.SAVINGS
    assert kept(given._replace(last_changes=(changed(MEMORY, 3),)), MEMORY).reason is Reason.COOL_DOWN


def test_a_single_spike_of_cpu_is_no_alarm() -> None:
    assert kept(evidence(consumers=(consumer(used(cpu=flat(182, peak=4000))),)), CPU).reason is Reason.IN_BAND


def test_resident_memory_is_the_least() -> None:
    sizing = SIZING._replace(memory=SIZING.memory._replace(estimator="percentile", percentile_permille=500))
    found = change(evidence(consumers=(consumer(used(rss_max=600 * MI)),), sizing=sizing), MEMORY)

    assert found.values[0].new == "720Mi"
    assert "resident memory over 14 days is 600Mi" in found.because


@pytest.mark.parametrize(("permille", "level"), [(500, 115), (900, 345), (999, 1150)])
def test_percentile_is_the_smallest_value_that_so_many_do_not_pass(permille: int, level: int) -> None:
    cpu = sketch(*[100] * 80, *[300] * 19, 1000)
    sizing = levels(WIDE, percentile_permille=permille, round_to=1, smallest_change=0)
    given = evidence(cpu="9000m", consumers=(consumer(used(cpu=cpu, samples=4000)),), sizing=sizing)

    assert int(new(given, CPU)[:-1]) in range(level, level + level // 64 + 1)


def test_step_up_is_bounded_and_said_to_be() -> None:
    found = change(evidence(cpu="100m", consumers=(consumer(used(cpu=900)),)), CPU)

    assert found.values[0].new == "200m"
    assert "up at most 100 % a step, so 200m" in found.because


def test_step_down_does_not_round_over_the_ceiling() -> None:
    sizing = levels(ceiling=83, smallest_change=0)

    assert new(evidence(cpu="102m", consumers=(consumer(used(cpu=5)),), sizing=sizing), CPU) == "83m"


def test_floor_is_reached_in_one_step() -> None:
    given = evidence(cpu="1m", consumers=(consumer(used(cpu=3)),), sizing=levels(floor=50))

    assert new(given, CPU) == "50m"


def test_safety_passes_cool_down_and_smallest_change() -> None:
    sizing = levels(smallest_change=1 << 40)
    given = evidence(
        consumers=(consumer(used(memory=600 * MI)),), sizing=sizing, last_changes=(changed(MEMORY, 2),)
    )

    assert new(given, MEMORY) == "720Mi"


def test_safety_passes_thin_evidence_but_not_none_at_all() -> None:
    young = used(memory=flat(600 * MI, samples=20), days=1)
    newborn = used(memory=flat(600 * MI, samples=3), days=1)

    assert new(evidence(consumers=(consumer(young),)), MEMORY) == "720Mi"
    assert kept(evidence(consumers=(consumer(newborn),)), MEMORY).reason is Reason.THIN_EVIDENCE


def test_one_change_does_not_cool_the_other_resource() -> None:
    given = evidence(cpu="500m", last_changes=(changed(MEMORY, 1),))

    assert new(given, CPU) == "400m"


def test_the_latest_change_counts() -> None:
    older, newer = changed(CPU, 30), changed(CPU, 2)

    assert kept(evidence(cpu="500m", last_changes=(newer, older)), CPU).reason is Reason.COOL_DOWN


# ---------------------------------------------------------------------------------------------
# OOM kills
# ---------------------------------------------------------------------------------------------


def test_kill_raises_limit_and_request_together() -> None:
    usage = used(memory=500 * MI, oom_kills=(killed(512 * MI),))
    found = change(evidence(memory="256Mi", memory_limit="512Mi", consumers=(consumer(usage),)), MEMORY)

    assert [(value.slot.field, value.new) for value in found.values] == [
        (MEMORY, "616Mi"),
        (Field.MEMORY_LIMIT, "616Mi"),
    ]
    assert found.klass is ChangeClass.SAFETY
    assert found.because == (
        "OOM-killed 2 times at a limit of 512Mi; peak over 14 days is 500Mi with 3 pods; "
        "20 % above the limit it was killed at, at least 100Mi, gives 616Mi; the limit goes along to 616Mi"
    )


def test_steps_after_a_kill_count_from_the_limit_it_was_killed_at() -> None:
    usage = used(memory=500 * MI, oom_kills=(killed(512 * MI),))

    assert new(evidence(memory="64Mi", memory_limit="512Mi", consumers=(consumer(usage),)), MEMORY) == "616Mi"


def test_large_kill_goes_up_by_a_fifth() -> None:
    usage = used(memory=4000 * MI, oom_kills=(killed(4096 * MI),))
    given = evidence(memory="4096Mi", memory_limit="4096Mi", consumers=(consumer(usage),))

    assert new(given, MEMORY) == "4928Mi"  # 4096Mi and a fifth is 4915.2Mi


def test_kill_without_a_known_limit_counts_from_the_peak() -> None:
    usage = used(memory=400 * MI, oom_kills=(killed(0),))

    assert new(evidence(memory="400Mi", consumers=(consumer(usage),)), MEMORY) == "500Mi"


def test_old_kill_does_not_feed_on_itself() -> None:
    usage = used(memory=500 * MI, oom_kills=(killed(512 * MI),))

    given = evidence(memory="616Mi", memory_limit="616Mi", consumers=(consumer(usage),))

    assert kept(given, MEMORY).reason is Reason.IN_BAND


def test_kept_limit_holds_the_request() -> None:
    usage = used(memory=500 * MI, oom_kills=(killed(512 * MI),))
    given = evidence(
        memory="256Mi", memory_limit="512Mi", consumers=(consumer(usage),), sizing=levels(limit="keep")
    )

    assert [value.new for value in change(given, MEMORY).values] == ["512Mi"]
    assert (
        "no higher than its limit of 512Mi, which somebody would have to raise"
        in change(given, MEMORY).because
    )
    settled = evidence(
        memory="512Mi", memory_limit="512Mi", consumers=(consumer(usage),), sizing=levels(limit="keep")
    )
    assert kept(settled, MEMORY).reason is Reason.OOM_KILLED


def test_limit_above_the_new_request_stays() -> None:
    given = evidence(memory_limit="1024Mi", consumers=(consumer(used(memory=600 * MI)),))

    assert len(change(given, MEMORY).values) == 1


# ---------------------------------------------------------------------------------------------
# limit: equal
# ---------------------------------------------------------------------------------------------


def test_equal_cpu_goes_up_and_down_as_one() -> None:
    equal = levels(limit="equal")
    down = change(evidence(cpu="500m", cpu_limit="500m", sizing=equal), CPU)
    up = change(evidence(cpu="150m", cpu_limit="150m", sizing=equal), CPU)

    assert [value.new for value in down.values] == ["400m", "400m"]
    assert [value.new for value in up.values] == ["210m", "210m"]


def test_equal_cpu_limit_shared_with_others_is_not_lowered() -> None:
    given = evidence(cpu="500m", cpu_limit="500m", sizing=levels(limit="equal"))

    shared = with_slot(given, Field.CPU_LIMIT, consumers=(WEB, API))

    assert kept(shared, CPU).reason is Reason.ONLY_RAISED


def test_equal_leaves_a_limit_above_the_request() -> None:
    found = change(evidence(cpu="500m", cpu_limit="900m", sizing=levels(limit="equal")), CPU)

    assert [value.new for value in found.values] == ["400m"]


# ---------------------------------------------------------------------------------------------
# Nothing set
# ---------------------------------------------------------------------------------------------


def test_missing_request_is_added_as_savings() -> None:
    found = change(evidence(cpu=None), CPU)

    assert (found.values[0].slot.value, found.values[0].new) == (None, "210m")
    assert found.klass is ChangeClass.SAVINGS


def test_missing_request_is_added_however_small() -> None:
    assert new(evidence(cpu=None, consumers=(consumer(used(cpu=3)),)), CPU) == "10m"


def test_missing_request_after_a_kill_is_safety() -> None:
    usage = used(oom_kills=(killed(0),))

    assert change(evidence(memory=None, consumers=(consumer(usage),)), MEMORY).klass is ChangeClass.SAFETY


def test_missing_request_on_thin_evidence_waits() -> None:
    given = evidence(cpu=None, consumers=(consumer(used(days=2)),))

    assert kept(given, CPU).reason is Reason.THIN_EVIDENCE


def test_limit_is_in_force_where_no_request_is_set() -> None:
    found = change(evidence(cpu=None, cpu_limit="1000m"), CPU)

    assert found.values[0].new == "800m"
    assert [stage.words for stage in found.stages if stage.name == "in force"] == [
        "the limit, as no request is set"
    ]
    assert kept(evidence(cpu=None, cpu_limit="210m"), CPU).reason is Reason.IN_BAND


# ---------------------------------------------------------------------------------------------
# One line, several containers
# ---------------------------------------------------------------------------------------------


def test_largest_need_wins() -> None:
    both = (consumer(used(cpu=100)), consumer(used(cpu=300), API))
    found = change(evidence(cpu="300m", consumers=both, sizing=WIDE), CPU)

    assert found.values[0].new == "345m"
    assert "of shop/Deployment/api/app, the largest need of 2 containers on this line" in found.because


def test_unmeasured_neighbour_forbids_lowering_but_not_raising() -> None:
    silent = consumer(NoUsage(Reason.NO_METRICS, "main knows no pod of it"), API)
    given = evidence(cpu="1000m", memory="300Mi", consumers=(consumer(used()), silent))

    assert kept(given, CPU).reason is Reason.CONSUMER_WITHOUT_METRICS
    assert new(given, MEMORY) == "480Mi"


def test_thin_neighbour_neither_raises_nor_is_forgotten() -> None:
    """What is well measured says that it must rise; then it rises for all."""
    thin = consumer(used(cpu=195, days=2), API)

    assert kept(evidence(cpu="200m", consumers=(thin,)), CPU).reason is Reason.THIN_EVIDENCE
    well = consumer(used(cpu=190), WEB)
    assert new(evidence(cpu="200m", consumers=(well, thin)), CPU) == "225m"


def test_step_counts_from_the_limit_that_anyone_was_killed_at() -> None:
    victim = consumer(used(memory=100 * MI, oom_kills=(killed(512 * MI),)), API)
    larger = consumer(used(memory=900 * MI))
    given = evidence(memory="100Mi", memory_limit="2Gi", consumers=(larger, victim))

    assert new(given, MEMORY) == "1024Mi"


def test_consumer_that_the_evidence_does_not_know_counts_as_unmeasured() -> None:
    given = with_slot(evidence(cpu="1000m"), CPU, consumers=(WEB, API))

    assert kept(given, CPU).reason is Reason.CONSUMER_WITHOUT_METRICS


def test_order_of_the_evidence_does_not_matter() -> None:
    both = (consumer(used(cpu=300)), consumer(used(cpu=300), API))
    given = evidence(cpu="1000m", consumers=both, last_changes=(changed(CPU, 9), changed(MEMORY, 1)))
    turned = given._replace(
        consumers=both[::-1], slots=given.slots[::-1], last_changes=given.last_changes[::-1]
    )

    def told(found: Evidence) -> list[object]:
        return [row._replace(evidence=None) if isinstance(row, Change) else row for row in decide(found)]

    assert told(turned) == told(given)


def test_usage_without_samples_of_a_resource_is_none() -> None:
    silent = used()._replace(cpu=sketch(), cpu_worst_pod=sketch())
    given = evidence(memory="2048Mi", consumers=(consumer(silent),))

    assert kept(given, CPU).reason is Reason.NO_METRICS
    assert kept(given, CPU).detail == "main has no cpu samples of shop/Deployment/web/app within the window"
    assert new(given, MEMORY) == "1648Mi"


def test_absurd_use_ends_at_what_kubernetes_can_write() -> None:
    given = evidence(memory="1Gi", consumers=(consumer(used(memory=2**62)),), sizing=WIDE)

    assert parse_memory(new(given, MEMORY)) <= 2**63 - 1
    absurd = evidence(memory="1Gi", consumers=(consumer(used(memory=2**63 - 1)),), sizing=SIZING)
    top = levels(SIZING._replace(step_up_percent=10**15))
    assert parse_memory(new(absurd._replace(policy=absurd.policy._replace(sizing=top)), MEMORY)) == 2**63 - 1


def test_place_and_time_are_no_input() -> None:
    given = evidence(cpu="500m")
    moved = with_slot(given, CPU, place=Place("other", "b.yaml", 3, ("x",)), line=99)

    assert new(moved._replace(now=NOW + 900 * DAY), CPU) == new(given, CPU)

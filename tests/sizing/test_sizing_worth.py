"""What a change moves in money, how risky it is, and from which amount it is worth a merge request."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
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
    used,
    with_slot,
)

from reconciler.model import (
    Amount,
    Change,
    ContainerRef,
    Evidence,
    Field,
    Keep,
    NoUsage,
    Price,
    Reason,
    Risk,
    SizingPolicy,
    Worth,
)
from reconciler.money import ASSUMED, monthly
from reconciler.sizing import decide, explain

ROUND = Price("EUR", 1_000_000, 100_000, "a test")  # a core for a month is 730
FREE = SIZING._replace(step_down_percent=99, step_up_percent=100_000)


def change(found: Evidence, field: Field = Field.CPU_REQUEST) -> Change:
    rows = [row for row in decide(found) if isinstance(row, Change) and row.values[0].slot.field is field]
    assert rows, decide(found)
    return rows[0]


def worth(found: Evidence, field: Field = Field.CPU_REQUEST) -> Worth:
    told = change(found, field).worth
    assert told is not None
    return told


def priced(price: Price | None = ROUND, sizing: SizingPolicy = SIZING, **other: Any) -> Evidence:
    return evidence(sizing=sizing, price=price, **other)


def ref(kind: str, name: str = "web") -> ContainerRef:
    return WEB._replace(kind=kind, workload=name)


# ---------------------------------------------------------------------------------------------
# Money
# ---------------------------------------------------------------------------------------------


def test_savings_are_the_difference_over_all_replicas() -> None:
    found = worth(priced(cpu="500m"))  # to 400m, of three pods
    assert found.monthly == Amount(-300 * 730_000_000 // 1000, "EUR")
    assert found.source == "a test"


def test_memory_is_counted_in_gib() -> None:
    found = change(priced(memory="1Gi"), Field.MEMORY_REQUEST)
    assert found.values[0].new == "824Mi"
    assert found.worth is not None
    assert found.worth.monthly.millionths == monthly(ROUND, 0, (824 - 1024) * MI) * 3


def test_a_raise_costs() -> None:
    assert worth(priced(cpu="100m")).monthly.millionths > 0


def test_a_first_request_costs_all_of_it() -> None:
    found = worth(priced(cpu=None))
    assert found.monthly == Amount(monthly(ROUND, 210, 0) * 3, "EUR")


def test_a_limit_that_goes_along_costs_nothing() -> None:
    small = used(memory=498 * MI, oom_kills=(killed(512 * MI),))
    with_limit = priced(memory="256Mi", memory_limit="512Mi", consumers=(consumer(small),))
    found = change(with_limit, Field.MEMORY_REQUEST)
    assert len(found.values) == 2
    assert found.worth is not None
    assert found.worth.monthly.millionths == monthly(ROUND, 0, (616 - 256) * MI) * 3


def test_without_a_price_nothing_is_told() -> None:
    bare = priced(None, cpu="500m")
    assert change(bare).worth is None
    assert change(bare)._replace(worth=None, evidence=bare) == change(priced(cpu="500m"))._replace(
        worth=None, evidence=bare, stages=change(bare).stages
    )


def test_everyone_on_the_line_counts_at_the_price_of_their_cluster() -> None:
    cheap = Price("EUR", 500_000, 0, "elsewhere")
    both = (consumer(used()), consumer(used(), API)._replace(price=cheap))
    found = worth(priced(cpu="500m", consumers=both))
    assert found.monthly.millionths == -3 * (100 * 730_000 + 100 * 365_000)


def test_another_currency_is_not_added_up() -> None:
    dollars = Price("USD", 9_000_000, 0, "elsewhere")
    both = (consumer(used()), consumer(used(), API)._replace(price=dollars))
    assert worth(priced(cpu="500m", consumers=both)).monthly == Amount(-6 * 100 * 730_000, "EUR")


@pytest.mark.parametrize(
    ("kind", "days"),
    [("CronJob", 14), ("Job", 14)],
)
def test_what_runs_in_turns_counts_for_the_time_that_it_runs(kind: str, days: int) -> None:
    """An hour a day of two weeks: 168 samples of 300 s."""
    nightly = used(cpu=flat(182, samples=168), memory=flat(400 * MI, samples=168))
    found = worth(priced(cpu="500m", consumers=(consumer(nightly, ref(kind)),)))
    assert found.monthly.millionths == -round(100 * 730_000 * 168 * 300 / (14 * DAY))


def test_init_containers_cost_nothing_and_sidecars_do() -> None:
    manage = SIZING._replace(manage_init=True)
    init = (consumer(used(), init=True),)
    sidecar = (consumer(used(), init=True, sidecar=True),)
    assert worth(priced(cpu="500m", sizing=manage, consumers=init)).monthly.millionths == 0
    assert worth(priced(cpu="500m", sizing=manage, consumers=sidecar)).monthly.millionths < 0


PRICES = st.builds(Price, st.just("USD"), st.integers(0, 10**9), st.integers(0, 10**9), st.just("somebody"))


@given(PRICES, st.integers(220, 4000), st.integers(0, 9))
def test_going_there_and_back_moves_nothing(price: Price, old: int, replicas: int) -> None:
    """The money of a change is that of the opposite change, the other way round."""
    pods = (consumer(used(replicas=replicas), WEB)._replace(replicas=2),)
    down = priced(price, FREE, cpu=f"{old}m", consumers=pods)
    rows = [row for row in decide(down) if isinstance(row, Change)]
    if not rows or rows[0].worth is None:
        return
    new = rows[0].values[0].new
    up_usage = used(cpu=-(-(old * 100) // 115), replicas=replicas)
    up = priced(price, FREE, cpu=new, consumers=(consumer(up_usage, WEB)._replace(replicas=2),))
    back = [row for row in decide(up) if isinstance(row, Change) and row.values[0].new == f"{old}m"]
    for row in back:
        assert row.worth is not None
        assert row.worth.monthly.millionths == -rows[0].worth.monthly.millionths


@given(PRICES, st.lists(st.integers(1, 50), min_size=1, max_size=6))
def test_the_line_is_worth_the_sum_of_its_containers(price: Price, replicas: list[int]) -> None:
    def pods(numbers: list[int]) -> Evidence:
        refs = [ref("Deployment", f"web-{at}") for at in range(len(numbers))]
        return priced(
            price, cpu="500m", memory="480Mi",
            consumers=tuple(consumer(used(replicas=n), one) for n, one in zip(numbers, refs, strict=True)),
        )  # fmt: skip

    whole = worth(pods(replicas)).monthly.millionths
    assert type(whole) is int
    assert whole == sum(worth(pods([one])).monthly.millionths for one in replicas)


# ---------------------------------------------------------------------------------------------
# Risk
# ---------------------------------------------------------------------------------------------

MANY = tuple(consumer(used(), ref("Deployment", f"web-{at}")) for at in range(11))


def risk(found: Evidence, field: Field = Field.CPU_REQUEST) -> tuple[Risk, str]:
    told = worth(found, field)
    return told.risk, told.why


def lowered(field: str = "cpu", **other: Any) -> Evidence:
    usage = other.pop("usage", {})
    kind = other.pop("kind", "Deployment")
    return priced(**{field: {"cpu": "500m", "memory": "1Gi"}[field]}, **other,
                  consumers=(consumer(used(**usage), ref(kind)),))  # fmt: skip


def test_a_small_step_well_above_the_peak_is_of_low_risk() -> None:
    assert risk(lowered()) == (Risk.LOW, "119 % above the peak of 14 days")
    assert risk(lowered("memory"), Field.MEMORY_REQUEST) == (Risk.LOW, "106 % above the peak of 14 days")


def test_a_raise_is_of_low_risk() -> None:
    assert risk(priced(cpu="150m")) == (Risk.LOW, "it only adds")


def test_cpu_below_its_peak_and_above_its_p95_is_of_low_risk() -> None:
    spiky = {"cpu": flat(182, peak=3000)}
    assert risk(lowered(usage=spiky)) == (Risk.LOW, "95 of 100 samples of 14 days stay below it")


@pytest.mark.parametrize(
    ("found", "field", "level", "words"),
    [
        (lowered(usage={"restarts": 3}), "cpu", Risk.MEDIUM, "restarted 3 times within the window"),
        (lowered(usage={"replicas": 1}), "cpu", Risk.MEDIUM, "its only pod is made anew"),
        (lowered(usage={"days": 8}), "cpu", Risk.MEDIUM, "known on 8 days only"),
        (lowered(usage={"expected": 4700}), "cpu", Risk.MEDIUM, "14.9 % of the samples are missing"),
        (lowered(sizing=SIZING._replace(step_down_percent=40)), "cpu", Risk.MEDIUM, "40 % less at once"),
        (lowered(sizing=SIZING._replace(step_down_percent=55)), "cpu", Risk.HIGH, "55 % less at once"),
        (lowered(kind="DaemonSet"), "cpu", Risk.MEDIUM, "the pods of a DaemonSet are made anew"),
        (lowered(kind="StatefulSet", sizing=SIZING._replace(raised_only_kinds=())), "cpu", Risk.MEDIUM,
         "the pods of a StatefulSet are made anew"),
        (lowered("memory", usage={"memory": 760 * MI}, sizing=levels(headroom_percent=5)), "memory",
         Risk.MEDIUM, "8 % above the peak of 760Mi"),
        (lowered(usage={"replicas": 1, "restarts": 1}), "cpu", Risk.MEDIUM,
         "restarted 1 time within the window; its only pod is made anew"),
        (priced(cpu="50m"), "cpu", Risk.LOW, "it only adds"),
        (priced(cpu="50m", sizing=FREE), "cpu", Risk.MEDIUM, "it more than doubles, and fits on fewer nodes"),
        (priced(cpu="150m", consumers=MANY), "cpu", Risk.MEDIUM, "11 containers get it from one line"),
    ],
)  # fmt: skip
def test_what_makes_a_change_risky_is_told(found: Evidence, field: str, level: Risk, words: str) -> None:
    assert risk(found, Field(f"requests.{field}")) == (level, words)


def test_a_percentile_of_memory_below_the_peak_is_of_high_risk() -> None:
    level = SIZING.memory._replace(estimator="percentile", percentile_permille=990)
    found = lowered("memory", usage={"memory": flat(400 * MI, peak=900 * MI)},
                    sizing=SIZING._replace(memory=level))  # fmt: skip
    assert risk(found, Field.MEMORY_REQUEST) == (Risk.HIGH, "below the peak of 900Mi")


def test_the_only_pod_of_a_job_is_no_risk() -> None:
    assert risk(lowered(kind="CronJob", usage={"replicas": 1}))[0] is Risk.LOW


# ---------------------------------------------------------------------------------------------
# Too little to bother
# ---------------------------------------------------------------------------------------------


def with_floor(amount: int, currency: str = "") -> SizingPolicy:
    return SIZING._replace(smallest_savings=Amount(amount, currency))


# From 500m to 210m of three pods: 870 millicores.
WHOLE_WAY = 870 * 730_000


@pytest.mark.parametrize(
    ("floor", "kept"),
    [
        (with_floor(WHOLE_WAY), False),
        (with_floor(WHOLE_WAY + 1), True),
        (with_floor(WHOLE_WAY + 1, "EUR"), True),
        (with_floor(WHOLE_WAY + 1, "USD"), False),
        (with_floor(0), False),
        (SIZING, False),
    ],
)
def test_savings_below_the_floor_are_kept(floor: SizingPolicy, kept: bool) -> None:
    """The whole way counts, not the part of it that one step goes."""
    row = decide(priced(cpu="500m", sizing=floor))[0]
    assert isinstance(row, Keep) is kept
    if isinstance(row, Keep):
        assert row.reason is Reason.TOO_SMALL
        assert "would save 635.10 EUR a month (a test), less than the 635.10 EUR that is worth" in row.detail


def test_without_a_price_the_floor_holds_nothing_back() -> None:
    assert isinstance(decide(priced(None, with_floor(10**12), cpu="500m"))[0], Change)


def test_raises_do_not_wait_for_money() -> None:
    assert isinstance(decide(priced(cpu="150m", sizing=with_floor(10**12)))[0], Change)


def test_what_is_wrong_with_the_evidence_is_told_before_the_money() -> None:
    thin = (consumer(used(days=3)),)
    row = decide(priced(cpu="500m", sizing=with_floor(10**12), consumers=thin))[0]
    assert isinstance(row, Keep)
    assert row.reason is Reason.THIN_EVIDENCE


def test_explain_tells_the_money() -> None:
    def words(found: Evidence) -> str:
        return next(stage.words for stage in explain(found)[0].stages if stage.name == "worth")

    dollars = priced(ASSUMED, cpu="500m")
    assert words(dollars) == "the difference for 3 pods, $20.08 a month; savings of less than 50m are kept"
    assert words(priced(cpu="500m", sizing=with_floor(5_000_000))).endswith(
        "savings of less than 50m or 5.00 EUR a month are kept"
    )


def test_a_consumer_without_metrics_counts_as_the_manifest_says() -> None:
    """Raises for safety go on without it, and what they cost is told of everyone."""
    silent = consumer(NoUsage(Reason.NO_METRICS, "none"), API)._replace(replicas=5)
    short = used(cpu=400)
    found = worth(priced(cpu="200m", consumers=(consumer(short), silent)))
    new = 400
    assert found.monthly.millionths == monthly(ROUND, new - 200, 0) * 8


def test_the_price_stands_in_the_evidence_and_moves_no_request() -> None:
    for price in (None, ASSUMED, ROUND, Price("USD", 0, 0, "free")):
        found = change(priced(price, cpu="500m"))
        assert [value.new for value in found.values] == ["400m"]
    assert with_slot(priced(), Field.CPU_REQUEST, value="1").price == ROUND
    assert priced().now == NOW

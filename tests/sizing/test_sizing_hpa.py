"""Requests that an autoscaler counts: with its target, or not at all."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sizing_evidence import MI, WEB, consumer, evidence, levels, used

from reconciler import canonical
from reconciler.model import (
    Aim,
    Change,
    ChangeClass,
    Consumer,
    ContainerRef,
    Decision,
    Evidence,
    Field,
    Keep,
    Mode,
    Place,
    Price,
    Reason,
    Refused,
    Scaler,
    Sibling,
    Slot,
)
from reconciler.quantity import format_cpu, read
from reconciler.report.rows import explanation
from reconciler.sizing import decide, decide_all, explain, hpa, tell

WHOLE, OWN = Aim("cpu", "", True), Aim("cpu", "app", True)
AMOUNT = Aim("cpu", "", False)
PROXY = WEB._replace(container="proxy")


def scaler(*aims: Aim, kind: str = "HorizontalPodAutoscaler", name: str = "web", **other: Any) -> Scaler:
    resources = other.pop("resources", ("cpu",))
    return Scaler(kind, name, resources, (), "hpa.yaml", 3, aims, **other)


def target(
    percent: str | None = "60", path: str = "hpa.yaml", of: tuple[ContainerRef, ...] = (WEB,), **other: Any
) -> Slot:
    place = Place("deploy", path, 0, ("spec", "target"))
    return Slot(place, 9, other.pop("field", Field.CPU_TARGET), percent, of, **other)


def sibling(name: str, cpu: int | None = 300, limit: int | None = None, **other: Any) -> Sibling:
    return Sibling(name, other.get("init", False), other.get("sidecar", False), cpu, 64 * MI, limit, None)


def scaled(
    *scalers: Scaler,
    targets: tuple[Slot, ...] | None = None,
    siblings: tuple[Sibling, ...] = (),
    cpu: int = 182,
    ref: ContainerRef = WEB,
    **other: Any,
) -> Consumer:
    one = consumer(used(cpu, **other.pop("usage", {})), ref, scalers or (scaler(WHOLE),))
    own = (target(),) if targets is None else targets
    return one._replace(targets=own, siblings=siblings, **other)


def cpu_row(found: Evidence) -> Decision:
    return decide(found)[0]


def moved(row: Decision) -> dict[str, str]:
    assert isinstance(row, Change), row
    return {value.slot.field.value: value.new for value in row.values}


# -- together -------------------------------------------------------------------------------------


def test_the_target_goes_up_as_the_request_goes_down() -> None:
    row = cpu_row(evidence(cpu="500m", consumers=(scaled(),)))
    assert moved(row) == {"requests.cpu": "400m", "target.cpu": "75"}
    assert row.because.endswith("target 60 % → 75 %, so that it scales out at the same 300m a pod")


def test_and_down_as_the_request_goes_up() -> None:
    row = cpu_row(evidence(cpu="100m", consumers=(scaled(),)))
    assert moved(row) == {"requests.cpu": "200m", "target.cpu": "30"}


def test_all_containers_of_the_pod_count_and_sidecars_but_no_init_containers() -> None:
    mates = (
        sibling("proxy", 100),
        sibling("mesh", 200, init=True, sidecar=True),
        sibling("migrate", 4000, init=True),
    )
    row = cpu_row(evidence(cpu="500m", consumers=(scaled(siblings=mates),)))
    assert moved(row) == {"requests.cpu": "400m", "target.cpu": str(60 * 800 // 700)}


def test_of_one_container_its_request_alone_counts() -> None:
    row = cpu_row(evidence(cpu="500m", consumers=(scaled(scaler(OWN), siblings=(sibling("proxy", None),)),)))
    assert moved(row) == {"requests.cpu": "400m", "target.cpu": "75"}


def test_a_target_of_another_container_is_no_matter_of_this_one() -> None:
    other = Scaler(
        "HorizontalPodAutoscaler", "web", ("cpu",), ("proxy",), "hpa.yaml", 3, (Aim("cpu", "proxy", True),)
    )
    row = cpu_row(evidence(cpu="500m", consumers=(scaled(other, targets=()),)))
    assert moved(row) == {"requests.cpu": "400m"}


def test_an_init_container_that_ends_is_not_counted() -> None:
    sizing = levels()._replace(manage_init=True)
    for kind, kept in (("HorizontalPodAutoscaler", False), ("VerticalPodAutoscaler", True)):
        one = scaled(scaler(WHOLE, kind=kind), targets=())._replace(init=True)
        row = cpu_row(evidence(cpu="100m", consumers=(one,), sizing=sizing))
        assert (isinstance(row, Keep) and row.reason is Reason.SCALED_BY_VPA) is kept


@pytest.mark.parametrize("seen", [(), ("memory",)])
def test_an_amount_is_no_matter_of_the_request(seen: tuple[str, ...]) -> None:
    one = scaled(scaler(AMOUNT), targets=(), usage={"scaled_on": seen})
    assert moved(cpu_row(evidence(cpu="500m", consumers=(one,)))) == {"requests.cpu": "400m"}


def test_one_line_may_feed_several_workloads_and_their_autoscalers() -> None:
    other = WEB._replace(namespace="dev")
    both = (WEB, other)
    fed = tuple(scaled(targets=(target(of=both),), ref=ref) for ref in both)
    assert moved(cpu_row(evidence(cpu="500m", consumers=fed))) == {"requests.cpu": "400m", "target.cpu": "75"}
    apart = (scaled(), scaled(targets=(target("80", "dev.yaml", (other,)),), ref=other))
    row = cpu_row(evidence(cpu="500m", consumers=apart))
    assert isinstance(row, Change)
    assert [value.new for value in row.values] == ["400m", "75", "100"] or [
        value.new for value in row.values
    ] == ["400m", "100", "75"]
    assert "of shop/Deployment/web/app" in row.because


def test_memory_has_a_target_of_its_own() -> None:
    aim = scaler(Aim("memory", "", True), resources=("memory",))
    one = scaled(aim, targets=(target("70", field=Field.MEMORY_TARGET),))
    row = decide(evidence(memory="1000Mi", consumers=(one,)))[1]
    assert moved(row)["target.memory"] == str(
        70 * 1000 * MI // read(Field.MEMORY_REQUEST, moved(row)["requests.memory"])
    )


# -- kept -----------------------------------------------------------------------------------------

_STRANGER = ContainerRef("", "shop", "Deployment", "api", "app")
_TWICE = (scaler(WHOLE), scaler(WHOLE, name="other"))
KEPT: dict[str, tuple[Consumer, str]] = {
    "vertical": (scaled(scaler(kind="VerticalPodAutoscaler")), "acts on the cpu"),
    "nothing that can be read": (scaled(scaler()), "acts on the cpu"),
    "two autoscalers": (scaled(*_TWICE), "and so does another"),
    "two targets": (scaled(scaler(WHOLE, OWN)), "several targets"),
    "no place": (scaled(targets=()), "isn't known"),
    "no place to edit": (
        scaled(targets=(target(refused=Refused(Reason.NOT_TRACED, "no value leads there")),)),
        "can't: no value leads there",
    ),
    "no number": (scaled(targets=(target("some"),)), "no whole number"),
    "no request beside": (scaled(siblings=(sibling("proxy", None),)), "without a request of proxy"),
    "shared target": (
        scaled(targets=(target(of=(WEB, _STRANGER)),)),
        "the one of shop/Deployment/api/app",
    ),
    "KEDA as well": (scaled(scaler(kind="ScaledObject"), targets=()), "acts on the cpu"),
}


@pytest.mark.parametrize(("one", "words"), KEPT.values(), ids=KEPT)
def test_kept(one: Consumer, words: str) -> None:
    row = cpu_row(evidence(cpu="500m", consumers=(one,)))
    assert isinstance(row, Keep)
    assert row.reason in (Reason.SCALED_BY_HPA, Reason.SCALED_BY_VPA, Reason.SCALED_BY_KEDA)
    assert words in row.detail
    assert one.scalers[0].name in row.detail
    assert isinstance(
        decide(evidence(memory="1000Mi", consumers=(one,)))[1], Change
    )  # memory is not scaled on


def test_an_autoscaler_that_only_the_metrics_know_of() -> None:
    for scalers in ((), (scaler(AMOUNT),)):
        one = consumer(used(182, scaled_on=("cpu",)), WEB, scalers)
        row = cpu_row(evidence(cpu="500m", consumers=(one,)))
        assert isinstance(row, Keep)
        assert row.reason is Reason.SCALED_BY_HPA
        assert "isn't in the repository" in row.detail
    known = scaled(usage={"scaled_on": ("cpu",)})
    assert isinstance(cpu_row(evidence(cpu="500m", consumers=(known,))), Change)


@pytest.mark.parametrize(("percent", "cpu", "words"), [("450", "500m", "562 %"), ("11", "100m", "5 %")])
def test_a_target_that_would_make_no_sense(percent: str, cpu: str, words: str) -> None:
    row = cpu_row(evidence(cpu=cpu, consumers=(scaled(targets=(target(percent),)),)))
    assert isinstance(row, Keep)
    assert words in row.detail


def test_a_load_that_limits_never_let_it_reach() -> None:
    row = cpu_row(evidence(cpu="500m", cpu_limit="550m", consumers=(scaled(targets=(target("120"),)),)))
    assert isinstance(row, Keep)
    assert "adds pods at 600m a pod, which limits of 550m never let them reach" in row.detail
    free = scaled(targets=(target("120"),), siblings=(sibling("proxy", 10),))  # it has no limit
    assert isinstance(cpu_row(evidence(cpu="500m", cpu_limit="550m", consumers=(free,))), Change)


def test_in_mode_observe_the_target_is_told() -> None:
    row = cpu_row(evidence(cpu="500m", consumers=(scaled(),), mode=Mode.OBSERVE))
    assert isinstance(row, Keep)
    assert "target.cpu 60 → 75" in row.detail


def test_explain_tells_of_the_autoscaler() -> None:
    (shown, _) = explain(evidence(cpu="500m", consumers=(scaled(),)))
    assert "change (savings): target.cpu 60 → 75" in "\n".join(tell(shown))
    (kept, _) = explain(evidence(cpu="215m", consumers=(scaled(),)))
    assert "scales out at 60 % of 215m a pod" in "\n".join(tell(kept))
    (free, _) = explain(evidence(cpu="215m", consumers=(scaled(scaler(AMOUNT), targets=()),)))
    assert "aims for an amount of cpu" in "\n".join(tell(free))


def test_the_example_of_the_docs_is_what_explain_says() -> None:
    text = (Path(__file__).parents[2] / "docs" / "autoscalers.md").read_text("utf-8")
    (example,) = re.findall(r"```text\n(.*?)\n```", text, re.DOTALL)
    assert example == "\n".join(tell(explain(evidence(cpu="500m", consumers=(scaled(),)))[0]))
    assert f"below {hpa.LEAST} %" in text
    assert f"above {hpa.MOST} %" in text


def test_evidence_without_autoscalers_reads_as_it_always_did() -> None:
    plain = canonical.dump(evidence())
    assert not any(word in plain for word in ('"aims"', '"targets"', '"beside"'))
    full = evidence(consumers=(scaled(),))
    assert canonical.load(Evidence, canonical.plain(full)) == full


# -- several containers of a pod ------------------------------------------------------------------


def pod(app: int, proxy: int, use: tuple[int, int] = (182, 182), percent: int = 60) -> list[Evidence]:
    """Both containers of one pod, with what each of them requests and uses."""
    both = (WEB, PROXY)
    shares = {WEB: ("app", app), PROXY: ("proxy", proxy)}
    found = []
    for ref, mate in ((WEB, PROXY), (PROXY, WEB)):
        one = scaled(
            targets=(target(str(percent), of=both),),
            siblings=(sibling(*shares[mate]),),
            ref=ref,
            cpu=use[both.index(ref)],
        )
        seen = evidence(cpu=f"{shares[ref][1]}m", consumers=(one,))
        path = f"{ref.container}.yaml"
        slots = tuple(slot._replace(place=slot.place._replace(path=path)) for slot in seen.slots)
        found.append(seen._replace(slots=slots))
    return found


def test_containers_of_one_pod_come_to_one_change() -> None:
    found = pod(500, 400)
    rows = [one.rows[0] for one in decide_all(found)]
    assert all(isinstance(row, Change) for row in rows)
    new = [
        {(value.slot.place.path, value.new) for value in row.values}
        for row in rows
        if isinstance(row, Change)
    ]
    assert new[0] == new[1] == {("app.yaml", "400m"), ("proxy.yaml", "320m"), ("hpa.yaml", "75")}
    for one in decide_all(found):  # and each evidence alone tells the same
        assert decide(one.evidence) == one.rows
        assert canonical.load(Evidence, canonical.plain(one.evidence)) == one.evidence
        row = one.rows[0]
        assert isinstance(row, Change)
        assert "75 %" in row.because
        assert "with it shop/Deployment/web/" in row.because
        assert row.because.count("target 60 %") == 1


def test_explain_names_the_container_that_changes_with_it() -> None:
    first = decide_all(pod(500, 400))[0].evidence
    told = tell(explain(first)[0])
    assert "  change (savings): 500m → 400m" in told
    assert "  change (savings): requests.cpu of proxy 400m → 320m" in told
    assert "  change (savings): target.cpu 60 → 75" in told
    shown = explanation(explain(first)[0], first)
    assert shown["new"] == {"requests.cpu": "400m", "target.cpu": "75"}


def test_what_it_is_worth_is_what_all_of_it_is_worth() -> None:
    price = Price("USD", 40_000, 5_000, "us")
    found = [one._replace(price=price) for one in pod(500, 400)]
    alone = [row.worth for one in found if isinstance(row := decide(one)[0], Change)]
    for one in decide_all(found):
        row = one.rows[0]
        assert isinstance(row, Change)
        assert row.worth is not None
        total = sum(each.monthly.millionths for each in alone if each is not None)
        assert row.worth.monthly.millionths == total < 0


def test_a_raise_for_safety_makes_the_whole_one_of_safety() -> None:
    rows = [one.rows[0] for one in decide_all(pod(100, 400))]
    assert [row.klass for row in rows if isinstance(row, Change)] == [ChangeClass.SAFETY] * 2


def test_one_that_stays_counts_as_it_is() -> None:
    first, second = (one.rows[0] for one in decide_all(pod(500, 210)))
    assert moved(first) == {"requests.cpu": "400m", "target.cpu": str(60 * 710 // 610)}
    assert isinstance(second, Keep)


def test_where_they_can_not_be_one_change_the_others_wait() -> None:
    """The request of one feeds another workload too, with a target of its own."""
    first, second = pod(500, 400)
    other = WEB._replace(namespace="dev")
    more = scaled(targets=(target("60", "dev.yaml", (other,)),), ref=other)
    refs = (WEB, other)
    slots = tuple(slot._replace(consumers=refs) for slot in first.slots)
    first = first._replace(slots=slots, consumers=(*first.consumers, more))
    one, two = (each.rows[0] for each in decide_all([first, second]))
    assert isinstance(one, Change)
    assert isinstance(two, Keep)
    assert two.reason is Reason.SCALED_TOGETHER
    assert "which changes first; later it would become 320m" in two.detail
    assert one == decide(first)[0]


def test_a_shared_line_that_two_evidences_tell_of_is_one_request() -> None:
    other = WEB._replace(namespace="dev")
    both = (WEB, other)
    fed = tuple(scaled(targets=(target(of=both),), ref=ref) for ref in both)
    found = [evidence(cpu="500m", consumers=fed), evidence(cpu="500m", consumers=fed[::-1])]
    assert [one.evidence for one in decide_all(found)] == found


# -- laws -----------------------------------------------------------------------------------------

amounts = st.integers(10, 4000)


@settings(deadline=None, max_examples=200)
@given(amounts, st.integers(1, 900), amounts, st.lists(amounts, max_size=3), st.booleans())
def test_pods_are_added_at_the_same_load(
    cpu: int, percent: int, use: int, others: list[int], whole: bool
) -> None:
    """It never rises, and falls by less than one per cent of what is requested then."""
    mates = tuple(sibling(f"mate-{at}", amount) for at, amount in enumerate(others))
    one = scaled(scaler(WHOLE if whole else OWN), targets=(target(str(percent)),), siblings=mates, cpu=use)
    row = cpu_row(evidence(cpu=format_cpu(cpu), consumers=(one,), sizing=levels(floor=1)))
    if isinstance(row, Keep):
        return
    rest = sum(others) if whole else 0
    new = moved(row)
    before = percent * (cpu + rest)
    total = read(Field.CPU_REQUEST, new["requests.cpu"]) + rest
    after = int(new.get("target.cpu", percent)) * total
    assert before - total < after <= before
    assert int(new.get("target.cpu", percent)) >= 1


@settings(deadline=None, max_examples=100)
@given(amounts, amounts, amounts, amounts, st.integers(1, 400))
def test_and_with_several_containers_too(app: int, proxy: int, use: int, other: int, percent: int) -> None:
    found = decide_all(pod(app, proxy, (use, other), percent))
    rows = [one.rows[0] for one in found]
    edits = {
        frozenset((value.slot.place, value.new) for value in row.values)
        for row in rows
        if isinstance(row, Change)
    }
    assert len(edits) <= 1  # one change, that of one of them, or none
    for edit in edits:
        new = {place.path: value for place, value in edit}
        total = read(Field.CPU_REQUEST, new.get("app.yaml", f"{app}m"))
        total += read(Field.CPU_REQUEST, new.get("proxy.yaml", f"{proxy}m"))
        before = percent * (app + proxy)
        assert before - total < int(new.get("hpa.yaml", percent)) * total <= before


@settings(deadline=None, max_examples=50)
@given(amounts, st.integers(20, 200))
def test_deciding_on_the_settled_result_keeps(cpu: int, percent: int) -> None:
    for _ in range(40):
        one = scaled(targets=(target(str(percent)),), cpu=100)
        row = cpu_row(evidence(cpu=format_cpu(cpu), consumers=(one,)))
        if isinstance(row, Keep):
            return
        new = moved(row)
        cpu, percent = read(Field.CPU_REQUEST, new["requests.cpu"]), int(new.get("target.cpu", percent))
    raise AssertionError(f"never settles: {cpu}, {percent}")

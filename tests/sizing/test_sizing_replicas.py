"""Bounds of autoscalers that don't fit what was used."""

from __future__ import annotations

from typing import Any

import pytest
from sizing_evidence import DAY, SIZING, WEB, consumer, evidence, flat, used

from reconciler.model import Aim, DayPeaks, Evidence, Field, Place, Scaler, Sibling, SizingPolicy, Slot, Usage
from reconciler.sizing import advised, explain, tell
from reconciler.sizing.replicas import advice

ADVISES = SIZING._replace(advises_replicas=True)
TARGET = Slot(Place("deploy", "hpa.yaml", 0, ("spec",)), 9, Field.CPU_TARGET, "60", (WEB,))


def scaled(
    pods: int = 6,
    peak: int = 40,
    *,
    fewest: int = 6,
    most: int = 20,
    days: int = 14,
    sizing: SizingPolicy = ADVISES,
    lost: tuple[int, ...] = (),
    target: str = "60",
    more: tuple[Sibling, ...] = (),
    **usage: Any,
) -> Evidence:
    """So many pods all the time, none of which ever used more than `peak`; each asks for 200m."""
    full = pods * DAY // 300
    seen = tuple(DayPeaks(20_000 - days + at, full, peak, peak, 1) for at in range(days) if at not in lost)
    found = used(flat(20, peak, full * days), days=days, replicas=pods, **usage)._replace(days=seen)
    aims = (Aim("cpu", "", True),)
    scaler = Scaler("HorizontalPodAutoscaler", "web", ("cpu",), (), "hpa.yaml", 3, aims, fewest, most)
    one = consumer(found, WEB, (scaler,))._replace(targets=(TARGET._replace(value=target),), siblings=more)
    return evidence(cpu="200m", consumers=(one,), sizing=sizing)


def words(found: Evidence) -> str:
    said = advice(found)
    return said.words if said is not None else ""


def test_more_pods_than_all_of_them_need() -> None:
    """6 pods with 40m each are 240m; 3 with 80m each are under 96m, a fifth below 120m."""
    assert words(scaled()) == (
        "HorizontalPodAutoscaler web kept its least of 6 pods on each of 12 days. With all at their peak of "
        "40m at once, 3 would stay a fifth under the 120m a pod from which on it adds others: a least of 3 "
        "would do, if memory and the loss of a pod allow it"
    )


@pytest.mark.parametrize(("peak", "least"), [(1, "2"), (16, "2"), (48, "3"), (49, "4"), (80, "5")])
def test_so_many_that_the_peak_of_all_leaves_a_fifth(peak: int, least: str) -> None:
    assert f"a least of {least} would do" in words(scaled(peak=peak))


NOTHING: dict[str, Evidence] = {
    "the policy doesn't ask": scaled(sizing=SIZING),
    "all are needed": scaled(peak=81),
    "two are left": scaled(2, fewest=2),
    "there were more": scaled(7),
    "there were fewer": scaled(5),
    "a day is missing": scaled(lost=(5,)),
    "a few days": scaled(days=8),
    "both bounds are one": scaled(most=6),
    "bounds are not known": scaled(fewest=0, most=0),
    "pods are guessed": scaled(owner_guessed=True),
    "metrics are partial": scaled(incomplete="main did not answer"),
    "throttled": scaled(throttled_permille=200),
    "others of the pod count": scaled(more=(Sibling("proxy", False, False, 100, 1, None, None),)),
    "the target can't be read": scaled(target="some"),
}


@pytest.mark.parametrize("found", NOTHING.values(), ids=NOTHING)
def test_nothing_is_said(found: Evidence) -> None:
    assert words(found) == ""


def test_a_day_with_more_pods_is_no_day_at_the_least() -> None:
    found = scaled()
    usage = found.consumers[0].usage
    assert isinstance(usage, Usage)
    days = [
        day._replace(samples=day.samples * (11 if at == 6 else 10) // 10) for at, day in enumerate(usage.days)
    ]
    more = found.consumers[0]._replace(usage=usage._replace(days=tuple(days)))
    assert words(found)
    assert words(found._replace(consumers=(more,))) == ""


def test_as_many_as_it_may() -> None:
    said = "ran its most of 6 pods on each of 12 days, and has none left to add"
    assert said in words(scaled(fewest=2, most=6, peak=190))
    assert said in words(scaled(fewest=2, most=6, peak=190, throttled_permille=300))


def test_it_is_told_once_a_workload() -> None:
    found = [scaled(), scaled(), scaled(sizing=SIZING)]
    (note,) = advised(found)
    assert (note.what, note.path, note.line) == ("replicas", "hpa.yaml", 3)
    assert note.detail.startswith("shop/Deployment/web: HorizontalPodAutoscaler web kept")


def test_explain_tells_it_and_the_decision_is_the_same() -> None:
    said, silent = scaled(), scaled(sizing=SIZING)
    assert any("  replicas " in line for line in tell(explain(said)[0]))
    ours, theirs = explain(said)[0].decision, explain(silent)[0].decision
    assert type(ours) is type(theirs)
    assert not any("  replicas " in line for line in tell(explain(silent)[0]))

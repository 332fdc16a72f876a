"""What a change would have meant over the days it was decided on: counted anew, sample by sample."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sizing_evidence import API, MI, consumer, evidence, flat, sketch, used

from reconciler.model import Change, DayPeaks, Evidence, Field, Hindsight, Usage
from reconciler.sizing import decide, explain, hindsight, tell


def change(given: Evidence, field: Field) -> Change:
    (found,) = (row for row in decide(given) if isinstance(row, Change) and row.values[0].slot.field is field)
    return found


def lived(given: Evidence, field: Field) -> Hindsight:
    found = change(given, field).hindsight
    assert found is not None
    return found


def peaking(*peaks: int) -> Usage:
    days = tuple(DayPeaks(19_986 + at, 288, 182, 182, peak) for at, peak in enumerate(peaks))
    return used(memory=flat(100 * MI, peak=max(peaks)), days=14)._replace(days=days)


def test_days_whose_peak_passes_a_request_are_counted() -> None:
    peaks = [300 * MI] * 11 + [600 * MI] * 3
    found = lived(evidence(memory="512Mi", consumers=(consumer(peaking(*peaks)),)), Field.MEMORY_REQUEST)
    assert (found.days, found.containers) == (14, 1)
    assert found.old is not None
    assert (found.old.request, found.old.days_over) == (512 * MI, 3)
    assert found.new.days_over == 0


def test_a_peak_that_a_request_just_holds_is_none() -> None:
    found = lived(
        evidence(memory="300Mi", consumers=(consumer(peaking(*[300 * MI] * 14)),)), Field.MEMORY_REQUEST
    )
    assert found.old is not None
    assert found.old.days_over == 0


def test_seconds_over_a_request_are_those_of_samples_above_it() -> None:
    """14 days of 288 samples; 40 of 900m and 100 of 500m."""
    cpu = sketch(*[100] * (14 * 288 - 140), *[500] * 100, *[900] * 40)
    found = lived(evidence(cpu="600m", consumers=(consumer(used(cpu=cpu)),)), Field.CPU_REQUEST)
    assert found.old is not None
    assert found.old.seconds_over == 40 * 300 // 14
    assert found.new.request == 480
    assert found.new.seconds_over == 140 * 300 // 14


def test_slack_is_what_is_left_of_the_request_on_average() -> None:
    found = lived(evidence(cpu="500m"), Field.CPU_REQUEST)
    assert found.old is not None
    assert found.old.slack_permille == 1000 * (500 - 182) // 500
    assert found.new.slack_permille == 1000 * (400 - 182) // 400


def test_more_than_requested_is_less_than_nothing_left() -> None:
    found = lived(evidence(memory="200Mi"), Field.MEMORY_REQUEST)
    assert found.old is not None
    assert found.old.slack_permille == -1000
    assert "(now -100 %)" in hindsight.words(found)


def test_everyone_on_the_line_counts() -> None:
    given = evidence(consumers=(consumer(used(cpu=100)), consumer(used(cpu=300), ref=API)), cpu="2")
    found = lived(given, Field.CPU_REQUEST)
    assert (found.days, found.containers) == (28, 2)
    assert found.old is not None
    assert found.old.slack_permille == 900
    assert "over these 28 container-days" in hindsight.words(found)


def test_a_first_request_has_nothing_to_be_compared_with() -> None:
    found = lived(evidence(cpu=None), Field.CPU_REQUEST)
    assert found.old is None
    assert hindsight.words(found) == (
        "had it been in force over these 14 days: above it 0 pod-minutes a day, unused 13.3 %"
    )


def test_it_is_told_by_explain() -> None:
    given = evidence(cpu="500m")
    told = [line for found in explain(given) for line in tell(found)]
    words = hindsight.words(lived(given, Field.CPU_REQUEST))
    assert f"    {words}" in told
    assert words.startswith(
        "had it been in force over these 14 days: above it 0 pod-minutes a day (now 0), unused"
    )


@given(st.lists(st.integers(1, 2000), min_size=60, max_size=200), st.integers(1, 2500))
def test_a_larger_request_is_passed_less_and_leaves_more(samples: list[int], request: int) -> None:
    usage = used(cpu=sketch(*samples))
    one, other = hindsight.lived("cpu", [usage], 14, (request, request + 1))
    assert one.seconds_over >= other.seconds_over
    assert one.slack_permille <= other.slack_permille
    assert one.seconds_over == sum(sample > request for sample in samples) * 300 // 14
    exact = 1000 - 1000 * sum(samples) / (request * len(samples))
    assert one.slack_permille == pytest.approx(exact, abs=1)

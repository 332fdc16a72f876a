"""What is particular to one kind of server: how its labels are called, how much time it is asked about."""

from __future__ import annotations

import pytest

from reconciler.usage.days import DAY
from reconciler.usage.prometheus.probe import Part, runs
from reconciler.usage.prometheus.promql import POD_OWNER, PRESETS, Questions, Scope

FIRST = 20_000


@pytest.mark.parametrize("preset", ["kube-prometheus", "gmp", "azure"])
def test_kube_state_metrics_keeps_its_labels_as_clouds_scrape_it(preset: str) -> None:
    questions = Questions(Scope(""), PRESETS[preset])
    assert questions.state(POD_OWNER, ["shop"]) == 'kube_pod_owner{namespace="shop"}'
    assert questions.state_containers == "by (cluster,namespace,pod,container)"


def test_without_honor_labels_they_are_exported() -> None:
    questions = Questions(Scope(""), PRESETS["exported"])
    assert questions.state(POD_OWNER, ["shop"]) == 'kube_pod_owner{exported_namespace="shop"}'
    assert questions.containers == "by (cluster,namespace,pod,container)"


def parts(*days: int, cut: int = 0) -> list[Part]:
    return [Part(day, (day + 1) * DAY - (cut if day == days[-1] else 0)) for day in days]


@pytest.mark.parametrize("days", [1, 29, 30, 31, 60, 100, 366])
def test_no_question_is_about_more_than_a_server_takes(days: int) -> None:
    asked = parts(*range(FIRST, FIRST + days), cut=3600)
    found = runs(asked)
    assert [part for run in found for part in run] == asked
    assert all(run[-1].end - run[0].span.start <= 30 * DAY for run in found)
    assert len(found) == -(-days // 30)


def test_a_missing_day_ends_a_run() -> None:
    found = runs(parts(FIRST, FIRST + 1, FIRST + 3))
    assert [[part.day for part in run] for run in found] == [[FIRST, FIRST + 1], [FIRST + 3]]

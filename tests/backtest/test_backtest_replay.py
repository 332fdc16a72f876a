"""The replay: who is asked when, what it is told of its own doing, and what is counted."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from past import DAY, MI, START, past

from reconciler.backtest.advice import Requests
from reconciler.backtest.krr import simple
from reconciler.backtest.policies import following
from reconciler.backtest.replay import Course, Pace, replay
from reconciler.backtest.series import History
from reconciler.backtest.vpa import Vpa
from reconciler.backtest.windows import Windows
from reconciler.config import PolicyBook
from reconciler.model import OomKill, Policy
from reconciler.usage import sketch

EVERY_DAY = Pace(train_days=2, step_days=1)


class Noting:
    """Asks for a fixed request, and keeps what it was told."""

    def __init__(self, request: Requests) -> None:
        self.request = request
        self.told: list[tuple[int, Requests, tuple[OomKill, ...]]] = []

    def advise(self, day: int, in_force: Requests, kills: Sequence[OomKill]) -> Requests:
        self.told.append((day - START, in_force, tuple(kills)))
        return self.request


def lived(history: History, request: Requests, pace: Pace = EVERY_DAY) -> tuple[Noting, Course]:
    noting = Noting(request)
    course = replay(history, lambda _: noting, pace)
    return noting, course


def shipped(name: str) -> Policy:
    found = PolicyBook().named(name)
    assert isinstance(found, Policy)
    return found


def test_training_is_over_after_so_many_days() -> None:
    noting, course = lived(past(memory=[MI] * 5), Requests(1, 2 * MI))
    assert [day for day, _, _ in noting.told] == [2, 3, 4]
    assert course.days.tolist() == [START + 2, START + 3, START + 4]


def test_it_is_asked_as_often_as_it_should() -> None:
    noting, course = lived(past(memory=[MI] * 10), Requests(1, 2 * MI), Pace(2, 3))
    assert [day for day, _, _ in noting.told] == [2, 5, 8]
    assert course.memory.tolist() == [2 * MI] * 8


def test_a_peak_above_the_request_is_a_kill_from_the_next_day_on() -> None:
    noting, _ = lived(past(memory=[9 * MI, MI, MI, 5 * MI, MI]), Requests(1, 4 * MI))
    assert [kills for _, _, kills in noting.told] == [(), (), (OomKill(START + 3, 1, 4 * MI),)]


def test_recorded_kills_are_told_the_day_after() -> None:
    noting, _ = lived(past(memory=[MI] * 5, killed_on=[0, 3]), Requests(1, 4 * MI))
    recorded = [OomKill(START, 1, 0), OomKill(START + 3, 1, 0)]
    assert [list(kills) for _, _, kills in noting.told] == [recorded[:1], recorded[:1], recorded]


def test_what_the_samples_state_is_in_force_at_first() -> None:
    noting, _ = lived(past(memory=[MI] * 4, stated=(0.25, 3 * MI)), Requests(1, 2 * MI))
    assert [force for _, force, _ in noting.told] == [Requests(250, 3 * MI), Requests(1, 2 * MI)]


def test_nothing_of_a_day_or_later_is_known_at_its_begin() -> None:
    """Whatever comes after, the course up to there is the same."""
    calm, wild = [400 * MI] * 40, [400 * MI] * 30 + [4000 * MI] * 10
    for adviser in (following(shipped("balanced")), Vpa, simple):
        courses = [replay(past(memory=peaks), adviser, Pace(28, 1)) for peaks in (calm, wild)]
        assert courses[0].memory[:3].tolist() == courses[1].memory[:3].tolist()
        assert courses[0].memory[3:].tolist() != courses[1].memory[3:].tolist()


def test_a_policy_moves_at_its_own_pace() -> None:
    """From 4 GiB down to where 400 MiB lead: 20 % a step, seven days between two."""
    history = past(memory=[400 * MI] * 36, cpu=0.1, stated=(0.115, 4096 * MI))
    course = replay(history, following(shipped("balanced")), Pace(14, 1))
    changes = np.flatnonzero(np.diff(course.memory, prepend=4096 * MI))
    assert changes.tolist() == [0, 7, 14, 21]
    ratios = course.memory[changes] / np.concatenate(([4096 * MI], course.memory[changes][:-1]))
    assert all(0.8 <= ratio < 0.82 for ratio in ratios)


def test_after_a_kill_a_policy_raises_and_does_not_lower() -> None:
    history = past(memory=[400 * MI] * 30 + [900 * MI] + [400 * MI] * 5)
    course = replay(history, following(shipped("balanced")), Pace(28, 1))
    before, after = int(course.memory[0]), course.memory[3:]
    assert before == 480 * MI
    assert after.min() >= 900 * MI


def test_a_window_is_what_the_samples_of_its_days_give() -> None:
    rng = np.random.default_rng(7)
    history = past(memory=rng.integers(MI, 900 * MI, 30).tolist(), cpu=rng.uniform(0, 3, 30).tolist())
    usage = Windows(history).usage(START + 20, 14, [OomKill(START + 3, 1, 0), OomKill(START + 9, 1, 0)])
    assert usage is not None
    inside = history.between(START + 6, START + 20)
    assert usage.memory == sketch.build(history.memory[inside])
    assert usage.cpu == sketch.build(np.floor(history.cpu[inside] * 1000 + 0.5).astype(np.int64))
    assert (usage.samples, usage.expected, usage.pods, usage.replicas) == (14 * 24, 14 * 24, 1, 1)
    assert (usage.start, usage.end) == ((START + 6) * DAY, (START + 20) * DAY)
    assert [kill.day for kill in usage.oom_kills] == [START + 9]
    assert [peaks.day for peaks in usage.days] == list(range(START + 6, START + 20))
    assert Windows(history).usage(START, 14, ()) is None


@pytest.mark.parametrize("pods", [2, 3])
def test_the_worst_pod_has_a_sketch_of_its_own(pods: int) -> None:
    history = past(memory=[100 * MI] * 4)
    shared = History(**{**vars(history), "pod": np.arange(len(history.time)) % pods})
    usage = Windows(shared).usage(START + 3, 3, ())
    assert usage is not None
    assert sum(usage.memory_worst_pod.counts) < sum(usage.memory.counts)
    assert usage.memory_worst_pod.values[-1] == usage.memory.values[-1]

"""The pace of requests to a forge, on a clock that only waiting moves."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest

from reconciler.errors import Problem
from reconciler.forges.pace import GITHUB, LaterError, LostError, Pace, Rates, later
from reconciler.forges.port import Site, Spent, TooMany

NOW = 1_762_300_800


class Time:
    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def site(self, patience: int = 600, spent: Spent | None = None) -> Site:
        return Site(
            "r", None, "bot", lambda: NOW, patience=patience, sleep=self.sleep,
            monotonic=lambda: self.now, spent=spent,
        )  # fmt: skip


def never() -> None:
    raise AssertionError("nothing was lost")


def answers(*given: object) -> Callable[[], object]:
    rest = list(given)

    def ask() -> object:
        one = rest.pop(0)
        if isinstance(one, Exception):
            raise one
        return one

    return ask


def pace_of(time: Time, rates: Rates = GITHUB, **options: object) -> Pace:
    return Pace(time.site(**options), "forge.example", rates)


# -- limits ------------------------------------------------------------------------------------------


def test_writes_keep_to_the_published_limits() -> None:
    time, moments = Time(), []
    pace = pace_of(time, patience=100_000)
    for _ in range(1_200):
        pace.write(lambda: moments.append(time.now), never)
    gaps = [after - before for before, after in pairwise(moments)]
    assert min(gaps) >= 1.0
    for most, seconds in ((80, 60), (500, 3600)):
        within = [after - before for before, after in zip(moments, moments[most:], strict=False)]
        assert min(within) >= seconds


def test_time_that_goes_by_is_not_waited_for() -> None:
    time = Time()
    pace = pace_of(time)
    for _ in range(20):
        pace.write(lambda: 1, never)
        time.now += 2.0
    assert time.slept == []


def test_a_minute_is_full_before_its_hour() -> None:
    time = Time()
    pace = pace_of(time, Rates(0.0, 3, 5))
    for _ in range(4):
        pace.write(lambda: 1, never)
    assert time.slept == [60.0]


def test_what_a_run_may_not_wait_for_is_too_many() -> None:
    time = Time()
    pace = pace_of(time, Rates(0.0, 3, 5), patience=60)
    for _ in range(5):
        pace.write(lambda: 1, never)
    with pytest.raises(TooMany, match=r"forge\.example wants no more requests for 3540 s") as raised:
        pace.write(lambda: 1, never)
    assert raised.value.seconds == 3540
    assert time.slept == [60.0]


def test_repositories_of_a_server_share_limits_and_patience() -> None:
    time, spent = Time(), Spent()
    one, other = (pace_of(time, Rates(0.0, 3, 500), patience=60, spent=spent) for _ in range(2))
    for pace in (one, other, one, other):
        pace.write(lambda: 1, never)
    assert time.slept == [60.0]
    with pytest.raises(TooMany):
        one.wait(1)


# -- answers that don't come ---------------------------------------------------------------------------


def test_a_read_is_tried_again() -> None:
    time = Time()
    assert pace_of(time).read(answers(LostError("502"), LaterError(30), LostError("502"), 7)) == 7
    assert time.slept == [0.5, 30, 2.0]


def test_a_read_is_given_up() -> None:
    with pytest.raises(Problem, match=r"forge\.example doesn't answer as it should: it says 502"):
        pace_of(Time()).read(answers(*[LostError("it says 502")] * 4))


def test_a_write_that_was_done_is_not_done_again() -> None:
    time, made = Time(), []

    def write() -> int:
        made.append(1)
        raise LostError("the connection broke off")

    def find() -> int | None:
        return 5 if len(time.slept) == 2 else None  # seen only at the second look

    assert pace_of(time).write(write, find) == 5
    assert made == [1]


def test_a_write_that_was_not_done_is_done_once_more() -> None:
    time = Time()
    assert pace_of(time).write(answers(LostError("502"), 5), lambda: None) == 5
    with pytest.raises(Problem, match="doesn't answer as it should"):
        pace_of(time).write(answers(LostError("502"), LostError("502"), 5), lambda: None)


def test_a_refused_write_waits() -> None:
    time = Time()
    assert pace_of(time).write(answers(LaterError(40), 5), never) == 5
    assert time.slept == [40]


# -- what a refusal says -----------------------------------------------------------------------------

DATE = "Wed, 05 Nov 2025 00:00:00 GMT"  # 1762300800


@pytest.mark.parametrize(
    ("status", "headers", "text", "wanted"),
    [
        (403, {"Retry-After": "17"}, "", 17),
        (429, {"retry-after": "Wed, 05 Nov 2025 00:00:30 GMT", "date": DATE}, "", 30),
        (403, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(NOW + 99)}, "", 100),
        # the forge's clock is an hour ahead of ours
        (403, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1762304410",
               "Date": "Wed, 05 Nov 2025 01:00:00 GMT"}, "", 11),
        (429, {"RateLimit-Remaining": "0", "RateLimit-Reset": str(NOW + 9)}, "", 10),
        (403, {"X-RateLimit-Remaining": "4000", "X-RateLimit-Reset": str(NOW + 3000)},
         "You have exceeded a secondary rate limit", 60),
        (429, {}, "", 60),
        (429, {"Retry-After": "-1"}, "", 60),
        (403, {"Retry-After": "0"}, "", 1),
        (503, {"Retry-After": "3"}, "", 3),
        (503, {}, "", None),
        (403, {"X-RateLimit-Remaining": "4000"}, "Resource not accessible by integration", None),
        (422, {"Retry-After": "3"}, "", None),
        (200, {"X-RateLimit-Remaining": "0"}, "", None),
    ],
)  # fmt: skip
def test_how_long_a_refusal_lasts(
    status: int, headers: dict[str, str], text: str, wanted: float | None
) -> None:
    assert later(status, headers, text, NOW) == wanted

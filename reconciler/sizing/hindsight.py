"""What a request would have meant, had it been in force over the days that the decision has seen.

Counted from the very evidence of the decision: the peaks of days, and the sketches of the window.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Final

from reconciler.model import Hindsight, Lived, Sketch, Usage
from reconciler.sizing.case import Case
from reconciler.sizing.words import count, permille

_MINUTE: Final = 60


def of(case: Case, new: int) -> Hindsight | None:
    """Of all that the line feeds; their peers have requests of their own."""
    used = [one.usage for one in case.consumers if isinstance(one.usage, Usage)]
    days = sum(len(usage.days) for usage in used)
    if not days:
        return None
    old = case.in_force
    requests = [new] if old is None else [new, old]
    found = lived(case.resource, used, days, requests)
    return Hindsight(case.slot.field, days, len(used), None if old is None else found[1], found[0])


def lived(resource: str, used: Sequence[Usage], days: int, requests: Sequence[int]) -> list[Lived]:
    """Each of these requests, over so many days altogether."""
    memory = resource == "memory"
    sketches = [usage.memory if memory else usage.cpu for usage in used]
    samples = sum(sum(sketch.counts) for sketch in sketches)
    total = sum(_total(sketch) for sketch in sketches)
    found = []
    for request in requests:
        over = sum(day.memory_max > request for usage in used for day in usage.days) if memory else 0
        seconds = 0 if memory else sum(_above(usage.cpu, request) * usage.step for usage in used) // days
        found.append(Lived(request, over, seconds, _slack(total, samples * request)))
    return found


def _above(sketch: Sketch, request: int) -> int:
    """Samples."""
    return sum(sketch.counts[bisect_right(sketch.values, request) :])


def _slack(used: int, requested: int) -> int:
    return (requested - used) * 1000 // requested if requested else 0


def _total(sketch: Sketch) -> int:
    return sum(map(int.__mul__, sketch.values, sketch.counts))


# ---------------------------------------------------------------------------------------------
# In words
# ---------------------------------------------------------------------------------------------


def words(found: Hindsight) -> str:
    """`had it been in force over these 14 days: above it on 0 of them (now 3), unused 34 % (now 51 %)`"""
    before = f" (now {over(found, found.old)})" if found.old is not None else ""
    slack = f" (now {slack_in_words(found.old)})" if found.old is not None else ""
    days = count(found.days, "day") if found.containers == 1 else f"{found.days} container-days"
    above = "on {} of them" if found.field.resource == "memory" else "{} pod-minutes a day"
    return (
        f"had it been in force over these {days}: above it {above.format(over(found, found.new))}{before}, "
        f"unused {slack_in_words(found.new)}{slack}"
    )


def over(found: Hindsight, lived: Lived) -> str:
    """Days of memory, or minutes of CPU."""
    if found.field.resource == "memory":
        return str(lived.days_over)
    minutes = lived.seconds_over // _MINUTE
    return str(minutes) if minutes or not lived.seconds_over else "less than 1"


def slack_in_words(lived: Lived) -> str:
    """Below 0 where more was used than requested."""
    sign = "-" if lived.slack_permille < 0 else ""
    return f"{sign}{permille(abs(lived.slack_permille))}"

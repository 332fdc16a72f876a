"""Planned peaks: for their days a level is a floor, stated or known from the year before."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final, NamedTuple

from reconciler.model import Consumer, NoUsage, PlannedPeak, Policy
from reconciler.sizing.case import Case, Planned, with_samples
from reconciler.sizing.estimate import largest_of, needs_of
from reconciler.sizing.words import DAY, count, figure

_FORGOTTEN: Final = "nothing is known"


class Due(NamedTuple):
    """A planned peak that is near, or on, with its own dates this time."""

    peak: PlannedPeak
    start: int
    end: int

    @property
    def year_before(self) -> tuple[int, int]:
        return _later(self.start, -1), _later(self.end, -1)

    def __str__(self) -> str:
        return f"{self.peak.why} from {_day(self.start)} to {_day(self.end - 1)}"


def due(policy: Policy, now: int) -> tuple[Due, ...]:
    """Those that count now: from their lead on, until they are over."""
    found = [at for peak in policy.planned for at in _times(peak, now)]
    return tuple(one for one in found if one.start - one.peak.lead <= now < one.end)


def _times(peak: PlannedPeak, now: int) -> Iterable[Due]:
    """This time, and where it comes again every year those around now."""
    if not peak.yearly:
        return [Due(peak, peak.start, peak.end)]
    years = _moment(now).year - _moment(peak.start).year
    return [
        Due(peak, _later(peak.start, later), _later(peak.end, later))
        for later in range(max(0, years - 1), max(0, years + 1) + 1)
    ]


def _later(at: int, years: int) -> int:
    """The same moment so many years later; the 29th of February is the 28th where there is none."""
    moment = _moment(at)
    year = moment.year + years
    leap = moment.month == 2 and moment.day == 29 and (year % 4 or (year % 100 == 0 and year % 400))
    return int(moment.replace(year=year, day=28 if leap else moment.day).timestamp())


def _moment(at: int) -> datetime:
    return datetime.fromtimestamp(at, UTC)


def _day(at: int) -> str:
    return _moment(at).date().isoformat()


# ---------------------------------------------------------------------------------------------
# In a decision
# ---------------------------------------------------------------------------------------------


def with_planned(case: Case) -> Case:
    """Of all peaks that are due the highest level is a floor, beside the policy's own."""
    found = [_planned(case, one) for one in due(case.evidence.policy, case.evidence.now)]
    if not found:
        return case
    top = max(found, key=lambda one: one.value)
    planned = top._replace(unknown=next((one.unknown for one in found if one.unknown), ""))
    if not planned.value and not planned.unknown:
        return case
    level = case.level._replace(floor=max(case.level.floor, planned.value))
    return case._replace(level=level, planned=planned)


def _planned(case: Case, one: Due) -> Planned:
    stated = one.peak.cpu if case.resource == "cpu" else one.peak.memory
    if not one.peak.as_last_year:
        return Planned(stated, _words(case, one, stated), "")
    start, end = one.year_before
    seen = _then(case, start, end)
    gaps = [_unknown(consumer, start, end) for consumer in seen] or [_FORGOTTEN]
    unknown = next((f"{gap} of the days from {_day(start)} a year before" for gap in gaps if gap), "")
    known = needs_of(case._replace(consumers=tuple(seen), peers=()), lasting=True)
    wanted = largest_of(known).wanted if known else 0
    if wanted <= stated:
        return Planned(stated, _words(case, one, stated), unknown)
    words = f"{one}: {figure(case.resource, wanted)} was needed in the same days a year before"
    return Planned(wanted, words, unknown)


def _unknown(consumer: Consumer, start: int, end: int) -> str:
    """What is seen of less than half of the days may have missed the peak."""
    if isinstance(consumer.usage, NoUsage):
        return _FORGOTTEN
    days = sum(1 for day in consumer.usage.days if day.samples > 0)
    if consumer.usage.incomplete or days * 2 * DAY < end - start:
        return f"too little is known ({count(days, 'day')})"
    return ""


def _words(case: Case, one: Due, stated: int) -> str:
    if not stated:
        return f"{one}: nothing is said of {case.resource}"
    return f"{one}: {figure(case.resource, stated)} is said to be needed"


def _then(case: Case, start: int, end: int) -> list[Consumer]:
    """What those whose needs count used between these times, a year ago."""
    wanted = {one.ref for one in (*case.consumers, *case.peers)}
    known = {(one.start, one.end): one.consumers for one in case.evidence.last_year}
    return [with_samples(one, case.slot) for one in known.get((start, end), ()) if one.ref in wanted]

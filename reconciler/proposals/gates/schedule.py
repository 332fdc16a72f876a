"""Hours of the week in which merge requests are opened, as a clock on the wall shows them.

Where clocks are put forward, what lies in the hour that is left out never comes; where they are put
back, the hour that comes twice counts twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from reconciler.model import Gates, Hours

_DAY: Final = 24 * 60
_NAMES: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


@lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def is_open(gates: Gates, now: int) -> bool:
    if not gates.hours:
        return True
    local = datetime.fromtimestamp(now, _zone(gates.time_zone))
    return any(_covers(hours, local.weekday(), local.hour * 60 + local.minute) for hours in gates.hours)


def _covers(hours: Hours, day: int, minute: int) -> bool:
    """On its own day, or on the day after, into which it goes on."""
    today = day in hours.days and hours.start <= minute < hours.end
    return today or ((day - 1) % 7 in hours.days and minute + _DAY < hours.end)


def next_opening(gates: Gates, now: int) -> int:
    """When it opens next, at the earliest; `now` where it is open."""
    if is_open(gates, now):
        return now
    return min(moment for moment in _openings(gates, now) if moment > now and is_open(gates, moment))


def _openings(gates: Gates, now: int) -> Iterator[int]:
    """Of more than a week: the opening of one may fall into an hour that is left out."""
    zone = _zone(gates.time_zone)
    today = datetime.fromtimestamp(now, zone).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    for ahead in range(-1, 16):
        midnight = today + timedelta(days=ahead)
        for hours in gates.hours:
            if midnight.weekday() in hours.days:
                begin = (midnight + timedelta(minutes=hours.start)).replace(tzinfo=zone)
                yield from (int(begin.replace(fold=fold).timestamp()) for fold in (0, 1))
                # of what begins in a left-out hour the first moment that there is
                yield int(_after_the_gap(begin))


def _after_the_gap(begin: datetime) -> float:
    """When the clock is put forward, where `begin` lies in the hour that it leaves out; else `begin`."""
    early, late = begin.replace(fold=1), begin.replace(fold=0)
    before, after = late.utcoffset(), early.utcoffset()
    if before is None or after is None or after <= before:
        return begin.timestamp()
    low, high = int(early.timestamp()), int(late.timestamp())
    zone = begin.tzinfo
    while high - low > 1:  # offsets change once in between
        middle = (low + high) // 2
        if datetime.fromtimestamp(middle, zone).utcoffset() == before:
            low = middle
        else:
            high = middle
    return high


def told(moment: int, zone: str) -> str:
    """`Mon 2026-03-02 09:00 Europe/Berlin`."""
    local = datetime.fromtimestamp(moment, _zone(zone) if zone != "UTC" else UTC)
    return f"{_NAMES[local.weekday()]} {local:%Y-%m-%d %H:%M} {zone}"

"""Five fields of cron as Argo CD reads them, and how long ago they last came true."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final, NamedTuple

_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_NAMES: Final[Mapping[int, Mapping[str, int]]] = {
    3: {name: at for at, name in enumerate(_MONTHS, 1)},
    4: {name: at for at, name in enumerate(_DAYS)},
}
_BOUNDS: Final = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 6))
_MOST_TEXT: Final = 300
_PART: Final = re.compile(r"(?:(\*|\?)|([0-9]{1,2}|[a-z]{3})(?:-([0-9]{1,2}|[a-z]{3}))?)(?:/([0-9]{1,2}))?")
_DURATION: Final = re.compile(r"([0-9]{1,9}(?:\.[0-9]{0,9})?|\.[0-9]{1,9})(ns|us|µs|ms|s|m|h)")
_SECONDS: Final = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


class Cron(NamedTuple):
    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]  # of the month
    months: frozenset[int]
    weekdays: frozenset[int]  # 0 is Sunday
    either: bool  # both kinds of days are said: one of them is enough

    def fires_within(self, now: datetime, seconds: float) -> bool:
        """Whether it came true in the time before `now`, whose last moment is `now`."""
        span = timedelta(seconds=min(seconds, 400 * 86_400))
        since, day = now - span, now.replace(hour=0, minute=0, second=0, microsecond=0)
        while day + timedelta(days=1) > since:
            if self._comes_on(day):
                last = self._last(now - day)
                if last is not None:
                    return day + last > since
            day -= timedelta(days=1)
        return False

    def _comes_on(self, day: datetime) -> bool:
        of_month, of_week = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        return day.month in self.months and (of_month or of_week if self.either else of_month and of_week)

    def _last(self, most: timedelta) -> timedelta | None:
        """The last time of a day that is no later than `most` after its midnight."""
        at = int(most.total_seconds()) // 60
        for hour in sorted(self.hours, reverse=True):
            for minute in sorted(self.minutes, reverse=True):
                if hour * 60 + minute <= at:
                    return timedelta(minutes=hour * 60 + minute)
        return None


def cron(text: str) -> Cron | None:
    """None for what is none."""
    fields = text.lower().split() if len(text) <= _MOST_TEXT else []
    if len(fields) != 5:
        return None
    found = [_field(field, at) for at, field in enumerate(fields)]
    known = [each for each in found if each is not None]
    if len(known) != 5:
        return None
    minutes, hours, days, months, weekdays = (values for values, _ in known)
    return Cron(minutes, hours, days, months, weekdays, either=not (known[2][1] or known[4][1]))


def _field(text: str, at: int) -> tuple[frozenset[int], bool] | None:
    """Its values, and whether it says any."""
    values: set[int] = set()
    any_one = False
    low, high = _BOUNDS[at]
    for part in text.split(","):
        found = _PART.fullmatch(part)
        if not found:
            return None
        step = int(found[4]) if found[4] else 1
        first = low if found[1] else _number(found[2], at)
        if found[1] or (found[4] and not found[3]):
            last: int | None = high
        else:
            last = _number(found[3], at) if found[3] else first
        if first is None or last is None or step == 0 or not low <= first <= last <= high:
            return None
        values.update(range(first, last + 1, step))
        any_one |= bool(found[1]) and step == 1
    return frozenset(values), any_one


def _number(text: str, at: int) -> int | None:
    return int(text) if text.isdecimal() else _NAMES.get(at, {}).get(text)


def seconds(text: str) -> float | None:
    """A duration as Go writes it: `8h`, `1h30m`; None for what is none."""
    parts = list(_DURATION.finditer(text)) if len(text) <= _MOST_TEXT else []
    if not parts or "".join(part[0] for part in parts) != text:
        return None
    return sum(float(part[1]) * _SECONDS[part[2]] for part in parts)

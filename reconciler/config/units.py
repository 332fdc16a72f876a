"""Durations and percentages as people write them, as integers."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_DURATION: Final = re.compile(r"([0-9]{1,9})([smhdw])")
_PERCENT: Final = re.compile(r"([0-9]{1,6})(?:\.([0-9]))?%")
_PERCENTILE: Final = re.compile(r"([0-9]{1,3})(?:\.([0-9]))?%?")
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def duration(text: str) -> int:
    """Seconds: `14d`, `12h`, `90m`, `2w`, `30s`."""
    found = _DURATION.fullmatch(text)
    if not found:
        raise ValueError("expected a duration like 14d, 12h, 90m or 2w")
    return int(found[1]) * _SECONDS[found[2]]


def days(text: str) -> int:
    """Whole days, at least one: `14d`, `2w`, `48h`."""
    seconds = duration(text)
    if seconds < _SECONDS["d"] or seconds % _SECONDS["d"]:
        raise ValueError("expected whole days, at least one, like 14d or 2w")
    return seconds // _SECONDS["d"]


def permille(text: str) -> int:
    """Tenths of a per cent: `15%` is 150, `0.5%` is 5."""
    found = _PERCENT.fullmatch(text)
    if not found:
        raise ValueError("expected a percentage like 15% or 2.5%")
    return int(found[1]) * 10 + int(found[2] or 0)


def percent(text: str) -> int:
    """Whole per cents: `15%`."""
    found = _PERCENT.fullmatch(text)
    if not found or (found[2] or "0") != "0":
        raise ValueError("expected a whole percentage like 15%")
    return int(found[1])


def percentile(text: str) -> int:
    """A percentile in tenths: `95`, `99.5`, `95%`."""
    found = _PERCENTILE.fullmatch(text)
    value = int(found[1]) * 10 + int(found[2] or 0) if found else 0
    if not 0 < value <= 1000:
        raise ValueError("expected a percentile above 0 and up to 100, like 95 or 99.5")
    return value


def moment(text: str, *, end: bool = False) -> int:
    """Unix seconds of a date or an ISO 8601 time; UTC where no zone is named.

    A bare date begins at midnight; as an `end` it is meant to the end of that day.
    """
    try:
        found = datetime.fromisoformat(text)
        if end and _DATE.fullmatch(text):
            found += timedelta(days=1)
        return int((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp())
    except (ValueError, OverflowError):
        raise ValueError("expected a date or a time like 2026-12-20 or 2026-12-20T18:00+01:00") from None

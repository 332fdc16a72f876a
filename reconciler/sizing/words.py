"""Figures as a reviewer reads them. They are for eyes only: nothing is computed from them."""

from __future__ import annotations

DAY = 86_400
_BINARY = ((1 << 40, "Ti"), (1 << 30, "Gi"), (1 << 20, "Mi"), (1 << 10, "Ki"))


def figure(resource: str, value: int) -> str:
    """`182m`, `412.5Mi`, `2Gi`: one decimal at most, because more would feign precision."""
    if resource == "cpu":
        return f"{value}m"
    for size, unit in _BINARY:
        # 1536Mi says more than 1.5Gi, so a unit begins at ten of it, or at a whole number.
        if value >= size * 10 or (value >= size and value % size == 0):
            return f"{_tenths(value, size)}{unit}"
    return f"{value}"


def _tenths(value: int, size: int) -> str:
    whole, tenth = divmod((value * 10 + size // 2) // size, 10)
    return f"{whole}.{tenth}" if tenth else f"{whole}"


def permille(value: int) -> str:
    """123 as `12.3 %`."""
    whole, tenth = divmod(value, 10)
    return f"{whole}.{tenth} %" if tenth else f"{whole} %"


def count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


_UNITS = ((DAY, "day"), (3600, "hour"), (60, "minute"), (1, "second"))


def span(seconds: int) -> str:
    """In the largest fitting unit, rounded down: `2 days`."""
    size, noun = next((unit for unit in _UNITS if seconds >= unit[0]), _UNITS[-1])
    return count(max(0, seconds) // size, noun)


def wait(seconds: int) -> str:
    """As `span`, rounded up: a wait is never said to be shorter than it is."""
    size, noun = next((unit for unit in _UNITS if seconds >= unit[0]), _UNITS[-1])
    return count(-(-max(0, seconds) // size), noun)


def quoted(text: str) -> str:
    """Text out of a repository, on one line and short enough to stand in a sentence."""
    plain = "".join(char if char.isprintable() else "?" for char in text)
    return f"“{plain[:40]}…”" if len(plain) > 40 else f"“{plain}”"

"""Figures as a reviewer reads them. They are for eyes only: nothing is computed from them."""

from __future__ import annotations

from functools import lru_cache

from reconciler.quantity import human_cpu, human_memory

DAY = 86_400
_UNITS = ((DAY, "day"), (3600, "hour"), (60, "minute"), (1, "second"))


@lru_cache(maxsize=1 << 14)
def figure(resource: str, value: int) -> str:
    """`182m`, `412.5Mi`, `2Gi`."""
    return human_cpu(value) if resource == "cpu" else human_memory(value)


def permille(value: int) -> str:
    """123 as `12.3 %`."""
    whole, tenth = divmod(value, 10)
    return f"{whole}.{tenth} %" if tenth else f"{whole} %"


def count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def span(seconds: int) -> str:
    """In the largest fitting unit, rounded down: `2 days`."""
    size, noun = next((unit for unit in _UNITS if seconds >= unit[0]), _UNITS[-1])
    return count(max(0, seconds) // size, noun)


def wait(seconds: int) -> str:
    """As `span`, rounded up: a wait is never said to be shorter than it is."""
    size, noun = next((unit for unit in _UNITS if seconds >= unit[0]), _UNITS[-1])
    return count(-(-max(0, seconds) // size), noun)

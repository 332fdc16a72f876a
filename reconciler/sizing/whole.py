"""Whole CPUs: what the kubelet's static CPU manager gives to containers for themselves alone."""

from __future__ import annotations

from reconciler.sizing.case import Case

CORE = 1000


def owned(case: Case) -> bool:
    """Only containers of Guaranteed pods have whole CPUs, and only those that ask for a whole number."""
    current = case.in_force
    return case.level.whole and case.guaranteed and bool(current) and (current or 0) % CORE == 0


def up(value: int) -> int:
    return max(CORE, -(-value // CORE) * CORE)


def step_up(high: int, current: int, value: int) -> int:
    """As many whole ones as the step allows, and one at least."""
    return min(value, max(high // CORE * CORE, current + CORE))


def step_down(low: int, current: int, value: int) -> int:
    return max(value, min(up(low), current - CORE))

"""Every reason not to change a request: one small question each, answered with a `Refused`."""

from reconciler.sizing.guards.censored import at_limit, killed, kills_in_words, throttled
from reconciler.sizing.guards.evidence import MIN_SAFETY_SAMPLES, unsound
from reconciler.sizing.guards.lowering import lowering
from reconciler.sizing.guards.pace import cool_down, replicas, standstill, too_small, unmeasured_yet
from reconciler.sizing.guards.standing import outright, standing, without_usage

__all__ = [
    "MIN_SAFETY_SAMPLES",
    "at_limit",
    "cool_down",
    "killed",
    "kills_in_words",
    "lowering",
    "outright",
    "replicas",
    "standing",
    "standstill",
    "throttled",
    "too_small",
    "unmeasured_yet",
    "unsound",
    "without_usage",
]

"""Init containers, which run for moments: what is seen of them is never the whole, and never too much.

They are sized by peaks alone; one sample above the request is proof enough. Nothing lowers them beneath
twice the highest sample, for between two samples nobody looked. A native sidecar is none of them.
"""

from __future__ import annotations

from reconciler.model import Consumer
from reconciler.quantity import LARGEST
from reconciler.sizing.case import Case
from reconciler.sizing.estimate import Need


def runs_for_moments(consumer: Consumer) -> bool:
    return consumer.init and not consumer.sidecar


def by_peaks(case: Case) -> Case:
    """Of a line that feeds such a container."""
    if not any(map(runs_for_moments, case.consumers)):
        return case
    return case._replace(level=case.level._replace(estimator="peak"))


def spared(case: Case, needs: tuple[Need, ...]) -> Case:
    """With what it isn't lowered beneath as its floor; a request below that stays where it is."""
    tops = [need.peak for need in needs if runs_for_moments(need.consumer)]
    if not tops or not case.in_force:
        return case
    ceiling = LARGEST if case.level.ceiling is None else case.level.ceiling
    least = min(case.in_force, 2 * max(tops), ceiling)
    return case._replace(level=case.level._replace(floor=max(case.level.floor, least)))


def is_spared(case: Case, needs: tuple[Need, ...]) -> bool:
    """Whether it is its few samples that keep it from being lowered."""
    tops = [need.peak for need in needs if runs_for_moments(need.consumer)]
    return bool(tops) and case.in_force is not None and case.level.floor >= min(case.in_force, 2 * max(tops))

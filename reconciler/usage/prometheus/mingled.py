"""Namespaces that several clusters have, and that nothing in the settings tells apart.

Their pods lie side by side as if they were one cluster's: the busy ones of one among the many idle ones
of another, which makes a percentile of nobody. A namespace is made once, so one that was made at two
times is two namespaces, whatever the label is called by which somebody could tell them apart.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

import numpy as np

from reconciler.usage.prometheus.limits import Asked
from reconciler.usage.prometheus.promql import Questions

_LATELY: Final = 1800


def mingled(server: Asked, questions: Questions, namespaces: Sequence[str], at: int) -> frozenset[str]:
    """Nothing on a server that isn't told when namespaces were made."""
    answer = server.instant(questions.made(namespaces, _LATELY), at)
    space = questions.labels.state.namespace
    made: dict[tuple[str, str], set[float]] = defaultdict(set)
    for series, when in zip(answer.labels, answer.values.tolist(), strict=True):
        cluster = questions.whose(series)
        if cluster is not None and np.isfinite(when):
            made[cluster, series.get(space, "")].add(when)
    return frozenset(name for (_, name), times in made.items() if len(times) > 1)

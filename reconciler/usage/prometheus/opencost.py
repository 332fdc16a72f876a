"""What OpenCost says an hour costs, where the same server has its series.

It tells a price for each node: per vCPU, and per GiB. Of a cluster the median counts: nodes with a
GPU, or one that the price list doesn't know, are told too high, too low or as nothing at all, and
must not move what everyone else's requests are taken for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from reconciler.usage.prometheus.limits import Asked
from reconciler.usage.prometheus.promql import NODE_CPU_COST, NODE_RAM_COST, Questions

_LATELY: Final = 3600
_MILLION: Final = 1_000_000
_MOST: Final = 1_000_000 * _MILLION  # beyond it nothing costs an hour, in any currency


class NodePrices(NamedTuple):
    """Millionths of the currency that OpenCost was set up with: its series don't name it."""

    core_hour: int
    gib_hour: int


def node_prices(server: Asked, questions: Questions, at: int) -> NodePrices | None:
    """None where no such series, or none that makes sense, was there lately."""
    found = [_median(server, questions, metric, at) for metric in (NODE_CPU_COST, NODE_RAM_COST)]
    core, gib = found
    return None if core is None or gib is None else NodePrices(core, gib)


def _median(server: Asked, questions: Questions, metric: str, at: int) -> int | None:
    answer = server.instant(questions.node_cost(metric, _LATELY), at)
    mine = [
        value
        for labels, value in zip(answer.labels, answer.values.tolist(), strict=True)
        if questions.whose(labels) is not None
    ]
    return _middle([_millionths(value) for value in mine if np.isfinite(value)])


def _millionths(value: float) -> int:
    return round(value * _MILLION)


def _middle(values: Sequence[int]) -> int | None:
    """Of several answers, which only labels of other clusters tell apart, the lower middle one."""
    known = sorted(value for value in values if 0 < value <= _MOST)
    return known[(len(known) - 1) // 2] if known else None

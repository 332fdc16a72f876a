"""Autoscalers that the metrics tell of."""

from __future__ import annotations

import numpy as np
import pytest
from servers.in_process import InProcess, Series

from reconciler.usage.prometheus.autoscalers import Scaled, autoscaled
from reconciler.usage.prometheus.promql import Questions, Scope

NOW = 1_750_000_000
WEB = Scaled("shop", "Deployment", "web")


def serving(ago: int) -> InProcess:
    """An autoscaler of `web`, last told of so many seconds ago."""
    named = {"namespace": "shop", "horizontalpodautoscaler": "web"}
    told = (
        {"__name__": "kube_horizontalpodautoscaler_info", **named}
        | {"scaletargetref_kind": "Deployment", "scaletargetref_name": "web"},
        {"__name__": "kube_horizontalpodautoscaler_spec_target_metric", **named}
        | {"metric_name": "cpu", "metric_target_type": "utilization"},
    )
    times = np.arange(NOW - ago - 3600, NOW - ago + 1, 60)
    return InProcess([Series(labels, times, np.ones(len(times))) for labels in told])


@pytest.mark.parametrize(
    ("ago", "seen"), [(60, {WEB: ("cpu",)}), (10 * 3600, {WEB: ("cpu",)}), (100_000, {})]
)
def test_an_autoscaler_is_known_for_a_day_after_it_was_last_told_of(
    ago: int, seen: dict[Scaled, tuple[str, ...]]
) -> None:
    assert autoscaled(serving(ago), Questions(Scope("")), ["shop"], NOW) == seen

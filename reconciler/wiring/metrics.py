"""Where utilization is read."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from reconciler.config import Settings
from reconciler.config.metrics import Metrics
from reconciler.errors import Problem
from reconciler.gather import Sources
from reconciler.model import Failure
from reconciler.usage.port import UsageSource
from reconciler.usage.prometheus.source import LiveSource, State
from reconciler.usage.recording import open_recording
from reconciler.wiring.live import open_live


class Opened(NamedTuple):
    """Sources of utilization that could be opened, by name, and failures of those that couldn't."""

    by_name: Mapping[str, UsageSource]
    failed: tuple[Failure, ...]


def open_metrics(settings: Settings, flag: str | None) -> Opened:
    """What `--metrics` names must open; one of several in the settings may fail alone."""
    opened: dict[str, UsageSource] = {}
    failed: list[Failure] = []
    for each in settings.metrics:
        try:
            opened[each.name] = open_source(each, settings)
        except Problem as problem:
            if flag:
                raise
            failed.append(problem.failure)
    return Opened(opened, tuple(failed))


def open_source(each: Metrics, settings: Settings) -> UsageSource:
    if each.kind == "recording" and each.path is not None:
        return open_recording(each.path, each.name)
    return open_live(each, settings)


def state_of(each: Metrics, settings: Settings) -> State:
    """What a source has; no words when that is nothing. Problem when it can't be asked."""
    source = open_source(each, settings)
    if isinstance(source, LiveSource):
        return source.state()
    last = source.last_sample()
    if last is None:
        return State("")
    return State(f"last sample at {datetime.fromtimestamp(last, UTC):%Y-%m-%d %H:%M} UTC")


def sources_of(settings: Settings, opened: Opened) -> Sources:
    """Each cluster's own source; the first one for every cluster that names none."""
    first = settings.metrics[0].name if settings.metrics else ""
    wanted = {cluster.name: cluster.metrics or first for cluster in settings.clusters} | {"": first}
    return Sources(
        {cluster: opened.by_name[name] for cluster, name in wanted.items() if name in opened.by_name}
    )


def moment(asked: int | None, opened: Opened) -> int:
    """What was asked for, else the last sample of the recordings, else the clock."""
    if asked is not None:
        return asked
    last = [sample for source in opened.by_name.values() if (sample := source.last_sample()) is not None]
    return max(last) if last else int(time.time())

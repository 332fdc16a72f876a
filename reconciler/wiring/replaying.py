"""What a replay goes by: policies, prices, and where utilization of the past is known."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import NamedTuple

from reconciler.config import PolicyBook, Settings, load_policies, load_settings
from reconciler.errors import Misconfigured
from reconciler.pricing import Priced, assumed
from reconciler.wiring.measuring import Sources
from reconciler.wiring.metrics import moment, open_metrics, sources_of
from reconciler.wiring.places import found_settings
from reconciler.wiring.prices import pricing_of

_NOTHING = (
    "nothing is named to be replayed: name samples with --series FILE, a server or a recording with "
    "--metrics URL|FOLDER, or settings that have one with --config."
)


class Replaying(NamedTuple):
    policies: PolicyBook
    sources: Sources | None  # None where samples come as a table
    priced: Callable[[Iterable[str]], Priced]  # asked with the clusters that it is about


def replaying(config: Path | None, metrics: str | None, now: int | None, *, table: bool) -> Replaying:
    """Without settings: the ready-made policies and assumed prices."""
    found = found_settings(config, Path.cwd())
    if found is None and not table and metrics is None:
        raise Misconfigured("--series", _NOTHING)
    settings = load_settings(found) if found is not None else None
    policies = PolicyBook() if settings is None else load_policies(settings.policies)
    if table:
        if settings is None:
            return Replaying(policies, None, partial(assumed, now=0))
        ask = pricing_of(settings, lambda cluster: None)
        return Replaying(policies, None, lambda clusters: ask(clusters, 0))
    if metrics is not None:
        settings = Settings.for_metrics(metrics) if settings is None else settings.with_metrics(metrics)
    if settings is None or not settings.metrics:
        raise Misconfigured("--series", _NOTHING)
    return _measured(settings, metrics, policies, now)


def _measured(settings: Settings, metrics: str | None, policies: PolicyBook, now: int | None) -> Replaying:
    opened = open_metrics(settings, metrics)
    at, by_cluster = moment(now, opened), sources_of(settings, opened)
    ask = pricing_of(settings, by_cluster.of)
    sources = Sources(tuple(opened.by_name.values()), opened.failed, settings.notes, at)
    return Replaying(policies, sources, lambda clusters: ask(clusters, at))

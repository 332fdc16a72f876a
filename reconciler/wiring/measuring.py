"""Every source of utilization there is, for commands that are about nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from reconciler.config import Settings, load_settings
from reconciler.errors import Misconfigured
from reconciler.model import Failure, Note
from reconciler.usage.port import UsageSource
from reconciler.wiring.metrics import moment, open_metrics
from reconciler.wiring.places import found_settings


class Sources(NamedTuple):
    """The sources that could be opened, those that couldn't, and the moment that is meant."""

    opened: tuple[UsageSource, ...]
    failed: tuple[Failure, ...]
    notes: tuple[Note, ...]
    now: int


def usage_sources(config: Path | None, metrics: str | None, now: int | None) -> Sources:
    """What the settings name; with `metrics` that alone, and then there need not be any settings."""
    settings = _settings(config, metrics)
    if not settings.metrics:
        raise Misconfigured(
            "metrics",
            "no source of utilization is known: name one with --metrics URL|FOLDER, or under `metrics` in "
            "the settings.",
        )
    opened = open_metrics(settings, metrics)
    return Sources(tuple(opened.by_name.values()), opened.failed, settings.notes, moment(now, opened))


def _settings(config: Path | None, metrics: str | None) -> Settings:
    found = found_settings(config, Path.cwd())
    if found is None:
        if metrics is None:
            raise Misconfigured(
                "settings",
                "there is no reconcile.yaml here or in a folder above, and $RECONCILE_CONFIG is not set: "
                "name a source of utilization with --metrics, or a settings file with --config.",
            )
        return Settings.for_metrics(metrics)
    settings = load_settings(found)
    return settings.with_metrics(metrics) if metrics is not None else settings

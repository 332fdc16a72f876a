"""From an entry of the settings to a live source: what is remembered, under which name, and for how long."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from reconciler.config import Found, load_settings
from reconciler.usage.prometheus.promql import Scope
from reconciler.usage.prometheus.source import LiveSource
from reconciler.wiring.live import open_live


def opened(folder: Path, more: str = "") -> LiveSource:
    path = folder / "reconcile.yaml"
    path.write_text(
        "apiVersion: reconciler/v1\nrepositories:\n  - url: https://git.example.com/deploy.git\n"
        f"cache: {folder / 'cache'}\n"
        f"metrics:\n  - {{name: main, kind: prometheus, url: http://127.0.0.1:1{more}}}\n"
    )
    settings = load_settings(Found(path, True))
    return open_live(settings.metrics[0], settings)


def name_of_days(source: LiveSource) -> str:
    return source._source.cache(Scope(""))._scope  # type: ignore[attr-defined,no-any-return]


def test_days_read_with_another_interval_between_samples_are_other_days(tmp_path: Path) -> None:
    """Rates over an hour hide peaks: once the settings are mended, such days must not count any more."""
    found = [name_of_days(opened(tmp_path, more)) for more in ("", ", scrapeInterval: 1h", "")]
    assert found[0] == found[2] != found[1]


@pytest.mark.parametrize(("days", "most"), [(0, 700), (6, 700), (8, 600_000)])
def test_what_a_server_refused_is_remembered_for_a_week(tmp_path: Path, days: int, most: int) -> None:
    opened(tmp_path)._source.remember({"points": 700})
    (note,) = (tmp_path / "cache").rglob("limits-*.json")
    os.utime(note, (time.time() - days * 86_400,) * 2)
    limits = opened(tmp_path)._source.limits
    assert limits is not None
    assert limits.most("points") == most

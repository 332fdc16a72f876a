"""Where settings are found, and where what may be lost is kept."""

from __future__ import annotations

import os
from pathlib import Path

from reconciler.config import (
    Found,
    PolicyBook,
    Settings,
    find_settings,
    load_policies,
    load_settings,
)
from reconciler.errors import Misconfigured
from reconciler.git.clone import Clone


def found_settings(config: Path | None, start: Path) -> Found | None:
    return find_settings(config, os.environ, start)


def operators_policies(config: Path | None) -> PolicyBook:
    """Those that the settings name, and the ready-made ones; without settings these alone."""
    found = found_settings(config, Path.cwd())
    return PolicyBook() if found is None else load_policies(load_settings(found).policies)


def clone_url(clone: Clone) -> str:
    """The address of a clone's origin, else of its only remote, else the folder itself."""
    remotes = clone.remotes
    if "origin" in remotes:
        return remotes["origin"]
    return next(iter(remotes.values())) if len(remotes) == 1 else str(clone.root)


def cache_folder(settings: Settings) -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return settings.cache or Path(home) / "reconcile"


def must_be_trusted(settings: Settings, found: Found) -> None:
    if not settings.trusted:
        raise Misconfigured(
            "settings",
            "these settings were found inside a Git work tree, or are another user's, and nobody named them, "
            "so they are good for dry runs only: name them with --config if they are yours, or --dry-run.",
            path=str(found.path),
        )

"""Where the history of values is read: in the clone at hand, or through the mirrors of the settings."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from reconciler.audit.chronicle import Chronicle
from reconciler.config import Settings, load_settings
from reconciler.config import settings as written
from reconciler.errors import Misconfigured, Problem
from reconciler.git.clone import Clone, open_clone
from reconciler.git.mirror import open_mirror
from reconciler.model import Failure
from reconciler.wiring.forges import access_of
from reconciler.wiring.places import cache_folder, clone_url, found_settings
from reconciler.wiring.repositories import is_clone_of


class Opened(NamedTuple):
    """The repositories that could be opened, and the settings that say what lies in them."""

    settings: Settings
    chronicles: tuple[Chronicle, ...]
    failed: tuple[Failure, ...]


def chronicles(config: Path | None, *, remote: bool) -> Opened:
    """A clone of a repository that the settings name is read as it is, offline; so is any clone without
    settings. Everything else is fetched."""
    clone = None if remote else open_clone(Path.cwd())
    found = found_settings(config, Path.cwd())
    if found is None:
        if clone is None:
            raise Misconfigured(
                "settings",
                "there is no reconcile.yaml here or in a folder above, and this is no clone: stand in one, "
                "or name the settings with --config.",
            )
        settings = Settings.for_clone(clone_url(clone))
        return Opened(settings, (_of_clone(clone, settings.repositories[0], ""),), ())
    settings = load_settings(found)
    here = [each for each in settings.repositories if clone is not None and is_clone_of(clone, each)]
    if clone is not None and here:
        return Opened(settings, tuple(_of_clone(clone, each, each.branch or "") for each in here), ())
    return _mirrored(settings)


def _of_clone(clone: Clone, each: written.Repository, branch: str) -> Chronicle:
    """The deployed branch as it was last fetched, else what is checked out."""
    base = branch or next(iter(reversed(clone.followed)), "")
    name = each.shown
    tip = clone.tip(base) if base else ""
    return Chronicle(name, clone.annals(each.url), base, tip or clone.snapshot(name).commit)


def _mirrored(settings: Settings) -> Opened:
    found: list[Chronicle] = []
    failed: list[Failure] = []
    for each in settings.repositories:
        try:
            mirror = open_mirror(each.url, cache_folder(settings) / "mirrors", access_of(settings, each.url))
            base = each.branch or mirror.default_branch()
            tip = mirror.snapshot(base).commit
            found.append(Chronicle(each.shown, mirror.annals(), base, tip))
        except Problem as problem:
            failed.append(problem.failure)
    return Opened(settings, tuple(found), tuple(failed))

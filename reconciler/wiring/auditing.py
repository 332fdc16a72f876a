"""Where the history of values is read: in the clone at hand, or through the mirrors of the settings."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from reconciler.audit.chronicle import Chronicle
from reconciler.audit.replay import Surveyed
from reconciler.config import Settings, load_policies, load_settings, parse_policies
from reconciler.config import settings as written
from reconciler.deployments import SnapshotFiles
from reconciler.errors import Misconfigured, Problem
from reconciler.git.annals import Annals
from reconciler.git.clone import Clone, open_clone
from reconciler.git.mirror import open_mirror
from reconciler.model import Failure
from reconciler.ports import Progress
from reconciler.source.estate import Estate, Land
from reconciler.wiring.forges import access_of
from reconciler.wiring.places import cache_folder, clone_url, found_settings
from reconciler.wiring.repositories import is_clone_of, layout_of
from reconciler.wiring.surveys import surveyor, unit_settings


class Place(NamedTuple):
    """A repository, and what the settings say of it."""

    chronicle: Chronicle
    each: written.Repository


class Opened(NamedTuple):
    """The repositories that could be opened, and the settings that say what lies in them."""

    settings: Settings
    places: tuple[Place, ...]
    failed: tuple[Failure, ...]

    @property
    def chronicles(self) -> tuple[Chronicle, ...]:
        return tuple(one.chronicle for one in self.places)


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


def _of_clone(clone: Clone, each: written.Repository, branch: str) -> Place:
    """The deployed branch as it was last fetched, else what is checked out."""
    base = branch or next(iter(reversed(clone.followed)), "")
    name = each.shown
    tip = clone.tip(base) if base else ""
    found = Chronicle(name, clone.annals(each.url), base, tip or clone.snapshot(name).commit)
    return Place(found, each)


def surveyed(opened: Opened, place: Place, progress: Progress) -> Surveyed:
    """A repository as it was at a commit, looked at as a run looks at it, but that Argo CD isn't asked.

    Beside it lie the others that were opened, as they were at that moment.
    """
    settings = opened.settings.model_copy(update={"argocd": ()})
    look = surveyor(settings, unit_settings(settings))

    def at(commit: str, repository: str, when: int) -> Estate:
        own = place.chronicle.annals
        lands = [_land(settings, place, own.called(repository), commit)]
        for other in opened.places:
            annals = other.chronicle.annals
            if annals.repository not in (repository, own.repository):
                then = annals.before(other.chronicle.tip, when)
                lands += [_land(settings, other, annals, then)] if then else []
        return look(lands, progress)

    return at


def _land(settings: Settings, place: Place, annals: Annals, commit: str) -> Land:
    each, base = place.each, place.chronicle.base
    branches = (base,) if base else ()
    files = SnapshotFiles(annals.at(commit), layout_of(settings, each), branches=branches)
    book = load_policies(settings.policies, settings.proposals.group)
    if each.policies:
        paths = [path for path in files.paths(each.policies) if path.endswith((".yaml", ".yml"))]
        read = [parse_policies(files.read(path), path, annals.repository) for path in paths]
        book = book.with_teams([one for some in read for one in some])
    return files.land()._replace(mappings=book.mappings)


def _mirrored(settings: Settings) -> Opened:
    found: list[Place] = []
    failed: list[Failure] = []
    for each in settings.repositories:
        try:
            mirror = open_mirror(each.url, cache_folder(settings) / "mirrors", access_of(settings, each.url))
            base = each.branch or mirror.default_branch()
            tip = mirror.snapshot(base).commit
            found.append(Place(Chronicle(each.shown, mirror.annals(), base, tip), each))
        except Problem as problem:
            failed.append(problem.failure)
    return Opened(settings, tuple(found), tuple(failed))

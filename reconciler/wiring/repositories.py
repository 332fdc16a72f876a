"""Deployment repositories, and the forges where their merge requests live."""

from __future__ import annotations

from pathlib import Path

from reconciler.config import (
    Settings,
    load_settings,
    repository_of,
)
from reconciler.config import settings as written
from reconciler.deployments import (
    CloneRepository,
    Identity,
    Layout,
    MirrorRepository,
)
from reconciler.errors import Misconfigured
from reconciler.forges.port import Spent
from reconciler.git.clone import Clone
from reconciler.git.commits import Author
from reconciler.git.signing import Signing
from reconciler.git.urls import normalise_url, parse_url
from reconciler.ports import Repository
from reconciler.proposals.build import Templates
from reconciler.proposals.naming import Naming
from reconciler.source.compose import UnitSetting
from reconciler.wiring.forges import access_of, forge_of, makes_commits
from reconciler.wiring.places import cache_folder, found_settings, must_be_trusted
from reconciler.wiring.surfaces import surface_of


def repository_at(
    settings: Settings,
    each: written.Repository,
    clone: Clone | None,
    now: int,
    spent: dict[str, Spent] | None = None,
) -> Repository:
    """`spent` is what the run has asked of each forge's server by now."""
    layout = layout_of(settings, each)
    if clone is not None and is_clone_of(clone, each):
        return CloneRepository(clone, each.shown, layout, _as_they_are(settings))
    author = settings.commits.author
    signing = settings.commits.signing
    return MirrorRepository(
        url=each.url,
        branch=each.branch or "",
        cache=cache_folder(settings) / "mirrors",
        access=lambda: access_of(settings, each.url),
        forge=forge_of(settings, each.url, now, spent),
        layout=layout,
        identity=Identity(
            author=Author(author.name, author.email),
            sign_off=settings.commits.sign_off,
            signing=Signing(signing.format, signing.key) if signing else None,
            when=now,
            by_forge=makes_commits(settings, each.url),
        ),
        naming=Naming(settings.proposals.branch, _bases(settings)),
        dashboard=settings.proposals.dashboard_title if settings.proposals.dashboard else "",
    )


def _as_they_are(settings: Settings) -> list[Path]:
    """What is read wherever it lies, and whether or not it is committed."""
    recordings = [each.path for each in settings.metrics]
    named = [settings.path, settings.policies, cache_folder(settings), *recordings]
    return [path for path in named if path is not None]


def _bases(settings: Settings) -> frozenset[str]:
    """Every branch that is deployed from, of any repository: never one of ours."""
    return frozenset(each.branch for each in settings.repositories if each.branch)


def layout_of(settings: Settings, each: written.Repository) -> Layout:
    units = tuple(
        UnitSetting(unit.path, unit.namespace or "", unit.cluster or "")
        for unit in settings.units
        if repository_of(settings, unit) is each
    )
    clusters = tuple(cluster.name for cluster in settings.clusters)
    addresses = (each.url, *each.aliases)
    return Layout(units, clusters, cache_folder(settings), addresses, surface_of(settings, each.url))


def is_clone_of(clone: Clone, each: written.Repository) -> bool:
    known = {normalise_url(url) for url in (each.url, *each.aliases)}
    places = {normalise_url(url) for url in clone.remotes.values()} | {normalise_url(str(clone.root))}
    return bool(known & places)


def templates_of(settings: Settings) -> Templates:
    proposals = settings.proposals
    return Templates(
        proposals.branch, proposals.title, proposals.message, tuple(settings.commits.trailers.items())
    )


def local_repository(config: Path | None, *, write: bool) -> Path:
    """The bare repository whose merge requests `reconcile mr` is about."""
    found = found_settings(config, Path.cwd())
    if found is None:
        raise Misconfigured("settings", "no settings name a repository here: use --repository PATH.")
    settings = load_settings(found)
    if write:
        must_be_trusted(settings, found)
    paths = [_local_path(each.url) for each in settings.repositories]
    local = [path for path in paths if path is not None]
    if not local:
        raise Misconfigured(
            "settings",
            "it names no local repository, and `reconcile mr` is about those: see the merge requests on your "
            "forge, or name one with --repository PATH.",
            path=str(found.path),
        )
    if len(local) != 1:
        raise Misconfigured(
            "settings",
            f"it names {len(local)} local repositories: say which one with --repository PATH.",
            path=str(found.path),
        )
    return local[0]


def _local_path(url: str) -> Path | None:
    remote = parse_url(url)
    return Path(remote.path) if remote.scheme == "file" else None

"""Deployment repositories, and the forges where their merge requests live."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from reconciler.config import (
    Settings,
    load_settings,
    repository_of,
)
from reconciler.config import settings as written
from reconciler.deployments import (
    BOT,
    CloneRepository,
    Identity,
    Layout,
    MirrorRepository,
    NoForge,
)
from reconciler.errors import Misconfigured
from reconciler.forges import FORGES
from reconciler.forges.port import Forge, Site
from reconciler.git.access import Access
from reconciler.git.clone import Clone
from reconciler.git.commits import Author
from reconciler.git.signing import Signing
from reconciler.git.urls import Remote, normalise_url, parse_url
from reconciler.ports import Repository
from reconciler.proposals.build import Templates
from reconciler.proposals.naming import Naming
from reconciler.source.compose import UnitSetting
from reconciler.wiring.places import cache_folder, found_settings, must_be_trusted


def repository_at(settings: Settings, each: written.Repository, clone: Clone | None, now: int) -> Repository:
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
        forge=forge_of(settings, each.url, now),
        layout=layout,
        identity=Identity(
            author=Author(author.name, author.email),
            sign_off=settings.commits.sign_off,
            signing=Signing(signing.format, signing.key) if signing else None,
            when=now,
        ),
        naming=Naming(settings.proposals.branch, _bases(settings)),
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
    return Layout(units, clusters, cache_folder(settings), (each.url, *each.aliases))


def is_clone_of(clone: Clone, each: written.Repository) -> bool:
    known = {normalise_url(url) for url in (each.url, *each.aliases)}
    places = {normalise_url(url) for url in clone.remotes.values()} | {normalise_url(str(clone.root))}
    return bool(known & places)


def access_of(settings: Settings, url: str) -> Access:
    """What opens a repository: the token of the forge on its host."""
    remote = parse_url(url)
    forge = _forge_settings(settings, url)
    use_token = forge is not None and forge.token is not None and remote.scheme in ("https", "http")
    network = settings.network
    return Access(
        token=forge.token.read(os.environ) if use_token and forge and forge.token else None,
        ca_bundle=network.ca_bundle,
        ssh_key=network.ssh_key,
        known_hosts=network.known_hosts,
        proxy=network.proxy or "",
    )


def _forge_settings(settings: Settings, url: str) -> written.Forge | None:
    """The forge by the URL's host; a folder belongs to the local one."""
    remote = parse_url(url)
    for forge in settings.forges:
        local = forge.kind == "local"
        if local and remote.scheme == "file":
            return forge
        if not local and forge.url and _serves(forge.url, remote):
            return forge
    return None


def _serves(server: str, remote: Remote) -> bool:
    """Whether the forge's server is the repository's. Over HTTP its port must be the same one too:
    another port of a host may be anybody's, and would be shown the token."""
    forge = parse_url(f"{server.rstrip('/')}/x")
    if remote.scheme == "ssh":
        return forge.host == remote.host
    return forge.origin == remote.origin


def forge_of(settings: Settings, url: str, now: int) -> Callable[[], Forge] | NoForge:
    forge = _forge_settings(settings, url)
    remote = parse_url(url)
    kind = forge.kind if forge else "local" if remote.scheme == "file" else ""
    if not kind:
        return NoForge(
            f"no forge is configured for {remote.host}, so no merge request can be opened there: add it "
            "under `forges` in the settings, or use --dry-run"
        )
    if kind not in FORGES:
        known = ", ".join(sorted(FORGES))
        return NoForge(
            f"this version can't open merge requests on {kind} yet (it knows: {known}): use --dry-run"
        )
    token = forge.token if forge else None
    address = remote.path if remote.scheme == "file" else url
    return lambda: FORGES[kind](Site(address, token.read(os.environ) if token else None, BOT, lambda: now))


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
    if len(local) != 1:
        raise Misconfigured(
            "settings",
            f"{found.path} names {len(local)} local repositories: say which one with --repository PATH.",
            path=str(found.path),
        )
    return local[0]


def _local_path(url: str) -> Path | None:
    remote = parse_url(url)
    return Path(remote.path) if remote.scheme == "file" else None

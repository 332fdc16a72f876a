"""From settings and flags to a job: the one place that knows every adapter by name."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from reconciler.config import (
    Found,
    PolicyBook,
    Settings,
    find_settings,
    load_policies,
    load_settings,
    parse_policies,
    repository_of,
)
from reconciler.config import settings as written
from reconciler.deployments import (
    BOT,
    CloneRepository,
    Identity,
    Layout,
    MirrorRepository,
    Naming,
    NoForge,
    SnapshotFiles,
)
from reconciler.errors import Misconfigured, Problem
from reconciler.forges import FORGES
from reconciler.forges.port import Forge, Site
from reconciler.gather import Sources
from reconciler.git.access import Access
from reconciler.git.clone import Clone, open_clone
from reconciler.git.commits import Author
from reconciler.git.folder import FolderSnapshot
from reconciler.git.signing import Signing
from reconciler.git.urls import Remote, normalise_url, parse_url
from reconciler.model import ContainerRef, Discovery, Failure
from reconciler.ports import Files, Policies, Progress, Repository
from reconciler.proposals.build import Templates
from reconciler.run import Job
from reconciler.source.compose import UnitSetting
from reconciler.usage.port import UsageSource
from reconciler.usage.recording import open_recording


class Asked(NamedTuple):
    """What the command line asked for."""

    config: Path | None
    metrics: str | None
    remote: bool
    now: int | None
    only: Callable[[ContainerRef, str], bool]
    partial: bool
    write: bool


class Opened(NamedTuple):
    """Sources of utilization that could be opened, by name, and failures of those that couldn't."""

    by_name: Mapping[str, UsageSource]
    failed: tuple[Failure, ...]


def job(asked: Asked, progress: Progress) -> Job:
    """Everything a run needs. Raises Misconfigured when nothing can be tried at all."""
    clone = open_clone(Path.cwd()) if not asked.write and not asked.remote else None
    settings = _settings(asked, clone)
    opened = _open_metrics(settings, asked.metrics)
    now = _now(asked.now, opened)
    book = load_policies(settings.policies, settings.proposals.group)
    return Job(
        repositories=[_repository(settings, each, clone, now) for each in settings.repositories],
        sources=_sources(settings, opened),
        policies=_policies(settings, book),
        templates=_templates(settings),
        now=now,
        only=asked.only,
        partial=asked.partial,
        write=asked.write,
        progress=progress,
        failed=opened.failed,
        notes=settings.notes,
    )


# ---------------------------------------------------------------------------------------------
# Settings
# ---------------------------------------------------------------------------------------------


def found_settings(config: Path | None, start: Path) -> Found | None:
    return find_settings(config, os.environ, start)


def _settings(asked: Asked, clone: Clone | None) -> Settings:
    found = found_settings(asked.config, Path.cwd())
    if found is None:
        return _settings_of_clone(asked, clone)
    settings = load_settings(found)
    if asked.write:
        _must_be_trusted(settings, found)
    return settings.with_metrics(asked.metrics) if asked.metrics else settings


def _must_be_trusted(settings: Settings, found: Found) -> None:
    if not settings.trusted:
        raise Misconfigured(
            "settings",
            "these settings were found inside a Git work tree, or are another user's, and nobody named them, "
            "so they are good for dry runs only: name them with --config if they are yours, or --dry-run.",
            path=str(found.path),
        )


def _settings_of_clone(asked: Asked, clone: Clone | None) -> Settings:
    if clone is None:
        raise Misconfigured(
            "settings",
            "there is no reconcile.yaml here or in a folder above, and $RECONCILE_CONFIG is not set: write "
            "one with `reconcile init`, name one with --config, or stand in a clone and use --dry-run.",
        )
    return Settings.for_clone(clone_url(clone), metrics=asked.metrics)


def clone_url(clone: Clone) -> str:
    """The address of a clone's origin, else of its only remote, else the folder itself."""
    remotes = clone.remotes
    if "origin" in remotes:
        return remotes["origin"]
    return next(iter(remotes.values())) if len(remotes) == 1 else str(clone.root)


def cache_folder(settings: Settings) -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return settings.cache or Path(home) / "reconcile"


def local_repository(config: Path | None, *, write: bool) -> Path:
    """The bare repository whose merge requests `reconcile mr` is about."""
    found = found_settings(config, Path.cwd())
    if found is None:
        raise Misconfigured("settings", "no settings name a repository here: use --repository PATH.")
    settings = load_settings(found)
    if write:
        _must_be_trusted(settings, found)
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


# ---------------------------------------------------------------------------------------------
# Repositories and forges
# ---------------------------------------------------------------------------------------------


def _repository(settings: Settings, each: written.Repository, clone: Clone | None, now: int) -> Repository:
    layout = layout_of(settings, each)
    if clone is not None and _is_clone_of(clone, each):
        return CloneRepository(clone, each.shown, layout)
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


def _bases(settings: Settings) -> frozenset[str]:
    """Every branch that is deployed from, of any repository: never one of ours."""
    return frozenset(each.branch for each in settings.repositories if each.branch)


def layout_of(settings: Settings, each: written.Repository) -> Layout:
    units = tuple(
        UnitSetting(unit.path, unit.namespace or "", unit.cluster or "")
        for unit in settings.units
        if repository_of(settings, unit) is each
    )
    return Layout(units, tuple(cluster.name for cluster in settings.clusters), cache_folder(settings))


def _is_clone_of(clone: Clone, each: written.Repository) -> bool:
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


def _templates(settings: Settings) -> Templates:
    proposals = settings.proposals
    return Templates(
        proposals.branch, proposals.title, proposals.message, tuple(settings.commits.trailers.items())
    )


# ---------------------------------------------------------------------------------------------
# Utilization
# ---------------------------------------------------------------------------------------------


def _open_metrics(settings: Settings, flag: str | None) -> Opened:
    """What `--metrics` names must open; one of several in the settings may fail alone."""
    opened: dict[str, UsageSource] = {}
    failed: list[Failure] = []
    for each in settings.metrics:
        try:
            opened[each.name] = open_source(each)
        except Problem as problem:
            if flag:
                raise
            failed.append(problem.failure)
    return Opened(opened, tuple(failed))


def open_source(each: written.Metrics) -> UsageSource:
    if each.kind == "recording" and each.path is not None:
        return open_recording(each.path, each.name)
    raise Misconfigured(
        f"metrics {each.name}",
        f"this version can't read utilization from {each.url} yet: point `metrics` at a recording "
        "(kind: recording, path: FOLDER).",
    )


def _sources(settings: Settings, opened: Opened) -> Sources:
    """Each cluster's own source; the first one for every cluster that names none."""
    first = settings.metrics[0].name if settings.metrics else ""
    wanted = {cluster.name: cluster.metrics or first for cluster in settings.clusters} | {"": first}
    return Sources(
        {cluster: opened.by_name[name] for cluster, name in wanted.items() if name in opened.by_name}
    )


def _now(asked: int | None, opened: Opened) -> int:
    """What was asked for, else the last sample of the recordings, else the clock."""
    if asked is not None:
        return asked
    last = [sample for source in opened.by_name.values() if (sample := source.last_sample()) is not None]
    return max(last) if last else int(time.time())


# ---------------------------------------------------------------------------------------------
# Policies
# ---------------------------------------------------------------------------------------------


def _policies(settings: Settings, book: PolicyBook) -> Callable[[Repository, Files], Policies]:
    """The operator's policies; for a repository that keeps its teams' policies, those as well.

    A team's file that can't be read fails its repository: what it would have forbidden is unknown.
    """
    folders = {
        normalise_url(name): each.policies
        for each in settings.repositories
        if each.policies
        for name in (each.url, each.shown)
    }

    def of(repository: Repository, files: Files) -> Policies:
        inside = folders.get(normalise_url(repository.name))
        if not inside:
            return book
        paths = [path for path in files.paths(inside) if path.endswith((".yaml", ".yml"))]
        found = [one for path in paths for one in parse_policies(files.read(path), path, repository.name)]
        return book.with_teams(found)

    return of


# ---------------------------------------------------------------------------------------------
# Folders
# ---------------------------------------------------------------------------------------------


def discover_folder(folder: Path, config: Path | None) -> Discovery:
    """What a folder holds, as it lies there; settings give it namespaces and clusters."""
    if not folder.is_dir():
        raise Misconfigured("DIR", "it is no folder.", path=str(folder))
    found = found_settings(config, folder.resolve())
    layout = Layout()
    if found is not None:
        settings = load_settings(found)
        layout = _layout_of_folder(settings, folder)
    snapshot = FolderSnapshot(folder.resolve(), repository=str(folder))
    return SnapshotFiles(snapshot, layout._replace(cache=None)).discover()


def _layout_of_folder(settings: Settings, folder: Path) -> Layout:
    """The layout of the configured repository that the folder is a clone of, else of the only one."""
    clone = open_clone(folder)
    chosen = [each for each in settings.repositories if clone is not None and _is_clone_of(clone, each)]
    chosen = chosen or list(settings.repositories if len(settings.repositories) == 1 else ())
    if not chosen:
        return Layout()
    layout = layout_of(settings, chosen[0])
    inside = folder.resolve().relative_to(clone.root).as_posix() if clone is not None else "."
    return layout._replace(units=tuple(_seen_from(inside, unit) for unit in layout.units))


def _seen_from(inside: str, unit: UnitSetting) -> UnitSetting:
    """The unit's folder as it is called from a folder within the repository."""
    if inside == ".":
        return unit
    path = unit.path.strip("/")
    if path in ("", ".") or f"{inside}/".startswith(f"{path}/"):
        return unit._replace(path="")
    return unit._replace(path=path.removeprefix(f"{inside}/") if path.startswith(f"{inside}/") else path)

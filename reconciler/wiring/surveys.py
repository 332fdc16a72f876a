"""What is found in repositories and folders, and what renders it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock
from typing import NamedTuple

from reconciler.argocd import Access, ArgoCD, Servers
from reconciler.config import Settings, load_policies, load_settings, repository_of
from reconciler.config import settings as written
from reconciler.deployments import (
    Layout,
    SnapshotFiles,
)
from reconciler.errors import Misconfigured, Problem
from reconciler.git.clone import Clone, open_clone
from reconciler.git.folder import FolderSnapshot
from reconciler.model import Discovery, Failure, Refused
from reconciler.ports import Progress
from reconciler.rendering.fetch import ChartFetcher
from reconciler.rendering.room import workers_here
from reconciler.rendering.setup import open_renderer
from reconciler.rendering.tools import find_tools
from reconciler.rendering.web import Login, Web
from reconciler.source.estate import Estate, Land, Means, survey
from reconciler.source.render import Rendered, Renderer, Request
from reconciler.source.settings import ChartSetting, Cluster, UnitSettings
from reconciler.source.within import within
from reconciler.wiring.places import cache_folder, found_settings
from reconciler.wiring.remotes import FetchedCharts, GitRemotes
from reconciler.wiring.repositories import is_clone_of, layout_of


def unit_settings(settings: Settings) -> UnitSettings:
    """What the settings say of clusters, and of charts that nothing else names."""
    clusters = tuple(
        Cluster(
            each.name,
            each.server or "",
            each.kube_version or "",
            each.api_versions,
            tuple(sorted(each.labels.items())),
        )
        for each in settings.clusters
    )
    return UnitSettings(clusters, charts_of(settings), build_options=settings.rendering.build_options)


def charts_of(settings: Settings) -> tuple[ChartSetting, ...]:
    return tuple(
        ChartSetting(
            _named(settings, unit),
            unit.path,
            unit.value_files,
            unit.release_name or "",
            unit.namespace or "",
            unit.cluster or "",
        )
        for unit in settings.units
    )


def _named(settings: Settings, unit: written.Unit) -> str:
    found = repository_of(settings, unit)
    return found.url if found is not None else unit.repository or ""


class _WhenAsked:
    """A renderer that is looked for when something has to be rendered: most commands need none."""

    def __init__(self, make: Callable[[], Renderer]) -> None:
        self._make = make
        self._lock = Lock()
        self._made: Renderer | None = None

    def render(self, request: Request) -> Rendered | Refused:
        with self._lock:
            self._made = self._made or self._make()
        return self._made.render(request)


def surveyor(settings: Settings, wanted: UnitSettings) -> Callable[[Sequence[Land], Progress], Estate]:
    """Who looks at repositories, with everything that the settings say of rendering."""

    def surveyed(lands: Sequence[Land], progress: Progress) -> Estate:
        servers = argocd_servers(settings)
        failed: list[Failure] = []
        exported = None
        try:
            exported = _exported(settings, servers)
        except Problem as problem:  # then the files say what there is, and Argo CD can't confirm it
            failed.append(problem.failure)
        notes = servers.cautions() if servers is not None else ()
        given = wanted._replace(exported=exported)
        return survey(lands, given, _means(settings, servers), progress.step, failed, notes)

    return surveyed


def _means(settings: Settings, servers: Servers | None) -> Means:
    """The programs that render, behind the walls that this machine has, asked nothing twice."""
    rendering, folder = settings.rendering, cache_folder(settings)

    def renderer() -> Renderer:
        tools = find_tools(None, rendering.programs)
        return open_renderer(
            tools, folder / "renders", seconds=rendering.timeout, most_bytes=rendering.cache_size
        )

    web = _web(settings)
    return Means(
        _WhenAsked(renderer),
        charts=FetchedCharts(ChartFetcher(web, folder / "charts", rendering.cache_size)),
        remotes=GitRemotes(settings, web, folder / "pinned") if rendering.hosts else None,
        judge=servers,
        workers=workers_here(),
    )


def _web(settings: Settings) -> Web:
    rendering, network = settings.rendering, settings.network
    logins = {
        one.host: Login(one.password.read(os.environ), one.username or "") for one in rendering.registries
    }
    proxies = {"http": network.proxy, "https": network.proxy} if network.proxy else None
    return Web(rendering.hosts, logins, authorities=network.ca_bundle, proxies=proxies)


def argocd_servers(settings: Settings) -> Servers | None:
    """The Argo CD servers of the settings, as one; None without any."""
    network = settings.network
    servers = [
        ArgoCD(
            Access(
                each.url,
                each.token.read(os.environ) if each.token else None,
                network.ca_bundle,
                network.proxy or "",
            )
        )
        for each in settings.argocd
    ]
    return Servers(servers) if servers else None


def _exported(settings: Settings, servers: Servers | None) -> bytes | None:
    """The list of Applications, where a file or Argo CD itself says it."""
    if settings.applications is None:
        return servers.applications() if servers is not None else None
    try:
        return settings.applications.read_bytes()
    except OSError as error:
        words = f"it can't be read ({error.strerror}): export it with `argocd app list -o json`."
        raise Misconfigured("applications", words, path=str(settings.applications)) from error


class FolderSurvey(NamedTuple):
    """What a folder holds. In a clone the whole of it is looked at: its paths begin at the root, and
    whoever shares a line may lie beside the folder.
    """

    estate: Estate
    root: Path  # that paths begin at
    inside: str  # the folder, as it is called from there; "." is the root itself

    @property
    def found(self) -> Discovery:
        return within(self.estate.only, self.inside)


def survey_folder(folder: Path, config: Path | None, progress: Progress) -> FolderSurvey:
    """What lies in a folder, committed or not; settings give it namespaces, clusters and charts."""
    if not folder.is_dir():
        raise Misconfigured("DIR", "it is no folder.", path=str(folder))
    found = found_settings(config, folder.resolve())
    clone = open_clone(folder)
    root = clone.root if clone is not None else folder.resolve()
    settings = load_settings(found) if found is not None else Settings.for_clone(str(root))
    remotes = tuple(clone.remotes.values()) if clone is not None else ()
    chosen = _configured(settings, clone) if found is not None else None
    layout = layout_of(settings, chosen) if chosen is not None else Layout()
    layout = layout._replace(cache=None, addresses=(*layout.addresses, *remotes))
    name = str(folder) if root == folder.resolve() else str(root)
    ignored = clone.ignores if clone is not None else None
    files = SnapshotFiles(
        FolderSnapshot(root, repository=name, ignored=ignored),
        layout,
        branches=clone.followed if clone is not None else (),
    )
    book = load_policies(settings.policies, settings.proposals.group)
    land = files.land()
    land = land._replace(known=land.known._replace(remote=bool(remotes)), mappings=book.mappings)
    estate = surveyor(settings, _units_of_folder(settings, chosen, name))([land], progress)
    return FolderSurvey(estate, root, folder.resolve().relative_to(root).as_posix())


def folder_around(file: Path) -> Path:
    """What a file is a part of: its clone, else the working folder, else its own folder."""
    clone = open_clone(file.parent)
    if clone is not None:
        return clone.root
    return Path.cwd() if file.resolve().is_relative_to(Path.cwd().resolve()) else file.parent


def _configured(settings: Settings, clone: Clone | None) -> written.Repository | None:
    """The configured repository that a folder is a clone of, else the only one."""
    chosen = [each for each in settings.repositories if clone is not None and is_clone_of(clone, each)]
    chosen = chosen or list(settings.repositories if len(settings.repositories) == 1 else ())
    return chosen[0] if chosen else None


def _units_of_folder(settings: Settings, chosen: written.Repository | None, name: str) -> UnitSettings:
    """The units of the settings that lie in the folder's repository."""
    mine = tuple(
        chart._replace(repository=name)
        for unit, chart in zip(settings.units, charts_of(settings), strict=True)
        if chosen is not None and repository_of(settings, unit) is chosen
    )
    return unit_settings(settings)._replace(charts=mine)

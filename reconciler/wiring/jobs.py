"""From settings and flags to a job."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from reconciler.config import (
    PolicyBook,
    Settings,
    load_policies,
    load_settings,
    parse_policies,
)
from reconciler.errors import Misconfigured
from reconciler.forges.port import Spent
from reconciler.git.clone import Clone, open_clone
from reconciler.git.urls import normalise_url
from reconciler.job import Job
from reconciler.model import ContainerRef, NodeSize, Note
from reconciler.ports import Files, Policies, Progress, Repository
from reconciler.wiring.images import looked_at
from reconciler.wiring.metrics import moment, open_metrics, sources_of
from reconciler.wiring.places import clone_url, found_settings, must_be_trusted
from reconciler.wiring.prices import pricing_of
from reconciler.wiring.repositories import repository_at, templates_of
from reconciler.wiring.surveys import argocd_servers, surveyor, unit_settings

_NO_METRICS = Note(
    "no-metrics",
    "no source of utilization is named, so every request is kept: name one with --metrics URL|FOLDER, or "
    "under `metrics` in the settings; `reconcile usage --metrics URL` shows what it knows",
)


class Asked(NamedTuple):
    """What the command line asked for."""

    config: Path | None
    metrics: str | None
    remote: bool
    now: int | None
    only: Callable[[ContainerRef, str], bool]
    partial: bool
    write: bool


def job(asked: Asked, progress: Progress) -> Job:
    """Everything a run needs. Raises Misconfigured when nothing can be tried at all."""
    clone = open_clone(Path.cwd()) if not asked.write and not asked.remote else None
    settings = _settings(asked, clone)
    opened = open_metrics(settings, asked.metrics)
    now = moment(asked.now, opened)
    book = load_policies(settings.policies, settings.proposals.group)
    sources = sources_of(settings, opened)
    servers = argocd_servers(settings)
    spent: dict[str, Spent] = {}
    return Job(
        repositories=[repository_at(settings, each, clone, now, spent) for each in settings.repositories],
        sources=sources,
        prices=pricing_of(settings, sources.of),
        images=looked_at(settings),
        policies=_policies(settings, book),
        survey=surveyor(settings, unit_settings(settings)),
        templates=templates_of(settings),
        now=now,
        only=asked.only,
        partial=asked.partial,
        write=asked.write,
        progress=progress,
        failed=opened.failed,
        syncs=servers.shut if servers is not None else None,
        alarms={each.name: each.alarms for each in settings.metrics},
        nodes={
            one.name: NodeSize(one.nodes.cpu, one.nodes.memory)
            for one in settings.clusters
            if one.nodes.cpu or one.nodes.memory
        },
        notes=(*settings.notes, *([] if settings.metrics else [_NO_METRICS])),
    )


def _settings(asked: Asked, clone: Clone | None) -> Settings:
    found = found_settings(asked.config, Path.cwd())
    if found is None:
        return _settings_of_clone(asked, clone)
    settings = load_settings(found)
    if asked.write:
        must_be_trusted(settings, found)
    return settings.with_metrics(asked.metrics) if asked.metrics else settings


def _settings_of_clone(asked: Asked, clone: Clone | None) -> Settings:
    if clone is None:
        raise Misconfigured(
            "settings",
            "there is no reconcile.yaml here or in a folder above, and $RECONCILE_CONFIG is not set: write "
            "one with `reconcile init`, name one with --config, or stand in a clone and use --dry-run.",
        )
    return Settings.for_clone(clone_url(clone), metrics=asked.metrics)


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

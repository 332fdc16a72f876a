"""What nobody deploys: kustomizations and folders of manifests that stand for themselves."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable
from functools import partial
from typing import Final

from reconciler.model import Refused
from reconciler.source import kustomize
from reconciler.source.bases import RemoteBase, remote
from reconciler.source.charts import CHART
from reconciler.source.compose import Places, UnitSetting
from reconciler.source.context import Context
from reconciler.source.layout import folder
from reconciler.source.memo import Memo
from reconciler.source.overlays import kustomization_in
from reconciler.source.render import KustomizeRequest
from reconciler.source.settings import Cluster
from reconciler.source.trees import Tree
from reconciler.source.typed import Table, text
from reconciler.source.units import Unit

_OBJECT: Final = re.compile(rb"\bkind\b[\"']?\s*:")
_TOP_KIND: Final = re.compile(rb"(?m)^kind:[ \t]*[\"']?([A-Za-z]+)")
_DEFINING: Final = (b"Application", b"ApplicationSet", b"AplTeamWorkload", b"HelmRelease", b"Kustomization")


class _Where:
    """Where the settings say that what lies in a folder is applied."""

    def __init__(self, tree: Tree, context: Context) -> None:
        settings, repositories = context.settings, context.repositories
        named = [
            UnitSetting(each.path, each.namespace, each.cluster)
            for each in settings.charts
            if not each.repository or repositories.meant(each.repository, each.path) is tree
        ]
        self._clusters = {each.name: each for each in settings.clusters}
        self._places = Places(tree.name, named, list(self._clusters))

    def of(self, path: str) -> tuple[Cluster, str]:
        name, namespace = self._places.of(path)
        return self._clusters.get(name, Cluster(name)), namespace


def units_of(deployed: Iterable[Unit], context: Context) -> list[Unit]:
    """The units of what no other unit renders."""
    deployed = list(deployed)
    used = _used(deployed, context)
    defining = {(unit.repository, unit.path) for unit in deployed}
    found: list[Unit] = []
    inner = _taken_in(context)
    for tree in context.repositories.trees:
        taken = used.setdefault(tree.name, set())
        where = _Where(tree, context)
        found += _kustomizations(tree, taken, inner, where, context)
        found += _folders(
            tree, taken, {path for name, path in defining if name == tree.name}, where, context.memo
        )
    return found


def _used(deployed: Iterable[Unit], context: Context) -> dict[str, set[str]]:
    """The files that go into a render, by repository."""
    used: dict[str, set[str]] = {}
    for unit in deployed:
        own = used.setdefault(unit.source, set())
        own.update(unit.manifests)
        if isinstance(unit.request, KustomizeRequest):
            _take(unit, used)
        for layer in unit.layers:
            used.setdefault(layer.place.repository, set()).add(layer.place.path)
    charts = {(unit.source, unit.chart) for unit in deployed if unit.layers and unit.source}
    for repository, chart in charts:
        tree = context.repositories.named(repository)
        used[repository].update(tree.below(chart) if tree is not None and chart else ())
    return used


def _take(unit: Unit, used: dict[str, set[str]]) -> None:
    """The files of a kustomization, in whichever repository they lie."""
    assert isinstance(unit.request, KustomizeRequest)
    if not unit.mounts:
        used.setdefault(unit.source, set()).update(unit.request.files)
        return
    for path in unit.request.files:
        at = unit.located(path)
        used.setdefault(at.repository, set()).add(at.path)


def _kustomizations(
    tree: Tree, taken: set[str], inner: set[tuple[str, str]], where: _Where, context: Context
) -> list[Unit]:
    """Those that no other kustomization and no unit takes in."""
    units = []
    for path, (_, body) in sorted(_bodies(tree, context).items()):
        if path in taken or (tree.name, path) in inner or text(body.get("kind")) == "Component":
            continue
        at = posixpath.dirname(path)
        overlay = context.overlays.overlay(tree, at)
        to, namespace = where.of(path)
        unit = Unit(
            at or ".", tree.name, path, 1, to.name, namespace, None, commit=tree.commit, source=tree.name
        )
        if isinstance(overlay, Refused):
            units.append(unit._replace(refused=overlay))
            continue
        options = context.settings.build_options
        request = KustomizeRequest(
            overlay.files, at, options, to.kube_version, to.api_versions, mounted=overlay.mounted
        )
        units.append(unit._replace(request=request, mounts=overlay.mounts))
        taken.update(overlay.files)
    return units


def _bodies(tree: Tree, context: Context) -> dict[str, tuple[kustomize.Kustomization, Table]]:
    """Every kustomization that can be read, by path."""
    found = {}
    for entry in tree.layout.kustomizations:
        body = context.overlays.body(tree, entry.path)
        if isinstance(body, Refused):
            context.fail("kustomization", body.detail, tree.name, entry.path)
        elif (read := kustomize.read(body)) is not None:
            found[entry.path] = (read, body)
    return found


def _taken_in(context: Context) -> set[tuple[str, str]]:
    """The kustomizations that others name, by repository and path."""
    inner = set()
    for tree in context.repositories.trees:
        for path, (read, _) in _bodies(tree, context).items():
            for name in read.resources:
                there, at = _named(tree, path, name, context)
                below = kustomization_in(there, at) if there is not None and at is not None else None
                if there is not None and below is not None and (there, below) != (tree, path):
                    inner.add((there.name, below))
    return inner


def _named(tree: Tree, path: str, name: str, context: Context) -> tuple[Tree | None, str | None]:
    """The folder that an entry means, here or in another known repository."""
    at = tree.resolved(posixpath.join(posixpath.dirname(path), name))
    if at is not None and tree.has(at):
        return tree, at
    base = remote(name)
    if not isinstance(base, RemoteBase):
        return None, None
    known = context.repositories.addressed(base.url)
    follows = known is not None and context.repositories.follows(known, base.revision)
    return (known, base.folder) if follows else (None, None)


def _folders(tree: Tree, taken: set[str], defining: set[str], where: _Where, memo: Memo) -> list[Unit]:
    """Every folder with manifests that nothing else takes; a chart's files are none."""
    charts = {folder(path) for path in tree.paths if posixpath.basename(path) == CHART}
    folders: dict[str, list[str]] = {}
    for entry in tree.layout.manifests:
        if entry.path in taken or (charts and _is_below(entry.path, charts)):
            continue
        holds, holds_more = memo.objects.get(entry.blob, partial(_objects_in, tree, entry.path))
        if holds and (entry.path not in defining or holds_more):
            folders.setdefault(folder(entry.path), []).append(entry.path)
    return [_folder(tree, at, paths, where) for at, paths in sorted(folders.items())]


def _folder(tree: Tree, at: str, paths: list[str], where: _Where) -> Unit:
    to, namespace = where.of(paths[0])
    return Unit(
        at,
        tree.name,
        at,
        0,
        to.name,
        namespace,
        None,
        commit=tree.commit,
        source=tree.name,
        manifests=tuple(paths),
    )


def _objects_in(tree: Tree, path: str) -> tuple[bool, bool]:
    """Whether a file holds objects, and whether others than those that define units."""
    data = tree.read(path) or b""
    return _OBJECT.search(data) is not None, any(kind not in _DEFINING for kind in _TOP_KIND.findall(data))


def _is_below(path: str, charts: set[str]) -> bool:
    at = folder(path)
    while at not in charts:
        if at == ".":
            return False
        at = folder(at)
    return True

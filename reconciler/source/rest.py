"""What nobody deploys: kustomizations and folders of manifests that stand for themselves."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable
from typing import Final

from reconciler.model import Refused
from reconciler.source import kustomize
from reconciler.source.charts import CHART
from reconciler.source.context import Context
from reconciler.source.layout import folder
from reconciler.source.overlays import kustomization_in
from reconciler.source.render import KustomizeRequest
from reconciler.source.settings import Destination, destination
from reconciler.source.trees import Tree
from reconciler.source.typed import text
from reconciler.source.units import Unit

_OBJECT: Final = re.compile(rb"\bkind\b[\"']?\s*:")


def units_of(deployed: Iterable[Unit], context: Context) -> list[Unit]:
    """The units of what no other unit renders."""
    used = _used(deployed, context)
    clusters = context.settings.clusters
    only = clusters[0] if len(clusters) == 1 else None
    to = destination(context.settings, only.name if only else "", "") if only else Destination("")
    found: list[Unit] = []
    for tree in context.repositories.trees:
        taken = used.setdefault(tree.name, set())
        found += _kustomizations(tree, taken, to, context)
        found += _folders(tree, taken, to)
    return found


def _used(deployed: Iterable[Unit], context: Context) -> dict[str, set[str]]:
    """The files that go into a render, by repository."""
    used: dict[str, set[str]] = {}
    for unit in deployed:
        own = used.setdefault(unit.source, set())
        own.update(unit.manifests)
        if isinstance(unit.request, KustomizeRequest):
            own.update(unit.request.files)
        for layer in unit.layers:
            used.setdefault(layer.place.repository, set()).add(layer.place.path)
        used.setdefault(unit.repository, set()).add(unit.path)
    charts = {(unit.source, unit.chart) for unit in deployed if unit.layers and unit.source}
    for repository, chart in charts:
        tree = context.repositories.named(repository)
        used[repository].update(tree.below(chart) if tree is not None and chart else ())
    return used


def _kustomizations(tree: Tree, taken: set[str], to: Destination, context: Context) -> list[Unit]:
    """Those that no other kustomization and no unit takes in."""
    bodies = {}
    for entry in tree.layout.kustomizations:
        body = context.overlays.body(tree, entry.path)
        read = None if isinstance(body, Refused) else kustomize.read(body)
        if isinstance(body, Refused):
            context.fail("kustomization", body.detail, tree.name, entry.path)
        if read is not None and not isinstance(body, Refused):
            bodies[entry.path] = (read, body)
    inner = _taken_in({path: read for path, (read, _) in bodies.items()}, tree)
    units = []
    for path, (_, body) in sorted(bodies.items()):
        if path in taken or path in inner or text(body.get("kind")) == "Component":
            continue
        at = posixpath.dirname(path)
        overlay = context.overlays.overlay(tree, at)
        unit = Unit(at or ".", tree.name, path, 1, to.name, "", None, commit=tree.commit, source=tree.name)
        if isinstance(overlay, Refused):
            units.append(unit._replace(refused=overlay))
            continue
        options = context.settings.build_options
        request = KustomizeRequest(overlay.files, at, options, to.kube_version, to.api_versions)
        units.append(unit._replace(request=request))
        taken.update(overlay.files)
    return units


def _taken_in(read: dict[str, kustomize.Kustomization], tree: Tree) -> set[str]:
    """The kustomizations that others name."""
    inner = set()
    for path, found in read.items():
        for name in found.resources:
            at = tree.resolved(posixpath.join(posixpath.dirname(path), name))
            below = kustomization_in(tree, at) if at is not None else None
            if below is not None and below != path:
                inner.add(below)
    return inner


def _folders(tree: Tree, taken: set[str], to: Destination) -> list[Unit]:
    """Every folder with manifests that nothing else takes; a chart's files are none."""
    charts = {folder(path) for path in tree.paths if posixpath.basename(path) == CHART}
    folders: dict[str, list[str]] = {}
    for entry in tree.layout.manifests:
        if entry.path in taken or (charts and _is_below(entry.path, charts)):
            continue
        if _OBJECT.search(tree.read(entry.path) or b""):
            folders.setdefault(folder(entry.path), []).append(entry.path)
    return [
        Unit(
            at,
            tree.name,
            at,
            0,
            to.name,
            "",
            None,
            commit=tree.commit,
            source=tree.name,
            manifests=tuple(paths),
        )
        for at, paths in sorted(folders.items())
    ]


def _is_below(path: str, charts: set[str]) -> bool:
    at = folder(path)
    while at not in charts:
        if at == ".":
            return False
        at = folder(at)
    return True

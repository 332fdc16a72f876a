"""Charts that the settings name, for what no Application deploys."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence

from reconciler.model import Reason, Refused
from reconciler.source.charts import CHART
from reconciler.source.context import Context, Landing
from reconciler.source.render import HelmRequest
from reconciler.source.settings import ChartSetting, Cluster
from reconciler.source.trees import Tree
from reconciler.source.units import Layer, Unit
from reconciler.source.valuefiles import Home, value_files


def units_of(named: Sequence[ChartSetting], context: Context) -> list[Unit]:
    return [unit for each in named if (unit := _unit(each, context)) is not None]


def _unit(named: ChartSetting, context: Context) -> Unit | None:
    """The unit of a chart; None for a folder that is none, whose manifests stand for themselves."""
    tree = _tree(named, context)
    folder = named.path.strip("/").removeprefix("./")
    folder = "" if folder == "." else folder
    if tree is None or not tree.has_folder(folder):
        words = f"the unit {named.path} of the settings is in no known repository"
        context.fail("unit", words, named.repository, named.path)
        return None
    if not tree.has_file(posixpath.join(folder, CHART)):
        if named.value_files or named.release_name:
            words = f"the unit {named.path} of the settings is no chart: it has no {CHART}"
            context.fail("unit", words, tree.name, named.path)
        return None
    return _chart_unit(named, tree, folder, context)


def _tree(named: ChartSetting, context: Context) -> Tree | None:
    repositories = context.repositories
    if not named.repository:
        return repositories.trees[0] if len(repositories.trees) == 1 else None
    return repositories.named(named.repository) or repositories.meant(named.repository, named.path)


def _chart_unit(named: ChartSetting, tree: Tree, folder: str, context: Context) -> Unit:
    cluster = _cluster(named, context)
    name = named.release_name or posixpath.basename(folder) or "chart"
    path = posixpath.join(folder, CHART)
    unit = Unit(
        name, tree.name, path, 1, cluster.name, named.namespace, None, commit=tree.commit, source=tree.name
    )
    chart = context.charts.folder(tree, folder)
    if isinstance(chart, Refused):
        return unit._replace(refused=chart, chart=folder)
    files = value_files(named.value_files, Home(tree, folder, {}, {}, {}), ignore_missing=False)
    if isinstance(files, Refused):
        return unit._replace(refused=files, chart=folder)
    at = Landing(tree, folder)
    layers = (context.chart_layer(chart, at), *(context.file_layer(each) for each in files))
    request = HelmRequest(
        chart,
        tuple(layer.content for layer in layers[1:]),
        (),
        name,
        named.namespace or "default",
        cluster.kube_version,
        cluster.api_versions,
    )
    mounts = context.charts.mounts(tree, folder)
    secret = next((layer.refused for layer in layers if _needs_secret(layer)), None)
    return unit._replace(request=request, layers=layers, chart=folder, refused=secret, mounts=mounts)


def _needs_secret(layer: Layer) -> bool:
    return layer.refused is not None and layer.refused.reason in (Reason.ENCRYPTED, Reason.PLUGIN)


def _cluster(named: ChartSetting, context: Context) -> Cluster:
    clusters = context.settings.clusters
    if not named.cluster and len(clusters) == 1:
        return clusters[0]
    return next((each for each in clusters if each.name == named.cluster), Cluster(named.cluster))

"""What the operator says of clusters and charts, as far as units need to know."""

from __future__ import annotations

from typing import Final, NamedTuple

from reconciler.model import Reason, Refused

IN_CLUSTER: Final = "in-cluster"
IN_CLUSTER_SERVER: Final = "https://kubernetes.default.svc"


class Cluster(NamedTuple):
    name: str
    server: str = ""
    kube_version: str = ""
    api_versions: tuple[str, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()

    @property
    def is_local(self) -> bool:
        """Whether it is the one that Argo CD itself runs in."""
        return self.name == IN_CLUSTER or _server(self.server) == IN_CLUSTER_SERVER


class ChartSetting(NamedTuple):
    """A chart that the settings name."""

    repository: str  # name or address; "" where there is only one
    path: str
    value_files: tuple[str, ...] = ()
    release_name: str = ""
    namespace: str = ""
    cluster: str = ""


class UnitSettings(NamedTuple):
    clusters: tuple[Cluster, ...] = ()
    charts: tuple[ChartSetting, ...] = ()
    exported: bytes | None = None  # `argocd app list -o json`: then no Application is looked for
    build_options: tuple[str, ...] = ()  # of kustomize, as Argo CD has them


class Destination(NamedTuple):
    """Where something is deployed to, as the settings know it."""

    name: str  # of the cluster; "" for the only one there is
    kube_version: str = ""
    api_versions: tuple[str, ...] = ()
    refused: Refused | None = None


def destination(settings: UnitSettings, name: str, server: str) -> Destination:
    """The cluster that a destination means."""
    clusters = settings.clusters
    if not clusters:
        return Destination("")
    found = next((each for each in clusters if _means(each, name, server)), None)
    if found is None and len(clusters) == 1 and not clusters[0].server and _is_local(name, server):
        found = clusters[0]
    if found is not None:
        return Destination(found.name, found.kube_version, found.api_versions)
    words = f"its destination {name or server} is none of the clusters in the settings"
    return Destination(name or server, refused=Refused(Reason.AMBIGUOUS_CLUSTER, words))


def _means(cluster: Cluster, name: str, server: str) -> bool:
    if name:
        return cluster.name == name or (cluster.is_local and name == IN_CLUSTER)
    if not server:
        return cluster.is_local
    return _server(server) == _server(cluster.server) or (cluster.is_local and _is_local("", server))


def _is_local(name: str, server: str) -> bool:
    return name == IN_CLUSTER or (not name and _server(server) in ("", IN_CLUSTER_SERVER))


def _server(url: str) -> str:
    return url.strip().rstrip("/").lower()

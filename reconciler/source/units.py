"""What is rendered together: the records that the dialects (Argo CD, Flux, charts, ...) produce."""

from __future__ import annotations

from typing import NamedTuple

from reconciler.model import Key, Place, Refused
from reconciler.source.render import HelmRequest, KustomizeRequest


class Layer(NamedTuple):
    """Values of a chart that one place holds. In a unit the last layer wins.

    `place` is where the mapping stands: the root of a value file, a `valuesObject`, or (with
    `block`) the YAML inside a literal block, so that a value at path P is at `keys + P`, or at
    `inner = P` of the block.
    """

    place: Place
    block: bool
    content: bytes  # the mapping as helm is given it
    shared: bool = False  # a chart's own defaults: edited only where nothing else can be
    refused: Refused | None = None  # why nothing in it can be edited: encrypted, generated, remote


class SetParameter(NamedTuple):
    """One entry of `helm.parameters`, and where its value stands."""

    name: str
    place: Place
    refused: Refused | None = None


class Written(NamedTuple):
    """A piece of a kustomization in the request that an Application brings in, and where it stands there.

    `composite`: one text (`nginx=mirror/nginx:1.25`) that became several keys; otherwise key for key.
    """

    path: str  # of the kustomization in the request
    keys: tuple[Key, ...]
    place: Place
    composite: bool = False


class Ignored(NamedTuple):
    """An entry of `ignoreDifferences`: what of which objects Argo CD leaves as it is in the cluster.

    Of the objects everything that is "" means any.
    """

    group: str
    kind: str
    name: str
    namespace: str
    pointers: tuple[str, ...]  # JSON pointers
    queries: tuple[str, ...]  # jq paths
    managers: tuple[str, ...]  # field managers whose fields are left


class Located(NamedTuple):
    """Where a file of a request lies, and why nothing in it can be edited, if so."""

    repository: str
    path: str
    refused: Refused | None = None


class Mount(NamedTuple):
    """A folder of the request, or one file, whose bytes lie elsewhere than under the same path in `source`.

    `folder` "" is the whole request. `head` is the folder's own path in that repository.
    """

    folder: str
    repository: str
    head: str = ""
    refused: Refused | None = None  # the repository isn't known, so nothing in it can be edited

    def located(self, path: str) -> Located | None:
        if self.folder and path != self.folder and not path.startswith(f"{self.folder}/"):
            return None
        rest = path[len(self.folder) :].lstrip("/")
        return Located(self.repository, f"{self.head}/{rest}".strip("/"), self.refused)


class Deployed(NamedTuple):
    """The Application that a unit is a source of, as Argo CD knows it."""

    name: str
    namespace: str  # its own; "" for the one that Argo CD runs in
    project: str
    path: str  # of this source in its repository: where relative paths begin
    revisions: tuple[tuple[int, str], ...]  # position of a source among several (0: the only), its commit
    alone: bool  # nothing else is rendered of it
    keeps_ignored: bool = False  # even a sync leaves what `ignoreDifferences` names
    labels: tuple[tuple[str, str], ...] = ()
    annotations: tuple[tuple[str, str], ...] = ()  # those of Argo CD Image Updater
    destination: tuple[str, str, str] = ("", "", "")  # name and server of a cluster, and the namespace


class Unit(NamedTuple):
    """One render: an Application's source, a HelmRelease, a kustomization, a chart from the settings.

    The layers that are no chart's defaults are, in order, the request's `values`.
    """

    name: str
    repository: str
    path: str  # of the Application, kustomization or chart: what people call the unit by
    line: int
    cluster: str
    namespace: str  # of the destination: for what names none
    request: HelmRequest | KustomizeRequest | None  # None: it can't be rendered; see `refused`
    layers: tuple[Layer, ...] = ()
    parameters: tuple[SetParameter, ...] = ()
    commit: str = ""
    refused: Refused | None = None  # why nothing of it can be edited, whether or not it can be rendered
    source: str = ""  # repository of the files that are rendered; "" when they are fetched from elsewhere
    chart: str = ""  # folder of the chart in `source`
    manifests: tuple[str, ...] = ()  # files of `source` that are applied as they are; nothing is rendered
    written: tuple[Written, ...] = ()
    ignored: tuple[Ignored, ...] = ()
    generate_paths: str | None = None  # `manifest-generate-paths`: which changes make Argo CD look again
    mounts: tuple[Mount, ...] = ()  # the deepest folder holds
    read: tuple[tuple[str, str], ...] = ()  # further files that had a say in it, as repository and path
    parent: Unit | None = None  # whose render brought forth what defines it
    application: Deployed | None = None

    @property
    def lineage(self) -> tuple[str, ...]:
        """Which unit it is: what it is called, where that stands, and by whose render it came."""
        own = (self.repository, self.path, self.name, self.cluster, self.namespace)
        return own if self.parent is None else (*own, *self.parent.lineage)

    def located(self, path: str) -> Located:
        """Where a file of the request lies."""
        found: Located | None = None
        longest = -1
        for each in self.mounts:
            if len(each.folder) > longest and (at := each.located(path)) is not None:
                found, longest = at, len(each.folder)
        return found or Located(self.source or self.repository, path)

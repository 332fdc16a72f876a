"""What is rendered together: the records that the dialects (Argo CD, Flux, charts, ...) produce."""

from __future__ import annotations

from typing import NamedTuple

from reconciler.model import Place, Refused
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


class Unit(NamedTuple):
    """One render: an Application's source, a HelmRelease, a kustomization, a chart from the settings."""

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
    refused: Refused | None = None

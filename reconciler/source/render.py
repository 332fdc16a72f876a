"""What is asked of a renderer, and how it answers. Whoever runs helm or kustomize implements it.

A request holds every byte that may go into the render, so equal requests give equal answers and
an answer can be kept under the request's digest.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from reconciler.model import Refused

Files = Mapping[str, bytes]  # path below the root of the request -> content


class Parameter(NamedTuple):
    """`--set name=value`, or `--set-string` when the value shall stay text."""

    name: str
    value: str
    as_text: bool = False


class FileParameter(NamedTuple):
    """`--set-file name=...`: the content, taken as text."""

    name: str
    content: bytes


class HelmRequest(NamedTuple):
    chart: Files  # the chart's own files, dependencies below charts/ included; Chart.yaml at the root
    values: tuple[bytes, ...]  # contents of value files, the last wins
    parameters: tuple[Parameter, ...]  # win over all files
    release: str
    namespace: str
    kube_version: str = ""  # "" is the renderer's default
    api_versions: tuple[str, ...] = ()
    include_crds: bool = True
    skip_tests: bool = False
    skip_schema_validation: bool = False
    file_parameters: tuple[FileParameter, ...] = ()
    again: int = 0  # requests that differ in it alone are rendered anew: how noise is found


class KustomizeRequest(NamedTuple):
    files: Files  # everything that the folder may lead to
    folder: str  # of the kustomization, below the root; "" is the root itself
    options: tuple[str, ...] = ()  # of `buildOptions`, those that are allowed
    kube_version: str = ""
    api_versions: tuple[str, ...] = ()
    again: int = 0
    # what kustomizations name that lies elsewhere, as they write it -> where it is among the files
    mounted: Mapping[str, str] = {}


Request = HelmRequest | KustomizeRequest


class Rendered(NamedTuple):
    text: str  # YAML documents
    renderer: str  # program and version, for the evidence


class Renderer(Protocol):
    def render(self, request: Request) -> Rendered | Refused:
        """The manifests, or why there are none; never raises for what the request holds."""
        ...

"""A folder as a Flux Kustomization builds it when nobody wrote a kustomization for it."""

from __future__ import annotations

import posixpath
from typing import Final, NamedTuple

from reconciler.model import Reason, Refused
from reconciler.source.layout import KUSTOMIZATIONS
from reconciler.source.overlays import Overlay, Overlays, kustomization_in
from reconciler.source.trees import Tree
from reconciler.source.typed import Table, Value

_MADE: Final = Refused(
    Reason.UNSUPPORTED, "Flux makes this kustomization by itself, so nothing can be written to it"
)


class Generated(NamedTuple):
    """What Flux finds: every manifest, but of a folder that has a kustomization only that."""

    manifests: tuple[str, ...]
    kustomizations: tuple[str, ...]  # their folders


def generated(tree: Tree, folder: str) -> Generated:
    manifests: list[str] = []
    built: set[str] = set()
    for path in tree.below(folder):
        rest = path[len(folder) :].strip("/")
        if any(part.startswith(".") for part in rest.split("/")):
            continue  # `.github/`, `.sops.yaml` and their like never reach Flux
        outermost = next((at for at in _between(folder, path) if kustomization_in(tree, at)), None)
        if outermost is not None:
            built.add(outermost)
        elif path.endswith((".yaml", ".yml")):
            manifests.append(path)
    return Generated(tuple(manifests), tuple(sorted(built)))


def overlay_of(
    found: Generated, tree: Tree, folder: str, overlays: Overlays
) -> tuple[Overlay | Refused, Table]:
    """The kustomization that Flux would write, and what it says."""
    resources: list[Value] = [
        posixpath.relpath(path, folder or ".") for path in sorted((*found.manifests, *found.kustomizations))
    ]
    body: Table = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": resources,
    }
    return overlays.made(tree, posixpath.join(folder, KUSTOMIZATIONS[0]), body, _MADE), body


def _between(folder: str, path: str) -> list[str]:
    """The folders on the way from one down to a file, the outermost first, itself left out."""
    found = []
    at = posixpath.dirname(path)
    while at != folder and at:
        found.append(at)
        at = posixpath.dirname(at)
    return found[::-1]

"""Which tool renders a source of an Application."""

from __future__ import annotations

import posixpath
from typing import Final, NamedTuple

from reconciler.model import Reason, Refused
from reconciler.source.applications import Source
from reconciler.source.charts import CHART
from reconciler.source.overlays import kustomization_in
from reconciler.source.trees import Tree

_TYPES: Final = ("kustomize", "helm", "directory", "plugin")


class Kind(NamedTuple):
    name: str
    refused: Refused | None = None


def kind_of(source: Source, tree: Tree, folder: str) -> Kind:
    """Which tool renders a source: the one it names, else the one whose files lie there."""
    explicit = [kind for kind in _TYPES if source.of(kind) is not None]
    if len(explicit) > 1:
        return Kind("", Refused(Reason.NOT_DEPLOYABLE, f"it names several tools: {', '.join(explicit)}"))
    if explicit == ["plugin"]:
        name = source.text("plugin", "name")
        words = f"it is rendered by the plugin {name}" if name else "it is rendered by a plugin"
        return Kind("", Refused(Reason.PLUGIN, words))
    if explicit:
        return Kind(explicit[0])
    if kustomization_in(tree, folder) is not None:
        return Kind("kustomize")
    head = f"{folder}/" if folder else ""
    names = [posixpath.basename(path) for path in tree.below(folder) if "/" not in path.removeprefix(head)]
    return Kind("helm" if any(name.endswith(CHART) for name in names) else "directory")

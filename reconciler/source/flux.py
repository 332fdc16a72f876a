"""Flux: HelmReleases and Kustomizations, and the sources that they name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from reconciler.model import Reason, Refused
from reconciler.source.context import Context
from reconciler.source.remotes import told
from reconciler.source.trees import Tree
from reconciler.source.typed import Table, Thing, items, table, table_of, text
from reconciler.source.units import Unit

_HELM: Final = "helm.toolkit.fluxcd.io"
_KUSTOMIZE: Final = "kustomize.toolkit.fluxcd.io"
_SOURCE: Final = "source.toolkit.fluxcd.io"


def is_release(thing: Thing) -> bool:
    return thing.group == _HELM and thing.kind == "HelmRelease"


def is_kustomization(thing: Thing) -> bool:
    return thing.group == _KUSTOMIZE and thing.kind == "Kustomization"


def is_source(thing: Thing) -> bool:
    return thing.group == _SOURCE


def config_map_names(thing: Thing) -> set[str]:
    """The ConfigMaps that a release takes values from."""
    named = items(table_of(thing.body, "spec").get("valuesFrom")) if is_release(thing) else []
    return {text(table(each).get("name")) for each in named if table(each).get("kind") == "ConfigMap"}


class Release(NamedTuple):
    """A HelmRelease or a Kustomization as it is deployed, and what is written of it in files.

    `written` is empty where the object is itself what stands in a file.
    """

    thing: Thing
    written: tuple[Thing, ...]
    rendered_by: Unit | None = None


class Flux:
    """What the repositories say of sources and ConfigMaps, for whoever names one."""

    def __init__(self, sources: Sequence[Thing], config_maps: Sequence[Thing], context: Context) -> None:
        self._sources = {(each.kind, each.namespace, each.name): each for each in sources}
        self._maps = {(each.namespace, each.name): each for each in config_maps}
        self._context = context

    def source(self, reference: Table, namespace: str) -> Thing | None:
        """The source object that a reference means. One that names no namespace may be in any."""
        kind, name = text(reference.get("kind")), text(reference.get("name"))
        wanted = text(reference.get("namespace")) or namespace
        found = self._sources.get((kind, wanted, name))
        if found is None:
            named = [each for (k, _, n), each in self._sources.items() if (k, n) == (kind, name)]
            found = named[0] if len(named) == 1 and "" in (wanted, named[0].namespace) else None
        return found

    def config_map(self, name: str, namespace: str) -> Thing | None:
        return self._maps.get((namespace, name)) or self._maps.get(("", name))

    def tree(self, found: Thing | None, reference: Table, beside: Tree | None) -> Tree | Refused:
        """The repository of a GitRepository."""
        if found is None:
            named = f"{text(reference.get('kind'))} {text(reference.get('name'))}".strip()
            words = f"its source, the {named}, is not defined in a known repository"
            return Refused(Reason.UNKNOWN_SOURCE, words if named else "it names no source")
        if found.kind != "GitRepository":
            return Refused(
                Reason.UNKNOWN_SOURCE, f"its source {found.name} is a {found.kind}, which is not fetched"
            )
        spec = table(found.body.get("spec"))
        url = text(spec.get("url"))
        tree = self._context.repositories.meant(url, "", beside)
        ref = table(spec.get("ref"))
        revision = next(
            (text(ref[key]) for key in ("commit", "name", "semver", "tag", "branch") if ref.get(key)), ""
        )
        if tree is None and self._context.remotes.allowed and not ref.get("semver"):
            # without a revision Flux takes this branch, whatever the server's default is
            return self._context.remotes.tree(url, revision or "master")
        if tree is None:
            words = f"its source {found.name} ({told(url)}) is no known repository"
            return Refused(Reason.UNKNOWN_SOURCE, words)
        if not self._context.repositories.follows(tree, revision):
            words = f"its source is at revision {revision}, which is not what is read here"
            return Refused(Reason.OTHER_REVISION, words)
        return tree

"""Every object in the repositories that says what is deployed, found without reading what can't hold one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from reconciler.model import Refused
from reconciler.source import kustomize
from reconciler.source.context import Context
from reconciler.source.overlays import Overlays
from reconciler.source.trees import Tree
from reconciler.source.typed import Thing, things
from reconciler.source.yamledit import decode

_WANTED: Final = re.compile(
    rb"\b(?:argoproj\.io|(?:helm|kustomize|source)\.(?:toolkit\.)?fluxcd\.io)/|\bAplTeamWorkload\b"
)
_CONFIG_MAP: Final = re.compile(rb"\bkind\b[\"']?\s*:\s*[\"']?ConfigMap\b")
_MOST_THINGS: Final = 50_000
_MOST_BROKEN: Final = 20


class Catalog:
    """What the files of all repositories hold; files of equal content are read once."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._trees = context.repositories.trees
        self._data: dict[str, list[Thing]] = {}
        self._inputs = {tree.name: _inputs(tree, context.overlays) for tree in self._trees}
        found = list(self._matching(_WANTED, ()))
        self.deployed = [each for each in found if not self._is_patch(each)]
        self.patches = [each for each in found if self._is_patch(each)]

    def is_input(self, thing: Thing) -> bool:
        """Whether a kustomization renders it, so that what is deployed can differ."""
        return thing.path in self._inputs[thing.repository].by

    def _is_patch(self, thing: Thing) -> bool:
        return thing.path in self._inputs[thing.repository].patches

    def config_maps(self, names: set[str]) -> list[Thing]:
        """The ConfigMaps of these names."""
        words = tuple(name.encode() for name in names)
        found = self._matching(_CONFIG_MAP, words)
        return [each for each in found if each.kind == "ConfigMap" and each.name in names]

    def _matching(self, wanted: re.Pattern[bytes], words: tuple[bytes, ...]) -> Iterator[Thing]:
        count = 0
        for tree in self._trees:
            for entry in tree.layout.manifests:
                data = tree.read(entry.path)
                if data is None or wanted.search(data) is None:
                    continue
                if words and not any(word in data for word in words):
                    continue
                for thing in self._things(tree, entry.path, entry.blob, data):
                    count += 1
                    if count > _MOST_THINGS:
                        return
                    yield thing

    def _things(self, tree: Tree, path: str, blob: str, data: bytes) -> list[Thing]:
        known = self._data.get(blob) if blob else None
        if known is None:
            known = self._data[blob] = self._read(tree, path, data)
        return [each._replace(repository=tree.name, path=path) for each in known]

    def _read(self, tree: Tree, path: str, data: bytes) -> list[Thing]:
        text = decode(data)
        if isinstance(text, Refused):
            self._context.fail("application", text.detail, tree.name, path)
            return []
        found, broken = things(tree.name, path, text)
        for each in broken[:_MOST_BROKEN]:
            if "{{" not in each.text and _WANTED.search(each.text.encode("utf-8", "replace")):
                words = (
                    f"this document can't be read as YAML ({each.words}): mend it, nothing in it is deployed"
                )
                self._context.fail("application", words, tree.name, path, each.line)
        return found


def _inputs(tree: Tree, overlays: Overlays) -> kustomize.Rendered:
    read = {}
    for entry in tree.layout.kustomizations:
        body = overlays.body(tree, entry.path)
        found = None if isinstance(body, Refused) else kustomize.read(body)
        if found is not None:
            read[entry.path] = found
    return kustomize.follow(read, tree.layout)

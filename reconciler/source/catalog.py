"""Every object in the repositories that says what is deployed, found without reading what can't hold one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from itertools import islice
from typing import Final

from reconciler.model import Entry, Refused
from reconciler.source import kustomize
from reconciler.source.context import Context
from reconciler.source.memo import Defined
from reconciler.source.overlays import Overlays
from reconciler.source.trees import Tree
from reconciler.source.typed import Thing, things
from reconciler.source.yamledit import decode

_WANTED: Final = re.compile(
    rb"\b(?:argoproj\.io|(?:helm|kustomize|source)\.(?:toolkit\.)?fluxcd\.io)/|\bAplTeamWorkload\b"
)
_CONFIG_MAP: Final = re.compile(rb"\bkind\b[\"']?\s*:\s*[\"']?ConfigMap\b")
_TELLING: Final = re.compile(f"{_WANTED.pattern.decode()}|{_CONFIG_MAP.pattern.decode()}")
_MOST_THINGS: Final = 50_000
_MOST_BROKEN: Final = 20


class Catalog:
    """What the files of all repositories hold; files of equal content are read once."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._trees = context.repositories.trees
        self._memo = context.memo
        self._inputs = {tree.name: _inputs(tree, context.overlays) for tree in self._trees}
        found = list(self._capped(self._wanted()))
        self.deployed = [each for each in found if not self._is_patch(each)]
        self.patches = [each for each in found if self._is_patch(each)]

    def _is_patch(self, thing: Thing) -> bool:
        return thing.path in self._inputs[thing.repository].patches

    def config_maps(self, names: set[str]) -> list[Thing]:
        """The ConfigMaps of these names."""
        found = self._capped(self._named([name.encode() for name in names]))
        return [each for each in found if each.kind == "ConfigMap" and each.name in names]

    def _capped(self, found: Iterator[Thing]) -> Iterator[Thing]:
        return islice(found, _MOST_THINGS)

    def _wanted(self) -> Iterator[Thing]:
        for tree, entry in self._files():
            if self._memo.wanted.get(entry.blob, partial(_may_define, tree, entry.path)):
                yield from self._things(tree, entry)

    def _named(self, words: list[bytes]) -> Iterator[Thing]:
        for tree, entry in self._files():
            data = tree.read(entry.path) or b""
            if _CONFIG_MAP.search(data) is not None and any(word in data for word in words):
                yield from self._things(tree, entry)

    def _files(self) -> Iterator[tuple[Tree, Entry]]:
        for tree in self._trees:
            for entry in tree.layout.manifests:
                yield tree, entry

    def _things(self, tree: Tree, entry: Entry) -> Iterator[Thing]:
        known = self._memo.defined.get(entry.blob, lambda: _read(tree.read(entry.path) or b""))
        if known.refused is not None:
            self._context.fail("application", known.refused.detail, tree.name, entry.path)
        for each in known.broken:
            words = f"this document can't be read as YAML ({each.words}): mend it, nothing in it is deployed"
            self._context.fail("application", words, tree.name, entry.path, each.line)
        for thing in known.things:
            yield thing._replace(repository=tree.name, path=entry.path)


def _read(data: bytes) -> Defined:
    text = decode(data)
    if isinstance(text, Refused):
        return Defined(refused=text)
    found, broken = things("", "", text, _TELLING)
    telling = [
        each
        for each in broken[:_MOST_BROKEN]
        if "{{" not in each.text and _WANTED.search(each.text.encode("utf-8", "replace"))
    ]
    return Defined(tuple(found), tuple(telling))


def _inputs(tree: Tree, overlays: Overlays) -> kustomize.Rendered:
    read = {}
    for entry in tree.layout.kustomizations:
        body = overlays.body(tree, entry.path)
        found = None if isinstance(body, Refused) else kustomize.read(body)
        if found is not None:
            read[entry.path] = found
    return kustomize.follow(read, tree.layout)


def _may_define(tree: Tree, path: str) -> bool:
    return _WANTED.search(tree.read(path) or b"") is not None

"""A document's values as a loader would see them: aliases followed, merge keys merged in.

Every walk has a bound, for a few lines of aliases can mean a billion values.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

from reconciler.source.yamledit import Alias, Document, Mapping, Node, Scalar, Sequence

_DEEPEST_MERGE: Final = 50
_MOST_VALUES: Final = 100_000
_LONGEST_NUMBER: Final = 300  # longer than any name may be; keeps the pattern below quick
_BREAKS_TO_SOME: Final = "\x85\u2028\u2029"  # line breaks to some readers, parts of a key to others
_STRING_TAGS: Final = ("", "!", "tag:yaml.org,2002:str")

# What a plain scalar must not look like to be read as text: YAML 1.1, as Kubernetes reads it.
_NOT_TEXT: Final = re.compile(
    r"~?|null|Null|NULL|true|True|TRUE|false|False|FALSE|yes|Yes|YES|no|No|NO|on|On|ON|off|Off|OFF"
    r"|[-+]?0b[01_]+|[-+]?0o?[0-7_]+|[-+]?0x[0-9a-fA-F_]+|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
    r"|[-+]?(?:[0-9][0-9_]*)?\.?[0-9_]+(?:[eE][-+]?[0-9]+)?|[-+]?[0-9][0-9_]*\.(?:[eE][-+]?[0-9]+)?"
    r"|[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?"
)


class TooMuchError(Exception):
    """The document means more values than any manifest has."""


class View:
    """One document. What it hands out are the nodes of the tree, never aliases."""

    def __init__(self, document: Document) -> None:
        self._targets = document.targets
        self._entries: dict[int, dict[str, Node]] = {}  # by id: two mappings can start at one place
        self._left = 0
        # Whether every mapping asked for is of the plain kind: each key a word that stands there
        # once, nothing merged, tagged, aliased or templated. Then a value stands where it seems to.
        self.simple = not document.targets and not document.template

    def followed(self, node: Node | None) -> Scalar | Mapping | Sequence | None:
        while isinstance(node, Alias):
            node = self._targets[node.start]
        return node

    def entries(self, node: Node | None, depth: int = 0) -> dict[str, Node]:
        """A mapping's values by key; {} for what is no mapping. The last of two equal keys counts."""
        node = self.followed(node)
        if not isinstance(node, Mapping):
            return {}
        found = self._entries.get(id(node))
        if found is None:
            found = {key.value: value for key, value in node.pairs if isinstance(key, Scalar)}
            if len(found) != len(node.pairs) or node.tag or "<<" in found:
                self.simple = False
            if "<<" in found:
                found = self._merged(node, depth)
            self._entries[id(node)] = found
        return found

    def _merged(self, node: Mapping, depth: int) -> dict[str, Node]:
        """Own keys win over merged ones, and earlier sources over later ones."""
        if depth > _DEEPEST_MERGE:
            raise TooMuchError(f"merge keys nested deeper than {_DEEPEST_MERGE} levels")
        own = {}
        merged: dict[str, Node] = {}
        for key, value in node.pairs:
            if not isinstance(key, Scalar):
                continue
            if key.value != "<<" or key.style:
                own[key.value] = value
                continue
            sources = self.followed(value)
            for source in sources.items if isinstance(sources, Sequence) else (sources,):
                merged = self.entries(source, depth + 1) | merged
        return merged | own

    def get(self, node: Node | None, *keys: str) -> Scalar | Mapping | Sequence | None:
        for key in keys:
            node = self.entries(node).get(key)
        return self.followed(node)

    def twice(self, node: Node | None, keys: Collection[str]) -> str:
        """The first of these keys that a mapping has twice, to any reader; "" when there is none."""
        found = self.followed(node)
        if not isinstance(found, Mapping) or len(self.entries(found)) == len(found.pairs):
            return ""
        seen: set[str] = set()
        for key, _ in found.pairs:
            name = key.value.strip(_BREAKS_TO_SOME) if isinstance(key, Scalar) else ""
            if name in seen and name in keys:
                return name
            seen.add(name)
        return ""

    def plain(self, node: Node | None) -> object:
        """Dicts, lists, and the text of every scalar; None for an empty one."""
        self._left = _MOST_VALUES
        return self._plain(node)

    def _plain(self, node: Node | None) -> object:
        self._left -= 1
        if self._left < 0:
            raise TooMuchError(f"it means more than {_MOST_VALUES} values")
        node = self.followed(node)
        if isinstance(node, Scalar):
            return None if is_null(node) else node.value
        if isinstance(node, Sequence):
            return [self._plain(item) for item in node.items]
        return {key: self._plain(value) for key, value in self.entries(node).items()}


def is_null(node: Node | None) -> bool:
    return isinstance(node, Scalar) and not node.style and node.value in ("", "~", "null", "Null", "NULL")


def is_text(node: Node | None) -> bool:
    """Whether Kubernetes reads a string here, and not a number, a boolean or nothing."""
    if not isinstance(node, Scalar) or node.tag not in _STRING_TAGS:
        return False
    if node.style or node.tag or len(node.value) > _LONGEST_NUMBER:
        return True
    return _NOT_TEXT.fullmatch(node.value) is None

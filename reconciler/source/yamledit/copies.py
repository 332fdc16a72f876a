"""A local copy of what an alias or a merge supplies, so that it can be changed in one place alone."""

from __future__ import annotations

import re

from reconciler.model import Reason, Refused
from reconciler.source.yamledit import scalars
from reconciler.source.yamledit.layout import New
from reconciler.source.yamledit.paths import is_merge, is_templated, merges, resolved
from reconciler.source.yamledit.tree import Document, Mapping, Node, Scalar

# A `resources` has some ten values; what is much larger is no longer a copy that a reviewer wants.
MAX_COPIED = 50
# A plain value of one line that means the same in block and in flow style.
_SIMPLE = re.compile(r"[\w.+-][\w.+/@-]*")


def copied(document: Document, text: str, source: Node, *, json: bool) -> New | Refused:
    """All that a mapping holds, its aliases and merges written out, the values as they were written."""
    return _Copier(document, text, json).mapping(source)


class _Copier:
    def __init__(self, document: Document, text: str, json: bool) -> None:
        self.document = document
        self.text = text
        self.json = json
        self.left = MAX_COPIED

    def mapping(self, node: Node) -> New | Refused:
        node = resolved(self.document, node)
        if not isinstance(node, Mapping) or node.tag:
            return _refuse(node, "is supplied by an alias or a merge, and is no plain mapping")
        new: New = {}
        for holder in [node, *merges(self.document, node)]:
            copy = self._pairs(holder) if holder is node else self.mapping(holder)
            if isinstance(copy, Refused):
                return copy
            for name, value in copy.items():
                new.setdefault(name, value)
        return new

    def _pairs(self, mapping: Mapping) -> New | Refused:
        new: New = {}
        for key, value in mapping.pairs:
            self.left -= 1
            if self.left < 0:
                return _refuse(
                    mapping, f"is supplied by an alias or a merge, and has over {MAX_COPIED} values"
                )
            if is_merge(key):
                continue
            if not isinstance(key, Scalar) or key.tag or key.value in new:
                return _refuse(key, "is a key that can't be copied")
            copy = self._value(value)
            if isinstance(copy, Refused):
                return copy
            new[key.value] = copy
        return new

    def _value(self, node: Node) -> str | New | Refused:
        node = resolved(self.document, node)
        if isinstance(node, Mapping):
            return self.mapping(node)
        if not isinstance(node, Scalar) or node.tag or is_templated(node.value):
            return _refuse(node, "is supplied by an alias or a merge, and can't be copied")
        if node.style in ("'", '"') and node.value.isprintable():
            return scalars.written(node.value, text=True, json=self.json, style=node.style)
        if node.style == "" and not self.json and _SIMPLE.fullmatch(node.value):
            return node.value
        return _refuse(node, "is supplied by an alias or a merge, and can't be copied as it is written")


def _refuse(node: Node, what: str) -> Refused:
    return Refused(Reason.ALIASED, f"line {node.line} {what}")

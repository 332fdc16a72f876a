"""Tells text that a template engine still has to fill from text that is YAML already."""

from __future__ import annotations

import re
from bisect import bisect_right

from reconciler.source.yamledit.tree import Document, Mapping, Node, Scalar, Sequence

# A line that begins with an instruction; in a comment, too, where Helm and Jinja still obey it.
_INSTRUCTION = re.compile(r"^[ \t]*(?:#[ \t]*)?(\{[{%])", re.MULTILINE)


def template_line(text: str, document: Document) -> int:
    """The line of the first instruction to a template engine that stands between the values, or 0."""
    if document.root is None:
        found = re.compile(r"\{[{%]").search(text, document.start, document.end)
        return text.count("\n", 0, found.start()) + 1 if found else 0
    if text.find("{{", document.start, document.end) < 0 > text.find("{%", document.start, document.end):
        return 0
    spans: list[tuple[int, int]] = []
    pending: list[Node] = [document.root]
    while pending:
        node = pending.pop()
        if isinstance(node, Mapping):
            if node.flow and node.pairs and isinstance(node.pairs[0][0], Mapping):
                return node.line
            pending.extend(part for pair in node.pairs for part in pair)
        elif isinstance(node, Sequence):
            pending.extend(node.items)
        elif isinstance(node, Scalar) and node.style and "{" in node.value:
            spans.append((node.start, node.end))
    spans.sort()
    for found in _INSTRUCTION.finditer(text, document.start, document.end):
        before = bisect_right(spans, (found.start(1), len(text))) - 1
        if before < 0 or spans[before][1] <= found.start(1):
            return text.count("\n", 0, found.start(1)) + 1
    return 0


def untemplated(documents: tuple[Document, ...]) -> tuple[Document, ...]:
    """The documents of a file that is read as it stands: there `# {{ x }}` is a comment like any other."""
    return tuple(
        found._replace(template=0) if found.template and found.root is not None else found
        for found in documents
    )

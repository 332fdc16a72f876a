"""Reads YAML as spans of text, and changes only the characters meant: right, or refused.

The only room that touches YAML text. `parse` reads, `where` tells the line of a value, `rewrite`
edits and proves. docs/yaml.md says what is kept and what is refused.
"""

from reconciler.source.yamledit.edits import Assignment, apply, plan
from reconciler.source.yamledit.places import Where, where
from reconciler.source.yamledit.reading import parse, parse_some
from reconciler.source.yamledit.rewrite import rewrite
from reconciler.source.yamledit.splitting import split
from reconciler.source.yamledit.templates import untemplated
from reconciler.source.yamledit.tree import (
    Alias,
    Document,
    Mapping,
    Node,
    Scalar,
    Sequence,
    decode,
)

__all__ = [
    "Alias",
    "Assignment",
    "Document",
    "Mapping",
    "Node",
    "Scalar",
    "Sequence",
    "Where",
    "apply",
    "decode",
    "parse",
    "parse_some",
    "plan",
    "rewrite",
    "split",
    "untemplated",
    "where",
]

"""Where a value stands, for whoever lists values and changes none."""

from __future__ import annotations

from typing import NamedTuple

from reconciler.model import Key, Reason, Refused
from reconciler.source.yamledit import layout, literal, scalars
from reconciler.source.yamledit.edits import Assignment, planned, replaceable
from reconciler.source.yamledit.paths import Spot, spot
from reconciler.source.yamledit.reading import parse
from reconciler.source.yamledit.tree import Document, Mapping, Scalar


class Where(NamedTuple):
    """The line that sets a value, or after which it would be added; why it can't be, if so."""

    line: int
    value: str | None  # the text in force, None where nothing sets it
    refused: Refused | None


def where(document: Document, text: str, keys: tuple[Key, ...], inner: tuple[Key, ...] = ()) -> Where:
    at = spot(document, text, keys)
    if isinstance(at, Refused):
        return Where(document.line, None, at)
    if inner:
        return _inside(text, at, inner)
    if not at.rest:
        refused = replaceable(at.node, at.value)
    elif at.node is not None or at.source is not None:  # not simply missing: see whether it could be made
        made = planned(document, text, [Assignment(document.index, keys, "1")])
        refused = made if isinstance(made, Refused) else None
    else:
        refused = None
    return Where(_line(text, at), _in_force(at.value), refused)


def _in_force(value: Scalar | None) -> str | None:
    if value is None or (not value.style and not value.tag and scalars.is_null(value.value)):
        return None
    return value.value


def _line(text: str, at: Spot) -> int:
    if at.node is not None:
        return at.key.line if at.key is not None and at.node.start == at.node.end else at.node.line
    parent = at.parents[-1]
    if isinstance(parent, Mapping) and parent.flow:
        end = parent.pairs[-1][1].end if parent.pairs else parent.start
    else:
        end = layout.last_line_end(text, parent)
    return parent.line + text.count("\n", parent.start, end)


def _inside(text: str, at: Spot, inner: tuple[Key, ...]) -> Where:
    line = _line(text, at)
    block = literal.block(text, at.node) if not at.rest else None
    if block is None:
        return Where(line, None, Refused(Reason.BLOCK_SCALAR, f"line {line} has no literal block (`|`)"))
    if isinstance(block, Refused):
        return Where(line, None, block)
    documents = parse(block.text)
    if any(document.template for document in documents):
        return Where(
            line, None, Refused(Reason.TEMPLATE, f"line {line} begins a block that holds a template")
        )
    if len(documents) != 1:
        return Where(line, None, Refused(Reason.BLOCK_SCALAR, "the block doesn't hold exactly one document"))
    found = where(documents[0], block.text, inner)
    return found._replace(line=line + found.line)

"""Works out the edits: which characters go, which come, so that a path holds a value.

Never a dump: what is not part of an edit is not even looked at. A value that is there is replaced
within its quotes; one that is missing is added in the style of its neighbours; a mapping that an
alias or a merge supplies is copied first, so that only the one place changes.
"""

from __future__ import annotations

from collections.abc import Sequence as Many
from itertools import pairwise
from typing import NamedTuple

from reconciler.model import Edit, Key, Reason, Refused
from reconciler.source.yamledit import flows, layout, literal, scalars
from reconciler.source.yamledit.copies import copied
from reconciler.source.yamledit.layout import New, Placed
from reconciler.source.yamledit.paths import Known, Spot, is_templated, spot
from reconciler.source.yamledit.reading import parse
from reconciler.source.yamledit.tree import Alias, Document, Mapping, Node, Scalar, Sequence


class Assignment(NamedTuple):
    """What a path is to hold. `text`: it must be read as a string; else it is a quantity."""

    document: int
    keys: tuple[Key, ...]
    value: str
    text: bool = False
    inner: tuple[Key, ...] = ()  # leads on inside a literal block


_INNERMOST = 1_000_000


class Growth(NamedTuple):
    """What is to be added at one spot, from all assignments together."""

    spot: Spot
    new: New


def plan(text: str, assignments: Many[Assignment]) -> tuple[Edit, ...] | Refused:
    """The edits that make every assignment true, none when they already are."""
    return plan_in(parse(text), text, assignments)


def plan_in(
    documents: tuple[Document, ...], text: str, assignments: Many[Assignment]
) -> tuple[Edit, ...] | Refused:
    placed: list[Placed] = []
    wanted: dict[tuple[Key, ...], Assignment] = {}
    for assignment in assignments:
        if not assignment.keys:
            return Refused(Reason.NOT_A_SCALAR, "a whole document can't be set, only a value in it")
        place = (assignment.document, *assignment.keys, "\n", *assignment.inner)
        if (other := wanted.setdefault(place, assignment)).value != assignment.value:
            return Refused(Reason.UNPROVEN, f"{_shown(assignment.keys)} can't be {other.value} and more")
    by_document: dict[int, list[Assignment]] = {}
    for assignment in wanted.values():
        by_document.setdefault(assignment.document, []).append(assignment)
    for index, group in by_document.items():
        if not 0 <= index < len(documents):
            return Refused(Reason.UNPROVEN, f"the file has no document {index}")
        found = planned(documents[index], text, group)
        if isinstance(found, Refused):
            return found
        placed.extend(found)
    return _ordered(placed)


def apply(text: str, edits: Many[Edit]) -> str:
    """The text with its edits, which are in order and don't overlap."""
    parts: list[str] = []
    done = 0
    for start, end, new in edits:
        parts += (text[done:start], new)
        done = end
    parts.append(text[done:])
    return "".join(parts)


def _ordered(placed: list[Placed]) -> tuple[Edit, ...] | Refused:
    placed.sort(key=lambda one: (one.edit.start, -one.depth))
    edits = tuple(one.edit for one in placed)
    for first, second in pairwise(edits):
        if second.start < first.end:
            return Refused(Reason.UNPROVEN, "two of the new values belong to the same characters")
    return edits


def planned(document: Document, text: str, group: list[Assignment]) -> list[Placed] | Refused:
    """The edits of one document, not yet in order."""
    placed: list[Placed] = []
    growths: dict[int, Growth] = {}
    blocks: dict[int, tuple[Spot, list[Assignment]]] = {}
    known: Known = {}
    for assignment in group:
        at = spot(document, text, assignment.keys, known)
        if isinstance(at, Refused):
            return at
        if assignment.inner:
            blocks.setdefault(at.node.start if at.node else -1, (at, []))[1].append(assignment)
            continue
        if not assignment.text and not scalars.is_quantity(assignment.value):
            return Refused(Reason.BAD_QUANTITY, f"`{assignment.value}` is no quantity")
        if is_templated(assignment.value):
            return Refused(Reason.TEMPLATE, f"`{assignment.value}` would be a template's, not YAML's")
        if at.rest:
            refused = _grow(document, text, growths, at, assignment)
        else:
            refused = _replace(text, placed, at, assignment)
        if refused is not None:
            return refused
    for growth in growths.values():
        added = _added(text, growth)
        if isinstance(added, Refused):
            return added
        placed.extend(added)
    for at, inside in blocks.values():
        changed = _inside(text, at, inside)
        if isinstance(changed, Refused):
            return changed
        placed.extend(changed)
    return placed


# -- a value that is there ------------------------------------------------------------------------


def replaceable(node: Node | None, value: Scalar | None) -> Refused | None:
    """Why the value at the end of a path can't be replaced."""
    if value is None or node is None:
        line = node.line if node is not None else 0
        return Refused(Reason.NOT_A_SCALAR, f"line {line} holds more than a single value")
    if is_templated(value.value):
        return Refused(Reason.TEMPLATE, f"line {node.line} takes its value from a template")
    if isinstance(node, Scalar) and node.style in ("|", ">"):
        return Refused(Reason.BLOCK_SCALAR, f"line {node.line} writes its value as a block (`{node.style}`)")
    return None


def _replace(text: str, placed: list[Placed], at: Spot, assignment: Assignment) -> Refused | None:
    if (refused := replaceable(at.node, at.value)) is not None:
        return refused
    node, json = at.node, _json(text, at.parents)
    depth = len(at.parents)
    if isinstance(node, Alias):
        new = scalars.written(assignment.value, text=assignment.text, json=json)
        placed.append(Placed(depth, Edit(node.start, node.end, new)))
        return None
    assert isinstance(node, Scalar)
    json = json and scalars.is_json(node.value, quoted=node.style == '"')
    if node.value == assignment.value and (
        node.style or scalars.is_plain(node.value, text=assignment.text, json=json)
    ):
        return None
    new = scalars.written(assignment.value, text=assignment.text, json=json, style=node.style)
    start = _value_start(text, node)
    if start is None:
        return Refused(Reason.NOT_A_SCALAR, f"line {node.line} keeps its anchor or tag apart from its value")
    if start == node.end and not text[start - 1 : start].isspace():
        new = " " + new
    placed.append(Placed(depth + 1, Edit(start, node.end, new)))
    return None


def _value_start(text: str, node: Scalar) -> int | None:
    """Where the value itself begins, after its anchor and tag; None where that isn't plain to see."""
    start = node.start
    for _ in range((1 if node.anchor else 0) + (1 if node.tag else 0)):
        while start < node.end and not text[start].isspace():
            start += 1
        while start < node.end and text[start] in " \t":
            start += 1
    rest = text[start : node.end]
    if node.style:
        return start if rest.startswith(node.style) else None
    return start if rest == node.value or "\n" in rest else None


# -- a value that is missing ----------------------------------------------------------------------


def _grow(
    document: Document, text: str, growths: dict[int, Growth], at: Spot, assignment: Assignment
) -> Refused | None:
    """Remember what is to be added, together with what else is added at the same spot."""
    if any(not isinstance(key, str) for key in at.rest):
        return Refused(Reason.NOT_A_SCALAR, f"{_shown(assignment.keys)} leads to a list that isn't there")
    json = _json(text, at.parents)
    where = at.node.start if at.node is not None else -1 - at.parents[-1].start
    new = growths.setdefault(where, Growth(at, {})).new
    names = [str(key) for key in at.rest]
    if at.source is not None and (at.node is not None or len(names) > 1):
        below = new if at.node is not None else new.setdefault(names[0], {})
        if below == {}:  # the first to be added here brings the copy
            copy = copied(document, text, at.source, json=json)
            if isinstance(copy, Refused):
                return copy
            new.update(copy if at.node is not None else {names[0]: copy})
    return _set(new, names, scalars.written(assignment.value, text=assignment.text, json=json))


def _set(new: New, names: list[str], value: str) -> Refused | None:
    for name in names[:-1]:
        below = new.setdefault(name, {})
        if not isinstance(below, dict):
            return Refused(Reason.NOT_A_SCALAR, f"`{name}` is a single value, so it can't hold more")
        new = below
    if isinstance(new.get(names[-1]), dict):
        return Refused(Reason.NOT_A_SCALAR, f"`{names[-1]}` holds more than a single value")
    new[names[-1]] = value
    return None


def _added(text: str, growth: Growth) -> list[Placed] | Refused:
    at, new = growth.spot, growth.new
    if at.node is not None:
        return _filled(text, at, new)
    parent = at.parents[-1]
    assert isinstance(parent, Mapping)
    if not parent.flow:
        return [_below(text, at.parents, layout.indent_of(text, parent), parent, new, len(at.parents))]
    if parent.pairs:
        return flows.added(text, at.parents, parent, new)
    return _into_empty(text, at, parent, new)


def _filled(text: str, at: Spot, new: New) -> list[Placed] | Refused:
    """A key that is there with no value, or with an alias for one, gets a mapping."""
    node = at.node
    parent = at.parents[-1] if at.parents else None
    if at.key is None or not isinstance(parent, Mapping):
        return Refused(Reason.NOT_A_SCALAR, f"line {node.line if node else 1} has no key to add values below")
    assert node is not None
    if isinstance(node, Scalar) and (node.anchor or node.tag):
        return Refused(Reason.NOT_A_SCALAR, f"line {node.line} has an anchor or a tag, and no value")
    if parent.flow:
        style = layout.flow_style(text, at.parents)
        blank = "" if node.start < node.end or text[node.start - 1].isspace() else " "
        return [Placed(len(at.parents), Edit(node.start, node.end, blank + style.mapping(new)))]
    return _opened(text, at, node, new)


def _opened(text: str, at: Spot, node: Node, new: New) -> list[Placed] | Refused:
    """Block style below a key: what stood after its colon goes, its comment stays."""
    assert at.key is not None
    after_colon = text.index(":", at.key.end) + 1
    if text[after_colon : node.start].strip(" \t"):
        return Refused(Reason.NOT_A_SCALAR, f"line {at.key.line} keeps its value in another line")
    indent = layout.column(text, at.key.start) + layout.step(text, at.parents)
    # deeper than what may be added after it, to the mapping that holds the key
    placed = [_below(text, at.parents, indent, node, new, len(at.parents) + 1)]
    if node.end > after_colon:
        placed.append(Placed(0, Edit(after_colon, node.end, "")))
    return placed


def _below(text: str, parents: Many[Node], indent: int, last: Node, new: New, depth: int) -> Placed:
    """New lines in block style, right after the last line of a node."""
    end = layout.last_line_end(text, last)
    quotes = _quotes_keys(parents[-1])
    lines = layout.block_lines(new, indent, layout.step(text, parents), quotes=quotes)
    newline = layout.line_break(text, end)
    return Placed(depth, Edit(end, end, "".join(newline + line for line in lines)))


def _into_empty(text: str, at: Spot, parent: Mapping, new: New) -> list[Placed] | Refused:
    """`{}` becomes a block where it stands in one, else it is filled."""
    outer = at.parents[:-1]
    inside = text[parent.start : parent.end]
    if "\n" in inside or inside.strip("{} \t\r") or parent.anchor or parent.tag:
        return [flows.into_braces(text, at.parents, parent, new)]
    holder = outer[-1] if outer else None
    if isinstance(holder, Mapping) and not holder.flow:
        if not text[layout.line_start(text, parent.start) : parent.start].strip(" "):
            return _on_its_line(text, at, parent, new)
        key = next(name for name, value in holder.pairs if value is parent)
        assert isinstance(key, Scalar)
        opened = _opened(text, Spot(outer, key, parent, at.rest, None, None), parent, new)
        if not isinstance(opened, Refused):
            return opened
    return [flows.spread(text, at.parents, parent, new)]


def _on_its_line(text: str, at: Spot, parent: Mapping, new: New) -> list[Placed]:
    """`{}` below its key, as Helm writes it, becomes the first line of the block."""
    first, *more = layout.block_lines(
        new, layout.column(text, parent.start), layout.step(text, at.parents), quotes=False
    )
    end, newline = layout.line_end(text, parent.end), layout.line_break(text, parent.end)
    placed = [Placed(len(at.parents), Edit(parent.start, parent.end, first.lstrip(" ")))]
    if more:
        placed.append(Placed(len(at.parents), Edit(end, end, "".join(newline + line for line in more))))
    return placed


def _json(text: str, parents: Many[Node]) -> bool:
    """Whether text must be quoted here, because this is JSON or looks like it."""
    nearest = parents[-1] if parents else None
    return isinstance(nearest, Mapping | Sequence) and nearest.flow and layout.flow_style(text, parents).json


def _quotes_keys(node: Node) -> bool:
    return isinstance(node, Mapping) and all(
        isinstance(key, Scalar) and key.style == '"' for key, _ in node.pairs
    )


# -- inside a literal block -----------------------------------------------------------------------


def _inside(text: str, at: Spot, group: list[Assignment]) -> list[Placed] | Refused:
    block = literal.block(text, at.node)
    if isinstance(block, Refused):
        return block
    documents = parse(block.text)
    if any(document.template for document in documents):
        return Refused(Reason.TEMPLATE, "the block holds a template")
    if len(documents) != 1:
        return Refused(Reason.BLOCK_SCALAR, "the block doesn't hold exactly one document")
    inner = plan_in(
        documents, block.text, [one._replace(document=0, keys=one.inner, inner=()) for one in group]
    )
    if isinstance(inner, Refused):
        return inner
    # what is added at the block's end comes before what is added behind it
    return [Placed(_INNERMOST, block.outside(edit)) for edit in inner]


def _shown(keys: tuple[Key, ...]) -> str:
    return "`" + ".".join(map(str, keys)) + "`"

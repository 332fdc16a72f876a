"""What is added between braces: behind the last pair, or as the first."""

from __future__ import annotations

from collections.abc import Sequence as Many

from reconciler.model import Edit, Reason, Refused
from reconciler.source.yamledit import layout
from reconciler.source.yamledit.layout import New, Placed
from reconciler.source.yamledit.tree import Mapping, Node


def added(text: str, parents: Many[Node], parent: Mapping, new: New) -> list[Placed] | Refused:
    """More pairs for `{a: 1}`: on a line each where that is how they stand, else behind the last."""
    style, depth = layout.flow_style(text, parents), len(parents)
    last_key, last = parent.pairs[-1]
    tail = text[last.end : parent.end - 1]
    trailing = len(tail) - len(tail.lstrip(" \t")) if tail.lstrip(" \t").startswith(",") else -1
    if trailing < 0 and "," in tail.partition("#")[0]:
        return Refused(Reason.UNPROVEN, f"line {last.line} ends in a comma that stands apart")
    pairs = style.mapping(new)[1 + len(style.pad) : -1 - len(style.pad)]
    end = layout.line_end(text, last.end)
    margin = layout.margin(text, last_key.start)
    own_line = layout.line_start(text, last_key.start) + len(margin) == last_key.start
    if not own_line or end >= parent.end - 1:
        start = last.end + trailing + 1 if trailing >= 0 else last.end
        comma = " " if trailing >= 0 else style.comma
        return [Placed(depth, Edit(start, start, comma + pairs))]
    newline = layout.line_break(text, end)
    closing = layout.margin(text, parent.end - 1)
    unit = margin.removeprefix(closing) if margin.startswith(closing) else ""
    body = (
        newline + style.lines(new, margin, unit or "  ", newline) if style.json else newline + margin + pairs
    )
    if trailing >= 0:
        return [Placed(depth, Edit(end, end, body + ","))]
    if end == last.end:
        return [Placed(depth, Edit(end, end, "," + body))]
    return [Placed(depth, Edit(last.end, last.end, ",")), Placed(depth, Edit(end, end, body))]


def into_braces(text: str, parents: Many[Node], parent: Mapping, new: New) -> Placed:
    """Within a `{}` that has two lines, a comment, an anchor or a tag: all that stands there stays."""
    style, depth = layout.flow_style(text, parents), len(parents)
    brace = text.index("{", parent.start)
    pairs = style.mapping(new)[1 + len(style.pad) : -1 - len(style.pad)]
    if "\n" not in text[brace : parent.end]:
        return Placed(depth, Edit(brace + 1, brace + 1, pairs))
    end, newline = layout.line_end(text, brace + 1), layout.line_break(text, brace)
    opening, closing = layout.margin(text, brace), layout.margin(text, parent.end - 1)
    outer = closing if closing.startswith(opening) else opening
    unit = _unit(text, parents)
    margin = outer + unit
    body = style.lines(new, margin, unit, newline) if style.json else margin + pairs
    return Placed(depth, Edit(end, end, newline + body))


def spread(text: str, parents: Many[Node], parent: Mapping, new: New) -> Placed:
    """A `{}` on one line, filled: on a line each where the pairs around it are."""
    style, depth = layout.flow_style(text, parents), len(parents)
    holder = parents[-2] if len(parents) > 1 else None
    if not (isinstance(holder, Mapping) and holder.flow and style.json and _a_line_each(text, holder)):
        return Placed(depth, Edit(parent.start, parent.end, style.mapping(new)))
    newline, margin = layout.line_break(text, parent.end), layout.margin(text, parent.start)
    unit = _unit(text, parents)
    body = style.lines(new, margin + unit, unit, newline)
    return Placed(depth, Edit(parent.start, parent.end, "{" + newline + body + newline + margin + "}"))


def _unit(text: str, parents: Many[Node]) -> str:
    """How far the lines of a mapping, the last of these, are indented: as those around it are."""
    holder = parents[-2] if len(parents) > 1 else None
    if isinstance(holder, Mapping) and holder.flow and _a_line_each(text, holder):
        margin, outside = layout.margin(text, parents[-1].start), layout.margin(text, holder.end - 1)
        return (margin.removeprefix(outside) if margin.startswith(outside) else "") or "  "
    return " " * layout.step(text, parents)


def _a_line_each(text: str, mapping: Mapping) -> bool:
    key = mapping.pairs[-1][0]
    start = layout.line_start(text, key.start)
    return not text[start : key.start].strip(" \t") and start > mapping.start

"""What `scan` shows in a terminal: units, their containers, and the line behind each value."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from reconciler.model import Discovery, Field, UnitSeen, containers
from reconciler.report.diffs import shown
from reconciler.report.text import counted

_WIDEST: Final = 60  # of the column of values; a longer one moves its line to the right
_UNSET: Final = "unset"
_TARGETS: Final = frozenset(field.value for field in Field if field.is_target)

_Row = Mapping[str, Any]
_Unit = tuple[str, str]  # its name, and its file where others have the same name


def print_tree(out: Console, found: Discovery, rows: Sequence[_Row]) -> None:
    """Every unit with its rows, then those that are kept whole, each with the reason."""
    seen = _seen(found)
    held: dict[_Unit, list[_Row]] = {}
    for unit, row in _placed(found, rows):
        held.setdefault(unit, []).append(row)
    for unit, own in held.items():
        out.print(_tree(unit, seen.get(unit), own))
    for unit, one in seen.items():
        if one.refused is not None and unit not in held:
            why = shown(f"{one.refused.reason}: {one.refused.detail}")
            out.print(Text.assemble(_head(unit, one), (f"  {why}", "yellow")))


def kept_whole(found: Discovery) -> str:
    """How many units are kept, and why: "2 units kept: 1 plugin, 1 encrypted"; "" for none."""
    reasons = Counter(unit.refused.reason.value for unit in found.units if unit.refused is not None)
    told = ", ".join(f"{times} {reason}" for reason, times in reasons.most_common())
    return f"{counted(reasons.total(), 'unit')} kept: {told}" if told else ""


def _seen(found: Discovery) -> dict[_Unit, UnitSeen]:
    times = Counter(unit.name for unit in found.units)
    return {(unit.name, unit.path if times[unit.name] > 1 else ""): unit for unit in found.units}


def _placed(found: Discovery, rows: Sequence[_Row]) -> Iterator[tuple[_Unit, _Row]]:
    """Each row with its unit; of those that are no container's the name says which."""
    times = Counter(unit.name for unit in found.units)
    at = 0
    for workload, container in containers(found.workloads):
        unit = (workload.unit, workload.path if times[workload.unit] > 1 else "")
        end = at + sum(1 for slot in container.slots if not slot.field.is_target)
        while end < len(rows) and rows[end]["field"] in _TARGETS:
            end += 1
        for row in rows[at:end]:
            yield unit, row
        at = end
    first = {workload.unit: workload.path for workload in reversed(found.workloads)}
    for row in rows[at:]:
        name = row["unit"]
        yield (name, first.get(name, "") if times[name] > 1 else ""), row


def _tree(unit: _Unit, seen: UnitSeen | None, rows: Sequence[_Row]) -> Tree:
    tree = Tree(_head(unit, seen))
    width = min(_WIDEST, max(len(shown(row["value"] or _UNSET)) for row in rows))
    nodes: dict[tuple[str, ...], Tree] = {}
    for row in rows:
        name = (row["cluster"], row["namespace"], row["kind"], row["workload"], row["container"])
        if name not in nodes:
            nodes[name] = tree.add(Text(shown(_called(row))))
        nodes[name].add(_line(row, width))
    return tree


def _head(unit: _Unit, seen: UnitSeen | None) -> Text:
    """The name, and where that stands, unless the name says it."""
    text = Text(shown(unit[0]), style="bold")
    if seen is not None and not seen.path.startswith(f"{seen.name}/"):
        text.append(shown(f"  {seen.path}:{seen.line}"), style="not bold dim")
    return text


def _called(row: _Row) -> str:
    space = f"{row['namespace']}/" if row["namespace"] else ""
    container = f"/{row['container']}" if row["container"] else ""
    return f"{space}{row['kind']}/{row['workload']}{container}{' (init)' if row['init'] else ''}"


def _line(row: _Row, width: int) -> Text:
    where = f"{row['path']}:{row['line']}"
    value = shown(row["value"] or _UNSET)
    text = Text.assemble(
        f"{row['field']:<15} ", (f"{value:<{width}}  ", "" if row["value"] else "dim"), (shown(where), "cyan")
    )
    if row["reason"]:
        text.append(f"  {row['reason']}", style="yellow")
    if row["shared_with"]:
        text.append(f"  shared with {len(row['shared_with'])} more", style="magenta")
    return text

"""Usage against the request in force and the new one, day by day: a chart, or a line of bars.

Nothing that comes from outside stands in a chart: its title is a line of Markdown above it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from typing import Final, NamedTuple

from reconciler.model import Change, ChangeClass, Consumer, DayPeaks, Field, Usage
from reconciler.proposals.body_fit import Section
from reconciler.proposals.group import whom
from reconciler.proposals.markdown import code
from reconciler.proposals.surface import Surface
from reconciler.quantity import human_cpu, human_memory, read

MOST_CHARTS: Final = 3
_NAMED_DAYS: Final = 16  # more dates would stand on each other
_MOST_DAYS: Final = 60  # GitLab draws nothing by itself that is longer than 2,000 characters
_OFF_THE_CHART: Final = 3  # times everything else: such peaks would flatten the rest
_BARS: Final = "▁▂▃▄▅▆▇█"
_EPOCH: Final = date(1970, 1, 1)
_PEAK, _LEVEL, _NOW, _NEW = "#b6cdf0", "#4f8edc", "#e08a1e", "#2da44e"


class Course(NamedTuple):
    """What one request was up against, a value a day; None for a day without samples."""

    title: str
    field: Field
    first: int  # day, since 1970-01-01
    level: tuple[int | None, ...]  # of CPU the 95th percentile, of memory the peak
    peak: tuple[int | None, ...]
    old: int | None
    new: int


def charts(changes: Sequence[Change], surface: Surface, weight: int) -> tuple[Section, ...]:
    """Of the few that matter most. The first is seen at once."""
    found = _courses(changes)
    if not found:
        return ()
    if not surface.diagrams:
        lines = tuple(f"- {one.title}: {_sparks(one)}" for one in found)
        return (Section("the daily use", weight, "**Use of each day**\n", lines, more="- … and {n} more"),)
    drawn = [_drawn(one) for one in found]
    sections = [Section("the chart", weight, drawn[0])]
    if len(drawn) > 1:
        count = "1 more chart" if len(drawn) == 2 else f"{len(drawn) - 1} more charts"
        rest = "\n\n".join(drawn[1:])
        text = f"<details><summary>{count}</summary>\n\n{rest}\n\n</details>" if surface.details else rest
        sections.append(Section("more charts", weight + 1, text))
    return tuple(sections)


def _courses(changes: Iterable[Change]) -> list[Course]:
    found: list[Course] = []
    for change in changes:
        for value in change.values:
            slot = value.slot
            if slot.field not in (Field.CPU_REQUEST, Field.MEMORY_REQUEST):
                continue
            usage = largest(change.evidence.fed)
            if usage is None or len(usage.days) < 2 or change.klass is ChangeClass.IMAGE:
                continue
            ref = whom(change, slot)
            title = f"{code(f'{ref.namespace}/{ref.workload}/{ref.container}')} {slot.field}"
            old = read(slot.field, slot.value) if slot.value is not None else None
            found.append(_course(title, slot.field, usage.days, old, read(slot.field, value.new)))
            if len(found) == MOST_CHARTS:
                return found
    return found


def _course(title: str, field: Field, days: Sequence[DayPeaks], old: int | None, new: int) -> Course:
    last = days[-1].day
    first = max(days[0].day, last - _MOST_DAYS + 1)
    known = {day.day: day for day in days}
    cpu = field is Field.CPU_REQUEST
    shown = [known.get(at) for at in range(first, last + 1)]
    peak = tuple(None if day is None else day.cpu_max if cpu else day.memory_max for day in shown)
    level = tuple(None if day is None else day.cpu_p95 for day in shown) if cpu else peak
    return Course(title, field, first, level, peak, old, new)


def largest(consumers: Iterable[Consumer]) -> Usage | None:
    """The usage that most is known of."""
    known = [consumer.usage for consumer in consumers if isinstance(consumer.usage, Usage)]
    return max(known, key=lambda usage: usage.samples, default=None)


# -- as a diagram ---------------------------------------------------------------------------------


def _drawn(one: Course) -> str:
    words = human_cpu if one.field is Field.CPU_REQUEST else human_memory
    top = max(*_told(one.level), one.old or 0, one.new, 1)
    highest = max(_told(one.peak))
    peaks = one.peak != one.level and highest <= _OFF_THE_CHART * top
    unit, name = _unit(one.field, max(top, highest if peaks else 0))
    plots = [(_LEVEL, "bar", one.level)]
    level = "p95 of each day" if one.field is Field.CPU_REQUEST else "peak of each day"
    legend = [f"🟦 {level}"]
    if peaks:
        plots.insert(0, (_PEAK, "bar", one.peak))
        legend[0] += " (lighter: its peak)"
    elif one.peak != one.level:
        legend[0] += f" (the highest peak, {words(highest)}, is off the chart)"
    days = len(one.level)
    if one.old is not None:
        plots.append((_NOW, "line", (one.old,) * days))
        legend.append(f"🟧 now {words(one.old)}")
    plots.append((_NEW, "line", (one.new,) * days))
    legend.append(f"🟩 proposed {words(one.new)}")
    ceiling = max(top, highest if peaks else 0) * 11 // 10 + 1
    colours = ", ".join(colour for colour, *_ in plots)
    lines = [
        "```mermaid",
        '%%{init: {"xyChart": {"width": 900, "height": 300}, '
        f'"themeVariables": {{"xyChart": {{"plotColorPalette": "{colours}"}}}}}}}}%%',
        "xychart-beta",
        f"    {_x_axis(one)}",
        f'    y-axis "{name}" 0 --> {_number(ceiling, unit)}',
        *(
            f"    {kind} [{', '.join(_number(value or 0, unit) for value in values)}]"
            for _, kind, values in plots
        ),
        "```",
    ]
    gaps = " · no bar: nothing was measured" if None in one.level else ""
    return "\n".join([f"**{one.title}**", "", *lines, "", f"{' · '.join(legend)}{gaps}"])


def _told(values: Iterable[int | None]) -> list[int]:
    return [value for value in values if value is not None]


def _x_axis(one: Course) -> str:
    days = [_EPOCH + timedelta(days=one.first + at) for at in range(len(one.level))]
    if len(days) <= _NAMED_DAYS:
        named = ", ".join(f'"{day:%m-%d}"' for day in days)
        return f"x-axis [{named}]"
    return f'x-axis "days, from {days[0]} to {days[-1]}" 1 --> {len(days)}'


def _unit(field: Field, top: int) -> tuple[int, str]:
    if field is Field.CPU_REQUEST:
        return (1000, "cores") if top >= 10_000 else (1, "millicores")
    return (1 << 30, "GiB") if top >= 8 << 30 else (1 << 20, "MiB")


def _numbers(values: Sequence[int | None], unit: int) -> str:
    known = {value: _number(value or 0, unit) for value in {*values}}
    return ", ".join(known[value] for value in values)


def _number(value: int, unit: int) -> str:
    """With two digits behind the point at most, and no float on the way."""
    whole, part = divmod(value * 100 // unit, 100)
    return f"{whole}.{part:02d}".rstrip("0").rstrip(".")


# -- as text --------------------------------------------------------------------------------------


def _sparks(one: Course) -> str:
    words = human_cpu if one.field is Field.CPU_REQUEST else human_memory
    top = max(*_told(one.peak), one.old or 0, one.new)
    now = "no request" if one.old is None else f"now {words(one.old)}"
    bars = sparkline([value or 0 for value in one.peak], top=top)
    highest = words(max(_told(one.peak)))
    return f"{bars} highest peak {highest}; {now}, proposed {words(one.new)} (a full bar is {words(top)})"


def sparkline(values: Sequence[int], width: int = 28, top: int = 0) -> str:
    """The last values as bars from zero to the highest."""
    shown = values[-width:]
    top = top or max(shown, default=0)
    if top <= 0:
        return ""
    return "".join(_BARS[min(7, value * 8 // (top + 1))] for value in shown)

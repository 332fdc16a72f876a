"""What containers used: rows for a script, and a table with the days as bars for a terminal."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate
from typing import Any, Final, NamedTuple

from rich.console import Console
from rich.segment import Segment, Segments
from rich.style import Style
from rich.text import Text

from reconciler.model import ContainerRef, NoUsage, Sketch, Usage
from reconciler.quantity import human_memory
from reconciler.report.diffs import shown
from reconciler.report.rows import identity
from reconciler.report.text import counted, when
from reconciler.source.targets import short_kind
from reconciler.usage.days import DAY
from reconciler.usage.index import Window

_BARS: Final = "▁▂▃▄▅▆▇█"
_NO_DAY: Final = "·"
_NOTHING: Final = "-"
_MOST_BARS: Final = 28
_MOST_NAMED: Final = 3
_GAP: Final = "  "
_CPU: Final = (500, 900, 950, 990, 1000)
_MEMORY: Final = (500, 950, 1000)

Entry = tuple[ContainerRef, Usage]


class Seen(NamedTuple):
    """What is shown: who used what, who had pods without a sample, and the days looked at."""

    used: Sequence[Entry]
    unmeasured: Sequence[tuple[ContainerRef, NoUsage]]
    start: int
    end: int


# ---------------------------------------------------------------------------------------------
# Rows
# ---------------------------------------------------------------------------------------------


def usage_row(ref: ContainerRef, used: Usage, window: int) -> dict[str, Any]:
    """One row of `reconcile usage --output json`."""
    cpu, memory = quantiles(used.cpu, _CPU), quantiles(used.memory, _MEMORY)
    return {
        **identity(ref),
        "window_seconds": window,
        "step_seconds": used.step,
        "samples": used.samples,
        "expected": used.expected,
        "coverage": _coverage(used),
        "cpu_millicores": dict(zip(("p50", "p90", "p95", "p99", "max"), cpu, strict=True)),
        "busy_hours": [hour._asdict() for hour in used.busy_hours],
        "memory_bytes": dict(zip(("p50", "p95", "max"), memory, strict=True)),
        "rss_bytes_max": used.rss_max or None,
        "oom_kills": _kills(used),
        "throttled_share": None if used.throttled_permille is None else used.throttled_permille / 1000,
        "restarts": used.restarts,
        "replicas": used.replicas,
        "pods": used.pods,
        "first": used.start,
        "last": used.end,
        "source": used.source,
        "autoscaled": list(used.scaled_on),
        "owner_guessed": used.owner_guessed,
        "incomplete": used.incomplete,
    }


def unmeasured_row(ref: ContainerRef, why: NoUsage) -> dict[str, Any]:
    return {**identity(ref), "reason": why.reason.value, "detail": why.detail}


def quantiles(sketch: Sketch, permilles: Sequence[int]) -> list[int]:
    """As `Sketch.quantile`, in one pass for all of them: there may be thousands of containers."""
    running = list(accumulate(sketch.counts))
    if not running:
        return [0] * len(permilles)
    wanted = (max(1, -(-running[-1] * permille // 1000)) for permille in permilles)
    return [sketch.values[bisect_left(running, rank)] for rank in wanted]


def _coverage(used: Usage) -> float:
    return used.samples / used.expected if used.expected else 0.0


def _kills(used: Usage) -> int:
    return sum(kill.kills for kill in used.oom_kills)


# ---------------------------------------------------------------------------------------------
# Order
# ---------------------------------------------------------------------------------------------


def _by_name(entry: Entry) -> tuple[str, ...]:
    ref = entry[0]
    return ref.cluster, ref.namespace, ref.workload, ref.kind, ref.container


def _by_cpu(entry: Entry) -> tuple[int, tuple[str, ...]]:
    return -quantiles(entry[1].cpu, (950,))[0], _by_name(entry)


def _by_memory(entry: Entry) -> tuple[int, tuple[str, ...]]:
    return -quantiles(entry[1].memory, (1000,))[0], _by_name(entry)


ORDERS: Final[dict[str, Callable[[Entry], Any]]] = {"name": _by_name, "cpu": _by_cpu, "memory": _by_memory}


# ---------------------------------------------------------------------------------------------
# The table
# ---------------------------------------------------------------------------------------------


class _Column(NamedTuple):
    head: str
    cells: Sequence[str]
    goes: int = 0  # where it is narrow the highest goes first; 0 stays
    right: bool = True
    styles: Sequence[str] = ()

    @property
    def width(self) -> int:
        return max(len(self.head), max(map(len, self.cells), default=0))


def print_usage(out: Console, seen: Seen) -> None:
    if seen.used:
        columns, hidden = _fitting(_columns(out, seen), out.width if out.is_terminal else 0)
        out.print(Segments(_segments(columns)), soft_wrap=True)
        if hidden:
            told = ", ".join(column.head for column in hidden)
            out.print(Text(f"Left out in {out.width} columns: {told}", style="dim"))
        out.print()
    for line in _remarks(seen):
        out.print(Text(shown(line), style="yellow"))
    out.print(Text(_verdict(seen), style="bold"))


def _columns(out: Console, seen: Seen) -> list[_Column]:
    refs, used = [ref for ref, _ in seen.used], [usage for _, usage in seen.used]
    cpu = [quantiles(one.cpu, (500, 950, 1000)) for one in used]
    memory = [quantiles(one.memory, (950, 1000)) for one in used]
    columns = [
        _Column("CLUSTER", [_name(ref.cluster) for ref in refs], right=False),
        _Column("NAMESPACE", [_name(ref.namespace) for ref in refs], right=False),
        _Column("WORKLOAD", [_workload(*entry) for entry in seen.used], right=False),
        _Column("CONTAINER", [_name(ref.container) for ref in refs], right=False),
        _Column("PODS", [str(one.pods) for one in used], 7),
        *(_Column(f"CPU {word}", [f"{row[at]}m" for row in cpu], goes)
          for at, (word, goes) in enumerate((("p50", 6), ("p95", 0), ("max", 3)))),
        *(_Column(f"MEM {word}", [human_memory(row[at]) for row in memory], goes)
          for at, (word, goes) in enumerate((("p95", 5), ("max", 0)))),
        _Column("COVERED", [f"{_coverage(one):.0%}" for one in used], 4, styles=[_thin(one) for one in used]),
        _counts("OOM", [_kills(one) for one in used], lambda kills: "bold red"),
        _counts("THROTTLED", [one.throttled_permille or 0 for one in used], _throttled, _share),
        _counts("RESTARTS", [one.restarts for one in used], lambda restarts: "", goes=8),
        _Column("HPA", [",".join(one.scaled_on) or _NOTHING for one in used], 9, right=False),
        *_bars(out, seen),
    ]  # fmt: skip
    return [column for column in columns if set(column.cells) - {"", _NOTHING}]


def _name(text: str) -> str:
    return text if text.isascii() and text.isprintable() else shown(text)


def _workload(ref: ContainerRef, used: Usage) -> str:
    return f"{_name(short_kind(ref.kind))}/{_name(ref.workload)}{'?' if used.owner_guessed else ''}"


def _counts(
    head: str,
    numbers: Sequence[int],
    style: Callable[[int], str],
    words: Callable[[int], str] = str,
    goes: int = 0,
) -> _Column:
    """No zeros, so that what happened is seen."""
    cells = [words(one) if one else _NOTHING for one in numbers]
    return _Column(head, cells, goes, styles=[style(one) if one else "dim" for one in numbers])


def _share(permille: int) -> str:
    return f"{permille / 10:.1f}%"


def _throttled(permille: int) -> str:
    return "red" if permille >= 50 else "yellow" if permille >= 10 else ""


def _thin(used: Usage) -> str:
    covered = _coverage(used)
    return "red" if covered < 0.6 or used.incomplete else "yellow" if covered < 0.9 else ""


def _fitting(columns: list[_Column], width: int) -> tuple[list[_Column], list[_Column]]:
    """As many columns as the terminal has room for, and the others. No width is any width."""
    hidden: list[_Column] = []
    while width and sum(column.width for column in columns) + len(_GAP) * (len(columns) - 1) > width:
        last = max(columns, key=lambda column: column.goes)
        if not last.goes:
            break
        hidden.append(last)
        columns = [column for column in columns if column is not last]
    return columns, hidden[::-1]


def _segments(columns: Sequence[_Column]) -> list[Segment]:
    """By hand: a table that looks at each cell for wrapping takes seconds for thousands of rows."""
    lines: list[Segment] = []
    end = Segment("\n")
    styles: dict[str, Style] = {}
    padded = [_padded(column, last=at == len(columns) - 1) for at, column in enumerate(columns)]
    lines += [Segment(_GAP.join(texts[0] for texts in padded).rstrip(), Style(bold=True)), end]
    for row in range(1, len(padded[0])):
        plain: list[str] = []
        for column, texts in zip(columns, padded, strict=True):
            style = column.styles[row - 1] if column.styles else ""
            if style:
                lines.append(Segment("".join(plain)))
                lines.append(Segment(texts[row], styles.setdefault(style, Style.parse(style))))
                plain = [_GAP]
            else:
                plain += [texts[row], _GAP]
        lines += [Segment("".join(plain).rstrip()), end]
    return lines


def _padded(column: _Column, *, last: bool) -> list[str]:
    width = column.width
    if column.right:
        return [f"{text:>{width}}" for text in (column.head, *column.cells)]
    if last:
        return [column.head, *column.cells]
    return [f"{text:<{width}}" for text in (column.head, *column.cells)]


# ---------------------------------------------------------------------------------------------
# Days as bars
# ---------------------------------------------------------------------------------------------


def _bars(out: Console, seen: Seen) -> list[_Column]:
    """The 95th percentile of CPU and the peak of memory of each day, where bars can be printed."""
    try:
        f"{_BARS}{_NO_DAY}".encode(out.encoding)
    except (UnicodeEncodeError, LookupError):
        return []
    first, last, _ = Window.between(seen.start, seen.end)
    width = -(-(last - first + 1) // _MOST_BARS)  # days a bar
    by = "day" if width == 1 else f"{width} days"
    cpu = [bars([(day.day, day.cpu_p95) for day in used.days], first, last, width) for _, used in seen.used]
    memory = [
        bars([(day.day, day.memory_max) for day in used.days], first, last, width) for _, used in seen.used
    ]
    return [
        _Column(f"CPU p95 by {by}", cpu, 2, right=False),
        _Column(f"MEM max by {by}", memory, 1, right=False),
    ]


def bars(days: Iterable[tuple[int, int]], first: int, last: int, width: int = 1) -> str:
    """A bar for each day, or for each few of them, from zero to the highest; a dot where nothing is known."""
    count = -(-(last - first + 1) // width)
    tops = [-1] * count
    for day, value in days:
        if first <= day <= last:
            at = count - 1 - (last - day) // width
            tops[at] = max(tops[at], value)
    highest = max(tops, default=0) + 1
    return "".join(_BARS[top * 8 // highest] if top >= 0 else _NO_DAY for top in tops)


# ---------------------------------------------------------------------------------------------
# Words
# ---------------------------------------------------------------------------------------------


def _remarks(seen: Seen) -> list[str]:
    lines = []
    guessed = [ref for ref, used in seen.used if used.owner_guessed]
    if guessed:
        lines.append(f"?: the workload is a guess from the pods' names: {_some(guessed)}")
    for why, count in Counter(used.incomplete for _, used in seen.used if used.incomplete).most_common():
        lines.append(
            f"incomplete: {why}, so {counted(count, 'container')} may have used more than it says here"
        )
    for detail in dict.fromkeys(why.detail for _, why in seen.unmeasured):
        alike = [ref for ref, why in seen.unmeasured if why.detail == detail]
        lines += [f"no samples: {_some(alike)}: {detail}"]
    return lines


def _some(refs: Sequence[ContainerRef]) -> str:
    left = len(refs) - _MOST_NAMED
    named = ", ".join(map(str, refs[:_MOST_NAMED]))
    return f"{named} and {left:,} more" if left > 0 else named


def _verdict(seen: Seen) -> str:
    days = counted((seen.end - seen.start) // DAY, "day")
    if not seen.used:
        return f"Nothing is known of any container in the {days} until {when(seen.end)}."
    workloads = len({ref[:4] for ref, _ in seen.used})
    told = [f"{counted(len(seen.used), 'container')} of {counted(workloads, 'workload')}"]
    for noun, count in (
        ("OOM-killed", sum(1 for _, used in seen.used if used.oom_kills)),
        ("throttled", sum(1 for _, used in seen.used if (used.throttled_permille or 0) >= 10)),
    ):
        told += [f"{count:,} {noun}"] if count else []
    return f"{', '.join(told)}; {days} until {when(seen.end)}."

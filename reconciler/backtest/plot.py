"""The comparison as a picture: how little slack each policy leaves, against what that costs in overruns."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from reconciler.backtest import png
from reconciler.backtest.compare import Comparison, Row
from reconciler.backtest.drawing import Dot, Line, Picture, Shape, Words, svg
from reconciler.backtest.measures import Measures
from reconciler.errors import Misconfigured

_COLOURS: Final = ("blue", "orange", "green", "purple", "red", "teal", "pink", "olive")
_WIDTH, _HEIGHT = 960, 440
_TOP, _BOTTOM = 64.0, 356.0
_LABEL: Final = 12
_LETTER: Final = 0.54  # of its height, a letter's width on average
_FAR_OFF: Final = 5.0  # times as bad as the first: shown at the edge, with its number
_LEAST, _MOST = 3.0, 12.0  # of radii
_NO_CHANGE: Final = 0.01  # a week


class _Axis(NamedTuple):
    low: float
    high: float
    step: float
    at: float  # where low lies, in the picture
    end: float  # and where high does

    def place(self, value: float) -> float:
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return self.at + share * (self.end - self.at)

    def holds(self, value: float) -> bool:
        return self.low <= value <= self.high

    @property
    def ticks(self) -> list[float]:
        first = math.ceil(self.low / self.step - 1e-9)
        return [n * self.step for n in range(first, math.floor(self.high / self.step + 1e-9) + 1)]


class _Panel(NamedTuple):
    title: str
    left: float
    right: float
    slack: Callable[[Measures], float]
    bad: Callable[[Measures], float]
    changes: Callable[[Measures], float]
    x_words: str
    y_words: str
    y_figure: Callable[[float], str]


_PANELS: Final = (
    _Panel(
        "Memory", 64, 456, lambda m: m.memory_slack, lambda m: m.overruns, lambda m: m.memory_changes,
        "slack: requested and not used", "container-days over the request", lambda v: f"{v:.3g} %",
    ),
    _Panel(
        "CPU", 552, 944, lambda m: m.cpu_slack, lambda m: m.cpu_minutes, lambda m: m.cpu_changes,
        "slack: requested and not used", "minutes a container-day over the request", lambda v: f"{v:.3g}",
    ),
)  # fmt: skip


def must_be_drawable(path: Path) -> None:
    """Before the work is done of which it is to be the picture."""
    if path.suffix.lower() == ".png":
        png.must_be_there()
    elif path.suffix.lower() != ".svg":
        raise Misconfigured("--plot", f"--plot {path}: name a file that ends in .svg or .png.")


def write_plot(path: Path, found: Comparison) -> None:
    drawn = picture(found)
    content = png.png(drawn) if path.suffix.lower() == ".png" else svg(drawn).encode()
    try:
        path.write_bytes(content)
    except OSError as error:
        raise Misconfigured("--plot", f"--plot {path} can't be written: {error.strerror}.") from error


def picture(found: Comparison) -> Picture:
    first, days = found.rows[0].policy, found.rows[0].measures.container_days
    shapes = [shape for panel in _PANELS for shape in _drawn(panel, found)]
    title = f"{days:,} container-days: the further to the left and down, the better"
    told = [f"filled: as it is, hollow: scaled to the slack of {first}"] if found.scaled else []
    told.append("the larger, the more changes a week")
    return Picture(
        _WIDTH,
        _HEIGHT,
        "Slack against overruns of policies",
        (
            Words(64, 24, title, "ink", 14, bold=True),
            *shapes,
            Words(64, _HEIGHT - 16, "; ".join(told), "faint"),
            *_sizes(found),
        ),
    )


# ---------------------------------------------------------------------------------------------
# A panel
# ---------------------------------------------------------------------------------------------


def _drawn(panel: _Panel, found: Comparison) -> list[Shape]:
    rows = (*found.rows, *found.scaled)
    x, y = _axes(panel, rows)
    colours = {row.policy: _COLOURS[at % len(_COLOURS)] for at, row in enumerate(found.rows)}
    size = _radius(found)
    dots = {
        id(row): Dot(
            x.place(panel.slack(row.measures) * 100),
            y.place(_scaled(panel, row.measures)),
            size(panel.changes(row.measures)),
            colours[row.policy],
            hollow=hollow,
            told=_told(panel, row),
        )
        for hollow, of in ((False, found.rows), (True, found.scaled))
        for row in of
    }
    shapes = _frame(panel, x, y)
    as_it_is = {row.policy: dots[id(row)] for row in found.rows}
    for row in found.scaled:
        start, end = as_it_is[row.policy], dots[id(row)]
        shapes.append(Line(start.x, start.y, end.x, end.y, colours[row.policy], 0.8))
    above = list(enumerate(dots.values()))  # the small ones, and of equals the first
    shapes += [dot for _, dot in sorted(above, key=lambda one: (-one[1].radius, -one[0]))]
    return shapes + _labels(panel, found.rows, dots, (x, y))


def _scaled(panel: _Panel, told: Measures) -> float:
    return panel.bad(told) * (100 if panel.title == "Memory" else 1)


def _axes(panel: _Panel, rows: Sequence[Row]) -> tuple[_Axis, _Axis]:
    """Around everybody who is not far off."""
    slacks, bads = ([of(row.measures) for row in rows] for of in (panel.slack, lambda m: _scaled(panel, m)))
    near = [bad for bad in bads if bad <= max(_FAR_OFF * bads[0], 4 * sorted(bads)[len(bads) // 3])]
    high = max(near) * 1.12 or 1.0
    shown = [max(0.0, slack) * 100 for slack in slacks]
    low, most = min(shown), max(shown)
    room = max(2.0, (most - low) * 0.12)
    low, most = max(0.0, low - room), min(100.0, most + room)
    step = _step((most - low) / 9)
    x = _Axis(
        math.floor(low / step) * step,
        min(100.0, math.ceil(most / step) * step),
        step,
        panel.left,
        panel.right,
    )
    return x, _Axis(0.0, high, _step(high / 5), _BOTTOM, _TOP)


def _step(least: float) -> float:
    """1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(max(least, 1e-9)))
    return next(each * power for each in (1, 2, 5, 10) if each * power >= least * 0.999)


def _frame(panel: _Panel, x: _Axis, y: _Axis) -> list[Shape]:
    shapes: list[Shape] = []
    for tick in y.ticks:
        at = y.place(tick)
        shapes.append(Line(panel.left, at, panel.right, at, "grid"))
        shapes.append(Words(panel.left - 8, at + 4, panel.y_figure(tick), "faint", anchor="end"))
    for tick in x.ticks:
        at = x.place(tick)
        shapes.append(Line(at, _BOTTOM, at, _BOTTOM + 4, "faint"))
        shapes.append(Words(at, _BOTTOM + 18, f"{tick:.3g} %", "faint", anchor="middle"))
    shapes.append(Line(panel.left, _BOTTOM, panel.right, _BOTTOM, "faint"))
    shapes.append(Words(panel.left, _TOP - 14, f"{panel.title}: {panel.y_words}", "ink", bold=True))
    shapes.append(Words(panel.right, _BOTTOM + 36, panel.x_words, "faint", anchor="end"))
    return shapes


def _told(panel: _Panel, row: Row) -> str:
    bad, told = panel.y_figure(_scaled(panel, row.measures)), row.measures
    return (
        f"{row.policy}: {panel.slack(told):.1%} slack, {bad} {panel.y_words}, "
        f"{panel.changes(told):.2f} changes a week"
    )


def _most_changes(found: Comparison) -> float:
    rows = (*found.rows, *found.scaled)
    most = max(of(row.measures) for row in rows for of in (_PANELS[0].changes, _PANELS[1].changes))
    return max(most, _NO_CHANGE)


def _radius(found: Comparison) -> Callable[[float], float]:
    """By area."""
    most = _most_changes(found)
    return lambda changes: max(_LEAST, _MOST * math.sqrt(changes / most))


def _sizes(found: Comparison) -> list[Shape]:
    """What the sizes mean, from the right."""
    size, at = _radius(found), _WIDTH - 16.0
    step = _step(_most_changes(found) / 2)
    shapes: list[Shape] = []
    for changes in (step * 2, step, step / 2):
        words = f"{changes:.3g} a week"
        at -= len(words) * _LABEL * _LETTER
        shapes.append(Words(at, _HEIGHT - 16, words, "faint"))
        at -= size(changes) + 6
        shapes.append(Dot(at, _HEIGHT - 20, size(changes), "faint", hollow=True, told=words))
        at -= size(changes) + 12
    return shapes


# ---------------------------------------------------------------------------------------------
# Who is who
# ---------------------------------------------------------------------------------------------


class _Box(NamedTuple):
    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: _Box) -> bool:
        return (
            self.left < other.right
            and other.left < self.right
            and self.top < other.bottom
            and other.top < self.bottom
        )


def _labels(
    panel: _Panel, rows: Sequence[Row], dots: dict[int, Dot], axes: tuple[_Axis, _Axis]
) -> list[Shape]:
    """Beside their dots, where there is room. Whoever lies at the same place is named together."""
    together: dict[tuple[int, int], list[Row]] = {}
    for row in rows:
        dot = dots[id(row)]
        together.setdefault((round(dot.x / 4), round(dot.y / 4)), []).append(row)
    taken = [_box_of(dot) for dot in dots.values()]
    shapes: list[Shape] = []
    for same in together.values():
        dot = dots[id(same[0])]
        text = ", ".join(row.policy + _off(panel, row, axes) for row in same)
        words, box = _beside(dot, text, taken, panel)
        taken.append(box)
        shapes.append(words)
    return shapes


def _off(panel: _Panel, row: Row, axes: tuple[_Axis, _Axis]) -> str:
    """The number of who lies beyond an edge."""
    slack, bad, told = panel.slack(row.measures) * 100, _scaled(panel, row.measures), []
    if not axes[0].holds(slack):
        told.append(f"{slack:.0f} %")
    if not axes[1].holds(bad):
        told.append(panel.y_figure(bad))
    return f" ({', '.join(told)})" if told else ""


def _box_of(dot: Dot) -> _Box:
    return _Box(dot.x - dot.radius, dot.y - dot.radius, dot.x + dot.radius, dot.y + dot.radius)


def _beside(dot: Dot, text: str, taken: Sequence[_Box], panel: _Panel) -> tuple[Words, _Box]:
    width = len(text) * _LABEL * _LETTER
    found: list[tuple[int, int, _Box]] = []
    for up in (0, -14, 14, -28, 28, -42, 42, 56, 70, 84):
        for side in (1, -1):
            left = dot.x + dot.radius + 5 if side > 0 else dot.x - dot.radius - 5 - width
            base = dot.y + 4 + up
            box = _Box(left, base - _LABEL, left + width, base + 3)
            hits = sum(box.meets(other) for other in taken)
            outside = box.left < panel.left or box.right > panel.right + 12 or box.top < _TOP - 10
            found.append((hits + 10 * (outside or box.bottom > _BOTTOM + 2), len(found), box))
    _, _, box = min(found)
    return Words(box.left, box.bottom - 3, text, dot.colour, _LABEL), box

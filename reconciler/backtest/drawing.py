"""A picture as a list of shapes, and as SVG: nothing but lines, dots and words.

It has no background, and its colours change with the reader's light or dark one; where a program knows
nothing of that, they are such as can be read on both.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple
from xml.sax.saxutils import escape, quoteattr


class Line(NamedTuple):
    x1: float
    y1: float
    x2: float
    y2: float
    colour: str
    width: float = 1.0


class Dot(NamedTuple):
    x: float
    y: float
    radius: float
    colour: str
    hollow: bool = False
    told: str = ""  # where the pointer rests on it


class Words(NamedTuple):
    x: float
    y: float  # of the line they stand on
    text: str
    colour: str
    size: int = 12
    anchor: str = "start"  # start | middle | end: what of them is at x
    bold: bool = False


Shape = Line | Dot | Words


class Picture(NamedTuple):
    width: int
    height: int
    title: str
    shapes: tuple[Shape, ...]


class Colour(NamedTuple):
    both: str  # to be read on light and on dark
    light: str
    dark: str


COLOURS: Final[Mapping[str, Colour]] = {
    "ink": Colour("#7d8590", "#1f2328", "#e6edf3"),
    "faint": Colour("#8b949e", "#59636e", "#9198a1"),
    "grid": Colour("#8b949e66", "#d1d9e0", "#3d444d"),
    "blue": Colour("#3b82f6", "#0969da", "#4493f8"),
    "orange": Colour("#d97706", "#bc4c00", "#f0883e"),
    "green": Colour("#16a34a", "#1a7f37", "#3fb950"),
    "purple": Colour("#a855f7", "#8250df", "#ab7df8"),
    "red": Colour("#ef4444", "#cf222e", "#f85149"),
    "teal": Colour("#0d9488", "#0a7f74", "#2bc4b4"),
    "pink": Colour("#ec4899", "#bf3989", "#db61a2"),
    "olive": Colour("#8a8f16", "#6c7011", "#b9bf2e"),
}
_FONT: Final = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"


def plain(text: str) -> str:
    """On one line, and short: names come from outside."""
    shown = "".join(" " if unicodedata.category(mark)[0] in "CZ" else mark for mark in text)
    shown = " ".join(shown.split())
    return shown if len(shown) <= 120 else f"{shown[:119]}…"


def svg(picture: Picture) -> str:
    size = f'width="{picture.width}" height="{picture.height}" viewBox="0 0 {picture.width} {picture.height}"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" font-family={quoteattr(_FONT)}>',
            f"<title>{escape(plain(picture.title))}</title>",
            f"<style>{_style(shape.colour for shape in picture.shapes)}</style>",
            *map(_element, picture.shapes),
            "</svg>\n",
        ]
    )


def _style(used: Iterable[str]) -> str:
    names = sorted(set(used))
    light, dark = ("".join(_rules(name, COLOURS[name][at]) for name in names) for at in (1, 2))
    return f"{light}@media(prefers-color-scheme:dark){{{dark}}}"


def _rules(name: str, colour: str) -> str:
    return f".{name}{{fill:{colour}}}.{name}-line{{stroke:{colour}}}"


def _element(shape: Shape) -> str:
    colour = COLOURS[shape.colour].both
    line, fill = f'class="{shape.colour}-line" stroke="{colour}"', f'class="{shape.colour}" fill="{colour}"'
    if isinstance(shape, Line):
        ends = f'x1="{shape.x1:.1f}" y1="{shape.y1:.1f}" x2="{shape.x2:.1f}" y2="{shape.y2:.1f}"'
        return f'<line {ends} {line} stroke-width="{shape.width:g}"/>'
    if isinstance(shape, Dot):
        at = f'cx="{shape.x:.1f}" cy="{shape.y:.1f}" r="{shape.radius:.1f}"'
        look = f'{line} fill="none" stroke-width="1.5"' if shape.hollow else f'{fill} fill-opacity="0.85"'
        return f"<circle {at} {look}><title>{escape(plain(shape.told))}</title></circle>"
    more = f'text-anchor="{shape.anchor}"' + (' font-weight="600"' if shape.bold else "")
    at = f'x="{shape.x:.1f}" y="{shape.y:.1f}" font-size="{shape.size}"'
    return f"<text {at} {fill} {more}>{escape(plain(shape.text))}</text>"

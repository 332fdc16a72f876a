"""A picture as PNG, drawn by Pillow, which is an extra: on white, with a font that Pillow brings."""

from __future__ import annotations

import io
from typing import Final

from reconciler.backtest.drawing import COLOURS, Dot, Line, Picture, Words, plain
from reconciler.errors import Misconfigured

_SCALE: Final = 2  # for screens of today
_FINER: Final = 2  # drawn larger and made smaller, so that edges are smooth
_ANCHORS: Final = {"start": "ls", "middle": "ms", "end": "rs"}


def must_be_there() -> None:
    """Before the work is done of which it is to be the picture."""
    try:
        import PIL.ImageDraw  # noqa: F401 - only whether it can be had
    except ImportError:
        words = "a PNG needs the package Pillow: install reconciler[png], or name a file that ends in .svg."
        raise Misconfigured("--plot", words) from None


def png(picture: Picture) -> bytes:
    from PIL import Image, ImageDraw, ImageFont

    by = _SCALE * _FINER
    image = Image.new("RGB", (picture.width * by, picture.height * by), "white")
    draw = ImageDraw.Draw(image)
    for shape in picture.shapes:
        colour = COLOURS[shape.colour].light
        if isinstance(shape, Line):
            ends = tuple(at * by for at in (shape.x1, shape.y1, shape.x2, shape.y2))
            draw.line(ends, fill=colour, width=max(1, round(shape.width * by)))
        elif isinstance(shape, Dot):
            x, y, radius = shape.x * by, shape.y * by, shape.radius * by
            box = (x - radius, y - radius, x + radius, y + radius)
            inside, edge = (None, round(1.5 * by)) if shape.hollow else (colour, 1)
            draw.ellipse(box, fill=inside, outline=colour, width=edge)
        elif isinstance(shape, Words):
            draw.text(
                (shape.x * by, shape.y * by),
                plain(shape.text),
                fill=colour,
                font=ImageFont.load_default(size=shape.size * by),
                anchor=_ANCHORS[shape.anchor],
                stroke_width=by // 3 if shape.bold else 0,  # the font has but one weight
                stroke_fill=colour,
            )
    small = image.resize((picture.width * _SCALE, picture.height * _SCALE), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    small.save(out, "PNG", optimize=True)
    return out.getvalue()

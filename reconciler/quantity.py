"""Kubernetes quantities as integers: CPU in millicores, memory in bytes. The only parser.

Rules:
1. Integers only. What is smaller than a millicore or a byte is rounded away from zero, and what
   is larger than 2^63 - 1 cores or bytes is capped there, both as Kubernetes does.
2. Only the forms of the Kubernetes grammar are read. What Kubernetes happens to let through
   without a digit (`Mi`, `.`) is refused.
3. Writing is exact: `parse(format(value, like)) == value`, whatever `like` looks like.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

from reconciler.model import Field

LARGEST: Final = 2**63 - 1  # cores or bytes
LARGEST_CPU: Final = LARGEST * 1000
_MOST_CPU: Final = 1_000_000 * 1000  # millicores; no machine has a million cores
_MOST_MEMORY: Final = 2**50  # bytes

_LONGEST: Final = 128  # characters; a real one has less than thirty
_LONGEST_PERCENT: Final = 9  # digits; an autoscaler's fields have 32 bits
_FAR: Final = 1000  # an exponent beyond it changes nothing: the value is capped, or rounded up from next to 0
_EXPONENT_BOUND: Final = 2**31 - 1  # beyond it Kubernetes' own arithmetic wraps around

_DECIMAL: Final = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY: Final = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_FORM: Final = re.compile(
    r"(?P<sign>[+-]?)(?P<whole>[0-9]*)(?P<point>\.?)(?P<part>[0-9]*)"
    r"(?:(?P<unit>[KMGTPE]i|[numkMGTPE])|(?P<letter>[eE])(?P<power>[+-]?[0-9]+))?"
)


class BadQuantity(ValueError):  # noqa: N818 - named in the user's words
    """A text that is no quantity. The message is a sentence for the user."""


class _Parts(NamedTuple):
    """A quantity taken apart: number * 10^ten * 2^two."""

    number: int
    ten: int
    two: int
    places: int  # digits behind the point
    unit: str
    letter: str  # e or E of an exponent, or ""


def parse_cpu(text: str) -> int:
    """Millicores, rounded up."""
    return _integer(_parts(text, "250m, 0.5 or 2"), 3)


def parse_memory(text: str) -> int:
    """Bytes, rounded up."""
    return _integer(_parts(text, "512Mi, 1.5Gi or 128M"), 0)


@lru_cache(maxsize=1 << 14)  # a decision reads each text several times, and most manifests say the same
def read(field: Field, text: str) -> int:
    """The quantity of that field: millicores or bytes; of a target per cent."""
    if field is Field.IMAGE:
        raise BadQuantity("an image has no quantity")
    if field.is_target:
        return parse_percent(text)
    return parse_cpu(text) if field.resource == "cpu" else parse_memory(text)


def parse_percent(text: str) -> int:
    """A whole number, as an autoscaler's target is one."""
    if not (text.isascii() and text.isdigit() and len(text) < _LONGEST_PERCENT):
        raise BadQuantity(f"{text[:40]!a} is no whole number of per cent: write 80")
    return int(text)


def flaw(resource: str, text: str) -> str:
    """Why a legal quantity can't be meant by whoever wrote it; "" when it can.

    Kubernetes takes `cpu: 10Mi` for ten million cores and `memory: 500m` for half a byte.
    """
    if resource == "cpu":
        value = parse_cpu(text)
        unit = _parts(text, "").unit
        if unit.endswith("i") or unit in ("k", "M", "G", "T", "P", "E") or value > _MOST_CPU:
            return f"{text!r} would be {value // 1000} cores; write CPU as 250m, 0.5 or 2"
        if _is_cut(_parts(text, ""), 3):
            return (
                f"{text!r} is finer than a millicore, which Kubernetes refuses; write CPU as 250m, 0.5 or 2"
            )
        return ""
    value = parse_memory(text)
    if _parts(text, "").unit in ("n", "u", "m"):
        return f"{text!r} is a fraction of bytes; write memory as 512Mi or 1.5Gi"
    if value > _MOST_MEMORY:
        return f"{text!r} is more memory than any machine has; write memory as 512Mi or 1.5Gi"
    return ""


def _is_cut(parts: _Parts, shift: int) -> bool:
    """Whether something is left over when it is counted in units of 10^-shift."""
    ten = parts.ten + shift
    return ten < 0 and (parts.number << parts.two) % _ten_to(-ten) != 0


def _parts(text: str, examples: str) -> _Parts:
    found = _FORM.fullmatch(text) if len(text) <= _LONGEST else None
    if found is None or not (found["whole"] or found["part"]):
        shown = ascii(text if len(text) <= 40 else f"{text[:40]}…")
        raise BadQuantity(f"{shown} is no quantity: write a number and its unit, like {examples}")
    power = int(found["power"] or 0)
    if abs(power) > _EXPONENT_BOUND:
        raise BadQuantity(f"the exponent of {text!a} is beyond what Kubernetes can read")
    unit, part = found["unit"] or "", found["part"]
    number = int(found["whole"] + part)
    return _Parts(
        number=-number if found["sign"] == "-" else number,
        ten=max(-_FAR, min(_FAR, power)) + _DECIMAL.get(unit, 0) - len(part),
        two=_BINARY.get(unit, 0),
        places=len(part),
        unit=unit,
        letter=found["letter"] or "",
    )


def _integer(parts: _Parts, shift: int) -> int:
    """The value times 10^shift, rounded away from zero and capped."""
    size = abs(parts.number) << parts.two
    ten = parts.ten + shift
    size = size * _ten_to(ten) if ten >= 0 else -(-size // _ten_to(-ten))
    size = min(size, LARGEST * _ten_to(shift))
    return -size if parts.number < 0 else size


def _ten_to(power: int) -> int:
    return int(10**power)


# ---------------------------------------------------------------------------------------------
# Writing
# ---------------------------------------------------------------------------------------------


def format_cpu(millicores: int, like: str | None = None) -> str:
    """Those millicores in the style of the text they replace: `500m`, `0.5` or `2`."""
    _check(millicores, LARGEST_CPU)
    style = _style(like)
    whole, rest = divmod(millicores, 1000)
    if not rest and (style is None or style.unit != "m" or not millicores):
        return str(whole)
    if style is not None and style.places and not style.unit and not style.letter:
        return f"{whole}.{f'{rest:03}'.rstrip('0')}"
    return f"{millicores}m"


def format_memory(size: int, like: str | None = None) -> str:
    """Those bytes in the style of the text they replace; in a smaller unit where that is exact."""
    _check(size, LARGEST)
    style = _style(like)
    if not size:
        return "0"
    if style is None:
        return _largest_binary(size)
    if style.unit in _BINARY:
        return _in_unit(size, style) or _smaller(size, _BINARY, style.unit) or str(size)
    if style.letter:
        return _with_exponent(size, style) or _largest_binary(size)
    if _DECIMAL[style.unit] > 0:
        return _in_unit(size, style) or _smaller(size, _DECIMAL, style.unit) or _largest_binary(size)
    return str(size)


def _style(like: str | None) -> _Parts | None:
    """How the text is written; None when there is none, or it is no quantity anyway."""
    try:
        return None if like is None else _parts(like, "")
    except BadQuantity:
        return None


def _check(value: int, largest: int) -> None:
    if not 0 <= value <= largest:
        raise BadQuantity(f"{value} is no amount that a container can have: it is below zero or too large")


def _size_of(unit: str) -> int:
    """How many bytes a unit of at least one byte has."""
    return int(1 << _BINARY[unit]) if unit in _BINARY else _ten_to(_DECIMAL[unit])


def _in_unit(size: int, style: _Parts) -> str | None:
    """In the very unit of the style; with a fraction only where the style has one, and a short one."""
    unit = _size_of(style.unit)
    if size % unit == 0:
        return f"{size // unit}{style.unit}"
    places = max(2, style.places)
    if not style.places or size * 10**places % unit:
        return None
    whole, part = divmod(size * 10**places // unit, 10**places)
    return f"{whole}.{str(part).zfill(places).rstrip('0')}{style.unit}"


def _smaller(size: int, units: dict[str, int], below: str) -> str | None:
    """In the largest unit under `below` that leaves no rest."""
    candidates = [unit for unit in reversed(units) if 0 < units[unit] < units[below]]
    return next(
        (f"{size // _size_of(unit)}{unit}" for unit in candidates if size % _size_of(unit) == 0), None
    )


def _largest_binary(size: int) -> str:
    return next(
        (f"{size // _size_of(unit)}{unit}" for unit in reversed(_BINARY) if size % _size_of(unit) == 0),
        str(size),
    )


def _with_exponent(size: int, style: _Parts) -> str | None:
    power = style.ten + style.places
    if not 0 < power <= 18 or size % 10**power:
        return None
    return f"{size // 10**power}{style.letter}{power}"


# ---------------------------------------------------------------------------------------------
# For eyes only: rounded, and never read again
# ---------------------------------------------------------------------------------------------


def human_cpu(millicores: int) -> str:
    """`350m`, `12.4 cores`: one decimal at most, because more would feign precision."""
    if abs(millicores) < 10_000:
        return f"{millicores}m"
    return f"{_tenths(millicores, 1000)} cores"


def human_memory(size: int) -> str:
    """`412Mi`, `31.2Gi`: one decimal at most, and only from ten of a unit, or a whole one, on."""
    for unit in reversed(_BINARY):
        one = 1 << _BINARY[unit]
        if abs(size) >= one * 10 or (size and size % one == 0):
            return f"{_tenths(size, one)}{unit}"
    return str(size)


def _tenths(value: int, unit: int) -> str:
    whole, tenth = divmod((abs(value) * 10 + unit // 2) // unit, 10)
    sign = "-" if value < 0 else ""
    return f"{sign}{whole}.{tenth}" if tenth else f"{sign}{whole}"

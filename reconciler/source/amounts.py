"""Sizes and numbers as the programs themselves read them: one function for each way of writing.

Each gives None for what that program would refuse or ignore. Whole numbers only, at most 2^63 - 1.
"""

from __future__ import annotations

import re
from typing import Final

LARGEST: Final = 2**63 - 1
_LONGEST: Final = 40  # characters; keeps every pattern below quick

_JVM: Final = re.compile(r"(0[xX][0-9a-fA-F]+|[0-9]+)([kKmMgGtT]?)", re.ASCII)
_GO: Final = re.compile(r"([0-9]+)(B|KiB|MiB|GiB|TiB)?", re.ASCII)
_REDIS: Final = re.compile(r"([0-9]+)(b|k|kb|m|mb|g|gb|)", re.ASCII | re.IGNORECASE)
_POSTGRES: Final = re.compile(r"([0-9]+)(?:\.([0-9]+))?\s?(B|kB|MB|GB|TB)?", re.ASCII)
_BINARY_LETTER: Final = re.compile(r"([0-9]+)([kKmMgGtTpP]?)[bB]?", re.ASCII)
_ANY_UNIT: Final = re.compile(r"([0-9]+)(?:\.([0-9]+))?\s?(?:([kKmMgGtT])(i?)[bB]?|[bB])?", re.ASCII)
_DECIMAL: Final = re.compile(r"([0-9]+)?(?:\.([0-9]*))?", re.ASCII)
_HEX: Final = re.compile(r"(?:0[xX])?([0-9a-fA-F]+)", re.ASCII)
_POWERS: Final = {"": 0, "b": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}


def jvm(text: str) -> int | None:
    """`2g`, `512m`, `1073741824`: of the JVM, in steps of 1024; no fraction, and no `gb`."""
    found = _fits(_JVM, text)
    return (
        _sized(int(found[1], 0) if found[1][:2] in ("0x", "0X") else int(found[1]), found[2])
        if found
        else None
    )


def jvm_megabytes(text: str) -> int | None:
    """As `jvm`, but a number alone is of megabytes: the scripts of Hadoop and others."""
    return whole_mebibytes(text) if text.isascii() and text.isdigit() else jvm(text)


def go(text: str) -> int | None:
    """`1GiB`, `900MiB`, bytes. Go knows no `Gi` and no `GB`, and such a program doesn't start."""
    found = _fits(_GO, text)
    return _sized(int(found[1]), (found[2] or "B")[:1]) if found else None


def redis(text: str) -> int | None:
    """`256mb` is of 1024, `256m` of 1000."""
    found = _fits(_REDIS, text)
    if found is None:
        return None
    unit = found[2].lower()
    if unit in ("", "b") or unit.endswith("b"):
        return _sized(int(found[1]), unit[:1])
    return _within(int(found[1]) * 1000 ** _POWERS[unit])


def postgres(text: str) -> int | None:
    """`256MB`, `1GB`; a number alone counts pages of 8 kB."""
    found = _fits(_POSTGRES, text)
    if found is None:
        return None
    if found[3] is None:
        return None if found[2] else _within(int(found[1]) * 8192)
    unit = 1024 ** _POWERS[found[3][0].lower()]
    return _within(_scaled(found[1], found[2], unit))


def binary_letter(text: str) -> int | None:
    """`1G`, `512M`: of 1024, as MySQL and Varnish have it."""
    found = _fits(_BINARY_LETTER, text)
    return _sized(int(found[1]), found[2]) if found else None


def any_unit(text: str) -> int | None:
    """`1GB` of 1000, `1GiB` of 1024, a fraction too."""
    found = _fits(_ANY_UNIT, text)
    if found is None:
        return None
    unit = (1024 if found[4] else 1000) ** _POWERS[(found[3] or "").lower()]
    return _within(_scaled(found[1], found[2], unit))


def whole_mebibytes(text: str) -> int | None:
    """`4096`: of Node.js and memcached."""
    number = whole(text)
    return None if number is None else _within(number << 20)


def gibibytes(text: str) -> int | None:
    """`0.25`, `2`: of MongoDB."""
    found = _fits(_DECIMAL, text)
    if found is None or not (found[1] or found[2]):
        return None
    return _within(_scaled(found[1] or "0", found[2], 1 << 30))


def hex_bytes(text: str) -> int | None:
    """`0xC800000` and `C800000` alike: the variables of .NET are hexadecimal."""
    found = _fits(_HEX, text)
    return _within(int(found[1], 16)) if found else None


def hex_percent(text: str) -> int | None:
    """`4B` is 75 %; in permille."""
    found = hex_bytes(text)
    return found * 10 if found is not None and found <= 100 else None


def whole(text: str) -> int | None:
    return _within(int(text)) if text.isascii() and text.isdigit() and len(text) <= _LONGEST else None


def percent(text: str) -> int | None:
    """`75`, `75.0`; in permille, rounded down. A sign behind it is one too many."""
    found = _fits(_DECIMAL, text)
    if found is None or not (found[1] or found[2]):
        return None
    permille = _scaled(found[1] or "0", found[2], 10)
    return permille if permille <= 1000 else None


def share(text: str) -> int | None:
    """`0.9`: a part of 1; in permille."""
    found = _fits(_DECIMAL, text)
    if found is None or not (found[1] or found[2]):
        return None
    permille = _scaled(found[1] or "0", found[2], 1000)
    return permille if permille <= 1000 else None


def fraction(text: str) -> int | None:
    """`4` is a quarter, as MaxRAMFraction has it; in permille."""
    number = whole(text)
    return 1000 // number if number and number <= 1000 else None


def _fits(form: re.Pattern[str], text: str) -> re.Match[str] | None:
    return form.fullmatch(text) if 0 < len(text) <= _LONGEST else None


def _sized(number: int, unit: str) -> int | None:
    return _within(number << 10 * _POWERS[unit.lower()])


def _scaled(before: str, after: str | None, unit: int) -> int:
    digits = after or ""
    scale: int = 10 ** len(digits)
    return int(before + digits) * unit // scale


def _within(number: int) -> int | None:
    return number if number <= LARGEST else None

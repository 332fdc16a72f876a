"""How one value is written: in the quotes that it had, and plain only where no reader mistakes it.

Kubernetes reads YAML 1.1, newer tools 1.2. `on`, `1.20`, `0362525`, `12:30` or `1e3` are text in one
of them at most, so text goes without quotes only where both read text.
"""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation

# What Kubernetes accepts as a quantity, and the smaller set that means the same without quotes.
_QUANTITY = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([numkMGTPE]|[KMGTPE]i|[eE][+-]?\d{1,3})?", re.ASCII)
# More than 15 digits of a number don't survive floating point, so they keep quotes.
_PLAIN_QUANTITY = re.compile(
    r"-?(?!(\d\.?){16})(0|[1-9]\d*)(\.\d+)?([numkMGTPE]|[KMGTPE]i|[eE][+-]?\d{1,2})?", re.ASCII
)
_JSON_NUMBER = re.compile(r"-?(?!(\d\.?){16})(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d{1,2})?", re.ASCII)

_PLAIN_TEXT = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._/@:+-]*[A-Za-z0-9._/@+-])?")
_WORDS = frozenset(["y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf"])
# Made of these alone it may be a number, a date or base 60 somewhere, unless it has three parts or more.
_NUMBERLIKE = re.compile(r"[0-9a-fA-FxXoOTtZz_.:+-]*")
_VERSION = re.compile(r"\d+(\.\d+){2,}")

_NULLS = frozenset(("", "~", "null", "Null", "NULL"))


def is_quantity(value: str) -> bool:
    return _QUANTITY.fullmatch(value) is not None


def is_null(value: str) -> bool:
    """Whether this, written plain, is no value."""
    return value in _NULLS


def is_plain_text(value: str) -> bool:
    """Whether every reader takes this, written without quotes, for text."""
    if _PLAIN_TEXT.fullmatch(value) is None or value.lower() in _WORDS:
        return False
    return _NUMBERLIKE.fullmatch(value) is None or _VERSION.fullmatch(value) is not None


def is_json(value: str, *, quoted: bool) -> bool:
    """Whether a value could stand in JSON as it is written."""
    return quoted or value in ("null", "true", "false") or _JSON_NUMBER.fullmatch(value) is not None


def is_plain(value: str, *, text: bool, json: bool) -> bool:
    """Whether a value may stand without quotes. JSON has no text without quotes."""
    if text:
        return not json and is_plain_text(value)
    return (_JSON_NUMBER if json else _PLAIN_QUANTITY).fullmatch(value) is not None


def written(value: str, *, text: bool, json: bool, style: str = "") -> str:
    """A value as it goes into the file; `style` is the one of the scalar that it replaces."""
    if style == "'" and value.isprintable() and not json:
        return "'" + value.replace("'", "''") + "'"
    if style == "" and is_plain(value, text=text, json=json):
        return value
    return quoted(value)


def quoted(value: str) -> str:
    """In double quotes, as YAML 1.1, YAML 1.2 and JSON read them."""
    return '"' + "".join(map(_escaped, value)) + '"'


def _escaped(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    if character.isprintable():
        return character
    code = ord(character)
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def key_written(name: str, *, quotes: bool) -> str:
    return name if not quotes and is_plain_text(name) else quoted(name)


def means(found: object, value: str, *, text: bool) -> bool:
    """Whether what a parser found is what was to be written."""
    if isinstance(found, str):
        return found == value
    if text or isinstance(found, bool) or not isinstance(found, int | float):
        return False
    try:
        return Decimal(repr(found)) == Decimal(value)
    except InvalidOperation:
        return False

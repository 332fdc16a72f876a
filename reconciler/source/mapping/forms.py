"""Values in the file's own form: in another unit than Kubernetes', or as a part of an image.

The one place where such a value is read, and where a new one is put into the form that the file has.
"""

from __future__ import annotations

import re
from decimal import ROUND_CEILING, Decimal
from typing import Final

from reconciler.model import Field, NewValue, Reason, Refused, Slot
from reconciler.quantity import BadQuantity, read
from reconciler.source.mapping.traced import How, how
from reconciler.source.yamledit import Assignment

# unit -> the suffix by which Kubernetes knows it, and its size in millicores or bytes
UNITS: Final[dict[str, tuple[str, int]]] = {
    "cores": ("", 1000),
    "millicores": ("m", 1),
    "bytes": ("", 1),
    "kB": ("k", 1000),
    "MB": ("M", 1000**2),
    "GB": ("G", 1000**3),
    "TB": ("T", 1000**4),
    "KiB": ("Ki", 1 << 10),
    "MiB": ("Mi", 1 << 20),
    "GiB": ("Gi", 1 << 30),
    "TiB": ("Ti", 1 << 40),
}
CPU_UNITS: Final = frozenset({"cores", "millicores"})
_NUMBER: Final = re.compile(r"(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,9})?")
# A plain scalar that YAML reads as another number than it looks like: `010` is eight.
_MISREAD: Final = re.compile(r"[-+]?(?:0[0-9_xob]|[0-9]+_)[0-9a-fA-F_]*(?:\.[0-9_]*)?")
_LONGEST: Final = 1024
_THOUSANDTH: Final = Decimal("0.001")


def from_file(field: Field, form: str, rest: str, raw: str, *, plain: bool) -> str | Refused:
    """What the file says, in Kubernetes' words."""
    if len(raw) > _LONGEST or not raw.isprintable():
        return Refused(Reason.BAD_QUANTITY, f"{field.value} holds text that is no value of one")
    if form in ("tag", "digest"):
        return f"{rest}{'@' if form == 'digest' else ':'}{raw}"
    if field is Field.IMAGE:
        return raw
    if plain and _MISREAD.fullmatch(raw):
        words = f"the plain number {raw[:40]} means another one in YAML; write it without 0 and _"
        return Refused(Reason.BAD_QUANTITY, words)
    if not form:
        return raw
    if not _NUMBER.fullmatch(raw):
        return Refused(Reason.BAD_QUANTITY, f"`{raw[:40]}` is no plain number of {form}")
    return raw + UNITS[form][0]


def in_force(slot: Slot, raw: str) -> str | None:
    """What a text that stood at a slot's place meant, in Kubernetes' words; None where it meant nothing."""
    found = how(slot)
    if found is None:
        return raw
    meant = from_file(slot.field, found.form, found.rest, raw, plain=False)
    return None if isinstance(meant, Refused) else meant


def assignment(value: NewValue) -> Assignment | Refused:
    """What is to be written for a new value, whoever found its place."""
    place, field = value.slot.place, value.slot.field
    found = how(value.slot)
    if found is None:
        return Assignment(place.document, place.keys, value.new, text=field is Field.IMAGE, inner=place.inner)
    new = _part(found, value) if field is Field.IMAGE else _number(found, value)
    if isinstance(new, Refused):
        return new
    text = found.text or field is Field.IMAGE
    return Assignment(place.document, place.keys, new, text=text, inner=place.inner)


def _number(found: How, value: NewValue) -> str | Refused:
    """In the file's unit: rounded up, to a whole number where a whole number stands now."""
    if not found.form:
        return value.new
    try:
        amount = Decimal(read(value.slot.field, value.new)) / UNITS[found.form][1]
    except BadQuantity as error:
        return Refused(Reason.BAD_QUANTITY, str(error))
    whole = found.form != "cores" and "." not in _now(value)
    rounded = amount.quantize(Decimal(1) if whole else _THOUSANDTH, ROUND_CEILING)
    text = format(rounded, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _now(value: NewValue) -> str:
    return value.slot.value or ""


def _part(found: How, value: NewValue) -> str | Refused:
    """The tag or the digest alone, when nothing else of the image is to change."""
    if not found.form:
        return value.new
    mark = "@" if found.form == "digest" else ":"
    start = found.rest + mark
    part = value.new.removeprefix(start)
    if not value.new.startswith(start) or not part or set(part) & set("/@" if mark == ":" else "/@ "):
        line = f"{value.slot.place.path}:{value.slot.line}"
        words = f"only the {found.form} stands in {line}, and {value.new} differs in more from {_now(value)}"
        return Refused(Reason.NOT_TRACED, words)
    return part

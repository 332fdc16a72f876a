"""`FIELD=VALUE` as a person types it, as new values for the slots of one container."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Final

from reconciler.errors import Misconfigured
from reconciler.model import Container, Field, NewValue, Slot
from reconciler.quantity import BadQuantity, flaw, parse_percent

_FIELDS: Final = {field.value: field for field in Field} | {
    "cpu": Field.CPU_REQUEST,
    "memory": Field.MEMORY_REQUEST,
}
_TAG: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST: Final = re.compile(r"[a-z0-9]+(?:[+._-][a-z0-9]+)*:[0-9a-fA-F]{32,}")
_HOST_OR_PATH: Final = re.compile(
    r"(?:\[[0-9a-fA-F:]+\](?::[0-9]+)?/|[A-Za-z0-9][A-Za-z0-9.-]*(?::[0-9]+)?/)?"
    r"[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*)*"
)


def new_values(container: Container, wishes: Sequence[str]) -> tuple[NewValue, ...]:
    """One new value for each `FIELD=VALUE`; raises Misconfigured at the first that makes no sense."""
    found: dict[Field, NewValue] = {}
    for wish in wishes:
        name, equals, text = wish.partition("=")
        if not equals:
            raise Misconfigured("set", f"{wish!r} sets nothing: write FIELD=VALUE, e.g. cpu=250m")
        field = _field(name)
        if field in found:
            raise Misconfigured("set", f"{field.value} is given twice")
        slot = _slot(container, field)
        found[field] = NewValue(slot, _value(field, text, slot.value))
    if not found:
        raise Misconfigured("set", "nothing to set: write FIELD=VALUE, e.g. cpu=250m")
    return tuple(found.values())


def _slot(container: Container, field: Field) -> Slot:
    slots = [slot for slot in container.slots if slot.field is field]
    if len(slots) != 1:
        many = "several autoscalers have one" if slots else "no autoscaler here has one"
        raise Misconfigured("set", f"{field.value}: of {container.ref} {many}")
    return slots[0]


def _field(name: str) -> Field:
    field = _FIELDS.get(name)
    if field is None:
        near = get_close_matches(name, _FIELDS, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"one of {', '.join(_FIELDS)}"
        raise Misconfigured("set", f"{name!r} is no field that can be set; {hint}")
    return field


def _value(field: Field, text: str, current: str | None) -> str:
    if field is Field.IMAGE:
        return _image(text, current)
    if field.is_target:
        return _percent(field, text)
    try:
        why = flaw(field.resource, text)
    except BadQuantity as error:
        raise Misconfigured("set", f"{field.value}: {error}") from error
    if why:
        raise Misconfigured("set", f"{field.value}: {why}.")
    if text.startswith("-"):
        raise Misconfigured("set", f"{field.value}: {text!r} is below zero")
    return text


def _percent(field: Field, text: str) -> str:
    try:
        percent = parse_percent(text.removesuffix("%"))
    except BadQuantity as error:
        raise Misconfigured("set", f"{field.value}: {error}") from error
    if not percent:
        raise Misconfigured("set", f"{field.value}: with a target of 0 there would be no end of pods")
    return str(percent)


def _image(text: str, current: str | None) -> str:
    """A full reference, or the current one with another `:TAG` and/or `@DIGEST`."""
    name, tag, digest = _parts(text)
    if not text or (name and not _HOST_OR_PATH.fullmatch(name)):
        raise Misconfigured(
            "set", f"image: {text!r} is no image reference: NAME[:TAG][@DIGEST], :TAG or @DIGEST"
        )
    if not name:
        if current is None:
            raise Misconfigured(
                "set", f"image: there is no image yet that {text!r} could change; give a full reference"
            )
        name, old_tag, _ = _parts(current)
        tag = old_tag if tag is None else tag  # a digest alone says nothing about the tag beside it
    if tag is not None and not _TAG.fullmatch(tag):
        raise Misconfigured("set", f"image: {tag!r} is no tag")
    if digest is not None and not _DIGEST.fullmatch(digest):
        raise Misconfigured(
            "set", f"image: {digest!r} is no digest: ALGORITHM:HEX, e.g. sha256:… with 64 digits"
        )
    return name + (f":{tag}" if tag is not None else "") + (f"@{digest}" if digest is not None else "")


def _parts(reference: str) -> tuple[str, str | None, str | None]:
    """Name, tag and digest; the colon of a registry's port belongs to the name."""
    rest, at, digest = reference.partition("@")
    head, slash, last = rest.rpartition("/")
    name, colon, tag = last.partition(":")
    return head + slash + name, (tag if colon else None), (digest if at else None)

"""How a mapped value was found, as the text that its slot carries.

It says in which form the value stands there, and what else the document said at that time: right
before an edit all of it must still be so, or the value may have become another container's.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Final, NamedTuple

from reconciler.model import AS_IT_STANDS, CUSTOM_RESOURCE, Key, Slot

Fact = tuple[tuple[Key, ...], str | None]  # the text at those keys; None for nothing

_MAPPING: Final = "mapping"
MARKER: Final = "marker"
FLUX: Final = "flux"
_MARKERS: Final = (MARKER, FLUX)
_HEADS: Final = (CUSTOM_RESOURCE, _MAPPING)


class How(NamedTuple):
    by: str  # the mapping's name, "marker" or "flux"
    form: str  # a unit, tag or digest; "" as Kubernetes writes it
    facts: tuple[Fact, ...]
    text: bool = False  # whatever stands there must be read as a string
    custom: bool = False  # an operator's object holds it
    rest: str = ""  # of an image: what stands elsewhere, before the tag or the digest


def packed(how: How) -> str:
    facts = [[list(keys), text] for keys, text in how.facts]
    said = {"by": how.by, "form": how.form, "facts": facts, "text": how.text, "rest": how.rest}
    body = json.dumps(said, separators=(",", ":"), sort_keys=True)
    return f"{CUSTOM_RESOURCE if how.custom else _MAPPING} {body}"


def how(slot: Slot) -> How | None:
    """What `packed` made a text of; None for a slot that was found in another way."""
    head, _, body = slot.how_traced.partition(" ")
    if head not in _HEADS or not body.startswith("{"):
        return None
    said = json.loads(body)
    facts = tuple((tuple(keys), text) for keys, text in said["facts"])
    return How(said["by"], said["form"], facts, said["text"], head == CUSTOM_RESOURCE, said["rest"])


def stands_in_a_file(slot: Slot) -> bool:
    """Whether the place is the value's own, so that no renderer has to be asked what an edit does."""
    return slot.how_traced == AS_IT_STANDS or how(slot) is not None


def via(how_traced: str) -> str:
    """The same in few words, for people: which mapping or what kind of marker."""
    head, _, body = how_traced.partition(" ")
    if head not in _HEADS or not body.startswith("{"):
        return how_traced
    said = json.loads(body)
    return str(said["by"]) if said["by"] in _MARKERS else f"{_MAPPING}: {said['by']}"


def once(facts: Iterable[Fact]) -> tuple[Fact, ...]:
    return tuple(dict.fromkeys(facts))

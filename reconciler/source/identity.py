"""Whether a place of a file still belongs to the container that it was found for.

Asked right before the file is changed, of the text that is changed: keys and a document's number
alone would lead to whatever stands there by now.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from reconciler.model import FIELDS, Key, NewValue, Reason, Refused, Slot
from reconciler.source.mapping.traced import How, how
from reconciler.source.objects import PATHS, word
from reconciler.source.scalers import KINDS as SCALERS
from reconciler.source.view import TooMuchError, View, is_null
from reconciler.source.yamledit import Document, Node, Sequence

_MANIFEST: Final = "manifest"  # only there a place is inside of the object that it feeds
_BELOW: Final = {field: len(path) for field, path in zip(FIELDS, PATHS, strict=True)}
_UNNAMED: Final = {"Service": "user-container"}  # the name that Knative gives to a container without


class _Owner(NamedTuple):
    kind: str
    workload: str
    container: str

    def __str__(self) -> str:
        return "/".join(part or "?" for part in self)


def mistaken(documents: tuple[Document, ...], values: Iterable[NewValue]) -> Refused | None:
    """Why one of the values would go to another container than to one of its own; None when none would."""
    views: dict[int, View] = {}
    for value in values:
        slot, place = value.slot, value.slot.place
        mapped = how(slot)
        if not (mapped or slot.how_traced == _MANIFEST) or not 0 <= place.document < len(documents):
            continue
        document = documents[place.document]
        if document.root is None or document.template:
            continue  # the editor says why
        view = views.setdefault(place.document, View(document))
        try:
            why = _otherwise(view, document.root, mapped) if mapped else _others(view, document, slot)
        except TooMuchError as error:
            why = f"whose value line {slot.line} holds can't be told: {error}"
        if why:
            return Refused(Reason.UNPROVEN, why)
    return None


def _others(view: View, document: Document, slot: Slot) -> str:
    """What a manifest sets there, where that is no consumer of the slot."""
    assert document.root is not None
    if slot.field.is_target:
        return _aims_elsewhere(view, document, slot)
    found = _owner(view, document.root, slot.place.keys[: -_BELOW[slot.field]])
    if any(found == _Owner(ref.kind, ref.workload, ref.container) for ref in slot.consumers):
        return ""
    wanted = " or ".join(f"{ref.kind}/{ref.workload}/{ref.container}" for ref in slot.consumers)
    return f"the document in line {document.line} sets {found}, not {wanted}"


def _aims_elsewhere(view: View, document: Document, slot: Slot) -> str:
    """What a manifest scales, where that is no workload of the slot's consumers."""
    at: Node | None = view.followed(document.root)
    keys = slot.place.keys
    while keys[:1] == ("items",):
        at, keys = _below(view, at, keys[:2]), keys[2:]
    kind, name = (word(view.get(at, "spec", "scaleTargetRef", key)) for key in ("kind", "name"))
    named = name in {ref.workload for ref in slot.consumers}
    stands_for = kind == "Rollout" and not any(ref.kind == kind for ref in slot.consumers)
    if word(view.get(at, "kind")) in SCALERS and (named or stands_for):
        return ""
    wanted = " or ".join(dict.fromkeys(f"{ref.kind}/{ref.workload}" for ref in slot.consumers))
    return f"the document in line {document.line} scales {kind or '?'}/{name or '?'}, not {wanted}"


def _otherwise(view: View, root: Node, mapped: How) -> str:
    """What of all that told whose a mapped value is has changed since."""
    for keys, text in mapped.facts:
        node = _below(view, view.followed(root), keys)
        if (node is not None and not is_null(node)) if text is None else word(node) != text:
            return f"`{'.'.join(map(str, keys))}` is not what it was when {mapped.by} was found"
    return ""


def _owner(view: View, root: Node, keys: tuple[Key, ...]) -> _Owner:
    """Whose container keys lead to, read as discovery reads it; what isn't there is ""."""
    at: Node | None = view.followed(root)
    kind = word(view.get(at, "kind"))
    while keys[:1] == ("items",):
        at = _below(view, at, keys[:2])
        kind = word(view.get(at, "kind")) or kind.removesuffix("List")
        keys = keys[2:]
    name = word(view.get(at, "metadata", "name")) or word(view.get(at, "metadata", "generateName"))
    container = _below(view, at, keys)
    named = view.get(container, "name")
    unnamed = _UNNAMED.get(kind, "") if container is not None and named is None else ""
    return _Owner(kind, name, word(named) or unnamed)


def _below(view: View, node: Node | None, keys: tuple[Key, ...]) -> Node | None:
    for key in keys:
        if isinstance(key, str):
            node = view.get(node, key)
        elif isinstance(node, Sequence) and 0 <= key < len(node.items):
            node = view.followed(node.items[key])
        else:
            return None
    return node

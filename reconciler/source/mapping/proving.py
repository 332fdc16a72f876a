"""What an edit of mapped values is meant to do to a render that the file goes into.

An operator's object passes through a kustomization as it stands, or with another namespace or a prefix
to its name: the one of its kind that holds the old value at the same place is the one that is meant.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from reconciler.model import Key, NewValue
from reconciler.source.mapping.forms import assignment
from reconciler.source.mapping.traced import how
from reconciler.source.tracing.proof import Intent, Spot
from reconciler.source.tracing.rendered import Object, Path, Render, labelled, objects_of, text_of
from reconciler.source.yamledit import Assignment, decode
from reconciler.source.yamledit.values import UnreadableError, parts, read_part

Read = Callable[[str, str], bytes | None]


def intents(before: Render, values: Iterable[NewValue], read: Read) -> Iterator[Intent]:
    """The mapped ones of the values, wherever they come out; none for what is not in the render."""
    for value in values:
        wanted = assignment(value)
        if how(value.slot) is None or value.slot.place.inner or not isinstance(wanted, Assignment):
            continue
        found = _object(value, read)
        if found is None:
            continue
        own, keys = found
        for other in _same(before, own):
            path, old = _way(own.value, keys), _at(own.value, keys)
            if _at(other.value, keys) == old and _way(other.value, keys) == path:
                yield Intent(value.slot.consumers[0], None, Spot(other.identity, path), old, wanted.value)
                break


def _object(value: NewValue, read: Read) -> tuple[Object, tuple[Key, ...]] | None:
    """The object in the file, and the keys within it."""
    place = value.slot.place
    data = read(place.repository, place.path)
    text = decode(data) if data is not None else None
    try:
        every = parts(text) if isinstance(text, str) else []
    except UnreadableError:
        return None
    if not 0 <= place.document < len(every):
        return None
    part, keys = read_part(every[place.document]), place.keys
    inside: Any = part.value
    while keys[:1] == ("items",) and isinstance(inside, dict) and isinstance(inside.get("items"), list):
        at = keys[1] if len(keys) > 1 else None
        if not isinstance(at, int) or not 0 <= at < len(inside["items"]):
            return None
        inside, keys = inside["items"][at], keys[2:]
    found = next(objects_of(part._replace(value=inside)), None)
    return (found, keys) if found is not None and found.identity.kind else None


def _same(before: Render, own: Object) -> list[Object]:
    """Objects of the same kind, those of the same name first; another name must hold the own one."""
    kind = own.identity.kind
    every = [each for text in before.parts if kind in text for each in objects_of(read_part(text))]
    alike = [each for each in every if each.identity[:2] == own.identity[:2]]
    named = [each for each in alike if each.identity.name == own.identity.name]
    return named or [each for each in alike if own.identity.name in each.identity.name]


def _at(value: Any, keys: tuple[Key, ...]) -> str | None:
    for key in keys:
        if isinstance(value, dict):
            value = value.get(key)
        elif isinstance(value, list) and isinstance(key, int) and key < len(value):
            value = value[key]
        else:
            return None
    return text_of(value)


def _way(value: Any, keys: tuple[Key, ...]) -> Path:
    """The keys as a render's differences name them: items of lists by their names."""
    path: list[str] = []
    for key in keys:
        if isinstance(value, list) and isinstance(key, int) and key < len(value):
            label, value = labelled(value)[key]
            path.append(label)
        else:
            value = value.get(key) if isinstance(value, dict) else None
            path.append(str(key))
    return tuple(path)

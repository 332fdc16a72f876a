"""Why an edit that is right in Git would be void in the cluster: what the Application tells Argo CD.

Everything is decided as Argo CD decides it, from the Application and the rendered object alone.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from typing import Any, Final

from reconciler.model import ContainerRef, Field, Place, Reason, Refused, Slot
from reconciler.source import aiming, globs, jq
from reconciler.source.aims import TARGETS
from reconciler.source.objects import KINDS
from reconciler.source.tracing.rendered import WAYS, Object, Render, get, text_of
from reconciler.source.units import Ignored, Unit
from reconciler.source.yamledit.values import Plain, resolved

_OWN_MANAGER: Final = "argocd-controller"  # as whom Argo CD itself applies
_LISTS: Final = ("containers", "initContainers")
_MOST_SHOWN: Final = 120
_DEEPEST: Final = 8  # Applications that deploy Applications


def void(unit: Unit, slot: Slot, ref: ContainerRef, render: Render) -> Refused | None:
    """Why an edit of the slot would not reach this container, one of those that the unit renders."""
    return unwatched(unit, slot.place) or ignored(unit, slot.field, ref, render)


def void_target(unit: Unit, slot: Slot, found: Object, render: Render) -> Refused | None:
    """The same of what an autoscaler aims for that the unit renders.

    It changes with a request, and so with a sync, which brings along all but what is to be kept as it is.
    """
    scaler = aiming.read(found, 0)
    ways = [aim.keys for aim in scaler.aims if TARGETS[aim.resource] is slot.field] if scaler else []
    if ways and (why := unwatched(unit, slot.place)) is not None:
        return why
    identity = found.identity
    where = identity.namespace or render.namespace
    name = ContainerRef(render.cluster, where, identity.kind, identity.name, "")
    for entry in unit.ignored if unit.application is not None and unit.application.keeps_ignored else ():
        for words in (words for way in ways if way for words in _ways(entry, way, found)):
            if _concerns(entry, found, name):
                return _refused(unit, name, words)
    return None


# -- manifest-generate-paths -----------------------------------------------------------------------


def unwatched(unit: Unit, place: Place) -> Refused | None:
    """Why Argo CD would not render anew for a change of this file."""
    at: Unit | None = unit
    for _ in range(_DEEPEST):
        if at is None:
            return None
        if (place.repository, place.path) != (at.repository, at.path):
            return _outside(at, place.path)
        at = at.parent  # what defines an Application is no file of its own, but of who deploys it
    return None


def _outside(unit: Unit, path: str) -> Refused | None:
    app, said = unit.application, unit.generate_paths
    if app is None or said is None:
        return None
    watched = [_watched(each.strip(), app.path) for each in said.split(";") if each.strip()]
    if not watched or any(_covers(each, path) for each in watched):
        return None
    words = f"{path} is outside of what Argo CD watches for the Application {app.name}"
    return Refused(
        Reason.NOT_WATCHED,
        f"{words} (manifest-generate-paths: {said[:_MOST_SHOWN]}), so it would not look again",
    )


def _watched(path: str, source: str) -> str:
    """From the root of the repository, whichever that is: with several, Argo CD takes the paths for each."""
    joined = path if path.startswith("/") else f"/{source}/{path}"
    return posixpath.normpath(f"/{joined.lstrip('/')}")


def _covers(watched: str, path: str) -> bool:
    whole = f"/{path}"
    below = watched == "/" or whole == watched or whole.startswith(f"{watched}/")
    return below or globs.by_segment(watched)(whole)


# -- ignoreDifferences -----------------------------------------------------------------------------


def ignored(unit: Unit, field: Field, ref: ContainerRef, render: Render) -> Refused | None:
    """Why a change of the field counts as none: the Application ignores differences in it."""
    if not unit.ignored:
        return None
    found = _object(ref, render)
    if found is None:
        return None
    path = _path(found, ref, field)
    for entry in unit.ignored if path is not None else ():
        if _concerns(entry, found, ref):
            for words in _ways(entry, path or (), found):
                return _refused(unit, ref, words)
    return None


def _refused(unit: Unit, ref: ContainerRef, words: str) -> Refused:
    app = unit.application
    who = f"the Application {app.name}" if app is not None else unit.name
    detail = f"{who} ignores differences of {ref.kind} {ref.workload} in {words}: "
    if app is not None and app.keeps_ignored:
        return Refused(Reason.IGNORED_DIFFERENCE, f"{detail}not even a sync would bring the change along")
    return Refused(Reason.IGNORED_DIFFERENCE, f"{detail}the change alone would start no sync")


def _object(ref: ContainerRef, render: Render) -> Object | None:
    for each in render.workloads():
        identity = each.identity
        where = identity.namespace or render.namespace
        if (where, identity.kind, identity.name) == (ref.namespace, ref.kind, ref.workload):
            return each
    return None


def _concerns(entry: Ignored, found: Object, ref: ContainerRef) -> bool:
    """Group and kind are patterns, and no group is the core group; name and namespace are what they are."""
    group = found.identity.version.rpartition("/")[0]
    return (
        globs.crossing(entry.group, braces=True)(group)
        and globs.crossing(entry.kind, braces=True)(ref.kind)
        and entry.name in ("", ref.workload)
        and entry.namespace in ("", ref.namespace)
    )


def _ways(entry: Ignored, path: jq.Path, found: Object) -> Iterator[str]:
    """The parts of an entry that cover what the path leads to, in words."""
    for pointer in entry.pointers:
        if _points_at(pointer, path, found):
            yield pointer[:_MOST_SHOWN]
    if entry.queries:
        value = _with(_plain(found.value), path)
        for query in entry.queries:
            hits = [each for each in jq.find(query, value) if each.path == path[: len(each.path)]]
            if hits:
                unsure = "" if any(each.certain for each in hits) else ", as far as it can be told"
                yield f"{query[:_MOST_SHOWN]}{unsure}"
    if _OWN_MANAGER in entry.managers:
        yield f"all that {_OWN_MANAGER} sets"


def _path(found: Object, ref: ContainerRef, field: Field) -> jq.Path | None:
    """Where the field stands in the object, the container by its position."""
    head = KINDS[ref.kind][1] if ref.kind in KINDS else ()
    for key in _LISTS:
        items = get(found.value, (*head, key))
        for at, item in enumerate(items if isinstance(items, list) else []):
            if isinstance(item, dict) and text_of(item.get("name")) == ref.container:
                return (*head, key, at, *WAYS[field])
    return None


def _points_at(pointer: str, path: jq.Path, found: Object) -> bool:
    """Whether a JSON pointer leads to the field, or to anything that it lies in."""
    tokens = [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]
    if not tokens or len(tokens) > len(path):
        return False
    value: Any = found.value
    for token, key in zip(tokens, path, strict=False):
        if isinstance(key, int):
            wanted = key - len(value) if token.startswith("-") else key
            if token != str(wanted):
                return False
            value = value[key]
        elif token != key:
            return False
        else:
            value = value.get(key) if isinstance(value, dict) else None
    return True


def _plain(value: Any) -> Any:
    """The values as jq knows them."""
    if isinstance(value, dict):
        return {key: _plain(below) for key, below in value.items()}
    if isinstance(value, list):
        return [_plain(below) for below in value]
    return resolved(value) if isinstance(value, Plain) else value


def _with(value: Any, path: jq.Path) -> Any:
    """With the field there, as it will be after the edit. What isn't there yet is made."""
    at = value
    for key, following in zip(path, (*path[1:], None), strict=True):
        if isinstance(key, int):
            at = at[key]
        elif following is None:
            at.setdefault(key, "0")
        else:
            if not isinstance(at.get(key), dict | list):
                at[key] = {}
            at = at[key]
    return value

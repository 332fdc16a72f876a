"""Kustomizations as an Application changes them before they are built."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, NamedTuple

from reconciler.model import Key, Place, Reason, Refused
from reconciler.source.overlays import Overlay
from reconciler.source.typed import Table, as_json, items, table, text
from reconciler.source.units import Written

_LOOSE: Final = ("namePrefix", "nameSuffix", "namespace")
Substitute = Callable[[str], str]

_IMAGE: Final = re.compile(r"(?P<name>[^@]*?)(?::(?P<tag>[^/@:]*))?(?:@(?P<digest>.*))?")


class Adding(NamedTuple):
    """What is at hand when an Application's `kustomize` is written into a kustomization."""

    options: Table
    substitute: Substitute
    place: Callable[..., Place]  # of a part of the options
    entries: bool = False  # `images` are entries, as in a kustomization, and were made into texts for this


def add(overlay: Overlay, body: Table, adding: Adding) -> Overlay | Refused:
    """The overlay after the edits that Argo CD makes before it builds."""
    edited = dict(body)
    written: list[Written] = []
    for key in _LOOSE:
        if value := text(adding.options.get(key)):
            edited[key] = value
            written.append(Written(overlay.path, (key,), adding.place(key)))
    written += _images(overlay.path, edited, adding)
    written += _replicas(overlay.path, edited, adding)
    refused = _labels(edited, adding) or _annotations(edited, adding)
    if refused is not None:
        return refused
    patches = items(adding.options.get("patches"))
    if patches:
        before = items(edited.get("patches"))
        edited["patches"] = [*before, *patches]
        written += [
            Written(overlay.path, ("patches", len(before) + at), adding.place("patches", at))
            for at in range(len(patches))
        ]
    if components := [each for each in items(adding.options.get("components")) if isinstance(each, str)]:
        before = items(edited.get("components"))
        edited["components"] = [*before, *(each for each in components if each not in before)]
    if edited == body:
        return overlay
    files = overlay.files | {overlay.path: as_json(edited)}
    return overlay._replace(files=files, written=tuple(written))


def _images(path: str, body: Table, adding: Adding) -> list[Written]:
    """As `kustomize edit set image` does: an entry of the same name is replaced, but for what is `*`."""
    images = [dict(table(each)) for each in items(body.get("images"))]
    written = []
    for at, each in enumerate(items(adding.options.get("images"))):
        new = _image(adding.substitute(text(each)))
        if "name" not in new:
            continue
        found = next((index for index, old in enumerate(images) if old.get("name") == new["name"]), None)
        if found is None:
            images.append({key: value for key, value in new.items() if value != "*"})
            found = len(images) - 1
        else:
            kept = {key: images[found].get(key, "") if value == "*" else value for key, value in new.items()}
            images[found] = {key: value for key, value in kept.items() if value}
        keys: tuple[Key, ...] = ("images", found)
        written.append(Written(path, keys, adding.place("images", at), composite=not adding.entries))
    if written:
        body["images"] = images
    return written


def _image(argument: str) -> Table:
    """`name=new:tag@digest` or `name:tag@digest` as an entry of `images`."""
    name, equals, new = argument.partition("=")
    found = _IMAGE.fullmatch(new if equals else argument)
    parts = found.groupdict() if found else {"name": new or argument, "tag": None, "digest": None}
    entry: Table = {"name": name if equals else parts["name"]}
    if equals:
        entry["newName"] = parts["name"]
    entry |= {"newTag": parts["tag"], "digest": parts["digest"]}
    return {key: value for key, value in entry.items() if value}


def _replicas(path: str, body: Table, adding: Adding) -> list[Written]:
    replicas = [dict(table(each)) for each in items(body.get("replicas"))]
    written = []
    for at, each in enumerate(items(adding.options.get("replicas"))):
        name, count = text(table(each).get("name")), text(table(each).get("count"))
        new: Table = {"name": name, "count": int(count) if count.isdigit() and len(count) < 10 else count}
        found = next((index for index, old in enumerate(replicas) if old.get("name") == name), None)
        if found is None:
            replicas.append(new)
            found = len(replicas) - 1
        else:
            replicas[found] = new
        written.append(Written(path, ("replicas", found), adding.place("replicas", at)))
    if written:
        body["replicas"] = replicas
    return written


def _labels(body: Table, adding: Adding) -> Refused | None:
    options = adding.options
    wanted = {key: adding.substitute(text(each)) for key, each in table(options.get("commonLabels")).items()}
    if not wanted:
        return None
    if options.get("labelWithoutSelector") is True:
        entry: Table = {"pairs": wanted}
        if options.get("labelIncludeTemplates") is True:
            entry["includeTemplates"] = True
        body["labels"] = [*items(body.get("labels")), entry]
        return None
    return _common(body, "commonLabels", wanted, forced=options.get("forceCommonLabels") is True)


def _annotations(body: Table, adding: Adding) -> Refused | None:
    options = adding.options
    wanted = {key: text(each) for key, each in table(options.get("commonAnnotations")).items()}
    if options.get("commonAnnotationsEnvsubst") is True:
        wanted = {key: adding.substitute(each) for key, each in wanted.items()}
    if not wanted:
        return None
    return _common(body, "commonAnnotations", wanted, forced=options.get("forceCommonAnnotations") is True)


def _common(body: Table, key: str, wanted: dict[str, str], *, forced: bool) -> Refused | None:
    before = table(body.get(key))
    twice = sorted(before.keys() & wanted.keys())
    if twice and not forced:
        return Refused(
            Reason.NOT_DEPLOYABLE, f"its `{key}` sets {twice[0]}, which the kustomization sets, too"
        )
    body[key] = {**before, **wanted}
    return None

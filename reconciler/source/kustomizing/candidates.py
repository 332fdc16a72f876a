"""The places that could own a value: scalars that look like it, and containers that lack it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from collections.abc import Mapping as Table
from enum import StrEnum
from typing import Final, NamedTuple

from reconciler.model import FIELDS, Field, Key
from reconciler.source.kustomizing import references
from reconciler.source.kustomizing.sources import (
    KUSTOMIZATION,
    PATCH,
    RESOURCE,
    TRANSFORMER,
    VALUES,
    Source,
    Sources,
    Texts,
)
from reconciler.source.kustomizing.walking import Found, Keys, walk
from reconciler.source.objects import KINDS, PATHS, word
from reconciler.source.view import View, is_null
from reconciler.source.yamledit import Alias, Document, Mapping, Node, Scalar, parse
from reconciler.source.yamledit.paths import is_merge

_LISTS: Final = ("containers", "initContainers")
_WORKLOADS: Final = re.compile(
    rb"kind[\"']?\s*:\s*[\"']?(?:"
    + "|".join(KINDS).encode()
    + rb"|HorizontalPodAutoscaler|ScaledObject|\w*List)\b"
)
# What an autoscaler aims for, in the words of all its versions.
COUNTS: Final = frozenset(
    ("minReplicas", "maxReplicas", "averageUtilization", "targetAverageUtilization",
     "targetCPUUtilizationPercentage")
)  # fmt: skip
_RESOURCES: Final = tuple(field for field in FIELDS if field is not Field.IMAGE)
_MOST_EQUAL: Final = 400
COPIED: Final = "copied"  # by a replacement or a var


class Wants(StrEnum):
    """What kind of value a place holds, and so how its sentinel looks."""

    CPU = "cpu"
    MEMORY = "memory"
    IMAGE = "image"
    TAG = "tag"
    DIGEST = "digest"
    COUNT = "count"


class Candidate(NamedTuple):
    path: str
    document: int
    keys: Keys
    inner: Keys  # leads on inside of an inline patch
    wants: Wants
    role: str
    node: Scalar | None  # what stands there; None where it would be added
    host: Scalar | None = None  # the inline patch


class Text(NamedTuple):
    """One readable piece: a document of a file, or a patch written inline."""

    path: str
    document: Document
    keys: Keys  # of the inline patch in its file; () for a document itself
    role: str
    host: Scalar | None


def set_places(texts: Texts, sources: Sources) -> Iterator[Candidate]:
    """Every scalar that by its path is a request, a limit, an image, a tag or a number of replicas."""
    for piece in pieces(texts, sources):
        for found in walk(piece.document):
            wants = _wants(found.meant, piece.role)
            if wants is not None and isinstance(found.node, Scalar) and not is_null(found.node):
                yield _candidate(piece, found.keys, wants, found.node)


def missing_places(texts: Texts, sources: Sources, roles: Collection[str], names: Collection[str] = ()
) -> Iterator[Candidate]:  # fmt: skip
    """Every field that a container, as written in these sources, doesn't have."""
    for piece in pieces(texts, sources):
        if piece.role in roles:
            view = View(piece.document)
            for found in walk(piece.document):
                if _is_container(found) and (not names or _name(view, found) in names):
                    yield from _missing(piece, view, found)


def equal_places(texts: Texts, sources: Sources, looks: Table[str, Wants]) -> Iterator[Candidate]:
    """Any scalar that holds a value still looked for: sources of replacements, values of charts."""
    left = _MOST_EQUAL
    for piece in pieces(texts, sources, every=True):
        for found in walk(piece.document):
            if not isinstance(found.node, Scalar) or found.aliased or _wants(found.meant, piece.role):
                continue
            wants = looks.get(found.node.value)
            if wants is not None and not is_null(found.node) and left:
                left -= 1
                is_value = piece.role == VALUES or _is_inline_value(found.keys)
                role = VALUES if is_value else COPIED
                yield _candidate(piece._replace(role=role), found.keys, wants, found.node)


def pieces(texts: Texts, sources: Sources, *, every: bool = False) -> Iterator[Text]:
    """What could hold values; with `every` also resources that are no workloads."""
    for source in sources.all:
        if source.role == RESOURCE and not every and not _WORKLOADS.search(texts.files[source.path]):
            continue
        for document in texts.documents(source.path):
            yield Text(source.path, document, (), source.role, None)
            if source.role in (KUSTOMIZATION, TRANSFORMER):
                yield from _inline(source, document)


def _inline(source: Source, document: Document) -> Iterator[Text]:
    """The patches and transformers that a kustomization holds as text."""
    for found in walk(document):
        meant, node = found.meant, found.node
        role = _inline_role(meant)
        if role and isinstance(node, Scalar) and not found.aliased:
            inner = parse(node.value)
            if len(inner) == 1 and inner[0].root is not None and not isinstance(inner[0].root, Scalar):
                yield Text(source.path, inner[0]._replace(index=document.index), found.keys, role, node)


def _inline_role(meant: Keys) -> str:
    if len(meant) == 3 and meant[0] in ("patches", "patchesJson6902") and meant[2] == "patch":
        return PATCH
    if len(meant) == 2 and meant[0] == "patchesStrategicMerge":
        return PATCH
    if meant == ("patch",):  # a PatchTransformer
        return PATCH
    if len(meant) == 2 and meant[0] == "transformers":
        return TRANSFORMER
    return ""


def _candidate(piece: Text, keys: Keys, wants: Wants, node: Scalar | None) -> Candidate:
    at, inner = (piece.keys, keys) if piece.host is not None else (keys, ())
    role = VALUES if piece.role == KUSTOMIZATION and _is_inline_value(keys) else piece.role
    return Candidate(piece.path, piece.document.index, at, inner, wants, role, node, piece.host)


def _is_inline_value(keys: Keys) -> bool:
    """Whether it is below `valuesInline` of a chart that the kustomization inflates."""
    return len(keys) > 3 and keys[0] == "helmCharts" and keys[2] == "valuesInline"


def _wants(meant: Keys, role: str) -> Wants | None:
    """What the value at a path is, by the path alone."""
    if role in (RESOURCE, PATCH):
        return _of_container(meant) or (Wants.COUNT if _is_count(meant) else None)
    if role == KUSTOMIZATION and _is_inline_value(meant):
        return _wants(meant, VALUES)
    if role == KUSTOMIZATION and len(meant) == 3:
        return _of_transformer(meant[0], meant[2])
    if role == TRANSFORMER and len(meant) == 2:
        return _of_transformer(meant[0], meant[1])
    if role == VALUES and meant[-3:-1] in (("resources", "requests"), ("resources", "limits")):
        return Wants(str(meant[-1])) if meant[-1] in ("cpu", "memory") else None
    return None


def _of_container(meant: Keys) -> Wants | None:
    if meant[-1:] == ("image",) and _in_list(meant[:-1]):
        return Wants.IMAGE
    if meant[-3:-1] in (("resources", "requests"), ("resources", "limits")) and _in_list(meant[:-3]):
        return Wants(str(meant[-1])) if meant[-1] in ("cpu", "memory") else None
    return None


def _is_count(meant: Keys) -> bool:
    if meant[-2:] == ("spec", "replicas") or ("spec" in meant and meant[-1] in COUNTS):
        return True
    return meant[-2:] == ("metadata", "value") and "triggers" in meant


def _of_transformer(key: Key, name: Key) -> Wants | None:
    if key in ("images", "imageTags", "imageTag"):
        return {"newTag": Wants.TAG, "digest": Wants.DIGEST}.get(str(name))
    return Wants.COUNT if key in ("replicas", "replica") and name == "count" else None


def _in_list(meant: Keys) -> bool:
    return len(meant) >= 2 and meant[-2] in _LISTS and isinstance(meant[-1], int)


def _is_container(found: Found) -> bool:
    return isinstance(found.node, Mapping) and not found.aliased and _in_list(found.meant)


def _name(view: View, found: Found) -> str:
    return word(view.get(found.node, "name"))


def _missing(piece: Text, view: View, container: Found) -> Iterator[Candidate]:
    if _is_borrowed(view, container.node):
        return  # a copy of what an alias means would hide where that stands
    for field, path in zip(FIELDS, PATHS, strict=True):
        if field in _RESOURCES and is_missing(view, container.node, path):
            keys = (*container.keys, *path)
            yield _candidate(piece, keys, Wants(field.resource), None)


def _is_borrowed(view: View, container: Mapping | Scalar) -> bool:
    """Whether an alias or a merge supplies resources of a container."""
    entries = view.entries(container)
    resources = entries.get("resources")
    parts = [resources, *view.entries(resources).values()]
    owners = [container, view.followed(resources), *map(view.followed, view.entries(resources).values())]
    return any(isinstance(part, Alias) for part in parts) or any(map(_merges, owners))


def _merges(node: Node | None) -> bool:
    return isinstance(node, Mapping) and any(is_merge(key) for key, _ in node.pairs)


def is_missing(view: View, container: Mapping | Scalar, path: Iterable[str]) -> bool:
    found = view.get(container, *path)
    return found is None or is_null(found)


def looks(field: Field, value: str) -> Iterator[tuple[str, Wants]]:
    """The forms in which a rendered value may stand elsewhere, alone."""
    if field is not Field.IMAGE:
        yield value, Wants(field.resource)
        return
    reference = references.split(value)
    yield value, Wants.IMAGE
    if reference.tag:
        yield reference.tag, Wants.TAG
    if reference.digest:
        yield reference.digest, Wants.DIGEST

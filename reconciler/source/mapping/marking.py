"""Marked values as claims, like those of mappings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reconciler.model import ContainerRef, Field, Key, PathStep, Place, Reason, Refused
from reconciler.source.mapping import forms
from reconciler.source.mapping.markers import Aim, Marked
from reconciler.source.mapping.reading import Claim, Head, Source
from reconciler.source.mapping.traced import FLUX, MARKER, Fact, How
from reconciler.source.mapping.walking import Hit, way
from reconciler.source.objects import word
from reconciler.source.view import is_null
from reconciler.source.yamledit import Scalar, where

BEFORE_ALL = -1  # the rank of what stands on the line itself


def claims(source: Source, marked: Sequence[Marked]) -> Iterator[Claim]:
    names = {
        (each.document.index, each.keys[:-1], each.inner[:-1], each.aims[0][:5]): each
        for each in marked
        if each.flux and each.aims[0].form == "name"
    }
    for each in marked:
        for aim in each.aims:
            if aim.form != "name":
                name = names.get((each.document.index, each.keys[:-1], each.inner[:-1], aim[:5]))
                yield _claim(source, each, aim, name)


def _claim(source: Source, marked: Marked, aim: Aim, name: Marked | None) -> Claim:
    ref = ContainerRef(
        aim.cluster or source.cluster,
        aim.namespace or source.namespace,
        aim.kind,
        aim.workload,
        aim.container,
    )
    place = Place(source.repository, source.path, marked.document.index, marked.keys, marked.inner)
    rest, facts = _rest(source, marked, aim, name)
    found = where(marked.document, source.text, marked.keys, marked.inner)
    raw = marked.node.value if isinstance(marked.node, Scalar) and not is_null(marked.node) else found.value
    plain = isinstance(marked.node, Scalar) and not marked.node.style and not marked.node.tag
    value: str | Refused | None = None
    if raw is not None:
        value = forms.from_file(aim.field, aim.form, rest, raw, plain=plain)
    elif aim.form in ("tag", "digest") and not rest:
        value = Refused(Reason.UNSET, f"there is no {aim.form} yet, and the rest of the image is not known")
    if not marked.inner:
        facts = (*facts, (marked.keys, raw if isinstance(marked.node, Scalar) else None))
    how = How(FLUX if marked.flux else MARKER, aim.form, facts, _is_text(marked), False, rest)
    refused = found.refused or (value if isinstance(value, Refused) else None)
    text = None if isinstance(value, Refused) else value
    head = Head(marked.line)
    return Claim(ref, aim.field, place, marked.line, text, how, refused, head, BEFORE_ALL, False)


def _is_text(marked: Marked) -> bool:
    keys = marked.inner or marked.keys
    return len(keys) > 1 and keys[-2] in ("annotations", "labels")


def _rest(source: Source, marked: Marked, aim: Aim, name: Marked | None) -> tuple[str, tuple[Fact, ...]]:
    """What stands before a tag: where Flux's marker says so, else where charts and kustomizations have it."""
    if aim.form not in ("tag", "digest") or aim.field is not Field.IMAGE:
        return "", ()
    if name is not None and isinstance(name.node, Scalar):
        fact: tuple[Fact, ...] = () if name.inner else ((name.keys, name.node.value),)
        return name.node.value, fact
    if marked.inner:
        return "", ()
    found = {key: _beside(source, marked.keys, key) for key in ("registry", "repository", "newName", "name")}
    which = (
        ("newName", "name")
        if marked.keys[-1] in ("newTag", "digest") and marked.keys[:1] == ("images",)
        else ("repository",)
    )
    rest = next((found[key] for key in which if found[key]), "")
    if not rest:
        return "", ()
    used = [key for key in which if found[key]][:1]
    if which == ("repository",) and found["registry"]:
        rest, used = f"{found['registry']}/{rest}", ["registry", *used]
    return rest, tuple(((*marked.keys[:-1], key), found[key]) for key in used)


def _beside(source: Source, keys: tuple[Key, ...], key: str) -> str:
    """The text under another key of the mapping that a value stands in."""
    steps = [PathStep("item" if isinstance(one, int) else "key", one) for one in (*keys[:-1], key)]
    return word(way(source.view, Hit(source.document.root, ()), tuple(steps)).node)

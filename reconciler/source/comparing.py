"""Holds our render of an Application's source against what Argo CD itself renders of it.

Objects are paired by what they are called, and compared by what they mean. What Argo CD adds or hides
is set aside; what differs besides means that nothing proven here is proven for the cluster.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any, Final, NamedTuple, Protocol

from reconciler.model import Reason, Refused
from reconciler.source.tracing.proof import Difference, Spot, differences
from reconciler.source.tracing.rendered import Identity, Object, Render, get, objects_of, text_of
from reconciler.source.typed import as_json
from reconciler.source.units import Deployed, Unit
from reconciler.source.yamledit.values import is_null, read_part, resolved

_MOST_NAMED: Final = 3
_LONGEST_LABEL: Final = 63
_TRACKING: Final = frozenset({"argocd.argoproj.io/tracking-id", "argocd.argoproj.io/installation-id"})
_INSTANCE: Final = "app.kubernetes.io/instance"  # a chart's own, too: then Argo CD's takes its place
_LABELS: Final = (("metadata", "labels"), ("spec", "template", "metadata", "labels"))
_ANNOTATIONS: Final = ("metadata", "annotations")
_SECRET: Final = ("v1", "Secret")
_HOOK: Final = "helm.sh/hook"
_DEFINITION: Final = "CustomResourceDefinition"
_DEFINES: Final = re.compile(rf"(?m)^kind:[ \t]*[\"']?{_DEFINITION}\b")


class Judge(Protocol):
    """Whoever knows what Argo CD renders."""

    def manifests(
        self, name: str, namespace: str, project: str, revisions: Sequence[tuple[int, str]] = ()
    ) -> Sequence[str] | Refused:
        """Every object that Argo CD renders of an Application, each as JSON; or why it can't say."""
        ...


def compared(
    unit: Unit, text: str, judge: Judge, again: Callable[[], str | None] = lambda: None
) -> Refused | None:
    """Why a unit is kept, its render being `text`; None where Argo CD renders the same.

    `again` renders it once more; it is asked only where something differs, to know noise from the rest.
    A unit that no Application deploys has nobody to be compared with.
    """
    app = unit.application
    if app is None:
        return None
    theirs = judge.manifests(app.name, app.namespace, app.project, app.revisions)
    if isinstance(theirs, Refused):
        return theirs
    return differs(unit, text, theirs, again)


def differs(
    unit: Unit, text: str, manifests: Sequence[str], again: Callable[[], str | None] = lambda: None
) -> Refused | None:
    """Why what Argo CD renders of a unit's Application is not what is rendered here."""
    theirs = _objects(manifests)
    if isinstance(theirs, Refused):
        return theirs
    ours = _render(text)
    if ours.trouble:
        return _refuse(f"the render can't be read here: {ours.trouble}")
    left = _left(unit, ours, theirs, frozenset())
    if left and (more := again()) is not None:
        left = _left(unit, ours, theirs, frozenset(differences(ours, _render(more))))
    if not left:
        return None
    named = "; ".join(map(_worded, islice(left, _MOST_NAMED)))
    rest = f"; and {len(left) - _MOST_NAMED} more" if len(left) > _MOST_NAMED else ""
    return _refuse(f"Argo CD renders {_name(unit)} differently: {named}{rest}")


def _render(text: str) -> Render:
    """Without definitions of custom resources: most of what some charts render, and nobody edits them."""
    whole = Render(text)
    kept = [part for part in whole.parts if not _DEFINES.search(part)]
    return whole if len(kept) == len(whole.parts) else Render("\n---\n".join(kept))


class _Left(NamedTuple):
    spot: Spot
    difference: Difference


def _left(unit: Unit, ours: Render, theirs: Sequence[Object], noise: frozenset[Spot]) -> list[_Left]:
    """What differs and can't be explained."""
    mine = [found for part in ours.parts for found in objects_of(read_part(part))]
    alone = unit.application is not None and unit.application.alone and unit.request is not None
    wanted = _paired(mine, theirs, unit.namespace, _renamed(noise), everything=alone)
    render = Render("".join(f"---\n{as_json(each).decode()}\n" for each in wanted))
    found = differences(ours, render)
    labels = _instances(unit.application)
    return [
        _Left(spot, one)
        for spot, one in found.items()
        if spot not in noise and not _is_explained(unit, spot, one, labels)
    ]


# -- whose objects are whose -----------------------------------------------------------------------


def _objects(manifests: Sequence[str]) -> list[Object] | Refused:
    """What Argo CD sent, one object each."""
    found: list[Object] = []
    for each in manifests:
        try:
            body = json.loads(each, parse_float=_number)
            defines = isinstance(body, dict) and body.get("kind") == _DEFINITION
            text = "" if defines else as_json(body).decode()
        except (ValueError, RecursionError):
            body, text, defines = None, "", False
        if not isinstance(body, dict):
            return Refused(Reason.NOT_COMPARED, "Argo CD sent a manifest that can't be read")
        if defines:
            continue
        part = read_part(text)
        if part.error:
            return Refused(Reason.NOT_COMPARED, f"Argo CD sent a manifest that can't be read: {part.error}")
        found += (one._replace(value=body) for one in objects_of(part))
    return found


def _number(text: str) -> float | int:
    """A whole number stays whole: Go writes 1e3 where YAML had 1000."""
    value = float(text)
    return int(value) if value.is_integer() and abs(value) < 1e15 else value


def _paired(
    ours: Sequence[Object],
    theirs: Sequence[Object],
    namespace: str,
    renamed: frozenset[tuple[str, str]],
    *,
    everything: bool,
) -> Iterator[dict[str, Any]]:
    """Those of Argo CD's objects that ours are held against, each with its namespace as ours has it.

    `renamed`: versions and kinds of objects whose names are made up anew by each render.
    """
    named = {each.identity for each in ours}
    for identity, body in theirs:
        if identity in named:
            yield body
        elif (other := _elsewhere(identity, namespace)) in named:
            yield _moved(body, other.namespace)
        elif (identity.version, identity.kind) in renamed or (everything and not _is_optional(body)):
            yield body


def _elsewhere(identity: Identity, namespace: str) -> Identity:
    """The same object, if one names the destination's namespace and the other none."""
    if identity.namespace == "":
        return identity._replace(namespace=namespace)
    return identity._replace(namespace="") if identity.namespace == namespace else identity


def _moved(body: dict[str, Any], namespace: str) -> dict[str, Any]:
    metadata = dict(body.get("metadata") or {})
    metadata.pop("namespace", None)
    return {**body, "metadata": {**metadata, "namespace": namespace} if namespace else metadata}


def _renamed(noise: frozenset[Spot]) -> frozenset[tuple[str, str]]:
    return frozenset(
        (spot.identity.version, spot.identity.kind)
        for spot in noise
        if spot.path in ((), ("metadata", "name"))
    )


# -- what doesn't count ----------------------------------------------------------------------------


def _instances(app: Deployed | None) -> frozenset[str]:
    """What Argo CD's tracking label says: its key is a setting of Argo CD's."""
    if app is None:
        return frozenset()
    names = (app.name, f"{app.namespace}_{app.name}")
    return frozenset((*names, *(name[:_LONGEST_LABEL].rstrip("-_.") for name in names)))


def _is_explained(unit: Unit, spot: Spot, one: Difference, labels: frozenset[str]) -> bool:
    if not spot.path:
        whole = one.old if one.new is None else one.new if one.old is None else None
        return isinstance(whole, dict) and _is_optional(whole)
    if is_null(one.old) and is_null(one.new):
        return True
    return (
        _is_tracking(spot.path, one, labels)
        or _is_hidden(spot, one)
        or _is_same_number(one.old, one.new)
        or (spot.path == ("metadata", "namespace") and _is_filled_in(one, unit.namespace))
    )


def _is_tracking(path: tuple[str, ...], one: Difference, labels: frozenset[str]) -> bool:
    """A label or an annotation by which Argo CD knows its own, or a mapping of nothing else."""
    for head in (*_LABELS, _ANNOTATIONS):
        if path[: len(head)] != head or len(path) > len(head) + 1:
            continue
        if len(path) == len(head):
            added = one.new if is_null(one.old) and isinstance(one.new, dict) else {}
        else:
            added = {path[-1]: one.new} if is_null(one.old) or path[-1] == _INSTANCE else {}
        if head == _ANNOTATIONS:
            return bool(added) and added.keys() <= _TRACKING
        return bool(added) and all(text_of(value) in labels for value in added.values())
    return False


def _is_hidden(spot: Spot, one: Difference) -> bool:
    """Of a Secret Argo CD shows the keys at most, and of its annotations not all."""
    if (spot.identity.version, spot.identity.kind) != _SECRET:
        return False
    hidden = text_of(one.new) or ""
    return spot.path[0] in ("data", "stringData") or (
        spot.path[:2] == _ANNOTATIONS and bool(hidden) and not hidden.strip("+")
    )


def _is_same_number(old: Any, new: Any) -> bool:
    """1e3 is 1000, however it is written."""
    if not isinstance(old, str) or not isinstance(new, str) or type(old) is not type(new):
        return False
    one, other = resolved(old), resolved(new)
    numbers = isinstance(one, int | float) and isinstance(other, int | float)
    return type(old) is not str and numbers and float(one) == float(other)


def _is_filled_in(one: Difference, namespace: str) -> bool:
    return {text_of(one.old), text_of(one.new)} == {None, namespace}


def _is_optional(body: dict[str, Any]) -> bool:
    """What a renderer may leave out and nobody edits: hooks that run tests."""
    hooks = (text_of(get(body, (*_ANNOTATIONS, _HOOK))) or "").replace(" ", "").split(",")
    tests = [hook for hook in hooks if hook.startswith("test")]
    return bool(tests) and len(tests) == len(hooks)


# -- words -----------------------------------------------------------------------------------------


def _worded(left: _Left) -> str:
    """The place, and the two values where they are such that anyone may see: no environment, no password."""
    spot, (old, new) = left.spot, left.difference
    if not spot.path:
        return f"{spot} is missing there" if new is None else f"{spot} is only there"
    told = "resources" in spot.path[-3:-1] or spot.path[-1] in ("image", "replicas")
    if not (told and _is_short(old) and _is_short(new)):
        return str(spot)
    return f"{spot} is {_shown(new)}, here {_shown(old)}"


def _is_short(value: Any) -> bool:
    return value is None or (isinstance(value, str) and len(value) <= 60 and value.isprintable())


def _shown(value: Any) -> str:
    return "not set" if is_null(value) else f"`{value}`"


def _name(unit: Unit) -> str:
    return f"the Application {unit.application.name}" if unit.application is not None else unit.name


def _refuse(words: str) -> Refused:
    return Refused(Reason.RENDERS_DIFFERENTLY, words)

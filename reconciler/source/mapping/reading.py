"""What one mapping finds in one document: claims of single values for single containers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Final, NamedTuple

from reconciler.model import (
    ContainerRef,
    Field,
    FieldMapping,
    MappedValue,
    Place,
    Reason,
    Reference,
    Refused,
    Template,
)
from reconciler.source.mapping import forms
from reconciler.source.mapping.traced import Fact, How, once
from reconciler.source.mapping.walking import Hit, Way, hits, text_at, way
from reconciler.source.objects import word
from reconciler.source.view import View, is_null
from reconciler.source.yamledit import Document, Node, Scalar, Sequence, where

_DEEPEST_LIST: Final = 4
_KIND: Final = re.compile(r"[A-Z][A-Za-z0-9]{0,62}")
_NAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?")
_NAMESPACE: Final = re.compile(rf"(?:{_NAME.pattern})?")  # where none is known it is ""
# Whose objects are not an operator's: Kubernetes' own, and what this program knows as workloads.
_OWN_GROUPS: Final = re.compile(
    r"(?:apps|batch|extensions|policy|autoscaling|argoproj\.io|apps\.openshift\.io|serving\.knative\.dev"
    r"|[a-z0-9.-]+\.k8s\.io|)"
)


class Head(NamedTuple):
    """Of the object around a value: what a workload says of itself."""

    line: int
    labels: tuple[tuple[str, str], ...] = ()
    annotations: tuple[tuple[str, str], ...] = ()


class Claim(NamedTuple):
    """One value of one container, at one place; `by` is the rank of who says so."""

    ref: ContainerRef
    field: Field
    place: Place
    line: int
    value: str | None
    how: How
    refused: Refused | None
    head: Head
    by: int
    ready_made: bool


class Unclear(NamedTuple):
    """A document that is meant, and whose containers can't be told."""

    line: int
    words: str


class Source(NamedTuple):
    """A document at its place."""

    repository: str
    path: str
    cluster: str
    namespace: str
    text: str
    document: Document
    view: View


def objects(view: View, document: Document) -> Iterator[Hit]:
    """The document, or every object of the list that it is."""
    yield from _objects(view, Hit(view.followed(document.root), ()), 0)


def _objects(view: View, at: Hit, depth: int) -> Iterator[Hit]:
    items = view.get(at.node, "items") if word(view.get(at.node, "kind")).endswith("List") else None
    if depth >= _DEEPEST_LIST or not isinstance(items, Sequence):
        yield at
        return
    for position, item in enumerate(items.items):
        yield from _objects(view, Hit(view.followed(item), (*at.keys, "items", position)), depth + 1)


def claims(source: Source, top: Hit, mapping: FieldMapping, by: int) -> Iterator[Claim | Unclear]:
    """Everything that the mapping says of one object."""
    facts = _conditions(source.view, top, mapping)
    if facts is None:
        return
    for hit in hits(source.view, top, mapping.each):
        yield from _Part(source, mapping, top, hit, facts).claims(by)


def _conditions(view: View, top: Hit, mapping: FieldMapping) -> tuple[Fact, ...] | None:
    """What holds of the object as the mapping wants it; None when it doesn't."""
    facts: list[Fact] = []
    for steps, wanted in mapping.when:
        text, seen = text_at(view, top, steps)
        if not any(_means(text, one) for one in wanted):
            return None
        facts += seen
    return tuple(facts)


def _means(text: str | None, wanted: str | None) -> bool:
    if text is None or wanted is None:
        return text is None and wanted is None
    return fnmatchcase(text, wanted) or (wanted in ("true", "false") and text.lower() == wanted)


class _UnclearError(Exception):
    """A template that can't be filled."""


class _Part:
    """One part of an object that means one container."""

    def __init__(
        self, source: Source, mapping: FieldMapping, top: Hit, hit: Hit, facts: tuple[Fact, ...]
    ) -> None:
        self._source, self._mapping = source, mapping
        self._top, self._hit = top, hit
        self._facts = [*facts, *hit.facts]
        view = source.view
        group, slash, _ = word(view.get(top.node, "apiVersion")).rpartition("/")
        self._custom = bool(slash) and _OWN_GROUPS.fullmatch(group) is None

    def claims(self, by: int) -> Iterator[Claim | Unclear]:
        mapping, view = self._mapping, self._source.view
        ways = [way(view, self._start(value.relative), value.path) for value in mapping.values]
        if not mapping.adds and not any(_is_there(each) for each in ways):
            return
        line = self._hit.node.line if self._hit.node is not None else self._source.document.line
        try:
            ref = self._container()
            rests = [self._rest(value.repository) for value in mapping.values]
        except _UnclearError as error:
            yield Unclear(line, str(error))
            return
        head = self._head()
        for value, each, rest in zip(mapping.values, ways, rests, strict=True):
            how = How(
                mapping.name,
                value.form,
                once((*self._facts, *each.facts)),
                _is_annotation(each),
                self._custom,
                rest,
            )
            place = Place(self._source.repository, self._source.path, self._source.document.index, each.keys)
            found, text, refused = self._value(value, each, rest)
            ready = not mapping.where
            yield Claim(ref, value.field, place, found or line, text, how, refused, head, by, ready)

    def _start(self, relative: bool) -> Hit:
        return self._hit if relative else self._top

    def _container(self) -> ContainerRef:
        first, *others = self._mapping.container
        kind, workload, container = map(self._filled, others)
        namespace = self._filled(first, optional=True) or self._source.namespace
        ref = ContainerRef(self._source.cluster, namespace, kind, workload, container)
        parts = [
            (kind, _KIND),
            (workload, _NAME),
            (container, _NAME),
            *([(namespace, _NAME)] if namespace else []),
        ]
        for text, form in parts:
            if not form.fullmatch(text):
                words = f"{self._mapping.name}: {_shown(text)} can be no part of {_shown('/'.join(ref[1:]))}"
                raise _UnclearError(words)
        return ref

    def _filled(self, template: Template, *, optional: bool = False) -> str:
        return "".join(
            part if isinstance(part, str) else self._read(part, optional=optional) for part in template
        )

    def _rest(self, template: Template) -> str:
        """Of an image; "" where the document doesn't say it."""
        parts = [part if isinstance(part, str) else self._read(part, optional=True) for part in template]
        return "".join(parts) if all(parts) else ""

    def _read(self, reference: Reference, *, optional: bool) -> str:
        if reference.name:
            return dict(self._hit.names)[reference.name]
        text, facts = text_at(self._source.view, self._start(reference.relative), reference.path)
        self._facts += facts
        if text or optional:
            return text or ""
        wanted = ".".join(str(step.word) for step in reference.path)
        raise _UnclearError(f"{self._mapping.name}: the document has no text at {_shown(wanted)}")

    def _value(self, value: MappedValue, each: Way, rest: str) -> tuple[int, str | None, Refused | None]:
        """The line, the value in force and why it can't be changed."""
        if each.lacks:
            words = f"nothing can be added there: the document has no {_shown(each.lacks)}"
            return 0, None, Refused(Reason.UNSET, words)
        source = self._source
        found = where(source.document, source.text, each.keys)
        scalar = each.node if isinstance(each.node, Scalar) and not is_null(each.node) else None
        raw = scalar.value if scalar is not None else found.value
        if raw is None:
            return found.line, None, found.refused or _unaddable(value, rest)
        plain = scalar is not None and not scalar.style and not scalar.tag
        text = forms.from_file(value.field, value.form, rest, raw, plain=plain)
        if isinstance(text, Refused):
            return found.line, None, found.refused or text
        return found.line, text, found.refused

    def _head(self) -> Head:
        view, node = self._source.view, self._top.node
        line = node.line if node is not None else self._source.document.line
        if not self._custom:
            return Head(line)
        return Head(line, _words(view, view.get(node, "metadata", "labels")),
                    _words(view, view.get(node, "metadata", "annotations")))  # fmt: skip


def _unaddable(value: MappedValue, rest: str) -> Refused | None:
    """A tag or a digest says nothing without the rest of its image."""
    if value.form in ("tag", "digest") and not rest:
        return Refused(Reason.UNSET, f"there is no {value.form} yet, and the rest of the image is not known")
    return None


def _is_there(each: Way) -> bool:
    return each.node is not None and not each.lacks and not is_null(each.node)


def _is_annotation(each: Way) -> bool:
    """Their values are strings, so that a number needs quotes."""
    return len(each.keys) > 1 and each.keys[-2] in ("annotations", "labels")


def _words(view: View, node: Node | None) -> tuple[tuple[str, str], ...]:
    return tuple((name, word(view.followed(value))) for name, value in view.entries(node).items())


def _shown(text: str) -> str:
    """Text of a stranger's file as a sentence can hold it."""
    plain = "".join(letter if letter.isprintable() else "?" for letter in text[:80])
    return f"`{plain}…`" if len(text) > 80 else f"`{plain}`"

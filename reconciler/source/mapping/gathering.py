"""All mapped values of a snapshot, as the containers that they belong to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

from reconciler.model import (
    FIELDS,
    Container,
    ContainerRef,
    Entry,
    Field,
    FieldMapping,
    Note,
    Place,
    Reason,
    Refused,
    Slot,
    Workload,
)
from reconciler.source.compose import Places
from reconciler.source.layout import Layout, folder, lay_out
from reconciler.source.mapping import automation, markers, marking
from reconciler.source.mapping.automation import Automation
from reconciler.source.mapping.reading import Claim, Source, Unclear, claims, objects
from reconciler.source.mapping.sieve import Ranked, Sieve
from reconciler.source.mapping.traced import FLUX, packed
from reconciler.source.snapshot import Snapshot
from reconciler.source.view import TooMuchError, View
from reconciler.source.yamledit import Document, decode, parse

_MOST_NOTES: Final = 5  # of one file
Refusal = Callable[[str], Refused | None]


class Mapped(NamedTuple):
    """What mappings and markers found. Nothing of it is anybody's failure: a file may not be ours."""

    workloads: tuple[Workload, ...] = ()
    notes: tuple[Note, ...] = ()
    blobs: tuple[tuple[str, str], ...] = ()  # path and blob id of every file with a mapped value


def mapped(
    snapshot: Snapshot,
    mappings: Sequence[FieldMapping],
    places: Places,
    layout: Layout | None = None,
    refusal: Refusal | None = None,
) -> Mapped:
    """Every container with a value that a mapping or a comment names.

    `refusal` says of a file why its values may not be those that are applied.
    """
    layout = layout or lay_out(snapshot)
    own = [each for each in mappings if each.repository in ("", snapshot.repository)]
    reader = _Reader(snapshot, places, Sieve(own))
    for entry in (*layout.manifests, *layout.kustomizations):
        reader.look_at(entry)
    found = _overridden(reader.claims, reader.automations)
    if refusal is not None:
        found = [_refused(each, refusal(each.place.path)) for each in found]
    paths = sorted({each.place.path for each in found})
    return Mapped(
        tuple(_workloads(found)), tuple(reader.notes), tuple((path, reader.blobs[path]) for path in paths)
    )


class _Reader:
    """Goes through the files, and parses only those that may hold something."""

    def __init__(self, snapshot: Snapshot, places: Places, sieve: Sieve) -> None:
        self.claims: list[Claim] = []
        self.notes: list[Note] = []
        self.automations: list[Automation] = []
        self.blobs: dict[str, str] = {}
        self._snapshot, self._places, self._sieve = snapshot, places, sieve

    def look_at(self, entry: Entry) -> None:
        data = self._snapshot.read(entry)
        if data is None:
            return  # whoever reads the manifests says so
        wanted = self._sieve.wanted(entry.path, data)
        marked, automated = markers.may_hold(data), automation.may_hold(data)
        if not wanted and not marked and not automated:
            return
        text = decode(data)
        if isinstance(text, Refused):
            self._note(entry, 0, f"it may hold mapped values, and can't be read: {text.detail}")
            return
        self.blobs[entry.path] = entry.blob
        before = len(self.notes)
        documents = parse(text)
        sources = [self._source(entry, text, each) for each in documents]
        for source in sources:
            self._look_at_document(entry, source, wanted)
        if marked:
            self._look_at_markers(entry, text, sources)
        self._capped(entry, before)

    def _source(self, entry: Entry, text: str, document: Document) -> Source:
        cluster, namespace = self._places.of(entry.path)
        view = View(document)
        return Source(self._snapshot.repository, entry.path, cluster, namespace, text, document, view)

    def _look_at_document(self, entry: Entry, source: Source, wanted: list[Ranked]) -> None:
        document = source.document
        if document.root is None:
            if wanted and "{{" not in source.text[document.start : document.end]:
                words = f"a document can't be read as YAML ({document.error}), so nothing in it is mapped"
                self._note(entry, document.error_line, words)
            return
        try:
            for top in objects(source.view, document):
                self.automations += automation.read(source.view, top, entry.path)
                for rank, mapping in wanted:
                    for found in list(claims(source, top, mapping, rank)):
                        if isinstance(found, Unclear):
                            self._note(entry, found.line, found.words)
                        else:
                            self.claims.append(found)
        except TooMuchError as error:
            self._note(entry, document.line, f"nothing more of this document is mapped: {error}")

    def _look_at_markers(self, entry: Entry, text: str, sources: list[Source]) -> None:
        found = list(markers.read(text, tuple(each.document for each in sources)))
        for each in found:
            if isinstance(each, markers.Misplaced):
                self._note(entry, each.line, each.words)
        for source in sources:
            own = [
                each
                for each in found
                if isinstance(each, markers.Marked) and each.document.index == source.document.index
            ]
            try:
                self.claims += marking.claims(source, own)
            except TooMuchError as error:
                self._note(entry, source.document.line, f"its markers can't be followed: {error}")

    def _note(self, entry: Entry, line: int, words: str) -> None:
        self.notes.append(Note("mapping", words, self._snapshot.repository, entry.path, line))

    def _capped(self, entry: Entry, before: int) -> None:
        more = len(self.notes) - before - _MOST_NOTES
        if more > 0:
            del self.notes[before + _MOST_NOTES :]
            self._note(entry, 0, f"and {more} more of this file")


# ---------------------------------------------------------------------------------------------
# Claims that meet
# ---------------------------------------------------------------------------------------------


def _overridden(found: Sequence[Claim], automations: Sequence[Automation]) -> list[Claim]:
    """One word a place: a policy's own before a ready-made one, and anyone's before Flux's."""
    at: dict[Place, list[Claim]] = {}
    for each in found:
        at.setdefault(each.place, []).append(each)
    kept: list[Claim] = []
    for place, same in at.items():
        others = [each for each in same if each.how.by != FLUX]
        said = [each for each in others if not each.ready_made] or others or same
        if len(others) < len(same):
            writer = next((one for one in automations if one.covers(place.path)), None)
            said = [_refused(each, writer.refusal) for each in said] if writer else said
        able = [each for each in said if each.refused is None]
        if len({(each.field, each.how.form, each.how.rest) for each in able}) > 1:
            words = "two mappings or markers say different things of this line; keep one"
            said = [_refused(each, Refused(Reason.DEFINED_TWICE, words)) for each in said]
        kept += said
    return kept


def _refused(claim: Claim, why: Refused | None) -> Claim:
    return claim if why is None else claim._replace(refused=why)


# ---------------------------------------------------------------------------------------------
# Claims as workloads
# ---------------------------------------------------------------------------------------------


def _workloads(found: Sequence[Claim]) -> Iterator[Workload]:
    consumers: dict[tuple[Place, Field], dict[ContainerRef, None]] = {}
    by_ref: dict[ContainerRef, list[Claim]] = {}
    for each in _one_line_each(found):
        consumers.setdefault((each.place, each.field), {})[each.ref] = None
        by_ref.setdefault(each.ref, []).append(each)
    by_workload: dict[tuple[str, ...], list[ContainerRef]] = {}
    for ref in by_ref:
        by_workload.setdefault(ref[:4], []).append(ref)
    for refs in by_workload.values():
        first = by_ref[refs[0]][0]
        containers = tuple(_container(ref, by_ref[ref], consumers) for ref in refs)
        place, head = first.place, first.head
        yield Workload(
            folder(place.path), *refs[0][:4], place.repository, place.path, head.line, None,
            head.labels, head.annotations, (), containers,
        )  # fmt: skip


def _one_line_each(found: Sequence[Claim]) -> Iterator[Claim]:
    """Each line with an ImagePolicy is a container of its own: Flux has one policy for many lines."""
    lines: dict[ContainerRef, int] = {}
    for each in sorted(found, key=lambda each: (each.place.path, each.line)):
        if each.how.by != FLUX:
            yield each
            continue
        count = lines[each.ref] = lines.get(each.ref, 0) + 1
        name = each.ref.container if count == 1 else f"{each.ref.container}-{count}"
        yield each._replace(ref=each.ref._replace(container=name))


def _container(
    ref: ContainerRef,
    own: Sequence[Claim],
    consumers: dict[tuple[Place, Field], dict[ContainerRef, None]],
) -> Container:
    return Container(ref, False, False, tuple(_slot(ref, field, own, consumers) for field in FIELDS))


def _slot(
    ref: ContainerRef,
    field: Field,
    own: Sequence[Claim],
    consumers: dict[tuple[Place, Field], dict[ContainerRef, None]],
) -> Slot:
    said = [each for each in own if each.field is field]
    if not said:
        first = own[0]
        words = f"{first.how.by} names no place for {field.value} of {ref.workload}/{ref.container}"
        place = first.place._replace(keys=(), inner=())
        how = packed(first.how._replace(form="", facts=(), rest=""))
        return Slot(place, first.line, field, None, (ref,), how, Refused(Reason.NOT_TRACED, words))
    first, refused = said[0], said[0].refused
    others = [f"{each.place.path}:{each.line}" for each in said[1:] if each.place != first.place]
    if others:
        words = f"this value of {ref} is mapped in {first.place.path}:{first.line} and again in {others[0]}"
        refused = Refused(Reason.DEFINED_TWICE, words)
    fed = tuple(consumers[first.place, field])
    return Slot(first.place, first.line, field, first.value, fed, packed(first.how), refused)

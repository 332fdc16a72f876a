"""Where a candidate stands in the repositories, in which line, and whether it can be edited there."""

from __future__ import annotations

from typing import NamedTuple

from reconciler.model import Place, Reason, Refused
from reconciler.source.kustomizing.candidates import Candidate
from reconciler.source.kustomizing.sources import Texts
from reconciler.source.tracing.owners import Read
from reconciler.source.units import Unit, Written
from reconciler.source.yamledit import Document, Where, decode, parse, where


class Standing(NamedTuple):
    place: Place
    line: int
    refused: Refused | None


def standing(unit: Unit, texts: Texts, one: Candidate, read: Read | None) -> Standing:
    place = placed(unit, one)
    path = place.path
    data = read(place.repository, path) if read is not None else None
    if data == texts.files.get(one.path):
        data = None  # then what was read already does
    if data is None and written_at(unit, one) is not None:
        return Standing(place, 0, unit.refused or Refused(Reason.UNKNOWN_SOURCE, f"{path} is not at hand"))
    text = decode(data) if data is not None else texts.text(one.path)
    if isinstance(text, Refused):
        return Standing(place, 1, text)
    documents = parse(text) if data is not None else texts.documents(one.path)
    found = _where(documents, text, place)
    line = _own_line(one) if found.refused is not None and data is None else found.line
    foreign = None if written_at(unit, one) is not None else unit.located(one.path).refused
    return Standing(place, line, unit.refused or foreign or found.refused)


def _where(documents: tuple[Document, ...], text: str, place: Place) -> Where:
    if place.document >= len(documents):
        return Where(1, None, Refused(Reason.UNPROVEN, f"{place.path} has no document {place.document}"))
    if not place.keys:
        return Where(documents[place.document].line, None, None)
    return where(documents[place.document], text, place.keys, place.inner)


def _own_line(one: Candidate) -> int:
    if one.host is not None:
        return one.host.line + (one.node.line if one.node is not None else 0)
    return one.node.line if one.node is not None else 1


def placed(unit: Unit, one: Candidate) -> Place:
    """In the repository that its file comes from; or in that of the Application which brings it in."""
    written = written_at(unit, one)
    if written is None:
        at = unit.located(one.path)
        return Place(at.repository, at.path, one.document, one.keys, one.inner)
    if written.composite:
        return written.place
    rest = one.keys[len(written.keys) :]
    if written.place.inner:
        return written.place._replace(inner=(*written.place.inner, *rest, *one.inner))
    return written.place._replace(keys=(*written.place.keys, *rest), inner=one.inner)


def written_at(unit: Unit, one: Candidate) -> Written | None:
    """The piece of an Application that a candidate in its kustomization comes from."""
    for written in unit.written:
        if one.path == written.path and one.keys[: len(written.keys)] == written.keys:
            return written
    return None

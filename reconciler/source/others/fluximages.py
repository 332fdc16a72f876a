"""Flux's image automation: the marked lines that it writes by itself, in whichever known repository."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from reconciler.model import Place, Refused
from reconciler.source.mapping import markers
from reconciler.source.others.names import shown
from reconciler.source.others.scanned import Scanned
from reconciler.source.typed import Thing, table, table_of, text
from reconciler.source.yamledit import decode, parse


class Automation(NamedTuple):
    """An object by which Flux writes new tags into the files below `folder`."""

    name: str
    namespace: str
    repository: str  # that it writes to; "" where its address is no known one's
    folder: str
    path: str
    line: int

    @property
    def words(self) -> str:
        return f"Flux (ImageUpdateAutomation {shown(self.name)} in {self.path}:{self.line})"

    def covers(self, place: Place, namespace: str) -> bool:
        """It writes only what policies of its own namespace say."""
        if namespace and self.namespace and namespace != self.namespace:
            return False
        return self.may_write(place.repository, place.path)

    def may_write(self, repository: str, path: str) -> bool:
        """Whether lines of a file may be marked for it."""
        if self.repository not in ("", repository):
            return False
        return self.folder == "." or path.startswith(f"{self.folder}/")


class Marked(NamedTuple):
    """A line with a marker: the ImagePolicy that says what stands there."""

    place: Place
    namespace: str
    policy: str
    part: str  # tag, name or digest; "" for the whole image


def automations(scanned: Scanned) -> list[Automation]:
    """Those that aren't suspended."""
    return [
        _automation(each, scanned)
        for each in scanned.of("ImageUpdateAutomation")
        if table(each.body.get("spec")).get("suspend") is not True
    ]


def _automation(thing: Thing, scanned: Scanned) -> Automation:
    spec = table(thing.body.get("spec"))
    ref = table(spec.get("sourceRef"))
    name, namespace = text(ref.get("name")), text(ref.get("namespace")) or thing.namespace
    urls = [
        text(table(each.body.get("spec")).get("url"))
        for each in scanned.of("GitRepository")
        if each.name == name and (not namespace or each.namespace in ("", namespace))
    ]
    trees = [scanned.repositories.addressed(url) for url in urls]
    known = {tree.name for tree in trees if tree is not None}
    where = text(table_of(spec, "update").get("path")).strip("/") or "."
    only = known.pop() if len(known) == 1 and None not in trees else ""
    return Automation(thing.name, thing.namespace, only, posixpath.normpath(where), thing.path, thing.line)


def marked(repository: str, path: str, data: bytes | None) -> Iterator[Marked]:
    """The lines of a file that policies of Flux stand behind."""
    if data is None or b"$imagepolicy" not in data:
        return
    source = decode(data)
    if isinstance(source, Refused):
        return
    for each in markers.read(source, parse(source)):
        if isinstance(each, markers.Marked) and each.flux:
            place = Place(repository, path, each.document.index, each.keys, each.inner)
            for aim in each.aims:
                yield Marked(place, aim.namespace, aim.workload, aim.form)


def writer(found: Sequence[Automation], line: Marked) -> Automation | None:
    """Who writes a marked line."""
    return next((each for each in found if each.covers(line.place, line.namespace)), None)

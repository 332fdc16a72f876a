"""Flux's own automation: the lines that it writes by itself, so that two don't write against each other."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from typing import NamedTuple

from reconciler.model import Reason, Refused
from reconciler.source.mapping.walking import Hit
from reconciler.source.objects import word
from reconciler.source.view import View

_KIND = "ImageUpdateAutomation"
_GROUP = "image.toolkit.fluxcd.io"


class Automation(NamedTuple):
    """An object in the repository by which Flux writes new tags into the files below `folder`."""

    name: str
    path: str
    line: int
    folder: str

    def covers(self, path: str) -> bool:
        return self.folder == "." or path.startswith(f"{self.folder}/")

    @property
    def refusal(self) -> Refused:
        words = f"Flux writes this line by itself: {_KIND} {self.name} in {self.path}:{self.line}"
        return Refused(Reason.WRITTEN_BY_FLUX, words)


def may_hold(data: bytes) -> bool:
    return _KIND.encode() in data


def read(view: View, top: Hit, path: str) -> Iterator[Automation]:
    """The automation that an object is; none when it is suspended."""
    group = word(view.get(top.node, "apiVersion")).rpartition("/")[0]
    if word(view.get(top.node, "kind")) != _KIND or group != _GROUP:
        return
    if word(view.get(top.node, "spec", "suspend")).lower() == "true":
        return
    where = word(view.get(top.node, "spec", "update", "path")) or "."
    line = top.node.line if top.node is not None else 0
    name = word(view.get(top.node, "metadata", "name"))
    shown = "".join(letter if letter.isprintable() else "?" for letter in name[:80])
    yield Automation(shown, path, line, posixpath.normpath(where.strip("/") or "."))

"""What tracing a kustomization gives."""

from __future__ import annotations

from typing import NamedTuple

from reconciler.model import Container, ContainerRef, Field, Place, Refused, Slot
from reconciler.source.tracing.helm import Extra
from reconciler.source.units import Unit


class Traced(NamedTuple):
    """All containers of one unit with the places that own their fields; or why there are none."""

    unit: Unit
    containers: tuple[Container, ...] = ()
    extras: tuple[Extra, ...] = ()  # what sets the numbers of replicas
    refused: Refused | None = None
    renders: int = 0
    renderer: str = ""
    text: str = ""  # as rendered, before any edit
    paths: frozenset[str] = frozenset()  # all files that it takes in
    overlay: Place | None = None  # where a patch would be added
    overlay_line: int = 0

    def slot(self, ref: ContainerRef, field: Field) -> Slot:
        return next(one for one in self.containers if one.ref == ref).slot(field)

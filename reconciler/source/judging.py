"""Each unit held against what Argo CD renders of it: what it renders differently is kept.

What isn't committed Argo CD can't know, so that nothing in a folder is compared.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, NamedTuple

from reconciler.model import Refused
from reconciler.source.comparing import Judge, compared
from reconciler.source.looks import Look
from reconciler.source.render import Renderer
from reconciler.source.tracing.owners import Read
from reconciler.source.units import Unit

_AT_ONCE: Final = 4  # questions: it renders for each, and has others to serve


class Judged(NamedTuple):
    units: tuple[Unit, ...]
    looks: tuple[Look, ...]  # also of manifests as they stand, where they are kept


class _Court(NamedTuple):
    judge: Judge
    renderer: Renderer
    read: Read
    committed: frozenset[str]  # the repositories that are read at a commit

    def of_look(self, look: Look) -> Look:
        refused = self._of_render(look) if look.traced is not None else None
        return look._replace(traced=None, refused=refused, claims=()) if refused is not None else look

    def of_unit(self, unit: Unit) -> Unit:
        """Manifests as they stand: what is deployed may be more than a file says, by a plugin or a list."""
        if unit.refused is not None or not unit.manifests or not self._may_know(unit):
            return unit
        return unit._replace(refused=compared(unit, as_text(unit, self.read), self.judge))

    def _of_render(self, look: Look) -> Refused | None:
        request = look.unit.request
        if request is None or not self._may_know(look.unit):
            return None

        def again() -> str | None:
            answer = self.renderer.render(request._replace(again=1))
            return None if isinstance(answer, Refused) else answer.text

        return compared(look.unit, look.text, self.judge, again)

    def _may_know(self, unit: Unit) -> bool:
        """A chart from elsewhere has no commit of its own, and its Application may be in no file."""
        return bool(unit.commit) or (not unit.source and unit.repository in self.committed | {""})


def judged(
    units: Sequence[Unit],
    looks: Sequence[Look],
    judge: Judge | None,
    renderer: Renderer,
    read: Read,
    committed: frozenset[str],
) -> Judged:
    """All units and looks, with the verdict on each that an Application deploys."""
    if judge is None:
        return Judged(tuple(units), tuple(looks))
    court = _Court(judge, renderer, read, committed)
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="compare") as pool:
        seen = list(pool.map(court.of_look, looks))
        told = list(pool.map(partial(_unless_rendered, court.of_unit), units))
    kept = [new for old, new in zip(units, told, strict=True) if new.refused is not old.refused]
    return Judged(tuple(told), (*seen, *(Look(unit, refused=unit.refused) for unit in kept)))


def _unless_rendered(of_unit: Callable[[Unit], Unit], unit: Unit) -> Unit:
    return of_unit(unit) if unit.request is None else unit


def as_text(unit: Unit, read: Read) -> str:
    """The manifests of a unit that is applied as it stands."""
    texts = (read(unit.source, path) or b"" for path in unit.manifests)
    return "\n---\n".join(each.decode("utf-8", "replace") for each in texts)

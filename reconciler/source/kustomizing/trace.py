"""Which place of a kustomization's sources controls which rendered field: found by rendering.

Every place that could own a value gets a sentinel of its own, all in one render. Where a sentinel
comes out is the field that the place controls; what comes out nowhere is overridden by another, or
goes into something else. A second render asks for what is left: values that are copied from
elsewhere, and containers that only patches define.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from reconciler.model import FIELDS, Container, ContainerRef, Field, Key, Place, Reason, Refused, Slot
from reconciler.source.kustomizing import references
from reconciler.source.kustomizing.candidates import (
    COUNTS,
    Candidate,
    Wants,
    equal_places,
    looks,
    missing_places,
    set_places,
)
from reconciler.source.kustomizing.sentinels import Sentinel, planted, sentinels
from reconciler.source.kustomizing.sources import KUSTOMIZATION, PATCH, RESOURCE, Texts, follow
from reconciler.source.kustomizing.standing import Standing, standing
from reconciler.source.kustomizing.traced import Traced
from reconciler.source.render import KustomizeRequest, Rendered, Renderer
from reconciler.source.tracing.helm import Extra
from reconciler.source.tracing.owners import Read
from reconciler.source.tracing.rendered import Identity, Path, Render, RenderedContainer
from reconciler.source.tracing.runtimes import options_of
from reconciler.source.units import Unit

_MOST_RENDERS: Final = 10
_REPLICAS: Final = ("spec", "replicas")
_Count = tuple[Identity, Path]


def trace(unit: Unit, renderer: Renderer, read: Read | None = None) -> Traced:
    """Every container that the unit renders, with the place that owns each of its fields."""
    request = unit.request
    if not isinstance(request, KustomizeRequest):
        why = Refused(Reason.UNSUPPORTED, "it is no kustomization")
        return Traced(unit, refused=unit.refused or why)
    before = renderer.render(request)
    if isinstance(before, Refused):
        return Traced(unit, refused=before, renders=1)
    tracer = _Tracer(unit, request, renderer, before)
    if tracer.render.trouble:
        return Traced(unit, refused=Refused(Reason.UNPROVEN, tracer.render.trouble), renders=1)
    tracer.run()
    return tracer.traced(read)


class _Tracer:
    def __init__(self, unit: Unit, request: KustomizeRequest, renderer: Renderer, before: Rendered) -> None:
        self._unit = unit
        self._request = request
        self._renderer = renderer
        self._before = before
        self._renders = 1
        self._texts = Texts(request.files, request.mounted)
        self._sources = follow(self._texts, request.folder)
        self.render = Render(before.text, unit.cluster, unit.namespace)
        self._containers = self.render.containers()
        self._counts = _counts(self.render)
        self._owners: dict[tuple[ContainerRef, Field], Candidate] = {}
        self._count_owners: dict[_Count, Candidate] = {}
        self._unrenderable: list[Candidate] = []  # with another value there

    def run(self) -> None:
        if not self._containers and not self._counts:
            return
        set_ = list(set_places(self._texts, self._sources))
        missing = (
            self._own(missing_places(self._texts, self._sources, (RESOURCE,))) if self._lacking() else []
        )
        self._ask([*dict.fromkeys(set_), *missing])
        self._ask(self._second_round())

    def _lacking(self) -> set[str]:
        """The containers that lack a field which no place has been found to add it at, by name."""
        return {
            one.ref.container
            for one in self._containers
            for field, value in one.values.items()
            if value is None and field is not Field.IMAGE and (one.ref, field) not in self._owners
        }

    def _second_round(self) -> list[Candidate]:
        """Any scalar that equals what is still looked for, and containers as patches write them."""
        left: dict[str, Wants] = {}
        for one in self._containers:
            for field, value in one.values.items():
                if value is not None and (one.ref, field) not in self._owners:
                    left.update(looks(field, value))
        left |= {text: Wants.COUNT for at, text in self._counts.items() if at not in self._count_owners}
        found = list(equal_places(self._texts, self._sources, left)) if left else []
        if lacking := self._lacking():
            found += self._own(missing_places(self._texts, self._sources, (PATCH,), lacking))
        return found

    def _own(self, candidates: Iterable[Candidate]) -> list[Candidate]:
        """Without those in files that can't be edited: what is missing there is added by a patch."""
        return [one for one in candidates if self._unit.located(one.path).refused is None]

    def _ask(self, candidates: list[Candidate]) -> None:
        """Render with all of them; where that fails, with halves, for as long as it is worth it."""
        waiting = [candidates]
        while waiting and self._renders < _MOST_RENDERS:
            group = waiting.pop(0)
            chosen = list(sentinels(group, self._before.text))
            files, done = planted(self._texts, chosen)
            if not done:
                continue
            self._renders += 1
            answer = self._renderer.render(self._request._replace(files=files))
            if isinstance(answer, Rendered):
                self._read(answer.text, done)
            elif len(group) > 1:
                half = len(group) // 2
                waiting += [group[:half], group[half:]]
            else:
                self._unrenderable.append(group[0])

    def _read(self, text: str, done: list[Sentinel]) -> None:
        marks = {mark: one.candidate for one in done for mark in one.marks}
        after = Render(text, self._unit.cluster, self._unit.namespace)
        now = {one.ref: one for one in after.containers()}
        for one in self._containers:
            for field, value in one.values.items():
                came = now[one.ref].values[field] if one.ref in now else None
                candidate = _marked(marks, field, came)
                # a value that could be added where another is in force would only hide that one
                if candidate is not None and (candidate.node is None) == (value is None):
                    self._owners.setdefault((one.ref, field), candidate)
        for count, text_ in _counts(after).items():
            if (candidate := marks.get(text_)) is not None and count in self._counts:
                self._count_owners.setdefault(count, candidate)

    def traced(self, read: Read | None) -> Traced:
        stands = {
            one: standing(self._unit, self._texts, one, read)
            for one in {*self._owners.values(), *self._count_owners.values()}
        }
        fed: dict[Candidate, list[ContainerRef]] = {}
        for (ref, _), candidate in self._owners.items():
            if ref not in fed.setdefault(candidate, []):
                fed[candidate].append(ref)
        started = options_of(self.render)
        containers = tuple(
            Container(
                one.ref,
                one.init,
                one.sidecar,
                tuple(self._slots(one, stands, fed)),
                one.extras,
                started.get(one.ref, ()),
            )
            for one in self._containers
        )
        return Traced(
            self._unit,
            containers,
            tuple(self._extras(stands)),
            None,
            self._renders,
            self._before.renderer,
            self._before.text,
            frozenset(source.path for source in self._sources.all),
            self._overlay().place,
            self._overlay().line,
        )

    def _slots(
        self,
        one: RenderedContainer,
        stands: dict[Candidate, Standing],
        fed: dict[Candidate, list[ContainerRef]],
    ) -> Iterable[Slot]:
        for field in FIELDS:
            value = one.values[field]
            candidate = self._owners.get((one.ref, field))
            if candidate is None:
                yield self._unowned(one.ref, field, value)
                continue
            at = stands[candidate]
            consumers = tuple(sorted(fed[candidate]))
            yield Slot(at.place, at.line, field, value, consumers, how(candidate), at.refused)

    def _unowned(self, ref: ContainerRef, field: Field, value: str | None) -> Slot:
        """Added by a patch in the outermost kustomization; or not to be found."""
        at = self._overlay()
        refused = at.refused
        if value is not None:
            refused = refused or Refused(Reason.NOT_TRACED, self._why_not(value))
        return Slot(at.place, at.line, field, value, (ref,), "overlay", refused)

    def _why_not(self, value: str) -> str:
        for one in self._unrenderable:
            if one.node is not None and one.node.value == value:
                where = f"{one.path}:{one.node.line}"
                return f"with another value in {where} it can't be rendered: a patch may test for this one"
        if self._sources.remote:
            return f"nothing in this repository sets `{value}`; it may come from {self._sources.remote[0]}"
        return f"no place among its sources sets `{value}` alone"

    def _overlay(self) -> Standing:
        keys: tuple[Key, ...] = ("patches",)
        at = self._unit.located(self._sources.top)
        place = Place(at.repository, at.path, 0, keys)
        text = self._texts.text(self._sources.top) if self._sources.top else ""
        lines = 1 if isinstance(text, Refused) else max(1, len(text.splitlines()))
        return Standing(place, lines, self._unit.refused or at.refused)

    def _extras(self, stands: dict[Candidate, Standing]) -> Iterable[Extra]:
        for count, value in self._counts.items():
            candidate = self._count_owners.get(count)
            if candidate is None:
                refused = Refused(Reason.NOT_TRACED, self._why_not(value))
                yield Extra(*count, value, None, 0, refused)
            else:
                at = stands[candidate]
                yield Extra(*count, value, at.place, at.line, at.refused)


def how(candidate: Candidate) -> str:
    """How a value is set, in one word."""
    if candidate.role == KUSTOMIZATION:
        return "replicas" if candidate.wants is Wants.COUNT else "images"
    return candidate.role


def _marked(marks: dict[str, Candidate], field: Field, text: str | None) -> Candidate | None:
    if text is None:
        return None
    if field is not Field.IMAGE:
        return marks.get(text)
    reference = references.split(text)
    return marks.get(reference.tag) or marks.get(reference.digest)


def _counts(render: Render) -> dict[_Count, str]:
    """Replicas, and what autoscalers aim for."""
    return {(one.identity, one.path): one.text for one in render.numbers() if _is_counted(one.path)}


def _is_counted(path: Path) -> bool:
    return path == _REPLICAS or path[-1] in COUNTS or path[-2:] == ("metadata", "value")

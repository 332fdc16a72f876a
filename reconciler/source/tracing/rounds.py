"""Renders in rounds until every field has its place, or none is left to try.

1. All that is set, and the empty `resources` beside it. Files of the user and defaults of the chart
   go together: a value that is overruled comes out nowhere, so it can't be taken for the owner.
2. Where the templates fall back on other `resources`, what those feed as long as nothing hides them;
   and filled places that came out nowhere, alone: an empty one may only have pushed them aside.
3. What templates read and nobody mentions, for the fields that are left; first by its whole path, then
   within the mappings that `with`, `range` and `dict` hand on.
A render that fails is split, within bounds, until the value that the chart refuses is alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from reconciler.model import FIELDS, ContainerRef, Field, Refused
from reconciler.source.render import HelmRequest, Renderer
from reconciler.source.tracing import images
from reconciler.source.tracing.candidates import (
    COUNT,
    CPU,
    DIGEST,
    IMAGE,
    MEMORY,
    TAG,
    Candidate,
    Wanted,
    kinds,
    read_candidates,
    relative_candidates,
    set_candidates,
)
from reconciler.source.tracing.charts import Chart
from reconciler.source.tracing.reads import fallbacks
from reconciler.source.tracing.rendered import Identity, Path, Render, RenderedContainer
from reconciler.source.tracing.sentinels import Seen, Sentinels

MAX_RENDERS: Final = 14
_MOST_SPLITS: Final = 6
_MOST_LATER: Final = 4  # of the splits, in later rounds

FieldKey = tuple[ContainerRef, Field]
NumberKey = tuple[Identity, Path]


class Findings(NamedTuple):
    """Who controls what. `moved`: fields that changed with the sentinels, but hold none.

    `also`: what feeds a field besides, as long as its own place is empty.
    `unseen`: containers that no render with sentinels showed. `failed`: what the chart said to the
    first sentinels of each kind that it took in no company, in place of what is set.
    """

    places: dict[FieldKey, Seen]
    also: dict[FieldKey, Seen]
    numbers: dict[NumberKey, Candidate]
    moved: frozenset[FieldKey]
    unseen: frozenset[ContainerRef]
    failed: dict[str, str]
    renders: int


class Question(NamedTuple):
    """What is to be traced: a chart with its values, and how it renders as it is."""

    request: HelmRequest
    tree: tuple[Chart, ...]
    values: dict[str, Any]
    cluster: str
    namespace: str
    plain: Render


def find(question: Question, renderer: Renderer) -> Findings:
    search = _Search(question, renderer)
    search.run()
    return Findings(
        search.places,
        search.also,
        search.numbers,
        frozenset(search.moved - search.places.keys()),
        frozenset(search.containers.keys() - search.seen),
        search.failed,
        search.renders,
    )


class _Search:
    def __init__(self, question: Question, renderer: Renderer) -> None:
        self.question = question
        self.renderer = renderer
        self.containers = {each.ref: each for each in question.plain.containers()}
        self.plain_numbers = {(each.identity, each.path): each.text for each in question.plain.numbers()}
        self.places: dict[FieldKey, Seen] = {}
        self.also: dict[FieldKey, Seen] = {}
        self.numbers: dict[NumberKey, Candidate] = {}
        self.moved: set[FieldKey] = set()
        self.lost: set[ContainerRef] = set()
        self.shown: set[tuple[Any, str]] = set()  # candidates whose sentinel came out somewhere
        self.seen: set[ContainerRef] = set()
        self.failed: dict[str, str] = {}
        self.renders = 0
        self.splits = 0

    def run(self) -> None:
        values = self.question.values
        looks = wanted(self.containers.values(), self.plain_numbers.values())
        known = set_candidates(values, looks)
        first = [one for one in known if _is_first(one)]
        self.try_all(first)
        if self.lost and any(one.kind == COUNT for one in first):
            self.try_all([one for one in first if one.kind != COUNT])
        self.try_shared(first)
        self.try_again(first)
        tree = self.question.tree
        tried = {(one.keys, one.kind) for one in first}
        for relative in (False, True):
            useful = set(kinds({field for _, field in self.left()}))
            if not useful:
                return
            more = (
                relative_candidates(tree, values, looks)
                if relative
                else (*(one for one in known if not _is_first(one)), *read_candidates(tree, values, looks))
            )
            new = {(one.keys, one.kind): one for one in more if one.kind in useful}
            self.splits = max(self.splits, _MOST_SPLITS - _MOST_LATER)
            self.try_all([one for key, one in new.items() if key not in tried], guessed=True)
            tried.update(new)

    def left(self) -> list[FieldKey]:
        return [
            (ref, field) for ref in self.containers for field in FIELDS if (ref, field) not in self.places
        ]

    def try_again(self, tried: Sequence[Candidate]) -> None:
        """Filled places that came out nowhere, though what they hold is in force somewhere."""
        doubtful = {
            str(self.containers[ref].values[field])
            for (ref, field), seen in self.places.items()
            if not seen.candidate.filled
        }
        hidden = [
            one
            for one in tried
            if one.filled
            and one.current is not None
            and str(one.current) in doubtful
            and (one.keys, one.kind) not in self.shown
        ]
        if hidden:
            self.try_all(hidden, instead=True)

    def try_shared(self, tried: Sequence[Candidate]) -> None:
        """Who falls back on what, seen without the sentinels that stood in its way."""
        shown = {
            seen.candidate.keys[:-2] for (_, field), seen in self.places.items() if field is not Field.IMAGE
        }
        empty = {
            seen.candidate.keys[:-2]
            for (_, field), seen in self.places.items()
            if field is not Field.IMAGE and not seen.candidate.filled
        }
        hiding = {
            base
            for one in fallbacks(self.question.tree)
            for base in empty
            if one.taken in shown and base != one.taken and base[-len(one.hiding) :] == one.hiding
        }
        amounts = [one for one in tried if one.kind in (CPU, MEMORY)]
        if not hiding or self.renders >= MAX_RENDERS:
            return
        sentinels = Sentinels([one for one in amounts if one.keys[:-2] not in hiding])
        answer = self.renderer.render(sentinels.request(self.question.request, self.question.values))
        self.renders += 1
        if isinstance(answer, Refused):
            return
        render = Render(answer.text, self.question.cluster, self.question.namespace)
        for ref, after in self.by_old_name(render.containers()).items():
            for field, text in after.values.items():
                place = self.places.get((ref, field))
                if place is None or text is None or place.candidate.keys[:-2] not in hiding:
                    continue
                if found := sentinels.seen(text, (field.resource,)):
                    filled = found[0].candidate.filled
                    (self.places if filled else self.also)[ref, field] = found[0]

    # -- one render -----------------------------------------------------------------------------

    def try_all(
        self, candidates: Sequence[Candidate], *, instead: bool = False, guessed: bool = False
    ) -> None:
        if not candidates or self.renders >= MAX_RENDERS:
            return
        sentinels = Sentinels(candidates)
        answer = self.renderer.render(sentinels.request(self.question.request, self.question.values))
        self.renders += 1
        if not isinstance(answer, Refused):
            self.read(sentinels, Render(answer.text, self.question.cluster, self.question.namespace), instead)
            return
        if len(candidates) == 1 or self.splits >= _MOST_SPLITS:
            for one in () if guessed else candidates:
                self.failed.setdefault(one.kind, answer.detail)
            return
        self.splits += 1
        for group in _split(candidates):
            self.try_all(group, instead=instead, guessed=guessed)

    def read(self, sentinels: Sentinels, render: Render, instead: bool) -> None:
        shown = self.by_old_name(render.containers())
        self.lost = self.containers.keys() - shown.keys()
        self.seen.update(shown)
        for ref, after in shown.items():
            self.read_container(sentinels, self.containers[ref], after, instead)
        for number in render.numbers():
            found = sentinels.counted(number.text)
            key = (number.identity, number.path)
            if found is not None and key in self.plain_numbers:
                self.numbers.setdefault(key, found)

    def by_old_name(self, shown: Iterable[RenderedContainer]) -> dict[ContainerRef, RenderedContainer]:
        """The containers that were there before; where a workload's name is random, in their order."""
        found = {each.ref: each for each in shown}
        came = [ref for ref in found if ref not in self.containers]
        heirs: dict[ContainerRef, RenderedContainer] = {}
        for ref in self.containers:
            name: ContainerRef | None = ref
            if ref not in found:
                alike = (one for one in came if one._replace(workload=ref.workload) == ref)
                name = next(alike, None)
            if name is not None:
                heirs[ref] = found[name]
                if name in came:
                    came.remove(name)
        return heirs

    def read_container(
        self, sentinels: Sentinels, before: RenderedContainer, after: RenderedContainer, instead: bool
    ) -> None:
        for field, text in after.values.items():
            if text is None:
                if before.values[field] is not None:
                    self.moved.add((before.ref, field))
                continue
            fitting = (TAG, DIGEST, IMAGE) if field is Field.IMAGE else (field.resource,)
            found = sentinels.seen(text, fitting)
            self.shown.update((seen.candidate.keys, seen.candidate.kind) for seen in found)
            key = (before.ref, field)
            if found and (instead or key not in self.places):
                self.places[key] = found[0]
            elif not found and text != before.values[field]:
                self.moved.add(key)


def _is_first(one: Candidate) -> bool:
    """Whether a place belongs to the first round: it holds something, or can't push another aside."""
    if one.kind in (TAG, IMAGE, DIGEST, COUNT) or one.keys[0] == "global":
        return one.filled
    return True


def _split(candidates: Sequence[Candidate]) -> list[Sequence[Candidate]]:
    """Counts first, which charts check most; then images from amounts; then in halves."""
    for suspects in ((COUNT,), (TAG, IMAGE, DIGEST)):
        some = [one for one in candidates if one.kind in suspects]
        if some and len(some) < len(candidates):
            return [[one for one in candidates if one.kind not in suspects], some]
    middle = len(candidates) // 2
    return [candidates[:middle], candidates[middle:]]


def wanted(containers: Iterable[RenderedContainer], counts: Iterable[str]) -> Wanted:
    """What a value has to look like, to be worth a sentinel whatever it is called."""
    texts = [text for each in containers for text in each.values.items() if text[1] is not None]
    references = frozenset(str(text) for field, text in texts if field is Field.IMAGE)
    amounts = frozenset(str(text) for field, text in texts if field is not Field.IMAGE)
    return Wanted(
        references,
        frozenset(tag for tag in (images.parts(one)[1] for one in references) if tag),
        amounts,
        frozenset(one.rstrip("mkKMGTi") for one in amounts if one and not one[-1].isdigit()),
        frozenset(counts),
    )

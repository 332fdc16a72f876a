"""Values followed through the history of a branch: when each changed, from what to what, and by whom."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Collection, Iterable, Iterator
from typing import Final

from reconciler.audit.edits import Edit
from reconciler.audit.requests import Spot
from reconciler.git.annals import Annals, Passed, Told
from reconciler.model import Refused
from reconciler.source.yamledit import Document, decode, parse, where

_KEPT: Final = 64  # parsed files, the last ones
_FAR: Final = 10_000  # commits of a merged branch that are looked through for who wrote a value


class Strands:
    """The values of some files, at any commit."""

    def __init__(self, annals: Annals) -> None:
        self._annals = annals
        self._parsed: OrderedDict[str, tuple[str, tuple[Document, ...]]] = OrderedDict()

    def edits(self, tip: str, spots: Collection[Spot], since: int) -> tuple[list[Edit], list[Passed]]:
        """Oldest first; and the commits on the way that say they are ours."""
        by_path: dict[str, list[Spot]] = defaultdict(list)
        for spot in spots:
            by_path[spot[0]].append(spot)
        found: list[Edit] = []
        ours: list[Passed] = []
        for passed in self._annals.way(tip, by_path, since):
            if passed.ours is not None:
                ours.append(passed)
            found += self._edits(passed, (one for path in passed.touched for one in by_path[path]))
        found.reverse()
        return found, ours

    def value(self, commit: str, spot: Spot) -> str | None:
        """The text at a place; None where there is none, or none that can be read."""
        path, document, keys, inner = spot
        found = self._annals.read(commit, path)
        if found is None:
            return None
        text, documents = self._documents(*found)
        if not 0 <= document < len(documents):
            return None
        return where(documents[document], text, keys, inner).value

    def _documents(self, blob: str, data: bytes) -> tuple[str, tuple[Document, ...]]:
        if blob not in self._parsed:
            text = decode(data)
            self._parsed[blob] = ("", ()) if isinstance(text, Refused) else (text, parse(text))
            if len(self._parsed) > _KEPT:
                self._parsed.popitem(last=False)
        self._parsed.move_to_end(blob)
        return self._parsed[blob]

    def _edits(self, passed: Passed, spots: Iterable[Spot]) -> Iterator[Edit]:
        told = passed.told
        before = told.parents[0] if told.parents else ""
        for spot in spots:
            new = self.value(told.commit, spot)
            old = self.value(before, spot) if before else None
            if new == old:
                continue
            wrote = self._writer(told, spot, new)
            yield Edit(
                told.at,
                spot,
                old,
                new,
                told.commit,
                wrote.commit,
                wrote.author,
                told.author if wrote.commit != told.commit else "",
                wrote.subject,
                passed.ours.marks if passed.ours else {},
            )

    def _writer(self, told: Told, spot: Spot, value: str | None) -> Told:
        """Who wrote it: of a merge, the commit on the merged branch that brought it."""
        for _ in range(_FAR):
            others = told.parents[1:] if len(told.parents) > 1 else ()
            parents = (self._annals.told(one) for one in (*others, *told.parents[:1]))
            same = next(
                (one for one in parents if one is not None and self.value(one.commit, spot) == value), None
            )
            if same is None:
                return told
            told = same
        return told

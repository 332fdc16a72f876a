"""What files were found to hold, by their content: a second look reads only what has changed.

Whoever looks for units several times in one run hands the same memo in. What it holds is never written to.
It also knows where the first look found what Argo CD lists, for that list doesn't know what is edited.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Generic, NamedTuple, TypeVar

from reconciler.model import Refused
from reconciler.source.applications import Homes
from reconciler.source.trees import Tree
from reconciler.source.typed import Broken, Thing, Value, read_values

_MOST: Final = 200_000  # files
T = TypeVar("T")


class Table(Generic[T]):
    """Answers by blob id. When it is full, the older half goes."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: dict[str, T] = {}

    def __len__(self) -> int:
        return len(self._known)

    def get(self, blob: str, make: Callable[[], T]) -> T:
        if not blob:
            return make()
        if blob in self._known:
            return self._known[blob]
        found = make()
        if len(self._known) >= self._most:
            for old in list(self._known)[: self._most // 2]:
                del self._known[old]
        self._known[blob] = found
        return found


class Defined(NamedTuple):
    """What a file defines, what of it can't be read, and why none of it can."""

    things: tuple[Thing, ...] = ()
    broken: tuple[Broken, ...] = ()
    refused: Refused | None = None


class Memo:
    def __init__(self, most: int = _MOST) -> None:
        self.wanted: Table[bool] = Table(most)  # whether it may define a unit
        self.defined: Table[Defined] = Table(most)
        self.values: Table[Value | Refused] = Table(most)
        self.objects: Table[tuple[bool, bool]] = Table(most)  # any at all; others than what defines units
        self.scanned: object = None  # what tells other tools to change images, as of the first look
        self.homes: Homes = {}  # of Applications that Argo CD lists

    def values_of(self, tree: Tree, path: str) -> Value | Refused:
        """What a file of one document holds."""
        real = tree.resolved(path) or path
        return self.values.get(tree.blob(real), lambda: read_values(tree.read(real) or b""))

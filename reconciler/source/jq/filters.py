"""What jq's filters are made of: a place in the value, and what becomes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

Path = tuple[str | int, ...]

_MOST_STEPS: Final = 50_000


class UnclearError(Exception):
    """The expression says something that isn't known here."""


class JqError(Exception):
    """jq itself would stop here."""


class Item(NamedTuple):
    value: Any
    path: Path | None  # None: worked out, and so nothing that one could point at


class Run:
    """Counts the steps of one search, so that none goes on for ever."""

    def __init__(self) -> None:
        self._left = _MOST_STEPS

    def step(self, cost: int = 1) -> None:
        self._left -= cost
        if self._left < 0:
            raise UnclearError


Filter = Callable[[Run, Item], Iterator[Item]]


def itself(run: Run, item: Item) -> Iterator[Item]:
    yield item


def constant(value: Any) -> Filter:
    return lambda run, item: iter([Item(value, None)])


def _below(item: Item, value: Any, *keys: str | int) -> Item:
    return Item(value, None if item.path is None else (*item.path, *keys))


def then(one: Filter, other: Filter) -> Filter:
    def both(run: Run, item: Item) -> Iterator[Item]:
        for found in one(run, item):
            yield from other(run, found)

    return both


def each_of(filters: Sequence[Filter]) -> Filter:
    def all_of_them(run: Run, item: Item) -> Iterator[Item]:
        for one in filters:
            yield from one(run, item)

    return all_of_them


def otherwise(one: Filter, other: Filter) -> Filter:
    """`//`: what is neither false nor null, else the other."""

    def chosen(run: Run, item: Item) -> Iterator[Item]:
        found = [each for each in tried(one)(run, item) if truth(each.value)]
        yield from found or other(run, item)

    return chosen


def tried(one: Filter) -> Filter:
    def quiet(run: Run, item: Item) -> Iterator[Item]:
        try:
            yield from one(run, item)
        except JqError:
            return

    return quiet


def of_two(one: Filter, other: Filter, compare: Callable[[Any, Any], bool]) -> Filter:
    def result(run: Run, item: Item) -> Iterator[Item]:
        for right in other(run, item):
            for left in one(run, item):
                run.step()
                yield Item(compare(left.value, right.value), None)

    return result


def decided(one: Filter, other: Filter, *, by: bool) -> Filter:
    """`or` and `and`: the second is looked at only where the first doesn't decide."""

    def result(run: Run, item: Item) -> Iterator[Item]:
        for left in one(run, item):
            run.step()
            if truth(left.value) is by:
                yield Item(by, None)
            else:
                yield from (Item(truth(right.value), None) for right in other(run, item))

    return result


def key(name: str) -> Filter:
    def found(run: Run, item: Item) -> Iterator[Item]:
        run.step()
        if item.value is not None and not isinstance(item.value, dict):
            raise JqError
        yield _below(item, (item.value or {}).get(name), name)

    return found


def at(index: int) -> Filter:
    def found(run: Run, item: Item) -> Iterator[Item]:
        run.step()
        if item.value is not None and not isinstance(item.value, list):
            raise JqError
        items = item.value or []
        at = index + len(items) if index < 0 else index
        yield _below(item, items[at] if 0 <= at < len(items) else None, at)

    return found


def between(start: int | None, end: int | None) -> Filter:
    """`[1:3]`: its items, for to take out the slice is to take out each of them."""

    def found(run: Run, item: Item) -> Iterator[Item]:
        run.step()
        if item.value is not None and not isinstance(item.value, list):
            raise JqError
        items = item.value or []
        for at in range(*slice(start, end).indices(len(items))):
            yield _below(item, items[at], at)

    return found


def all_items(run: Run, item: Item) -> Iterator[Item]:
    run.step()
    if isinstance(item.value, dict):
        pairs: Iterable[tuple[str | int, Any]] = item.value.items()
    elif isinstance(item.value, list):
        pairs = enumerate(item.value)
    else:
        raise JqError
    for key, value in pairs:
        run.step()
        yield _below(item, value, key)


def everything(run: Run, item: Item) -> Iterator[Item]:
    waiting = [item]
    while waiting:
        each = waiting.pop()
        run.step()
        yield each
        if isinstance(each.value, dict | list):
            waiting.extend(all_items(run, each))


def select(condition: Filter) -> Filter:
    def chosen(run: Run, item: Item) -> Iterator[Item]:
        for found in condition(run, item):
            if truth(found.value):
                yield item

    return chosen


def first(of: Filter) -> Filter:
    def found(run: Run, item: Item) -> Iterator[Item]:
        for each in of(run, item):
            yield each
            return

    return found


def truth(value: Any) -> bool:
    return value is not None and value is not False

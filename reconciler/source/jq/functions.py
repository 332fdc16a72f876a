"""jq's functions and comparisons, as far as they are known here."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from reconciler.source.jq.filters import (
    Filter,
    Item,
    JqError,
    Run,
    UnclearError,
    all_items,
    constant,
    everything,
    first,
    select,
    truth,
)

# A pattern that can't keep Python busy: no groups, and hardly any repetition.
_TAME: Final = re.compile(r"[^()*+?{}\\]*(?:[*+?][^()*+?{}\\]*){0,2}")
_LONGEST_MATCHED: Final = 200
_COST_OF_A_MATCH: Final = 300  # steps


def same(one: Any, other: Any) -> bool:
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def _ordered(test: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def compare(one: Any, other: Any) -> bool:
        texts = isinstance(one, str) and isinstance(other, str)
        numbers = _is_number(one) and _is_number(other)
        if not (texts or numbers):
            raise UnclearError  # jq has an order for values of all kinds
        return test(one, other)

    return compare


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


COMPARISONS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "==": same,
    "!=": lambda one, other: not same(one, other),
    "<": _ordered(lambda one, other: bool(one < other)),
    "<=": _ordered(lambda one, other: bool(one <= other)),
    ">": _ordered(lambda one, other: bool(one > other)),
    ">=": _ordered(lambda one, other: bool(one >= other)),
}


def _told(test: Callable[[Any], Any]) -> Callable[[], Filter]:
    """A function without arguments."""

    def made() -> Filter:
        return lambda run, item: iter([Item(test(item.value), None)])

    return made


def _asked(test: Callable[[Any, Any], bool]) -> Callable[[Filter], Filter]:
    """A function of its input and one argument."""

    def made(argument: Filter) -> Filter:
        def result(run: Run, item: Item) -> Iterator[Item]:
            for given in argument(run, item):
                run.step()
                yield Item(test(item.value, given.value), None)

        return result

    return made


def _texts(test: Callable[[str, str], bool]) -> Callable[[Any, Any], bool]:
    def compare(one: Any, other: Any) -> bool:
        if not isinstance(one, str) or not isinstance(other, str):
            raise JqError
        return test(one, other)

    return compare


def _matches(text: str, pattern: str) -> bool:
    if not _TAME.fullmatch(pattern) or len(text) > _LONGEST_MATCHED or len(pattern) > _LONGEST_MATCHED:
        raise UnclearError
    try:
        return re.search(pattern, text) is not None
    except re.error:
        raise JqError from None


def _tested(pattern: Filter) -> Filter:
    def result(run: Run, item: Item) -> Iterator[Item]:
        for given in pattern(run, item):
            run.step(_COST_OF_A_MATCH)
            yield Item(_texts(_matches)(item.value, given.value), None)

    return result


def _contains(whole: Any, part: Any) -> bool:
    if isinstance(whole, dict) and isinstance(part, dict):
        return all(key in whole and _contains(whole[key], each) for key, each in part.items())
    if isinstance(whole, list) and isinstance(part, list):
        return all(any(_contains(one, each) for one in whole) for each in part)
    if isinstance(whole, str) and isinstance(part, str):
        return part in whole
    return same(whole, part)


def _has(value: Any, key: Any) -> bool:
    if isinstance(value, dict) and isinstance(key, str):
        return key in value
    if isinstance(value, list) and _is_number(key):
        return bool(0 <= key < len(value))
    raise JqError


def _quantified(every: Callable[[Iterable[bool]], bool]) -> Callable[[Filter], Filter]:
    def made(condition: Filter) -> Filter:
        def result(run: Run, item: Item) -> Iterator[Item]:
            found = [truth(one.value) for each in all_items(run, item) for one in condition(run, each)]
            yield Item(every(found), None)

        return result

    return made


def _is_among(values: Filter) -> Filter:
    def result(run: Run, item: Item) -> Iterator[Item]:
        yield Item(any(same(item.value, each.value) for each in values(run, item)), None)

    return result


def _length(value: Any) -> Any:
    if value is None:
        return 0
    if isinstance(value, str | list | dict):
        return len(value)
    raise UnclearError


def _stop(run: Run, item: Item) -> Iterator[Item]:
    raise JqError


_TYPES: Final = ((bool, "boolean"), (str, "string"), (dict, "object"), (list, "array"), (type(None), "null"))


def _type(value: Any) -> str:
    return next((name for kind, name in _TYPES if isinstance(value, kind)), "number")


FUNCTIONS: Final[dict[tuple[str, int], Callable[..., Filter]]] = {
    ("select", 1): select,
    ("first", 1): first,
    ("recurse", 0): lambda: everything,
    ("error", 0): lambda: _stop,
    ("empty", 0): lambda: lambda run, item: iter(()),
    ("true", 0): lambda: constant(True),
    ("false", 0): lambda: constant(False),
    ("null", 0): lambda: constant(None),
    ("not", 0): _told(lambda value: not truth(value)),
    ("length", 0): _told(_length),
    ("type", 0): _told(_type),
    ("test", 1): _tested,
    ("startswith", 1): _asked(_texts(str.startswith)),
    ("endswith", 1): _asked(_texts(str.endswith)),
    ("contains", 1): _asked(_contains),
    ("inside", 1): _asked(lambda part, whole: _contains(whole, part)),
    ("has", 1): _asked(_has),
    ("any", 1): _quantified(any),
    ("all", 1): _quantified(all),
    ("IN", 1): _is_among,
}

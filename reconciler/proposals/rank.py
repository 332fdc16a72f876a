"""Which change, and which merge request, deserves a reviewer's time first.

Safety before savings before images. Within safety: what is killed before what is held back before
what is about to be. Within savings: what saves most for its risk, then what costs least. The order is
total: what is equal by all of that goes by its name, so that two runs never differ.

Amounts of two currencies can't be compared, so the best of each take turns.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple, TypeVar

from reconciler import canonical
from reconciler.model import Change, ChangeClass, NewValue, Risk, Usage

T = TypeVar("T")

_CLASSES: Final = {ChangeClass.SAFETY: 0, ChangeClass.SAVINGS: 1, ChangeClass.IMAGE: 2}
# A saving of high risk comes beside one of a quarter of its amount that risks nothing.
_SHARE: Final = {Risk.LOW: 4, Risk.MEDIUM: 2, Risk.HIGH: 1}


def ranked(changes: Iterable[Change]) -> tuple[Change, ...]:
    """The changes of one merge request, the most important first."""
    return _in_turns([(change, (change,)) for change in changes])


def merge_requests(groups: Iterable[T], changes_of: Callable[[T], Sequence[Change]]) -> tuple[T, ...]:
    """Merge requests in the order in which they should be looked at, and opened where not all may be."""
    return _in_turns([(group, changes_of(group)) for group in groups])


class _Tier(NamedTuple):
    """What comes before any money; smaller is sooner."""

    klass: int
    kills: int
    throttled: int


def _in_turns(items: Iterable[tuple[T, Sequence[Change]]]) -> tuple[T, ...]:
    """Sorted by value within each tier and currency; then one of each currency after the other."""
    queues: dict[tuple[_Tier, str], list[tuple[int, str, T]]] = defaultdict(list)
    for item, changes in items:
        currency = _main_currency(changes)
        value = sum(_value(change) for change in changes if _currency(change) == currency)
        queues[_tier(changes), currency].append((-value, min(map(_name, changes)), item))
    placed = [
        (tier, currency == "", at, currency, item)  # what has no price comes after what has one
        for (tier, currency), queue in queues.items()
        for at, (*_, item) in enumerate(sorted(queue, key=lambda one: one[:2]))
    ]
    return tuple(item for *_, item in sorted(placed, key=lambda one: one[:4]))


def _tier(changes: Sequence[Change]) -> _Tier:
    klass = min(_CLASSES[change.klass] for change in changes)
    if klass != _CLASSES[ChangeClass.SAFETY]:
        return _Tier(klass, 0, 0)
    return _Tier(klass, -sum(map(_kills, changes)), -max(map(_throttled, changes)))


def _value(change: Change) -> int:
    """Millionths saved, weighed by risk. What costs is worth less than nothing, and more so at a risk."""
    if change.worth is None:
        return 0
    saved, share = -change.worth.monthly.millionths, _SHARE[change.worth.risk]
    return saved * share if saved > 0 else saved * 4 // share


def _used(change: Change) -> Iterable[Usage]:
    return (one.usage for one in change.evidence.fed if isinstance(one.usage, Usage))


def _is_of(change: Change, resource: str) -> bool:
    return any(value.slot.field.resource == resource for value in change.values)


def _kills(change: Change) -> int:
    if not _is_of(change, "memory"):
        return 0
    return sum(kill.kills for usage in _used(change) for kill in usage.oom_kills)


def _throttled(change: Change) -> int:
    if not _is_of(change, "cpu"):
        return 0
    return max((usage.throttled_permille or 0 for usage in _used(change)), default=0)


def _currency(change: Change) -> str:
    return change.worth.monthly.currency if change.worth is not None else ""


def _main_currency(changes: Sequence[Change]) -> str:
    """The one that most of them have; of equal ones the first by name."""
    names = [_currency(change) for change in changes]
    return min({*names}, key=lambda name: (-names.count(name), name))


def _name(change: Change) -> str:
    """What is written where: no two changes of a repository share it."""
    return canonical.dump([_place(value) for value in change.values])


def _place(value: NewValue) -> list[object]:
    slot = value.slot
    return [*slot.place, slot.line, slot.field, sorted(map(str, slot.consumers)), slot.value, value.new]

"""What a heap of a fixed size, a share of the memory, or a number of threads means for a request.

Programs that are told how much they may use, use it sooner or later, whatever was measured so far.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from reconciler.model import Consumer, Reason, Refused, RuntimeOption
from reconciler.sizing.case import Case
from reconciler.sizing.words import figure

GIB: Final = 1 << 30
# What a runtime needs beside its heap: classes, compiled code, stacks of threads, buffers, and what the
# collector keeps of every region. A quarter of the first GiB and a tenth of the rest, which lies between what
# is given to JVMs in practice: a quarter in all, which is too much for large heaps, and a tenth, which is too
# little for small ones.
LEAST_ROOM: Final = 64 << 20
_QUARTER, _TENTH = 4, 10

_FIXED: Final = ("heap", "heap-start", "cache")
_SHARES: Final = ("heap-percent", "cache-percent")
_OF_MEMORY: Final = (*_FIXED, *_SHARES, "native", "direct", "touched", "soft-limit", "no-gc", "unread")
_OF_CPU: Final = ("processors", "workers", "unread-count")
_FAR_ABOVE: Final = 4  # times the request; by less, threads share it well enough


# ---------------------------------------------------------------------------------------------
# Of one container
# ---------------------------------------------------------------------------------------------


def room(heap: int) -> int:
    """Beside a heap of that size."""
    first = min(heap, GIB)
    return max(LEAST_ROOM, -(-first // _QUARTER) + -(-(heap - first) // _TENTH))


def least(options: Iterable[RuntimeOption]) -> int:
    """What the heaps and caches of fixed size need, with the room beside each; 0 without any.

    What is said of the room counts where it is more: classes and compiled code, and buffers on top.
    """
    given = [one for one in options if not one.from_resources]
    heaps = [one.amount for one in given if one.kind in _FIXED]
    if _collects_at_limit(given):
        heaps_of_go = sum(one.amount for one in given if one.kind == "soft-limit")
    else:
        heaps_of_go = 0
    if not heaps:
        return heaps_of_go
    native = sum(one.amount for one in given if one.kind == "native")
    direct = sum(one.amount for one in given if one.kind == "direct")
    beside = max(sum(map(room, heaps)), native + LEAST_ROOM if native else 0)
    return sum(heaps) + beside + direct + heaps_of_go


def soft(options: Iterable[RuntimeOption]) -> int:
    """The limit that a collector keeps to by itself, where it is a fixed one."""
    return sum(one.amount for one in options if one.kind == "soft-limit" and not one.from_resources)


def shares(options: Iterable[RuntimeOption]) -> tuple[RuntimeOption, ...]:
    """What takes as much as there is: a percentage, or a size that is worked out from the container's own."""
    every = tuple(options)
    greedy = (*_FIXED, "soft-limit") if _collects_at_limit(every) else _FIXED
    return tuple(
        one
        for one in every
        if one.kind in _SHARES or (one.kind in greedy and one.from_resources.endswith(".memory"))
    )


def _collects_at_limit(options: Iterable[RuntimeOption]) -> bool:
    """GOGC=off: nothing is freed before the soft limit is reached."""
    return any(one.kind == "no-gc" for one in options)


# ---------------------------------------------------------------------------------------------
# Of one request
# ---------------------------------------------------------------------------------------------


def floor(case: Case, wanted: int) -> int:
    """Below which the memory request isn't set; 0 where nothing says so.

    A heap is a floor like the policy's, and a soft limit only holds what is there. Neither moves a limit
    by itself: only what is measured says that more than the limit is needed.
    """
    if case.resource != "memory" or case.level.fixed_heap == "ignore":
        return 0
    if not any(one.runtime for one in case.consumers):
        return 0
    fixed = max((least(one.runtime) for one in case.consumers), default=0)
    held = max((soft(one.runtime) for one in case.consumers), default=0)
    if case.level.fixed_heap == "hold":
        fixed, held = 0, max(fixed, held)
    if case.in_force is not None:
        held = min(held, case.in_force)
    bottom = max(fixed, held)
    return min(bottom, case.limit) if case.limit and wanted <= case.limit else bottom


def keeps_share(case: Case) -> Refused | None:
    """Why usage lowers nothing: it shows what the heap was given."""
    found = next(_shares_of(case), None)
    if found is None or case.level.percentage_heap == "lower":
        return None
    one, option = found
    return Refused(
        Reason.PERCENTAGE_HEAP,
        f"{option} of {one.ref} takes a share of the memory that it is given, so what is used doesn't say "
        "what is needed (percentageHeap: keep)",
    )


def limit_refused(case: Case, new: int | None) -> Refused | None:
    """Why a memory limit isn't lowered that far, nor added where there was none."""
    if case.resource != "memory" or new is None or (case.limit and new >= case.limit):
        return None
    share = keeps_share(case)
    if share is not None:
        return share
    for one in case.consumers if case.level.fixed_heap != "ignore" else ():
        needed = max(least(one.runtime), soft(one.runtime))
        if new < needed:
            return Refused(
                Reason.HEAP_ABOVE_LIMIT,
                f"a limit of {figure('memory', new)} would be below the {figure('memory', needed)} that "
                f"{_sizes(one)} of {one.ref} can fill",
            )
    return None


def _shares_of(case: Case) -> Iterator[tuple[Consumer, RuntimeOption]]:
    if case.resource == "memory":
        for one in case.consumers:
            for option in shares(one.runtime) if one.runtime else ():
                yield one, option


# ---------------------------------------------------------------------------------------------
# In words
# ---------------------------------------------------------------------------------------------


def floor_in_words(case: Case) -> str:
    """Which heap it is that holds the request."""
    one = max(case.consumers, key=lambda one: max(least(one.runtime), soft(one.runtime)))
    needed = max(least(one.runtime), soft(one.runtime))
    whose = f" of {one.ref}" if len(case.consumers) > 1 else ""
    beside = " and the room beside it" if any(each.kind in _FIXED for each in one.runtime) else ""
    return f"{_sizes(one)}{whose}{beside} can fill {figure('memory', needed)}"


def _sizes(one: Consumer) -> str:
    kinds = (*_FIXED, "soft-limit")
    return " and ".join(str(each) for each in one.runtime if each.kind in kinds and not each.from_resources)


def stage_in_words(case: Case) -> str:
    """All that is known of what the programs are started with; "" where that is nothing."""
    told: dict[str, None] = {}
    if not any(one.runtime for one in case.consumers):
        return ""
    for one in case.consumers:
        for option in one.runtime:
            if _concerns(option, case.resource):
                told[_told(case, option)] = None
    if case.resource == "memory" and any(least(one.runtime) for one in case.consumers):
        needed = floor_in_words(case)
        rest = (words for words in told if words not in needed)  # named there already
        told = dict.fromkeys((needed, *rest, *_above_limit(case)))
    return "; ".join(told)


def _concerns(option: RuntimeOption, resource: str) -> bool:
    if option.kind == "given":
        return option.from_resources.endswith(f".{resource}")
    return option.kind in (_OF_MEMORY if resource == "memory" else _OF_CPU)


def _told(case: Case, option: RuntimeOption) -> str:
    words = str(option)
    if option.kind in ("unread", "unread-count"):
        return (
            f"{words} isn't known here"
            if not option.text
            else f"{words} can't be read, and counts for nothing"
        )
    if option.from_resources:
        unset = "" if option.amount or option.kind == "given" else ", which isn't set"
        return f"{words} follows {option.from_resources}{unset}"
    if option.kind in _SHARES:
        of = "the limit" if case.limit else "the node's memory, as no limit is set"
        return f"{words} is a share of {of}"
    if _is_copy(case, option):
        return f"{words} is a copy of limits.{case.resource}, and doesn't follow it"
    if option.kind in _OF_CPU and option.amount * 1000 >= _FAR_ABOVE * (
        case.in_force or option.amount * 1000
    ):
        return f"{words}: {option.amount} at once, on a request of {figure('cpu', case.in_force or 0)}"
    return words


def _above_limit(case: Case) -> Iterator[str]:
    for one in case.consumers:
        heaps = sum(each.amount for each in one.runtime if each.kind in _FIXED and not each.from_resources)
        if case.limit and heaps > case.limit:
            limit = figure("memory", case.limit)
            yield f"with a limit of {limit} it is killed before the heap is full: one of them is a mistake"


def _is_copy(case: Case, option: RuntimeOption) -> bool:
    amount = option.amount * 1000 if option.kind == "processors" else option.amount
    return option.kind in (*_FIXED, "soft-limit", "processors") and bool(case.limit) and amount == case.limit


def consequences(case: Case, request: int, limit: int | None) -> Iterator[str]:
    """What else moves with the new values, and what doesn't though it should."""
    moving = {f"limits.{case.resource}"} if limit is not None else set()
    if request != case.in_force:
        moving.add(f"requests.{case.resource}")
    told: dict[str, None] = {}
    for one in case.consumers:
        for option in one.runtime:
            words = str(option)
            if option.from_resources in moving:
                told[f"{words} follows {option.from_resources}"] = None
            elif limit is not None and option.kind in _SHARES and case.resource == "memory":
                side = "grows" if limit > (case.limit or 0) else "shrinks"
                what = option.kind.partition("-")[0]
                told[f"the {what} {side} with the limit, by {words}"] = None
            elif limit is not None and _is_copy(case, option):
                told[f"{words} is a copy of the old limit, and stays as it is"] = None
    yield from told

"""What is plainly wrong with the sizes that programs are started with, whatever they use."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from reconciler.model import Container, Field, Note, RuntimeOption, Workload
from reconciler.quantity import BadQuantity, human_memory, parse_memory

_FIXED: Final = ("heap", "heap-start", "cache")
_MOST: Final = 20  # of one kind: more of them are a habit, and told as one


def on_heaps(workloads: Iterable[Workload]) -> Iterator[Note]:
    """Heaps above their limits, and sizes that no program would read."""
    told: dict[str, list[Note]] = {}
    for workload in workloads:
        for container in workload.containers:
            for note in _on(workload, container) if container.runtime else ():
                told.setdefault(note.what, []).append(note)
    for what, notes in told.items():
        yield from notes[:_MOST]
        if len(notes) > _MOST:
            yield Note(what, f"{len(notes) - _MOST} more containers are like this", notes[0].repository)


def _on(workload: Workload, container: Container) -> Iterator[Note]:
    slot = container.slot(Field.MEMORY_LIMIT)
    who = f"{workload.kind}/{workload.name}/{container.ref.container}"
    at = (workload.repository, slot.place.path, slot.line)
    heaps = [one for one in container.runtime if one.kind in _FIXED and not one.from_resources]
    limit = _bytes(slot.value)
    if limit and sum(one.amount for one in heaps) > limit:
        sizes = " and ".join(map(str, heaps))
        words = f"{sizes} is more than its memory limit of {human_memory(limit)}"
        advice = "it would be killed before that is full: lower the one, or raise the other"
        yield Note("heap-above-limit", f"{who}: {words}, so that {advice}", *at)
    for one in container.runtime:
        if _is_malformed(one):
            words = f"{who}: {one} can't be read, neither here nor by the program itself"
            yield Note("runtime-unread", f"{words}: see docs/runtimes.md for how it is written", *at)


def _is_malformed(one: RuntimeOption) -> bool:
    """Not where the text is only completed when the container starts."""
    waiting = not one.text or any(sign in one.text for sign in "${}`")
    return one.kind.startswith("unread") and not waiting


def _bytes(text: str | None) -> int:
    try:
        return parse_memory(text) if text else 0
    except BadQuantity:
        return 0

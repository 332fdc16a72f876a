"""What is in force of a container and of a pod, as Kubernetes makes it of what the manifests say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final

from reconciler.model import ContainerRef, Field, LimitRange, Sibling
from reconciler.quantity import BadQuantity, read

LIMIT_OF: Final = {Field.CPU_REQUEST: Field.CPU_LIMIT, Field.MEMORY_REQUEST: Field.MEMORY_LIMIT}
FIELDS: Final = (*LIMIT_OF, *LIMIT_OF.values())


def in_force(
    ref: ContainerRef,
    init: bool,
    sidecar: bool,
    texts: Mapping[Field, str | None],
    ranges: Iterable[LimitRange],
) -> Sibling:
    """First a limit stands for the request that isn't set, and then come the namespace's defaults."""
    return _in_force(ref.container, init, sidecar, tuple(map(texts.get, FIELDS)), tuple(ranges))


@lru_cache(maxsize=256)  # both requests of a container are decided over the same
def _in_force(
    container: str,
    init: bool,
    sidecar: bool,
    texts: tuple[str | None, ...],
    ranges: tuple[LimitRange, ...],
) -> Sibling:
    unknown = False
    found: dict[Field, int | None] = {}
    for field, text in zip(FIELDS, texts, strict=True):
        try:
            found[field] = read(field, text) if text is not None else None
        except BadQuantity:
            unknown, found[field] = True, None
    for request, limit in LIMIT_OF.items():
        mine = [one for one in ranges if one.resource == request.resource and one.kind == "Container"]
        found[request] = _first(found[request], found[limit], *(one.default_request for one in mine))
        found[limit] = _first(found[limit], *(one.default_limit for one in mine))
    cpu, memory, cpu_limit, memory_limit = (found[field] for field in FIELDS)
    return Sibling(container, init, sidecar, cpu, memory, cpu_limit, memory_limit, unknown)


def _first(*amounts: int | None) -> int | None:
    return next((amount for amount in amounts if amount is not None), None)


def amount_of(one: Sibling, field: Field) -> int | None:
    amounts = (one.cpu_request, one.memory_request, one.cpu_limit, one.memory_limit)
    return amounts[FIELDS.index(field)]


def with_amount(one: Sibling, field: Field, amount: int | None) -> Sibling:
    at = 3 + FIELDS.index(field)
    return Sibling._make((*one[:at], amount, *one[at + 1 :]))


def together(field: Field, containers: Iterable[Sibling]) -> int:
    """What a pod asks for as a whole: its containers and sidecars, or more while it starts.

    Sidecars count for the init containers that come after them, so the order is the manifest's.
    """
    running = starting = sidecars = 0
    for one in containers:
        amount = amount_of(one, field) or 0
        if not one.init:
            running += amount
        elif one.sidecar:
            sidecars += amount
            starting = max(starting, sidecars)
        else:
            starting = max(starting, sidecars + amount)
    return max(running + sidecars, starting)

"""The class of service that Kubernetes gives to a pod: Guaranteed, Burstable or BestEffort."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from reconciler.model import Consumer, Field, Sibling
from reconciler.requested import LIMIT_OF, amount_of, with_amount

GUARANTEED = "Guaranteed"
BURSTABLE = "Burstable"
BEST_EFFORT = "BestEffort"

Pod = tuple[Sibling, ...]


@lru_cache(maxsize=256)  # asked several times of the few pods that one decision is about
def quality(pod: Pod) -> str:
    """Of all containers, init containers included; "" where one of the amounts can't be read."""
    if any(one.unknown for one in pod):
        return ""
    pairs = [_pair(one, request) for one in pod for request in LIMIT_OF]
    if not any(request or limit for request, limit in pairs):
        return BEST_EFFORT
    return GUARANTEED if all(_is_one(*pair) for pair in pairs) else BURSTABLE


def _pair(one: Sibling, request: Field) -> tuple[int | None, int | None]:
    return amount_of(one, request), amount_of(one, LIMIT_OF[request])


def _is_one(request: int | None, limit: int | None) -> bool:
    return bool(limit) and request == limit


def pod_of(consumer: Consumer, own: Sibling) -> Pod:
    """With itself at a place at which it counts in full: a sidecar for all that start, and they for it."""
    return (own, *consumer.siblings) if own.sidecar or not own.init else (*consumer.siblings, own)


def changed(pod: Pod, name: str, request: Field, amount: int, limit: int | None) -> Pod:
    """The pod with another request of that container, and another limit where it moves along."""
    return tuple(_changed(one, request, amount, limit) if one.container == name else one for one in pod)


def _changed(one: Sibling, request: Field, amount: int, limit: int | None) -> Sibling:
    found = with_amount(one, request, amount)
    return found if limit is None else with_amount(found, LIMIT_OF[request], limit)


def holds_apart(pods: Sequence[tuple[Consumer, Pod]], request: Field) -> bool:
    """Whether this pair of request and limit is the one by which a Burstable pod stays one.

    Of all pairs that differ it is one, so that what several containers do at once can't close the last
    two of them. First those without a limit, which hardly anything closes: memory's before CPU's. Of the
    others CPU's, which bend the easier.
    """
    return any(
        _witness(pod) == (consumer.ref.container, request)
        for consumer, pod in pods
        if quality(pod) == BURSTABLE
    )


def _witness(pod: Pod) -> tuple[str, Field] | None:
    apart = [
        (bool(limit), (request is Field.MEMORY_REQUEST) is bool(limit), one.container, request)
        for one in pod
        for request in LIMIT_OF
        for amount, limit in (_pair(one, request),)
        if not _is_one(amount, limit)
    ]
    first = min(apart, default=None)
    return None if first is None else first[2:]

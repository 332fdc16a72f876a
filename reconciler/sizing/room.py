"""What several changes take together: of a quota, of a node, and of what a namespace allows a whole pod.

Each change is decided by itself, knowing what is left today. Here they are taken one after the other: what
is short of something first, then in the order of names. What doesn't fit beside those before it waits.
What one of them frees counts for nothing, because nobody knows whether it will be merged.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reconciler.model import (
    Change,
    ChangeClass,
    Consumer,
    ContainerRef,
    Field,
    NewValue,
    Quota,
    Reason,
    Refused,
)
from reconciler.quantity import read
from reconciler.requested import FIELDS, LIMIT_OF, amount_of, in_force, together, with_amount
from reconciler.sizing.bounds import Growth, named, quota_in_words
from reconciler.sizing.classes import Pod, pod_of
from reconciler.sizing.words import figure

_Workload = tuple[str, str, str, str]
_Account = tuple[str, str, Quota]


def without_room(changes: Sequence[Change]) -> dict[int, Refused]:
    """The positions of those that don't fit beside the others, each with the reason."""
    book = _Book()
    refused: dict[int, Refused] = {}
    for at in sorted(range(len(changes)), key=lambda at: _turn(changes[at])):
        if _is_bounded(changes[at]):
            why = book.enter(changes[at])
            if why is not None:
                refused[at] = why
    return refused


def _turn(change: Change) -> tuple[bool, ContainerRef, str]:
    slot = change.values[0].slot
    return (
        change.klass is not ChangeClass.SAFETY,
        min(_fed(change.values[0]), default=_NOBODY),
        slot.field.value,
    )


_NOBODY = ContainerRef("", "", "", "", "")


def _is_bounded(change: Change) -> bool:
    return any(
        one.quotas or one.node or any(each.kind == "Pod" for each in one.limit_ranges)
        for one in change.evidence.consumers
        if one.peer is None
    )


def _fed(value: NewValue) -> tuple[ContainerRef, ...]:
    return value.slot.consumers if value.slot.field in FIELDS else ()


class _Book:
    """The pods as they are with the changes entered so far, and what those take of the quotas."""

    def __init__(self) -> None:
        self._pods: dict[_Workload, Pod] = {}
        self._taken: dict[_Account, int] = {}

    def enter(self, change: Change) -> Refused | None:
        """Take it in; or say why it doesn't fit, and leave everything as it was."""
        whole = {one.ref[:4]: one for one in change.evidence.consumers if one.peer is None}
        for consumer in whole.values():
            self._pods.setdefault(consumer.ref[:4], _standing(change, consumer))
        before = {key: self._pods[key] for key in whole}
        after = {key: _raised(pod, change, key) for key, pod in before.items()}
        taken: dict[_Account, int] = {}
        for key, consumer in whole.items():
            why = _too_large(consumer, before[key], after[key])
            if why is not None:
                return why
            for account, more in _growths(consumer, before[key], after[key]):
                taken[account] = taken.get(account, 0) + more
        for account, more in taken.items():
            left = max(0, account[2].hard - account[2].used - self._taken.get(account, 0))
            if more > left:
                words = quota_in_words(Growth(*account, more), left)
                return Refused(Reason.QUOTA, f"beside what else is raised in this run, {words}")
        for account, more in taken.items():
            self._taken[account] = self._taken.get(account, 0) + more
        self._pods.update(after)
        return None


def _standing(change: Change, consumer: Consumer) -> Pod:
    texts = {slot.field: slot.value for slot in change.evidence.slots}
    own = consumer.own or in_force(
        consumer.ref, consumer.init, consumer.sidecar, texts, consumer.limit_ranges
    )
    return pod_of(consumer, own)


def _raised(pod: Pod, change: Change, key: _Workload) -> Pod:
    for value in change.values:
        for ref in _fed(value):
            if ref[:4] == key:
                new = read(value.slot.field, value.new)
                pod = tuple(
                    with_amount(one, value.slot.field, max(new, amount_of(one, value.slot.field) or 0))
                    if one.container == ref.container
                    else one
                    for one in pod
                )
    return pod


def _growths(consumer: Consumer, before: Pod, after: Pod) -> Iterator[tuple[_Account, int]]:
    for quota in consumer.quotas:
        more = together(quota.field, after) - together(quota.field, before)
        if more > 0:
            account = (consumer.ref.cluster, consumer.ref.namespace, quota)
            yield account, more * max(1, consumer.replicas)


def _too_large(consumer: Consumer, before: Pod, after: Pod) -> Refused | None:
    for field, most, reason, who in _ceilings(consumer):
        becomes = together(field, after)
        if becomes > most and becomes > together(field, before):
            return Refused(
                reason,
                f"beside what else is raised in this run, the pods of {consumer.ref} would have {field} of "
                f"{figure(field.resource, becomes)}, and {who} at most {figure(field.resource, most)}",
            )
    return None


def _ceilings(consumer: Consumer) -> Iterator[tuple[Field, int, Reason, str]]:
    for request, limit in LIMIT_OF.items():
        node = consumer.node
        size = None if node is None else node.cpu if request.resource == "cpu" else node.memory
        if size is not None:
            yield request, size, Reason.NODE_SIZE, "the largest node has"
        for one in consumer.limit_ranges:
            if one.kind == "Pod" and one.resource == request.resource and one.maximum is not None:
                yield request, one.maximum, Reason.LIMIT_RANGE, f"{named(one)} allows"
                yield limit, one.maximum, Reason.LIMIT_RANGE, f"{named(one)} allows"

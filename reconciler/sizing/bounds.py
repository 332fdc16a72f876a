"""Between which numbers a request has to stay: the policy's, the namespace's, and the largest node's.

And the proof, made of the finished numbers, that none of them is broken: what would break one is kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from reconciler.model import Consumer, Field, LimitRange, Quota, Reason, Refused
from reconciler.quantity import LARGEST
from reconciler.requested import LIMIT_OF, amount_of, together
from reconciler.sizing.case import Case
from reconciler.sizing.classes import BURSTABLE, GUARANTEED, Pod, changed, quality
from reconciler.sizing.words import count, figure, permille

_FAR = 1 << 80  # more than any pod asks for: what a sum grows by is then this container's alone


class Bound(NamedTuple):
    value: int
    reason: Reason
    words: str = ""  # of the floor and the ceiling none: they are told by their own


# ---------------------------------------------------------------------------------------------
# Of the request
# ---------------------------------------------------------------------------------------------


def lowest(case: Case, *, limit_falls: bool) -> Bound:
    """`limit_falls`: the limit comes down as well, so that its share of the request is no bound."""
    floor = Bound(case.level.floor, Reason.AT_FLOOR)
    found = list(_least_by_ranges(case, limit_falls)) if _is_ruled(case) else []
    return max([floor, *found], key=_value) if found else floor


def highest(case: Case) -> Bound:
    ceiling = Bound(LARGEST if case.level.ceiling is None else case.level.ceiling, Reason.AT_CEILING)
    found = [*_most_by_ranges(case), *_most_by_nodes(case)] if _is_ruled(case) else []
    return min([ceiling, *found], key=_value) if found else ceiling


def _value(bound: Bound) -> int:
    return bound.value


def _is_ruled(case: Case) -> bool:
    return any(consumer.limit_ranges or consumer.node or consumer.quotas for consumer, _ in case.pods)


def _least_by_ranges(case: Case, limit_falls: bool) -> Iterator[Bound]:
    for consumer, pod in case.pods:
        for one in _ranges(case, consumer):
            if one.minimum is not None:
                least = one.minimum - (_others(case, pod, case.slot.field) if one.kind == "Pod" else 0)
                yield Bound(
                    least, Reason.LIMIT_RANGE, f"{named(one)} wants at least {_said(one, one.minimum)}"
                )
            if one.ratio_permille and one.kind == "Container" and case.limit and not limit_falls:
                least = -(-case.limit * 1000 // one.ratio_permille)
                words = (
                    f"{named(one)} wants a limit of at most {times(one.ratio_permille)} its request, "
                    f"and the limit is {figure(case.resource, case.limit)}"
                )
                yield Bound(least, Reason.LIMIT_RANGE, words)


def _most_by_ranges(case: Case) -> Iterator[Bound]:
    for consumer, pod in case.pods:
        for one in _ranges(case, consumer):
            if one.maximum is not None:
                most = one.maximum - (_others(case, pod, case.slot.field) if one.kind == "Pod" else 0)
                words = f"{named(one)} allows at most {_said(one, one.maximum)}"
                yield Bound(max(0, most), Reason.LIMIT_RANGE, words)


def _most_by_nodes(case: Case) -> Iterator[Bound]:
    for consumer, pod in case.pods:
        size = _node(case, consumer)
        if size is not None:
            others = _others(case, pod, case.slot.field)
            beside = f", and the rest of the pod asks for {figure(case.resource, others)}" if others else ""
            words = f"the largest node has {figure(case.resource, size)} for pods{beside}"
            yield Bound(max(0, size - others), Reason.NODE_SIZE, words)


def _ranges(case: Case, consumer: Consumer) -> Iterator[LimitRange]:
    return (one for one in consumer.limit_ranges if one.resource == case.resource)


def _node(case: Case, consumer: Consumer) -> int | None:
    node = consumer.node
    return None if node is None else node.cpu if case.resource == "cpu" else node.memory


def _others(case: Case, pod: Pod, field: Field) -> int:
    """What the pod asks for whenever this container does, besides it."""
    name = next(consumer.ref.container for consumer, other in case.pods if other is pod)
    return together(field, changed(pod, name, case.slot.field, _FAR, _FAR)) - _FAR


# ---------------------------------------------------------------------------------------------
# Of the limit
# ---------------------------------------------------------------------------------------------


def highest_limit(case: Case, request: int) -> int:
    """What the namespace allows a limit to be, beside that request."""
    found = [LARGEST]
    for consumer, pod in case.pods:
        for one in _ranges(case, consumer):
            if one.maximum is not None:
                others = _others(case, pod, LIMIT_OF[case.slot.field]) if one.kind == "Pod" else 0
                found.append(one.maximum - others)
            if one.ratio_permille and one.kind == "Container":
                found.append(request * one.ratio_permille // 1000)
    return min(found)


# ---------------------------------------------------------------------------------------------
# The proof
# ---------------------------------------------------------------------------------------------


def broken(case: Case, request: int, limit: int | None) -> Refused | None:
    """What those numbers would break that holds today. `limit` None: it stays."""
    closes = case.holds_apart and request == (case.limit if limit is None else limit)
    if not (case.guaranteed or closes or _is_ruled(case)):
        return None
    for consumer, pod in case.pods:
        after = changed(pod, consumer.ref.container, case.slot.field, request, limit)
        found = (
            _class_broken(case, consumer, pod, after)
            or _range_broken(case, consumer, pod, after)
            or _node_broken(case, consumer, pod, after)
        )
        if found:
            return found
    return _quota_broken(case, request, limit)


def _class_broken(case: Case, consumer: Consumer, pod: Pod, after: Pod) -> Refused | None:
    was, becomes = quality(pod), quality(after)
    if case.evidence.policy.sizing.qos_class != "keep" or {was, becomes} != {GUARANTEED, BURSTABLE}:
        return None
    rule = case.level.limit
    return Refused(
        Reason.QOS_CLASS,
        f"the pod of {consumer.ref} is {was} and would become {becomes}, for with limit: {rule} "
        "request and limit don't move together (qosClass: keep)",
    )


def _range_broken(case: Case, consumer: Consumer, pod: Pod, after: Pod) -> Refused | None:
    name = consumer.ref.container
    for one in _ranges(case, consumer):
        was, becomes = (_offences(case, one, name, each) for each in (pod, after))
        if any(now > before for before, now in zip(was, becomes, strict=True)):
            return Refused(
                Reason.LIMIT_RANGE,
                f"{named(one)} wouldn't let pods of {consumer.ref} start: {_wants(one)}",
            )
    return None


def _offences(case: Case, one: LimitRange, name: str, pod: Pod) -> tuple[int, ...]:
    """By how much a pod breaks each part of the range; 0 where it doesn't."""
    request, limit = case.slot.field, LIMIT_OF[case.slot.field]
    if one.kind == "Pod":
        asked, most = together(request, pod), together(limit, pod)
    else:
        mine = next(each for each in pod if each.container == name)
        asked, most = amount_of(mine, request) or 0, amount_of(mine, limit) or 0
    low, high, ratio = one.minimum, one.maximum, one.ratio_permille
    return (
        max(0, low - asked) if low is not None else 0,
        max(0, low - most) if low is not None and most else 0,
        max(0, asked - high) if high is not None else 0,
        max(0, most - high) if high is not None else 0,
        max(0, most * 1000 - asked * ratio) if ratio and most else 0,
    )


def _node_broken(case: Case, consumer: Consumer, pod: Pod, after: Pod) -> Refused | None:
    size, field = _node(case, consumer), case.slot.field
    was, becomes = together(field, pod), together(field, after)
    if size is None or becomes <= size or becomes <= was:
        return None
    return Refused(
        Reason.NODE_SIZE,
        f"the pods of {consumer.ref} would ask for {figure(case.resource, becomes)}, "
        f"and the largest node has {figure(case.resource, size)} for pods",
    )


# ---------------------------------------------------------------------------------------------
# Quotas
# ---------------------------------------------------------------------------------------------


class Growth(NamedTuple):
    """By how much a change fills a quota of a namespace."""

    cluster: str
    namespace: str
    quota: Quota
    more: int

    @property
    def left(self) -> int:
        return max(0, self.quota.hard - self.quota.used)


def growths(case: Case, request: int, limit: int | None) -> tuple[Growth, ...]:
    """Of every quota that the change makes fuller, over all pods of all that the line feeds."""
    sums: dict[tuple[str, str, Quota], int] = {}
    for consumer, pod in case.pods:
        after = changed(pod, consumer.ref.container, case.slot.field, request, limit)
        for quota in consumer.quotas:
            if quota.field.resource == case.resource:
                more = together(quota.field, after) - together(quota.field, pod)
                key = (consumer.ref.cluster, consumer.ref.namespace, quota)
                sums[key] = sums.get(key, 0) + more * max(1, consumer.replicas)
    return tuple(Growth(*key, more) for key, more in sums.items() if more > 0)


def _quota_broken(case: Case, request: int, limit: int | None) -> Refused | None:
    for one in growths(case, request, limit):
        if one.more > one.left:
            return Refused(Reason.QUOTA, quota_in_words(one, one.left))
    return None


def quota_in_words(one: Growth, left: int) -> str:
    resource, quota = one.quota.field.resource, one.quota
    return (
        f"it would take {figure(resource, one.more)} more of {quota.field}, and of the "
        f"{figure(resource, quota.hard)} that the ResourceQuota {quota.name} ({quota.path}:{quota.line}) "
        f"allows in {one.namespace or 'its namespace'} {figure(resource, left)} are left: "
        "somebody has to raise it, or make room"
    )


# ---------------------------------------------------------------------------------------------
# Words
# ---------------------------------------------------------------------------------------------


def named(one: LimitRange) -> str:
    return f"the LimitRange {one.name} ({one.path}:{one.line})"


def times(ratio: int) -> str:
    """4000 as `4 times`, 2500 as `250 % of`."""
    return f"{ratio // 1000} times" if ratio % 1000 == 0 else f"{permille(ratio)} of"


def _said(one: LimitRange, amount: int) -> str:
    return f"{figure(one.resource, amount)}{' for a whole pod' if one.kind == 'Pod' else ''}"


def _wants(one: LimitRange) -> str:
    """`at least 50m, at most 2, a limit of at most 4 times the request`"""
    parts = [] if one.minimum is None else [f"at least {_said(one, one.minimum)}"]
    parts += [] if one.maximum is None else [f"at most {_said(one, one.maximum)}"]
    parts += [f"a limit of at most {times(one.ratio_permille)} the request"] if one.ratio_permille else []
    return f"it wants {', '.join(parts)}"


def in_words(case: Case) -> tuple[str, ...]:
    """Every rule of the namespace and of the node that holds for the request, each once."""
    if not _is_ruled(case):
        return ()
    found: dict[str, None] = {}
    for consumer, _ in case.pods:
        for one in _ranges(case, consumer):
            if (one.minimum, one.maximum, one.ratio_permille) != (None, None, None):
                found[f"{named(one)}: {_wants(one)}"] = None
        for quota in consumer.quotas:
            if quota.field.resource == case.resource:
                used, hard = (figure(case.resource, each) for each in (quota.used, quota.hard))
                place = f"{quota.path}:{quota.line}"
                found[
                    f"the ResourceQuota {quota.name} ({place}): {used} of {hard} {quota.field} are used"
                ] = None
        size = _node(case, consumer)
        if size is not None:
            sizes = figure(case.resource, size)
            beside = count(len(consumer.siblings), "other container")
            found[f"the largest node: {sizes} for the container and {beside} of its pod"] = None
    return tuple(found)

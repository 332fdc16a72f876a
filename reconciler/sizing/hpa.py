"""Requests that a horizontal autoscaler counts: request and target move together, or neither does.

A utilization target is a share of what a pod requests, so that a smaller request alone would add pods
at a smaller load. With the target raised in turn, they are added at the same load as before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from reconciler.model import (
    Aim,
    Change,
    ChangeClass,
    Consumer,
    Field,
    NewValue,
    Place,
    Reason,
    Refused,
    Risk,
    Scaler,
    Sibling,
    Slot,
    Stage,
    Usage,
    Worth,
)
from reconciler.quantity import BadQuantity, parse_percent, read
from reconciler.requested import LIMIT_OF
from reconciler.sizing.case import Case
from reconciler.sizing.words import figure

# Below it a whole per cent is more than a tenth of the target, and rounding would move it visibly.
LEAST: Final = 10
# Above it a pod may use five times what its node keeps for it before another pod takes over.
MOST: Final = 500
AUTOSCALER: Final = "autoscaler"  # the stage that tells of it
_TARGETS: Final = {"cpu": Field.CPU_TARGET, "memory": Field.MEMORY_TARGET}
_SCALED_BY: Final = {
    "HorizontalPodAutoscaler": Reason.SCALED_BY_HPA,
    "VerticalPodAutoscaler": Reason.SCALED_BY_VPA,
    "ScaledObject": Reason.SCALED_BY_KEDA,
}


class Share(NamedTuple):
    """What one container adds to the sum that an autoscaler goes by; None where nothing is set."""

    container: str
    request: int | None
    limit: int | None


class Counted(NamedTuple):
    """One autoscaler with a utilization target, and the containers of one consumer's pod that it counts."""

    consumer: Consumer
    scaler: Scaler
    target: Slot
    percent: int
    shares: tuple[Share, ...]  # its own first

    @property
    def total(self) -> int:
        return sum(share.request or 0 for share in self.shares)

    @property
    def trigger(self) -> int:
        """The use of a pod above which pods are added, in hundredths."""
        return self.percent * self.total

    @property
    def whose(self) -> str:
        return _named(self.scaler)


class Joint(NamedTuple):
    """The targets that go with a request, and the sentence for it."""

    values: tuple[NewValue, ...]
    words: str


# -- whatever the numbers say -----------------------------------------------------------------------


def standing(case: Case) -> Refused | None:
    """Why an autoscaler's presence keeps the request as it is."""
    for consumer in case.consumers:
        refused = _refused(case, consumer)
        if refused is not None:
            return refused
    return _unseen(case) or _shared(case)


def _refused(case: Case, consumer: Consumer) -> Refused | None:
    acting = _acting(case, consumer)
    for scaler in acting:
        if scaler.kind == "VerticalPodAutoscaler" or not _aims(case, consumer, scaler):
            words = (
                f"acts on the {case.resource} of {consumer.ref}; another request would change what it does"
            )
            return _because(scaler, words)
    if len({(one.kind, one.name, one.path, one.line) for one in acting}) > 1:
        named = " and ".join(dict.fromkeys(map(_named, acting)))
        words = (
            f"acts on the {case.resource} of {consumer.ref}, and so does another: {named}; keep one of them"
        )
        return _because(acting[0], words)
    if any(len(_shares_of(case, consumer, scaler)) > 1 for scaler in acting):
        words = (
            f"has several targets for the {case.resource} of {consumer.ref}, and one request moves them all"
        )
        return _because(acting[0], words)
    counted = next((one for scaler in acting if (one := _counted(case, consumer, scaler))), None)
    return counted if isinstance(counted, Refused) else counted and _uncountable(case, counted)


def _acting(case: Case, consumer: Consumer) -> list[Scaler]:
    """The autoscalers that act on this resource of the container; a horizontal one on none that ends."""
    name, ends = consumer.ref.container, consumer.init and not consumer.sidecar
    return [
        scaler
        for scaler in sorted(consumer.scalers)
        if case.resource in scaler.resources
        and (not scaler.containers or name in scaler.containers)
        and (scaler.kind == "VerticalPodAutoscaler" or not ends)
    ]


def _aims(case: Case, consumer: Consumer, scaler: Scaler) -> list[Aim]:
    whose = ("", consumer.ref.container)
    return [aim for aim in scaler.aims if aim.resource == case.resource and aim.container in whose]


def _shares_of(case: Case, consumer: Consumer, scaler: Scaler) -> list[Aim]:
    return [aim for aim in _aims(case, consumer, scaler) if aim.utilization]


def _counted(case: Case, consumer: Consumer, scaler: Scaler) -> Counted | Refused | None:
    """None where it aims for an amount, which no request moves."""
    aim = next(iter(_shares_of(case, consumer, scaler)), None)
    if aim is None:
        return None
    slots = [slot for slot in consumer.targets if slot.field is _TARGETS[case.resource]]
    if len(slots) != 1:
        return _because(
            scaler, f"scales {consumer.ref} on its {case.resource}, and where its target stands isn't known"
        )
    (slot,) = slots
    if slot.refused is not None or slot.value is None:
        why = slot.refused.detail if slot.refused is not None else "nothing sets it"
        return _because(scaler, f"has a target that would have to change with the request, and can't: {why}")
    try:
        percent = parse_percent(slot.value)
    except BadQuantity as bad:
        return _because(scaler, f"has a target that can't be read: {bad}")
    return Counted(consumer, scaler, slot, percent, tuple(_shares(case, consumer, whole=not aim.container)))


def _shares(case: Case, consumer: Consumer, *, whole: bool) -> Iterator[Share]:
    """Kubernetes counts containers and sidecars; init containers that end don't count."""
    if consumer.own is None:
        yield Share(consumer.ref.container, case.in_force, case.limit)
    else:
        yield _share(case, consumer.own)
    for one in consumer.siblings if whole else ():
        if one.sidecar or not one.init:
            yield _share(case, one)


def _share(case: Case, one: Sibling) -> Share:
    cpu = case.resource == "cpu"
    request, limit = (one.cpu_request, one.cpu_limit) if cpu else (one.memory_request, one.memory_limit)
    return Share(one.container, None if one.unknown else request, limit)


def _uncountable(case: Case, counted: Counted) -> Refused | None:
    """What keeps the autoscaler itself from working."""
    bare = [share.container for share in counted.shares if share.request is None]
    if not bare and counted.total:
        return None
    named = " and ".join(bare or [share.container for share in counted.shares])
    words = f"can't work out a share of the {case.resource} without a request of {named}: set one first"
    return _because(counted.scaler, words)


def _unseen(case: Case) -> Refused | None:
    """By an autoscaler that only the metrics know of."""
    for one in case.consumers:
        seen = isinstance(one.usage, Usage) and case.resource in one.usage.scaled_on
        known = any(
            aim.utilization and aim.resource == case.resource for each in one.scalers for aim in each.aims
        )
        if seen and not known:
            return Refused(
                Reason.SCALED_BY_HPA,
                f"the metrics show a HorizontalPodAutoscaler, which isn't in the repository, that scales "
                f"{one.ref} on its {case.resource}; another request would change what it does",
            )
    return None


def _shared(case: Case) -> Refused | None:
    """A target that also counts the requests of others would be wrong for them."""
    pods = {one.ref[:4] for one in case.consumers}
    once = {counted.target.place: counted for counted in counted_of(case)}
    for counted in once.values():
        stranger = next((ref for ref in counted.target.consumers if ref[:4] not in pods), None)
        if stranger is not None:
            line = f"{counted.target.place.path}:{counted.target.line}"
            words = f"has its target in {line}, which is the one of {stranger} too, whose request stays"
            return _because(counted.scaler, words)
    return None


def counted_of(case: Case) -> list[Counted]:
    """Every autoscaler whose target has to move with the request."""
    found = (
        _counted(case, consumer, scaler) for consumer in case.consumers for scaler in _acting(case, consumer)
    )
    return [one for one in found if isinstance(one, Counted)]


# -- with a new request -----------------------------------------------------------------------------


def joint(case: Case, request: int, limit: int | None) -> Joint | Refused:
    """The targets with which that request leaves the load at which pods are added as it is."""
    wanted: dict[Place, NewValue] = {}
    told: dict[str, list[Consumer]] = {}
    for counted in counted_of(case):
        after = _after(case, counted, request, limit)
        refused = _absurd(case, counted, after) or _out_of_reach(case, counted, after)
        if refused is not None:
            return refused
        new = NewValue(counted.target, str(after.percent))
        if wanted.setdefault(counted.target.place, new).new != new.new:
            line = f"{counted.target.place.path}:{counted.target.line}"
            both = f"{wanted[counted.target.place].new} % and {new.new} %"
            return _because(counted.scaler, f"has its target in {line}, which would have to be both {both}")
        told.setdefault(_in_words(case, counted, after), []).append(counted.consumer)
    values = tuple(new for new in wanted.values() if new.new != new.slot.value)
    return Joint(values, "; ".join(_for_each(told)))


def _after(case: Case, counted: Counted, request: int, limit: int | None) -> Counted:
    own, *others = counted.shares
    shares = (
        Share(own.container, request, own.limit if limit is None else limit),
        *(_moved(case, counted.consumer, share) for share in others),
    )
    after = counted._replace(shares=shares)
    return after._replace(percent=counted.trigger // after.total)


def _moved(case: Case, consumer: Consumer, share: Share) -> Share:
    """Another container of the pod, as it becomes in the same change."""
    ref = consumer.ref._replace(container=share.container)
    new = {
        value.slot.field: read(value.slot.field, value.new)
        for one in case.evidence.beside
        for value in one.values
        if ref in value.slot.consumers
    }
    field = case.slot.field
    return share._replace(request=new.get(field, share.request), limit=new.get(LIMIT_OF[field], share.limit))


def _absurd(case: Case, before: Counted, after: Counted) -> Refused | None:
    if LEAST <= after.percent <= MOST or after.percent == before.percent:
        return None
    if after.percent > MOST:
        why = f"pods would use {after.percent // 100} times what nodes keep for them before others are added"
    else:
        why = "a whole per cent of it would be more than a tenth"
    return _because(
        before.scaler, f"would need a target of {after.percent} % instead of {before.percent} %: {why}"
    )


def _out_of_reach(case: Case, before: Counted, after: Counted) -> Refused | None:
    """Pods that can't use so much are never joined by another one."""
    limits = [share.limit for share in after.shares]
    reach = sum(limit or 0 for limit in limits)
    if not all(limits) or after.trigger <= reach * 100:
        return None
    at, most = figure(case.resource, after.trigger // 100), figure(case.resource, reach)
    return _because(
        before.scaler,
        f"adds pods at {at} a pod, which limits of {most} never let them reach: mend that first",
    )


def together(case: Case, change: Change) -> Change:
    """With what else of the same pods changes: the targets are worked out for all of it."""
    beside = [one for one in case.evidence.beside if one.values[0].slot.field.resource == case.resource]
    if not beside:
        return change
    own = [value for value in change.values if not value.slot.field.is_target]
    targets = [value for value in change.values if value.slot.field.is_target]
    others = list(dict.fromkeys(value for one in beside for value in one.values))
    safety = any(one.klass is ChangeClass.SAFETY for one in beside)
    return change._replace(
        values=(*own, *others, *targets),
        klass=ChangeClass.SAFETY if safety else change.klass,
        because="; ".join([change.because, *(f"with it {one.because}" for one in beside)]),
        worth=_worth(change.worth, [one.worth for one in beside]),
    )


def _worth(own: Worth | None, others: Sequence[Worth | None]) -> Worth | None:
    """Of all of it: the money together, and the risk of the riskiest."""
    known = [one for one in (own, *others) if one is not None]
    if own is None or len(known) <= len(others) or len({one.monthly.currency for one in known}) > 1:
        return own
    riskiest = max(known, key=lambda one: list(Risk).index(one.risk))
    total = sum(one.monthly.millionths for one in known)
    return riskiest._replace(monthly=own.monthly._replace(millionths=total), source=own.source)


# -- words ------------------------------------------------------------------------------------------


def _in_words(case: Case, before: Counted, after: Counted) -> str:
    """`target 60 % → 85 %, so that it scales out at the same 300m a pod`"""
    was, now = (figure(case.resource, each.trigger // 100) for each in (before, after))
    if before.percent == after.percent:
        keeps = f"{before.whose} keeps its target of {before.percent} %"
        return f"{keeps}, and scales out at {now} a pod ({was} before)"
    at = f"the same {was} a pod" if was == now else f"{now} a pod ({was} before)"
    return f"{before.whose}: target {before.percent} % → {after.percent} %, so that it scales out at {at}"


def _for_each(told: Mapping[str, Sequence[Consumer]]) -> Iterator[str]:
    """The sentences; each with whom it is about, where there are several."""
    for words, consumers in told.items():
        more = f" and {len(consumers) - 1} more" if len(consumers) > 1 else ""
        yield f"{words}, of {consumers[0].ref}{more}" if len(told) > 1 else words


def stages(case: Case, found: Joint | None) -> list[Stage]:
    """What autoscalers have to do with it."""
    if found is not None and found.words:
        return [Stage(AUTOSCALER, None, found.words)]
    counted = counted_of(case)
    told = [
        f"{one.whose} scales out at {one.percent} % of {figure(case.resource, one.total)} a pod"
        for one in counted
    ]
    free = [
        f"{_named(scaler)} aims for an amount of {case.resource}, which no request moves"
        for consumer in case.consumers
        for scaler in _acting(case, consumer)
        if _aims(case, consumer, scaler) and not _shares_of(case, consumer, scaler)
    ]
    words = "; ".join(dict.fromkeys([*told, *free]))
    return [Stage(AUTOSCALER, None, words)] if words else []


def _named(scaler: Scaler) -> str:
    return f"{scaler.kind} {scaler.name}"


def _because(scaler: Scaler, words: str) -> Refused:
    reason = _SCALED_BY.get(scaler.kind, Reason.SCALED_BY_HPA)
    return Refused(reason, f"{_named(scaler)} ({scaler.path}:{scaler.line}) {words}")

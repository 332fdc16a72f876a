"""One request, with all that its decision needs, read out of the evidence."""

from __future__ import annotations

from typing import NamedTuple

from reconciler.model import (
    Consumer,
    ContainerRef,
    Evidence,
    Field,
    LastChange,
    LevelPolicy,
    NoUsage,
    Reason,
    Refused,
    Slot,
    Usage,
)
from reconciler.quantity import BadQuantity, read
from reconciler.requested import LIMIT_OF, in_force
from reconciler.sizing.classes import GUARANTEED, Pod, holds_apart, pod_of, quality


class Planned(NamedTuple):
    """What is needed for planned peaks, at least; `unknown` says why that may not be all."""

    value: int
    words: str
    unknown: str


class Case(NamedTuple):
    """What is asked: the request of one resource, for everyone that its line feeds.

    Their peers have lines of their own; what those need counts just the same.
    """

    evidence: Evidence
    slot: Slot
    limit_slot: Slot | None
    level: LevelPolicy
    consumers: tuple[Consumer, ...]  # ordered, so that the order of the evidence doesn't matter
    peers: tuple[Consumer, ...]
    stated: int | None  # the request as the file has it
    limit: int | None
    resource: str  # cpu | memory
    planned: Planned | None = None
    pods: tuple[tuple[Consumer, Pod], ...] = ()  # of everyone on the line, as they are in force
    guaranteed: bool = False  # and the policy keeps it so
    holds_apart: bool = False  # request and limit may not become one, or a Burstable pod were Guaranteed
    default_request: int | None = None  # the namespace's, where neither is set
    limit_is_default: bool = False

    @property
    def peak_ahead(self) -> Planned | None:
        """The planned peak that is more than the policy's own floor."""
        return self.planned if self.planned and self.planned.value >= self.level.floor else None

    @property
    def in_force(self) -> int | None:
        """Kubernetes takes the limit for a request that isn't set, and then the namespace's default."""
        if self.stated is not None:
            return self.stated
        return self.default_request if self.limit is None or self.limit_is_default else self.limit

    @property
    def measured(self) -> tuple[tuple[Consumer, Usage], ...]:
        """Those on the line first: of equal needs theirs is the one that is told."""
        return tuple(
            (one, one.usage) for one in (*self.consumers, *self.peers) if isinstance(one.usage, Usage)
        )

    @property
    def unmeasured(self) -> tuple[tuple[Consumer, NoUsage], ...]:
        return tuple((one, one.usage) for one in self.consumers if isinstance(one.usage, NoUsage))

    @property
    def unmeasured_peers(self) -> tuple[tuple[Consumer, NoUsage], ...]:
        return tuple((one, one.usage) for one in self.peers if isinstance(one.usage, NoUsage))

    def is_peer(self, consumer: Consumer) -> bool:
        """Whether it counts for others alone, and gets nothing from the line."""
        return consumer.ref not in {one.ref for one in self.consumers}

    def limit_of(self, consumer: Consumer) -> int | None:
        """Under which it was measured: the one beside the line, or a peer's own."""
        if consumer.peer is None or not self.is_peer(consumer):
            return self.limit
        return consumer.peer.cpu_limit if self.resource == "cpu" else consumer.peer.memory_limit

    @property
    def last_change(self) -> LastChange | None:
        return self._last_of(self.slot.field)

    @property
    def last_limit_change(self) -> LastChange | None:
        return self._last_of(LIMIT_OF[self.slot.field])

    def _last_of(self, field: Field) -> LastChange | None:
        mine = [change for change in self.evidence.last_changes if change.field is field]
        return max(mine, default=None)


def slot_of(evidence: Evidence, field: Field) -> Slot | None:
    return next((slot for slot in evidence.slots if slot.field is field), None)


def open_case(evidence: Evidence, slot: Slot) -> Case | Refused:
    """The case of that request; refused when a text can't be read as a quantity."""
    limit_slot = slot_of(evidence, LIMIT_OF[slot.field])
    stated = _read(slot)
    if isinstance(stated, Refused):
        return stated
    limit = _read(limit_slot) if limit_slot else None
    if isinstance(limit, Refused):
        return limit
    sizing = evidence.policy.sizing
    level = sizing.cpu if slot.field is Field.CPU_REQUEST else sizing.memory
    consumers = _consumers(evidence, slot)
    peers = _peers(evidence, slot, consumers)
    case = Case(evidence, slot, limit_slot, level, consumers, peers, stated, limit, slot.field.resource)
    return _in_its_pods(case)


def _in_its_pods(case: Case) -> Case:
    """With what the namespace gives to a container that sets nothing, and with the class of its pods."""
    texts = {slot.field: slot.value for slot in case.evidence.slots}
    pods = []
    for one in case.consumers:
        own = one.own or in_force(one.ref, one.init, one.sidecar, texts, one.limit_ranges)
        pods.append((one, pod_of(one, own)))
    keeps = case.evidence.policy.sizing.qos_class == "keep"
    ranges = [one for each in case.consumers for one in each.limit_ranges]
    mine = [one for one in ranges if one.kind == "Container" and one.resource == case.resource]
    requests = [one.default_request for one in mine if one.default_request is not None]
    limits = [one.default_limit for one in mine if one.default_limit is not None]
    by_default = case.limit is None and bool(limits)
    return case._replace(
        pods=tuple(pods),
        guaranteed=keeps and any(quality(pod) == GUARANTEED for _, pod in pods),
        holds_apart=keeps and holds_apart(pods, case.slot.field),
        default_request=min(requests, default=None),
        limit_is_default=by_default,
        limit=min(limits) if by_default else case.limit,
    )


def _read(slot: Slot) -> int | Refused | None:
    if slot.value is None:
        return None
    try:
        value = read(slot.field, slot.value)
    except BadQuantity as bad:
        return Refused(Reason.BAD_QUANTITY, f"{slot.field}: {bad}")
    if value < 0:
        return Refused(Reason.BAD_QUANTITY, f"{slot.field}: {slot.value} is less than nothing")
    return value


def _consumers(evidence: Evidence, slot: Slot) -> tuple[Consumer, ...]:
    known = {one.ref: one for one in evidence.consumers}
    refs = slot.consumers or tuple(one.ref for one in evidence.consumers if one.peer is None)
    return tuple(with_samples(known.get(ref) or _stranger(ref), slot) for ref in sorted(set(refs)))


def _peers(evidence: Evidence, slot: Slot, fed: tuple[Consumer, ...]) -> tuple[Consumer, ...]:
    """Of those on this very line: another line of the container may feed others, with other peers."""
    own = {one.ref for one in fed}
    found = {one.ref: one for one in evidence.consumers if one.peer is not None and own & {*one.peer.of}}
    return tuple(with_samples(found[ref], slot) for ref in sorted(found.keys() - own))


def with_samples(one: Consumer, slot: Slot) -> Consumer:
    """A usage without a single sample of this resource is no usage."""
    if isinstance(one.usage, NoUsage):
        return one
    sketch = one.usage.cpu if slot.field is Field.CPU_REQUEST else one.usage.memory
    if any(sketch.counts):
        return one
    detail = f"{one.usage.source} has no {slot.field.resource} samples of {one.ref} within the window"
    return one._replace(usage=NoUsage(Reason.NO_METRICS, detail))


def _stranger(ref: ContainerRef) -> Consumer:
    detail = f"{ref} gets its value from this line too, and nothing is known of its use"
    return Consumer(ref, NoUsage(Reason.NO_METRICS, detail), 1, False, False, ())

"""Discoveries, usage, policies and history, brought together as evidence. Pure but for asking usage."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from reconciler.model import (
    AS_IT_STANDS,
    Change,
    Consumer,
    Container,
    ContainerRef,
    Cost,
    Decision,
    Discovery,
    Evidence,
    Failure,
    Field,
    Keep,
    LastChange,
    NodeSize,
    Note,
    NoUsage,
    Peer,
    Policy,
    Price,
    Reason,
    Slot,
    Usage,
    Workload,
    containers,
)
from reconciler.peers import Member, Peers
from reconciler.pods import Pods
from reconciler.ports import Files, Past, Policies, Progress
from reconciler.pricing import Prices
from reconciler.proposals.group import keep
from reconciler.proposals.history import History, events_of, history, merged_elsewhere, taken_back
from reconciler.quantity import BadQuantity, read
from reconciler.sizing import without_room
from reconciler.source.discover import only_raised, opted_out
from reconciler.source.mapping import in_force
from reconciler.usage.port import UsageSource

RESOURCE_FIELDS = (Field.CPU_REQUEST, Field.MEMORY_REQUEST, Field.CPU_LIMIT, Field.MEMORY_LIMIT)
DAY = 86_400


class Subject(NamedTuple):
    """One container that is to be judged, with the policy that holds for it, and its peers.

    `unseen` is what else may hold a peer, and can't be looked into.
    """

    workload: Workload
    container: Container
    policy: Policy
    opted_out: str
    peers: tuple[Member, ...] = ()
    unseen: str = ""
    raise_only: str = ""  # as `opted_out`: the annotation that says so
    twins: tuple[Member, ...] = ()  # from whom it gets its first request, while it has no history


class Sources(NamedTuple):
    """Which metrics source answers for which cluster. "" is every cluster not named."""

    by_cluster: Mapping[str, UsageSource]

    def of(self, cluster: str) -> UsageSource | None:
        return self.by_cluster.get(cluster) or self.by_cluster.get("")


def subjects(discovery: Discovery, policies: Policies) -> tuple[list[Subject], list[Failure]]:
    """Every container with its policy; one whose policies contradict each other is a failure."""
    found: list[Subject] = []
    failed: list[Failure] = []
    for workload, container in containers(discovery.workloads):
        policy = policies.resolve(workload, container)
        if isinstance(policy, Failure):
            failed.append(policy)
        else:
            no, only_up = opted_out(workload, container), only_raised(workload, container)
            found.append(Subject(workload, container, policy, no, raise_only=only_up))
    return found, failed


def with_peers(found: Iterable[Subject], peers: Peers) -> Iterator[Subject]:
    for subject in found:
        members, unseen = peers.of(consumers_of(subject.container), subject.policy.peers)
        yield subject._replace(peers=members, unseen=unseen)


class Lookback(NamedTuple):
    """How far back a policy looks, and after how many days what was used counts half as much; 0 is never."""

    days: int
    half_life: int

    @classmethod
    def of(cls, policy: Policy) -> Lookback:
        return cls(policy.sizing.window_days, policy.sizing.cpu.half_life_days)


Asked = tuple[ContainerRef, Lookback]


class Span(NamedTuple):
    """Days of the past that a planned peak asks for."""

    start: int
    end: int
    half_life: int


class Measured(NamedTuple):
    """What everyone used within the window of each policy that asks, and what that took."""

    usage: Mapping[Asked, Usage | NoUsage]
    failures: tuple[Failure, ...]
    costs: tuple[Cost, ...]
    notes: tuple[Note, ...]
    prices: Prices = Prices()
    year_before: Mapping[tuple[ContainerRef, Span], Usage | NoUsage] = MappingProxyType({})


def measure(wanted: Sequence[Subject], sources: Sources, now: int, progress: Progress) -> Measured:
    """Whoever a line feeds, and their peers, within the window of the policy that asks."""
    measured: dict[Asked, Usage | NoUsage] = {}
    failures: dict[Failure, None] = {}
    costs: list[Cost] = []
    notes: dict[Note, None] = {}
    lookbacks = _lookbacks(wanted)
    advance = progress.step("Reading utilization", sum(map(len, lookbacks.values())))
    for source, refs in by_source(lookbacks, sources):
        if source is None:
            silence = NoUsage(
                Reason.NO_METRICS, "no metrics source is configured for it; --metrics names one"
            )
            measured.update(((ref, back), silence) for ref in refs for back in lookbacks[ref])
            continue
        # The longest first: a server that has told of it has told of the shorter ones.
        for back in sorted({back for ref in refs for back in lookbacks[ref]}, reverse=True):
            # All of them are named each time: only so can the source see which it can't tell apart.
            reading = source.read(refs, now - back.days * DAY, now, half_life=back.half_life, told=progress)
            chosen = {
                (ref, back): found for ref, found in reading.usage.items() if back in lookbacks.get(ref, ())
            }
            measured.update(chosen)
            failures.update(dict.fromkeys(reading.failures))
            notes.update(dict.fromkeys(reading.notes))
            costs += reading.costs
            advance(len(chosen))
    return Measured(measured, tuple(failures), summed(costs), tuple(notes))


def _lookbacks(wanted: Iterable[Subject]) -> dict[ContainerRef, set[Lookback]]:
    found: dict[ContainerRef, set[Lookback]] = {}
    for subject in wanted:
        others = (member.container.ref for member in (*subject.peers, *subject.twins))
        for ref in (*consumers_of(subject.container), *others):
            found.setdefault(ref, set()).add(Lookback.of(subject.policy))
    return found


def by_source(
    refs: Iterable[ContainerRef], sources: Sources
) -> list[tuple[UsageSource | None, list[ContainerRef]]]:
    batches: dict[int, tuple[UsageSource | None, list[ContainerRef]]] = {}
    for ref in sorted(refs):
        source = sources.of(ref.cluster)
        batches.setdefault(id(source), (source, []))[1].append(ref)
    return list(batches.values())


def summed(costs: Iterable[Cost]) -> tuple[Cost, ...]:
    """One a source, however often it was asked."""
    sums: dict[str, Cost] = {}
    for cost in costs:
        before = sums.get(cost.source)
        added = cost if before is None else [cost.source, *map(sum, zip(before[1:], cost[1:], strict=True))]
        sums[cost.source] = Cost._make(added)
    return tuple(sums.values())


class Known(NamedTuple):
    """What is known of every container, whoever of them a line feeds."""

    usage: Mapping[Asked, Usage | NoUsage]
    subjects: Mapping[ContainerRef, Subject]
    pods: Pods
    prices: Prices


def known_of(
    measured: Measured,
    subjects: Sequence[Subject],
    discoveries: Iterable[Discovery],
    nodes: Mapping[str, NodeSize],
) -> Known:
    """`discoveries` are of all repositories: a line may feed, and a namespace hold, what others define."""
    replicas = {ref: used.replicas for (ref, _), used in measured.usage.items() if isinstance(used, Usage)}
    workloads = (workload for one in discoveries for workload in one.workloads)
    by_ref = {one.container.ref: one for one in subjects}
    return Known(measured.usage, by_ref, Pods(workloads, nodes, replicas), measured.prices)


def evidence(subject: Subject, known: Known, discovery: Discovery, past: History, now: int) -> Evidence:
    container, workload = subject.container, subject.workload
    refs = consumers_of(container)
    return Evidence(
        now=now,
        repository=discovery.repository,
        commit=discovery.commit,
        blob=next(filter(None, (discovery.blobs.get(path) for path in workload.files)), ""),
        slots=tuple(slot for slot in container.slots if slot.field in RESOURCE_FIELDS),
        consumers=_counted(subject, refs, known),
        policy=subject.policy,
        last_changes=tuple(
            past.merged[ref, field.value]
            for ref in refs
            for field in RESOURCE_FIELDS
            if (ref, field.value) in past.merged
        ),
        opted_out=subject.opted_out,
        raise_only=subject.raise_only,
        price=_price(container.ref, workload, known.prices),
    )


Row = tuple[Workload, Decision]


def fitting(decided: Sequence[Sequence[Row]]) -> list[list[Row]]:
    """The decisions of all repositories, without changes for which the others leave no room."""
    changes = [row for rows in decided for _, row in rows if isinstance(row, Change)]
    refused = {id(changes[at]): why for at, why in without_room(changes).items()}

    def settled(row: Decision) -> Sequence[Decision]:
        why = refused.get(id(row))
        return [row] if why is None or isinstance(row, Keep) else keep(row, *why)

    return [[(workload, one) for workload, row in rows for one in settled(row)] for rows in decided]


def told(discovery: Discovery, past: Past, now: int) -> History:
    """The ledger, what the forge adds to it, and what the files themselves show to be merged."""
    in_force = {
        (container.ref, slot.field.value): slot.value
        for _, container in containers(discovery.workloads)
        for slot in container.slots
    }
    new = events_of(past.requests, past.ledger)
    entries = [*past.ledger, *new, *merged_elsewhere(past.requests, in_force, now)]
    forgotten = taken_back(entries, past.requests, past.wishes, now)
    return history([*entries, *forgotten], past.requests)._replace(forgotten=forgotten)


def with_people(
    files: Files, found: Discovery, subjects: Sequence[Subject], told: History, now: int
) -> History:
    """What the ledger tells, and what Git tells of changes that people made within the cool-down."""
    longest = max((subject.policy.sizing.cool_down for subject in subjects), default=0)
    before = files.before(now - longest) if longest else None
    if before is None:
        return told
    merged = dict(told.merged)
    for target, change in changed_since(found, files, before).items():
        if target not in merged or merged[target].new != change.new:
            merged[target] = change
    return told._replace(merged=merged)


def changed_since(found: Discovery, now: Files, before: Files) -> dict[tuple[ContainerRef, str], LastChange]:
    """Requests and limits that differ from an earlier state, whoever changed them, and when that was."""
    old = {
        (container.ref, slot.field): slot
        for _, container in containers(before.discover().workloads)
        for slot in container.slots
        if slot.refused is None
    }
    changed: dict[tuple[ContainerRef, str], LastChange] = {}
    for _, container in containers(found.workloads):
        for slot in container.slots:
            if slot.field not in RESOURCE_FIELDS or slot.value is None:
                continue
            texts: tuple[str | None, str | None]
            if slot.how_traced == AS_IT_STANDS:
                past = old.get((container.ref, slot.field))
                texts = (past.value if past is not None else slot.value, slot.value)
            else:  # what was rendered then isn't known, but what stood at this place is
                texts = (_meant(slot, before.value(slot.place)), _meant(slot, now.value(slot.place)))
            amounts = amount(slot.field, texts[0]), amount(slot.field, texts[1])
            if amounts[0] != amounts[1]:
                at = now.touched(slot.place.path)
                changed[container.ref, slot.field.value] = LastChange(at, slot.field, *amounts)
    return changed


def _meant(slot: Slot, text: str | None) -> str | None:
    return in_force(slot, text) if text is not None else None


def amount(field: Field, text: str | None) -> int:
    try:
        return read(field, text) if text is not None else 0
    except BadQuantity:
        return 0


def defined_by_several(found: Iterable[Subject | Member]) -> dict[ContainerRef, NoUsage]:
    """Containers that several units or repositories define under one name: whose usage it is, nobody can say.

    What stands twice in the manifests of one repository is refused as such, and not meant here.
    """
    seen: dict[ContainerRef, dict[str, None]] = {}
    for one in found:
        workload = one.workload
        rendered = any(slot.how_traced != AS_IT_STANDS for slot in one.container.slots)
        name = f"{workload.unit} in {workload.path}" if rendered else workload.repository
        seen.setdefault(one.container.ref, {})[name] = None
    return {
        ref: NoUsage(Reason.AMBIGUOUS_CLUSTER, f"{' and '.join(names)} both define it; name their clusters")
        for ref, names in seen.items()
        if len(names) > 1
    }


def consumers_of(container: Container) -> list[ContainerRef]:
    """Everyone that the container's places feed, itself first."""
    places = (slot for slot in container.slots if not slot.field.is_target)
    others = {ref for slot in places for ref in slot.consumers} - {container.ref}
    return [container.ref, *sorted(others)]


def _counted(subject: Subject, fed: Sequence[ContainerRef], known: Known) -> tuple[Consumer, ...]:
    """Everyone whose needs count: those that the lines feed, and then their peers."""
    slots = [one for one in subject.container.slots if one.field in RESOURCE_FIELDS and one.consumers]
    on_all = set(fed).intersection(*(slot.consumers for slot in slots))
    peers = {one.container.ref: one for one in subject.peers if one.container.ref not in on_all}
    texts = {slot.field: slot.value for slot in slots}
    own = _price(subject.container.ref, subject.workload, known.prices)
    found = []
    for ref in (*fed, *sorted(peers.keys() - {*fed})):
        member = peers.get(ref)
        meant = known.subjects.get(ref, subject if member is None else member)
        silence = NoUsage(Reason.NO_METRICS, "it was not asked for")
        used = known.usage.get((ref, Lookback.of(subject.policy)), silence)
        if subject.unseen and isinstance(used, Usage):
            used = used._replace(incomplete=used.incomplete or subject.unseen, forgotten=0)
        price = _price(ref, meant.workload, known.prices)
        one = consumer_of(ref, meant, used)._replace(
            peer=peer_of(member), price=price if price != own else None
        )
        found.append(known.pods.around(one, texts) if member is None else one)
    return tuple(found)


def _price(ref: ContainerRef, workload: Workload, prices: Prices) -> Price:
    """Which nodes its pods choose is known of its own workload alone."""
    known = (workload.cluster, workload.namespace, workload.kind, workload.name) == ref[:4]
    return prices.of(ref.cluster, workload.node_selector if known else ())


def peer_of(member: Member | None) -> Peer | None:
    if member is None:
        return None
    texts = {slot.field: slot.value for slot in member.container.slots}
    cpu, memory = (amount(field, texts.get(field)) for field in (Field.CPU_LIMIT, Field.MEMORY_LIMIT))
    return Peer(member.of, cpu, memory)


def consumer_of(ref: ContainerRef, meant: Subject | Member, used: Usage | NoUsage) -> Consumer:
    seen = used.replicas if isinstance(used, Usage) else 0
    return Consumer(
        ref=ref,
        usage=used,
        replicas=seen or meant.workload.replicas or 1,
        init=meant.container.init,
        sidecar=meant.container.sidecar,
        scalers=meant.workload.scalers,
        runtime=meant.container.runtime,
    )

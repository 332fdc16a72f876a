"""Discoveries, usage, policies and history, brought together as evidence. Pure but for asking usage."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from reconciler.model import (
    AS_IT_STANDS,
    Consumer,
    Container,
    ContainerRef,
    Cost,
    Discovery,
    Evidence,
    Failure,
    Field,
    LastChange,
    NoUsage,
    Policy,
    Reason,
    Slot,
    Usage,
    Workload,
    containers,
)
from reconciler.ports import Files, Policies, Progress
from reconciler.proposals.history import History
from reconciler.quantity import BadQuantity, read
from reconciler.source.mapping import in_force
from reconciler.usage.port import Reading, UsageSource

RESOURCE_FIELDS = (Field.CPU_REQUEST, Field.MEMORY_REQUEST, Field.CPU_LIMIT, Field.MEMORY_LIMIT)
DAY = 86_400


class Subject(NamedTuple):
    """One container that is to be judged, with the policy that holds for it."""

    workload: Workload
    container: Container
    policy: Policy
    opted_out: str


class Sources(NamedTuple):
    """Which metrics source answers for which cluster. "" is every cluster not named."""

    by_cluster: Mapping[str, UsageSource]

    def of(self, cluster: str) -> UsageSource | None:
        return self.by_cluster.get(cluster) or self.by_cluster.get("")


def subjects(
    discovery: Discovery, policies: Policies, opted_out: Mapping[Workload, str] | None = None
) -> tuple[list[Subject], list[Failure]]:
    """Every container with its policy; one whose policies contradict each other is a failure."""
    found: list[Subject] = []
    failed: list[Failure] = []
    for workload, container in containers(discovery.workloads):
        policy = policies.resolve(workload, container)
        if isinstance(policy, Failure):
            failed.append(policy)
        else:
            found.append(Subject(workload, container, policy, (opted_out or {}).get(workload, "")))
    return found, failed


def measure(wanted: Sequence[Subject], sources: Sources, now: int, progress: Progress) -> Reading:
    """What every container used, within the window of its own policy."""
    measured: dict[ContainerRef, Usage | NoUsage] = {}
    failures: dict[Failure, None] = {}
    costs: list[Cost] = []
    windows = {
        ref: subject.policy.sizing.window_days for subject in wanted for ref in _consumers(subject.container)
    }
    advance = progress.step("Reading utilization", len(windows))
    for source, refs in _by_source(windows, sources):
        if source is None:
            silence = NoUsage(Reason.NO_METRICS, "no metrics source is configured for it")
            measured.update(dict.fromkeys(refs, silence))
            continue
        for days in sorted({windows[ref] for ref in refs}):
            # All of them are named each time: only so can the source see which it can't tell apart.
            reading = source.read(refs, now - days * DAY, now, told=progress)
            chosen = {ref: found for ref, found in reading.usage.items() if windows[ref] == days}
            measured.update(chosen)
            failures.update(dict.fromkeys(reading.failures))
            costs += reading.costs
            advance(len(chosen))
    return Reading(measured, tuple(failures), _summed(costs))


def _by_source(
    refs: Iterable[ContainerRef], sources: Sources
) -> list[tuple[UsageSource | None, list[ContainerRef]]]:
    batches: dict[int, tuple[UsageSource | None, list[ContainerRef]]] = {}
    for ref in sorted(refs):
        source = sources.of(ref.cluster)
        batches.setdefault(id(source), (source, []))[1].append(ref)
    return list(batches.values())


def _summed(costs: Iterable[Cost]) -> tuple[Cost, ...]:
    """One a source, however often it was asked."""
    sums: dict[str, Cost] = {}
    for cost in costs:
        before = sums.get(cost.source)
        added = cost if before is None else [cost.source, *map(sum, zip(before[1:], cost[1:], strict=True))]
        sums[cost.source] = Cost._make(added)
    return tuple(sums.values())


class Known(NamedTuple):
    """What is known of every container, whoever of them a line feeds."""

    usage: Mapping[ContainerRef, Usage | NoUsage]
    subjects: Mapping[ContainerRef, Subject]


def evidence(subject: Subject, known: Known, discovery: Discovery, past: History, now: int) -> Evidence:
    container, workload = subject.container, subject.workload
    refs = _consumers(container)
    return Evidence(
        now=now,
        repository=discovery.repository,
        commit=discovery.commit,
        blob=next(filter(None, (discovery.blobs.get(path) for path in workload.files)), ""),
        slots=tuple(slot for slot in container.slots if slot.field in RESOURCE_FIELDS),
        consumers=tuple(_consumer(ref, known.subjects.get(ref, subject), known.usage) for ref in refs),
        policy=subject.policy,
        last_changes=tuple(
            past.merged[ref, field.value]
            for ref in refs
            for field in RESOURCE_FIELDS
            if (ref, field.value) in past.merged
        ),
        opted_out=subject.opted_out,
    )


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
            amounts = _amount(slot.field, texts[0]), _amount(slot.field, texts[1])
            if amounts[0] != amounts[1]:
                at = now.touched(slot.place.path)
                changed[container.ref, slot.field.value] = LastChange(at, slot.field, *amounts)
    return changed


def _meant(slot: Slot, text: str | None) -> str | None:
    return in_force(slot, text) if text is not None else None


def _amount(field: Field, text: str | None) -> int:
    try:
        return read(field, text) if text is not None else 0
    except BadQuantity:
        return 0


def defined_by_several(sites: Iterable[Sequence[Subject]]) -> dict[ContainerRef, NoUsage]:
    """Containers that several units or repositories define under one name: whose usage it is, nobody can say.

    What stands twice in the manifests of one repository is refused as such, and not meant here.
    """
    seen: dict[ContainerRef, dict[str, None]] = {}
    for subjects_of in sites:
        for subject in subjects_of:
            workload = subject.workload
            rendered = any(slot.how_traced != AS_IT_STANDS for slot in subject.container.slots)
            name = f"{workload.unit} in {workload.path}" if rendered else workload.repository
            seen.setdefault(subject.container.ref, {})[name] = None
    return {
        ref: NoUsage(Reason.AMBIGUOUS_CLUSTER, f"{' and '.join(names)} both define it; name their clusters")
        for ref, names in seen.items()
        if len(names) > 1
    }


def _consumers(container: Container) -> list[ContainerRef]:
    """Everyone that the container's places feed, itself first."""
    others = {ref for slot in container.slots for ref in slot.consumers} - {container.ref}
    return [container.ref, *sorted(others)]


def _consumer(ref: ContainerRef, subject: Subject, usage: Mapping[ContainerRef, Usage | NoUsage]) -> Consumer:
    used = usage.get(ref, NoUsage(Reason.NO_METRICS, "it was not asked for"))
    seen = used.replicas if isinstance(used, Usage) else 0
    return Consumer(
        ref=ref,
        usage=used,
        replicas=seen or subject.workload.replicas or 1,
        init=subject.container.init,
        sidecar=subject.container.sidecar,
        scalers=subject.workload.scalers,
    )

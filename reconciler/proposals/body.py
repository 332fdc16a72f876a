"""The words of a merge request: title, body and commit message.

Written for the reviewer: first what it does, what that is worth and how sure it is; then each value with
what it was measured against and its reason; then, folded, the evidence for whoever wants to check; then
what happens next. The forge's limit is kept by leaving out what matters least.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from reconciler import money
from reconciler.model import Change, ChangeClass, Field, Keep, Slot
from reconciler.proposals import images, worth
from reconciler.proposals.body_chart import charts
from reconciler.proposals.body_evidence import evidence, queries
from reconciler.proposals.body_fit import ALWAYS, Section, fitted
from reconciler.proposals.body_kept import why_not_more
from reconciler.proposals.body_next import controls, next_steps
from reconciler.proposals.body_rendered import difference, proofs
from reconciler.proposals.body_values import table, why
from reconciler.proposals.confidence import overall
from reconciler.proposals.group import Base, Group, first_consumer, whom
from reconciler.proposals.hindsight import hindsight
from reconciler.proposals.markdown import prose, still
from reconciler.proposals.surface import Surface
from reconciler.quantity import human_cpu, human_memory, read


def title_subject(group: Group) -> str:
    """What the merge request does, short enough for a subject line."""
    refs = sorted({first_consumer(change) for change in group.changes})
    resized = "give more to" if group.klass is ChangeClass.SAFETY else "right-size"
    verbs = {images.RESOURCES: resized, images.IMAGES: "update images of"}
    verb = verbs.get(images.scope(group.changes), f"{resized} and update images of")
    workloads = sorted({ref.workload for ref in refs})
    if len(workloads) == 1:  # one chart may be deployed to several places, each with a request of its own
        places = sorted({f"{ref.cluster}/{ref.namespace}".strip("/") for ref in refs})
        where = f" in {still(places[0])}" if len(places) == 1 and places[0] else ""
        return f"{verb} {still(workloads[0])}{where}"
    return f"{verb} {len(workloads)} workloads in {still(group.name)}"


def body(group: Group, base: Base, memo: str, surface: Surface, near: Sequence[Keep] = ()) -> str:
    """`near` is what the same workloads keep. The order is a reader's; the weights, what goes first."""
    changes = group.changes
    resized, new = images.apart(changes)
    sections = [
        Section("the verdict", ALWAYS, f"**{prose(_headline(changes, resized))}**"),
        Section("the prices", 4, " ".join(map(prose, worth.priced(changes)))),
        *([table(resized, base.commit, surface, 1)] if resized else []),
        *([why(resized, surface, 2)] if resized else []),
        *charts(resized, surface, 8),
        hindsight(resized, surface, 5),
        images.table(new, 1),
        images.why(new, 2),
        proofs(changes, 6),
        difference(changes, surface, 10),
        evidence(resized, surface, 7) if resized else Section("evidence", 7, ""),
        images.evidence(new, surface, 7),
        queries(resized, surface, 11),
        why_not_more(near, surface, 12, images=not resized),
        next_steps(group, 3),
        controls(group, base.branch, surface),
        Section("what the bot remembers", ALWAYS, memo),
    ]
    return fitted(sections, surface.body_limit)


def _headline(changes: Sequence[Change], resized: Sequence[Change]) -> str:
    """What, how much is saved, and how sure."""
    sure = overall(resized)
    told = f"; confidence: {sure.level} ({sure.why})" if sure is not None else ""
    return f"{verdict(changes)}{worth.risked(changes)}{told}"


def message_body(group: Group) -> str:
    """The commit message below its subject: the same facts, plain."""
    lines = []
    for change in group.changes:
        ref = first_consumer(change)
        moved = ", ".join(
            f"{_named(change, slot)} {slot.value or 'unset'} -> {new}" for slot, new in change.values
        )
        lines += [still(f"{ref}: {moved}"), f"  {still(change.because)}"]
    return "\n".join(lines)


def _named(change: Change, slot: Slot) -> str:
    """The field, with the container where it is another one of the pod."""
    ref = whom(change, slot)
    return f"{slot.field} of {ref.container}" if ref != first_consumer(change) else slot.field.value


def verdict(changes: Sequence[Change]) -> str:
    """One line: how much is given back or added, over all replicas, and what that is worth."""
    images = sum(change.klass is ChangeClass.IMAGE for change in changes)
    updates = f"updates {images} image{'' if images == 1 else 's'}" if images else ""
    if images == len(changes) and images:
        return f"{updates[:1].upper()}{updates[1:]}"
    cpu, memory = totals(changes)
    told = [updates] if updates else []
    for verb, sign in (("frees", -1), ("adds", 1)):
        parts = [
            words(abs(amount))
            for amount, words in ((cpu, human_cpu), (memory, human_memory))
            if amount * sign > 0
        ]
        if parts:
            told.append(f"{verb} {' and '.join(parts)}")
    amount = ", ".join(told) or "moves no total"
    moved = money.clause(worth.monthly(changes))
    return f"{amount[:1].upper()}{amount[1:]} of requests over all replicas{f', {moved}' if moved else ''}"


def totals(changes: Iterable[Change]) -> tuple[int, int]:
    """The change of requested CPU and memory, over all replicas of everyone on the lines."""
    sums = {"cpu": 0, "memory": 0}
    for change in changes:
        replicas = sum(consumer.replicas for consumer in change.evidence.fed)
        for slot, new in change.values:
            if slot.field in (Field.CPU_REQUEST, Field.MEMORY_REQUEST):
                sums[slot.field.resource] += (read(slot.field, new) - _in_force(change, slot)) * replicas
    return sums["cpu"], sums["memory"]


def _in_force(change: Change, of: Slot) -> int:
    """The request the scheduler sees now: without one, the limit counts."""
    limit = Field.CPU_LIMIT if of.field is Field.CPU_REQUEST else Field.MEMORY_LIMIT
    for wanted in (of.field, limit):
        for slot in change.evidence.slots if of in change.evidence.slots else (of,):
            if slot.field is wanted and slot.value is not None:
                return read(slot.field, slot.value)
    return 0

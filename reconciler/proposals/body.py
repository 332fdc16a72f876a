"""The words of a merge request: title, body and commit message.

Written for the reviewer: first what it does and what that is worth, then each value with its
reason, then the evidence for whoever wants to check, then what happens next.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from reconciler import money
from reconciler.model import Change, ChangeClass, Consumer, Field, Proof, Slot, Usage
from reconciler.proposals import images, worth
from reconciler.proposals.group import Group, fingerprint, first_consumer, others_on, whom
from reconciler.proposals.hindsight import hindsight
from reconciler.proposals.markdown import code, prose, still
from reconciler.quantity import human_cpu, human_memory, read

# Forges cut off or refuse longer bodies; the least important parts are left out first.
MOST_ROWS = 60
MOST_PEERS = 6
MOST_OPTIONS = 6
_BARS = "▁▂▃▄▅▆▇█"


def title_subject(group: Group) -> str:
    """What the merge request does, short enough for a subject line."""
    refs = sorted({first_consumer(change) for change in group.changes})
    resized = "give more to" if group.klass is ChangeClass.SAFETY else "right-size"
    verbs = {images.RESOURCES: resized, images.IMAGES: "update images of"}
    verb = verbs.get(images.scope(group.changes), f"{resized} and update images of")
    workloads = sorted({ref.workload for ref in refs})
    if len(workloads) == 1:
        return f"{verb} {still(workloads[0])}"
    return f"{verb} {len(workloads)} workloads in {still(group.name)}"


def body(group: Group, mode_words: str, memo: str) -> str:
    resized, new = images.apart(group.changes)
    if not resized:
        return images.body(group, verdict(group.changes), _proofs(group.changes), mode_words, memo)
    parts = [
        f"**{prose(verdict(group.changes) + worth.risked(group.changes))}**",
        " ".join(map(prose, worth.priced(group.changes))),
        _table(resized),
        _why(resized),
        hindsight(resized),
        images.section(new),
        _proofs(group.changes),
        _evidence(resized),
        images.evidence(new),
        f"**What happens next.** {mode_words}",
        "Close this merge request to say no: it stays closed until the numbers leave the band around "
        f"these{images.BESIDE if new else ''}. A commit of yours on its branch makes the branch yours.",
        memo,
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


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


def _table(changes: Sequence[Change]) -> str:
    rows = [
        "| container | value | now | proposed | p50 / p95 / max used | daily peaks |",
        "| --- | --- | ---: | ---: | --- | --- |",
    ]
    cells = [row for change in changes for row in _rows(change)]
    rows += cells[:MOST_ROWS]
    if len(cells) > MOST_ROWS:
        rows.append(f"| … and {len(cells) - MOST_ROWS} more, in the diff | | | | | |")
    return "\n".join(rows)


def _rows(change: Change) -> list[str]:
    used = _largest(change.evidence.fed)
    rows = []
    for slot, new in change.values:
        ref, others = whom(change, slot), others_on(slot)
        measured = used is not None and (slot in change.evidence.slots or change.klass is ChangeClass.IMAGE)
        figures, peaks = _figures(slot.field, used) if used is not None and measured else ("–", "–")
        shared = f" and {others} more" if others else ""
        rows.append(
            f"| {code(f'{ref.namespace}/{ref.workload}/{ref.container}')}{shared} | {slot.field} "
            f"| {code(slot.value or 'unset')} | {code(new)} | {figures} | {peaks} |"
        )
    return rows


def _largest(consumers: Iterable[Consumer]) -> Usage | None:
    known = [consumer.usage for consumer in consumers if isinstance(consumer.usage, Usage)]
    return max(known, key=lambda usage: usage.samples, default=None)


def _figures(field: Field, usage: Usage) -> tuple[str, str]:
    cpu = field.resource == "cpu"
    sketch, words = (usage.cpu, human_cpu) if cpu else (usage.memory, human_memory)
    quantiles = " / ".join(words(sketch.quantile(share)) for share in (500, 950, 1000))
    return quantiles, sparkline([day.cpu_max if cpu else day.memory_max for day in usage.days])


def sparkline(values: Sequence[int], width: int = 28) -> str:
    """The last values as bars from zero to the highest."""
    shown = values[-width:]
    top = max(shown, default=0)
    if top <= 0:
        return ""
    return "".join(_BARS[min(7, value * 8 // (top + 1))] for value in shown)


def _why(changes: Sequence[Change]) -> str:
    lines = [f"- {code(str(first_consumer(change)))}: {_reason(change)}" for change in changes[:MOST_ROWS]]
    return "\n".join(lines)


def _reason(change: Change) -> str:
    told = prose(change.because)
    return f"{told}. {prose(money.sentence(change.worth))}" if change.worth else told


def _proofs(changes: Sequence[Change]) -> str:
    """What the renders before and after showed, once a unit."""
    told = dict.fromkeys(proof for change in changes for proof in change.proofs)
    if not told:
        return ""
    lines = ["**Proven by rendering**", ""]
    lines += [f"- {code(proof.unit)} {prose(proof_words(proof))}" for proof in list(told)[:MOST_ROWS]]
    if len(told) > MOST_ROWS:
        lines.append(f"- … and {len(told) - MOST_ROWS} more units, alike")
    return "\n".join(lines)


def proof_words(proof: Proof) -> str:
    """What a render before and one after the edit differ in, and what that was made with."""
    fields = "1 field" if len(proof.changed) == 1 else f"{len(proof.changed)} fields"
    told = [f"renders the same but for {fields}: {_listed(proof.changed)}"]
    if proof.copies:
        told.append(f"copies of the version follow: {_listed(proof.copies)}")
    if proof.derived:
        told.append(f"the chart works out from it, as the policy allows: {_listed(proof.derived)}")
    if proof.carried:
        told.append(f"set besides, so that the rest stays: {_listed(proof.carried)}")
    if proof.noise:
        told.append(f"set aside: {proof.noise} that differ in any two renders")
    return "; ".join(told) + f" ({proof.renderer})"


def _listed(words: Sequence[str], most: int = 6) -> str:
    more = f" and {len(words) - most} more" if len(words) > most else ""
    return ", ".join(words[:most]) + more


def _evidence(changes: Sequence[Change]) -> str:
    told: dict[str, None] = {}  # the changes of one container have the same evidence
    for change in changes[:MOST_ROWS]:
        seen = _seen(_largest(change.evidence.fed))
        policies = ", ".join(code(name) for name in change.evidence.policy.names)
        digest = code(fingerprint(change.evidence)[:16])
        peers = _peers(change.evidence.peers)
        words = f"evidence {digest}, policies {policies}{'; sized with its peers:' if peers else ''}"
        lines = [
            f"- {code(str(first_consumer(change)))}: {seen}",
            *_started(change.evidence.fed),
            words,
            *peers,
        ]
        if change.evidence.twins:
            why = "taken from its twins, as it has too little history of its own:"
            lines += [f"- {why}", *(f"  {line}" for line in _peers(change.evidence.twins))]
        told["\n  ".join(lines)] = None
    return "\n".join(["<details><summary>Evidence</summary>", "", *told, "", "</details>"])


def _started(fed: Sequence[Consumer]) -> list[str]:
    """The heaps and threads that its programs are started with."""
    told = [code(str(option)) for option in dict.fromkeys(one for each in fed for one in each.runtime)]
    more = f" and {len(told) - MOST_OPTIONS} more" if len(told) > MOST_OPTIONS else ""
    return [f"started with {', '.join(told[:MOST_OPTIONS])}{more};"] if told else []


def _peers(peers: Sequence[Consumer]) -> list[str]:
    """A line each, of which Markdown makes a list within the list."""
    told = [f"- {code(str(one.ref))}: {_seen(_largest([one]))}" for one in peers[:MOST_PEERS]]
    more = len(peers) - MOST_PEERS
    return [*told, f"- … and {more} more"] if more > 0 else told


def _seen(usage: Usage | None) -> str:
    return evidence_words(usage) if usage is not None else "nothing is known of its use"


def evidence_words(usage: Usage) -> str:
    days = len(usage.days)
    told = [
        f"{usage.samples:,} samples of {usage.pods} pod{'' if usage.pods == 1 else 's'} on {days} days "
        f"({usage.coverage_permille / 10:.0f} % of those expected)"
    ]
    killed = sum(kill.kills for kill in usage.oom_kills)
    told.append(f"{killed} OOM kills" if killed else "no OOM kill")
    if usage.throttled_permille is not None:
        told.append(f"throttled in {usage.throttled_permille / 10:.1f} % of periods")
    if usage.restarts:
        told.append(f"{usage.restarts} restarts")
    if usage.scaled_on:
        told.append(f"scaled by a HorizontalPodAutoscaler on its {' and '.join(usage.scaled_on)}")
    return ", ".join(told)

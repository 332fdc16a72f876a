"""Which changes share a merge request, and what that merge request is called.

A group's name is derived from where its workloads live, never from the values, so that the
numbers of tomorrow update the merge request of today instead of opening another.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

from reconciler import canonical
from reconciler.model import (
    IN_OVERLAY,
    Change,
    ChangeClass,
    ContainerRef,
    Decision,
    Evidence,
    Freeze,
    Keep,
    Mode,
    Reason,
    Slot,
    Workload,
)
from reconciler.proposals.rank import merge_requests, ranked

# A branch and a key are built of this; anything else is replaced and a hash says which it was.
_CLEAN = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,58}[a-z0-9])?")
_RANK = {Mode.OBSERVE: 0, Mode.PROPOSE: 1, Mode.MERGE: 2}


class Candidate(NamedTuple):
    """A change, and the unit (application folder) its workload belongs to."""

    change: Change
    unit: str


class Base(NamedTuple):
    """Where merge requests of a repository go, as it was when this run looked."""

    repository: str
    branch: str
    commit: str


class Group(NamedTuple):
    """The changes of one merge request."""

    key: str  # class/segment: stable for as long as the workloads stay where they are
    klass: ChangeClass
    name: str  # for people
    segment: str  # for branch names
    mode: Mode
    labels: tuple[str, ...]
    changes: tuple[Change, ...]


@lru_cache(maxsize=1 << 15)
def fingerprint(evidence: Evidence) -> str:
    """The digest of evidence. It stands in the body, the trailers, the ledger and the report, and
    the changes of one container share it, so it is worked out once."""
    return canonical.digest(evidence)


def change_id(change: Change) -> str:
    """A short name for a change: the same edits have the same name in every run."""
    return canonical.digest(edits_of([change]))[:12]


def plan_of(changes: Iterable[Change]) -> str:
    """The hash of the edits alone. Equal plans need no push, whatever the evidence says today."""
    return canonical.digest(edits_of(changes))


def edits_of(changes: Iterable[Change]) -> list[list[object]]:
    """What is written where, and nothing else of a change, in one order."""
    rows: list[list[object]] = [
        [
            slot.place.path,
            slot.place.document,
            slot.place.keys,
            slot.place.inner,
            slot.value,
            new,
            *_whom(slot),
        ]
        for change in changes
        for slot, new in change.values
    ]
    return sorted(rows, key=canonical.dump)


def _whom(slot: Slot) -> list[str]:
    """Of a patch that is still to be made, whom it is for: its place is that of all patches."""
    return [slot.field.value, *map(str, slot.consumers)] if slot.how_traced == IN_OVERLAY else []


def routed(
    names: Sequence[str], decided: Sequence[Sequence[tuple[Workload, Decision]]]
) -> list[list[tuple[Workload, Decision]]]:
    """Each decision at the repository that it would be written to; `names` are theirs, in that order."""
    found: list[list[tuple[Workload, Decision]]] = [[] for _ in names]
    for own, decisions in enumerate(decided):
        for workload, decision in decisions:
            values = decision.values if isinstance(decision, Change) else ()
            homes = {value.slot.place.repository for value in values} or {names[own]}
            if homes == {names[own]}:
                found[own].append((workload, decision))
            elif isinstance(decision, Change) and len(homes) == 1 and (home := homes.pop()) in names:
                found[names.index(home)].append((workload, decision))
            elif isinstance(decision, Change):
                words = "its values lie in several repositories, which no single merge request can change"
                found[own] += [(workload, one) for one in keep(decision, Reason.UNSUPPORTED, words)]
    return found


def once(candidates: Iterable[Candidate]) -> list[Candidate]:
    """A line that feeds several containers is decided for each of them, and changed once."""
    found: dict[str, Candidate] = {}
    for candidate in candidates:
        found.setdefault(change_id(candidate.change), candidate)
    return list(found.values())


def hold_frozen(candidates: Iterable[Candidate], now: int) -> tuple[list[Candidate], list[Keep]]:
    """Nothing is proposed within a freeze, safety included: those changes are kept, saying so."""
    going: list[Candidate] = []
    kept: list[Keep] = []
    for candidate in candidates:
        freeze = freeze_at(candidate.change.evidence.policy.freezes, now)
        if freeze is None:
            going.append(candidate)
        else:
            kept += keep(candidate.change, Reason.FROZEN, f"frozen: {freeze.why}; would become {{new}}")
    return going, kept


def hold_savings(candidates: Iterable[Candidate]) -> tuple[list[Candidate], list[Keep]]:
    """A container raised for safety saves later: neighbouring lines in two requests would conflict."""
    found = list(candidates)
    safety = (one.change for one in found if one.change.klass is ChangeClass.SAFETY)
    raised = {ref: change for change in safety for ref in _containers(change)}
    going: list[Candidate] = []
    kept: list[Keep] = []
    for candidate in found:
        change = candidate.change
        first = next((raised[ref] for ref in sorted(_containers(change)) if ref in raised), None)
        if change.klass is not ChangeClass.SAVINGS or first is None:
            going.append(candidate)
        else:
            fields = " and ".join(value.slot.field.value for value in first.values)
            words = (
                f"{fields} of the same container is raised for safety first; later it would become {{new}}"
            )
            kept += keep(change, Reason.SAFETY_FIRST, words)
    return going, kept


def freeze_at(freezes: Iterable[Freeze], now: int) -> Freeze | None:
    return next((freeze for freeze in freezes if freeze.start <= now < freeze.end), None)


def keep(change: Change, reason: Reason, detail: str) -> list[Keep]:
    """The change as kept values, one a slot; `{new}` in the detail becomes the value not taken."""
    return [
        Keep(value.slot, reason, detail.replace("{new}", value.new), change.stages) for value in change.values
    ]


def group(candidates: Iterable[Candidate], base: str, default_base: str) -> tuple[Group, ...]:
    """The groups of one repository and base branch: those first that deserve to be looked at first."""
    members: dict[tuple[ChangeClass, str], list[Change]] = defaultdict(list)
    for candidate in candidates:
        members[_class_of(candidate.change), group_name(candidate)].append(candidate.change)
    groups = []
    for (klass, name), changes in sorted(members.items()):
        ordered = ranked(changes)
        segment = segment_of(name, "" if base == default_base else base)
        groups.append(
            Group(
                key=f"{klass.value}/{segment}",
                klass=klass,
                name=name,
                segment=segment,
                mode=_least(_mode(change) for change in ordered),
                labels=_labels(ordered),
                changes=ordered,
            )
        )
    return merge_requests(groups, lambda one: one.changes)


def _class_of(change: Change) -> ChangeClass:
    """Whose merge request a change is in: by policy alone, so that its name is the same on a day that
    has only images, or only savings. A change for safety waits for nobody's tag."""
    together = change.evidence.policy.image_requests == "together"
    return ChangeClass.SAVINGS if change.klass is ChangeClass.IMAGE and together else change.klass


def group_name(candidate: Candidate) -> str:
    ref = first_consumer(candidate.change)
    space = ref.namespace or "(none)"
    where = f"{ref.cluster}/{space}" if ref.cluster else space
    match candidate.change.evidence.policy.group:
        case "all":
            return "all"
        case "namespace":
            return where
        case "workload":
            return f"{where}/{ref.kind.lower()}/{ref.workload}"
        case _:
            return candidate.unit


def first_consumer(change: Change) -> ContainerRef:
    """Whom a change is about: not those that change with it, nor all whom an autoscaler counts."""
    others = {value.slot for one in change.evidence.beside for value in one.values}
    values = [value for value in change.values if not value.slot.field.is_target and value.slot not in others]
    return min(consumer for value in values or change.values for consumer in value.slot.consumers)


def whom(change: Change, slot: Slot) -> ContainerRef:
    """Whom one of its values is about."""
    first = first_consumer(change)
    return first if first in slot.consumers else min(slot.consumers)


def others_on(slot: Slot) -> int:
    """How many more share the line; those of one pod that an autoscaler counts share its target anyway."""
    if not slot.field.is_target:
        return len(slot.consumers) - 1
    return len({consumer[:4] for consumer in slot.consumers}) - 1


def _containers(change: Change) -> set[ContainerRef]:
    """The first that each of its values is about."""
    beside = (value for one in change.evidence.beside for value in one.values)
    found = {min(value.slot.consumers) for value in beside if value in change.values}
    return found | {first_consumer(change)}


def segment_of(name: str, base: str) -> str:
    """One path segment for a branch: the name itself when it can stand there, else with a hash."""
    if _CLEAN.fullmatch(name) and not base and not name.endswith(".lock") and ".." not in name:
        return name
    readable = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:48].strip("-") or "root"
    told_apart = hashlib.sha256(f"{name}\n{base}".encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{readable}-{told_apart}"


def _mode(change: Change) -> Mode:
    policy = change.evidence.policy
    return policy.images_mode if change.klass is ChangeClass.IMAGE else policy.resources_mode


def _least(modes: Iterable[Mode]) -> Mode:
    """A group is merged by the bot only where every member may be."""
    return min(modes, key=_RANK.__getitem__)


def _labels(changes: Iterable[Change]) -> tuple[str, ...]:
    return tuple(sorted({label for change in changes for label in change.evidence.policy.labels}))

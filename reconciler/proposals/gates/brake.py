"""When too many want more at once: metrics are wrong more often than a whole fleet is.

A broken exporter, a unit that changed, a cluster measured as another one: each makes hundreds of
workloads look starved, or idle, in the same run. Then nothing that comes from there is proposed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple

from reconciler.model import Change, ChangeClass, ContainerRef, Keep, MergeRequest, Note, Reason
from reconciler.proposals.group import Candidate, first_consumer, keep
from reconciler.proposals.history import Target, targets
from reconciler.proposals.memo import find

MOST_ALARMS: Final = 5
A_TWENTIETH: Final = 50  # permille
CODE: Final = "too-many-alarms"

_Workload = tuple[str, str, str, str]  # cluster, namespace, kind, name


class Alarm(NamedTuple):
    """So many of one source's workloads want more at once."""

    source: str
    wanting: int
    workloads: int


class Brake(NamedTuple):
    """The sources of metrics that are not believed in this run."""

    source_of: Callable[[str], str]  # the name of the source that measures a cluster; "" for none
    alarms: Mapping[str, Alarm]

    @property
    def notes(self) -> tuple[Note, ...]:
        return tuple(Note(CODE, _note(alarm)) for _, alarm in sorted(self.alarms.items()))


def braked(
    changes: Iterable[Change],
    measured: Iterable[ContainerRef],
    source_of: Callable[[str], str],
    requests: Iterable[MergeRequest] = (),
    most: Mapping[str, int] = {},
) -> Brake:
    """`measured` are all containers with utilization; `most`, by source, the permille that may want more.

    What is open for safety already was believed before, and isn't counted again; nor is what prepares
    for a planned peak, which no metrics asked for. A line that feeds many counts once.
    """
    asked = _asked(requests)
    wanting: dict[str, set[_Workload]] = defaultdict(set)
    for change in changes:
        if _is_alarm(change) and not asked.issuperset(_targets(change)):
            ref = first_consumer(change)
            wanting[source_of(ref.cluster)].add(ref[:4])
    known: dict[str, set[_Workload]] = defaultdict(set)
    for ref in measured:
        known[source_of(ref.cluster)].add(ref[:4])
    alarms = {}
    for source, found in wanting.items():
        total = len(known[source] | found)
        over = len(found) * 1000 > most.get(source, A_TWENTIETH) * total
        if len(found) > MOST_ALARMS and over:
            alarms[source] = Alarm(source, len(found), total)
    return Brake(source_of, alarms)


def hold_alarmed(candidates: Iterable[Candidate], brake: Brake) -> tuple[list[Candidate], list[Keep]]:
    """Nothing that rests on metrics of such a source; images don't."""
    going: list[Candidate] = []
    held: list[Keep] = []
    for candidate in candidates:
        alarm = _alarm_of(candidate.change, brake)
        if alarm is None:
            going.append(candidate)
        else:
            words = f"would become {{new}}; {_told(alarm)}"
            held += keep(candidate.change, Reason.TOO_MANY_ALARMS, words)
    return going, held


def _alarm_of(change: Change, brake: Brake) -> Alarm | None:
    if not brake.alarms or change.klass is ChangeClass.IMAGE:
        return None
    sources = sorted({brake.source_of(one.ref.cluster) for one in change.evidence.consumers})
    return next((brake.alarms[source] for source in sources if source in brake.alarms), None)


def _is_alarm(change: Change) -> bool:
    planned = any(stage.name == "planned peak" and stage.value is not None for stage in change.stages)
    return change.klass is ChangeClass.SAFETY and not planned


def _targets(change: Change) -> set[Target]:
    return {target for value in change.values for target in targets(value)}


def _asked(requests: Iterable[MergeRequest]) -> set[Target]:
    """Whose values an open merge request for safety is about."""
    found: set[Target] = set()
    for request in requests:
        memo = find(request.body) if request.state == "open" else None
        if memo is not None and memo.key.startswith(f"{ChangeClass.SAFETY.value}/"):
            found |= {(ref, value.field) for value in memo.values for ref in value.consumers}
    return found


def _told(alarm: Alarm) -> str:
    return (
        f"{alarm.wanting} of {alarm.workloads} workloads of {alarm.source or 'one source'} want more at once"
    )


def _note(alarm: Alarm) -> str:
    return (
        f"{_told(alarm)} for safety: metrics are wrong more often than so many workloads, so nothing that "
        "rests on them is proposed; look at one with `reconcile explain`, and if they are right, raise "
        "`alarms` of that source in the settings"
    )

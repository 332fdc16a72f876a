"""What counts beside recent use: the same container elsewhere, and the same days a year before.

Both are asked for where they can make a difference, and nowhere else: twins while a container has
too little history of its own, the year before while a policy plans a peak by it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from reconciler.gather import (
    Asked,
    Lookback,
    Measured,
    Sources,
    Span,
    Subject,
    amount,
    by_source,
    consumer_of,
    consumers_of,
    defined_by_several,
    measure,
    peer_of,
    summed,
)
from reconciler.model import (
    Consumer,
    Container,
    ContainerRef,
    Cost,
    Evidence,
    Failure,
    Field,
    Note,
    NoUsage,
    Policy,
    Reason,
    Usage,
    YearBefore,
)
from reconciler.peers import Member, Peers
from reconciler.ports import Progress
from reconciler.sizing.planned import due
from reconciler.sizing.twins import is_thin

# The largest need among so many is as good as that among all, and evidence stays readable.
MOST_TWINS: Final = 10


def measured(
    sites: Sequence[Sequence[Subject]], twins: Peers, sources: Sources, now: int, progress: Progress
) -> tuple[list[tuple[Subject, ...]], Measured]:
    """What everyone used who counts for the subjects of all sites; and these, with their twins."""
    asked = (sources, now, progress)
    found = measure([one for site in sites for one in site], *asked)
    told = [with_twins(site, found, twins) for site in sites]
    wanted = [one for site in told for one in site]
    # All of them are named, those that say nothing too: only so are clusters told apart.
    found = with_year_before(wanted, _with_missing(wanted, found, *asked), *asked)
    return [tuple(map(_told_something, site)) for site in told], _undoubted(wanted, found)


def with_twins(found: Iterable[Subject], measured: Measured, peers: Peers) -> list[Subject]:
    """Those without history of their own, with their twins; all others as they are."""
    return [
        one._replace(twins=peers.some(consumers_of(one.container), one.policy.twins, MOST_TWINS))
        if _is_cold(one, measured)
        else one
        for one in found
    ]


def _is_cold(subject: Subject, measured: Measured) -> bool:
    back = Lookback.of(subject.policy)
    seen = [measured.usage.get((ref, back)) for ref in consumers_of(subject.container)]
    return all(used is not None and is_thin(used, subject.policy.sizing) for used in seen)


def _told_something(subject: Subject) -> Subject:
    """With the twins from whom a request would be taken: all where none is set, else those with the same."""
    own = _requests(subject.container)
    telling = (
        twin
        for twin in subject.twins
        if any(mine in (0, its) for mine, its in zip(own, _requests(twin.container), strict=True))
    )
    return subject._replace(twins=tuple(telling)) if subject.twins else subject


def _requests(container: Container) -> tuple[int, int]:
    """Of CPU and memory, in force: Kubernetes takes a limit for a request that isn't set."""
    texts = {slot.field: slot.value for slot in container.slots}
    cpu = amount(Field.CPU_REQUEST, texts.get(Field.CPU_REQUEST) or texts.get(Field.CPU_LIMIT))
    memory = amount(Field.MEMORY_REQUEST, texts.get(Field.MEMORY_REQUEST) or texts.get(Field.MEMORY_LIMIT))
    return cpu, memory


def _with_missing(
    wanted: Sequence[Subject], known: Measured, sources: Sources, now: int, progress: Progress
) -> Measured:
    """With whatever of twins wasn't known yet: in a run over everything that is hardly ever one."""
    lacking = [one for one in wanted if any(key not in known.usage for key in _asked(one))]
    if not lacking:
        return known
    more = measure(lacking, sources, now, progress)
    return known._replace(
        usage={**more.usage, **known.usage},
        failures=tuple(dict.fromkeys((*known.failures, *more.failures))),
        costs=summed((*known.costs, *more.costs)),
        notes=tuple(dict.fromkeys((*known.notes, *more.notes))),
    )


def _asked(subject: Subject) -> list[Asked]:
    back = Lookback.of(subject.policy)
    return [(twin.container.ref, back) for twin in subject.twins]


def with_year_before(
    wanted: Sequence[Subject], known: Measured, sources: Sources, now: int, progress: Progress
) -> Measured:
    """With what was used in the days of planned peaks, a year before."""
    spans = _spans(wanted, now)
    if not spans:
        return known
    found: dict[tuple[ContainerRef, Span], Usage | NoUsage] = {}
    failures: dict[Failure, None] = dict.fromkeys(known.failures)
    notes: dict[Note, None] = dict.fromkeys(known.notes)
    costs: list[Cost] = [*known.costs]
    advance = progress.step("Reading utilization of the year before", sum(map(len, spans.values())))
    for source, refs in by_source(spans, sources):
        for span in sorted({span for ref in refs for span in spans[ref]}):
            asking = [ref for ref in refs if span in spans[ref]]
            advance(len(asking))
            if source is None:
                silence = NoUsage(Reason.NO_METRICS, "no metrics source is configured for it")
                found.update(((ref, span), silence) for ref in asking)
                continue
            reading = source.read(refs, span.start, span.end, half_life=span.half_life, told=progress)
            found.update(((ref, span), reading.usage[ref]) for ref in asking)
            failures.update(dict.fromkeys(reading.failures))
            notes.update(dict.fromkeys(reading.notes))
            costs += reading.costs
    nobodys = {ref: used for (ref, _), used in known.usage.items() if _is_ambiguous(used)}
    sure = {key: nobodys.get(key[0], used) for key, used in found.items()}
    return known._replace(year_before=sure, failures=tuple(failures), notes=tuple(notes), costs=summed(costs))


def _is_ambiguous(used: Usage | NoUsage) -> bool:
    """Only who is asked for everyone sees that; for the year before, few are asked for."""
    return isinstance(used, NoUsage) and used.reason is Reason.AMBIGUOUS_CLUSTER


def _spans(wanted: Iterable[Subject], now: int) -> dict[ContainerRef, set[Span]]:
    found: dict[ContainerRef, set[Span]] = {}
    for subject in wanted:
        spans = _spans_of(subject.policy, now)
        if spans:
            for ref in _counting(subject):
                found.setdefault(ref, set()).update(spans)
    return found


def _spans_of(policy: Policy, now: int) -> list[Span]:
    half_life = Lookback.of(policy).half_life
    return [Span(*one.year_before, half_life) for one in due(policy, now) if one.peak.as_last_year]


def _counting(subject: Subject) -> list[ContainerRef]:
    """Everyone whose needs count."""
    return list(
        dict.fromkeys([*consumers_of(subject.container), *(one.container.ref for one in subject.peers)])
    )


# ---------------------------------------------------------------------------------------------
# As evidence
# ---------------------------------------------------------------------------------------------


def beside(subject: Subject, seen: Evidence, known: Measured) -> Evidence:
    """The evidence with what was found of twins and of the year before."""
    spans = _spans_of(subject.policy, seen.now)
    if not subject.twins and not spans:
        return seen
    twins = tuple(_twin(subject, one, known) for one in subject.twins)
    by_ref = {one.ref: one for one in seen.consumers}
    silence = NoUsage(Reason.NO_METRICS, "it was not asked for")
    before = tuple(
        YearBefore(
            span.start,
            span.end,
            tuple(
                by_ref[ref]._replace(usage=known.year_before.get((ref, span), silence))
                for ref in _counting(subject)
                if ref in by_ref
            ),
        )
        for span in spans
    )
    return seen._replace(twins=twins, last_year=before)


def _twin(subject: Subject, twin: Member, known: Measured) -> Consumer:
    used = known.usage.get((twin.container.ref, Lookback.of(subject.policy)))
    found = used or NoUsage(Reason.NO_METRICS, "it was not asked for")
    one = consumer_of(twin.container.ref, twin, found)
    return one._replace(peer=peer_of(twin), stated=_requests(twin.container))


def _undoubted(wanted: Sequence[Subject], known: Measured) -> Measured:
    """Without what is known of containers that several units define: whose it is, nobody can say."""
    others = (other for one in wanted for other in (*one.peers, *one.twins))
    doubtful = defined_by_several([*wanted, *others])
    if not doubtful:
        return known
    return known._replace(
        usage={key: doubtful.get(key[0], used) for key, used in known.usage.items()},
        year_before={key: doubtful.get(key[0], used) for key, used in known.year_before.items()},
    )

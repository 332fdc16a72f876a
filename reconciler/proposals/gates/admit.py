"""The gates in their order, and the queue before the last one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from reconciler.model import ChangeClass, Gates, Keep, Mode, Proposal, Reason
from reconciler.proposals.gates.schedule import is_open, next_opening, told
from reconciler.proposals.group import keep
from reconciler.proposals.rank import merge_requests
from reconciler.proposals.wishes import Wish

HOUR: Final = 3600
WEEK: Final = 7 * 24 * HOUR
SAFETY_A_RUN: Final = 5  # and no more when it is run again within the hour

Where = str  # a repository


def open_window() -> str:
    """There is nothing that would hold a sync back."""
    return ""


class Bid(NamedTuple):
    """One proposal, and what the gates must know of it."""

    proposal: Proposal
    is_open: bool = False  # its merge request is there
    owners: tuple[str, ...] = ()
    window: Callable[[], str] = open_window  # why Argo CD would not sync it now; asked for few
    wishes: frozenset[Wish] = frozenset()

    @property
    def where(self) -> Where:
        return self.proposal.repository

    @property
    def is_safety(self) -> bool:
        return self.proposal.klass is ChangeClass.SAFETY


class Tally(NamedTuple):
    """What there is in one repository already."""

    open: int = 0
    by_owner: Mapping[str, int] = {}
    opened: tuple[int, ...] = ()  # when
    safety_opened: tuple[int, ...] = ()  # those of them that were for safety


class Held(NamedTuple):
    """A proposal that waits, and for what."""

    proposal: Proposal
    reason: Reason
    detail: str
    place: int = 0  # in the queue of its repository, from 1; 0 for what stands in none


class Admission(NamedTuple):
    admitted: tuple[Proposal, ...]
    held: tuple[Held, ...]


def admit(bids: Iterable[Bid], tallies: Mapping[Where, Tally], now: int) -> Admission:
    """Which may be opened now, the best first. The order of `bids` makes no difference.

    Safety passes schedule, rates and limits; what somebody asked for passes schedule and limits.
    """
    known = sorted(bids, key=lambda bid: (bid.where, bid.proposal.key))
    ranked = merge_requests(known, lambda bid: bid.proposal.changes)
    admitted = [_kept_current(bid, now) for bid in ranked if bid.is_open]
    held: list[Held] = []
    waiting: list[Bid] = []
    for bid in ranked:
        if not bid.is_open:
            closed = _closed(bid, now)
            if closed is None:
                waiting.append(bid)
            else:
                held.append(closed)
    chosen, queued = _chosen(waiting, tallies, now)
    admitted += [_kept_current(bid, now) for bid in chosen]
    return Admission(tuple(admitted), (*held, *queued))


def kept(held: Iterable[Held]) -> list[Keep]:
    """What waits, as kept values."""
    return [
        row for one in held for change in one.proposal.changes for row in keep(change, one.reason, one.detail)
    ]


# -- before the queue ------------------------------------------------------------------------------


def _gates(bid: Bid) -> list[Gates]:
    """Of all its changes: each may be about another policy."""
    return list(dict.fromkeys(change.evidence.policy.gates for change in bid.proposal.changes))


def _closed(bid: Bid, now: int) -> Held | None:
    gates = _gates(bid)
    if any(each.approval == "required" for each in gates) and Wish.APPROVE not in bid.wishes:
        words = "would become {new} once somebody asks for it: tick its box on the dashboard"
        return Held(bid.proposal, Reason.NEEDS_APPROVAL, words)
    if why := _off_schedule(bid, gates, now):
        return Held(bid.proposal, Reason.NOT_SCHEDULED, f"would become {{new}}; {why}")
    return None


def _off_schedule(bid: Bid, gates: Sequence[Gates], now: int) -> str:
    if bid.is_safety or Wish.OPEN in bid.wishes:
        return ""
    shut = next((each for each in gates if not is_open(each, now)), None)
    if shut is None:
        return ""
    return f"the schedule opens next on {told(next_opening(shut, now), shut.time_zone)}"


def _kept_current(bid: Bid, now: int) -> Proposal:
    """With why the bot would not merge it now."""
    if bid.proposal.mode is not Mode.MERGE:
        return bid.proposal
    return bid.proposal._replace(merge_waits=bid.window() or _off_schedule(bid, _gates(bid), now))


# -- the queue -------------------------------------------------------------------------------------


class _Counts:
    """How many there are, with those that were admitted since.

    What was opened "after now" counts, too: a forge's clock may be ahead, and a recording ends in the past.
    """

    def __init__(self, tallies: Mapping[Where, Tally], now: int) -> None:
        self._tallies = tallies
        self.new: Counter[Where] = Counter()
        self.total = 0
        self.owned = Counter(
            {
                (where, owner): count
                for where, tally in tallies.items()
                for owner, count in tally.by_owner.items()
            }
        )
        self._since = {
            (where, span): sum(now - span < at for at in tally.opened)
            for where, tally in tallies.items()
            for span in (HOUR, WEEK)
        }
        recent = (at for tally in tallies.values() for at in tally.safety_opened)
        self.safety = sum(now - HOUR < at for at in recent)

    def open(self, where: Where) -> int:
        return self._tallies.get(where, Tally()).open + self.new[where]

    def within(self, where: Where, span: int) -> int:
        return self._since.get((where, span), 0) + self.new[where]

    def add(self, bid: Bid) -> None:
        self.new[bid.where] += 1
        self.total += 1
        self.safety += bid.is_safety
        for owner in bid.owners:
            self.owned[bid.where, owner] += 1


def _chosen(waiting: Sequence[Bid], tallies: Mapping[Where, Tally], now: int) -> tuple[list[Bid], list[Held]]:
    """Those that somebody asked for first, then by rank; safety stands before all else in that.

    Argo CD is asked about those alone that the limits leave room for.
    """
    counts = _Counts(tallies, now)
    chosen: list[Bid] = []
    windowed: list[Held] = []
    queue: list[tuple[Bid, str]] = []
    for bid in sorted(waiting, key=lambda one: Wish.OPEN not in one.wishes):
        why = _over(bid, counts)
        if why:
            queue.append((bid, why))
        elif shut := bid.window():
            words = f"would become {{new}}; {shut}"
            windowed.append(Held(bid.proposal, Reason.SYNC_WINDOW, words))
        else:
            counts.add(bid)
            chosen.append(bid)
    lengths = Counter(bid.where for bid, _ in queue)
    places: Counter[Where] = Counter()
    held = windowed
    for bid, why in queue:
        places[bid.where] += 1
        place = places[bid.where]
        words = f"would become {{new}}; {place} of {lengths[bid.where]} in the queue: {why}"
        held.append(Held(bid.proposal, Reason.QUEUED, words, place))
    return chosen, held


def _over(bid: Bid, counts: _Counts) -> str:
    """The limit that one more would pass; "" for none."""
    if Wish.OPEN in bid.wishes:
        return ""
    if bid.is_safety:
        full = counts.safety >= SAFETY_A_RUN
        return f"at most {SAFETY_A_RUN} new ones for safety a run" if full else ""
    where = bid.where
    rows = []
    for each in _gates(bid):
        rows += [
            (each.per_hour, counts.within(where, HOUR), "new ones an hour (limits.perHour)"),
            (each.most_open, counts.open(where), "open at once (limits.open)"),
            (each.per_run, counts.total, "new ones a run (limits.perRun)"),
            (each.per_week, counts.within(where, WEEK), "new ones a week (limits.perWeek)"),
        ]
        rows += [
            (each.per_owner, counts.owned[where, owner], f"open at once of {owner} (limits.perOwner)")
            for owner in bid.owners
        ]
    over = [(limit, words) for limit, count, words in rows if limit is not None and count >= limit]
    return f"at most {over[0][0]} {over[0][1]}" if over else ""

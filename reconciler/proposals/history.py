"""What became of earlier proposals, told by the forge and by the ledger.

Either one alone is enough: a forge forgets nothing that its bodies hold, and the ledger
outlives the forge. So losing one never makes the bot repeat itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from reconciler import canonical
from reconciler.model import (
    Change,
    ContainerRef,
    Field,
    Keep,
    LastChange,
    LedgerEntry,
    MergeRequest,
    NewValue,
    Reason,
)
from reconciler.proposals.group import Candidate, keep
from reconciler.proposals.memo import Memo, find
from reconciler.proposals.memo import read as read_memo
from reconciler.proposals.pushed import whole
from reconciler.proposals.situation import closed_by_us
from reconciler.proposals.wishes import Wish, reject_until
from reconciler.quantity import BadQuantity, read

Target = tuple[ContainerRef, str]  # a container and the field of it


_CUT_OFF = 30 * 86_400
_LATEST = 253_402_300_799  # the end of the year 9999: what a calendar can show


class Rejection(NamedTuple):
    at: int
    url: str
    old: int
    new: int
    until: int = 0  # the moment that a label names; 0 where the policy says how long it holds

    def holds(self, now: int, rejected_for: int | None) -> bool:
        """Whether its time has not passed; without any it ends by the numbers alone."""
        end = ends(self.at, self.until, rejected_for)
        return end is None or now < end


class History(NamedTuple):
    merged: Mapping[Target, LastChange]  # the latest of each
    rejected: Mapping[Target, Rejection]  # those that nothing has overtaken
    forgotten: tuple[LedgerEntry, ...] = ()  # every "no" that is taken back now, for the ledger


def events_of(requests: Iterable[MergeRequest], known: Sequence[LedgerEntry]) -> tuple[LedgerEntry, ...]:
    """What the forge tells and the ledger has not yet written down, oldest first."""
    told = [entry for entry in known if isinstance(entry.facts.get("number"), int)]
    written = {_mark(entry.event, entry.facts["number"], entry.at) for entry in told}
    opened = {entry.facts["number"]: entry for entry in told if entry.event == "opened"}
    missing = []
    for request in requests:
        memo = find(request.body) or memo_in(opened.get(request.number))
        memo = whole(memo, known) if memo is not None else None
        if memo is None:  # or what it holds is told to the ledger in this very run: the next one knows
            continue
        missing += [
            LedgerEntry(at, event, memo.key, {**facts_of(request), "memo": canonical.plain(memo)})
            for at, event in _told(request)
            if _mark(event, request.number, at) not in written
        ]
        missing += _dated(request, memo.key, told)
    return tuple(sorted(missing, key=lambda entry: (entry.at, str(entry.facts["number"]), entry.event)))


def asked_since(ledger: Sequence[LedgerEntry]) -> int:
    """Since when requests may have ended that the ledger doesn't know of; 0 without one.

    What the ledger knows to be open may have ended at any time since. Beyond that, runs that were cut
    off before they wrote down what they had seen are allowed for, a month of them.
    """
    newest = max((entry.at for entry in ledger), default=0)
    open_since: dict[object, int] = {}
    for entry in ledger:
        number = entry.facts.get("number")
        if entry.event in ("opened", "reopened"):
            open_since[number] = entry.at
        elif entry.event in ("merged", "closed", "rejected"):
            open_since.pop(number, None)
    return max(0, min((newest, *open_since.values())) - _CUT_OFF)


def _mark(event: str, number: object, at: int) -> tuple[object, ...]:
    """A request is opened and merged once, but may be closed again and again."""
    return (event, number) if event in ("opened", "merged") else (event, number, at)


def memo_in(entry: LedgerEntry | None) -> Memo | None:
    """What a request held, as an entry of the ledger tells it."""
    try:
        return read_memo(entry.facts.get("memo")) if entry else None
    except ValueError:  # written by another version, or by hand
        return None


def merged_elsewhere(
    requests: Iterable[MergeRequest], in_force: Mapping[Target, str | None], now: int
) -> tuple[LedgerEntry, ...]:
    """Open requests whose every value is in force already: somebody merged them in a way of their own."""
    found = []
    for request in requests:
        memo = find(request.body) if request.state == "open" else None
        if memo is None or not memo.values:
            continue
        wanted = [(ref, value.field, value.new) for value in memo.values for ref in value.consumers]
        if all(in_force.get((ref, field)) == new for ref, field, new in wanted):
            found.append(
                LedgerEntry(now, "merged", memo.key, {**facts_of(request), "memo": canonical.plain(memo)})
            )
    return tuple(found)


def _dated(request: MergeRequest, key: str, known: Sequence[LedgerEntry]) -> Iterator[LedgerEntry]:
    """Until when a "no" holds by its label, where the ledger has it otherwise."""
    if request.state != "closed" or closed_by_us(request):
        return
    until = reject_until(request.labels)
    told = [
        entry.facts.get("until")
        for entry in known
        if entry.event == "reject-until" and entry.facts.get("number") == request.number
    ]
    if until != (told[-1] if told else 0):
        yield LedgerEntry(request.ended_at, "reject-until", key, {"number": request.number, "until": until})


def _told(request: MergeRequest) -> list[tuple[int, str]]:
    told = [(request.opened_at, "opened")]
    if request.state == "merged":
        told.append((request.ended_at, "merged"))
    elif request.state == "closed":
        told.append((request.ended_at, "closed" if closed_by_us(request) else "rejected"))
    return told


def facts_of(request: MergeRequest) -> dict[str, object]:
    return {
        "number": request.number,
        "url": request.url,
        "branch": request.branch,
        "title": request.title,
        "by": request.ended_by,
        "commit": request.merge_commit,
    }


def history(entries: Iterable[LedgerEntry], requests: Iterable[MergeRequest]) -> History:
    """The latest outcome of every value that was ever merged or rejected.

    One that is open again was no "no": whoever reopened it took that back.
    """
    merged: dict[Target, LastChange] = {}
    rejected: dict[Target, Rejection] = {}
    for entry in outcomes(entries, requests):
        for target, old, new in _values(entry):
            if entry.event == "rejected":
                url = str(entry.facts.get("url", ""))
                rejected[target] = Rejection(entry.at, url, old, new, until(entry))
            else:
                rejected.pop(target, None)
                merged[target] = LastChange(entry.at, Field(target[1]), old, new)
    return History(merged, rejected)


def outcomes(entries: Iterable[LedgerEntry], requests: Iterable[MergeRequest]) -> list[LedgerEntry]:
    """What was merged, and what was rejected and not taken back since; oldest first.

    Each rejection tells until when it holds by a label of the request: the one that is there now, or
    else the one that was there last.
    """
    found = sorted(entries, key=lambda entry: entry.at)
    reopened = set()
    later: dict[object, int] = {}  # when a request was open again after a "no", or has ended otherwise
    named: dict[object, object] = {}
    forgotten: dict[str, int] = {}
    for entry in found:
        if entry.event == "reject-until":
            named[entry.facts.get("number")] = entry.facts.get("until")
        elif entry.event == "forgotten":
            forgotten[entry.key] = entry.at
        elif entry.event in ("reopened", "closed"):
            later[entry.facts.get("number")] = entry.at
    for request in requests:
        if request.state == "open":
            reopened.add(request.number)
        elif request.state == "closed":
            named[request.number] = reject_until(request.labels)
    ended = []
    for entry in found:
        number = entry.facts.get("number")
        if entry.event == "merged":
            ended.append(entry)
        elif entry.event == "rejected" and number not in reopened:
            if entry.at <= forgotten.get(entry.key, -1) or entry.at < later.get(number, -1):
                continue
            ended.append(entry._replace(facts={**entry.facts, "until": named.get(number, 0)}))
    return ended


def ends(at: int, until: int, rejected_for: int | None) -> int | None:
    """When the time of a "no" has passed: a label's word, or else the policy's; None for never."""
    if until:
        return min(until, _LATEST)
    return None if rejected_for is None else min(at + rejected_for, _LATEST)


def taken_back(
    entries: Sequence[LedgerEntry],
    requests: Iterable[MergeRequest],
    wishes: Iterable[tuple[Wish, str]],
    now: int,
) -> tuple[LedgerEntry, ...]:
    """Every "no" that somebody takes back, for the ledger: the box may be gone tomorrow."""
    asked = {key for wish, key in wishes if wish is Wish.FORGET}
    keys = (
        {entry.key for entry in outcomes(entries, requests) if entry.event == "rejected"} if asked else set()
    )
    return tuple(LedgerEntry(now, "forgotten", key, {}) for key in sorted(keys & asked))


def until(entry: LedgerEntry) -> int:
    """The moment that a label of a rejected request names, as `outcomes` tells it; 0 for none."""
    found = entry.facts.get("until")
    return found if isinstance(found, int) else 0


def told_values(entry: LedgerEntry) -> Iterable[tuple[ContainerRef, str, str]]:
    """Whose field was to become what, of a merged or rejected request; by its memo, wherever that is."""
    memo = memo_in(entry) or find(str(entry.facts.get("body", "")))
    for value in memo.values if memo else ():
        for ref in value.consumers:
            yield ref, value.field, value.new


def _values(entry: LedgerEntry) -> Iterable[tuple[Target, int, int]]:
    memo = memo_in(entry)
    for value in memo.values if memo else ():
        amounts = _amounts(value.field, value.old, value.new)
        if amounts is not None:
            for ref in value.consumers:
                yield (ref, value.field), *amounts


def _amounts(field: str, old: str | None, new: str) -> tuple[int, int] | None:
    kind = Field(field)
    try:
        return (read(kind, old) if old is not None else 0), read(kind, new)
    except BadQuantity:
        return None


def hold_rejected(
    candidates: Iterable[Candidate], past: History, now: int, band_percent: int = 10
) -> tuple[list[Candidate], list[Keep]]:
    """A person's "no" holds until the number leaves the band around the one they refused, or a time
    that they or the policy have named has passed."""
    going: list[Candidate] = []
    kept: list[Keep] = []
    for candidate in candidates:
        refused = _refused(candidate.change, past, now, band_percent)
        if refused is None:
            going.append(candidate)
        else:
            words = f"{{new}} is within {band_percent} % of what was closed unmerged at {refused.url}"
            end = ends(refused.at, refused.until, candidate.change.evidence.policy.gates.rejected_for)
            day = f"; that holds until {datetime.fromtimestamp(end, UTC):%Y-%m-%d}" if end else ""
            kept += keep(candidate.change, Reason.REJECTED, words + day)
    return going, kept


def _refused(change: Change, past: History, now: int, band_percent: int) -> Rejection | None:
    rejected_for = change.evidence.policy.gates.rejected_for
    for value in change.values:
        # an autoscaler's target only follows the request: a "no" was said to that
        for target in targets(value) if not value.slot.field.is_target else ():
            found = past.rejected.get(target)
            amounts = _amounts(value.slot.field.value, value.slot.value, value.new)
            if found and found.holds(now, rejected_for) and amounts and _alike(amounts, found, band_percent):
                return found
    return None


def _alike(amounts: tuple[int, int], found: Rejection, band_percent: int) -> bool:
    old, new = amounts
    same_way = (new > old) == (found.new > found.old)
    return same_way and abs(new - found.new) * 100 <= band_percent * found.new


def targets(value: NewValue) -> list[Target]:
    return [(ref, value.slot.field.value) for ref in value.slot.consumers]

"""The history of values: what was proposed, what people made of it, and what they wrote themselves.

The ledger tells of merge requests; the branch tells what came to be. A merge is recognised by the
commit that the forge named, by the commit that was pushed, by its trailers, and where a squash kept none
of these, by the values themselves.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Final, NamedTuple

from reconciler import money
from reconciler.audit.edits import Edit
from reconciler.audit.requests import Request, Spot, Version, Wanted, says, spot_of
from reconciler.model import Amount, ContainerRef
from reconciler.proposals.memo import MemoValue
from reconciler.proposals.pushed import Told

US: Final = "reconcile"
InHistory = Callable[[str], bool]  # whether the branch has a commit in its history


class What(StrEnum):
    """What became of a value that was proposed; and what others did."""

    OPEN = "open"
    MERGED = "merged"
    REJECTED = "rejected"
    CLOSED = "closed"
    ABANDONED = "abandoned"
    SUPERSEDED = "superseded"  # by newer numbers in the same request
    REVERTED = "reverted"
    PUSHED = "pushed"  # to a branch of which no request is known
    BY_HAND = "by-hand"


class Since(StrEnum):
    """What came of it after it was merged."""

    IN_FORCE = "in-force"
    SUPERSEDED = "superseded"  # by a later change of ours
    REVERTED = "reverted"  # by a person, to what it was
    CHANGED = "changed"  # by a person, to something else
    UNKNOWN = ""


class Row(NamedTuple):
    """One value, once."""

    at: int
    ref: ContainerRef
    shared: int  # how many other containers the line feeds
    field: str
    old: str | None
    new: str | None
    by: str  # who wrote it: US, or a person
    what: What
    since: Since = Since.UNKNOWN
    ended_by: str = ""  # who merged or closed it
    why: str = ""
    klass: str = ""
    key: str = ""
    number: int = 0
    url: str = ""
    commit: str = ""
    path: str = ""
    proposed_at: int = 0
    evidence: str = ""
    monthly: Amount | None = None  # of the change, in the first of its rows


class Story(NamedTuple):
    rows: tuple[Row, ...]  # oldest first
    saved: tuple[Amount, ...]  # a month, by what was merged and not taken back


class _Value(NamedTuple):
    """A value of a version that is wanted, and what of the version tells of it."""

    request: Request
    version: Version
    told: Told
    value: MemoValue
    ref: ContainerRef
    first: bool  # of the wanted values of its change

    @property
    def spot(self) -> Spot:
        return spot_of(self.value)


def spots_of(requests: Iterable[Request], wanted: Wanted) -> tuple[dict[Spot, None], int]:
    """The places of all values that are wanted, and when the first of them was proposed."""
    values = [one for request in requests for one in _values(request, wanted)]
    since = min((one.version.at for one in values), default=0)
    return dict.fromkeys(one.spot for one in values), since


def story(
    requests: Sequence[Request],
    edits: Sequence[Edit],
    in_history: InHistory,
    wanted: Wanted,
    more: Iterable[Row] = (),
) -> Story:
    """`more` are rows of what the ledger knows nothing of."""
    values = [one for request in requests for one in _values(request, wanted)]
    landed = _landed(requests, _Edits(edits), in_history)
    rows = [*more, *(_row(one, landed.get(_name(one.version))) for one in values)]
    rows += _by_hand(values, edits, landed)
    rows = _followed(sorted(rows, key=lambda row: (row.at, row.ref, row.field)), values, edits, landed)
    return Story(tuple(rows), saved(rows))


def saved(rows: Iterable[Row]) -> tuple[Amount, ...]:
    """What was merged and not taken back by a person gives back so much a month; below zero it costs."""
    merged = [row for row in rows if row.what is What.MERGED]
    lasting = (row for row in merged if row.since not in (Since.REVERTED, Since.CHANGED))
    return tuple(
        Amount(-one.millionths, one.currency)
        for one in money.sums(row.monthly for row in lasting if row.monthly is not None)
    )


def _values(request: Request, wanted: Wanted) -> list[_Value]:
    found = []
    for version in request.versions:
        for told in version.changes:
            first = True
            for value in told.values:
                ref = next(filter(wanted, sorted(value.consumers)), None)
                if ref is not None:
                    found.append(_Value(request, version, told, value, ref, first))
                    first = False
    return found


# -- which commit brought a version ---------------------------------------------------------------


class _Landing(NamedTuple):
    """How a version came to the branch."""

    at: int
    commit: str
    by: str


_Name = tuple[str, str, int]


def _name(version: Version) -> _Name:
    return (version.branch, version.plan, version.at)


class _Edits:
    """All edits of the branch, by whatever they may be found by."""

    def __init__(self, edits: Sequence[Edit]) -> None:
        self.of_commit: dict[str, list[Edit]] = defaultdict(list)
        self.of_spot: dict[Spot, list[Edit]] = defaultdict(list)
        self.written: dict[str, Edit] = {}
        self.planned: dict[tuple[str, str], list[Edit]] = defaultdict(list)
        for edit in edits:
            self.of_commit[edit.commit].append(edit)
            self.of_spot[edit.spot].append(edit)
            self.written.setdefault(edit.written, edit)
            marks = edit.marks.get("Reconcile-Key", ""), edit.marks.get("Reconcile-Plan", "")
            self.planned[marks].append(edit)


def _landed(requests: Iterable[Request], edits: _Edits, in_history: InHistory) -> dict[_Name, _Landing]:
    """The versions that came to the branch. Of one request that is the last that did."""
    found: dict[_Name, _Landing] = {}
    for request in requests:
        for version in reversed(request.versions):
            landing = _landing(request, version, edits, in_history)
            if landing is not None:
                found[_name(version)] = landing
                break
    return found


def _landing(request: Request, version: Version, edits: _Edits, in_history: InHistory) -> _Landing | None:
    last = version is request.versions[-1]
    marked = edits.planned.get((version.key, version.plan), ())
    brought = next((edit for edit in marked if edit.at >= version.at), None) or (
        edits.written.get(version.head) if version.head else None
    )
    if brought is None and last and request.end == "merged":
        brought = next(iter(edits.of_commit.get(request.commit, ())), None)
        if brought is None:
            return _Landing(request.ended_at, request.commit, request.by)
    if brought is None and request.end in ("", "merged", "abandoned"):
        brought = _by_values(version, edits)
        if brought is None and last and version.head and in_history(version.head):
            return _Landing(request.ended_at or version.at, version.head, request.by)
    if brought is None:
        return None
    by = request.by if last else ""
    return _Landing(brought.at, brought.commit, by or brought.merged_by or brought.author)


def _by_values(version: Version, edits: _Edits) -> Edit | None:
    """What wrote every value of a version, of those that could be followed: a squash without trailers."""
    spots = [spot_of(value) for told in version.changes for value in told.values]
    followed = [spot for spot in spots if spot in edits.of_spot]
    for edit in edits.of_spot[followed[0]] if followed else ():
        if edit.at >= version.at and _is_it(version, edits.of_commit[edit.commit], set(followed)):
            return edit
    return None


def _is_it(version: Version, edits: Sequence[Edit], followed: Collection[Spot]) -> bool:
    wrote = {edit.spot: edit for edit in edits}
    values = [value for told in version.changes for value in told.values if spot_of(value) in followed]
    return all(spot_of(value) in wrote and _wrote(wrote[spot_of(value)], value) for value in values)


def _wrote(edit: Edit, value: MemoValue) -> bool:
    return says(edit.old, value.old, value.field) and says(edit.new, value.new, value.field)


# -- rows -----------------------------------------------------------------------------------------


def _row(one: _Value, landing: _Landing | None) -> Row:
    request, version, value = one.request, one.version, one.value
    last = version is request.versions[-1]
    at, what, by, commit, why = version.at, What.OPEN, "", "", one.told.because
    if landing is not None:
        at, what, by, commit = landing.at, What.MERGED, landing.by, landing.commit
    elif not last:
        following = request.versions[request.versions.index(version) + 1]
        at, what = following.at, What.SUPERSEDED
    elif request.end and request.end != "merged":
        at, what, by = request.ended_at, What(request.end), request.by
    elif request.number == 0:
        what = What.PUSHED
    return Row(
        at=at,
        ref=one.ref,
        shared=len(value.consumers) - 1,
        field=value.field,
        old=value.old,
        new=value.new,
        by=US,
        what=what,
        ended_by=by,
        why=why or version.title,
        klass=one.told.klass,
        key=version.key,
        number=request.number,
        url=request.url,
        commit=commit or version.head,
        path=value.path,
        proposed_at=version.at,
        evidence=one.told.evidence,
        monthly=one.told.monthly if one.first else None,
    )


def _by_hand(values: Sequence[_Value], edits: Sequence[Edit], landed: Mapping[_Name, _Landing]) -> list[Row]:
    """Changes of the same values that are none of ours."""
    known: dict[Spot, _Value] = {}
    ours: dict[tuple[str, Spot], list[_Value]] = defaultdict(list)
    for one in values:
        known[one.spot] = one
        landing = landed.get(_name(one.version))
        if landing is not None:
            ours[landing.commit, one.spot].append(one)
    return [
        Row(
            at=edit.at,
            ref=known[edit.spot].ref,
            shared=len(known[edit.spot].value.consumers) - 1,
            field=known[edit.spot].value.field,
            old=edit.old,
            new=edit.new,
            by=edit.author,
            what=What.BY_HAND,
            ended_by=edit.merged_by,
            why=edit.subject,
            commit=edit.written,
            path=edit.spot[0],
            proposed_at=edit.at,
        )
        for edit in edits
        if edit.spot in known and not any(_is_ours(edit, one) for one in ours[edit.commit, edit.spot])
    ]


def _is_ours(edit: Edit, one: _Value) -> bool:
    """What a person wrote into the same commit on the way is theirs; a form that hides the value is not."""
    value = one.value
    return says(edit.new, value.new, value.field) or not says(edit.old, value.old, value.field)


def _followed(
    rows: Sequence[Row], values: Sequence[_Value], edits: Sequence[Edit], landed: Mapping[_Name, _Landing]
) -> list[Row]:
    """Each merged row with what came after it."""
    followable = {edit.spot for edit in edits}
    spots = {(one.value.path, one.ref, one.value.field): one.spot for one in values}
    later: dict[tuple[ContainerRef, str], list[tuple[int, Row]]] = defaultdict(list)
    for at, row in enumerate(rows):
        if row.what in (What.MERGED, What.BY_HAND):
            later[row.ref, row.field].append((at, row))
    found = []
    for at, row in enumerate(rows):
        if row.what is not What.MERGED:
            found.append(row)
            continue
        after = next((other for n, other in later[row.ref, row.field] if n > at), None)
        if after is not None:
            since = _since(row, after)
        else:
            seen = spots.get((row.path, row.ref, row.field)) in followable
            since = Since.IN_FORCE if seen else Since.UNKNOWN
        found.append(row._replace(since=since))
    return found


def _since(row: Row, after: Row) -> Since:
    if after.what is What.MERGED:
        return Since.SUPERSEDED
    return Since.REVERTED if says(after.new, row.old, row.field) else Since.CHANGED

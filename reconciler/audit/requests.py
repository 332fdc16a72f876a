"""What the ledger knows of merge requests: each with the versions of it that were pushed, and its end."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from reconciler.model import ContainerRef, Field, Key, LedgerEntry
from reconciler.proposals.memo import Memo, MemoValue
from reconciler.proposals.memo import read as read_memo
from reconciler.proposals.pushed import Push, Told, read_push

ENDS: Final = ("merged", "rejected", "closed", "abandoned", "superseded", "reverted")
_NEVER: Final = 1 << 62
Spot = tuple[str, int, tuple[Key, ...], tuple[Key, ...]]  # path, document, keys, inner


class Version(NamedTuple):
    """What a merge request held from some time on: a commit on its branch."""

    at: int
    key: str
    plan: str
    branch: str
    head: str  # "" where the ledger has only the request
    title: str
    changes: tuple[Told, ...]


class Request(NamedTuple):
    """One merge request; without a number one that was pushed, and never seen open."""

    number: int
    key: str
    branch: str
    url: str
    title: str
    opened_at: int
    end: str = ""  # one of ENDS; "" while it is open, as far as the ledger knows
    ended_at: int = 0
    by: str = ""
    commit: str = ""  # that it was merged as
    why: str = ""  # of its end, where somebody said it
    versions: tuple[Version, ...] = ()


Wanted = Callable[[ContainerRef], bool]


def spot_of(value: MemoValue) -> Spot:
    return (value.path, value.document, value.keys, value.inner)


def says(text: str | None, value: str | None, field: str) -> bool:
    """Whether the text at a place is a value; of an image only the tag, or the digest, may stand there."""
    if text is None or value is None:
        return text is value
    return text == value or (field == Field.IMAGE and bool(text) and value.endswith((f":{text}", f"@{text}")))


def requests_of(ledger: Iterable[LedgerEntry], wanted: Wanted) -> list[Request]:
    """Those that were about a container that is wanted, oldest first."""
    told: dict[int, list[LedgerEntry]] = defaultdict(list)
    pushes: dict[str, list[tuple[int, str, Push]]] = defaultdict(list)
    for entry in ledger:
        number = entry.facts.get("number")
        if isinstance(number, int) and number > 0:
            told[number].append(entry)
        elif entry.event == "pushed" and _concerns(entry.facts.get("changes"), wanted):
            push = read_push(entry.facts)
            if push is not None:
                pushes[push.branch].append((entry.at, entry.key, push))
    found = [request for entries in told.values() if (request := _request(entries, wanted, pushes))]
    return sorted(_with_versions(found, pushes), key=lambda one: (one.opened_at, one.number))


def _concerns(changes: object, wanted: Wanted) -> bool:
    """Whether one of the consumers is wanted: looked at as it stands, for ledgers are long."""
    if not isinstance(changes, list):
        return False
    return any(_has(change.get("values"), wanted) for change in changes if isinstance(change, dict))


def _has(values: object, wanted: Wanted) -> bool:
    """Of the values as they were stored, whether one is of a container that is wanted."""
    for value in values if isinstance(values, list) else ():
        consumers = value.get("consumers") if isinstance(value, dict) else None
        for one in consumers if isinstance(consumers, list) else ():
            if isinstance(one, dict):
                texts = tuple(str(one.get(name, "")) for name in ContainerRef._fields)
                if wanted(ContainerRef(*texts)):
                    return True
    return False


def _request(
    entries: Sequence[LedgerEntry], wanted: Wanted, pushes: Mapping[str, Sequence[object]]
) -> Request | None:
    """What the lines on one number say together; None when it is about nobody who is wanted."""
    ordered = sorted(entries, key=lambda entry: entry.at)
    first = ordered[0]
    branch = str(first.facts.get("branch", ""))
    memos = [memo for entry in ordered if isinstance(memo := entry.facts.get("memo"), dict)]
    if branch not in pushes and not any(_has(memo.get("values"), wanted) for memo in memos):
        return None
    request = Request(
        number=int(str(first.facts["number"])),
        key=first.key,
        branch=branch,
        url=str(first.facts.get("url", "")),
        title=str(first.facts.get("title", "")),
        opened_at=first.at,
        versions=tuple(_of_memo(first.at, branch, request_memo) for request_memo in _read(memos[-1:])),
    )
    for entry in ordered:
        if entry.event in ENDS:
            request = request._replace(
                end=entry.event,
                ended_at=entry.at,
                by=str(entry.facts.get("by", "")),
                commit=str(entry.facts.get("commit", "")),
                why=str(entry.facts.get("why", "")),
            )
        elif entry.event in ("reopened", "revived"):
            request = request._replace(end="", ended_at=0, by="", commit="", why="")
    return request


def _read(memos: Iterable[object]) -> list[Memo]:
    found = []
    for memo in memos:
        try:
            found.append(read_memo(memo))
        except ValueError:  # of another version, or written by hand
            continue
    return found


def _of_memo(at: int, branch: str, memo: Memo) -> Version:
    """A version of which nothing but its values is known."""
    klass = memo.key.partition("/")[0]
    changes = tuple(
        Told(memo.evidence[0] if len(memo.evidence) == 1 else "", one.field, klass, "", None, (one,))
        for one in memo.values
    )
    return Version(at, memo.key, memo.plan, branch, "", memo.title, changes)


def _with_versions(
    requests: Sequence[Request], pushes: Mapping[str, Sequence[tuple[int, str, Push]]]
) -> list[Request]:
    """Each push belongs to the request of its branch that ended next."""
    of_branch: dict[str, list[Request]] = defaultdict(list)
    for request in sorted(requests, key=lambda one: one.ended_at or _NEVER):
        of_branch[request.branch].append(request)
    held: dict[int, list[Version]] = defaultdict(list)
    loose: dict[str, list[Version]] = defaultdict(list)
    for branch, each in pushes.items():
        for at, key, push in each:
            version = Version(at, key, push.plan, branch, push.head, push.title, push.changes)
            whose = next((one for one in of_branch[branch] if at <= (one.ended_at or _NEVER)), None)
            (loose[branch] if whose is None else held[whose.number]).append(version)
    found = []
    for request in requests:
        mine = held.get(request.number, [])
        if mine or request.versions:
            found.append(request._replace(versions=tuple(_distinct(mine)) or request.versions))
    for branch, versions in loose.items():
        last = versions[-1]
        found.append(
            Request(0, last.key, branch, "", last.title, versions[0].at, versions=tuple(_distinct(versions)))
        )
    return found


def _distinct(versions: Iterable[Version]) -> list[Version]:
    """In the order of time; of those with one plan, which a new base had made anew, the last head."""
    found: list[Version] = []
    for version in sorted(versions, key=lambda one: one.at):
        if found and found[-1].plan == version.plan:
            found[-1] = version._replace(at=found[-1].at)
        else:
            found.append(version)
    return found

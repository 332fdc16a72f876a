"""The ledger: what happened, as lines of JSON on an orphan branch of the same repository.

One file a month, `2026-11.jsonl`; evidence, which is large and seldom read, beside it in
`evidence-2026-11.jsonl`. A file that is full is continued in `2026-11-2.jsonl`. Lines are added,
never changed, and moved under a lease like every other branch, so that of two runs at once none
loses a line.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple, Protocol

from reconciler.errors import Problem
from reconciler.git.commits import Author, CommitRequest
from reconciler.git.message import message
from reconciler.git.mirror import Mirror
from reconciler.git.push import Outcome
from reconciler.git.signing import Signing
from reconciler.git.snapshot import GitSnapshot
from reconciler.model import LedgerEntry, Note, RefUpdate, Whose

BRANCH: Final = "reconcile/ledger"
_EVIDENCE: Final = "evidence"
_NAME: Final = re.compile(r"((?:evidence-)?\d{4}-\d{2})(?:-([1-9]\d{0,5}))?\.jsonl")
_FULL: Final = 16 * 1024 * 1024  # servers refuse files of 100 MB
_LIMIT: Final = 512 * 1024 * 1024
_LATEST: Final = 253_402_300_799  # the end of the year 9999: what a calendar can show
_TEXTS: Final = frozenset({"url", "branch", "base", "title", "by", "commit", "hash", "head", "plan"})
_README: Final = "README.md"
_EXPLANATION: Final = b"""# Ledger

Written by `reconcile`, one JSON object a line, and only ever added to. It is how a run knows
what earlier runs proposed, and what people made of it. Deleting this branch is safe; rejected
proposals may then come back, and cool-downs begin anew.
"""


class Holder(Protocol):
    """Whoever has branches: a mirror, or a clone."""

    @property
    def repository(self) -> str: ...

    def tip(self, branch: str) -> str: ...

    def at(self, commit: str, *, limit: int) -> GitSnapshot: ...


class Ledger(NamedTuple):
    entries: tuple[LedgerEntry, ...]  # in the order of their time
    notes: tuple[Note, ...] = ()  # lines that could not be read


class Pen(NamedTuple):
    """Who writes into the ledger."""

    author: Author
    signing: Signing | None = None


def read_ledger(mirror: Holder, *, evidence: bool = False) -> Ledger:
    """All lines but evidence, or only evidence. A line that can't be read is a note."""
    snapshot = _snapshot(mirror)
    found: list[LedgerEntry] = []
    notes: list[Note] = []
    for series in _series(snapshot) if snapshot else ():
        if snapshot and series.startswith(_EVIDENCE) is evidence:
            for path, content in _parts(snapshot, series).items():
                _read_lines(path, content, mirror.repository, found, notes)
    return Ledger(tuple(sorted(found, key=lambda entry: entry.at)), tuple(notes))


def append_ledger(mirror: Mirror, entries: Sequence[LedgerEntry], pen: Pen, when: int) -> RefUpdate | None:
    """A commit with these lines added, as the update to push; None when all are there already.

    That makes it harmless to write the same lines again, after a crash or a refused lease.
    """
    snapshot = _snapshot(mirror)
    files: dict[str, bytes] = {} if snapshot else {_README: _EXPLANATION}
    added = 0
    for series, lines in _by_series(entries).items():
        parts = _parts(snapshot, series) if snapshot else {}
        known = {line for content in parts.values() for line in content.split(b"\n")}
        new = [line for line in dict.fromkeys(lines) if line not in known]
        files |= _appended(series, parts, new)
        added += len(new)
    if not added:
        return None
    tip = snapshot.commit if snapshot else ""
    text = message(f"Ledger: {added} line{'s' if added > 1 else ''}", "", {})
    commit = mirror.commit(CommitRequest(tip, files, text, pen.author, when, pen.signing))
    return RefUpdate(f"refs/heads/{BRANCH}", commit, tip)


def write_ledger(
    mirror: Mirror, entries: Sequence[LedgerEntry], pen: Pen, when: int, *, tries: int = 5
) -> None:
    """Append and push; when another run was faster, read again and append to what it wrote."""
    detail = ""
    for attempt in range(tries):
        if attempt:
            mirror.fetch()
        update = append_ledger(mirror, entries, pen, when)
        if update is None:
            return
        pushed = mirror.push([update])[0]
        if pushed.outcome is Outcome.DONE:
            return
        detail = pushed.detail
        if pushed.outcome is Outcome.REFUSED:
            break
    raise Problem(
        BRANCH,
        f"the ledger could not be written: {detail}.",
        whose=Whose.THEIRS,
        repository=mirror.repository,
    )


def find_evidence(mirror: Holder, hashes: Collection[str]) -> dict[str, object]:
    """The evidence of these hashes, as it was stored; without those that the ledger doesn't have.

    Newest months first, and only lines that have one of the hashes in them are read: the rest of it
    may be hundreds of megabytes.
    """
    snapshot = _snapshot(mirror)
    found: dict[str, object] = {}
    wanted = {each: each.encode("ascii", "replace") for each in hashes}
    for series in reversed(_series(snapshot)) if snapshot else ():
        if snapshot is None or not series.startswith(_EVIDENCE):
            continue
        for content in _parts(snapshot, series).values():
            for name, mark in wanted.items():
                if name not in found and (entry := _with(content, mark, name)) is not None:
                    found[name] = entry.facts.get("evidence")
        if len(found) == len(wanted):
            break
    return found


def _with(content: bytes, mark: bytes, name: str) -> LedgerEntry | None:
    """The entry whose hash it is; the same digits may stand in others, too."""
    at = content.find(mark)
    while at >= 0:
        start = content.rfind(b"\n", 0, at) + 1
        end = content.find(b"\n", at)
        end = len(content) if end < 0 else end
        entry = _entry(content[start:end])
        if entry is not None and entry.event == _EVIDENCE and entry.facts.get("hash") == name:
            return entry
        at = content.find(mark, end)
    return None


def _snapshot(mirror: Holder) -> GitSnapshot | None:
    tip = mirror.tip(BRANCH)
    return mirror.at(tip, limit=_LIMIT) if tip else None


def _series(snapshot: GitSnapshot) -> list[str]:
    """The months there are, oldest first, those of evidence apart."""
    named = (_NAME.fullmatch(entry.path) for entry in snapshot.entries())
    return sorted({match[1] for match in named if match})


def _parts(snapshot: GitSnapshot, series: str) -> dict[str, bytes]:
    """The files of one month, in the order in which they were begun. Others are not read.

    One that can't be read whole is a Problem: without it the bot would repeat itself, and write
    it anew.
    """
    found = []
    for entry in snapshot.entries():
        named = _NAME.fullmatch(entry.path)
        if named and named[1] == series:
            found.append((int(named[2] or 1), entry))
    parts = {}
    for _, entry in sorted(found):
        content = snapshot.read(entry)
        if content is None:
            text = (
                f"the ledger's file {entry.path} is larger than {_LIMIT // 2**20} MiB and is left as it is: "
                f"split it into {series}.jsonl, {series}-2.jsonl and so on, on the branch {BRANCH}."
            )
            raise Problem(BRANCH, text, repository=snapshot.repository, path=entry.path)
        parts[entry.path] = content
    return parts


def _appended(series: str, parts: Mapping[str, bytes], lines: Sequence[bytes]) -> dict[str, bytes]:
    """The files that these lines change: the last one, and those that continue it."""
    path = list(parts)[-1] if parts else f"{series}.jsonl"
    content = bytearray(parts.get(path, b""))
    if content and not content.endswith(b"\n"):  # the last line was cut off
        content += b"\n"
    changed: dict[str, bytes] = {}
    for line in lines:
        if content and len(content) + len(line) > _FULL:
            changed |= {path: bytes(content)} if bytes(content) != parts.get(path) else {}
            path, content = _next(path), bytearray()
        content += line + b"\n"
    return changed | {path: bytes(content)} if lines else {}


def _next(path: str) -> str:
    """The file that continues a full one."""
    named = _NAME.fullmatch(path)
    series, number = named.groups() if named else (path, None)
    return f"{series}-{int(number or 1) + 1}.jsonl"


def _by_series(entries: Sequence[LedgerEntry]) -> Mapping[str, list[bytes]]:
    found: dict[str, list[bytes]] = defaultdict(list)
    for entry in entries:
        month = datetime.fromtimestamp(entry.at, UTC).strftime("%Y-%m")
        prefix = f"{_EVIDENCE}-" if entry.event == _EVIDENCE else ""
        found[prefix + month].append(_line(entry))
    return found


def _line(entry: LedgerEntry) -> bytes:
    """Canonical, so that equal entries are equal lines."""
    text = json.dumps(entry._asdict(), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return text.encode("ascii")


def _read_lines(
    path: str, content: bytes, repository: str, found: list[LedgerEntry], notes: list[Note]
) -> None:
    for number, line in enumerate(content.split(b"\n"), start=1):
        if not line.strip():
            continue
        entry = _entry(line)
        if entry is None:
            detail = "a line of the ledger can't be read and is left out: it was cut off or edited"
            notes.append(Note("ledger-line", detail, repository=repository, path=path, line=number))
        else:
            found.append(entry)


def _entry(line: bytes) -> LedgerEntry | None:
    """The entry in a line. Keys of a newer version are passed over."""
    try:
        read = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(read, dict):
        return None
    at, event, key, facts = (read.get(name) for name in ("at", "event", "key", "facts"))
    if type(at) is not int or not 0 <= at <= _LATEST or not isinstance(event, str):
        return None
    if not isinstance(key, str) or not isinstance(facts, dict) or not _are_plain(facts):
        return None
    return LedgerEntry(at, event, key, facts)


def _are_plain(facts: Mapping[str, object]) -> bool:
    """Whether the facts that runs compare have the types that runs write."""
    number = facts.get("number", 0)
    return type(number) is int and all(isinstance(facts.get(name, ""), str) for name in _TEXTS)

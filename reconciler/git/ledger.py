"""The ledger: what happened, as lines of JSON on an orphan branch of the same repository.

One file a month, `2026-11.jsonl`; evidence, which is large and seldom read, beside it in
`evidence-2026-11.jsonl`. Lines are added, never changed, and moved under a lease like every
other branch, so that of two runs at once none loses a line.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

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
_NAME: Final = re.compile(r"(evidence-)?\d{4}-\d{2}\.jsonl")
_LIMIT: Final = 512 * 1024 * 1024
_README: Final = "README.md"
_EXPLANATION: Final = b"""# Ledger

Written by `reconcile`, one JSON object a line, and only ever added to. It is how a run knows
what earlier runs proposed, and what people made of it. Deleting this branch is safe; rejected
proposals may then come back, and cool-downs begin anew.
"""


class Ledger(NamedTuple):
    entries: tuple[LedgerEntry, ...]  # in the order of their time
    notes: tuple[Note, ...] = ()  # lines that could not be read


class Pen(NamedTuple):
    """Who writes into the ledger."""

    author: Author
    signing: Signing | None = None


def read_ledger(mirror: Mirror, *, evidence: bool = False) -> Ledger:
    """All lines but evidence, or only evidence. A line that can't be read is a note."""
    snapshot = _snapshot(mirror)
    found: list[LedgerEntry] = []
    notes: list[Note] = []
    for path, content in _files(snapshot).items() if snapshot else ():
        if path.startswith(_EVIDENCE) is evidence:
            _read_lines(path, content, mirror.repository, found, notes)
    return Ledger(tuple(sorted(found, key=lambda entry: entry.at)), tuple(notes))


def append_ledger(mirror: Mirror, entries: Sequence[LedgerEntry], pen: Pen, when: int) -> RefUpdate | None:
    """A commit with these lines added, as the update to push; None when all are there already.

    That makes it harmless to write the same lines again, after a crash or a refused lease.
    """
    snapshot = _snapshot(mirror)
    there = _files(snapshot) if snapshot else {}
    files: dict[str, bytes] = {} if snapshot else {_README: _EXPLANATION}
    added = 0
    for path, lines in _by_file(entries).items():
        old = there.get(path, b"")
        known = set(old.split(b"\n"))
        new = [line for line in dict.fromkeys(lines) if line not in known]
        if new:
            gap = b"" if not old or old.endswith(b"\n") else b"\n"  # the last line was cut off
            files[path] = old + gap + b"\n".join(new) + b"\n"
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


def _snapshot(mirror: Mirror) -> GitSnapshot | None:
    tip = mirror.tip(BRANCH)
    return mirror.at(tip, limit=_LIMIT) if tip else None


def _files(snapshot: GitSnapshot) -> dict[str, bytes]:
    """The ledger's files, oldest first."""
    named = [entry for entry in snapshot.entries() if _NAME.fullmatch(entry.path)]
    return {entry.path: snapshot.read(entry) or b"" for entry in named}


def _by_file(entries: Sequence[LedgerEntry]) -> Mapping[str, list[bytes]]:
    files: dict[str, list[bytes]] = defaultdict(list)
    for entry in entries:
        month = datetime.fromtimestamp(entry.at, UTC).strftime("%Y-%m")
        prefix = f"{_EVIDENCE}-" if entry.event == _EVIDENCE else ""
        files[f"{prefix}{month}.jsonl"].append(_line(entry))
    return files


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
    if type(at) is not int or not isinstance(event, str) or not isinstance(key, str):
        return None
    return LedgerEntry(at, event, key, facts) if isinstance(facts, dict) else None

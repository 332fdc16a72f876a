"""What a commit was made from: found by its trailers and the ledger, or told by a file.

The commit's own changes are not looked at here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

from reconciler import __version__, canonical
from reconciler.audit.records import Claim
from reconciler.audit.requests import says, spot_of
from reconciler.audit.strands import Strands
from reconciler.errors import Problem
from reconciler.git.annals import Annals, Told
from reconciler.git.ledger import BRANCH, find_evidence, read_ledger
from reconciler.model import Evidence, LedgerEntry
from reconciler.proposals.memo import MemoValue
from reconciler.proposals.pushed import Push, read_push

_KEY, _PLAN, _EVIDENCE = "Reconcile-Key", "Reconcile-Plan", "Reconcile-Evidence"


class Unknown(Problem):
    """It can't be replayed, and why."""

    def __init__(self, what: str, words: str) -> None:
        super().__init__(what, f"{words}.")


def of_commit(annals: Annals, revision: str) -> Claim:
    """The claim of a commit: ours, a merge of ours, or what a squash made of ours."""
    told = annals.told(annals.named(revision))
    entries = read_ledger(annals).entries
    if told is None:
        raise Unknown(revision, _absent(annals, revision, entries))
    ours, notes = _ours(annals, told)
    key, push = _pushed(ours, entries)
    if push is None:
        key, push = _by_values(annals, ours, entries)
    if push is None:
        raise Unknown(revision, _unknown(annals, told, bool(ours.marks.get(_KEY))))
    if not ours.parents or annals.told(ours.parents[0]) is None:
        words = (
            f"the commit that {ours.commit[:12]} stands on is not here: this clone is shallow; "
            "`git fetch --unshallow` brings it"
        )
        raise Unknown(revision, words)
    _check_trailer(ours, push)
    if ours.parents[0] != push.base_commit:
        notes += (
            f"it was decided on {push.base_commit[:12]} and stands on {ours.parents[0][:12]}: the edit is "
            "made there",
        )
    return Claim(ours.commit, ours.parents[0], key, push, _evidence_of(annals, push), notes)


def of_push(annals: Annals, key: str, push: Push) -> Claim:
    """The claim of a push that the ledger tells of; compared where its commit is here."""
    if annals.told(push.base_commit) is None:
        words = f"the commit {push.base_commit[:12]} that {key} was made on is not here: fetch it"
        raise Unknown(key, words)
    commit = push.head if annals.told(push.head) is not None else ""
    notes = () if commit else (f"its commit {push.head[:12]} is not here any more: nothing to compare with",)
    return Claim(commit, push.base_commit, key, push, _evidence_of(annals, push), notes)


def pushes_of(annals: Annals, hashes: frozenset[str]) -> list[tuple[str, Push]]:
    """What was pushed from nothing but this evidence: the latest of each branch."""
    found: dict[str, tuple[str, Push]] = {}
    for entry in read_ledger(annals).entries:
        push = read_push(entry.facts) if entry.event == "pushed" else None
        if push is not None and {told.evidence for told in push.changes} <= hashes:
            found[push.branch] = (entry.key, push)
    return list(found.values())


def _ours(annals: Annals, told: Told) -> tuple[Told, tuple[str, ...]]:
    """The commit itself, or what it merged of ours."""
    if not told.marks.get(_KEY):
        for parent in told.parents[1:]:
            merged = annals.told(parent)
            if merged is not None and merged.marks.get(_KEY):
                return merged, (f"{told.commit[:12]} merged {merged.commit[:12]}, which is replayed",)
    return told, ()


def _pushed(ours: Told, entries: Sequence[LedgerEntry]) -> tuple[str, Push | None]:
    """By the commit; by its trailers; by the merge that the forge told of."""
    marks = ours.marks
    wanted = [(marks.get(_KEY, ""), marks.get(_PLAN, ""))]
    for entry in entries:
        memo = entry.facts.get("memo")
        if entry.event == "merged" and entry.facts.get("commit") == ours.commit and isinstance(memo, dict):
            wanted.append((entry.key, str(memo.get("plan", ""))))
    found: LedgerEntry | None = None
    for entry in entries:
        if entry.event != "pushed":
            continue
        if entry.facts.get("head") == ours.commit:
            found = entry
            break
        if (entry.key, entry.facts.get("plan")) in wanted and entry.at <= ours.at:
            found = entry
    return (found.key, read_push(found.facts)) if found is not None else ("", None)


def _by_values(annals: Annals, told: Told, entries: Sequence[LedgerEntry]) -> tuple[str, Push | None]:
    """The latest push whose every value came with this commit: of a squash that kept nothing of ours."""
    values = Strands(annals)
    for entry in reversed(entries):
        push = read_push(entry.facts) if entry.event == "pushed" and entry.at <= told.at else None
        wanted = [value for change in push.changes for value in change.values] if push else []
        if wanted and told.parents and all(_came(values, told, value) for value in wanted):
            return entry.key, push
    return "", None


def _came(values: Strands, told: Told, value: MemoValue) -> bool:
    spot = spot_of(value)
    old, new = values.value(told.parents[0], spot), values.value(told.commit, spot)
    return says(old, value.old, value.field) and says(new, value.new, value.field)


def _absent(annals: Annals, revision: str, entries: Sequence[LedgerEntry]) -> str:
    for entry in entries:
        head = str(entry.facts.get("head", ""))
        if entry.event == "pushed" and len(revision) >= 7 and head.startswith(revision):
            return (
                f"the ledger knows {revision}, but it is not here: its branch was removed, or not fetched; "
                f"`git fetch origin {head}` may bring it"
            )
    return f"there is no commit {revision!r} in {annals.repository}, and no such file"


def _unknown(annals: Annals, told: Told, is_ours: bool) -> str:
    commit = told.commit[:12]
    if not annals.tip(BRANCH):
        return (
            f"what {commit} was made from is not here: there is no branch {BRANCH}; "
            f"`git fetch origin {BRANCH}:refs/remotes/origin/{BRANCH}` brings it"
        )
    if is_ours:
        return f"the ledger has nothing on {commit}: it was cut off, or {commit} was pushed by something else"
    return f"{commit} is none of ours: it has no trailers, and the ledger knows no merge of that name"


def _check_trailer(ours: Told, push: Push) -> None:
    told = ours.marks.get(_EVIDENCE)
    if told is not None and told != canonical.digest(sorted(change.evidence for change in push.changes)):
        words = f"the ledger names other evidence than the trailer of {ours.commit[:12]}: one was changed"
        raise Unknown(ours.commit, words)


def _evidence_of(annals: Annals, push: Push) -> dict[str, Evidence]:
    hashes = {told.evidence for told in push.changes}
    stored = find_evidence(annals, hashes)
    missing = sorted(hashes - stored.keys())
    if missing:
        words = f"the evidence {missing[0][:16]} is not in the ledger: its file was removed or cut off"
        raise Unknown(push.head[:12], words)
    return {name: loaded(name, stored[name], push.version) for name in hashes}


def loaded(name: str, stored: object, version: str) -> Evidence:
    """Evidence as it was stored, checked against its hash."""
    try:
        evidence = canonical.load(Evidence, stored)
    except (ValueError, RecursionError) as error:
        words = (
            f"the evidence {name[:16]} can't be read ({error}): it was written by reconcile "
            f"{version or 'of another version'}, and this is {__version__}"
        )
        raise Unknown(name[:16], words) from error
    if name and canonical.digest(evidence) != name:
        raise Unknown(name[:16], f"the evidence {name[:16]} is not what its hash says: it was changed")
    return evidence


# -- files ----------------------------------------------------------------------------------------


def exported(claim: Claim) -> dict[str, object]:
    """All of a claim, for whoever has the repository and not its ledger."""
    return {
        "apiVersion": "reconciler/v1",
        "commit": claim.commit,
        "base": claim.base,
        "key": claim.key,
        "push": canonical.plain(claim.push),
        "evidence": {name: canonical.plain(one) for name, one in sorted(claim.evidence.items())},
    }


def of_file(annals: Annals, text: str, name: str) -> list[Claim]:
    """What a file tells: an export, the JSON of a run, or evidence alone, as JSON or line by line."""
    documents = list(_documents(text, name))
    first = documents[0] if documents else {}
    if "push" in first:
        return [_of_export(annals, first, name)]
    if "changes" in first and "actions" in first:
        return _of_run(annals, first, name)
    found = [_of_evidence(annals, one, name) for one in documents]
    if not found:
        raise Unknown(name, f"{name} is empty: expected evidence, an export, or the JSON of a run")
    return found


def _documents(text: str, name: str) -> Iterator[dict[str, object]]:
    """One document, or one a line."""
    try:
        whole = [json.loads(text)]
    except RecursionError:
        raise Unknown(name, f"{name} is nested too deep to be ours") from None
    except ValueError:
        try:
            whole = [json.loads(line) for line in text.splitlines() if line.strip()]
        except (ValueError, RecursionError) as error:
            raise Unknown(name, f"{name} is no JSON ({error})") from None
    for one in whole:
        if not isinstance(one, dict):
            raise Unknown(name, f"{name} holds no evidence: expected an object")
        yield one


def _of_export(annals: Annals, told: Mapping[str, object], name: str) -> Claim:
    facts, stored = told.get("push"), told.get("evidence")
    push = read_push(facts) if isinstance(facts, dict) else None
    if push is None or not isinstance(stored, dict):
        raise Unknown(name, f"{name} is no export that this version ({__version__}) can read")
    commit, base = str(told.get("commit", "")), str(told.get("base", ""))
    missing = {change.evidence for change in push.changes} - stored.keys()
    if missing:
        raise Unknown(name, f"{name} lacks the evidence {min(missing)[:16]}")
    if annals.told(base) is None:
        raise Unknown(name, f"the commit {base[:12]!r} that it stands on is not in {annals.repository}")
    notes: tuple[str, ...] = ()
    if commit and annals.told(commit) is None:
        commit, notes = "", (f"its commit {commit[:12]} is not here: nothing to compare with",)
    evidence = {one: loaded(one, stored[one], push.version) for one in stored}
    return Claim(commit, base, str(told.get("key", "")), push, evidence, notes)


def _of_run(annals: Annals, told: Mapping[str, object], name: str) -> list[Claim]:
    rows = told.get("changes")
    hashes = frozenset(
        str(row["evidence"])
        for row in (rows if isinstance(rows, list) else ())
        if isinstance(row, dict) and "evidence" in row
    )
    if not hashes:
        raise Unknown(name, f"the run of {name} changed nothing: there is nothing to replay")
    pushes = pushes_of(annals, hashes)
    if not pushes:
        words = (
            f"the ledger has nothing that was pushed from the evidence of {name}: it was a dry run, which "
            "keeps none, or of another repository"
        )
        raise Unknown(name, words)
    return [of_push(annals, key, push) for key, push in pushes]


def _of_evidence(annals: Annals, told: Mapping[str, object], name: str) -> Claim:
    """Evidence alone, or as a line of the ledger has it."""
    facts = told.get("facts")
    inner = facts if isinstance(facts, dict) else told
    stored = inner.get("evidence", inner)
    evidence = loaded(str(inner.get("hash", "")), stored, "")
    if annals.told(evidence.commit) is None:
        words = f"the commit {evidence.commit[:12]!r} that it was read at is not in {annals.repository}"
        raise Unknown(name, words)
    notes = ("evidence alone names no commit: nothing to compare with",)
    return Claim("", evidence.commit, "", None, {canonical.digest(evidence): evidence}, notes)

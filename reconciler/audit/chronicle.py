"""The history of one repository's values, from its ledger and its branch."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from reconciler.audit import messages
from reconciler.audit.requests import Wanted, requests_of
from reconciler.audit.story import Story, spots_of, story
from reconciler.audit.strands import Strands
from reconciler.git.annals import Annals
from reconciler.git.ledger import BRANCH, read_ledger
from reconciler.model import LedgerEntry, Note


class Chronicle(NamedTuple):
    """Where a history is to be read."""

    name: str  # of the repository, for people
    annals: Annals
    base: str  # the branch that is deployed; "" where that isn't known
    tip: str  # its commit


class Read(NamedTuple):
    name: str
    story: Story
    notes: tuple[Note, ...]


def read(chronicle: Chronicle, wanted: Wanted, until: int | None = None) -> Read:
    """Everything that came until then."""
    annals = chronicle.annals
    ledger = read_ledger(annals)
    entries = _of_base((one for one in ledger.entries if until is None or one.at <= until), chronicle.base)
    requests = requests_of(entries, wanted)
    spots, since = spots_of(requests, wanted)
    edits, ours = Strands(annals).edits(chronicle.tip, spots, since)
    if until is not None:
        edits = [one for one in edits if one.at <= until]
        ours = [one for one in ours if one.told.at <= until]
    known = {(entry.key, str(entry.facts.get("plan", ""))) for entry in entries if entry.event == "pushed"}
    found = story(
        requests,
        edits,
        lambda commit: annals.contains(chronicle.tip, commit),
        wanted,
        messages.rows(ours, known, wanted),
    )
    return Read(chronicle.name, found, (*ledger.notes, *_notes(chronicle)))


def _of_base(entries: Iterable[LedgerEntry], base: str) -> list[LedgerEntry]:
    """Without what was pushed for another branch of the same repository."""
    everything = list(entries)
    if not base:
        return everything
    told = {
        str(entry.facts.get("branch", "")): entry.facts.get("base")
        for entry in everything
        if entry.event == "pushed"
    }
    return [
        entry for entry in everything if told.get(str(entry.facts.get("branch", "")), base) in (base, None)
    ]


def _notes(chronicle: Chronicle) -> list[Note]:
    found = []
    if not chronicle.annals.tip(BRANCH):
        words = (
            f"there is no branch {BRANCH} here, so only what the messages of commits tell is known: if the "
            f"repository has one, `git fetch origin {BRANCH}:refs/remotes/origin/{BRANCH}` brings it"
        )
        found.append(Note("no-ledger", words, chronicle.name))
    if chronicle.annals.is_cut:
        words = "this clone is shallow: what came before it is not known; `git fetch --unshallow` brings it"
        found.append(Note("shallow", words, chronicle.name))
    return found

"""The ledger: lines are only ever added, and no run loses another's."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from servers.repositories import Bare

from reconciler.errors import Problem
from reconciler.git.commits import Author
from reconciler.git.ledger import BRANCH, Pen, append_ledger, read_ledger, write_ledger
from reconciler.git.mirror import Mirror, open_mirror
from reconciler.model import LedgerEntry

PEN = Pen(Author("Bot", "bot@example.com"))
NOVEMBER = 1_762_300_800  # 2025-11-05
DECEMBER = NOVEMBER + 30 * 86_400


@pytest.fixture
def mirror(deploy: Bare, tmp_path: Path) -> Mirror:
    return open_mirror(deploy.url, tmp_path / "cache")


def opened(at: int = NOVEMBER, key: str = "savings/web") -> LedgerEntry:
    return LedgerEntry(at, "opened", key, {"number": 1, "title": 'ü "quoted"\n'})


def test_no_ledger_is_an_empty_one(mirror: Mirror) -> None:
    assert read_ledger(mirror) == ((), ())
    assert append_ledger(mirror, [], PEN, NOVEMBER) is None


def test_what_was_written_is_read(mirror: Mirror, deploy: Bare) -> None:
    entries = [opened(DECEMBER, "b"), opened(), LedgerEntry(NOVEMBER, "evidence", "a", {"big": [1, 2]})]
    write_ledger(mirror, entries, PEN, DECEMBER)
    mirror.fetch()
    assert read_ledger(mirror).entries == (opened(), opened(DECEMBER, "b"))
    assert read_ledger(mirror, evidence=True).entries == (entries[2],)
    snapshot = mirror.snapshot(BRANCH)
    assert [entry.path for entry in snapshot.entries()] == [
        "2025-11.jsonl", "2025-12.jsonl", "README.md", "evidence-2025-11.jsonl",
    ]  # fmt: skip


def test_the_deployment_branch_has_nothing_of_it(mirror: Mirror, deploy: Bare) -> None:
    before = deploy.tip()
    write_ledger(mirror, [opened()], PEN, NOVEMBER)
    assert deploy.tip() == before
    assert not mirror.info(deploy.tip(BRANCH)).parents


def test_lines_are_added_and_never_changed(mirror: Mirror, deploy: Bare) -> None:
    write_ledger(mirror, [opened()], PEN, NOVEMBER)
    before, first = deploy.read("2025-11.jsonl", BRANCH), deploy.tip(BRANCH)
    write_ledger(mirror, [opened(NOVEMBER - 5)], PEN, NOVEMBER)
    assert deploy.read("2025-11.jsonl", BRANCH).startswith(before)
    assert mirror.info(deploy.tip(BRANCH)).parents == (first,)


def test_the_same_line_again_is_no_write(mirror: Mirror, deploy: Bare) -> None:
    write_ledger(mirror, [opened(), opened()], PEN, NOVEMBER)
    tip = deploy.tip(BRANCH)
    write_ledger(mirror, [opened()], PEN, NOVEMBER + 1)
    assert deploy.tip(BRANCH) == tip
    assert read_ledger(mirror).entries == (opened(),)


def test_two_runs_at_once_lose_nothing(mirror: Mirror, deploy: Bare, tmp_path: Path) -> None:
    other = open_mirror(deploy.url, tmp_path / "other")
    write_ledger(other, [opened(key="theirs")], PEN, NOVEMBER)
    write_ledger(mirror, [opened(key="ours")], PEN, NOVEMBER)
    assert {entry.key for entry in read_ledger(mirror).entries} == {"theirs", "ours"}


def test_the_update_goes_with_the_branches_in_one_push(mirror: Mirror, deploy: Bare) -> None:
    update = append_ledger(mirror, [opened()], PEN, NOVEMBER)
    assert update is not None
    mirror.push([update])
    assert deploy.tip(BRANCH) == update.new
    again = append_ledger(mirror, [opened(key="b")], PEN, NOVEMBER)
    assert again is not None
    assert (again.expected, again.ref) == (update.new, f"refs/heads/{BRANCH}")


def test_a_server_that_refuses_is_told(mirror: Mirror, deploy: Bare) -> None:
    hook = deploy.path / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    with pytest.raises(Problem, match="ledger could not be written: the server refused"):
        write_ledger(mirror, [opened()], PEN, NOVEMBER)


def test_lines_that_cannot_be_read_are_notes(mirror: Mirror, deploy: Bare) -> None:
    write_ledger(mirror, [opened()], PEN, NOVEMBER)
    good = deploy.read("2025-11.jsonl", BRANCH)
    bad = b'[]\n{"at":true,"event":"x","key":"y","facts":{}}\n\xff\n' + b"[" * 100_000 + b"\n"
    newer = b'{"at":7,"event":"opened","facts":{},"key":"k","since":"a later version"}\n'
    deploy.commit({"2025-11.jsonl": bad + newer + good + b'{"at":17623'}, BRANCH)
    mirror.fetch()
    read = read_ledger(mirror)
    assert read.entries == (LedgerEntry(7, "opened", "k", {}), opened())
    assert [note.line for note in read.notes] == [1, 2, 3, 4, 7]
    write_ledger(mirror, [opened(NOVEMBER + 1)], PEN, NOVEMBER)
    assert read_ledger(mirror).entries == (LedgerEntry(7, "opened", "k", {}), opened(), opened(NOVEMBER + 1))


def test_other_files_on_the_branch_stay(mirror: Mirror, deploy: Bare) -> None:
    write_ledger(mirror, [opened()], PEN, NOVEMBER)
    deploy.commit({"notes.txt": b"mine", "evidence-2025-11.jsonl.bak": b"x"}, BRANCH)
    mirror.fetch()
    write_ledger(mirror, [opened(key="b")], PEN, NOVEMBER)
    assert deploy.read("notes.txt", BRANCH) == b"mine"
    assert len(read_ledger(mirror).entries) == 2


TEXT = st.text(st.characters(codec="utf-8"), max_size=10)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)
ENTRIES = st.builds(
    LedgerEntry,
    st.integers(0, 4_000_000_000),
    st.sampled_from(["opened", "merged", "evidence"]),
    TEXT,
    st.dictionaries(TEXT, JSON, max_size=3),
)


@settings(deadline=None, max_examples=10)
@given(batches=st.lists(st.lists(ENTRIES, max_size=4), max_size=3))
def test_every_entry_comes_back(
    batches: list[list[LedgerEntry]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("ledger")
    bare = Bare(folder / "deploy.git")
    mirror = open_mirror(bare.url, folder / "cache")
    for batch in batches:
        write_ledger(mirror, batch, PEN, NOVEMBER)
    read = [*read_ledger(mirror).entries, *read_ledger(mirror, evidence=True).entries]
    written = [entry for batch in batches for entry in batch]
    assert sorted(map(repr, map(_plain, read))) == sorted({repr(_plain(entry)) for entry in written})


def _plain(entry: LedgerEntry) -> tuple[object, ...]:
    """Comparable apart from the order of keys."""

    def sort(value: object) -> object:
        if isinstance(value, dict):
            return sorted((key, repr(sort(inner))) for key, inner in value.items())
        return [sort(inner) for inner in value] if isinstance(value, list) else value

    return (*entry[:3], repr(sort(entry.facts)))

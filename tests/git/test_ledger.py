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


@pytest.mark.parametrize(
    "odd",
    [
        b'{"at":7,"event":"opened","facts":{"number":[1]},"key":"k"}',
        b'{"at":7,"event":"opened","facts":{"number":true},"key":"k"}',
        b'{"at":7,"event":"opened","facts":{"number":"1"},"key":"k"}',
        b'{"at":7,"event":"pushed","facts":{"head":{"a":1}},"key":"k"}',
        b'{"at":7,"event":"merged","facts":{"url":7},"key":"k"}',
        b'{"at":-1,"event":"opened","facts":{},"key":"k"}',
        b'{"at":99999999999999,"event":"opened","facts":{},"key":"k"}',
    ],
)
def test_facts_of_odd_types_are_notes(odd: bytes, mirror: Mirror, deploy: Bare) -> None:
    write_ledger(mirror, [opened()], PEN, NOVEMBER)
    deploy.commit({"2025-11.jsonl": odd + b"\n" + deploy.read("2025-11.jsonl", BRANCH)}, BRANCH)
    mirror.fetch()
    read = read_ledger(mirror)
    assert read.entries == (opened(),)
    assert [(note.path, note.line) for note in read.notes] == [("2025-11.jsonl", 1)]


def test_a_full_file_is_continued(mirror: Mirror, deploy: Bare, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reconciler.git.ledger._FULL", 300)
    entries = [opened(NOVEMBER + number) for number in range(12)]
    for count in (2, 3, 9, 12):  # each write has the lines of the one before
        write_ledger(mirror, entries[:count], PEN, NOVEMBER)
        assert read_ledger(mirror).entries == tuple(entries[:count])
    names = [name for name in (entry.path for entry in mirror.snapshot(BRANCH).entries()) if "jsonl" in name]
    assert "2025-11-2.jsonl" in names
    assert len(names) > 3
    assert all(len(deploy.read(name, BRANCH)) <= 300 for name in names)


def test_a_file_begun_long_ago_is_continued_too(
    mirror: Mirror, deploy: Bare, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_ledger(mirror, [opened(NOVEMBER + number) for number in range(9)], PEN, NOVEMBER)
    before = deploy.read("2025-11.jsonl", BRANCH)
    monkeypatch.setattr("reconciler.git.ledger._FULL", 300)
    write_ledger(mirror, [opened(key="new")], PEN, NOVEMBER)
    assert deploy.read("2025-11.jsonl", BRANCH) == before
    assert b'"new"' in deploy.read("2025-11-2.jsonl", BRANCH)
    assert len(read_ledger(mirror).entries) == 10


def test_parts_are_read_in_the_order_of_their_numbers(mirror: Mirror, deploy: Bare) -> None:
    write_ledger(mirror, [opened()], PEN, NOVEMBER)
    line = deploy.read("2025-11.jsonl", BRANCH)
    parts = {f"2025-11-{number}.jsonl": line.replace(b"web", b"%d" % number) for number in (2, 3, 10)}
    deploy.commit({**parts, "2025-11-02.jsonl": line, "2025-11-0.jsonl": line}, BRANCH)
    mirror.fetch()
    assert [entry.key for entry in read_ledger(mirror).entries] == [
        "savings/web", "savings/2", "savings/3", "savings/10",
    ]  # fmt: skip
    write_ledger(mirror, [opened(key="new")], PEN, NOVEMBER)
    assert b'"new"' in deploy.read("2025-11-10.jsonl", BRANCH)


def test_a_file_too_large_to_be_read_is_never_written_anew(
    mirror: Mirror, deploy: Bare, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_ledger(mirror, [opened(NOVEMBER + number) for number in range(9)], PEN, NOVEMBER)
    tip = deploy.tip(BRANCH)
    monkeypatch.setattr("reconciler.git.ledger._LIMIT", 300)
    for call in (lambda: read_ledger(mirror), lambda: write_ledger(mirror, [opened()], PEN, NOVEMBER)):
        with pytest.raises(Problem, match=r"split it into 2025-11\.jsonl, 2025-11-2.jsonl") as caught:
            call()
        assert caught.value.failure.path == "2025-11.jsonl"
    assert deploy.tip(BRANCH) == tip
    write_ledger(mirror, [opened(DECEMBER)], PEN, DECEMBER)  # another month has a file of its own
    assert deploy.read("2025-12.jsonl", BRANCH)


def test_evidence_is_read_only_when_evidence_is_written(
    mirror: Mirror, deploy: Bare, monkeypatch: pytest.MonkeyPatch
) -> None:
    evidence = LedgerEntry(NOVEMBER, "evidence", "a", {"big": "x" * 1000})
    write_ledger(mirror, [opened(), evidence], PEN, NOVEMBER)
    monkeypatch.setattr("reconciler.git.ledger._LIMIT", 900)  # a read of the evidence would be a Problem
    assert read_ledger(mirror).entries == (opened(),)
    write_ledger(mirror, [opened(key="b")], PEN, NOVEMBER)
    assert len(read_ledger(mirror).entries) == 2
    assert b"xxx" in deploy.read("evidence-2025-11.jsonl", BRANCH)
    with pytest.raises(Problem, match="larger than"):
        read_ledger(mirror, evidence=True)


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
    st.dictionaries(TEXT.map("x".__add__), JSON, max_size=3),  # none of those that runs compare
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

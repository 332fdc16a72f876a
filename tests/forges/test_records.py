"""Records as files: damaged by hand, written by others, and many."""

from __future__ import annotations

import json
import os

import pytest
from servers.repositories import Bare

from reconciler.errors import Problem
from reconciler.forges import records as room
from reconciler.forges.local import LocalForge
from reconciler.forges.port import Draft

NOW = 1_762_300_800


def forge_of(deploy: Bare) -> LocalForge:
    return LocalForge(deploy.path, user="bot", clock=lambda: NOW)


def draft(deploy: Bare, branch: str) -> Draft:
    if branch not in deploy.branches():
        deploy.commit({"a.yaml": branch.encode()}, branch, start="main")
    return Draft(branch, "main", "t", "b")


@pytest.fixture
def forge(deploy: Bare) -> LocalForge:
    """Three open ones."""
    made = forge_of(deploy)
    for name in ("one", "two", "three"):
        made.open(draft(deploy, name))
    return made


def numbers(forge: LocalForge) -> list[int]:
    return [request.number for request in forge.mine("")]


# -- damaged ones -----------------------------------------------------------------------------------

NAMELESS = [
    b"", b"{", b'{"number": "x"}', b"\xff", b"[]", b'{"branch": "two", "branch": "one"}', b'"branch": "\\x"',
]  # fmt: skip


@pytest.mark.parametrize("damage", NAMELESS)
def test_a_damaged_one_is_left_out_and_may_be_of_any_branch(
    damage: bytes, forge: LocalForge, deploy: Bare
) -> None:
    forge.records.path(2).write_bytes(damage)
    for each in (forge, forge_of(deploy)):
        assert numbers(each) == [3, 1]
        assert each.close(3).state == "closed"
        assert each.reopen(1).state == "open"
        for call in (lambda each=each: each.open(draft(deploy, "new")), lambda each=each: each.reopen(3)):
            with pytest.raises(Problem, match=r"2 can't be read .* correct the file, or remove it") as caught:
                call()
            assert caught.value.failure.path == str(forge.records.path(2))
    forge.records.path(2).unlink()
    assert forge.open(draft(deploy, "two")).number == 4


def change(forge: LocalForge, which: int, **changes: object) -> None:
    path = forge.records.path(which)
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"number": 1}, {"state": "done"}, {"head": "main"}, {"head": "a" * 64}, {"merge_commit": "x"},
        {"since": "x"}, {"labels": 7}, {"events": [{"at": 10**20, "by": "x", "what": "opened"}]},
        {"comments": [{"at": -1, "by": "x", "text": ""}]}, {"title": None},
    ],
)  # fmt: skip
def test_one_that_still_names_its_branch_blocks_only_that(
    changes: dict[str, object], forge: LocalForge, deploy: Bare
) -> None:
    change(forge, 2, **changes)
    for each in (forge, forge_of(deploy)):
        assert numbers(each)[-2:] == [3, 1]
        with pytest.raises(Problem, match="merge request 2 can't be read"):
            each.open(draft(deploy, "two"))
        with pytest.raises(Problem, match="merge request 2 can't be read"):
            each.close(2)
    assert forge.open(draft(deploy, "new")).number == 4


def test_a_half_written_one_still_names_its_branch(forge: LocalForge, deploy: Bare) -> None:
    path = forge.records.path(2)
    path.write_bytes(path.read_bytes()[:150])
    assert forge.open(draft(deploy, "new")).number == 4
    with pytest.raises(Problem, match="merge request 2 can't be read"):
        forge.open(draft(deploy, "two"))


def test_what_lies_where_a_record_would(forge: LocalForge, deploy: Bare) -> None:
    for number, make in ((4, os.mkfifo), (5, os.mkdir)):
        make(forge.records.path(number))
        assert numbers(forge_of(deploy)) == [3, 2, 1]
        with pytest.raises(Problem, match=f"merge request {number} can't be read"):
            forge.open(draft(deploy, "new"))
        os.rename(forge.records.path(number), deploy.path.with_name(str(number)))


# -- what others wrote --------------------------------------------------------------------------------


def test_what_another_process_writes_is_seen_at_once(forge: LocalForge, deploy: Bare) -> None:
    other = forge_of(deploy)
    for _ in range(3):  # within one tick of the file system's clock too
        assert numbers(forge) == numbers(other) == [3, 2, 1]
        other.close(2)
        assert forge.mine("")[1].state == "closed"
        forge.reopen(2)
        assert other.mine("")[1].state == "open"
    other.open(draft(deploy, "four"))
    assert forge.open(draft(deploy, "four")).number == 4


def test_what_a_person_edits_in_place_is_seen(forge: LocalForge, deploy: Bare) -> None:
    assert forge.mine("")[2].title == "t"
    for title in "abc":  # the same size each time
        change(forge, 1, title=title)
        assert forge.mine("")[2].title == title
        assert forge.open(draft(deploy, "one")).title == title


# -- many ---------------------------------------------------------------------------------------------


def test_a_record_is_not_read_for_the_sake_of_others(deploy: Bare, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(40):
        draft(deploy, f"branch-{number}")
    forge = forge_of(deploy)
    read = []
    whole = room._parsed

    def counted(number: int, content: bytes, path: str) -> object:
        read.append(number)
        return whole(number, content, path)

    monkeypatch.setattr(room, "_parsed", counted)
    for number in range(40):
        forge.open(draft(deploy, f"branch-{number}"))
    assert sorted(read) == sorted(set(read))
    assert len(numbers(forge)) == 40


def test_old_records_are_read_once(forge: LocalForge, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in (1, 2, 3):
        os.utime(forge.records.path(number), (NOW - 3600, NOW - 3600))
    assert numbers(forge) == [3, 2, 1]
    monkeypatch.setattr(room, "_parsed", None)
    assert numbers(forge) == [3, 2, 1]

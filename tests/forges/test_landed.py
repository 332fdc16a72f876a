"""Merges by hand that leave no merge: squashes and rebases, told by the files."""

from __future__ import annotations

from pathlib import Path

import pygit2
import pytest
from servers.repositories import WHO, Bare, git

from reconciler.errors import Problem
from reconciler.forges.local import LocalForge
from reconciler.forges.port import Blocked, Draft, NotMerged
from reconciler.model import MergeRequest

NOW = 1_762_300_800
BRANCH = "reconcile/savings/web"
FILE = "apps/web/values.yaml"
LINES = "".join(f"line {number}\n" for number in range(30))
OURS = LINES.replace("line 3\n", "ours\n")
THEIRS = ("line 25\n", "theirs\n")


@pytest.fixture
def forge(deploy: Bare) -> LocalForge:
    deploy.commit({FILE: LINES.encode(), "README.md": b"hello\n"})
    return LocalForge(deploy.path, user="bot", clock=lambda: NOW)


@pytest.fixture
def made(forge: LocalForge, deploy: Bare) -> MergeRequest:
    deploy.commit({FILE: OURS.encode()}, BRANCH, "ours", start="main")
    return forge.open(Draft(BRANCH, "main", "t", "b"))


def seen(forge: LocalForge, number: int = 1) -> MergeRequest:
    return next(request for request in forge.mine("") if request.number == number)


def merged_at(request: MergeRequest) -> str:
    assert (request.state == "merged") == bool(request.merge_commit)
    return request.merge_commit


def test_a_squash(forge: LocalForge, made: MergeRequest, deploy: Bare) -> None:
    deploy.commit({"README.md": b"before\n"})
    commit = deploy.commit({FILE: OURS.encode()}, message="squashed (#1)")
    deploy.commit({"README.md": b"after\n"})
    found = seen(forge)
    assert (merged_at(found), found.ended_by, found.ended_at) == (commit, "Ada", WHO.time)
    assert found.head == made.head


def test_a_squash_beside_other_changes_of_the_same_file(
    forge: LocalForge, made: MergeRequest, deploy: Bare
) -> None:
    deploy.commit({FILE: LINES.replace(*THEIRS).encode()})
    assert merged_at(seen(forge)) == ""
    commit = deploy.commit({FILE: OURS.replace(*THEIRS).encode()})
    deploy.commit({FILE: OURS.replace(*THEIRS).replace("line 14", "more").encode()})
    assert merged_at(seen(forge)) == commit


@pytest.mark.parametrize("after", [LINES, LINES.replace("line 3\n", "yet another\n")])
def test_what_came_later_takes_nothing_back(
    after: str, forge: LocalForge, made: MergeRequest, deploy: Bare
) -> None:
    commit = deploy.commit({FILE: OURS.encode()})
    deploy.commit({FILE: after.encode()})
    assert merged_at(seen(forge)) == commit
    again = forge.merge(made.number, made.head)
    assert isinstance(again, MergeRequest)
    assert again.merge_commit == commit
    assert deploy.read(FILE) == after.encode()
    with pytest.raises(Problem, match="is merged and can't be closed"):
        forge.close(made.number)


def test_a_rebase_in_several_commits(forge: LocalForge, deploy: Bare, tmp_path: Path) -> None:
    deploy.commit({FILE: OURS.encode()}, BRANCH, "ours", start="main")
    deploy.commit({"run.sh": b"#!/bin/bash\n", "new/file": b"x"}, BRANCH)
    made = forge.open(Draft(BRANCH, "main", "t", "b"))
    deploy.commit({"README.md": b"meanwhile\n"})
    git("clone", "-q", deploy.url, "work", folder=tmp_path)
    git("cherry-pick", f"origin/{BRANCH}~1", folder=tmp_path / "work")
    git("push", "-q", "origin", "HEAD:main", folder=tmp_path / "work")
    assert merged_at(seen(forge)) == ""
    git("cherry-pick", f"origin/{BRANCH}", folder=tmp_path / "work")
    git("push", "-q", "origin", "HEAD:main", ":" + BRANCH, folder=tmp_path / "work")
    assert merged_at(seen(forge)) == deploy.tip()
    assert seen(forge).head == made.head


def test_a_squash_on_another_branch_that_was_then_merged(
    forge: LocalForge, made: MergeRequest, deploy: Bare, tmp_path: Path
) -> None:
    git("clone", "-q", deploy.url, "work", folder=tmp_path)
    work = tmp_path / "work"
    for words in (
        ("checkout", "-q", "-b", "side"), ("merge", "-q", "--squash", f"origin/{BRANCH}"),
        ("commit", "-q", "-m", "squashed"), ("checkout", "-q", "main"),
        ("merge", "-q", "--no-ff", "side"), ("push", "-q", "origin", "main"),
    ):  # fmt: skip
        git(*words, folder=work)
    assert merged_at(seen(forge)) == deploy.tip()


def test_removed_and_added_files_and_modes(forge: LocalForge, deploy: Bare, tmp_path: Path) -> None:
    git("clone", "-q", deploy.url, "work", folder=tmp_path)
    work = tmp_path / "work"
    git("checkout", "-q", "-b", BRANCH, folder=work)
    git("mv", "apps/db/statefulset.yaml", "apps/db/new.yaml", folder=work)
    git("update-index", "--chmod=+x", "apps/web/service.yaml", folder=work)
    git("commit", "-q", "-m", "ours", folder=work)
    git("push", "-q", "origin", BRANCH, folder=work)
    forge.open(Draft(BRANCH, "main", "t", "b"))
    git("checkout", "-q", "-f", "main", folder=work)
    git("mv", "apps/db/statefulset.yaml", "apps/db/new.yaml", folder=work)
    git("commit", "-q", "-m", "half of it", folder=work)
    git("push", "-q", "origin", "main", folder=work)
    assert merged_at(seen(forge)) == ""
    git("update-index", "--chmod=+x", "apps/web/service.yaml", folder=work)
    git("commit", "-q", "-m", "the other half", folder=work)
    git("push", "-q", "origin", "main", folder=work)
    assert merged_at(seen(forge)) == deploy.tip()


@pytest.mark.parametrize(
    "content",
    [LINES.encode(), LINES.replace("line 3\n", "ours \n").encode(), b"\xff\0", OURS.encode("utf-16"), b""],
)
def test_what_is_no_merge(content: bytes, forge: LocalForge, made: MergeRequest, deploy: Bare) -> None:
    deploy.commit({"README.md": OURS.encode(), FILE: content})
    deploy.commit({FILE + ".orig": OURS.encode()})
    assert merged_at(seen(forge)) == ""


def test_an_empty_commit_is_not_merged_by_itself(forge: LocalForge, deploy: Bare) -> None:
    deploy.commit({}, BRANCH, "ours", start="main")
    forge.open(Draft(BRANCH, "main", "t", "b"))
    deploy.commit({"README.md": b"more\n"})
    assert merged_at(seen(forge)) == ""


def test_opened_on_top_of_what_was_reverted(forge: LocalForge, deploy: Bare) -> None:
    """Someone squashed it and took it back; then the same branch is opened again."""
    deploy.commit({FILE: OURS.encode()}, BRANCH, "ours", start="main")
    for content in (OURS, LINES):
        deploy.commit({FILE: content.encode()})
    forge.open(Draft(BRANCH, "main", "t", "b"))
    assert merged_at(seen(forge)) == ""
    commit = deploy.commit({FILE: OURS.encode()})
    assert merged_at(seen(forge)) == commit


def test_reopened_on_top_of_what_was_reverted(forge: LocalForge, made: MergeRequest, deploy: Bare) -> None:
    forge.close(made.number)
    for content in (OURS, LINES):
        deploy.commit({FILE: content.encode()})
    assert forge.reopen(made.number).state == "open"
    assert merged_at(seen(forge)) == ""


def test_a_new_one_of_the_branch_writes_down_that_the_old_one_is_merged(
    forge: LocalForge, made: MergeRequest, deploy: Bare
) -> None:
    commit = deploy.commit({FILE: OURS.encode()})
    deploy.store.references.delete(f"refs/heads/{BRANCH}")
    deploy.commit({FILE: OURS.replace("line 9\n", "new\n").encode()}, BRANCH, "ours", start="main")
    second = forge.open(Draft(BRANCH, "main", "t", "b"))
    assert second.number == 2
    assert forge.records.get(1).merge_commit == commit
    assert merged_at(seen(forge, 2)) == ""


def test_looking_writes_nothing_down(forge: LocalForge, made: MergeRequest, deploy: Bare) -> None:
    deploy.commit({FILE: OURS.encode()})
    before = forge.records.path(1).read_bytes()
    objects = sorted(deploy.path.rglob("objects/*/*"))
    assert seen(forge).state == forge.get(1).state == "merged"
    assert forge.records.path(1).read_bytes() == before
    assert sorted(deploy.path.rglob("objects/*/*")) == objects


def test_a_squash_is_no_merge_of_another_commit(forge: LocalForge, made: MergeRequest, deploy: Bare) -> None:
    deploy.commit({FILE: OURS.encode()})
    later = deploy.commit({FILE: b"not reviewed\n"}, BRANCH)
    tip = deploy.tip()
    answer = forge.merge(made.number, later)
    assert isinstance(answer, NotMerged)
    assert answer.why is Blocked.HEAD_MOVED
    assert deploy.tip() == tip


def test_the_newest_commit_is_written_down_with_the_text(
    forge: LocalForge, made: MergeRequest, deploy: Bare
) -> None:
    later = deploy.commit({FILE: OURS.replace("line 9\n", "new\n").encode()}, BRANCH)
    assert forge.close(made.number).head == forge.records.get(1).head == later


def test_names_that_are_no_text(forge: LocalForge, made: MergeRequest, deploy: Bare) -> None:
    tree = deploy.store[deploy.tip()].peel(pygit2.Commit).tree
    blob = deploy.store.create_blob(b"x")
    raw = b"100644 \xff\0" + blob.raw
    entries = deploy.store.odb.read(tree.id)[1] + raw
    odd = deploy.store.odb.write(2, entries)
    commit = deploy.store.create_commit(None, WHO, WHO, "odd", odd, [deploy.tip()])
    deploy.store.references.create("refs/heads/main", commit, force=True)
    assert merged_at(seen(forge)) == ""


def test_a_history_that_was_rewritten(forge: LocalForge, made: MergeRequest, deploy: Bare) -> None:
    """The base's commit from the time of opening is gone, and nothing is known of it any more."""
    deploy.store.references.delete("refs/heads/main")
    deploy.commit({FILE: LINES.encode()})
    assert merged_at(seen(forge)) == ""
    deploy.commit({FILE: OURS.encode()})
    assert seen(forge).state == "open"


def test_many_commits_between(forge: LocalForge, made: MergeRequest, deploy: Bare) -> None:
    """Every one of them is found, however long the history is."""
    wanted = {}
    for number in range(2, 12):
        name = f"reconcile/savings/{number}"
        deploy.commit({f"apps/{number}.yaml": b"ours\n"}, name, start="main")
        assert forge.open(Draft(name, "main", "t", "b")).number == number
    for number in range(2, 12):
        deploy.commit({"README.md": b"%d\n" % number})
        wanted[number] = deploy.commit({f"apps/{number}.yaml": b"ours\n"})
        for _ in range(number % 3):
            deploy.commit({"README.md": b"more\n"})
    assert {each.number: merged_at(each) for each in forge.mine("")} == wanted | {1: ""}

"""Which branches a clone stands for: what an Application follows is looked up among them."""

from __future__ import annotations

from pathlib import Path

import pygit2

from reconciler.git.clone import open_clone


def clone_at(folder: Path, *branches: str, head: str = "") -> pygit2.Repository:
    store = pygit2.init_repository(str(folder), initial_head=branches[0])
    who = pygit2.Signature("a", "a@example.com")
    tree = store.TreeBuilder().write()
    commit = store.create_commit(f"refs/heads/{branches[0]}", who, who, "one", tree, [])
    for name in branches[1:]:
        store.references.create(f"refs/heads/{name}", commit)
    if head:
        store.references.create(f"refs/remotes/origin/{head}", commit)
        store.references.create("refs/remotes/origin/HEAD", f"refs/remotes/origin/{head}")
    return store


def followed(folder: Path) -> tuple[str, ...]:
    clone = open_clone(folder)
    assert clone is not None
    return clone.followed


def test_its_own_branch_and_the_one_it_will_be_merged_into(tmp_path: Path) -> None:
    clone_at(tmp_path, "feature/x", "main", "staging", head="prod")
    assert followed(tmp_path) == ("feature/x", "prod")


def test_without_a_remote_the_usual_name(tmp_path: Path) -> None:
    clone_at(tmp_path, "feature/x", "master", "staging")
    assert followed(tmp_path) == ("feature/x", "master")


def test_the_default_branch_itself(tmp_path: Path) -> None:
    clone_at(tmp_path, "main")
    assert followed(tmp_path) == ("main",)

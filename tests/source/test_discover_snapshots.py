"""The same files, as a folder and as a commit, hold the same workloads."""

from __future__ import annotations

from pathlib import Path

import pygit2
from trees import deployment

from reconciler.git.folder import FolderSnapshot
from reconciler.git.snapshot import GitSnapshot
from reconciler.source.cache import Cache
from reconciler.source.discover import discover


def _commit(folder: Path) -> tuple[pygit2.Repository, str]:
    store = pygit2.init_repository(str(folder))
    store.index.add_all()
    store.index.write()
    sign = pygit2.Signature("t", "t@example.com", 0, 0)
    return store, str(store.create_commit("HEAD", sign, sign, "all", store.index.write_tree(), []))


def test_a_folder_and_its_commit_hold_the_same(tmp_path: Path) -> None:
    folder = tmp_path / "repo"
    (folder / "apps").mkdir(parents=True)
    (folder / "apps" / "web.yaml").write_text(deployment())
    (folder / "apps" / "broken.yaml").write_text("kind: Deployment\n[\n")
    (folder / "big.yaml").write_text(deployment("big") + "#" * 5000)
    (folder / "out").symlink_to("/etc")
    store, commit = _commit(folder)
    cache = Cache(tmp_path / "cache")
    in_folder = discover(FolderSnapshot(folder, repository="deploy", limit=4000), (), (), cache)
    in_commit = discover(GitSnapshot("deploy", store, commit, limit=4000), (), (), cache)
    assert in_folder.workloads == in_commit.workloads
    assert [workload.name for workload in in_commit.workloads] == ["web"]
    assert in_folder.failures == in_commit.failures
    assert sorted(note.what for note in in_folder.notes) == ["symlink", "too-large"]
    assert in_folder.notes == in_commit.notes
    assert in_folder.blobs == in_commit.blobs
    assert (in_folder.commit, in_commit.commit) == ("", commit)

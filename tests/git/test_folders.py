"""Plain folders and clones, read as they are."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from servers.repositories import Bare, git

from reconciler.errors import Problem
from reconciler.git.clone import Clone, open_clone
from reconciler.git.folder import FolderSnapshot
from reconciler.git.mirror import open_mirror
from reconciler.model import Whose


@pytest.fixture
def work(deploy: Bare, tmp_path: Path) -> Path:
    git("clone", "-q", deploy.url, "work", folder=tmp_path)
    return tmp_path / "work"


# -- folders ----------------------------------------------------------------------------------


def test_a_checkout_reads_like_its_commit(deploy: Bare, work: Path, tmp_path: Path) -> None:
    commit = open_mirror(deploy.url, tmp_path / "cache").snapshot("main")
    folder = FolderSnapshot(work)
    assert list(folder.entries()) == list(commit.entries())
    for entry in folder.entries():
        assert folder.read(entry) == commit.read(entry)
    assert (folder.commit, folder.repository, folder.notes()) == ("", str(work), ())


def test_order_is_that_of_whole_paths(tmp_path: Path) -> None:
    for name in ("a/x", "a.b", "a-b", "B", "ü", "z/a/b"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    paths = [entry.path for entry in FolderSnapshot(tmp_path).entries()]
    assert paths == ["B", "a-b", "a.b", "a/x", "z/a/b", "ü"]


def test_links_are_leaves(tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "key.yaml").write_text("s3cret")
    (inside / "out").symlink_to("../secret")
    (inside / "file").symlink_to("../secret/key.yaml")
    (inside / "loop").symlink_to(".")
    (inside / "nowhere").symlink_to("/no/such/place")
    folder = FolderSnapshot(inside)
    assert {entry.path: oct(entry.mode) for entry in folder.entries()} == dict.fromkeys(
        ("out", "file", "loop", "nowhere"), "0o120000"
    )
    assert {folder.read(entry) for entry in folder.entries()} == {
        b"../secret", b"../secret/key.yaml", b".", b"/no/such/place",
    }  # fmt: skip


def test_a_file_that_became_a_link_is_not_followed(tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    (tmp_path / "secret").write_text("s3cret")
    (inside / "file").write_text("x")
    folder = FolderSnapshot(inside)
    (entry,) = folder.entries()
    (inside / "file").unlink()
    (inside / "file").symlink_to("../secret")
    assert folder.read(entry) is None


def test_pipes_do_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "a.yaml").write_text("a: 1\n")
    assert [entry.path for entry in FolderSnapshot(tmp_path).entries()] == ["a.yaml"]


def test_large_and_impossible_files(tmp_path: Path) -> None:
    (tmp_path / "big.yaml").write_bytes(b"x" * 101)
    (tmp_path / "fits.yaml").write_bytes(b"x" * 100)
    (tmp_path / "line\nbreak").touch()
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9")).touch()
    folder = FolderSnapshot(tmp_path, limit=100)
    assert {entry.path: folder.read(entry) for entry in folder.entries()} == {
        "big.yaml": None,
        "fits.yaml": b"x" * 100,
    }
    assert sorted(note.what for note in folder.notes()) == ["bad-path", "bad-path"]


def test_git_folders_are_passed_over_and_submodules_are_leaves(work: Path) -> None:
    (work / "vendor").mkdir()
    (work / "vendor" / ".git").write_text("gitdir: ../.git/modules/vendor\n")
    (work / "vendor" / "x.yaml").touch()
    paths = {entry.path: oct(entry.mode) for entry in FolderSnapshot(work).entries()}
    assert paths["vendor"] == "0o160000"
    assert not [path for path in paths if ".git" in path or path.startswith("vendor/")]


def test_no_such_folder(tmp_path: Path) -> None:
    folder = FolderSnapshot(tmp_path / "missing")
    assert folder.entries() == ()
    assert folder.notes()[0].what == "unreadable"


# -- clones -----------------------------------------------------------------------------------


def test_the_clone_around_a_folder(deploy: Bare, work: Path) -> None:
    for inside, subfolder in (("", ""), ("apps/web", "apps/web"), ("apps/web/service.yaml", "apps/web")):
        clone = open_clone(work / inside)
        assert clone is not None
        assert (clone.root, clone.subfolder, clone.branch) == (work.resolve(), subfolder, "main")
        assert clone.snapshot().commit == deploy.tip()


def test_no_clone(tmp_path: Path, deploy: Bare) -> None:
    assert open_clone(tmp_path) is None
    assert open_clone(deploy.path) is None
    assert open_clone(tmp_path / "missing") is None


def test_head_is_read_and_not_the_files(work: Path) -> None:
    (work / "README.md").write_text("not committed")
    (work / "apps" / "new.yaml").write_text("new")
    (work / "run.sh").unlink()
    clone = open_clone(work)
    assert clone is not None
    snapshot = clone.snapshot("deploy")
    read = {entry.path: snapshot.read(entry) for entry in snapshot.entries()}
    assert read["README.md"] == b"hello\n"
    assert snapshot.repository == "deploy"
    assert clone.dirty() == ["README.md", "apps/new.yaml", "run.sh"]


def test_names_that_are_no_text_can_be_shown(work: Path, deploy: Bare, tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(work) + b"/caf\xe9.yaml")).touch()
    clone = open_clone(work)
    assert clone is not None
    assert clone.dirty() == ["caf\\xe9.yaml"]
    git("branch", os.fsdecode(b"caf\xe9"), folder=work)
    git("push", "-q", "origin", os.fsdecode(b"caf\xe9"), folder=work)
    branches = open_mirror(deploy.url, tmp_path / "cache").branches()
    assert branches == {"main": deploy.tip(), "caf\\xe9": deploy.tip()}


def test_a_clean_clone_is_clean_and_ignored_files_do_not_count(work: Path) -> None:
    clone = open_clone(work)
    assert clone is not None
    assert clone.dirty() == []
    (work / ".git" / "info" / "exclude").write_text("*.log\n")
    (work / "x.log").touch()
    assert clone.dirty() == []


def test_remotes_are_shown_without_credentials(work: Path) -> None:
    git("remote", "set-url", "origin", "https://user:t0ken@git.example.com/a.git", folder=work)
    git("remote", "add", "ssh", "git@git.example.com:a.git", folder=work)
    clone = open_clone(work)
    assert clone is not None
    assert clone.remotes == {"origin": "https://git.example.com/a.git", "ssh": "git@git.example.com:a.git"}


def test_a_detached_head_and_a_linked_work_tree(work: Path, deploy: Bare) -> None:
    git("worktree", "add", "-q", "--detach", "../linked", folder=work)
    clone = open_clone(work.parent / "linked" / "apps")
    assert clone is not None
    assert (clone.branch, clone.subfolder) == ("", "apps")
    assert clone.snapshot().commit == deploy.tip()


def test_a_clone_without_a_commit(tmp_path: Path) -> None:
    git("init", "-q", "-b", "trunk", folder=tmp_path)
    clone = open_clone(tmp_path)
    assert clone is not None
    assert clone.branch == "trunk"
    with pytest.raises(Problem, match="has no commit yet"):
        clone.snapshot()


def test_nothing_that_a_clone_configures_is_run(work: Path) -> None:
    program = f"touch {work.parent}/pwned"
    for key in ("core.fsmonitor", "filter.x.clean", "filter.x.process", "core.sshCommand", "diff.external"):
        git("config", key, program, folder=work)
    (work / ".gitattributes").write_text("* filter=x diff=x\n")
    (work / "README.md").write_text("changed")
    clone = open_clone(work)
    assert clone is not None
    assert "README.md" in clone.dirty()
    for entry in clone.snapshot().entries():
        clone.snapshot().read(entry)
    assert not (work.parent / "pwned").exists()


def test_a_clone_that_cannot_be_read(work: Path) -> None:
    (work / ".git" / "config").write_text("[[[")
    with pytest.raises(Problem, match="can't be read"):
        open_clone(work)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("HEAD", b"garbage"), ("HEAD", b""), ("HEAD", b"ref: refs/heads/a..b\n"),
        ("HEAD", b"0" * 39 + b"1\n"),
        ("refs/heads/main", b"zz\n"), ("index", b"x"), ("config", b"[core\n"),
    ],
)  # fmt: skip
def test_a_broken_clone_is_told_in_a_sentence(file: str, content: bytes, work: Path) -> None:
    (work / ".git" / file).write_bytes(content)
    told = []
    for look in (
        lambda clone: clone.branch,
        Clone.snapshot,
        lambda clone: clone.snapshot().entries(),
        Clone.dirty,
    ):
        try:
            clone = open_clone(work)
            assert clone is not None
            look(clone)
        except Problem as problem:
            told.append(str(problem))
    assert told
    for text in told:
        assert "clone it anew" in text
        assert "run again" not in text


def test_a_clone_with_lost_objects(work: Path) -> None:
    clone = open_clone(work)
    assert clone is not None
    shutil.rmtree(work / ".git" / "objects")
    (work / ".git" / "objects").mkdir()
    clone = open_clone(work)
    assert clone is not None
    with pytest.raises(Problem, match=r"the clone is damaged .* clone it anew"):
        clone.snapshot().entries()


def test_ids_of_another_kind_are_refused_with_a_next_step(tmp_path: Path) -> None:
    git("init", "-q", "--object-format=sha256", "-b", "main", "new", folder=tmp_path)
    git("commit", "-q", "--allow-empty", "-m", "first", folder=tmp_path / "new")
    for look in (
        lambda: open_clone(tmp_path / "new"),
        lambda: open_mirror(str(tmp_path / "new"), tmp_path / "cache"),
    ):
        with pytest.raises(Problem, match=r"SHA-256 ids.*use one with SHA-1 ids") as caught:
            look()
        assert caught.value.failure.whose is Whose.YOURS

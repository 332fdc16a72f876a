"""Commits: exactly the bytes asked for, nothing else, and always the same id."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

import pygit2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from servers.repositories import Bare, git

from reconciler.errors import Problem
from reconciler.git.commits import Author, CommitRequest, write_commit
from reconciler.git.signing import Signing
from reconciler.git.snapshot import GitSnapshot

BOT = Author("Bot", "bot@example.com")
WHEN = 1_700_000_000


def contents(store: pygit2.Repository, commit: str) -> dict[str, tuple[bytes | None, int]]:
    snapshot = GitSnapshot("test", store, commit)
    assert not snapshot.notes()
    return {entry.path: (snapshot.read(entry), entry.mode) for entry in snapshot.entries()}


# -- what must not change -----------------------------------------------------------------------


def test_other_files_modes_and_links_stay(deploy: Bare) -> None:
    before = contents(deploy.store, deploy.tip())
    request = CommitRequest(deploy.tip(), {"run.sh": b"#!/bin/bash\n"}, "m\n", BOT, WHEN)
    after = contents(deploy.store, write_commit(deploy.store, request, "test"))
    assert after == before | {"run.sh": (b"#!/bin/bash\n", 0o100755)}


def test_a_submodule_stays(deploy: Bare) -> None:
    builder = deploy.store.TreeBuilder(deploy.store[deploy.tip()].peel(pygit2.Tree))
    builder.insert("vendor", deploy.tip(), pygit2.enums.FileMode.COMMIT)
    who = pygit2.Signature("Ada", "ada@example.com", 1, 0)
    base = str(deploy.store.create_commit(None, who, who, "m", builder.write(), []))
    request = CommitRequest(base, {"apps/web/service.yaml": b"x\n"}, "m\n", BOT, WHEN)
    after = contents(deploy.store, write_commit(deploy.store, request, "test"))
    assert after["vendor"] == (b"", 0o160000)


def test_the_same_files_are_the_same_tree(deploy: Bare) -> None:
    same = {"apps/web/service.yaml": b"kind: Service\n"}
    commit = write_commit(deploy.store, CommitRequest(deploy.tip(), same, "m\n", BOT, WHEN), "test")
    assert deploy.store[commit].peel(pygit2.Tree).id == deploy.store[deploy.tip()].peel(pygit2.Tree).id


def test_no_branch_moves(deploy: Bare) -> None:
    before = deploy.branches()
    write_commit(deploy.store, CommitRequest(deploy.tip(), {"a": b"b"}, "m\n", BOT, WHEN), "test")
    assert deploy.branches() == before


# -- what comes out ---------------------------------------------------------------------------


def test_the_same_request_has_the_same_id(deploy: Bare, tmp_path: Path) -> None:
    other = Bare(tmp_path / "other.git")
    git("push", "-q", str(other.path), "main", folder=deploy.path)
    files = {"b": b"2", "apps/web/new/x.yaml": b"1"}
    ids = {
        write_commit(each.store, CommitRequest(deploy.tip(), dict(order), "m\n", BOT, WHEN), "test")
        for each in (deploy, other)
        for order in (files.items(), reversed(files.items()))
    }
    assert len(ids) == 1


def test_who_and_when(deploy: Bare) -> None:
    author = Author("Bot <x>\nparent 0", "bot@example.com\n>")
    made = deploy.store[
        write_commit(deploy.store, CommitRequest(deploy.tip(), {"a": b"b"}, "m\n", author, WHEN), "test")
    ]
    for who in (made.author, made.committer):
        assert (who.name, who.email) == ("Bot x parent 0", "bot@example.com")
        assert (who.time, who.offset) == (WHEN, 0)
    assert [str(parent) for parent in made.parent_ids] == [deploy.tip()]


def test_an_author_without_a_name(deploy: Bare) -> None:
    request = CommitRequest(deploy.tip(), {"a": b"b"}, "m\n", Author("", "x@y"), WHEN)
    with pytest.raises(Problem, match="needs a name"):
        write_commit(deploy.store, request, "test")


HOSTILE = (
    "../x", "a/../b", "/etc/passwd", ".git/config", "a/.GIT/hooks/pre-push", ".git./x", "git~1/x", "a//b", "",
    "a/", "./a", "a\\b", "a\nb", "a\0b", "\x7f", ".g\u200cit/config", ".git::$INDEX_ALLOCATION/x", "x" * 5000,
    "caf\udce9",
)  # fmt: skip


@pytest.mark.parametrize("path", HOSTILE)
def test_hostile_paths_are_refused(path: str, deploy: Bare) -> None:
    request = CommitRequest(deploy.tip(), {path: b"x"}, "m\n", BOT, WHEN)
    with pytest.raises(Problem, match="is not written to"):
        write_commit(deploy.store, request, "test")


@pytest.mark.parametrize("path", [".gitignore", "a/.github/x", "git", "a b/ü.yaml", "...", ".gitlab-ci.yml"])
def test_honest_paths_are_written(path: str, deploy: Bare) -> None:
    request = CommitRequest(deploy.tip(), {path: b"x"}, "m\n", BOT, WHEN)
    assert contents(deploy.store, write_commit(deploy.store, request, "test"))[path][0] == b"x"


@pytest.mark.parametrize("path", ["link.yaml", "link.yaml/x", "README.md/x", "apps", "apps/web"])
def test_nothing_is_written_through_links_or_over_folders(path: str, deploy: Bare) -> None:
    request = CommitRequest(deploy.tip(), {path: b"x"}, "m\n", BOT, WHEN)
    with pytest.raises(Problem, match="is not written: it is"):
        write_commit(deploy.store, request, "test")


def test_a_file_and_a_folder_of_one_name(deploy: Bare) -> None:
    for files in ({"new": b"1", "new/x": b"2"}, {"new/x": b"2", "new": b"1"}):
        with pytest.raises(Problem, match="where a folder is needed"):
            write_commit(deploy.store, CommitRequest(deploy.tip(), files, "m\n", BOT, WHEN), "test")


NAMES = st.sampled_from(["a", "b", "b.yaml", "web", "ü", "-x", "B"])
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)
CONTENTS = st.one_of(
    st.binary(max_size=40), st.sampled_from([b"", b"\r\n", b"\xef\xbb\xbfa: 1\r\n", b"a: 1"])
)


def _without_clashes(files: dict[str, bytes]) -> dict[str, bytes]:
    """Where one path is the folder of another, only the longer one."""
    return {path: text for path, text in files.items() if not any(o.startswith(path + "/") for o in files)}


@settings(deadline=None, max_examples=30)
@given(old=st.dictionaries(PATHS, CONTENTS, max_size=8), new=st.dictionaries(PATHS, CONTENTS, max_size=8))
def test_what_is_committed_is_read_back_and_nothing_else_changes(
    old: dict[str, bytes], new: dict[str, bytes]
) -> None:
    together = _without_clashes({**old, **new})
    old = {path: text for path, text in old.items() if path in together}
    new = {path: text for path, text in new.items() if path in together}
    folder = tempfile.mkdtemp()
    try:
        store = pygit2.init_repository(folder, bare=True)
        base = write_commit(store, CommitRequest("", old, "base\n", BOT, WHEN), "test")
        commit = write_commit(store, CommitRequest(base, new, "new\n", BOT, WHEN), "test")
        expected = {path: (text, 0o100644) for path, text in {**old, **new}.items()}
        assert contents(store, commit) == expected
        assert list(contents(store, commit)) == sorted(expected, key=str.encode)
        git("fsck", "--strict", "--no-dangling", folder=Path(folder))
    finally:
        shutil.rmtree(folder)


# -- signatures -------------------------------------------------------------------------------


@pytest.fixture
def ssh_key(tmp_path: Path) -> Path:
    words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "key")]
    subprocess.run(words, check=True)
    return tmp_path / "key"


def signed(deploy: Bare, signing: Signing) -> str:
    files = {"a": "ü\n".encode()}
    request = CommitRequest(deploy.tip(), files, "größer\n\nReconcile-Key: x\n", BOT, WHEN, signing)
    return write_commit(deploy.store, request, "test")


def test_an_ssh_signature_verifies(deploy: Bare, ssh_key: Path, tmp_path: Path) -> None:
    commit = signed(deploy, Signing("ssh", str(ssh_key)))
    public = ssh_key.with_suffix(".pub").read_text()
    (tmp_path / "allowed").write_text(f"bot@example.com {public}")
    git("config", "gpg.ssh.allowedSignersFile", str(tmp_path / "allowed"), folder=deploy.path)
    git("verify-commit", commit, folder=deploy.path)
    git("fsck", "--strict", folder=deploy.path)
    assert signed(deploy, Signing("ssh", str(ssh_key))) == commit
    (tmp_path / "allowed").write_text(f"someone@else.example {public}".replace("AAAAI", "AAAAJ"))
    with pytest.raises(AssertionError):
        git("verify-commit", commit, folder=deploy.path)


@pytest.mark.skipif(shutil.which("gpg") is None, reason="gpg is not installed")
def test_a_gpg_signature_verifies(deploy: Bare, monkeypatch: pytest.MonkeyPatch) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as home:  # a long path is too long for the agent's socket
        words = ["gpg", "--homedir", home, "--batch", "--passphrase", "", "--quick-gen-key"]
        subprocess.run([*words, "Bot <bot@example.com>", "ed25519"], check=True, capture_output=True)
        commit = signed(deploy, Signing("gpg", "bot@example.com", Path(home)))
        monkeypatch.setenv("GNUPGHOME", home)
        git("verify-commit", commit, folder=deploy.path)
        subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], check=True)


@pytest.mark.parametrize(
    ("signing", "words"),
    [
        (Signing("ssh", "/no/such/key"), "No such file"),
        (Signing("ssh", "-Oprogram"), "can't be a signing key"),
        (Signing("gpg", ""), "can't be a signing key"),
        (Signing("x509", "key"), "ssh or gpg, not with 'x509'"),
    ],
)
def test_keys_that_do_not_sign(signing: Signing, words: str, deploy: Bare) -> None:
    with pytest.raises(Problem, match=words):
        signed(deploy, signing)

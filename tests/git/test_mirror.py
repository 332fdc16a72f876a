"""The mirror: made, kept, remade, shared by runs; and pushes that overwrite nobody."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pygit2
import pytest
from servers.git_http import GitServer
from servers.repositories import Bare, git

from reconciler.errors import Problem
from reconciler.git.access import Access, cautions
from reconciler.git.commits import Author, CommitRequest
from reconciler.git.mirror import Mirror, open_mirror
from reconciler.git.push import Outcome
from reconciler.git.urls import parse_url
from reconciler.model import RefUpdate, Secret, Whose

BOT = Author("Bot", "bot@example.com")


def change(mirror: Mirror, base: str, content: bytes = b"ours\n", path: str = "apps/web/service.yaml") -> str:
    return mirror.commit(CommitRequest(base, {path: content}, "ours\n", BOT, 1_700_000_000))


@pytest.fixture
def mirror(deploy: Bare, tmp_path: Path) -> Mirror:
    return open_mirror(deploy.url, tmp_path / "cache")


# -- reading --------------------------------------------------------------------------------


def test_what_a_snapshot_has(mirror: Mirror, deploy: Bare) -> None:
    snapshot = mirror.snapshot("main")
    assert snapshot.commit == deploy.tip()
    assert [(entry.path, oct(entry.mode)) for entry in snapshot.entries()] == [
        ("README.md", "0o100644"),
        ("apps/db/statefulset.yaml", "0o100644"),
        ("apps/web/deployment.yaml", "0o100644"),
        ("apps/web/service.yaml", "0o100644"),
        ("link.yaml", "0o120000"),
        ("run.sh", "0o100755"),
    ]
    contents = {entry.path: snapshot.read(entry) for entry in snapshot.entries()}
    assert contents["apps/web/service.yaml"] == b"kind: Service\n"
    assert contents["link.yaml"] == b"apps/web/deployment.yaml"


def test_an_empty_repository_is_told(bare: Bare, tmp_path: Path) -> None:
    mirror = open_mirror(bare.url, tmp_path / "cache")
    assert mirror.branches() == {}
    with pytest.raises(Problem, match="the repository is empty: push a first commit"):
        mirror.snapshot("main")


def test_a_missing_branch_is_told_with_those_that_exist(deploy: Bare, tmp_path: Path) -> None:
    for name in ("prod", "staging", *(f"team-{number}" for number in range(20))):
        deploy.commit({}, name, start="main")
    mirror = open_mirror(deploy.url, tmp_path / "cache")
    with pytest.raises(Problem) as caught:
        mirror.snapshot("stagign")
    assert "did you mean 'staging'?" in str(caught.value)
    assert "and 15 more" in str(caught.value)
    assert caught.value.failure.repository == deploy.url


def test_a_large_file_is_not_read(deploy: Bare, tmp_path: Path) -> None:
    deploy.commit({"big.yaml": b"x" * 1001, "fits.yaml": b"x" * 1000})
    mirror = open_mirror(deploy.url, tmp_path / "cache")
    snapshot = mirror.at(mirror.branches()["main"], limit=1000)
    read = {entry.path: snapshot.read(entry) for entry in snapshot.entries()}
    assert read["big.yaml"] is None
    assert read["fits.yaml"] == b"x" * 1000


def test_deleted_and_renamed_branches_go_away(mirror: Mirror, deploy: Bare) -> None:
    deploy.commit({}, "feature", start="main")
    mirror.fetch()
    assert set(mirror.branches()) == {"main", "feature"}
    deploy.store.branches.local["feature"].delete()
    deploy.commit({}, "feature/one", start="main")
    mirror.fetch()
    assert set(mirror.branches()) == {"main", "feature/one"}
    assert set(mirror.branches("feat")) == {"feature/one"}
    assert mirror.tip("feature/one") == deploy.tip("feature/one")
    assert [mirror.tip(name) for name in ("feature", "", "a b", "../x")] == ["", "", "", ""]


def test_rewritten_history_is_followed(mirror: Mirror, deploy: Bare) -> None:
    before = deploy.tip()
    deploy.commit({"new.md": b"1"})
    mirror.fetch()
    deploy.store.references.create("refs/heads/main", before, force=True)
    mirror.fetch()
    assert mirror.branches()["main"] == before


def test_names_that_no_file_may_have_are_left_out_and_told(deploy: Bare, tmp_path: Path) -> None:
    """Such trees exist only in repositories made to hurt. `git mktree` writes them unasked."""
    blob = git("hash-object", "-w", "README.md", folder=_checkout(deploy, tmp_path))
    lines = "".join(
        f"100644 blob {blob}\t{name}\n"
        for name in ("..", ".git", "ok.yaml", "a\\b.yaml", "GIT~1", "caf\udce9")
    )
    ran = subprocess.run(
        ["git", f"--git-dir={tmp_path}/work/.git", "mktree"],
        input=lines.encode(errors="surrogateescape"),
        capture_output=True,
        check=True,
    )
    commit = git("commit-tree", ran.stdout.decode().strip(), "-m", "x", folder=tmp_path / "work")
    git("push", "-q", "origin", f"{commit}:refs/heads/evil", folder=tmp_path / "work")
    snapshot = open_mirror(deploy.url, tmp_path / "cache").snapshot("evil")
    assert [entry.path for entry in snapshot.entries()] == ["ok.yaml"]
    assert len(snapshot.notes()) == 5


def test_a_tree_that_holds_itself_many_times_over(
    deploy: Bare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten levels of ten: a handful of objects, ten billion files."""
    monkeypatch.setattr("reconciler.git.snapshot._MOST", 10_000)
    store = deploy.store
    oid, mode = store.create_blob(b"kind: Pod\n"), 0o100644
    for _ in range(10):
        builder = store.TreeBuilder()
        for name in "abcdefghij":
            builder.insert(name, oid, mode)
        oid, mode = builder.write(), 0o040000
    who = pygit2.Signature("x", "x@y", 1, 0)
    store.create_commit("refs/heads/bomb", who, who, "m", oid, [])
    snapshot = open_mirror(deploy.url, tmp_path / "cache").snapshot("bomb")
    with pytest.raises(Problem, match="over 10,000 files"):
        snapshot.entries()


def test_commits_survive_a_fetch_and_a_full_desk(
    mirror: Mirror, deploy: Bare, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They lie in memory until they are pushed."""
    monkeypatch.setattr("reconciler.git.desk._ROOM", 2000)
    base = deploy.tip()
    made = []
    for number in range(20):
        made.append(change(mirror, base, b"%d\n" % number))
        if number % 3 == 0:
            mirror.fetch()
        assert mirror.message(made[-1]) == "ours\n"
    assert {
        each.outcome for each in mirror.push([RefUpdate(f"b{n}", c, "") for n, c in enumerate(made)])
    } == {Outcome.DONE}
    git("fsck", "--strict", folder=deploy.path)


def test_commits_leave_no_file_before_they_are_pushed(mirror: Mirror, deploy: Bare) -> None:
    def files() -> set[Path]:
        return {path for path in mirror.folder.rglob("*") if path.is_file()}

    before = files()
    ours = change(mirror, deploy.tip())
    assert files() == before
    mirror.push([RefUpdate("bot", ours, "")])
    assert {path.suffix for path in files() - before} >= {".pack", ".idx"}


def _checkout(deploy: Bare, tmp_path: Path) -> Path:
    git("clone", "-q", deploy.url, "work", folder=tmp_path)
    return tmp_path / "work"


def test_facts_of_commits(mirror: Mirror, deploy: Bare) -> None:
    base = deploy.tip()
    ours = change(mirror, base)
    info = mirror.info(ours)
    assert (info.parents, info.author, info.when) == ((base,), "Bot <bot@example.com>", 1_700_000_000)
    assert mirror.message(ours) == "ours\n"
    assert mirror.is_ancestor(base, ours)
    assert not mirror.is_ancestor(ours, base)
    assert not mirror.is_ancestor("0" * 40, ours)
    assert not mirror.knows("nonsense")
    with pytest.raises(Problem, match="no commit"):
        mirror.message("0" * 40)


def test_whether_it_would_merge(mirror: Mirror, deploy: Bare) -> None:
    base = deploy.tip()
    ours = change(mirror, base)
    deploy.commit({"README.md": b"elsewhere\n"})
    mirror.fetch()
    assert mirror.merges_cleanly(mirror.branches()["main"], ours)
    deploy.commit({"apps/web/service.yaml": b"the same line\n"})
    mirror.fetch()
    assert not mirror.merges_cleanly(mirror.branches()["main"], ours)


def test_whether_a_person_has_touched_our_branch(mirror: Mirror, deploy: Bare, tmp_path: Path) -> None:
    base = deploy.tip()
    ours = change(mirror, base)
    mirror.push([RefUpdate("bot", ours, "")])
    work = _checkout(deploy, tmp_path)
    (work / "README.md").write_text("moved on\n")
    git("commit", "-qam", "base moves", folder=work)
    git("push", "-q", "origin", "main", folder=work)

    def tip_after(*steps: tuple[str, ...]) -> str:
        git("checkout", "-q", "-B", "bot", ours, folder=work)
        for step in steps:
            git(*step, folder=work)
        git("push", "-q", "-f", "origin", "bot", folder=work)
        mirror.fetch()
        return mirror.branches()["bot"]

    def untouched(tip: str) -> bool:
        return mirror.is_untouched(tip, ours, mirror.branches()["main"])

    git("fetch", "-q", folder=work)
    assert untouched(tip_after())
    assert untouched(tip_after(("commit", "-q", "--amend", "--no-edit", "--date=2030-01-01")))
    assert untouched(tip_after(("merge", "-q", "--no-ff", "origin/main")))
    assert not untouched(tip_after(("commit", "-q", "--allow-empty", "-m", "mine")))
    git("checkout", "-q", "-B", "other", "origin/main", folder=work)
    git("commit", "-q", "--allow-empty", "-m", "not on main", folder=work)
    assert not untouched(tip_after(("merge", "-q", "--no-ff", "other")))
    (work / "extra").write_text("mine\n")
    git("add", "extra", folder=work)
    git("stash", "-q", folder=work)
    assert not untouched(tip_after(("stash", "pop", "-q"), ("commit", "-qam", "more", "--amend")))
    assert not mirror.is_untouched("0" * 40, ours, base)


# -- pushing --------------------------------------------------------------------------------


def test_a_commit_that_a_person_pushed_in_between_survives(mirror: Mirror, deploy: Bare) -> None:
    base = deploy.tip()
    first = change(mirror, base)
    mirror.push([RefUpdate("bot", first, "")])
    theirs = deploy.commit({"README.md": b"a person was here\n"}, "bot")
    second = change(mirror, base, b"newer\n")
    (pushed,) = mirror.push([RefUpdate("bot", second, first)])
    assert pushed.outcome is Outcome.STALE
    assert deploy.tip("bot") == theirs


def test_a_fetch_in_between_does_not_weaken_the_lease(mirror: Mirror, deploy: Bare) -> None:
    first = change(mirror, deploy.tip())
    mirror.push([RefUpdate("bot", first, "")])
    theirs = deploy.commit({"README.md": b"a person was here\n"}, "bot")
    mirror.fetch()
    (pushed,) = mirror.push([RefUpdate("bot", change(mirror, deploy.tip(), b"newer\n"), first)])
    assert pushed.outcome is Outcome.STALE
    assert deploy.tip("bot") == theirs


def test_a_branch_that_must_be_new(mirror: Mirror, deploy: Bare) -> None:
    theirs = deploy.commit({}, "bot", start="main")
    (pushed,) = mirror.push([RefUpdate("bot", change(mirror, deploy.tip()), "")])
    assert pushed.outcome is Outcome.STALE
    assert "overwritten" in pushed.detail
    assert deploy.tip("bot") == theirs


def test_one_refusal_does_not_hold_back_the_others(mirror: Mirror, deploy: Bare) -> None:
    deploy.commit({}, "b", start="main")
    ours = change(mirror, deploy.tip())
    updates = [RefUpdate(name, ours, "") for name in ("a", "refs/heads/b", "c")]
    pushed = mirror.push(updates)
    assert [each.outcome for each in pushed] == [Outcome.DONE, Outcome.STALE, Outcome.DONE]
    assert [each.update for each in pushed] == updates
    assert deploy.tip("a") == deploy.tip("c") == ours
    assert mirror.branches() == {"main": deploy.tip(), "a": ours, "c": ours}


def test_pushing_what_is_there_is_done(mirror: Mirror, deploy: Bare) -> None:
    """After a crash between the push and its note, the same push comes again."""
    ours = change(mirror, deploy.tip())
    for _ in range(2):
        assert mirror.push([RefUpdate("bot", ours, "")])[0].outcome is Outcome.DONE


def test_deleting_under_a_lease(mirror: Mirror, deploy: Bare) -> None:
    ours = change(mirror, deploy.tip())
    mirror.push([RefUpdate("bot", ours, "")])
    assert mirror.push([RefUpdate("bot", "", deploy.tip())])[0].outcome is Outcome.STALE
    assert mirror.push([RefUpdate("bot", "", ours)])[0].outcome is Outcome.DONE
    assert set(deploy.branches()) == set(mirror.branches()) == {"main"}


def test_a_protected_branch_is_a_refusal_with_advice(mirror: Mirror, deploy: Bare) -> None:
    hook = deploy.path / "hooks" / "update"
    hook.write_text("#!/bin/sh\ncase $1 in *protected*) echo no >&2; exit 1;; esac\n")
    hook.chmod(0o755)
    ours = change(mirror, deploy.tip())
    refused, done = mirror.push([RefUpdate("protected", ours, ""), RefUpdate("free", ours, "")])
    assert (refused.outcome, done.outcome) == (Outcome.REFUSED, Outcome.DONE)
    assert "hook declined" in refused.detail
    assert "prefix" in refused.detail


def test_a_thousand_branches_in_one_push(git_server: GitServer, deploy: Bare, tmp_path: Path) -> None:
    mirror = open_mirror(f"{git_server.url}/deploy.git", tmp_path / "cache", Access(Secret(git_server.token)))
    git_server.seen.clear()
    base = deploy.tip()
    updates = [
        RefUpdate(f"reconcile/savings/team-{number:04}", change(mirror, base, b"%d\n" % number), "")
        for number in range(1000)
    ]
    assert {each.outcome for each in mirror.push(updates)} == {Outcome.DONE}
    assert len(deploy.branches()) == 1001
    posts = [seen for seen in git_server.seen if seen.method == "POST" and "receive-pack" in seen.path]
    assert len([seen for seen in posts if seen.headers.get("content-length") != "4"]) == 1
    assert mirror.branches() == deploy.branches()


def test_more_branches_than_one_command_holds(
    mirror: Mirror, deploy: Bare, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reconciler.git.push._ROOM", 1000)
    ours = change(mirror, deploy.tip())
    assert len(mirror.push([RefUpdate(f"bot/{number}", ours, "") for number in range(20)])) == 20
    assert len(deploy.branches()) == 21


def test_nothing_to_push(mirror: Mirror) -> None:
    assert mirror.push([]) == ()


@pytest.mark.parametrize(
    "name",
    ["../x", "a..b", "-x", "--mirror", "a b", "x.lock", "a:b", "a\nb", "", "refs/heads/", "a//b", "*", "~"],
)
def test_hostile_branch_names_never_reach_git(name: str, mirror: Mirror, deploy: Bare) -> None:
    before = deploy.branches()
    with pytest.raises(Problem, match="can't be the name of a branch"):
        mirror.push([RefUpdate(name, deploy.tip(), "")])
    assert deploy.branches() == before


@pytest.mark.parametrize("commit", ["HEAD", "--exec=x", "abc", "A" * 40])
def test_only_full_ids_are_pushed(commit: str, mirror: Mirror) -> None:
    with pytest.raises(ValueError, match="not a commit id"):
        mirror.push([RefUpdate("bot", commit, "")])


def test_a_server_that_went_away(mirror: Mirror, deploy: Bare) -> None:
    ours = change(mirror, deploy.tip())
    deploy.path.rename(deploy.path.with_name("gone"))
    with pytest.raises(Problem, match="pushing failed: there is no such repository"):
        mirror.push([RefUpdate("bot", ours, "")])
    with pytest.raises(Problem, match="fetching failed: there is no such repository"):
        mirror.fetch()


# -- the cache is never trusted ---------------------------------------------------------------


def _cut(path: Path) -> None:
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _break_packs(folder: Path) -> None:
    for path in folder.rglob("objects/**/*"):
        if path.is_file():
            _cut(path)


def _break_head(folder: Path) -> None:
    (folder / "HEAD").write_bytes(b"")


def _break_config(folder: Path) -> None:
    (folder / "config").write_bytes(b"\0\0[[")


def _lose_objects(folder: Path) -> None:
    for path in folder.rglob("objects/**/*"):
        if path.is_file():
            path.unlink()


def _break_ref(folder: Path) -> None:
    (folder / "refs/heads/main").write_text("nonsense\n")


def _leave_lock(folder: Path) -> None:
    (folder / "refs/heads/main.lock").touch()


def _empty_it(folder: Path) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()


DAMAGES = (_break_packs, _break_head, _break_config, _lose_objects, _break_ref, _leave_lock, _empty_it)


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("news", [True, False])
def test_a_damaged_mirror_is_made_anew(
    damage, news: bool, mirror: Mirror, deploy: Bare, tmp_path: Path
) -> None:
    damage(mirror.folder)
    if news:
        deploy.commit({"README.md": b"news\n"})
    again = open_mirror(deploy.url, tmp_path / "cache")
    assert again.branches() == deploy.branches()
    snapshot = again.snapshot("main")
    assert all(snapshot.read(entry) is not None for entry in snapshot.entries())


def test_damage_that_only_shows_when_read_heals_with_the_next_run(
    mirror: Mirror, deploy: Bare, tmp_path: Path
) -> None:
    snapshot = mirror.snapshot("main")
    entry = next(entry for entry in snapshot.entries() if entry.path == "README.md")
    _scatter(mirror.folder)
    (mirror.folder / "objects" / entry.blob[:2] / entry.blob[2:]).unlink()
    broken = open_mirror(deploy.url, tmp_path / "cache").snapshot("main")
    with pytest.raises(Problem, match=r"damaged.*run again") as caught:
        broken.read(entry)
    assert caught.value.failure.whose is Whose.OURS
    assert open_mirror(deploy.url, tmp_path / "cache").snapshot("main").read(entry) == b"hello\n"


def test_a_lost_folder_is_noticed_before_it_is_read(mirror: Mirror, deploy: Bare, tmp_path: Path) -> None:
    """Git fetches happily on top of it."""
    _scatter(mirror.folder)
    tree = mirror.info(deploy.tip()).tree
    (mirror.folder / "objects" / tree[:2] / tree[2:]).unlink()
    assert len(open_mirror(deploy.url, tmp_path / "cache").snapshot("main").entries()) == 6


def _scatter(folder: Path) -> None:
    """Every object into a file of its own."""
    for pack in folder.glob("objects/pack/*.pack"):
        content = pack.read_bytes()
        for part in folder.glob("objects/pack/*"):
            part.unlink()
        subprocess.run(["git", f"--git-dir={folder}", "unpack-objects", "-q"], input=content, check=True)


def test_a_stranger_in_the_place_of_the_mirror(mirror: Mirror, deploy: Bare, tmp_path: Path) -> None:
    _empty_it(mirror.folder)
    mirror.folder.rmdir()
    mirror.folder.write_text("a file")
    assert open_mirror(deploy.url, tmp_path / "cache").branches() == deploy.branches()


def test_a_cache_that_cannot_be_written(deploy: Bare, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(Problem, match=r"cache folder .* can't be used"):
        open_mirror(deploy.url, tmp_path / "cache")


RUN = """
import sys
from pathlib import Path
from reconciler.git.mirror import open_mirror
print(open_mirror(sys.argv[1], Path(sys.argv[2])).branches()["main"], flush=True)
"""


def _start(url: str, cache: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", RUN, url, str(cache)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_runs_at_the_same_time_share_one_cache(deploy: Bare, tmp_path: Path) -> None:
    runs = [_start(deploy.url, tmp_path / "cache") for _ in range(4)]
    for run in runs:
        out, err = run.communicate(timeout=60)
        assert (out.strip(), err) == (deploy.tip(), "")


def test_killed_while_cloning(git_server: GitServer, deploy: Bare, tmp_path: Path) -> None:
    git_server.token = ""
    git_server.hang = threading.Event()
    url = f"{git_server.url}/deploy.git"
    run = _start(url, tmp_path / "cache")
    while not git_server.seen:
        assert run.poll() is None
        time.sleep(0.01)
    run.send_signal(signal.SIGKILL)
    run.communicate()
    with pytest.raises(Problem, match="another run"):  # its git is still at it
        Mirror(parse_url(url), tmp_path / "cache", Access(timeout=0)).fetch()
    git_server.hang.set()
    git_server.hang = None
    assert open_mirror(url, tmp_path / "cache").branches() == deploy.branches()


def test_interrupted_the_transport_ends_too(git_server: GitServer, tmp_path: Path) -> None:
    git_server.token = ""
    git_server.hang = threading.Event()
    url = f"{git_server.url}/deploy.git"
    run = _start(url, tmp_path / "cache")
    while not git_server.seen:
        assert run.poll() is None
        time.sleep(0.01)
    run.send_signal(signal.SIGINT)
    assert "KeyboardInterrupt" in run.communicate(timeout=10)[1]
    git_server.hang.set()
    running = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if os.access(path, os.R_OK)]
    assert not [line for line in running if b"remote-http" in line and url.encode() in line]


def test_a_run_waits_no_longer_than_it_may(mirror: Mirror, deploy: Bare, tmp_path: Path) -> None:
    impatient = Mirror(parse_url(deploy.url), tmp_path / "cache", Access(timeout=0))
    with mirror._held(), pytest.raises(Problem, match="another run"):
        impatient.fetch()


def test_one_cache_for_many_repositories(deploy: Bare, tmp_path: Path) -> None:
    second = Bare(tmp_path / "second" / "deploy.git")
    second.commit({"a": b"b"})
    for each in (deploy, second, deploy):
        assert open_mirror(each.url, tmp_path / "cache").branches() == each.branches()


def test_no_git_is_told(deploy: Bare, tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", RUN, deploy.url, str(tmp_path / "cache")],
        env={"PATH": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Problem: git is not found: install Git" in ran.stderr


def test_plain_http_with_a_token_is_cautioned() -> None:
    access = Access(Secret("x"))
    assert cautions(parse_url("http://git.example.com/a.git"), access)[0].what == "plain-http"
    assert not cautions(parse_url("http://127.0.0.1:3000/a.git"), access)
    assert not cautions(parse_url("https://git.example.com/a.git"), access)
    assert not cautions(parse_url("http://git.example.com/a.git"), Access())

"""The local forge: the contract, and what is its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from contract import Bench, ForgeContract
from servers.repositories import Bare, git

from reconciler.errors import Problem
from reconciler.forges import FORGES
from reconciler.forges.local import LocalForge
from reconciler.forges.port import Blocked, Draft, Forge, Method, NotMerged, Site
from reconciler.model import MergeRequest

NOW = 1_762_300_800


def forge_of(path: Path, user: str = "bot") -> LocalForge:
    return LocalForge(path, user=user, clock=lambda: NOW)


@pytest.fixture
def bench(deploy: Bare) -> Bench:
    forge = forge_of(deploy.path)

    def comments(number: int) -> list[tuple[str, str]]:
        return [(said.topic, said.text) for said in forge.get(number).comments]

    return Bench(forge, deploy, lambda: forge_of(deploy.path, "Ada"), comments, lambda: NOW)


class TestLocal(ForgeContract):
    pass


@pytest.fixture
def made(bench: Bench) -> MergeRequest:
    return TestLocal().opened(bench)


def test_it_fits_the_port_and_the_dict(deploy: Bare) -> None:
    for address in (deploy.url, deploy.path.as_uri()):
        forge: Forge = FORGES["local"](Site(address, None, "bot", lambda: NOW))
        assert forge.mine("") == []


def test_looking_writes_nothing(bench: Bench, deploy: Bare) -> None:
    bench.forge.mine("")
    assert not deploy.path.with_name("deploy.git.merge-requests").exists()


def test_a_record_is_a_readable_file(made: MergeRequest) -> None:
    record = json.loads(Path(made.url).read_text())
    assert Path(made.url).name == "1.json"
    assert (record["number"], record["state"], record["title"]) == (1, "open", "Lower cpu")
    assert "🎉" in Path(made.url).read_text()
    assert record["events"] == [{"at": NOW, "by": "bot", "what": "opened"}]


def test_who_opened_it_stays_known(bench: Bench, made: MergeRequest) -> None:
    bench.fresh().close(made.number)
    bench.fresh().reopen(made.number)
    assert bench.fresh().mine("")[0].author == made.author == "bot"
    bench.bare.commit({"a": b"b"}, "second", start="main")
    assert bench.fresh().open(Draft("second", "main", "t", "b")).author == "Ada"


def test_the_life_of_one_is_kept(bench: Bench, made: MergeRequest) -> None:
    forge = bench.forge
    forge.close(made.number)
    bench.fresh().reopen(made.number)
    forge.merge(made.number, made.head)
    record = forge_of(bench.bare.path).get(made.number)
    assert [(event.by, event.what) for event in record.events] == [
        ("bot", "opened"), ("bot", "closed"), ("Ada", "reopened"), ("bot", "merged"),
    ]  # fmt: skip


def test_the_repository_is_sound_after_a_merge(bench: Bench, made: MergeRequest, tmp_path: Path) -> None:
    bench.forge.merge(made.number, made.head)
    git("fsck", "--strict", folder=bench.bare.path)
    git("clone", "-q", bench.bare.url, "after", folder=tmp_path)
    assert git("log", "-1", "--format=%s%n%an %at", folder=tmp_path / "after") == (
        f"Merge branch '{made.branch}' into main\nbot {NOW}"
    )


def test_a_merge_by_a_person_is_seen_with_its_merge_commit(
    bench: Bench, made: MergeRequest, tmp_path: Path
) -> None:
    git("clone", "-q", bench.bare.url, "work", folder=tmp_path)
    git("merge", "-q", "--no-ff", f"origin/{made.branch}", folder=tmp_path / "work")
    wanted = git("rev-parse", "HEAD", folder=tmp_path / "work")
    git("commit", "-q", "--allow-empty", "-m", "more", folder=tmp_path / "work")
    git("push", "-q", "origin", "HEAD:main", ":" + made.branch, folder=tmp_path / "work")
    (seen,) = bench.forge.mine("")
    assert (seen.state, seen.merge_commit, seen.ended_by) == ("merged", wanted, "Ada")


def test_a_squash_that_was_cut_off_before_its_record(bench: Bench, made: MergeRequest) -> None:
    before = Path(made.url).read_bytes()
    first = bench.forge.merge(made.number, made.head, method=Method.SQUASH)
    Path(made.url).write_bytes(before)
    second = bench.forge.merge(made.number, made.head, method=Method.SQUASH)
    assert second == first
    assert len(list(bench.bare.store.walk(bench.bare.tip()))) == 2


def test_strange_files_beside_the_records(bench: Bench, made: MergeRequest) -> None:
    for name in ("notes.txt", "01.json", "x.json", ".7.json.new", "0.json"):
        Path(made.url).with_name(name).write_text("x")
    assert len(bench.forge.mine("")) == 1
    bench.bare.commit({"a": b"b"}, "second", start="main")
    assert bench.forge.open(Draft("second", "main", "t", "b")).number == 2


def test_places_that_are_no_bare_repository(tmp_path: Path, deploy: Bare) -> None:
    with pytest.raises(Problem, match="no Git repository at"):
        forge_of(tmp_path / "missing").mine("")
    git("clone", "-q", deploy.url, "work", folder=tmp_path)
    with pytest.raises(Problem, match="needs a bare repository"):
        forge_of(tmp_path / "work").mine("")
    with pytest.raises(Problem, match="no Git repository at"):
        forge_of(tmp_path / "work" / "apps").mine("")


def test_a_branch_named_by_a_stranger(bench: Bench) -> None:
    for name in ("../../etc/passwd", "a b", "", "x.lock", "-x", "\0"):
        with pytest.raises(Problem, match="there is no branch"):
            bench.forge.open(Draft(name, "main", "t", "b"))


def test_the_base_moved_at_the_last_moment(
    bench: Bench, made: MergeRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between reading the base and moving it, someone pushes: their commit survives."""
    import reconciler.forges.local as room

    whole = room._merge_message
    theirs = []

    def slow(record: object) -> str:
        theirs.append(bench.bare.commit({"README.md": b"theirs\n"}))
        return whole(record)

    monkeypatch.setattr(room, "_merge_message", slow)
    answer = bench.forge.merge(made.number, made.head)
    assert isinstance(answer, NotMerged)
    assert answer.why is Blocked.NOT_READY
    assert bench.bare.tip() == theirs[0]


OPENING = """
import sys
from pathlib import Path
from reconciler.forges.local import LocalForge
from reconciler.forges.port import Draft
forge = LocalForge(Path(sys.argv[1]), user="bot", clock=lambda: 1)
print(*[forge.open(Draft(branch, "main", "t", "b" * 100_000)).number for branch in sys.argv[2:]], flush=True)
"""


def test_a_writer_waits_for_the_one_before(bench: Bench) -> None:
    bench.bare.commit({"a": b"b"}, "second", start="main")
    command = [sys.executable, "-c", OPENING, bench.bare.url, "second"]
    with forge_of(bench.bare.path).records.writing():
        run = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        with pytest.raises(subprocess.TimeoutExpired):
            run.wait(0.8)
        assert not bench.forge.mine("")
    assert run.communicate(timeout=60)[0] == "1\n"


def test_opening_at_the_same_time(bench: Bench) -> None:
    names = [f"branch-{number}" for number in range(8)]
    for name in names:
        bench.bare.commit({"a": name.encode()}, name, start="main")
    command = [sys.executable, "-c", OPENING, bench.bare.url]
    runs = [
        subprocess.Popen([*command, *order], stdout=subprocess.PIPE, text=True)
        for order in (names, names[::-1], names)
    ]
    for run in runs:
        run.communicate(timeout=60)
        assert run.returncode == 0
    assert sorted(each.number for each in bench.forge.mine("")) == list(range(1, 9))


def test_killed_while_writing(bench: Bench) -> None:
    """However it ends, every record that is there is whole, and the next run goes on."""
    names = [f"branch-{number}" for number in range(60)]
    for name in names:
        bench.bare.store.references.create(
            f"refs/heads/{name}", bench.bare.commit({"a": b"b"}, "one", start="main"), force=True
        )
    command = [sys.executable, "-c", OPENING, bench.bare.url, *names]
    run = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    folder = bench.bare.path.with_name("deploy.git.merge-requests")
    while run.poll() is None and not (folder / "5.json").exists():
        os.sched_yield()
    run.send_signal(signal.SIGKILL)
    run.communicate()
    assert len(bench.forge.mine("")) >= 5
    assert len({bench.forge.open(Draft(name, "main", "t", "b")).number for name in names}) == 60


def test_records_that_cannot_be_written(bench: Bench) -> None:
    bench.bare.path.with_name("deploy.git.merge-requests").write_text("a file")
    with pytest.raises(Problem, match="can't be written"):
        TestLocal().opened(bench)


def test_an_approval_is_a_yes_to_one_commit(bench: Bench) -> None:
    contract = ForgeContract()
    made = contract.opened(bench)
    forge = bench.forge
    assert isinstance(forge, LocalForge)
    forge.approve(made.number)
    again = forge.approve(made.number)
    assert [each.head for each in again.approved_by] == [made.head]
    assert bench.fresh().standing(made.number).approved_by == (forge.whoami(),)
    bench.bare.commit({"apps/web/service.yaml": b"newer\n"}, made.branch)
    assert bench.fresh().standing(made.number).approved_by == ()
    forge.close(made.number)
    with pytest.raises(Problem):
        forge.approve(made.number)

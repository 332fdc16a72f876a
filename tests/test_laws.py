"""The laws, on generated repositories and usage.

1. Twice is once.  2. Deciding is a function of the evidence.  3. Only the bytes meant.
8. One target's failure is a row, and never the end of the others.  9. Secrets never leave.
10. Stop anywhere.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from killed_run import KILLED
from world import NOW, Used, World, manifest, ref

from reconciler import canonical
from reconciler.git.commits import Author
from reconciler.git.create import create_bare
from reconciler.model import Do, Evidence, Field
from reconciler.quantity import read
from reconciler.sizing import decide
from reconciler.usage.days import DAY

MIB = 1 << 20
GENERATED = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


class Made(NamedTuple):
    """A generated container: how it is written, and what it used."""

    cpu: str
    memory: str
    style: str
    used_cpu: int
    used_memory: int
    days: int
    oom_kills: int
    annotation: str


STYLES = ("block", "flow", "none", "crlf", "comments", "json")

made = st.builds(
    Made,
    cpu=st.sampled_from(["1", "500m", "0.5", "2", "100m", '"250m"']),
    memory=st.sampled_from(["1Gi", "512Mi", '"128Mi"', "256M", "1073741824"]),
    style=st.sampled_from(STYLES),
    used_cpu=st.integers(1, 3000),
    used_memory=st.integers(1, 2048).map(lambda mib: mib * MIB),
    days=st.sampled_from([1, 5, 14]),
    oom_kills=st.sampled_from([0, 0, 0, 2]),
    annotation=st.sampled_from(["", "", "", "cpu", "true"]),
)
worlds = st.lists(made, min_size=1, max_size=5)


def written(name: str, one: Made) -> str:
    """The container's manifest in its style."""
    text = manifest(name, one.cpu, one.memory)
    block = f"""\
            requests:
              cpu: {one.cpu}      # measured once
              memory: {one.memory}
"""
    if one.style == "flow":
        text = text.replace(block, f"            requests: {{cpu: {one.cpu}, memory: {one.memory}}}\n")
    elif one.style == "none":
        text = text.replace(f"          resources:\n{block}", "          # nobody has sized this\n")
    elif one.style == "comments":
        text = f"# head\n{text}  # tail\n---\n# only a comment\n"
    if one.annotation:
        note = f'\n  annotations: {{reconciler.io/ignore: "{one.annotation}"}}\nspec:\n  replicas'
        text = text.replace("\nspec:\n  replicas", note)
    if one.style == "json":
        text = json.dumps(yaml.safe_load(text), indent=2) + "\n"
    return text.replace("\n", "\r\n") if one.style == "crlf" else text


@contextmanager
def world_of(many: list[Made]) -> Iterator[World]:
    with tempfile.TemporaryDirectory() as made_here:
        files = {f"apps/app{at % 3}/w{at}.yaml": written(f"w{at}", one) for at, one in enumerate(many)}
        used = [
            Used(ref(f"w{at}"), one.used_cpu, one.used_memory, one.days, 2, one.oom_kills, 512 * MIB)
            for at, one in enumerate(many)
        ]
        yield World(Path(made_here), files, used)


# -- 1 ---------------------------------------------------------------------------------------------


@GENERATED
@given(worlds)
def test_twice_is_once(many: list[Made]) -> None:
    with world_of(many) as world:
        first = world.run()
        before = world.state()
        second = world.run()
        assert world.state() == before
        assert {action.do for action in second.actions} <= {Do.LEAVE}
        assert first.changes == second.changes


@GENERATED
@given(worlds)
def test_merging_everything_settles_it(many: list[Made]) -> None:
    """After the merges, what is left to do waits for a cool-down or a measured day: no new request."""
    with world_of(many) as world:
        for _ in range(3):  # requests on one file may be rebuilt when their neighbour is merged
            world.run()
            for request in world.requests():
                world.forge.merge(request.number, request.head)
        report = world.run()
        assert not report.changes
        assert world.requests() == []
        before = world.state()
        world.run()
        assert world.state() == before


# -- 2 ---------------------------------------------------------------------------------------------


@GENERATED
@given(worlds)
def test_the_ledgers_evidence_alone_gives_the_same_changes(many: list[Made]) -> None:
    with world_of(many) as world:
        report = world.run()
        lines = world.files("reconcile/ledger") if report.changes else {}
        stored = [
            json.loads(line)["facts"]
            for path, data in lines.items()
            if path.startswith("evidence-")
            for line in data.splitlines()
        ]
        found = {}
        for facts in stored:
            seen = canonical.load(Evidence, facts["evidence"])
            assert canonical.digest(seen) == facts["hash"]
            for decision in decide(seen):
                found[canonical.digest(decision)] = decision
        for change in report.changes:
            assert canonical.digest(change) in found


# -- 3 ---------------------------------------------------------------------------------------------


@GENERATED
@given(worlds)
def test_only_the_values_meant_change_and_they_are_what_was_said(many: list[Made]) -> None:
    with world_of(many) as world:
        report = world.run()
        before = world.files()
        for request in world.requests():
            changes = [
                change for proposal in report.proposals if proposal.branch == request.branch
                for change in proposal.changes
            ]  # fmt: skip
            meant = {value.slot.place.path for change in changes for value in change.values}
            after = world.files(request.branch)
            assert {path for path in after if after[path] != before.get(path)} == meant
            for path in meant:
                _check_file(path, before[path], after[path], changes)


def _check_file(path: str, before: bytes, after: bytes, changes: list) -> None:  # type: ignore[type-arg]
    documents = [json.loads(json.dumps(one, default=str)) for one in yaml.safe_load_all(before)]
    for change in changes:
        for slot, new in change.values:
            if slot.place.path == path:
                _assign(documents[slot.place.document], slot.place.keys, (slot.field, new))
    found = [json.loads(json.dumps(one, default=str)) for one in yaml.safe_load_all(after)]
    assert _equal(found, documents)
    lines_before, lines_after = before.split(b"\n"), after.split(b"\n")
    lost = [line for line in lines_before if b"#" in line and line not in lines_after]
    assert all(b"# measured once" in line for line in lost), "a comment was lost"
    assert (b"\r\n" in before) == (b"\r\n" in after)


def _assign(node: object, keys: tuple[str | int, ...], value: object) -> None:
    for key in keys[:-1]:
        node = node.setdefault(key, {}) if isinstance(node, dict) else node[key]  # type: ignore[index,call-overload]
    node[keys[-1]] = value  # type: ignore[index]


def _equal(found: object, wanted: object) -> bool:
    """Equal, where an assigned value may be any text of the same amount."""
    if isinstance(wanted, tuple):
        field, text = wanted
        return read(Field(field), str(found)) == read(Field(field), text)
    if isinstance(wanted, dict):
        return (
            isinstance(found, dict)
            and found.keys() == wanted.keys()
            and all(_equal(found[key], wanted[key]) for key in wanted)
        )
    if isinstance(wanted, list):
        return isinstance(found, list) and len(found) == len(wanted) and all(map(_equal, found, wanted))
    return found == wanted


# -- 8 ---------------------------------------------------------------------------------------------


def test_one_broken_target_is_a_row_and_the_rest_goes_on(tmp_path: Path) -> None:
    bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{chr(98 + level)}: &{chr(98 + level)} [{','.join(['*' + chr(97 + level)] * 9)}]\n"
        for level in range(12)
    )
    files = {
        "good/web.yaml": manifest("web", "2", "1Gi"),
        "broken/api.yaml": manifest("api") + "  bad: [unclosed\n",
        "bomb/bomb.yaml": f"kind: Deployment\napiVersion: apps/v1\n{bomb}",
        "huge/huge.yaml": manifest("huge") + "# " + "x" * (9 << 20) + "\n",
        "binary.yaml": "kind: Deployment\n\x00\x01",
    }
    world = World(tmp_path, files, [Used(ref("web"), 100, 100 * MIB)])
    empty = tmp_path / "empty.git"
    subprocess.run(["git", "init", "-q", "--bare", str(empty)], check=True)
    world.write_settings(
        repositories=[
            {"url": str(tmp_path / "gone.git")},
            {"url": str(empty), "branch": "main"},
            {"url": str(world.bare), "branch": "missing"},
            {"url": str(world.bare), "branch": "main"},
        ],
        metrics=[
            {"name": "main", "kind": "recording", "path": "usage"},
            {"name": "no", "kind": "recording", "path": "no"},
        ],
    )
    report = world.run()
    assert {change.values[0].slot.consumers[0].workload for change in report.changes} == {"web"}
    assert len(world.requests()) == 1
    told = {(failure.path or failure.repository or failure.what): failure.error for failure in report.failed}
    for wanted in ("broken/api.yaml", "bomb/bomb.yaml", str(tmp_path / "no")):
        assert wanted in told, told
    errors = " ".join(failure.error for failure in report.failed)
    assert "there is no branch 'missing'" in errors
    assert "empty" in errors
    assert all(failure.error and "Traceback" not in failure.error for failure in report.failed)
    assert "too-large" in {note.what for note in report.notes}


def test_contradicting_policies_fail_their_containers_alone(tmp_path: Path) -> None:
    world = World(
        tmp_path,
        {"a/web.yaml": manifest("web", "2", "1Gi"), "a/api.yaml": manifest("api", "2", "1Gi")},
        [Used(ref("web"), 100, 100 * MIB), Used(ref("api"), 100, 100 * MIB)],
        policies="policies",
    )
    (tmp_path / "policies").mkdir()
    for name, window in (("one", "14d"), ("two", "10d")):
        (tmp_path / "policies" / f"{name}.yaml").write_text(
            f"apiVersion: reconciler/v1\nkind: Policy\nmetadata: {{name: {name}}}\n"
            f"match: {{names: [web]}}\nresources: {{window: {window}}}\n"
        )
    report = world.run()
    assert {change.values[0].slot.consumers[0].workload for change in report.changes} == {"api"}
    assert len(report.failed) == 1
    assert "one.yaml" in report.failed[0].error
    assert "two.yaml" in report.failed[0].error


def test_a_policy_that_matches_nothing_is_a_note(tmp_path: Path) -> None:
    world = World(tmp_path, {"a/web.yaml": manifest("web")}, [], policies="policies")
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "p.yaml").write_text(
        "apiVersion: reconciler/v1\nkind: Policy\nmetadata: {name: p}\n"
        "match: {names: [nobody]}\nmode: merge\n"
    )
    notes = [note for note in world.run().notes if note.path.endswith("p.yaml")]
    assert len(notes) == 1
    assert notes[0].line > 0


# -- 9 ---------------------------------------------------------------------------------------------


def test_the_token_is_nowhere(tmp_path: Path) -> None:
    """Not in any output, record, commit or file that a run leaves behind; with debug output as well."""
    token = "glpat-canary-7c1d94e2"
    world = World(tmp_path, {"a/web.yaml": manifest("web", "2", "1Gi")}, [Used(ref("web"), 100, 100 * MIB)])
    secret = tmp_path / "token"
    secret.write_text(token + "\n")
    world.write_settings(
        repositories=[{"url": str(world.bare), "branch": "main"}, {"url": "https://127.0.0.1:1/x.git"}],
        forges=[{"kind": "local", "tokenFile": str(secret)},
                {"kind": "gitlab", "url": "https://127.0.0.1:1", "tokenFile": str(secret)}],
    )  # fmt: skip
    printed = b""
    for words in (["run"], ["run", "-o", "json"], ["run", "-o", "markdown"], ["doctor"]):
        ran = subprocess.run(
            [sys.executable, "-m", "reconciler", *words, "-c", str(world.settings), "--now", str(NOW)][
                : None if words[0] == "run" else -2
            ],
            capture_output=True, env={**os.environ, "RECONCILE_DEBUG": "1"}, check=False, cwd=tmp_path,
        )  # fmt: skip
        printed += ran.stdout + ran.stderr
        assert ran.returncode == 1  # one of the two repositories can't be reached
    assert b"127.0.0.1" in printed
    secret.unlink()
    left = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    commits = subprocess.run(
        ["git", "-C", str(world.bare), "log", "--all", "-p"], capture_output=True, check=True
    ).stdout
    assert world.requests()
    assert token.encode() not in printed + left + commits


# -- 10 --------------------------------------------------------------------------------------------


def _killed_after(world: World, writes: int) -> int:
    command = [sys.executable, str(Path(__file__).with_name("killed_run.py"))]
    ran = subprocess.run(
        [*command, str(world.settings), str(NOW), str(writes)], capture_output=True, check=False
    )
    assert ran.returncode in (0, KILLED), ran.stderr.decode()
    return ran.returncode


def _again(world: World, kept: Path) -> None:
    """The world as it was kept, in the same place: paths are part of what is compared."""
    shutil.rmtree(world.folder)
    shutil.copytree(kept, world.folder)


def _story(world: World) -> None:
    """A past with something of everything: one request merged, one rejected, one that is obsolete."""
    world.run()
    merged, rejected, obsolete = world.requests()[:3]
    world.forge.merge(merged.number, merged.head)
    world.forge.close(rejected.number)
    for path in world.files():
        if path.split("/")[1] in obsolete.branch:
            name = Path(path).stem
            world.push("main", {path: manifest(name, "115m", "120Mi").encode()})
    world.push("main", {"apps/late/late.yaml": manifest("late", "2", "1Gi").encode()})


@pytest.mark.parametrize("with_past", [False, True])
def test_killed_after_any_single_write_the_next_run_ends_the_same(tmp_path: Path, with_past: bool) -> None:
    names = ("one", "two", "three", "late")
    files = {f"apps/{name}/{name}.yaml": manifest(name, "2", "1Gi") for name in names[:3]}
    (tmp_path / "here").mkdir()
    world = World(tmp_path / "here", files, [Used(ref(name), 100, 100 * MIB) for name in names])
    if with_past:
        _story(world)
    kept = tmp_path / "kept"
    shutil.copytree(world.folder, kept)
    world.run()
    world.run()
    wanted = _comparable(world)
    for writes in range(1, 40):
        _again(world, kept)
        code = _killed_after(world, writes)
        world.run()
        assert _comparable(world) == wanted, f"killed after write {writes}"
        before = world.state()
        world.run()
        assert world.state() == before, f"killed after write {writes}: a later run still writes"
        if code == 0:
            break
    assert code == 0
    assert writes > 4, "too few writes were seen to prove anything"


def _comparable(world: World) -> dict[str, object]:
    """The end state: trees and records, but not how many commits the ledger took."""
    store = world.store
    trees = {
        name: str(store[tip].tree_id)  # type: ignore[attr-defined]
        for name, tip in world.refs().items()
        if not name.endswith("/ledger")
    }
    lines = {path: sorted(data.splitlines()) for path, data in world.files("reconcile/ledger").items()}
    requests = [
        (one.number, one.branch, one.state, one.title, one.body, one.labels) for one in world.forge.mine("")
    ]
    return {"trees": trees, "ledger": _known_facts(lines), "requests": requests}


def _known_facts(lines: dict[str, list[bytes]]) -> set[str]:
    """What the ledger says, without where the world lies."""
    found = set()
    for path, rows in lines.items():
        for row in rows if path.endswith(".jsonl") else ():
            entry = json.loads(row)
            found.add(f"{entry['event']} {entry['key']} {entry['facts'].get('number', '')}")
    return found


# -- killed at random moments ----------------------------------------------------------------------


def test_killed_at_random_moments_nothing_is_lost(tmp_path: Path) -> None:
    files = {f"apps/w{at}/w.yaml": manifest(f"w{at}", "2", "1Gi") for at in range(6)}
    world = World(tmp_path, files, [Used(ref(f"w{at}"), 100, 100 * MIB) for at in range(6)])
    command = [sys.executable, "-m", "reconciler", "run", "-c", str(world.settings), "--now", str(NOW)]
    for wait in (0.4, 0.6, 0.7, 0.8, 0.9, 1.0):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            process.wait(timeout=wait)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    world.run()
    assert len(world.requests()) == 6
    before = world.state()
    world.run()
    assert world.state() == before


def test_two_repositories_do_not_see_each_other(tmp_path: Path) -> None:
    world = World(tmp_path, {"a/web.yaml": manifest("web", "2", "1Gi")}, [Used(ref("web"), 100, 100 * MIB)])
    other = tmp_path / "other.git"
    text = manifest("api", "2", "1Gi").encode()
    create_bare(
        other, {"a/api.yaml": text}, branch="main", message="x", author=Author("a", "b"), when=NOW - DAY
    )
    world.write_settings(
        repositories=[{"url": str(world.bare), "branch": "main"}, {"url": str(other), "branch": "main"}]
    )
    report = world.run()
    assert len(world.requests()) == 1
    reasons = {keep.slot.consumers[0].workload: keep.reason.value for keep in report.kept}
    assert reasons == {"api": "no-metrics"}

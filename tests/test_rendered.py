"""What is rendered, from the commands that people type to the merge requests that they review."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import pygit2
import pytest
from rendered_world import FILES, application, lay_out, put_tools_on_path
from world import Used, World

from reconciler.cli import ended
from reconciler.model import ContainerRef, Report
from reconciler.rendering import renderer

MI = 1 << 20


@pytest.fixture(autouse=True)
def _tools(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    put_tools_on_path(monkeypatch)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return lay_out(tmp_path / "deploy")


def rows(folder: Path, capsys: pytest.CaptureFixture[str], *more: str) -> list[dict[str, object]]:
    assert ended(["scan", str(folder), "-o", "json", *more]) == 0
    found = json.loads(capsys.readouterr().out)["rows"]
    assert isinstance(found, list)
    return found


def row(found: list[dict[str, object]], who: str, field: str) -> dict[str, object]:
    (one,) = (
        one
        for one in found
        if f"{one['namespace']}/{one['workload']}/{one['container']}" == who and one["field"] == field
    )
    return one


# -- scan -------------------------------------------------------------------------------------


def test_scan_finds_the_line_behind_each_rendered_value(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = rows(folder, capsys)
    where = {
        (who, field): (one["value"], f"{one['path']}:{one['line']}")
        for who in ("prod/web-prod/app", "prod/web-prod/side", "k-prod/api/api")
        for field in ("requests.cpu", "requests.memory", "image")
        for one in [row(found, who, field)]
    }
    assert where == {
        ("prod/web-prod/app", "requests.cpu"): ("500m", "charts/web/prod.yaml:3"),
        ("prod/web-prod/app", "requests.memory"): ("512Mi", "charts/web/all.yaml:4"),
        ("prod/web-prod/app", "image"): ("nginx:1.25", "charts/web/prod.yaml:3"),
        ("prod/web-prod/side", "requests.cpu"): (None, "charts/web/prod.yaml:3"),
        ("prod/web-prod/side", "requests.memory"): (None, "charts/web/prod.yaml:3"),
        ("prod/web-prod/side", "image"): ("busybox:1", "apps/prod.yaml:1"),
        ("k-prod/api/api", "requests.cpu"): ("500m", "base/deployment.yaml:13"),
        ("k-prod/api/api", "requests.memory"): ("512Mi", "base/deployment.yaml:14"),
        ("k-prod/api/api", "image"): ("registry.example.com/api:1.2", "overlays/prod/kustomization.yaml:5"),
    }
    assert row(found, "prod/web-prod/side", "image")["reason"] == "not-traced"


def test_a_line_knows_everyone_it_feeds_in_other_units(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = rows(folder, capsys)
    shared = row(found, "prod/web-prod/app", "requests.memory")["shared_with"]
    assert shared == [dict(ContainerRef("", "dev", "Deployment", "web-dev", "app")._asdict())]
    assert row(found, "k-dev/api/api", "requests.cpu")["shared_with"] != []
    assert row(found, "prod/web-prod/app", "requests.cpu")["shared_with"] == []


def test_all_fields_are_replicas_and_what_autoscalers_aim_for(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scaler = """\
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: plain, namespace: p}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: api}
  maxReplicas: 9
  metrics:
  - type: Resource
    resource: {name: cpu, target: {type: Utilization, averageUtilization: 70}}
"""
    plain = FILES["base/deployment.yaml"].replace("name: api}", "name: api, namespace: p}")
    lay_out(folder, {"plain/all.yaml": f"{plain}---\n{scaler}"})
    found = [one for one in rows(folder, capsys, "--all-fields") if one["container"] == ""]
    told = [(f"{one['namespace']}/{one['kind']}", one["field"], one["value"], one["line"]) for one in found]
    assert told == [
        ("k-dev/Deployment", "replicas", "2", 5),
        ("k-prod/Deployment", "replicas", "2", 5),
        ("p/Deployment", "replicas", "2", 5),
        ("p/HorizontalPodAutoscaler", "maxReplicas", "9", 21),
        ("p/HorizontalPodAutoscaler", "metrics[0].resource.target.averageUtilization", "70", 24),
        ("dev/Deployment", "replicas", "2", 1),
        ("prod/Deployment", "replicas", "2", 3),
    ]
    assert [who["namespace"] for who in found[0]["shared_with"]] == ["k-prod"]  # type: ignore[index]


def test_without_the_programs_plain_manifests_still_work(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lay_out(folder, {"plain/deployment.yaml": FILES["base/deployment.yaml"]})
    monkeypatch.setenv("PATH", "/nowhere")
    assert ended(["scan", str(folder), "-o", "json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert {one["reason"] for one in told["rows"] if one["unit"] == "plain"} == {None}
    assert {one["reason"] for one in told["rows"] if one["unit"] != "plain"} == {"missing-tool"}
    assert {unit["reason"] for unit in told["units"]} == {"missing-tool"}


# -- set --------------------------------------------------------------------------------------


def changed(folder: Path) -> dict[str, list[tuple[str, str]]]:
    """The lines that differ from what was laid out, by file."""
    found = {}
    for path, before in FILES.items():
        after = (folder / path).read_text(encoding="utf-8")
        if after != before:
            pairs = zip(before.splitlines(), after.splitlines(), strict=False)
            found[path] = [(one, other) for one, other in pairs if one != other]
    return found


def test_set_edits_the_users_file_and_shows_the_proof(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended(["set", str(folder), "prod/deploy/web-prod/app", "cpu=750m"]) == 0
    assert changed(folder) == {
        "charts/web/prod.yaml": [("    cpu: 500m  # of prod alone", "    cpu: 750m  # of prod alone")]
    }
    told = capsys.readouterr().out
    assert "web-prod renders the same but for 1 field: prod/Deployment/web-prod/app requests.cpu" in told


def test_a_line_of_several_units_is_changed_only_for_all_of_them(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["set", str(folder), "prod/deploy/web-prod/app", "memory=300Mi"]
    assert ended(words) == 1
    assert changed(folder) == {}
    assert ended([*words, "--shared"]) == 0
    assert changed(folder) == {
        "charts/web/all.yaml": [("    memory: 512Mi  # shared", "    memory: 300Mi  # shared")]
    }
    told = capsys.readouterr().out
    assert "web-dev renders the same but for" in told
    assert "web-prod renders the same but for" in told


def test_a_shared_line_can_be_left_to_the_others(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ended(["set", str(folder), "prod/deploy/web-prod/app", "memory=300Mi", "--overlay"]) == 0
    assert ended(["set", str(folder), "k-dev/deploy/api", "cpu=300m", "--overlay"]) == 0
    assert (folder / "charts/web/prod.yaml").read_text() == FILES[
        "charts/web/prod.yaml"
    ] + "    memory: 300Mi\n"
    assert "cpu: 300m" in (folder / "overlays/dev/kustomization.yaml").read_text()
    assert set(changed(folder)) <= {"charts/web/prod.yaml", "overlays/dev/kustomization.yaml"}
    capsys.readouterr()
    found = rows(folder, capsys)
    assert row(found, "prod/web-prod/app", "requests.memory")["value"] == "300Mi"
    assert row(found, "dev/web-dev/app", "requests.memory")["value"] == "512Mi"
    assert row(found, "k-dev/api/api", "requests.cpu")["value"] == "300m"
    assert row(found, "k-prod/api/api", "requests.cpu")["value"] == "500m"


def test_a_value_of_the_base_is_proven_in_every_overlay(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended(["set", str(folder), "k-prod/deploy/api", "cpu=300m", "--shared"]) == 0
    assert changed(folder) == {
        "base/deployment.yaml": [("            cpu: 500m  # a guess", "            cpu: 300m  # a guess")]
    }
    told = capsys.readouterr().out
    assert "overlays/dev renders the same but for 1 field" in told
    assert "overlays/prod renders the same but for 1 field" in told


def test_an_edit_that_does_more_than_meant_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    derived = FILES["charts/web/templates/deployment.yaml"].replace(
        "{{ .Values.heap }}", "{{ .Values.resources.requests.memory }}"
    )
    folder = lay_out(tmp_path / "deploy", {**FILES, "charts/web/templates/deployment.yaml": derived})
    before = (folder / "charts/web/all.yaml").read_bytes()
    assert ended(["set", str(folder), "prod/deploy/web-prod/app", "memory=1Gi", "--shared"]) == 1
    assert (folder / "charts/web/all.yaml").read_bytes() == before
    told = " ".join(capsys.readouterr().out.split())
    assert "side-effect" in told
    assert "env" in told


def test_an_edit_must_not_change_what_another_unit_takes_the_file_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The second chart reads the same file, for something that is no container's value."""
    head = "kind: ConfigMap\napiVersion: v1\nmetadata: {name: c}\n"
    other = head + "data: {cpu: {{ .Values.resources.requests.cpu }}}\n"
    more = {
        "charts/other/Chart.yaml": "apiVersion: v2\nname: other\nversion: 1.0.0\n",
        "charts/other/templates/c.yaml": other,
        "apps/other.yaml": application("other", "prod", "/charts/web/prod.yaml").replace(
            "path: charts/web", "path: charts/other"
        ),
    }
    folder = lay_out(tmp_path / "deploy", {**FILES, **more})
    assert ended(["set", str(folder), "prod/deploy/web-prod/app", "cpu=750m"]) == 1
    assert changed(folder) == {}
    told = " ".join(capsys.readouterr().out.split())
    assert "it would change other, too" in told


# -- why --------------------------------------------------------------------------------------


def test_why_tells_whom_a_line_feeds(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = folder / "charts/web/all.yaml"
    assert ended(["why", f"{place}:4", "--dir", str(folder), "-o", "json"]) == 0
    (one,) = (one for one in json.loads(capsys.readouterr().out)["rows"] if one["value"])
    assert (one["field"], one["value"]) == ("requests.memory", "512Mi")
    assert [who["namespace"] for who in one["consumers"]] == ["dev", "prod"]
    assert one["units"] == ["web-dev", "web-prod"]


def test_why_of_a_block_is_all_that_is_below_it(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = folder / "base/deployment.yaml"
    assert ended(["why", f"{place}:12", "--dir", str(folder)]) == 0
    told = capsys.readouterr().out
    assert "base/deployment.yaml:13 sets requests.cpu to 500m" in told
    assert "base/deployment.yaml:14 sets requests.memory to 512Mi" in told


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ("nothing.yaml:1", "no such file"),
        ("apps/dev.yaml:99", "has 10 lines"),
        ("/etc/passwd:1", "is not in"),
    ],
)
def test_why_says_what_is_wrong_with_its_line(
    folder: Path, words: str, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended(["why", str(folder / words), "--dir", str(folder)]) == 2
    assert why in " ".join(capsys.readouterr().err.split())


# -- runs -------------------------------------------------------------------------------------


def used(namespace: str, workload: str, container: str, cpu: int, memory: int) -> Used:
    return Used(ContainerRef("", namespace, "Deployment", workload, container), cpu, memory)


USED = (
    used("dev", "web-dev", "app", 20, 60 * MI),
    used("prod", "web-prod", "app", 200, 200 * MI),
    used("k-dev", "api", "api", 40, 100 * MI),
    used("k-prod", "api", "api", 100, 150 * MI),
)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return world_in(tmp_path, USED)


def world_in(
    tmp_path: Path, seen: Sequence[Used], files: Mapping[str, str] = FILES, policy: str = ""
) -> World:
    folder = tmp_path / "world"
    folder.mkdir()
    addresses = ["https://git.example.com/platform/deploy"]
    bare = {"url": str(folder / "deploy.git"), "branch": "main", "aliases": addresses}
    if not policy:
        return World(folder, files, seen, repositories=[bare])
    head = "apiVersion: reconciler/v1\nkind: Policy\nmetadata: {name: own}\n"
    (folder / "policies.yaml").write_text(head + policy, encoding="utf-8")
    return World(folder, files, seen, repositories=[bare], policies="policies.yaml")


def edits(report: Report) -> dict[tuple[str, str], tuple[str | None, str]]:
    return {
        (f"{value.slot.place.path}:{value.slot.line}", str(value.slot.field)): (value.slot.value, value.new)
        for change in report.changes
        for value in change.values
    }


def test_a_run_proposes_where_values_are_set_and_proves_it(world: World) -> None:
    report = world.run()
    assert not report.failed
    assert ("charts/web/prod.yaml:3", "requests.cpu") in edits(report)
    assert all(change.proofs for change in report.changes)
    bodies = "\n".join(request.body for request in world.requests())
    assert "Proven by rendering" in bodies
    assert world.run().actions != ()
    assert {action.do for action in world.run().actions} == {"leave"}


def test_a_shared_line_is_decided_over_everyone_it_feeds(world: World) -> None:
    """The memory that both Applications take follows the one that needs more, and is proposed once."""
    report = world.run(write=False)
    both = [
        change
        for change in report.changes
        if any(value.slot.place.path == "charts/web/all.yaml" for value in change.values)
    ]
    assert len(both) == 1
    (value,) = (value for value in both[0].values if value.slot.place.path == "charts/web/all.yaml")
    assert {ref.namespace for ref in value.slot.consumers} == {"dev", "prod"}
    assert {proof.unit for proof in both[0].proofs} == {"web-dev", "web-prod"}


def test_nothing_shared_is_lowered_while_one_consumer_has_no_metrics(tmp_path: Path) -> None:
    report = world_in(tmp_path, USED[1:]).run(write=False)
    kept = {
        (str(keep.ref), str(keep.slot.field)): keep.reason
        for keep in report.kept
        if keep.slot.place.path == "charts/web/all.yaml"
    }
    assert kept["prod/Deployment/web-prod/app", "requests.memory"] == "consumer-without-metrics"


def test_an_unchanged_repository_is_rendered_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    first = world.run(write=False)

    def never(*given: object) -> None:
        raise AssertionError("rendered again")

    monkeypatch.setattr(renderer.helm, "template", never)
    monkeypatch.setattr(renderer.kustomize, "build", never)
    assert edits(world.run(write=False)) == edits(first)


def test_a_policy_can_ask_for_overlays_where_several_share_a_line(tmp_path: Path) -> None:
    """Each unit then gets what it needs itself, in its own last file or a patch of its own."""
    world = world_in(tmp_path, USED, policy="proposals: {place: overlay}\n")
    report = world.run()
    assert not report.failed
    files = {path for proposal in report.proposals for path in (one.path for one in proposal.files)}
    assert files == {
        "charts/web/dev.yaml",
        "charts/web/prod.yaml",
        "overlays/dev/kustomization.yaml",
        "overlays/prod/kustomization.yaml",
    }
    assert {len(value.slot.consumers) for change in report.changes for value in change.values} == {1}
    assert all(change.proofs for change in report.changes)
    assert {action.do for action in world.run().actions} == {"leave"}


DERIVING = {
    **FILES,
    "charts/web/templates/deployment.yaml": FILES["charts/web/templates/deployment.yaml"].replace(
        "{{ .Values.heap }}", "{{ .Values.resources.requests.cpu }}"
    ),
}


def test_what_a_chart_derives_is_refused_unless_the_policy_allows_it(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    refused = world_in(tmp_path / "a", USED, DERIVING).run(write=False)
    kept = {
        str(keep.ref or keep.slot.consumers[0]): keep for keep in refused.kept if keep.reason == "side-effect"
    }
    assert "HEAP" in kept["prod/Deployment/web-prod/app"].detail
    (tmp_path / "b").mkdir()
    allowed = world_in(tmp_path / "b", USED, DERIVING, "proposals: {derived: allow}\n").run(write=False)
    assert not [keep for keep in allowed.kept if keep.reason == "side-effect"]
    told = [words for change in allowed.changes for proof in change.proofs for words in proof.derived]
    assert any("HEAP" in words and "500m → 400m" in words for words in told)


def test_a_policy_about_a_folder_is_about_what_takes_its_values_from_there(tmp_path: Path) -> None:
    policy = "match: {paths: ['charts/web/**']}\nmode: {resources: observe}\n"
    report = world_in(tmp_path, USED, policy=policy).run(write=False)
    kept = {keep.ref.namespace for keep in report.kept if keep.ref and keep.reason == "observed"}
    assert kept == {"dev", "prod"}
    assert {value.slot.place.path for one in report.changes for value in one.values} == {
        "base/deployment.yaml"
    }


@pytest.mark.parametrize("only", ["./charts/web", "./overlays/prod", "web-prod", "prod/deploy/web-*"])
def test_only_means_units_folders_and_names(world: World, only: str) -> None:
    report = world.run(write=False, only=[only])
    seen = {
        str(ref.namespace) for one in report.changes for value in one.values for ref in value.slot.consumers
    }
    assert (
        seen
        == {
            "./charts/web": {"dev", "prod"},
            "./overlays/prod": {"k-dev", "k-prod"},
            "web-prod": {"dev", "prod"},
            "prod/deploy/web-*": {"dev", "prod"},
        }[only]
    )


def test_what_cannot_be_rendered_this_time_keeps_its_merge_requests(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A machine without helm, or a chart repository that is down, must not close anything."""
    opened = {action.branch for action in world.run().actions if action.do == "open"}
    assert len(opened) == 3
    git = shutil.which("git")
    assert git is not None
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/git").symlink_to(git)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    told = world.run(write=False)
    assert {unit for note in told.notes for unit in [note.what]} == {"unit"}
    assert {action.branch: action.do for action in told.actions} == dict.fromkeys(opened, "leave")
    assert {action.do for action in world.run().actions} == {"leave"}
    assert len(world.requests()) == 3


# -- a part of a clone ------------------------------------------------------------------------


def test_a_folder_of_a_clone_is_seen_with_all_that_it_is_part_of(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Paths in Applications and overlays begin at the clone's root, and so do those who share a line."""
    pygit2.init_repository(str(folder))
    found = rows(folder / "overlays/prod", capsys)
    assert {one["namespace"] for one in found} == {"k-prod"}
    cpu = row(found, "k-prod/api/api", "requests.cpu")
    assert cpu["path"] == "../../base/deployment.yaml"
    assert [one["namespace"] for one in cpu["shared_with"]] == ["k-dev"]  # type: ignore[index, attr-defined]
    found = rows(folder / "apps", capsys)
    assert {one["unit"] for one in found} == {"web-dev", "web-prod"}


def test_set_in_a_folder_of_a_clone_writes_where_the_value_stands(folder: Path) -> None:
    pygit2.init_repository(str(folder))
    assert ended(["set", str(folder / "apps"), "prod/deploy/web-prod/app", "cpu=750m"]) == 0
    assert changed(folder).keys() == {"charts/web/prod.yaml"}
    assert ended(["set", str(folder / "base"), "k-dev/deploy/api", "cpu=300m"]) == 1  # its overlays share it


def test_what_git_ignores_is_not_looked_at(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pygit2.init_repository(str(folder))
    lay_out(folder, {".gitignore": "built/\n", "built/deployment.yaml": FILES["base/deployment.yaml"]})
    assert "built" not in {one["unit"] for one in rows(folder, capsys)}

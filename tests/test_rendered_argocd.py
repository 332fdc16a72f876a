"""With Argo CD in the settings: its list is what is deployed, and its renders are what counts."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from rendered_argocd import TOKEN, listed, serve, spoil, world_with
from rendered_world import FILES, application, lay_out, put_tools_on_path
from servers import argocd_api
from servers.argocd_api import ArgoServer
from world import NOW, Used, World

from reconciler.cli import ended
from reconciler.model import ContainerRef, Reason, Report

MI = 1 << 20
PLAIN = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: plain}
spec:
  replicas: 2
  template:
    spec:
      containers:
      - name: app
        image: nginx:1.25
        resources:
          requests: {cpu: 500m, memory: 512Mi}
"""
FOLDER_APPLICATION = """\
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {name: plain, namespace: argocd}
spec:
  destination: {server: https://kubernetes.default.svc, namespace: plain}
  source: {repoURL: "https://git.example.com/platform/deploy.git", path: plain}
"""
ALL = {
    **FILES,
    "apps/plain.yaml": FOLDER_APPLICATION,
    "plain/deployment.yaml": PLAIN,
    "alone/deployment.yaml": PLAIN.replace("name: plain}", "name: alone, namespace: alone}"),
}


def used(namespace: str, workload: str, container: str = "app", cpu: int = 100) -> Used:
    return Used(ContainerRef("", namespace, "Deployment", workload, container), cpu, 100 * MI)


USED = (
    used("dev", "web-dev"),
    used("prod", "web-prod"),
    used("plain", "plain"),
    used("alone", "alone"),
)


@pytest.fixture(autouse=True)
def _tools(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    put_tools_on_path(monkeypatch)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def argo(tmp_path: Path) -> Iterator[ArgoServer]:
    running, stop = argocd_api.start(TOKEN)
    serve(running, tmp_path / "there", ALL)
    yield running
    stop()


@pytest.fixture
def world(tmp_path: Path, argo: ArgoServer) -> World:
    return world_with(tmp_path / "world", USED, ALL, argo.url)


def kept(report: Report) -> dict[tuple[str, str], str]:
    return {(f"{one.ref}", str(one.slot.field)): str(one.reason) for one in report.kept}


def reasons(report: Report, who: str) -> set[str]:
    return {reason for (ref, _), reason in kept(report).items() if ref.startswith(who)}


def proposed(report: Report) -> set[str]:
    return {str(ref) for change in report.changes for value in change.values for ref in value.slot.consumers}


def run(world: World, capsys: pytest.CaptureFixture[str], *more: str) -> tuple[int, dict, str]:
    """Through the command line. Also everything that was printed."""
    words = ["run", "--dry-run", "--remote", "--config", str(world.settings), "--now", str(NOW)]
    code = ended([*words, "-o", "json", *more])
    told = capsys.readouterr()
    return code, json.loads(told.out), told.out + told.err


# -- the same render, and another ------------------------------------------------------------------


def test_what_argo_cd_renders_alike_is_proposed(world: World, argo: ArgoServer) -> None:
    report = world.run(write=False)
    assert not report.failed
    assert not [note for note in report.notes if note.what == "unit"]
    everyone = {f"{one.ref}" for one in USED}
    assert proposed(report) == everyone
    asked = {one.path for one in argo.asked if one.path.endswith("/manifests")}
    assert asked == {f"/api/v1/applications/{name}/manifests" for name in ("web-dev", "web-prod", "plain")}
    commit = str(world.store.references["refs/heads/main"].target)
    rendered = [one for one in argo.asked if one.path.endswith("/manifests")]
    assert all(one.query["revision"] == [commit] for one in rendered)


def test_what_it_would_not_sync_is_not_opened(world: World, argo: ArgoServer) -> None:
    night = {"kind": "deny", "schedule": "0 22 * * *", "duration": "8h", "manualSync": True}
    on = {"canSync": True, "assignedWindows": [night], "activeWindows": [night]}
    argo.windows = {"plain": on}
    report = world.run()
    waits = {one.slot.consumers[0].workload for one in report.kept if one.reason is Reason.SYNC_WINDOW}
    assert waits == {"plain"}
    assert not [one for one in world.requests() if "plain" in one.title]
    assert proposed(report) == {f"{one.ref}" for one in USED if one.ref.namespace != "plain"}
    paths = [one.path for one in argo.asked if one.path.endswith("/syncwindows")]
    assert len(paths) == len({*paths}) == 3  # each Application once, and what none deploys not at all
    argo.windows = {}
    assert "Deployment/plain/app" in " ".join(proposed(world.run()))


def test_what_it_renders_differently_is_kept(
    world: World, argo: ArgoServer, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil(argo, "web-prod")
    code, told, _ = run(world, capsys)
    assert code == 0
    words = " ".join(note["detail"] for note in told["notes"])
    assert "the unit web-prod is kept as it is" in words
    assert "replicas is `5`, here `2`" in words
    assert "renders-differently" in words
    changed = {(row["namespace"], row["workload"]) for row in told["changes"]}
    assert ("prod", "web-prod") not in changed
    assert changed == {("plain", "plain"), ("alone", "alone"), ("dev", "web-dev")}
    assert {row["path"] for row in told["changes"] if row["workload"] == "web-dev"} == {"charts/web/dev.yaml"}
    why = {
        row["detail"] for row in told["kept"] if row["workload"] == "web-dev" and row["reason"] == "unproven"
    }
    assert all(words.startswith("web-prod takes in what would be written, and is kept") for words in why)
    assert why  # they share a file of values, and nobody can prove what becomes of web-prod


def test_a_folder_of_manifests_is_compared_too(
    world: World, argo: ArgoServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """A plugin, or another path than is read here: then a file is not what is deployed."""
    spoil(argo, "plain")
    report = world.run(write=False)
    assert reasons(report, "plain/Deployment/plain") == {"renders-differently"}
    assert "alone/Deployment/alone/app" in proposed(report)
    words = " ".join(note.detail for note in report.notes)
    assert "Argo CD renders the Application plain differently" in words


def test_a_folder_of_two_applications_is_kept_where_one_is(
    tmp_path: Path, argo: ArgoServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the other needs can't be known, so it can't be lowered for both."""
    second = FOLDER_APPLICATION.replace("name: plain,", "name: twin,").replace(
        "namespace: plain}", "namespace: twin}"
    )
    files = {**ALL, "apps/twin.yaml": second}
    serve(argo, tmp_path / "there", files)
    seen = (*USED, used("twin", "plain"))
    world = world_with(tmp_path / "world", seen, files, argo.url)
    assert "twin/Deployment/plain/app" in proposed(world.run(write=False))
    spoil(argo, "twin")
    report = world.run(write=False)
    assert not {"twin/Deployment/plain/app", "plain/Deployment/plain/app"} & proposed(report)
    assert reasons(report, "twin/") == {"renders-differently"}


# -- the list --------------------------------------------------------------------------------------


def test_its_list_is_what_there_is(world: World, argo: ArgoServer) -> None:
    """One that is in a file and not in the list is not deployed; one only in the list is."""
    argo.applications = [each for each in argo.applications if each["metadata"]["name"] != "web-dev"]
    new = json.loads(json.dumps(listed(FILES)[1]).replace("web-prod", "web-new").replace('"prod"', '"new"'))
    argo.applications.append(new)
    argo.rendered["web-new"] = json.loads(
        json.dumps(argo.rendered["web-prod"]).replace("web-prod", "web-new").replace('"prod"', '"new"')
    )
    report = world.run(write=False)
    assert not report.failed
    seen = {(str(one.ref.namespace), one.ref.workload) for one in report.kept}
    seen |= {tuple(name.split("/")[i] for i in (0, 2)) for name in proposed(report)}  # type: ignore[misc]
    assert ("dev", "web-dev") not in seen
    assert ("new", "web-new") in seen


def test_one_that_is_only_listed_and_can_not_be_read_is_told(world: World, argo: ArgoServer) -> None:
    """It lies in no file, so it belongs to no repository; silence would be worse than any place."""
    gone = json.loads(json.dumps(listed(FILES)[0]).replace("web-dev", "gone"))
    gone["spec"]["source"]["repoURL"] = "https://elsewhere.example.com/x.git"
    argo.applications.append(gone)
    report = world.run(write=False)
    assert any("the unit gone is kept as it is" in note.detail for note in report.notes)


def test_an_export_instead_of_a_server(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = lay_out(tmp_path / "deploy", ALL)
    (tmp_path / "apps.json").write_text(json.dumps(listed(ALL)[1:]), encoding="utf-8")
    settings = {
        "apiVersion": "reconciler/v1",
        "repositories": [{"url": "https://git.example.com/platform/deploy.git"}],
        "applications": "apps.json",
    }
    (tmp_path / "reconcile.yaml").write_text(json.dumps(settings), encoding="utf-8")
    words = ["scan", str(folder), "-o", "json", "--config", str(tmp_path / "reconcile.yaml")]
    assert ended(words) == 0
    told = json.loads(capsys.readouterr().out)
    names = {unit["unit"] for unit in told["units"]}
    assert "web-prod" in names
    assert "web-dev" not in names
    (tmp_path / "apps.json").write_text("[{", encoding="utf-8")
    assert ended(words) == 1
    (failed,) = json.loads(capsys.readouterr().out)["failed"]
    assert "JSON" in failed["error"]
    (tmp_path / "apps.json").unlink()
    assert ended(words) == 1
    (failed,) = json.loads(capsys.readouterr().out)["failed"]
    assert "argocd app list -o json" in failed["error"]


# -- servers that don't answer ---------------------------------------------------------------------


def test_a_server_that_is_down_is_one_failure(
    tmp_path: Path, argo: ArgoServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """The rest goes on: what no Application deploys is decided as ever."""
    argo.instead = lambda handler: handler.connection.close()
    world = world_with(tmp_path / "world", USED, ALL, argo.url)
    code, told, _ = run(world, capsys)
    assert code == 1
    (failed,) = told["failed"]
    assert failed["whose"] == "theirs"
    assert argo.url in failed["what"]
    assert {row["workload"] for row in told["changes"]} == {"alone"}
    by_workload: dict[str, set[str]] = {}
    for row in told["kept"]:
        by_workload.setdefault(row["workload"], set()).add(row["reason"])
    assert by_workload["plain"] == {"not-compared"}
    units = [note["detail"] for note in told["notes"] if note["what"] == "unit"]
    assert len([words for words in units if "not-compared" in words]) == 3


def test_a_wrong_token_is_told_and_not_shown(
    tmp_path: Path, argo: ArgoServer, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = "wr0ng-t0ken-of-argo"
    world = world_with(tmp_path / "world", USED, ALL, argo.url, wrong)
    code, told, printed = run(world, capsys)
    assert code == 1
    (failed,) = told["failed"]
    assert failed["whose"] == "yours"
    assert "does not take the token" in failed["error"]
    assert "argocd account generate-token" in failed["error"]
    assert wrong not in printed
    for output in ("text", "markdown"):
        assert ended(["run", "-n", "--remote", "--config", str(world.settings), "-v", "-o", output]) == 1
        told_ = capsys.readouterr()
        assert "does not take the token" in " ".join(told_.out.split())
        assert wrong not in told_.out + told_.err


def test_a_file_of_a_token_that_is_not_there(
    tmp_path: Path, argo: ArgoServer, capsys: pytest.CaptureFixture[str]
) -> None:
    world = world_with(tmp_path / "world", USED, ALL, argo.url)
    (world.folder / "token").unlink()
    assert ended(["run", "-n", "--remote", "--config", str(world.settings)]) == 2
    told = capsys.readouterr().err
    assert "token" in told
    assert "Traceback" not in told


# -- edits that would be void ----------------------------------------------------------------------


def rows(folder: Path, capsys: pytest.CaptureFixture[str]) -> dict[tuple[str, str], str | None]:
    assert ended(["scan", str(folder), "-o", "json"]) == 0
    found = json.loads(capsys.readouterr().out)["rows"]
    return {(f"{one['workload']}/{one['container']}", one["field"]): one["reason"] for one in found}


def with_application(name: str, path: str, more: str = "", annotations: str = "") -> Mapping[str, str]:
    text = FOLDER_APPLICATION if name == "plain" else application(name, "prod", "all.yaml, prod.yaml")
    head = f"metadata: {{name: {name}, namespace: argocd}}"
    text = text.replace(head, f"{head[:-1]}, annotations: {{{annotations}}}}}") if annotations else text
    return {**ALL, path: text + more}


IGNORES = """\
  ignoreDifferences:
  - group: apps
    kind: Deployment
    jqPathExpressions: ['.spec.template.spec.containers[] | select(.name == "app").resources']
"""


@pytest.mark.parametrize(
    ("name", "path", "who"),
    [("web-prod", "apps/prod.yaml", "web-prod"), ("plain", "apps/plain.yaml", "plain")],
)
def test_ignored_differences_are_marked(
    tmp_path: Path, name: str, path: str, who: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = lay_out(tmp_path / "deploy", with_application(name, path, IGNORES))
    found = rows(folder, capsys)
    assert found[f"{who}/app", "requests.cpu"] == "ignored-difference"
    assert found[f"{who}/app", "limits.memory"] == "ignored-difference"
    assert found[f"{who}/app", "image"] is None
    assert found["alone/app", "requests.cpu"] is None
    before = (folder / "charts/web/prod.yaml").read_bytes()
    assert ended(["set", str(folder), f"deploy/{who}/app", "cpu=750m"]) == 1
    assert "ignored-difference" in " ".join(capsys.readouterr().out.split())
    assert (folder / "charts/web/prod.yaml").read_bytes() == before


def test_what_argo_cd_does_not_watch_is_marked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    annotations = "argocd.argoproj.io/manifest-generate-paths: templates;prod.yaml"
    files = with_application("web-prod", "apps/prod.yaml", annotations=annotations)
    found = rows(lay_out(tmp_path / "deploy", files), capsys)
    assert found["web-prod/app", "requests.cpu"] is None  # prod.yaml
    assert found["web-prod/app", "requests.memory"] == "not-watched"  # all.yaml
    assert found["web-dev/app", "requests.memory"] == "not-watched"  # which it would not reach either


def test_a_vpa_that_a_chart_renders_owns_the_value(tmp_path: Path) -> None:
    scaler = """\
apiVersion: autoscaling.k8s.io/v1
kind: VerticalPodAutoscaler
metadata: {name: "{{ .Release.Name }}"}
spec:
  targetRef: {apiVersion: apps/v1, kind: Deployment, name: "{{ .Release.Name }}"}
"""
    files = {**ALL, "charts/web/templates/vpa.yaml": scaler}
    (tmp_path / "w").mkdir()
    bare = {"url": str(tmp_path / "w/deploy.git"), "branch": "main"}
    bare["aliases"] = ["https://git.example.com/platform/deploy"]  # type: ignore[assignment]
    report = World(tmp_path / "w", files, USED, repositories=[bare]).run(write=False)
    assert not report.failed
    assert "scaled-by-vpa" in reasons(report, "prod/Deployment/web-prod/app")
    assert "prod/Deployment/web-prod/app" not in proposed(report)
    assert "plain/Deployment/plain/app" in proposed(report)

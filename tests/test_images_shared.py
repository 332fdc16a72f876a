"""Images that share a line or a set, also with those that a run wasn't asked about, or that lie elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from rendered_world import put_tools_on_path
from servers.registries import single
from servers.small_registry import SmallRegistry
from world import HUMAN, NOW, World

from reconciler.commands.common import Bars, only_filter
from reconciler.git.create import create_bare
from reconciler.model import Do, Keep, Reason, Report
from reconciler.run import reconcile
from reconciler.usage.days import DAY
from reconciler.wiring import Asked, job

_POLICY = "apiVersion: reconciler/v1\nkind: Policy\nmetadata: {name: %s}\n"
_IMAGES = "mode: {images: propose}"


def _policies(*said: str) -> str:
    return "---\n".join(f"{_POLICY % f'p{at}'}{one}\n" for at, one in enumerate(said))


def _world(folder: Path, registry: SmallRegistry, files: Mapping[str, str], *said: str) -> World:
    (folder / "policies").mkdir(parents=True)
    (folder / "policies" / "ours.yaml").write_text(_policies(*said))
    registries = [{"prefix": registry.host, "plainHttp": True}]
    return World(folder, files, (), policies="policies", registries=registries)


def _web(image: str, name: str = "web", space: str = "namespace: shop") -> str:
    return (
        f"apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}, {space}}}\n"
        f"spec: {{template: {{spec: {{containers: [{{name: app, image: {image!r}}}]}}}}}}\n"
    )


def _kept(report: Report) -> list[Keep]:
    return [keep for keep in report.kept if keep.slot.field.value == "image"]


def _pushed(registry: SmallRegistry, *names: str) -> None:
    for name in names:
        registry.push(name, single(words=f"{name} old"), "1.0.0")
        registry.push(name, single(words=f"{name} new"), "1.1.0")


# ---------------------------------------------------------------------------------------------
# Sets, and runs of a part
# ---------------------------------------------------------------------------------------------


def _release(folder: Path, registry: SmallRegistry) -> World:
    _pushed(registry, "server", "worker")
    files = {f"{name}/app.yaml": _web(f"{registry.host}/{name}:1.0.0", name) for name in ("server", "worker")}
    policy = f"{_IMAGES}\nimages: {{together: release}}\nproposals: {{group: all}}"
    return _world(folder, registry, files, policy)


def test_a_run_of_one_of_a_set_moves_none(tmp_path: Path, registry: SmallRegistry) -> None:
    world = _release(tmp_path, registry)
    report = world.run(only=("server",))
    (kept,) = _kept(report)
    assert (str(kept.ref), kept.reason) == ("shop/Deployment/server/app", Reason.MOVES_TOGETHER)
    assert "this run leaves out shop/Deployment/worker/app" in kept.detail
    assert (report.changes, world.requests()) == ((), [])
    (change,) = world.run(only=("server", "worker")).changes
    assert len(change.values) == 2


def test_a_run_of_one_of_a_set_leaves_the_request_of_all_alone(
    tmp_path: Path, registry: SmallRegistry
) -> None:
    world = _release(tmp_path, registry)
    world.run()
    before = world.state()
    report = world.run(NOW + DAY, only=("worker",))
    assert {action.do for action in report.actions} <= {Do.LEAVE}
    assert world.state() == before


def test_one_that_is_there_already_holds_nobody_back(tmp_path: Path, registry: SmallRegistry) -> None:
    world = _release(tmp_path, registry)
    newer = _web(f"{registry.host}/worker:1.1.0", "worker").encode()
    world.push("main", {"worker/app.yaml": newer})
    (change,) = world.run(only=("server",)).changes
    assert [value.new.rpartition("/")[2] for value in change.values] == ["server:1.1.0"]


# ---------------------------------------------------------------------------------------------
# Lines
# ---------------------------------------------------------------------------------------------

_OVERLAYS = {
    f"overlays/{name}/kustomization.yaml": f"resources: [../../base]\nnamespace: {name}\n"
    for name in ("dev", "prod")
}


def _overlays(registry: SmallRegistry) -> dict[str, str]:
    _pushed(registry, "app")
    base = _web(f"{registry.host}/app:1.0.0", space="labels: {a: b}")
    return {"base/web.yaml": base, "base/kustomization.yaml": "resources: [web.yaml]\n", **_OVERLAYS}


@pytest.mark.parametrize("everywhere", [True, False])
def test_who_is_only_observed_keeps_the_line_that_it_shares(
    tmp_path: Path, registry: SmallRegistry, monkeypatch: pytest.MonkeyPatch, everywhere: bool
) -> None:
    """A policy for dev alone says nothing of prod, whose images would change along."""
    put_tools_on_path(monkeypatch)
    said = f"match: {{namespaces: [dev]}}\n{_IMAGES}"
    world = _world(tmp_path, registry, _overlays(registry), said)
    made = job(Asked(world.settings, None, True, NOW, only_filter(()), False, True), Bars(None))
    assert made.images is not None
    report = reconcile(made._replace(images=made.images._replace(everywhere=everywhere)))
    assert report.changes == ()
    assert ("prod" in {kept.ref.namespace for kept in _kept(report) if kept.ref}) is everywhere
    (dev,) = [kept for kept in _kept(report) if kept.ref is not None and kept.ref.namespace == "dev"]
    assert dev.reason is Reason.OBSERVED
    assert "the line also feeds prod/Deployment/web/app, which is kept" in dev.detail


@pytest.mark.parametrize("held", [True, False])
def test_a_run_of_one_heeds_the_others_on_its_line(
    tmp_path: Path, registry: SmallRegistry, monkeypatch: pytest.MonkeyPatch, held: bool
) -> None:
    put_tools_on_path(monkeypatch)
    hold = ["match: {namespaces: [prod]}\nimages: {holdUntil: 2199-01-01}"] if held else []
    world = _world(tmp_path, registry, _overlays(registry), _IMAGES, *hold)
    report = world.run(only=("dev/deploy/web",))
    if held:
        (kept,) = _kept(report)
        assert (kept.reason, "also feeds prod/" in kept.detail) == (Reason.HELD, True)
    assert len(report.changes) == (0 if held else 1)


def test_of_whom_nothing_is_known_keeps_the_line(
    tmp_path: Path, registry: SmallRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What holds for prod, its policies contradict each other about."""
    put_tools_on_path(monkeypatch)
    prod = [f"match: {{namespaces: [prod]}}\nimages: {{level: {level}}}" for level in ("patch", "minor")]
    world = _world(tmp_path, registry, _overlays(registry), _IMAGES, *prod)
    report = world.run()
    assert report.failed
    (kept,) = _kept(report)
    assert (kept.reason, "of which this run could learn nothing" in kept.detail) == (
        Reason.NOT_ANSWERED,
        True,
    )
    assert report.changes == ()


CHART = {
    "charts/web/Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.0.0\n",
    "charts/web/templates/web.yaml": """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  template:
    spec:
      containers:
      - name: app
        image: {{ .Values.image | quote }}
        resources: {{- toYaml .Values.resources | nindent 10 }}
""",
}


def _application(space: str, deploy: Path, mine: Path) -> str:
    return f"""\
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {{name: web-{space}, namespace: argocd}}
spec:
  destination: {{server: https://kubernetes.default.svc, namespace: {space}}}
  sources:
  - repoURL: {deploy.as_uri()}
    path: charts/web
    helm: {{valueFiles: [$common/common.yaml, $mine/{space}.yaml]}}
  - {{repoURL: {deploy.as_uri()}, ref: common}}
  - {{repoURL: {mine.as_uri()}, ref: mine}}
"""


@pytest.mark.parametrize("held", [True, False])
def test_a_line_may_feed_what_another_repository_decides(
    tmp_path: Path, registry: SmallRegistry, monkeypatch: pytest.MonkeyPatch, held: bool
) -> None:
    """The tag of both stands in one repository, the requests of each in its own."""
    put_tools_on_path(monkeypatch)
    _pushed(registry, "app")
    deploy, other = tmp_path / "deploy.git", tmp_path / "other.git"
    requests = "resources: {requests: {cpu: 100m, memory: 64Mi}}\n"
    files = {
        **CHART,
        "common.yaml": f"image: {registry.host}/app:1.0.0\n",
        "dev.yaml": requests,
        "apps/dev.yaml": _application("dev", deploy, deploy),
    }
    hold = ["match: {namespaces: [prod]}\nimages: {holdUntil: 2199-01-01}"] if held else []
    world = _world(tmp_path, registry, files, _IMAGES, *hold)
    theirs = {"prod.yaml": requests, "apps/prod.yaml": _application("prod", deploy, other)}
    data = {path: text.encode() for path, text in theirs.items()}
    create_bare(other, data, branch="main", message="Theirs", author=HUMAN, when=NOW - DAY)
    both = [{"url": path.as_uri(), "branch": "main"} for path in (deploy, other)]
    registries = [{"prefix": registry.host, "plainHttp": True}]
    world.write_settings(repositories=both, policies="policies", registries=registries)
    report = world.run()
    assert not report.failed
    found = [(str(kept.ref), kept.reason) for kept in _kept(report)]
    if held:
        assert report.changes == ()
        assert found == [
            ("dev/Deployment/web/app", Reason.HELD),
            ("prod/Deployment/web/app", Reason.HELD),
        ]
    else:
        (change,) = report.changes
        assert [str(ref) for ref in change.values[0].slot.consumers] == [
            "dev/Deployment/web/app", "prod/Deployment/web/app",
        ]  # fmt: skip
        (action,) = report.actions
        assert (action.do, action.repository) == (Do.OPEN, change.values[0].slot.place.repository)
        (request,) = world.requests()
        world.forge.merge(request.number, request.head)
        world.run(NOW + DAY)
        world.push("main", {"common.yaml": files["common.yaml"].encode()}, "Back to what worked")
        for day in (2, 3):
            report = world.run(NOW + day * DAY)
            assert report.changes == ()
            assert {(kept.reason, "went back to 1.0.0" in kept.detail) for kept in _kept(report)} == {
                (Reason.HELD, True)
            }


def test_going_back_in_one_repository_holds_nothing_in_another(
    tmp_path: Path, registry: SmallRegistry
) -> None:
    """Though both run the same image, and both were asked to move."""
    _pushed(registry, "app")
    names = {"web": tmp_path / "deploy.git", "api": tmp_path / "other.git"}
    texts = {name: _web(f"{registry.host}/app:1.0.0", name) for name in names}
    world = _world(tmp_path, registry, {"apps/web.yaml": texts["web"]}, _IMAGES)
    data = {"apps/api.yaml": texts["api"].encode()}
    create_bare(names["api"], data, branch="main", message="Theirs", author=HUMAN, when=NOW - DAY)
    both = [{"url": str(path), "branch": "main"} for path in names.values()]
    registries = [{"prefix": registry.host, "plainHttp": True}]
    world.write_settings(repositories=both, policies="policies", registries=registries)
    assert len(world.run().changes) == 2
    (request,) = world.requests()
    world.forge.merge(request.number, request.head)
    world.run(NOW + DAY)
    world.push("main", {"apps/web.yaml": texts["web"].encode()}, "Back to what worked")
    report = world.run(NOW + 2 * DAY)
    (kept,) = _kept(report)
    assert (str(kept.ref), kept.reason) == ("shop/Deployment/web/app", Reason.HELD)
    assert [str(change.values[0].slot.consumers[0]) for change in report.changes] == [
        "shop/Deployment/api/app"
    ]
    registry.push("app", single(words="fixed"), "1.1.1")
    assert len(world.run(NOW + 3 * DAY).changes) == 2

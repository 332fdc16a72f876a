"""Images in runs, by how they are written: shared, initial, in JSON, by Kustomize, a digest or no tag."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from rendered_world import put_tools_on_path
from servers.registries import single
from servers.small_registry import SmallRegistry
from world import NOW, World

from reconciler.model import Keep, Reason, Report
from reconciler.usage.days import DAY

_POLICY = "apiVersion: reconciler/v1\nkind: Policy\nmetadata: {name: ours}\nmode: {images: propose}\n"


@pytest.fixture
def digests(registry: SmallRegistry) -> tuple[str, str]:
    old = registry.push("app", single(words="old"), "1.0", "1.19", "latest")
    return old, registry.push("app", single(words="new"), "1.20")


def _world(folder: Path, registry: SmallRegistry, files: dict[str, str], more: str = "") -> World:
    (folder / "policies").mkdir(parents=True)
    (folder / "policies" / "ours.yaml").write_text(_POLICY + more)
    registries = [{"prefix": registry.host, "plainHttp": True}]
    return World(folder, files, (), policies="policies", registries=registries)


def _web(image: str, name: str = "web", kind: str = "containers") -> str:
    other = "" if kind == "containers" else "      containers: [{name: main}]\n"
    return (
        f"apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}, namespace: shop}}\n"
        f"spec:\n  template:\n    spec:\n      {kind}:\n        - {{name: app, image: {image!r}}}\n{other}"
    )


def _kept(report: Report) -> list[Keep]:
    return [keep for keep in report.kept if keep.slot.field.value == "image"]


def _written(world: World, path: str) -> str:
    (request,) = world.requests()
    return world.files(request.branch)[path].decode()


def test_ten_workloads_are_one_question(
    tmp_path: Path, registry: SmallRegistry, digests: tuple[str, str]
) -> None:
    files = {f"apps/w{n}.yaml": _web(f"{registry.host}/app:1.19", f"w{n}") for n in range(10)}
    world = _world(tmp_path, registry, files)
    world.run()
    assert registry.paths().count("/v2/app/tags/list") == 1
    (request,) = world.requests()
    written = world.files(request.branch)
    assert all("app:1.20" in written[path].decode() for path in files)


def test_an_init_container_follows_too(
    tmp_path: Path, registry: SmallRegistry, digests: tuple[str, str]
) -> None:
    text = _web(f"{registry.host}/app:1.19", kind="initContainers")
    world = _world(tmp_path, registry, {"a.yaml": text})
    world.run()
    assert _written(world, "a.yaml") == text.replace("1.19", "1.20")


def test_manifests_in_json(tmp_path: Path, registry: SmallRegistry, digests: tuple[str, str]) -> None:
    pod = {"spec": {"containers": [{"name": "app", "image": f"{registry.host}/app:1.19"}]}}
    document = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop"},
    }
    text = json.dumps({**document, "spec": {"template": pod}}, indent=2) + "\n"
    world = _world(tmp_path, registry, {"a.json": text})
    world.run()
    assert _written(world, "a.json") == text.replace("1.19", "1.20")


def test_tag_and_digest_change_together(
    tmp_path: Path, registry: SmallRegistry, digests: tuple[str, str]
) -> None:
    text = _web(f"{registry.host}/app:1.19@{digests[0]}")
    world = _world(tmp_path, registry, {"a.yaml": text})
    world.run()
    assert _written(world, "a.yaml") == text.replace(f"1.19@{digests[0]}", f"1.20@{digests[1]}")


@pytest.mark.parametrize("strategy", ["auto", "digest", "semver"])
@pytest.mark.parametrize("end", ["", ":latest", "@"])
def test_what_shows_no_version_stays(
    tmp_path: Path, registry: SmallRegistry, digests: tuple[str, str], strategy: str, end: str
) -> None:
    """A digest alone came from a tag that nobody knows: latest isn't it."""
    new = registry.push("app", single(words="newer"), "latest")
    assert new not in digests
    text = _web(f"{registry.host}/app{end.replace('@', f'@{digests[0]}')}")
    world = _world(tmp_path, registry, {"a.yaml": text}, f"images: {{strategy: {strategy}}}\n")
    report = world.run()
    if strategy == "semver" and end != "@":
        return
    assert world.requests() == []
    assert {keep.reason for keep in _kept(report)} <= {Reason.NO_CHOICE, Reason.UP_TO_DATE}
    assert _kept(report)


@pytest.mark.parametrize("tag", ["1.19", "'1.19'", '"1.19"'])
def test_kustomize_keeps_its_tags_text(
    tmp_path: Path,
    registry: SmallRegistry,
    digests: tuple[str, str],
    tag: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    put_tools_on_path(monkeypatch)
    images = f"images:\n  - name: web\n    newName: {registry.host}/app\n    newTag: {tag}\n"
    overlay = f"resources: [web.yaml]\n{images}"
    world = _world(tmp_path, registry, {"app/kustomization.yaml": overlay, "app/web.yaml": _web("web")})
    report = world.run()
    if not world.requests():  # a number where text belongs can't be rendered: kept, never half changed
        assert tag == "1.19"
        assert _kept(report)
        return
    written = _written(world, "app/kustomization.yaml")
    assert written.replace("'", '"') == overlay.replace("'", '"').replace(tag.replace("'", '"'), '"1.20"')


def test_kustomize_with_tag_and_digest_changes_both(
    tmp_path: Path, registry: SmallRegistry, digests: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kustomize writes the digest alone then; a tag beside it that says something else would be a lie."""
    put_tools_on_path(monkeypatch)
    overlay = (
        "resources: [web.yaml]\nimages:\n  - name: web # ours\n"
        f'    newName: {registry.host}/app\n    newTag: "1.19"\n    digest: {digests[0]}\n'
    )
    world = _world(tmp_path, registry, {"app/kustomization.yaml": overlay, "app/web.yaml": _web("web")})
    report = world.run()
    assert _kept(report) == []
    assert _written(world, "app/kustomization.yaml") == overlay.replace("1.19", "1.20").replace(*digests)


def test_kustomize_with_a_new_name_alone(
    tmp_path: Path, registry: SmallRegistry, digests: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name stands in the overlay, the tag in the base: that is what changes."""
    put_tools_on_path(monkeypatch)
    overlay = f"resources: [web.yaml]\nimages:\n  - name: web\n    newName: {registry.host}/app\n"
    files = {"app/kustomization.yaml": overlay, "app/web.yaml": _web("web:1.19")}
    world = _world(tmp_path, registry, files)
    report = world.run()
    assert _kept(report) == []
    assert _written(world, "app/web.yaml") == files["app/web.yaml"].replace("web:1.19", "web:1.20")
    assert _written(world, "app/kustomization.yaml") == overlay


def test_a_dry_run_writes_nothing_and_a_second_run_no_more(
    tmp_path: Path, registry: SmallRegistry, digests: tuple[str, str]
) -> None:
    """Neither a request nor what the ledger remembers of a tag that is too young."""
    files = {"a.yaml": _web(f"{registry.host}/app:1.19")}
    world = _world(tmp_path, registry, files, "images: {minimumAge: 3d}\n")
    before = world.state()
    dry = world.run(write=False)
    assert world.state() == before
    assert [keep.reason for keep in _kept(dry)] == [Reason.TOO_YOUNG]
    world.run()
    remembered = world.state()
    assert remembered != before
    world.run()
    assert world.state() == remembered
    world.run(NOW + 4 * DAY)
    assert "app:1.20" in _written(world, "a.yaml")


def test_a_helm_chart_has_repository_tag_and_digest_apart(
    tmp_path: Path, registry: SmallRegistry, digests: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    put_tools_on_path(monkeypatch)
    name = "{{ .Values.image.repository }}:{{ .Values.image.tag }}@{{ .Values.image.digest }}"
    values = f'image:\n  repository: {registry.host}/app\n  tag: "1.19" # what runs\n  digest: {digests[0]}\n'
    app = """\
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {name: web, namespace: argocd}
spec:
  destination: {namespace: shop, server: https://kubernetes.default.svc}
  source: {repoURL: 'https://git.example.com/deploy', path: c, targetRevision: main}
"""
    chart = "apiVersion: v2\nname: c\nversion: 1.0.0\n"
    template = _web(name).replace(f"'{name}'", f'"{name}"')
    files = {"c/Chart.yaml": chart, "c/values.yaml": values, "c/templates/d.yaml": template}
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "ours.yaml").write_text(_POLICY)
    known = {
        "url": str(tmp_path / "deploy.git"),
        "branch": "main",
        "aliases": ["https://git.example.com/deploy"],
    }
    registries = [{"prefix": registry.host, "plainHttp": True}]
    more = {"policies": "policies", "registries": registries, "repositories": [known]}
    world = World(tmp_path, {**files, "app.yaml": app}, (), **more)
    report = world.run()
    assert _kept(report) == []
    assert _written(world, "c/values.yaml") == values.replace("1.19", "1.20").replace(*digests)

"""Kustomizations: as Applications change them, and those that stand for themselves."""

from __future__ import annotations

import json

import pytest
from trees import deployment
from unit_repositories import application, found, overlay, program_renderer, reason, rendered, unit, units

from reconciler.model import Place
from reconciler.rendering.renderer import ProgramRenderer
from reconciler.source.settings import ChartSetting, Cluster, UnitSettings

BASE = {
    "base/kustomization.yaml": "resources: [web.yaml]\n",
    "base/web.yaml": deployment(),
    "prod/kustomization.yaml": """\
        resources: [../base]
        namePrefix: own-
        images: [{name: nginx, newName: mirror/nginx, newTag: "1.0"}, {name: other, newTag: "2"}]
        replicas: [{name: web, count: 2}]
        commonAnnotations: {mine: "1"}
        patches: [{path: patch.yaml}]
        """,
    "prod/patch.yaml": """\
        apiVersion: apps/v1
        kind: Deployment
        metadata: {name: web, labels: {patched: file}}
        """,
    "extra/kustomization.yaml": """\
        apiVersion: kustomize.config.k8s.io/v1alpha1
        kind: Component
        commonAnnotations: {extra: here}
        """,
}


@pytest.fixture(scope="module")
def renderer() -> ProgramRenderer:
    return program_renderer()


def of(kustomize: str) -> dict[str, str]:
    lines = "".join(f"\n  {line}" for line in kustomize.splitlines())
    return BASE | {"apps/web.yaml": application("web", f"path: prod\nkustomize:{lines}")}


def test_all_that_a_kustomization_leads_to_goes_along() -> None:
    files = BASE | {
        "lib/kustomization.yaml": """\
            resources: [../base, sub, https://git.example.com/x?ref=v1]
            components: [../extra]
            patchesStrategicMerge: [a.yaml, "inline: {\\n}"]
            patchesJson6902: [{path: b.yaml, target: {kind: Deployment, name: web}}]
            configMapGenerator: [{name: c, files: [app.conf, other.conf=d.conf], envs: [e.env]}]
            replacements: [{path: f.yaml}]
            helmCharts: [{name: chart, valuesFile: g.yaml}]
            transformers: [../../outside.yaml]
            """,
        "lib/sub/kustomization.yml": "resources: []\n",
        **{
            f"lib/{name}": ""
            for name in ("a.yaml", "b.yaml", "app.conf", "d.conf", "e.env", "f.yaml", "g.yaml")
        },
        "lib/charts/chart/Chart.yaml": "name: chart\n",
        "lib/unrelated.yaml": "",
        "apps/web.yaml": application("web", "path: lib"),
    }
    request = overlay(unit(found(files), "web"))
    assert sorted(request.files) == sorted(
        ["base/kustomization.yaml", "base/web.yaml", "extra/kustomization.yaml", "lib/kustomization.yaml",
         "lib/sub/kustomization.yml", "lib/charts/chart/Chart.yaml",
         *(f"lib/{name}" for name in ("a.yaml", "b.yaml", "app.conf", "d.conf", "e.env", "f.yaml", "g.yaml"))]
    )  # fmt: skip
    assert request.folder == "lib"


def test_without_options_the_files_are_as_they_are() -> None:
    request = overlay(unit(found(of(" {}")), "web"))
    assert request.files["prod/kustomization.yaml"].startswith(b"resources: [../base]\n")
    assert unit(found(of(" {version: v5.0.0}")), "web").written == ()


def test_an_application_edits_the_kustomization_as_argo_cd_does(renderer: ProgramRenderer) -> None:
    kustomize = """
namePrefix: app-
nameSuffix: -x
namespace: shop-2
images: ["nginx=registry.example.com:5000/nginx:1.25@sha256:%s", "new:3"]
replicas: [{name: web, count: 5}]
commonLabels: {team: $ARGOCD_APP_NAME}
commonAnnotations: {app: $ARGOCD_APP_NAME}
components: [../extra]
patches:
- patch: |-
    - {op: add, path: /metadata/labels/inline, value: "1"}
  target: {kind: Deployment}
""" % ("a" * 64)
    one = unit(found(of(kustomize)), "web")
    text = rendered(renderer, one.request)
    for line in (
        "name: app-web-x",  # replaces the prefix of the kustomization, and doesn't add to it
        "namespace: shop-2",
        f"image: registry.example.com:5000/nginx:1.25@sha256:{'a' * 64}",
        "replicas: 5",
        "team: web",
        "app: $ARGOCD_APP_NAME",  # filled in only when asked for
        "extra: here",
        'inline: "1"',
        "patched: file",
        'mine: "1"',
    ):
        assert line in text, (line, text)


def test_what_an_application_writes_is_known_by_place() -> None:
    kustomize = """
namespace: shop-2
images: ["other:3", "new:3"]
replicas: [{name: web, count: 5}, {name: api, count: 1}]
patches: [{patch: "a: 1", target: {kind: Deployment}}]
"""
    written = {each.keys: each for each in unit(found(of(kustomize)), "web").written}
    at = ("spec", "source", "kustomize")
    assert {keys: each.place.keys for keys, each in written.items()} == {
        ("namespace",): (*at, "namespace"),
        ("images", 1): (*at, "images", 0),
        ("images", 2): (*at, "images", 1),
        ("replicas", 0): (*at, "replicas", 0),
        ("replicas", 1): (*at, "replicas", 1),
        ("patches", 1): (*at, "patches", 0),
    }
    assert {each.path for each in written.values()} == {"prod/kustomization.yaml"}
    assert [keys for keys, each in written.items() if each.composite] == [("images", 1), ("images", 2)]
    assert written[("namespace",)].place == Place("deploy", "apps/web.yaml", 0, (*at, "namespace"))


@pytest.mark.parametrize(
    ("image", "entry"),
    [
        ("nginx:1.25", {"name": "nginx", "newTag": "1.25"}),
        ("nginx=mirror/web:2", {"name": "nginx", "newName": "mirror/web", "newTag": "2"}),
        ("nginx=mirror/web", {"name": "nginx", "newName": "mirror/web"}),
        ("nginx=*:7", {"name": "nginx", "newName": "mirror/nginx", "newTag": "7"}),
        ("nginx@sha256:abc", {"name": "nginx", "digest": "sha256:abc"}),
    ],
)
def test_an_image_replaces_the_entry_of_its_name(image: str, entry: dict[str, str]) -> None:
    request = overlay(unit(found(of(f"\nimages: ['{image}']")), "web"))
    images = json.loads(request.files["prod/kustomization.yaml"])["images"]
    assert images == [entry, {"name": "other", "newTag": "2"}]


def test_labels_and_annotations_that_are_there_need_force() -> None:
    assert reason(unit(found(of("\ncommonAnnotations: {mine: '2'}")), "web")) == "not-deployable"
    forced = overlay(unit(found(of("\ncommonAnnotations: {mine: '2'}\nforceCommonAnnotations: true")), "web"))
    assert json.loads(forced.files["prod/kustomization.yaml"])["commonAnnotations"] == {"mine": "2"}
    loose = overlay(unit(found(of("\ncommonLabels: {a: b}\nlabelWithoutSelector: true")), "web"))
    assert json.loads(loose.files["prod/kustomization.yaml"])["labels"] == [{"pairs": {"a": "b"}}]


def test_missing_components() -> None:
    assert reason(unit(found(of("\ncomponents: [../gone]")), "web")) == "not-deployable"
    kept = overlay(unit(found(of("\ncomponents: [../gone, ../extra]\nignoreMissingComponents: true")), "web"))
    assert json.loads(kept.files["prod/kustomization.yaml"])["components"] == ["../extra"]


def test_a_broken_kustomization_is_one_line_in_the_report() -> None:
    result = found(BASE | {"broken/kustomization.yaml": "resources: [\n"})
    assert [(each.what, each.path) for each in result.failures] == [
        ("kustomization", "broken/kustomization.yaml")
    ]


# -- what stands for itself -----------------------------------------------------------------------


def test_only_the_outermost_kustomization_is_a_unit() -> None:
    result = units(
        found(
            BASE
            | {
                "plain/a.yaml": deployment("a"),
                "plain/b/c.yaml": deployment("c"),
                "top.yaml": deployment("t"),
            }
        )
    )
    assert sorted(result) == [".", "plain", "plain/b", "prod"]
    assert overlay(result["prod"]).files.keys() == {
        "prod/kustomization.yaml", "prod/patch.yaml", "base/kustomization.yaml", "base/web.yaml",
    }  # fmt: skip
    assert (result["."].manifests, result["plain"].manifests) == (("top.yaml",), ("plain/a.yaml",))


def test_the_settings_say_where_a_folder_is_applied() -> None:
    charts = (
        ChartSetting("", "plain", namespace="shop", cluster="eu"),
        ChartSetting("deploy", "prod", cluster="us"),
    )
    files = BASE | {"plain/b/a.yaml": deployment("a"), "else/a.yaml": deployment("e")}
    clusters = (Cluster("eu"), Cluster("us", kube_version="1.30"))
    result = units(found(files, settings=UnitSettings(clusters, charts)))
    places = {name: (one.cluster, one.namespace) for name, one in result.items()}
    assert places == {"plain/b": ("eu", "shop"), "prod": ("us", ""), "else": ("", "")}
    assert overlay(result["prod"]).kube_version == "1.30"


def test_what_another_unit_renders_is_no_unit() -> None:
    files = BASE | {
        "apps/web.yaml": application("web", "path: prod"),
        "apps/d.yaml": application("d", "path: plain"),
        "plain/a.yaml": deployment("a"),
        "charts/c/Chart.yaml": "name: c\n",
        "charts/c/values.yaml": "kind: not a manifest\n",
        "values/prod.yaml": "size: 1\n",
    }
    assert sorted(units(found(files))) == ["d", "web"]

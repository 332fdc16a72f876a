"""Flux, the App Platform, charts named in the settings, and an export of Argo CD."""

from __future__ import annotations

import json

import pytest
from trees import deployment
from unit_repositories import (
    CHART,
    SHOW,
    URL,
    application,
    found,
    helm,
    known,
    overlay,
    places,
    program_renderer,
    reason,
    rendered,
    shown,
    unit,
    units,
)

from reconciler.model import Field, NewValue
from reconciler.rendering.renderer import ProgramRenderer
from reconciler.source import kustomizing
from reconciler.source.settings import ChartSetting, Cluster, UnitSettings

WEB = {
    "charts/web/Chart.yaml": CHART,
    "charts/web/values.yaml": "size: chart\n",
    "charts/web/templates/all.yaml": SHOW,
    "charts/web/prod.yaml": "size: prod\n",
}
GIT = """\
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {name: deploy, namespace: flux-system}
spec: {url: "ssh://git@git.example.com/platform/deploy", ref: {branch: main}}
"""
NAMED = "{name: web, namespace: shop}"
HEAD = "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\n"
RELEASE = """\
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: web, namespace: shop}
spec:
  chart:
    spec:
      chart: ./charts/web
      valuesFiles: [charts/web/prod.yaml]
      sourceRef: {kind: GitRepository, name: deploy, namespace: flux-system}
  values: {size: inline}
"""
KUSTOMIZATION = """\
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: apps, namespace: flux-system}
spec:
  path: ./apps
  sourceRef: {kind: GitRepository, name: deploy}
"""


@pytest.fixture(scope="module")
def renderer() -> ProgramRenderer:
    return program_renderer()


# -- Flux: HelmRelease ------------------------------------------------------------------------------


def test_a_release_with_files_and_values() -> None:
    one = unit(found(WEB | {"git.yaml": GIT, "web.yaml": RELEASE}), "web")
    assert places(one) == [
        "deploy:charts/web/values.yaml",
        "deploy:charts/web/prod.yaml",
        "deploy:web.yaml.spec.values",
    ]
    assert (helm(one).release, helm(one).namespace, one.namespace) == ("web", "shop", "shop")
    assert reason(one) == ""


@pytest.mark.parametrize(
    ("more", "release", "namespace"),
    [
        ("  targetNamespace: prod\n", "prod-web", "prod"),
        ("  targetNamespace: prod\n  releaseName: own\n", "own", "prod"),
        ("  releaseName: own\n", "own", "shop"),
    ],
)
def test_names_of_a_release(more: str, release: str, namespace: str) -> None:
    request = helm(unit(found(WEB | {"git.yaml": GIT, "web.yaml": RELEASE + more}), "web"))
    assert (request.release, request.namespace) == (release, namespace)


def test_values_from_a_config_map_are_a_layer() -> None:
    more = """\
  valuesFrom:
  - {kind: ConfigMap, name: web-values, valuesKey: v.yaml}
  - {kind: ConfigMap, name: gone, optional: true}
"""
    config_map = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: web-values, namespace: shop}
data:
  v.yaml: |
    size: map
"""
    one = unit(found(WEB | {"git.yaml": GIT, "web.yaml": RELEASE + more, "cm.yaml": config_map}), "web")
    assert places(one)[2:] == ["deploy:cm.yaml.data.v.yaml |", "deploy:web.yaml.spec.values"]
    assert helm(one).values[1] == b"size: map\n"


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        ("  values:", "  valuesFrom: [{kind: Secret, name: s}]\n  values:", "encrypted"),
        ("  values:", "  valuesFrom: [{kind: ConfigMap, name: gone}]\n  values:", "unknown-source"),
        ("  values:", "  kubeConfig: {secretRef: {name: other}}\n  values:", "ambiguous-cluster"),
        ("  values:", "  postRenderers: [{kustomize: {}}]\n  values:", "unsupported"),
        ("kind: GitRepository, name: deploy", "kind: GitRepository, name: gone", "unknown-source"),
        ("kind: GitRepository, name: deploy", "kind: Bucket, name: deploy", "unknown-source"),
        ("./charts/web", "./charts/gone", "not-deployable"),
        ("charts/web/prod.yaml", "charts/web/gone.yaml", "not-deployable"),
        ("./charts/web", "../../etc", "not-deployable"),
    ],
)
def test_releases_that_are_left_alone(old: str, new: str, wanted: str) -> None:
    assert (
        reason(unit(found(WEB | {"git.yaml": GIT, "web.yaml": RELEASE.replace(old, new, 1)}), "web"))
        == wanted
    )


def test_a_release_from_another_branch() -> None:
    git = GIT.replace("branch: main", "tag: v1.0.0")
    assert reason(unit(found(WEB | {"git.yaml": git, "web.yaml": RELEASE}), "web")) == "other-revision"


def test_fetched_charts_need_someone_who_fetches() -> None:
    repository = GIT.replace("GitRepository", "HelmRepository").replace("ssh://git@git", "https://charts")
    release = RELEASE.replace("GitRepository", "HelmRepository").replace("./charts/web", "web")
    one = unit(found({"r.yaml": repository, "web.yaml": release}), "web")
    assert reason(one) == "unknown-source"
    oci = GIT.replace("GitRepository", "OCIRepository").replace("ssh://git@git", "oci://ghcr")
    release = "\n".join(
        [
            *RELEASE.splitlines()[:4],
            "  chartRef: {kind: OCIRepository, name: deploy, namespace: flux-system}",
            "",
        ]
    )
    one = unit(found({"r.yaml": oci, "web.yaml": release}), "web")
    assert reason(one) == "unknown-source"
    assert one.refused is not None
    assert "oci://ghcr.example.com/platform" in one.refused.detail


def test_releases_that_overlays_patch_stand_in_base_and_patch(renderer: ProgramRenderer) -> None:
    files = WEB | {
        "git.yaml": GIT,
        "base/kustomization.yaml": "resources: [web.yaml]\n",
        "base/web.yaml": RELEASE,
        **{
            f"{env}/kustomization.yaml": "resources: [../base]\npatches: [{path: patch.yaml}]\n"
            for env in ("dev", "prod")
        },
        **{
            f"{env}/patch.yaml": HEAD + f"metadata: {NAMED}\nspec: {{values: {{size: {env}}}}}\n"
            for env in ("dev", "prod")
        },
        **{
            f"clusters/{env}/apps.yaml": KUSTOMIZATION.replace("./apps", f"./{env}")
            for env in ("dev", "prod")
        },
    }
    settings = UnitSettings((Cluster("dev"), Cluster("prod", kube_version="1.30")))
    result = found(files, settings=settings, renderer=renderer)
    releases = {one.cluster: one for one in result.units if one.name == "web"}
    assert sorted(releases) == ["dev", "prod"]
    assert places(releases["prod"])[2:] == [
        "deploy:base/web.yaml.spec.values",
        "deploy:prod/patch.yaml.spec.values",
    ]
    assert helm(releases["prod"]).values[-2:] == (b'{"size": "inline"}', b'{"size": "prod"}')
    assert helm(releases["prod"]).kube_version == "1.30"
    assert '\\"size\\":\\"dev\\"' in rendered(renderer, releases["dev"].request)


# -- Flux: Kustomization ----------------------------------------------------------------------------


def test_a_flux_kustomization_of_a_kustomization() -> None:
    more = "  targetNamespace: shop\n  images: [{name: nginx, newTag: '2'}]\n  patches: [{patch: 'a: 1'}]\n"
    files = {
        "git.yaml": GIT,
        "flux.yaml": KUSTOMIZATION + more,
        "apps/kustomization.yaml": "resources: [web.yaml]\n",
        "apps/web.yaml": deployment(),
    }
    one = unit(found(files), "apps")
    body = json.loads(overlay(one).files["apps/kustomization.yaml"])
    assert body["namespace"] == "shop"
    assert body["images"] == [{"name": "nginx", "newTag": "2"}]
    assert {each.keys: each.place.keys for each in one.written} == {
        ("namespace",): ("spec", "targetNamespace"),
        ("images", 0): ("spec", "images", 0),
        ("patches", 0): ("spec", "patches", 0),
    }


def test_an_image_of_a_flux_kustomization_is_edited_there(renderer: ProgramRenderer) -> None:
    digest = "sha256:" + "a" * 64
    files = {
        "git.yaml": GIT,
        "flux.yaml": KUSTOMIZATION + "  images:\n  - name: nginx\n    newTag: '2'\n",
        "apps/kustomization.yaml": "resources: [web.yaml]\n",
        "apps/web.yaml": deployment(),
    }
    one = unit(found(files), "apps")

    def read(repository: str, path: str) -> bytes | None:
        return files[path].encode() if repository == "deploy" else None

    traced = kustomizing.trace(one, renderer, read)
    slot = traced.containers[0].slot(Field.IMAGE)
    assert (slot.value, slot.place.path, slot.place.keys[:3]) == (
        "nginx:2",
        "flux.yaml",
        ("spec", "images", 0),
    )
    for new, line in (("nginx:3", "newTag: '3'"), (f"nginx@{digest}", f"digest: {digest}")):
        outcome = kustomizing.edit(one, traced, [NewValue(slot, new)], renderer, read=read)
        assert isinstance(outcome, kustomizing.Edited), outcome
        (changed,) = outcome.files
        assert changed.change.after.decode() == files["flux.yaml"].replace("newTag: '2'", line)


def test_a_flux_kustomization_of_a_plain_folder() -> None:
    files = {
        "git.yaml": GIT,
        "flux.yaml": KUSTOMIZATION,
        "apps/web.yaml": deployment(),
        "apps/a/b.yml": deployment("b"),
    }
    assert unit(found(files), "apps").manifests == ("apps/a/b.yml", "apps/web.yaml")


@pytest.mark.parametrize(("image", "wanted"), [("nginx:${tag}", "unsupported"), ("nginx:1", "")])
def test_substitution_is_refused_only_where_it_is_used(image: str, wanted: str) -> None:
    more = "  postBuild: {substitute: {tag: '1'}}\n"
    web = deployment().replace("nginx:1.25", image)
    plain = {"git.yaml": GIT, "flux.yaml": KUSTOMIZATION + more, "apps/web.yaml": web}
    assert reason(unit(found(plain), "apps")) == wanted
    folder = plain | {"apps/kustomization.yaml": "resources: [web.yaml]\n"}
    assert reason(unit(found(folder), "apps")) == wanted


def test_the_repository_that_flux_was_bootstrapped_from() -> None:
    flux = KUSTOMIZATION.replace("name: deploy", "name: flux-system")
    assert unit(found({"flux.yaml": flux, "apps/web.yaml": deployment()}), "apps").manifests == (
        "apps/web.yaml",
    )
    assert reason(unit(found({"flux.yaml": flux}), "apps")) == "not-deployable"


# -- App Platform -----------------------------------------------------------------------------------


def test_workloads_of_the_app_platform() -> None:
    charts = "https://git.example.com/platform/charts"
    workload = (
        "kind: AplTeamWorkload\nmetadata: {name: web, labels: {apl.io/teamId: shop}}\n"
        f"spec: {{url: {charts}, path: web, revision: HEAD"
    )
    files = {
        "env/teams/shop/workloads/web.yaml": workload + ", imageUpdateStrategy: {type: disabled}}\n",
        "env/teams/shop/workloads/auto.yaml": workload.replace("name: web", "name: auto")
        + ", imageUpdateStrategy: {type: semver}}\n",
        "env/teams/admin/workloads/own.yaml": workload.replace("name: web", "name: own").replace(
            "shop", "admin"
        )
        + ", namespace: kept}\n",
        **{
            f"env/teams/shop/workloadValues/{name}.yaml": "size: team\n"
            for name in ("web", "auto", "auto.managed")
        },
    }
    chart = known({path.removeprefix("charts/"): data for path, data in WEB.items()}, "charts", url=charts)
    result = found(files, chart)
    one = unit(result, "team-shop-web")
    assert places(one) == ["charts:web/values.yaml", "deploy:env/teams/shop/workloadValues/web.yaml"]
    assert (helm(one).release, helm(one).namespace) == ("web", "team-shop")
    assert (
        places(unit(result, "team-shop-auto"))[-1] == "deploy:env/teams/shop/workloadValues/auto.managed.yaml"
    )
    own = unit(result, "team-admin-own")
    assert (reason(own), own.namespace) == ("not-deployable", "kept")


# -- settings ---------------------------------------------------------------------------------------


def test_charts_that_the_settings_name() -> None:
    charts = (
        ChartSetting("", "charts/web", ("prod.yaml", "../../top.yaml"), "shop", "prod", "eu"),
        ChartSetting("deploy", "./charts/web"),
        ChartSetting("", "charts/gone", ("prod.yaml",)),
        ChartSetting("", "plain"),
        ChartSetting("", "plain", ("v.yaml",)),
    )
    clusters = (Cluster("eu", "https://eu", "1.30", ("a/v1",)), Cluster("us", "https://us"))
    files = WEB | {"top.yaml": "size: top\n", "plain/a.yaml": deployment()}
    result = found(files, settings=UnitSettings(clusters, charts))
    one = unit(result, "shop")
    assert places(one) == ["deploy:charts/web/values.yaml", "deploy:charts/web/prod.yaml", "deploy:top.yaml"]
    assert (one.cluster, one.namespace, helm(one).release, helm(one).kube_version) == (
        "eu",
        "prod",
        "shop",
        "1.30",
    )
    assert unit(result, "web").layers[0].shared
    assert [each.path for each in result.failures] == ["charts/gone", "plain"]
    assert "plain" in units(result)


# -- an export --------------------------------------------------------------------------------------


def test_an_export_says_what_there_is() -> None:
    spec = {
        "destination": {"server": "https://kubernetes.default.svc", "namespace": "shop"},
        "source": {"repoURL": URL, "path": "charts/web", "helm": {"valuesObject": {"size": "live"}}},
    }
    written = {"project": "default", **spec}
    live = [
        {"metadata": {"name": "web", "namespace": "argocd"}, "spec": written},
        {"metadata": {"name": "made", "namespace": "argocd"}, "spec": spec},
    ]
    files = WEB | {
        "apps/web.yaml": application("web", "path: charts/web\nhelm: {valuesObject: {size: live}}"),
        "apps/gone.yaml": application("gone", "path: charts/web"),
    }
    result = found(files, settings=UnitSettings(exported=json.dumps(live).encode()))
    assert {"web", "made"} <= units(result).keys()
    assert "gone" not in units(result)
    at_home, elsewhere = unit(result, "web").layers[-1], unit(result, "made").layers[-1]
    assert (shown(at_home), at_home.refused) == ("deploy:apps/web.yaml.spec.source.helm.valuesObject", None)
    assert elsewhere.refused is not None
    drifted = files | {
        "apps/web.yaml": application("web", "path: charts/web\nhelm: {valuesObject: {size: new}}")
    }
    result = found(drifted, settings=UnitSettings(exported=json.dumps({"items": live}).encode()))
    assert helm(unit(result, "web")).values == (b'{"size": "live"}',)
    assert unit(result, "web").layers[-1].refused is not None


@pytest.mark.parametrize("data", [b"not json", b'"text"', b"[1]", b'{"kind": "x"}', b"[" * 100_000])
def test_an_export_that_is_none(data: bytes) -> None:
    (failure,) = found(WEB, settings=UnitSettings(exported=data)).failures
    assert failure.what == "applications"

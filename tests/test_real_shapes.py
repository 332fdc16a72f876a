"""Shapes of public deployment repositories that went wrong once: each small, each from the command line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from rendered_world import BASE, DEPLOYMENT, VALUES, application, lay_out, put_tools_on_path

from reconciler.cli import ended

CHART = {
    "charts/web/Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.0.0\n",
    "charts/web/values.yaml": VALUES,
    "charts/web/templates/deployment.yaml": DEPLOYMENT,
}


@pytest.fixture(autouse=True)
def _tools(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    put_tools_on_path(monkeypatch)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def scanned(folder: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    capsys.readouterr()
    assert ended(["scan", str(folder), "-o", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert isinstance(found, dict)
    return found


def printed(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str]:
    capsys.readouterr()
    code = ended(list(args))
    return code, capsys.readouterr().out


# -- Flux as most home clusters and `flux bootstrap` lay it out -------------------------------


def flux(name: str, path: str, more: str = "") -> str:
    return f"""\
---
# a comment, so that no line is the first
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {{name: {name}, namespace: flux-system}}
spec:
  interval: 1h
  path: {path}
  sourceRef: {{kind: GitRepository, name: flux-system}}
{more}"""


RELEASE = """\
---
# a comment
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata:
  name: web
spec:
  interval: 1h
  chart:
    spec:
      chart: ./charts/web
      sourceRef: {kind: GitRepository, name: flux-system, namespace: flux-system}
  values:
    resources:
      requests:
        cpu: 200m
        memory: 300Mi
"""
SOURCE = """\
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {name: flux-system, namespace: flux-system}
spec: {url: https://git.example.com/platform/deploy.git, ref: {branch: main}}
"""
DEFAULTS = """\
  patches:
  - patch: |
      apiVersion: kustomize.toolkit.fluxcd.io/v1
      kind: Kustomization
      metadata: {name: _}
      spec: {prune: true}
    target: {group: kustomize.toolkit.fluxcd.io, kind: Kustomization}
"""
HOME: Mapping[str, str] = CHART | {
    "cluster/source.yaml": SOURCE,
    "cluster/ks.yaml": flux("cluster", "./cluster"),
    "cluster/apps.yaml": flux("cluster-apps", "./apps", DEFAULTS),
    "apps/shop/kustomization.yaml": "namespace: shop\nresources: [web/ks.yaml]\n",
    "apps/shop/web/ks.yaml": flux("web", "./apps/shop/web/app", "  targetNamespace: shop\n"),
    "apps/shop/web/app/kustomization.yaml": "resources: [helmrelease.yaml, claim.yaml]\n",
    "apps/shop/web/app/helmrelease.yaml": RELEASE,
    "apps/shop/web/app/claim.yaml": "kind: PersistentVolumeClaim\napiVersion: v1\nmetadata: {name: web}\n",
}


def test_a_release_below_three_kustomizations_is_one_unit_where_it_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = scanned(lay_out(tmp_path / "home", HOME), capsys)
    where = [(one["unit"], one["path"], one["line"], one["kind"], one["reason"]) for one in found["units"]]
    assert sorted(where) == [
        ("cluster-apps", "cluster/apps.yaml", 3, "kustomize", None),
        ("web", "apps/shop/web/app/helmrelease.yaml", 3, "helm", None),
        ("web", "apps/shop/web/ks.yaml", 3, "kustomize", None),
    ]
    assert found["notes"] == []
    app = {one["field"]: one for one in found["rows"] if one["container"] == "app"}
    assert (app["requests.cpu"]["namespace"], app["requests.cpu"]["path"], app["requests.cpu"]["line"]) == (
        "shop",
        "apps/shop/web/app/helmrelease.yaml",
        16,
    )


def test_the_values_of_a_release_are_edited_though_a_kustomization_renders_it_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = lay_out(tmp_path / "home", HOME)
    code, said = printed(capsys, "set", str(folder), "deploy/web/app", "cpu=250m")
    assert (code, said.count("Proven:")) == (0, 1), said
    release = folder / "apps/shop/web/app/helmrelease.yaml"
    assert release.read_text() == RELEASE.replace("200m", "250m")


def test_a_release_that_another_overlay_takes_is_told_where_it_is_rendered(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = CHART | {
        "source.yaml": SOURCE,
        "base/kustomization.yaml": "resources: [helmrelease.yaml]\n",
        "base/helmrelease.yaml": RELEASE,
        "dev/kustomization.yaml": "# dev\nnamespace: dev\nresources: [../base]\n",
        "prod/kustomization.yaml": "# prod\nnamespace: prod\nresources: [../base]\n",
    }
    folder = lay_out(tmp_path / "home", files)
    found = scanned(folder, capsys)
    assert {(one["path"], one["line"]) for one in found["units"] if one["unit"] == "web"} == {
        ("dev/kustomization.yaml", 1),
        ("prod/kustomization.yaml", 1),
    }
    code, said = printed(capsys, "set", str(folder), "dev/deploy/web/app", "memory=400Mi", "--shared")
    assert (code, said.count("Proven:")) == (0, 2), said


def test_variables_of_flux_keep_a_unit_only_where_pods_may_have_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = dict(HOME)
    files["apps/shop/web/ks.yaml"] += "  postBuild: {substitute: {SIZE: 5Gi}}\n"
    files["apps/shop/web/app/claim.yaml"] += "spec: {resources: {requests: {storage: '${SIZE}'}}}\n"
    files["apps/shop/web/app/kustomization.yaml"] += "configMapGenerator: [{name: a, files: [start.sh]}]\n"
    files["apps/shop/web/app/start.sh"] = 'echo "${HOME}"\n'
    assert scanned(lay_out(tmp_path / "one", files), capsys)["notes"] == []
    spec = "spec: {containers: [{name: a, image: 'a:${SIZE}'}]}\n"
    files["apps/shop/web/app/claim.yaml"] = "kind: Pod\napiVersion: v1\nmetadata: {name: a}\n" + spec
    (note,) = scanned(lay_out(tmp_path / "two", files), capsys)["notes"]
    assert "variables of claim.yaml (unsupported)" in note["detail"]


def test_what_flux_writes_by_itself_is_not_edited(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pod = (
        "kind: Pod\napiVersion: v1\nmetadata: {name: a}\nspec:\n  containers:\n  - name: a\n    image: a:1\n"
    )
    files = {
        "cluster/apps.yaml": flux("apps", "./apps", "  namePrefix: my-\n"),
        "apps/pod.yaml": pod,
        "apps/.hidden/values.yaml": "not: a manifest\n",
    }
    folder = lay_out(tmp_path / "home", files)
    code, said = printed(capsys, "set", str(folder), "pod/my-a", "cpu=5m")
    assert code == 0, said
    assert "cpu: 5m" in (folder / "apps/pod.yaml").read_text()
    code, said = printed(capsys, "set", str(folder), "pod/my-a", "cpu=7m", "--overlay")
    assert (code, "Flux makes this kustomization by itself" in said) == (1, True), said


@pytest.mark.parametrize(
    ("wanted", "written"),
    [
        (":1.26", "1.26"),
        (f":1.26@sha256:{'b' * 64}", f"1.26@sha256:{'b' * 64}"),
        (f":1.26@sha256:{'a' * 64}", f"1.26@sha256:{'a' * 64}"),
        (":1.25", "1.25"),
        (f"@sha256:{'b' * 64}", f"1.25@sha256:{'b' * 64}"),
    ],
)
def test_a_digest_that_stands_in_the_tag_goes_with_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], wanted: str, written: str
) -> None:
    pinned = f"    image:\n      tag: 1.25@sha256:{'a' * 64}  # renovate\n"
    files = HOME | {"apps/shop/web/app/helmrelease.yaml": RELEASE + pinned}
    folder = lay_out(tmp_path / "home", files)
    code, said = printed(capsys, "set", str(folder), "deploy/web/app", f"image={wanted}")
    assert code == 0, said
    text = (folder / "apps/shop/web/app/helmrelease.yaml").read_text()
    assert text == RELEASE + pinned.replace(f"1.25@sha256:{'a' * 64}", written).replace(
        "tag: 1.25  #", 'tag: "1.25"  #'
    ).replace("tag: 1.26  #", 'tag: "1.26"  #')


# -- Applications of Applications -------------------------------------------------------------


def test_inline_values_of_an_application_in_a_kustomization_are_edited(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    inline = "      valuesObject:\n        resources: {requests: {cpu: 200m}}\n"
    root = """\
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {name: root, namespace: argocd}
spec:
  destination: {server: https://kubernetes.default.svc, namespace: argocd}
  source: {repoURL: https://git.example.com/platform/deploy.git, path: apps}
"""
    files = CHART | {
        "root.yaml": root,
        "apps/kustomization.yaml": "resources: [web.yaml]\n",
        "apps/web.yaml": application("web", "shop", "values.yaml", inline),
    }
    folder = lay_out(tmp_path / "apps", files)
    code, said = printed(capsys, "set", str(folder), "shop/deploy/web/app", "cpu=250m")
    assert (code, said.count("Proven:")) == (0, 1), said
    assert "cpu: 250m" in (folder / "apps/web.yaml").read_text()


def test_what_nobody_sets_anywhere_is_shared_with_nobody(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    many = """\
apiVersion: argoproj.io/v1alpha1
kind: ApplicationSet
metadata: {name: web, namespace: argocd}
spec:
  generators:
  - list: {elements: [{env: dev}, {env: prod}]}
  template:
    metadata: {name: 'web-{{env}}'}
    spec:
      destination: {server: https://kubernetes.default.svc, namespace: '{{env}}'}
      source: {repoURL: https://git.example.com/platform/deploy.git, path: charts/web}
"""
    found = scanned(lay_out(tmp_path / "apps", CHART | {"apps.yaml": many}), capsys)
    images = [one for one in found["rows"] if (one["container"], one["field"]) == ("side", "image")]
    assert [(one["reason"], one["shared_with"]) for one in images] == [("not-traced", [])] * 2


def test_the_tree_names_each_unit_and_the_last_line_sums_up_what_is_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = CHART | {
        "a/web.yaml": application("web", "a", "values.yaml"),
        "b/web.yaml": application("web", "b", "values.yaml"),
        "c/web.yaml": application("web", "c", "gone.yaml"),
        **{f"d/{n}.yaml": application(f"gone-{n}", "d", f"gone-{n % 2}.yaml") for n in range(9)},
    }
    folder = lay_out(tmp_path / "apps", files)
    code, said = printed(capsys, "scan", str(folder))
    assert code == 0
    for line in (
        "web  a/web.yaml:1\n",
        "web  b/web.yaml:1\n",
        "web  c/web.yaml:1  not-deployable: the value file gone.yaml is missing",
        "; 10 units kept: 10 not-deployable.\n",
    ):
        assert line in said
    assert "note:" not in said
    told = [one["detail"] for one in scanned(folder, capsys)["notes"]]
    assert [words.partition(": ")[0] for words in told] == [
        "5 units are kept as they are",
        "4 units are kept as they are",
        "the unit web is kept as it is",
    ]
    assert told[0].endswith("gone-0, gone-2, gone-4 and 2 more")


def test_an_application_that_a_kustomization_renames_is_one_and_edited_where_it_stands(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    inline = "      valuesObject:\n        resources: {requests: {cpu: 200m}}\n"
    files = CHART | {
        "apps/base/web.yaml": application("web", "shop", "values.yaml", inline),
        "apps/base/gone.yaml": application("gone", "shop", "values.yaml"),
        "apps/base/kustomization.yaml": "resources: [web.yaml, gone.yaml]\n",
        "apps/eu/kustomization.yaml": """\
resources: [../base]
nameSuffix: -eu
patches:
- patch: |
    apiVersion: argoproj.io/v1alpha1
    kind: Application
    metadata: {name: gone, namespace: argocd}
    $patch: delete
""",
    }
    folder = lay_out(tmp_path / "apps", files)
    found = scanned(folder, capsys)
    assert sorted((one["unit"], one["path"]) for one in found["units"]) == [
        ("apps/eu", "apps/eu/kustomization.yaml"),
        ("web-eu", "apps/base/web.yaml"),
    ]
    assert found["notes"] == []
    code, said = printed(capsys, "set", str(folder), "shop/deploy/web-eu/app", "cpu=250m")
    assert (code, said.count("Proven:")) == (0, 1), said
    assert "cpu: 250m" in (folder / "apps/base/web.yaml").read_text()


def test_each_of_two_units_that_render_the_same_gets_a_patch_of_its_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bare = BASE.partition("        resources:")[0].replace("{name: api}", "{name: api, namespace: shop}")
    files = {"base/kustomization.yaml": "resources: [api.yaml]\n", "base/api.yaml": bare}
    files |= {f"{name}/kustomization.yaml": "resources: [../base]\n" for name in ("eu", "us")}
    folder = lay_out(tmp_path / "two", files)
    code, said = printed(capsys, "set", str(folder), "deploy/api", "cpu=50m", "--unit", "eu")
    assert (code, said.count("Proven: eu")) == (0, 1), said
    assert "cpu: 50m" in (folder / "eu/kustomization.yaml").read_text()
    assert (folder / "us/kustomization.yaml").read_text() == files["us/kustomization.yaml"]


READING = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: {{ .Release.Name }}}
data:
  dev: {{ .Files.Get "envs/dev.yaml" | quote }}
"""
BY_TPL = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: {{ .Release.Name }}}
data:
  text: {{ tpl (.Values.text | default "none") . | quote }}
"""


@pytest.mark.parametrize(
    ("template", "more", "code"),
    [
        ("", "", 0),
        (READING, "", 1),
        (BY_TPL, "", 0),
        (BY_TPL, """      values: 'text: "{{ .Files.Get `envs/dev.yaml` }}"'\n""", 1),
    ],
)
def test_a_value_file_within_the_chart_is_of_others_only_where_their_templates_read_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], template: str, more: str, code: int
) -> None:
    files = CHART | {
        "charts/web/templates/config.yaml": template,
        "charts/web/envs/dev.yaml": "resources: {requests: {cpu: 100m}}\n",
        "charts/web/envs/prod.yaml": "resources: {requests: {cpu: 200m}}\n",
        "apps/dev.yaml": application("dev", "dev", "envs/dev.yaml"),
        "apps/prod.yaml": application("prod", "prod", "envs/prod.yaml", more),
    }
    folder = lay_out(tmp_path / "apps", files)
    ended_with, said = printed(capsys, "set", str(folder), "dev/deploy/dev/app", "cpu=150m")
    assert (ended_with, said.count("Proven:")) == (code, 1 - code), said
    assert ("side-effect" in said) == bool(code)


# -- What can't be rendered, and how that is told ---------------------------------------------


def test_the_name_of_a_missing_file_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = {"web/kustomization.yaml": "resources:\n- a-file-with-quite-a-long-name.yaml\n"}
    (note,) = scanned(lay_out(tmp_path / "one", files), capsys)["notes"]
    assert "'a-file-with-quite-a-long-name.yaml'" in note["detail"]
    assert "***" not in note["detail"]

"""Applications: what is rendered, with which values, and where each of them stands."""

from __future__ import annotations

import json

import pytest
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

from reconciler.model import Place
from reconciler.rendering.renderer import ProgramRenderer
from reconciler.source.render import FileParameter, Parameter
from reconciler.source.settings import Cluster, UnitSettings
from reconciler.source.units import Ignored

LOOKED_AT = "argocd.argoproj.io/manifest-generate-paths"
WEB = {
    "charts/web/Chart.yaml": CHART,
    "charts/web/values.yaml": "size: chart\nkept: {a: 1}\n",
    "charts/web/templates/all.yaml": SHOW,
    "charts/web/values-prod.yaml": "size: prod\n",
}


@pytest.fixture(scope="module")
def renderer() -> ProgramRenderer:
    return program_renderer()


def of(source: str, more: str = "", **files: str) -> dict[str, str]:
    return {**WEB, "apps/web.yaml": application("web", source, more=more), **files}


# -- what is left alone -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "wanted", "told"),
    [
        ("path: charts/web\nplugin: {name: cdk}", "plugin", "cdk"),
        ("path: charts/web\nplugin: {}", "plugin", "a plugin"),
        ("path: charts/gone", "not-deployable", "charts/gone"),
        ("path: ../other", "not-deployable", "leads out"),
        ("path: charts/web\ntargetRevision: release-1", "other-revision", "release-1"),
        ("path: charts/web\nhelm: {}\nkustomize: {}", "not-deployable", "several tools: kustomize, helm"),
        ("path: charts/web\nhelm: {valueFiles: [gone.yaml]}", "not-deployable", "gone.yaml"),
        ("path: charts/web\nhelm: {valueFiles: ['*.none']}", "not-deployable", "matches *.none"),
        ("path: charts/web\nhelm: {valueFiles: [../../../../etc/passwd]}", "not-deployable", "leads out"),
        ("path: charts/web\nhelm: {valueFiles: ['https://a.example/v.yaml']}", "unknown-source", "v.yaml"),
        ("path: charts/web\nhelm: {valueFiles: ['secrets://s.yaml']}", "plugin", "helm-secrets"),
        (
            "path: charts/web\nhelm: {valueFiles: ['secrets+age-import:///k?s.yaml']}",
            "plugin",
            "helm-secrets",
        ),
        ("path: charts/web\nhelm: {fileParameters: [{name: a, path: gone}]}", "not-deployable", "gone"),
        ("chart: nginx\ntargetRevision: 1.0.0", "unknown-source", "nginx"),
        ("path: apps\nkustomize: {}", "not-deployable", "no kustomization"),
        ("path: apps\nhelm: {}", "not-deployable", "no Chart.yaml"),
    ],
)
def test_what_cannot_be_rendered_says_why(source: str, wanted: str, told: str) -> None:
    one = unit(found(of(source)), "web")
    assert (reason(one), one.request, one.manifests) == (wanted, None, ())
    assert one.refused is not None
    assert told in one.refused.detail


def test_a_source_in_no_known_repository() -> None:
    files = {"apps/web.yaml": application("web", "path: charts/web").replace(URL, "https://u:pw@b.example/x")}
    one = unit(found(files), "web")
    assert reason(one) == "unknown-source"
    assert one.refused is not None
    assert "pw" not in one.refused.detail


def test_an_application_without_a_source() -> None:
    assert reason(unit(found({"a.yaml": application("web")}), "web")) == "not-deployable"


def test_what_would_keep_an_edit_from_the_cluster_is_told() -> None:
    more = """\
        ignoreDifferences:
        - {group: apps, kind: Deployment, jsonPointers: [/spec/replicas], jqPathExpressions: [.spec.x]}
        """
    text = application("web", "path: charts/web", more=more)
    text = text.replace("  namespace: argocd\n", "  annotations: {" + LOOKED_AT + ": .;/shared}\n")
    one = unit(found({**WEB, "a.yaml": text}), "web")
    assert one.ignored == (Ignored("apps", "Deployment", "", "", ("/spec/replicas",), (".spec.x",), ()),)
    assert one.generate_paths == ".;/shared"
    assert unit(found(of("path: charts/web")), "web").generate_paths is None


def test_other_objects_in_the_file_of_an_application_are_not_lost() -> None:
    both = application("web", "path: charts/web") + "---\napiVersion: apps/v1\nkind: Deployment\n"
    result = units(found(WEB | {"apps/a.yaml": both, "apps/b.yaml": application("two", "path: charts/web")}))
    assert result["apps"].manifests == ("apps/a.yaml",)


# -- helm: layers in order of strength ------------------------------------------------------------


def test_layers_stand_where_their_values_do_the_strongest_last() -> None:
    source = """\
    path: charts/web
    helm:
      valueFiles: [values-prod.yaml, ../../shared/all.yaml, /shared/top.yaml]
      valuesObject: {size: inline}
      values: "size: loses"
    """
    one = unit(found(of(source, **{"shared/all.yaml": "all: 1\n", "shared/top.yaml": "top: 1\n"})), "web")
    assert places(one) == [
        "deploy:charts/web/values.yaml",
        "deploy:charts/web/values-prod.yaml",
        "deploy:shared/all.yaml",
        "deploy:shared/top.yaml",
        "deploy:apps/web.yaml.spec.source.helm.valuesObject",
    ]
    assert helm(one).values == tuple(layer.content for layer in one.layers[1:])
    assert helm(one).values[-1] == b'{"size": "inline"}'
    assert [layer.refused for layer in one.layers] == [None] * 5
    assert (one.source, one.chart, one.path, one.line) == ("deploy", "charts/web", "apps/web.yaml", 1)


def test_values_in_a_block_are_a_layer_inside_the_block() -> None:
    one = unit(found(of("path: charts/web\nhelm:\n  values: |\n    size: block\n")), "web")
    assert places(one)[-1] == "deploy:apps/web.yaml.spec.source.helm.values |"
    assert helm(one).values == (b"size: block\n",)


def test_everything_that_helm_is_told() -> None:
    source = """\
    path: charts/web
    helm:
      releaseName: shop-web
      namespace: rendered-for
      kubeVersion: v1.29.3-eks-a18cd3a
      apiVersions: [monitoring.coreos.com/v1]
      skipCrds: true
      skipTests: true
      skipSchemaValidation: true
      parameters:
      - {name: image.tag, value: "1.0"}
      - {name: image.tag, value: "1.25"}
      - {name: replicas, value: "3", forceString: true}
      - {name: app, value: "$ARGOCD_APP_NAME-${ARGOCD_APP_NAMESPACE}-$$HOME$NOPE"}
      fileParameters:
      - {name: config, path: files/app.conf}
    """
    request = helm(unit(found(of(source, **{"charts/web/files/app.conf": "a,b={c}\n"})), "web"))
    assert (request.release, request.namespace) == ("shop-web", "rendered-for")
    assert (request.kube_version, request.api_versions) == ("1.29.3", ("monitoring.coreos.com/v1",))
    assert (request.include_crds, request.skip_tests, request.skip_schema_validation) == (False, True, True)
    assert request.parameters == (
        Parameter("app", "web-shop-$HOME"),
        Parameter("image.tag", "1.25"),
        Parameter("replicas", "3", as_text=True),
    )
    assert request.file_parameters == (FileParameter("config", b"a,b={c}\n"),)


def test_a_parameter_stands_where_its_last_value_does() -> None:
    source = "path: charts/web\nhelm:\n  parameters: [{name: tag, value: a}, {name: tag, value: b}]\n"
    (parameter,) = unit(found(of(source)), "web").parameters
    assert parameter.name == "tag"
    assert parameter.place == Place(
        "deploy", "apps/web.yaml", 0, ("spec", "source", "helm", "parameters", 1, "value")
    )


def test_release_namespace_and_versions_by_default() -> None:
    clusters = (
        Cluster("prod", "https://1.2.3.4", "1.31", ("a/v1",)),
        Cluster("here", "https://kubernetes.default.svc"),
    )
    text = application("web", "path: charts/web", namespace="shop")
    files = WEB | {
        "a.yaml": text.replace("https://kubernetes.default.svc", "https://1.2.3.4/"),
        "b.yaml": text.replace("name: web", "name: two").replace(
            "server: https://kubernetes.default.svc", "name: prod"
        ),
        "c.yaml": text.replace("name: web", "name: three"),
        "d.yaml": text.replace("name: web", "name: four").replace(
            "server: https://kubernetes.default.svc", "name: gone"
        ),
    }
    result = units(found(files, settings=UnitSettings(clusters)))
    request = helm(result["web"])
    assert (request.release, request.namespace) == ("web", "shop")
    assert (request.kube_version, request.api_versions, request.include_crds) == ("1.31", ("a/v1",), True)
    clusters_of = {name: result[name].cluster for name in ("web", "two", "three", "four")}
    assert clusters_of == {"web": "prod", "two": "prod", "three": "here", "four": "gone"}
    assert reason(result["four"]) == "ambiguous-cluster"
    assert reason(result["three"]) == ""


def test_missing_value_files_may_be_ignored() -> None:
    names = "[gone.yaml, no-*.yaml, values-prod.yaml]"
    source = f"path: charts/web\nhelm: {{ignoreMissingValueFiles: true, valueFiles: {names}}}"
    assert places(unit(found(of(source)), "web"))[1:] == ["deploy:charts/web/values-prod.yaml"]


def test_wildcards_in_value_files_give_way_to_names() -> None:
    more = {f"envs/{name}.yaml": f"{name}: 1\n" for name in ("a", "b", "c", "deep/d")}
    source = "path: charts/web\nhelm: {valueFiles: ['/envs/*.yaml', /envs/b.yaml, '/envs/**/*.yaml']}"
    layers = places(unit(found(of(source, **more)), "web"))[1:]
    assert layers == [f"deploy:envs/{name}.yaml" for name in ("a", "c", "b", "deep/d")]


def test_a_value_file_behind_a_link_stands_where_the_link_leads() -> None:
    files = of("path: charts/web\nhelm: {valueFiles: [link.yaml]}", **{"real/values.yaml": "a: 1\n"})
    one = unit(found(files, links={"charts/web/link.yaml": "../../real/values.yaml"}), "web")
    assert places(one)[1:] == ["deploy:real/values.yaml"]
    outside = unit(found(files, links={"charts/web/link.yaml": "../../../../etc/passwd"}), "web")
    assert reason(outside) == "not-deployable"


def test_a_charts_own_defaults_are_told_apart_from_the_users_files() -> None:
    layers = unit(found(of("path: charts/web\nhelm: {valuesObject: {a: 1}}")), "web").layers
    assert [layer.shared for layer in layers] == [True, False]


# -- several sources ------------------------------------------------------------------------------

CHARTS = "https://git.example.com/platform/charts"
SEVERAL = f"""\
sources:
- repoURL: {CHARTS}
  path: web
  helm:
    valueFiles: [$values/envs/prod/web.yaml, values-big.yaml, $values/../escape.yaml]
    ignoreMissingValueFiles: true
- repoURL: git@git.example.com:platform/deploy.git
  ref: values
  path: plain
- repoURL: ssh://git@git.example.com:22/platform/deploy
  ref: more
"""


def test_value_files_of_another_source_start_at_its_root() -> None:
    other = {path.removeprefix("charts/"): data for path, data in WEB.items()} | {
        "web/values-big.yaml": "big: 1\n"
    }
    charts = known(other, "charts", url=f"{CHARTS}.git")
    files = {
        "a.yaml": application("web", more=SEVERAL.replace(", $values/../escape.yaml", "")),
        "envs/prod/web.yaml": "size: prod\n",
        "plain/cm.yaml": "kind: ConfigMap\n",
    }
    result = found(files, charts)
    one = unit(result, "web#1")
    assert places(one) == [
        "charts:web/values.yaml",
        "deploy:envs/prod/web.yaml",
        "charts:web/values-big.yaml",
    ]
    assert (one.repository, one.source, one.chart) == ("deploy", "charts", "web")
    assert unit(result, "web#2").manifests == ("plain/cm.yaml",)
    assert "web#3" not in units(result)
    escaping = found({**files, "a.yaml": application("web", more=SEVERAL)}, charts)
    assert reason(unit(escaping, "web#1")) == "not-deployable"


def test_a_reference_to_another_branch_is_refused() -> None:
    more = SEVERAL.replace(CHARTS, URL).replace("path: web", "path: charts/web")
    more = more.replace("  ref: values", "  targetRevision: old\n  ref: values")
    assert reason(unit(found(WEB | {"a.yaml": application("web", more=more)}), "web#1")) == "other-revision"


# -- overrides beside the chart -------------------------------------------------------------------


def test_overrides_beside_the_chart_are_merged_and_owned_by_their_file() -> None:
    source = """\
    path: charts/web
    helm:
      valuesObject: {size: inline, a: {b: 1}}
      parameters: [{name: tag, value: old}]
    """
    files = of(
        source,
        **{
            "charts/web/.argocd-source.yaml": "helm: {releaseName: other, valuesObject: {a: {c: 2}}}\n",
            "charts/web/.argocd-source-web.yaml": "helm:\n  parameters:\n  - {name: tag, value: new}\n",
            "charts/web/.argocd-source-two.yaml": "helm: {releaseName: not-mine}\n",
        },
    )
    one = unit(found(files), "web")
    assert helm(one).release == "other"
    assert places(one)[1:] == [
        "deploy:apps/web.yaml.spec.source.helm.valuesObject",
        "deploy:charts/web/.argocd-source.yaml.helm.valuesObject",
    ]
    assert helm(one).parameters == (Parameter("tag", "new"),)
    assert one.parameters[0].place.path == "charts/web/.argocd-source-web.yaml"
    assert one.parameters[0].place.keys == ("helm", "parameters", 0, "value")


def test_an_override_that_removes_a_key_makes_one_layer_that_nobody_edits() -> None:
    files = of(
        "path: charts/web\nhelm: {valuesObject: {a: 1, b: 2}}",
        **{"charts/web/.argocd-source.yaml": "helm: {valuesObject: {a: null}}\n"},
    )
    one = unit(found(files), "web")
    assert helm(one).values == (b'{"b": 2}',)
    assert one.layers[1].refused is not None


# -- secrets --------------------------------------------------------------------------------------

SOPS = """\
password: ENC[AES256_GCM,data:x,iv:y,tag:z,type:str]
sops:
    mac: ENC[AES256_GCM,data:x,type:str]
    lastmodified: "2024-01-01T00:00:00Z"
"""


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        (SOPS, "encrypted"),
        (json.dumps({"a": 1, "sops": {"mac": "ENC[AES256_GCM,x]"}}, indent=2), "encrypted"),
        ("password: <path:kv/data/web#password>\n", "plugin"),
        ("password: ref+vault://kv/web#/password\n", "plugin"),
        ("env: {PASSWORD: vault:secret/data/web#password}\nsops: a word\n", ""),
    ],
)
def test_values_that_need_a_secret(content: str, wanted: str) -> None:
    files = of("path: charts/web\nhelm: {valueFiles: [secret.yaml]}", **{"charts/web/secret.yaml": content})
    one = unit(found(files), "web")
    assert reason(one) == wanted
    assert (one.layers[1].refused.reason.value if one.layers[1].refused else "") == wanted


# -- which tool -----------------------------------------------------------------------------------


def test_the_files_decide_which_tool_renders() -> None:
    files = WEB | {
        "k/kustomization.yaml": "resources: [cm.yaml]\n",
        "k/Chart.yaml": CHART,
        "k/cm.yaml": "kind: ConfigMap\n",
        "d/cm.yaml": "kind: ConfigMap\n",
        **{f"apps/{name}.yaml": application(name, f"path: {path}") for name, path in
           (("h", "charts/web"), ("k", "k"), ("d", "d"))},
    }  # fmt: skip
    result = found(files)
    assert helm(unit(result, "h")).chart.keys() == {
        "Chart.yaml",
        "values.yaml",
        "templates/all.yaml",
    }
    assert overlay(unit(result, "k")).files.keys() == {"k/kustomization.yaml", "k/cm.yaml"}
    assert unit(result, "d").manifests == ("d/cm.yaml",)


@pytest.mark.parametrize(
    ("directory", "wanted"),
    [
        ("{}", ["a.yaml", "b.json", "c.yml"]),
        ("{recurse: true}", ["a.yaml", "b.json", "c.yml", "sub/d.yaml", "sub/e/f.yaml"]),
        ("{recurse: true, include: 'sub/*'}", ["sub/d.yaml", "sub/e/f.yaml"]),
        ("{recurse: true, exclude: '{a.*,sub/e/*}'}", ["b.json", "c.yml", "sub/d.yaml"]),
        ("{recurse: true, include: '*.yaml', exclude: 's*'}", ["a.yaml"]),
        ("{include: '[!a]*'}", ["b.json", "c.yml"]),
    ],
)
def test_a_directory_takes_what_its_filters_leave(directory: str, wanted: list[str]) -> None:
    names = ["a.yaml", "b.json", "c.yml", "notes.md", "sub/d.yaml", "sub/e/f.yaml"]
    files = {f"d/{name}": "kind: ConfigMap\n" for name in names}
    files["d/skipped.yaml"] = "# +argocd:skip-file-rendering\nkind: ConfigMap\n"
    files["apps/web.yaml"] = application("web", f"path: d\ndirectory: {directory}")
    assert unit(found(files), "web").manifests == tuple(f"d/{name}" for name in wanted)


def test_jsonnet_is_not_evaluated_and_said() -> None:
    files = {"d/a.jsonnet": "{}", "d/b.yaml": "kind: ConfigMap\n", "a.yaml": application("web", "path: d")}
    result = found(files)
    assert unit(result, "web").manifests == ("d/b.yaml",)
    assert [(note.what, note.path) for note in result.notes] == [("jsonnet", "d/a.jsonnet")]


# -- where repositories are -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "https://git.example.com/platform/deploy",
        "https://user@GIT.example.com:443/platform/Deploy.git/",
        "ssh://git@git.example.com/platform/deploy.git",
        "git@git.example.com:platform/deploy",
        "http://git.example.com/platform/deploy.git",
    ],
)
def test_one_repository_goes_by_many_addresses(url: str) -> None:
    files = of("path: charts/web")
    files["apps/web.yaml"] = files["apps/web.yaml"].replace(URL, url)
    assert reason(unit(found(files), "web")) == ""


@pytest.mark.parametrize(
    "url", ["https://git.example.com:8443/platform/deploy", "https://git.example.com/platform/deploy2"]
)
def test_another_address_is_another_repository(url: str) -> None:
    files = of("path: charts/web")
    files["apps/web.yaml"] = files["apps/web.yaml"].replace(URL, url)
    assert reason(unit(found(files), "web")) == "unknown-source"


def test_a_folder_without_an_address_is_meant_when_it_has_the_path() -> None:
    from reconciler.source.finding import find_units

    files = of("path: charts/web\ntargetRevision: whatever")
    folder = known(files, remote=False, branches=())
    folder.snapshot.commit = ""  # type: ignore[misc]
    assert reason(unit(find_units([folder], UnitSettings()), "web")) == ""
    del files["charts/web/Chart.yaml"]
    moved = {path.replace("charts/", "elsewhere/"): data for path, data in files.items()}
    lost = known(moved, remote=False, branches=())
    assert reason(unit(find_units([lost], UnitSettings()), "web")) == "unknown-source"


@pytest.mark.parametrize("revision", ["HEAD", "main", "refs/heads/main", "c0ffee0", '""'])
def test_revisions_that_mean_what_is_read(revision: str) -> None:
    files = known(of(f"path: charts/web\ntargetRevision: {revision}"))
    files.snapshot.commit = "c0ffee0" + "0" * 33  # type: ignore[misc]
    from reconciler.source.finding import find_units

    assert reason(unit(find_units([files], UnitSettings()), "web")) == ""


# -- precedence, as helm itself sees it ------------------------------------------------------------


def test_the_strongest_layer_wins_in_helm_too(renderer: ProgramRenderer) -> None:
    source = """\
    path: charts/web
    helm:
      valueFiles: [values-prod.yaml, top.yaml]
      valuesObject: {size: object, c: object}
      parameters: [{name: d, value: "5"}, {name: e, value: "5", forceString: true}]
      fileParameters: [{name: f, path: f.txt}]
    """
    files = of(
        source,
        **{
            "charts/web/values.yaml": "".join(f"{key}: chart\n" for key in ("size", *"abcdef")),
            "charts/web/values-prod.yaml": "{size: prod, b: prod, c: prod}\n",
            "charts/web/top.yaml": "{size: top, c: top, d: top}\n",
            "charts/web/f.txt": "from, a {file}",
        },
    )
    text = rendered(renderer, unit(found(files), "web").request)
    (line,) = [line for line in text.splitlines() if line.startswith("  values:")]
    assert json.loads(json.loads(line.partition(": ")[2])) == {
        "size": "object", "a": "chart", "b": "prod", "c": "object", "d": 5, "e": "5", "f": "from, a {file}",
    }  # fmt: skip


def test_values_object_means_what_it_means_to_kubernetes(renderer: ProgramRenderer) -> None:
    source = """\
    path: charts/web
    helm:
      valuesObject:
        yes_: yes
        text: "yes"
        octal: 0777
        big: 1e3
        none:
        date: 2001-01-01
        odd: "\\u2028 \\x07 \\U0001F600"
        list: [1, a, {b: c}]
    """
    text = rendered(renderer, unit(found(of(source)), "web").request)
    (line,) = [line for line in text.splitlines() if line.startswith("  values:")]
    values = json.loads(
        json.loads(line.partition(": ")[2].replace("\\a", "\\u0007").replace("\\\\u", "\\\\u"))
    )
    assert values == {
        "yes_": True, "text": "yes", "octal": 511, "big": 1000, "date": "2001-01-01", "none": None,
        "odd": "\u2028 \x07 \U0001F600", "list": [1, "a", {"b": "c"}], "size": "chart", "kept": {"a": 1},
    }  # fmt: skip


def test_hostile_names_leave_the_repository_nowhere() -> None:
    for name in ("/../../etc/passwd", "a/../../../../etc/passwd", "$values/../../x", "\\0x", "." * 5000):
        one = unit(found(of(f"path: charts/web\nhelm: {{valueFiles: ['{name}']}}")), "web")
        assert reason(one) == "not-deployable", name
    assert (
        shown(unit(found(of("path: ./charts/../charts/web/")), "web").layers[0])
        == "deploy:charts/web/values.yaml"
    )

"""ApplicationSets: which Applications they make, and where the values of those stand."""

from __future__ import annotations

from collections.abc import Mapping
from textwrap import dedent, indent

import pytest
from unit_repositories import (
    CHART,
    SHOW,
    URL,
    application,
    found,
    helm,
    known,
    places,
    program_renderer,
    reason,
    shown,
    unit,
    units,
)

from reconciler.rendering.renderer import ProgramRenderer
from reconciler.source.finding import Found
from reconciler.source.settings import Cluster, UnitSettings

WEB = {
    "charts/web/Chart.yaml": CHART,
    "charts/web/values.yaml": "size: chart\n",
    "charts/web/templates/all.yaml": SHOW,
}
CLUSTERS = UnitSettings(
    (
        Cluster("eu-1", "https://eu", labels=(("env", "prod"), ("region", "eu"))),
        Cluster("us_2", "https://us", labels=(("env", "prod"), ("region", "us"))),
        Cluster("dev", "https://dev", labels=(("env", "dev"),)),
    )
)


@pytest.fixture(scope="module")
def renderer() -> ProgramRenderer:
    return program_renderer()


TWICE = "{list: {elements: [{a: '1'}, {a: '1'}]}}"


def appset(
    generators: str, name: str = "{{name}}", *, go: bool = False, helm_lines: str = "{}", more: str = ""
) -> str:
    """A set whose Applications have a templated name and render the chart of the tests."""
    options = "  goTemplate: true\n  goTemplateOptions: [missingkey=error]\n" if go else ""
    return (
        "apiVersion: argoproj.io/v1alpha1\nkind: ApplicationSet\nmetadata: {name: set, namespace: argocd}\n"
        f"spec:\n{options}{indent(dedent(more), '  ')}  generators:\n{indent(dedent(generators), '  ')}\n"
        f"  template:\n    metadata: {{name: '{name}'}}\n    spec:\n      project: default\n"
        "      destination: {server: https://kubernetes.default.svc, namespace: shop}\n"
        f"      source:\n        repoURL: {URL}\n        path: charts/web\n"
        f"        helm:{_below(helm_lines)}\n"
    )


def _below(lines: str) -> str:
    return f" {lines}" if "\n" not in lines else "\n" + indent(dedent(lines), "          ")


def made(
    text: str,
    files: Mapping[str, str] | None = None,
    renderer: ProgramRenderer | None = None,
    settings: UnitSettings = UnitSettings(),  # noqa: B008 (a frozen record)
) -> Found:
    return found({**WEB, "set.yaml": text, **(files or {})}, settings=settings, renderer=renderer)


def names(result: Found) -> list[str]:
    assert not refusals(result), refusals(result)
    return sorted(one.name for one in result.units if one.path == "set.yaml")


def refusals(result: Found) -> list[str]:
    """Why generators of the set, or all of it, made nothing."""
    assert not result.failures, result.failures
    sets = [one for one in result.units if one.name == "set"]
    assert {(one.path, one.line, one.request) for one in sets} <= {("set.yaml", 1, None)}
    return [f"{one.refused.detail} ({one.refused.reason})" for one in sets if one.refused]


# -- what is refused, and why ----------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["scmProvider", "pullRequest", "clusterDecisionResource", "plugin"])
def test_generators_that_ask_other_servers(kind: str) -> None:
    (words,) = refusals(made(appset(f"- {kind}: {{}}")))
    assert kind in words
    assert "(unsupported)" in words
    nested = appset(f"- matrix: {{generators: [{{list: {{elements: [{{name: a}}]}}}}, {{{kind}: {{}}}}]}}")
    assert kind in refusals(made(nested))[0]


@pytest.mark.parametrize(
    ("generators", "told"),
    [
        ("- {}", "of no kind"),
        ("- {git: {repoURL: 'https://else.example/x', directories: [{path: '*'}]}}", "not known"),
        (f"- {{git: {{repoURL: '{URL}', revision: old, directories: [{{path: '*'}}]}}}}", "revision old"),
        (f"- {{git: {{repoURL: '{URL}', files: [{{path: broken.yaml}}]}}}}", "broken.yaml"),
        ("- {matrix: {generators: [{list: {elements: []}}]}}", "exactly two"),
        ("- {merge: {generators: [{list: {elements: []}}, {list: {elements: []}}]}}", "mergeKeys"),
        (f"- {{merge: {{mergeKeys: [a], generators: [{TWICE}, {{list: {{elements: []}}}}]}}}}", "equal a"),
        (f"- {{matrix: {{generators: [{TWICE}, {{list: {{elements: [{{a: '2'}}]}}}}]}}}}", "different"),
    ],
)  # fmt: skip
def test_generators_that_make_nothing(generators: str, told: str) -> None:
    (words,) = refusals(made(appset(generators), {"broken.yaml": "a: [\n"}))
    assert told in words


def test_generators_that_explode_are_stopped() -> None:
    many = "".join(f"{{n{at}: x}}, " for at in range(200))
    inner = (
        f"{{matrix: {{generators: [{{list: {{elements: [{many}]}}}}, {{list: {{elements: [{many}]}}}}]}}}}"
    )
    text = appset(f"- matrix: {{generators: [{inner}, {{list: {{elements: [{many}]}}}}]}}")
    assert "more than 10000" in refusals(made(text))[0]


def test_one_generator_that_fails_leaves_the_others() -> None:
    result = made(appset("- {plugin: {}}\n- {list: {elements: [{name: a}]}}"))
    assert sorted(one.name for one in result.units if one.path == "set.yaml") == ["a", "set"]
    assert len(refusals(result)) == 1


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("{{ .name | slugify }}", "slugify"),
        ("{{ randAlphaNum 5 }}", "randAlphaNum"),
        ("{{ now }}", "now"),
        ("{{ include \"x\" . }}", "include"),
        ("{{ (lookup \"v1\" \"Secret\" \"a\" \"b\") }}", "lookup"),
        ("{{ .nope }}", ".nope"),
        ("{{ .name.deeper }}", ".name.deeper"),
        ("{{ .name ", "can't be evaluated"),
        ("{{ fail .name }}", "can't be evaluated"),
        ("{{ noSuchFunction .name }}", "can't be evaluated"),
    ],
)  # fmt: skip
def test_templates_that_cannot_be_evaluated(renderer: ProgramRenderer, name: str, told: str) -> None:
    (words,) = refusals(
        made(appset("- {list: {elements: [{name: a}, {name: b}]}}", name, go=True), None, renderer)
    )
    assert told in words


def test_go_templates_need_a_renderer() -> None:
    (words,) = refusals(made(appset("- {list: {elements: [{name: a}]}}", "{{ .name }}", go=True)))
    assert "need Helm" in words


# -- generators -----------------------------------------------------------------------------------


def test_list() -> None:
    generators = """\
        - list:
            elements: [{name: a, values: {tier: web}}, {name: b}]
            elementsYaml: |
              - name: c
        """
    result = made(appset(generators, "{{name}}-{{ values.tier }}"))
    assert names(result) == ["a-web", "b-{{ values.tier }}", "c-{{ values.tier }}"]


def test_git_directories() -> None:
    files = {
        f"{path}/x.yaml": "a: 1\n"
        for path in ("apps/one", "apps/two", "apps/old", "apps/one/deep", ".git-like/a", "other")
    }
    directories = "[{path: apps/*}, {path: apps/old, exclude: true}, {path: '*/a'}]"
    generators = f"- git: {{repoURL: {URL}, directories: {directories}}}"
    assert names(made(appset(generators, "{{path.basename}}-{{path[0]}}"), files)) == ["one-apps", "two-apps"]
    prefixed = generators.replace(
        "directories", "pathParamPrefix: my, values: {up: 'v-{{my.path.basename}}'}, directories"
    )
    assert names(made(appset(prefixed, "{{my.path[1]}}-{{values.up}}"), files)) == ["one-v-one", "two-v-two"]


def test_git_files(renderer: ProgramRenderer) -> None:
    files = {
        "cfg/eu/config.json": '{"cluster": {"name": "eu", "zones": ["a", "b"]}, "size": 3}',
        "cfg/us/deep/config.yaml": "cluster: {name: us}\nsize: 4\n",
        "cfg/two/config.yaml": "- {cluster: {name: x}, size: 1}\n- {cluster: {name: z}, size: 2}\n",
        "cfg/not/config.yaml": "cluster: {name: excluded}\n",
    }
    generators = (
        f"- git: {{repoURL: {URL}, files: [{{path: 'cfg/*/config.*'}}, {{path: cfg/not, exclude: true}}]}}"
    )
    flat = appset(generators, "{{cluster.name}}-{{size}}-{{path.basename}}-{{path.filenameNormalized}}")
    assert names(made(flat, files)) == [
        "eu-3-eu-config.json", "us-4-deep-config.yaml", "x-1-two-config.yaml", "z-2-two-config.yaml",
    ]  # fmt: skip
    deep = appset(
        generators,
        "{{ .cluster.name }}-{{ .size | add1 }}"
        "{{ range .cluster.zones }}-{{ . }}{{ end }}-{{ index .path.segments 1 }}",
        go=True,
    )
    assert names(made(deep, files, renderer)) == ["eu-4-a-b-eu", "us-5-us", "x-2-two", "z-3-two"]


def test_clusters_with_labels_and_the_one_that_argo_cd_is_in() -> None:
    every = "- clusters: {values: {greeting: 'hi-{{name}}'}}"
    assert names(made(appset(every, "{{nameNormalized}}-{{values.greeting}}"), settings=CLUSTERS)) == [
        "dev-hi-dev", "eu-1-hi-eu-1", "in-cluster-hi-in-cluster", "us-2-hi-us_2",
    ]  # fmt: skip
    outside = "[{key: region, operator: NotIn, values: [us]}]"
    chosen = f"- clusters: {{selector: {{matchLabels: {{env: prod}}, matchExpressions: {outside}}}}}"
    assert names(made(appset(chosen, "{{name}}-{{metadata.labels.region}}"), settings=CLUSTERS)) == [
        "eu-1-eu"
    ]


def test_the_destination_leads_to_the_cluster_of_the_settings() -> None:
    text = appset("- clusters: {selector: {matchLabels: {env: prod}}}")
    text = text.replace("server: https://kubernetes.default.svc", "server: '{{server}}'")
    result = made(text, settings=CLUSTERS)
    assert {name: unit(result, name).cluster for name in names(result)} == {"eu-1": "eu-1", "us_2": "us_2"}


def test_matrix_hands_on_what_the_first_generator_knows(renderer: ProgramRenderer) -> None:
    files = {f"apps/{env}/{app}/x.yaml": "a: 1\n" for env in ("dev", "prod") for app in ("a", "b")}
    generators = f"""\
        - matrix:
            generators:
            - list: {{elements: [{{env: dev}}, {{env: prod}}]}}
            - git:
                repoURL: {URL}
                directories: [{{path: 'apps/{{{{%s}}}}/*'}}]
                values: {{in: '{{{{%s}}}}'}}
        """
    old = appset(generators % ("env", "env"), "{{env}}-{{path.basename}}-{{values.in}}")
    assert names(made(old, files)) == ["dev-a-dev", "dev-b-dev", "prod-a-prod", "prod-b-prod"]
    new = appset(
        generators % (".env", ".path.basename"), "{{.env}}-{{.path.basename}}-{{.values.in}}", go=True
    )
    assert names(made(new, files, renderer)) == ["dev-a-a", "dev-b-b", "prod-a-a", "prod-b-b"]


def test_merge_lets_later_generators_win() -> None:
    generators = """\
        - merge:
            mergeKeys: [name]
            generators:
            - list: {elements: [{name: a, size: small}, {name: b, size: small}]}
            - list: {elements: [{name: b, size: big}, {name: gone, size: big}]}
        """
    assert names(made(appset(generators, "{{name}}-{{size}}"))) == ["a-small", "b-big"]


def test_merge_of_nested_parameters_is_deep(renderer: ProgramRenderer) -> None:
    generators = """\
        - merge:
            mergeKeys: [name]
            generators:
            - list: {elements: [{name: a, at: {x: one, z: kept}}]}
            - list: {elements: [{name: a, at: {x: two, z: ""}}]}
        """
    text = appset(generators, "{{ .name }}-{{ .at.x }}-{{ .at.z }}", go=True)
    assert names(made(text, None, renderer)) == ["a-two-kept"]


def test_selectors_filter_what_any_generator_makes() -> None:
    elements = "{elements: [{name: a, env: prod}, {name: b, env: dev}]}"
    generators = f"- {{list: {elements}, selector: {{matchLabels: {{env: prod}}}}}}"
    assert names(made(appset(generators))) == ["a"]


# -- templates ------------------------------------------------------------------------------------


def test_functions_of_go_templates(renderer: ProgramRenderer) -> None:
    cases = {
        "{{ .name | normalize }}": "foo-bar.x",
        "{{ normalize .name | upper }}": "FOO-BAR.X",
        '{{ .name | lower | replace "_" "-" | trunc 5 }}': "foo-b",
        '{{ if eq .env "prod" }}p{{ else }}d{{ end }}-x': "p-x",
        '{{ dig "a" "b" "none" .nested }}': "deep",
        '{{ default "fallback" .empty }}': "fallback",
        "{{- range $at, $each := .list }}{{ $at }}{{ $each }}{{ end }}": "0x1y",
        "{{ (index .objects 0).key }}": "v",
        '{{ printf "%s-%v" .env .number }}': "prod-7",
        "{{ $.env }}{{ $x := .number }}{{ $x }}": "prod7",
        '{{ toYaml .nested.a | replace ": " "=" }}': "b=deep",
    }
    element = (
        "{name: Foo_Bar.x, env: prod, nested: {a: {b: deep}}, empty: '', list: [x, 'y'],"
        " objects: [{key: v}], number: 7}"
    )
    for template, wanted in cases.items():
        quoted = template.replace("'", "''")
        result = made(appset(f"- list: {{elements: [{element}]}}", quoted, go=True), None, renderer)
        assert names(result) == [wanted], template


def test_template_patch_has_the_last_word(renderer: ProgramRenderer) -> None:
    more = """\
        templatePatch: |
          metadata: {annotations: {a: b}}
          spec:
            project: stolen
            source:
              helm:
                valueFiles:
                {{- range .files }}
                - /{{ . }}
                {{- end }}
        """
    text = appset(
        "- {list: {elements: [{name: a, files: [x.yaml, z.yaml]}, {name: b, files: []}]}}",
        "{{ .name }}", go=True, more=more, helm_lines="{valuesObject: {size: mine}}",
    )  # fmt: skip
    result = made(text, {"x.yaml": "x: 1\n", "z.yaml": "z: 1\n"}, renderer)
    assert names(result) == ["a", "b"]
    layers = unit(result, "a").layers
    assert [shown(layer) for layer in layers[1:3]] == ["deploy:x.yaml", "deploy:z.yaml"]
    assert layers[3].refused is not None
    assert layers[3].refused.reason.value == "template"


def test_the_template_of_a_generator_wins() -> None:
    generators = """\
        - list:
            elements: [{name: a}]
            template: {metadata: {}, spec: {source: {helm: {releaseName: 'own-{{name}}'}}}}
        - list: {elements: [{name: b}]}
        """
    result = made(appset(generators, helm_lines="{releaseName: common, namespace: kept}"))
    requests = [helm(unit(result, name)) for name in ("a", "b")]
    assert [(each.release, each.namespace) for each in requests] == [("own-a", "kept"), ("common", "kept")]


def test_where_values_of_generated_applications_are_edited() -> None:
    files = {f"envs/{name}.yaml": "size: env\n" for name in ("a", "b")}
    generators = "- list: {elements: [{name: a}, {name: b}]}"
    inline = """\
        valueFiles: ['/envs/{{name}}.yaml']
        valuesObject: {size: inline, who: '{{name}}'}
        parameters: [{name: free, value: all}, {name: own, value: '{{name}}'}]
        """
    result = made(appset(generators, helm_lines=inline), files)
    one, two = unit(result, "a"), unit(result, "b")
    assert places(one)[1:] == [
        "deploy:envs/a.yaml",
        "deploy:set.yaml.spec.template.spec.source.helm.valuesObject",
    ]
    assert helm(two).values[-1] == b'{"size": "inline", "who": "b"}'
    assert one.layers[-1].place == two.layers[-1].place
    assert one.layers[-1].refused is None  # a single value that is a template is refused where it stands
    assert [each.refused and each.refused.reason.value for each in one.parameters] == [None, "template"]


@pytest.mark.parametrize(
    ("lines", "wanted"),
    [
        ("values: |\n  size: '{{name}}'\n", "template"),
        ("values: |\n  size: all\n", None),
        ("valuesObject: {'{{name}}': {size: 1}}\n\n", "template"),
    ],
)
def test_inline_values_are_edited_only_where_no_template_is(lines: str, wanted: str | None) -> None:
    layer = unit(made(appset("- {list: {elements: [{name: a}]}}", helm_lines=lines)), "a").layers[-1]
    assert (layer.refused and layer.refused.reason.value) == wanted


def test_what_is_not_a_template_stays_as_it_is() -> None:
    result = made(
        appset("- {list: {elements: [{name: a}]}}", helm_lines="{valuesObject: {keep: '{{ .Values.x }}'}}")
    )
    assert helm(unit(result, "a")).values == (b'{"keep": "{{ .Values.x }}"}',)


# -- Applications of Applications -------------------------------------------------------------------


def test_applications_out_of_a_chart(renderer: ProgramRenderer) -> None:
    template = application("{{ $name }}", "path: charts/web\nhelm: {valuesObject: {size: '{{ $name }}'}}")
    files = WEB | {
        "root.yaml": application("root", "path: bootstrap"),
        "bootstrap/Chart.yaml": CHART,
        "bootstrap/values.yaml": "apps: [one, two]\n",
        "bootstrap/templates/apps.yaml": "{{ range $name := .Values.apps }}\n---\n"
        + template
        + "\n{{ end }}\n",
    }
    result = found(files, renderer=renderer)
    assert {"root", "one", "two"} <= units(result).keys()
    one = unit(result, "one")
    assert helm(one).values == (b'{"size": "one"}',)
    assert (one.path, one.layers[-1].refused and one.layers[-1].refused.reason.value) == (
        "root.yaml",
        "rendered",
    )
    without = units(found(files))
    assert "one" not in without


def test_applications_that_a_kustomization_changes(renderer: ProgramRenderer) -> None:
    files = WEB | {
        "base/kustomization.yaml": "resources: [web.yaml]\n",
        "base/web.yaml": application("web", "path: charts/web\nhelm: {valuesObject: {size: base}}"),
        "prod/kustomization.yaml": "resources: [../base]\npatches: [{path: patch.yaml}]\n",
        "prod/patch.yaml": application("web", "helm: {valuesObject: {size: prod}}"),
    }
    result = found(files, renderer=renderer)
    assert not result.failures
    one = unit(result, "web")
    assert helm(one).values == (b'{"size": "prod"}',)
    assert one.layers[-1].refused is not None
    same = files | {"prod/kustomization.yaml": "resources: [../base]\n", "prod/patch.yaml": "a: 1\n"}
    one = unit(found(same, renderer=renderer), "web")
    assert (helm(one).values, one.layers[-1].refused) == ((b'{"size": "base"}',), None)


def test_applications_that_bring_forth_themselves_end(renderer: ProgramRenderer) -> None:
    files = {
        "root.yaml": application("root", "path: bootstrap"),
        "bootstrap/Chart.yaml": CHART,
        "bootstrap/templates/apps.yaml": application("{{ .Release.Name }}-x", "path: bootstrap"),
    }
    result = found(files, renderer=renderer)
    assert 2 <= len([one for one in result.units if one.name.startswith("root")]) <= 10


def test_one_name_in_two_files_is_two_applications() -> None:
    files = {f"clusters/{env}/web.yaml": application("web", f"path: {env}") for env in ("dev", "prod")}
    files |= {f"{env}/cm.yaml": "kind: ConfigMap\n" for env in ("dev", "prod")}
    result = found(files)
    assert not result.failures
    assert {one.path: one.manifests for one in result.units} == {
        "clusters/dev/web.yaml": ("dev/cm.yaml",),
        "clusters/prod/web.yaml": ("prod/cm.yaml",),
    }


def test_one_name_made_twice_by_one_set_is_told() -> None:
    text = appset(
        "- {list: {elements: [{name: a, at: x}, {name: a, at: z}]}}", helm_lines="{releaseName: '{{at}}'}"
    )
    (failure,) = made(text).failures
    assert "made twice" in failure.error


def test_two_overlays_of_one_application_are_two(renderer: ProgramRenderer) -> None:
    files = WEB | {
        "base/kustomization.yaml": "resources: [web.yaml]\n",
        "base/web.yaml": application("web", "path: charts/web\nhelm: {valuesObject: {size: base}}"),
        "same/kustomization.yaml": "resources: [../base]\n",
    }
    for env in ("dev", "prod"):
        files[f"{env}/kustomization.yaml"] = "resources: [../base]\npatches: [{path: patch.yaml}]\n"
        files[f"{env}/patch.yaml"] = application("web", f"helm: {{valuesObject: {{size: {env}}}}}")
    result = found(files, renderer=renderer)
    made_of = {
        helm(one).values[0]: one.layers[-1].refused is None for one in result.units if one.name == "web"
    }
    assert made_of == {
        b'{"size": "base"}': True,
        b'{"size": "dev"}': False,
        b'{"size": "prod"}': False,
    }


def test_a_set_in_one_repository_and_its_files_in_another() -> None:
    other = known({"envs/a.yaml": "size: a\n"}, "envs", url="https://git.example.com/platform/envs")
    generators = "- git: {repoURL: 'git@git.example.com:platform/envs.git', files: [{path: 'envs/*.yaml'}]}"
    result = found(WEB | {"set.yaml": appset(generators, "{{size}}")}, other)
    assert reason(unit(result, "a")) == ""

"""What every helm must answer, 3 as 4: called as Argo CD calls it."""

from __future__ import annotations

import pytest
import yaml
from charts import CHART, chart, request

from reconciler.model import Reason, Refused
from reconciler.rendering.helm import arguments
from reconciler.rendering.parameters import escaped
from reconciler.rendering.renderer import ProgramRenderer, render_all
from reconciler.source.render import FileParameter, HelmRequest, Parameter, Rendered

SHOW = """
    apiVersion: v1
    kind: ConfigMap
    metadata: {name: {{ .Release.Name }}, namespace: {{ .Release.Namespace }}}
    data:
      value: {{ toJson .Values.it | quote }}
"""


def shown(renderer: ProgramRenderer, asked: HelmRequest) -> str:
    """What `.Values.it` was, as JSON."""
    return only(renderer, asked)["data"]["value"]


def only(renderer: ProgramRenderer, asked: HelmRequest) -> dict:
    (found,) = objects(renderer, asked)
    return found


def objects(renderer: ProgramRenderer, asked: HelmRequest) -> list[dict]:
    answer = renderer.render(asked)
    assert isinstance(answer, Rendered), answer
    return [body for body in yaml.safe_load_all(answer.text) if body]


def refused(renderer: ProgramRenderer, asked: HelmRequest) -> Refused:
    answer = renderer.render(asked)
    assert isinstance(answer, Refused), answer
    return answer


def test_release_and_namespace(renderer: ProgramRenderer) -> None:
    found = only(renderer, request(chart(SHOW), release="blue", namespace="payments"))
    assert found["metadata"] == {"name": "blue", "namespace": "payments"}


def test_renderer_names_program_and_version(renderer: ProgramRenderer) -> None:
    answer = renderer.render(request(chart(SHOW)))
    assert isinstance(answer, Rendered)
    assert answer.renderer.split()[0] == "helm"
    assert answer.renderer == renderer.identity(request(chart(SHOW)))


def test_the_last_value_file_wins_and_mappings_merge(renderer: ProgramRenderer) -> None:
    asked = request(chart(SHOW, "it: {a: 0, b: 0, c: 0}"), "it: {a: 1, b: 1}", "it: {a: 2}")
    assert shown(renderer, asked) == '{"a":2,"b":1,"c":0}'


def test_parameters_win_over_files_and_text_over_numbers(renderer: ProgramRenderer) -> None:
    parameters = (Parameter("it.b", "8", as_text=True), Parameter("it.b", "9"), Parameter("it.a", "7"))
    asked = request(chart(SHOW), "it: {a: 1, b: 1, c: true}", parameters=parameters)
    assert shown(renderer, asked) == '{"a":7,"b":"8","c":true}'


def test_of_a_parameter_given_twice_the_last_holds(renderer: ProgramRenderer) -> None:
    asked = request(chart(SHOW), parameters=(Parameter("it", "1"), Parameter("it", "2")))
    assert shown(renderer, asked) == "2"


@pytest.mark.parametrize(
    ("value", "json"),
    [
        ("a,b", '"a,b"'),
        ("a\\,b,c", '"a,b,c"'),
        (",", '","'),
        ("{a,b}", '["a","b"]'),
        ("x=y", '"x=y"'),
        ("", '""'),
        ("null", ""),
        ("ä € 漢", '"ä € 漢"'),
        ("--output-dir=/tmp", '"--output-dir=/tmp"'),
    ],
)
def test_values_of_parameters(renderer: ProgramRenderer, value: str, json: str) -> None:
    found = shown(renderer, request(chart(SHOW), parameters=(Parameter("it", value),)))
    assert (found or "null") == (json or "null")


def test_names_of_parameters(renderer: ProgramRenderer) -> None:
    parameters = (Parameter("it[1].a\\.b", "x"), Parameter("it[0]", "y"))
    assert shown(renderer, request(chart(SHOW), parameters=parameters)) == '["y",{"a.b":"x"}]'


def test_file_parameters_are_text_as_it_stands(renderer: ProgramRenderer) -> None:
    files = (FileParameter("it.file", b"a,b={c}\n  second \\ line\n"),)
    assert shown(renderer, request(chart(SHOW), file_parameters=files)) == (
        '{"file":"a,b={c}\\n  second \\\\ line\\n"}'
    )


def test_a_file_parameter_can_not_name_another_file(renderer: ProgramRenderer) -> None:
    files = (FileParameter("x=/etc/passwd,it", b""),)
    answer = refused(renderer, request(chart(SHOW), file_parameters=files))
    assert answer.reason is Reason.RENDER_FAILED


def test_versions_of_the_cluster(renderer: ProgramRenderer) -> None:
    template = """
        a: {{ .Capabilities.KubeVersion.Version }}
        b: {{ .Capabilities.APIVersions.Has "example.com/v7/Thing" }}
        c: {{ .Capabilities.APIVersions.Has "example.com/v8" }}
    """
    versions = ("example.com/v7/Thing", "other.example.com/v1")
    asked = request(chart(template), kube_version="1.27.3", api_versions=versions)
    assert only(renderer, asked) == {"a": "v1.27.3", "b": True, "c": False}


def test_custom_resource_definitions_come_along_or_not(renderer: ProgramRenderer) -> None:
    files = chart(SHOW, crds__one_yaml="kind: CustomResourceDefinition\n")
    assert len(objects(renderer, request(files))) == 2
    assert len(objects(renderer, request(files, include_crds=False))) == 1


def test_tests_come_along_or_not(renderer: ProgramRenderer) -> None:
    hook = "kind: Pod\nmetadata:\n  name: t\n  annotations: {helm.sh/hook: test}\n"
    files = chart(SHOW, templates__test_yaml=hook)
    assert len(objects(renderer, request(files))) == 2
    assert len(objects(renderer, request(files, skip_tests=True))) == 1


def test_schemas_are_checked_or_not(renderer: ProgramRenderer) -> None:
    files = chart(SHOW) | {"values.schema.json": b'{"properties": {"it": {"type": "integer"}}}'}
    answer = refused(renderer, request(files, "it: hunter2hunter2hunter2"))
    assert answer.reason is Reason.RENDER_FAILED
    assert "it" in answer.detail
    assert "hunter2" not in answer.detail
    assert shown(renderer, request(files, "it: word", skip_schema_validation=True)) == '"word"'


def test_dependencies_below_charts(renderer: ProgramRenderer) -> None:
    files = chart(SHOW, "sub: {it: 5}") | {
        "Chart.yaml": CHART
        + b"dependencies: [{name: sub, version: 1.x, repository: 'https://charts.invalid'}]\n",
        "charts/sub/Chart.yaml": b"apiVersion: v2\nname: sub\nversion: 1.2.3\n",
        "charts/sub/templates/it.yaml": b"kind: Sub\nit: {{ .Values.it }}\n",
    }
    assert [body["it"] for body in objects(renderer, request(files)) if body["kind"] == "Sub"] == [5]


def test_a_dependency_that_is_not_there(renderer: ProgramRenderer) -> None:
    needs = CHART + b"dependencies: [{name: common, version: 2.x, repository: 'https://charts.invalid'}]\n"
    answer = refused(renderer, request(chart(SHOW) | {"Chart.yaml": needs}))
    assert answer == Refused(
        Reason.MISSING_DEPENDENCY, "found in Chart.yaml, but missing in charts/ directory: common"
    )


def test_a_required_value_in_the_words_of_the_chart(renderer: ProgramRenderer) -> None:
    answer = refused(renderer, request(chart('a: {{ required "set the domain" .Values.domain }}')))
    assert answer.reason is Reason.RENDER_FAILED
    assert answer.detail == "execution error at (web/templates/all.yaml:1:6): set the domain"


@pytest.mark.parametrize(
    "template",
    [
        "a: {{ .Values.it.password | atoi | fail }}",
        'a: {{ fail (printf "bad password %s here" .Values.it.password) }}',
        "a: {{ fail (b64enc .Values.it.password) }}",
        'a: {{ fail (printf "in %s" (toJson .Values.it)) }}',
    ],
)
def test_secrets_stay_out_of_the_detail(renderer: ProgramRenderer, template: str) -> None:
    answer = refused(renderer, request(chart(template), "it: {password: s3cr}"))
    assert "s3cr" not in answer.detail
    assert "czNjcg==" not in answer.detail


def test_the_detail_is_one_bounded_line_without_our_paths(renderer: ProgramRenderer) -> None:
    long = 'a: {{ fail (printf "%s\\n\\x1b[31m%s" (repeat 2000 "long ") "the end") }}'
    for template in (long, "a: {{ .Values.a.b.c }}", "a: {{ nonsense }}", "a: {{"):
        answer = refused(renderer, request(chart(template)))
        assert answer.detail.isprintable()
        assert len(answer.detail) < 500
        assert "reconcile-render" not in answer.detail
        assert "--debug" not in answer.detail
    assert "the end" in refused(renderer, request(chart(long))).detail


def test_a_broken_value_file_is_no_secret_lost(renderer: ProgramRenderer) -> None:
    answer = refused(renderer, request(chart(SHOW), "token: hunter2hunter2\n  x: [\n"))
    assert answer.reason is Reason.RENDER_FAILED
    assert "hunter2" not in answer.detail


@pytest.mark.parametrize("release", ["", "-h", "--help", "{{ .x }}", "a b", "UPPER", "x" * 54])
def test_a_release_name_is_a_name_and_nothing_else(renderer: ProgramRenderer, release: str) -> None:
    assert refused(renderer, request(chart(SHOW), release=release)).reason is Reason.RENDER_FAILED


def test_what_is_no_chart(renderer: ProgramRenderer) -> None:
    assert refused(renderer, request({"values.yaml": b""})).detail == "the chart has no Chart.yaml"


@pytest.mark.parametrize("path", ["../x", "/etc/x", "a/../../x", "a//b", "./a", "a/.", "a\0b", "", "x" * 300])
def test_paths_that_lead_elsewhere(renderer: ProgramRenderer, path: str) -> None:
    answer = refused(renderer, request(chart(SHOW) | {path: b"x"}))
    assert answer.reason is Reason.RENDER_FAILED


def test_a_path_that_is_file_and_folder(renderer: ProgramRenderer) -> None:
    answer = refused(renderer, request(chart(SHOW) | {"a": b"", "a/b": b""}))
    assert "at once" in answer.detail


def test_answers_in_order(renderer: ProgramRenderer) -> None:
    asked = [request(chart(SHOW), f"it: {number}") for number in range(6)]
    found = list(render_all(renderer, asked, 2))
    assert [f'value: "{number}"' in answer.text for number, answer in enumerate(found)] == [True] * 6


def test_the_words_of_the_command() -> None:
    asked = request(
        chart(),
        "a: 1",
        "b: 2",
        parameters=(Parameter("t", "1,2", as_text=True), Parameter("n", "3")),
        file_parameters=(FileParameter("f", b""),),
        kube_version="1.31",
        api_versions=("a/v1", "b/v1"),
        skip_tests=True,
    )
    assert " ".join(arguments(asked)) == (
        "template --namespace shop --kube-version 1.31 --set n=3 --set-string t=1\\,2 --set-file f=files/0 "
        "--values values/0.yaml --values values/1.yaml --api-versions a/v1 --api-versions b/v1 "
        "--include-crds --skip-tests -- web ./chart"
    )


def test_a_comma_is_escaped_once() -> None:
    assert [escaped(text) for text in ("a,b", "a\\,b", "{a,b}", "{a,b", ",,")] == [
        "a\\,b", "a\\,b", "{a,b}", "{a\\,b", "\\,\\,"
    ]  # fmt: skip

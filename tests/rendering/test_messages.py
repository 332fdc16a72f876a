"""One line of a program's complaint: its own words, but no secret, no path of ours and no log's prefix."""

from __future__ import annotations

import base64
import time
from pathlib import Path
from textwrap import dedent

import pytest
from charts import chart, request

from reconciler.model import Reason, Refused
from reconciler.rendering.messages import one_line, refusal, secrets
from reconciler.rendering.renderer import ProgramRenderer
from reconciler.rendering.tools import Missing, Tool, Tools
from reconciler.rendering.walls import Walls
from reconciler.source.render import HelmRequest, KustomizeRequest, Parameter

TREE = Path("/var/some where/reconcile-render-ab_12xyz/files")


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ("E0711 12:00:00.000000   12345 memcache.go:265] couldn't get it", "couldn't get it"),
        ("E0711 12:00:00.000 ...] couldn't get it", "couldn't get it"),
        ("F1231 23:59:59.999999 7 a/b-c.go:1] the end", "the end"),
        ("W0711 12:00:00.000000 1 a.go:1] old field\nerror: the reason", "the reason"),
        (
            "I0711 12:00:00.000000 1 a.go:1] starting\nE0711 12:00:00.000000 1 b.go:2] one\nerror: two",
            "one two",
        ),
        ("W0711 12:00:00.000000 1 a.go:1] only this", "only this"),
        ("E07 is no prefix] here", "E07 is no prefix] here"),
        ("Ein Satz] bleibt", "Ein Satz] bleibt"),
    ],
)
def test_prefixes_of_kubernetes_logs_go(said: str, left: str) -> None:
    assert one_line(said, TREE) == left


@pytest.mark.parametrize(
    ("said", "left"),
    [
        (f"open {TREE}/over/x.yaml: no", "open over/x.yaml: no"),
        (f"open {TREE.parent}/tmp/x: no", "open tmp/x: no"),
        (f"in {TREE}", "in ."),
        ("/private/tmp/reconcile-render-zz_99/files/a.yaml: no", "files/a.yaml: no"),
        ("in '/tmp/kustomize-helm-123/values.yaml'", "in 'values.yaml'"),
        ("../../reconcile-render-a1/chart/templates/x.yaml", "chart/templates/x.yaml"),
    ],
)
def test_our_paths_go(said: str, left: str) -> None:
    assert one_line(said, TREE) == left


SECRET = """
    kind: Secret
    metadata: {name: plain-name}
    stringData: {a: s3cr, list: "one1\\ntwo2", c: three3}
    data: {b: aHVudGVyMg==}
"""


@pytest.mark.parametrize(
    ("data", "hidden"),
    [
        (SECRET, ["s3cr", "hunter2", "aHVudGVyMg==", "czNjcg==", "one1", "two2"]),
        (SECRET + "  broken: [", ["s3cr", "three3", "aHVudGVyMg=="]),
        ("password: 'p\"w\\x/ü'", ['p"w\\x/ü', 'p\\"w\\\\x/ü', 'p\\"w\\\\x/\\u00fc', "p%22w%5Cx%2F%C3%BC"]),
        ("secretGenerator: [{literals: [user=s3cr, s3cr2]}]", ["user=s3cr", "s3cr", "s3cr2"]),
        ("patches: [{patch: 'kind: Secret\n\n  stringData: {a: s3cr'}]", ["s3cr"]),
        ("A=b\nDB_PASSWORD=s3cr\nexport API_KEY='t0ken'\n", ["s3cr", "t0ken"]),
        ("url: https://me:s3cr@host.example.com", ["https://me:s3cr@host.example.com"]),
        ("auth: {a: {b: [x1y]}}", ["x1y"]),
    ],
)
def test_what_is_hidden(data: str, hidden: list[str]) -> None:
    found = secrets([dedent(data).encode()])
    assert [one for one in hidden if one not in found] == []
    assert not {"name", "list", "kind", "Secret", "true", "b", "host"} & found
    said = refusal(f"it is {' '.join(hidden)} there".encode(), TREE, [dedent(data).encode()])
    assert [one for one in hidden if one in said.detail] == []
    assert said.detail.startswith("it is ***")


def test_ordinary_words_stay() -> None:
    values = b"image: {repository: nginx, tag: '1.27'}\nreplicas: 2\nservice: {type: ClusterIP}\n"
    said = refusal(b"error: nginx:1.27 with 2 replicas of ClusterIP", TREE, [values])
    assert said == Refused(Reason.RENDER_FAILED, "nginx:1.27 with 2 replicas of ClusterIP")


@pytest.mark.parametrize(
    "long", ["x", "x/", "x ", "/", "://", "a@", "data : ", "- ", "E0711 ", "reconcile-render-"]
)
def test_many_values_and_long_messages_take_no_time(long: str) -> None:
    values = "\n".join(f"password{number}: value-{number}-of-many" for number in range(10_000)).encode()
    values += f"\nlong: {{[{long * 60_000}".encode()
    begun = time.monotonic()
    said = refusal(f"error: value-77-of-many {long * 60_000}".encode()[: 1 << 16], TREE, [values])
    assert "value-77" not in said.detail
    assert "value-77" not in said.detail
    assert time.monotonic() - begun < 5


# ------------------------------------------------------------------------------ real programs


def detail(answer: object) -> str:
    assert isinstance(answer, Refused), answer
    assert "reconcile-render" not in answer.detail
    return answer.detail


@pytest.mark.parametrize(
    "fails",
    [
        '{{ fail (printf "%q" .Values.password) }}',
        "{{ fail (.Values.password | urlquery) }}",
        "{{ fail (.Values.password | toJson | quote) }}",
        "{{ fail (printf `postgres://u:%s@h/db` .Values.password) }}",
        "{{ fail (.Values.password | b64enc) }}",
        '{{ fail (.Files.Get "files/password.txt") }}',
        "a: {{ .Values.password }}: {{ .Values.password }}: [",
        "{{ .Values.password.a.b }}",
        "{{ index .Values .Values.password 1 }}",
        "{{ include .Values.password . }}",
        "{{ tpl .Values.password . }}{{ fromYaml .Values.password | toJson | fail }}",
    ],
)
@pytest.mark.parametrize("given", ["value", "default", "parameter"])
def test_helm_tells_no_secret(renderer: ProgramRenderer, fails: str, given: str) -> None:
    secret = 'p"w1 {{ x'
    text = "password: 'p\"w1 {{ x'"
    files = chart(fails, text if given == "default" else "", files__password="")
    files["files/password.txt"] = secret.encode()
    parameters = (Parameter("password", secret),) if given == "parameter" else ()
    asked: HelmRequest = request(files, text if given == "value" else "", parameters=parameters)
    said = detail(renderer.render(asked))
    for leaked in ('p"w1', 'p\\"w1', "p%22w1", base64.b64encode(secret.encode()).decode()):
        assert leaked not in said


def test_schemas_tell_no_secret(renderer: ProgramRenderer) -> None:
    files = chart("a: 1", "password: s3cr\nurl: https://u:s3cr@h\n")
    files["values.schema.json"] = (
        b"""{"properties": {"password": {"pattern": "^x"}, "url": {"enum": ["x"]}}}"""
    )
    said = detail(renderer.render(request(files)))
    assert "password" in said
    assert "s3cr" not in said


@pytest.mark.parametrize(
    "text",
    [
        "secretGenerator: [{name: g, literals: [user=s3cr, nope]}]",
        "secretGenerator: [{name: g, envs: [../base/e.env], files: [s3cr=s3cr=s3cr]}]",
        'resources: [../base]\npatches: [{patch: "kind: Secret\\nstringData: {a: s3cr"}]',
        "resources: [../base]\n"
        "patches: [{patch: '[{op: replace, path: /stringData/x/y, value: s3cr}]', target: {}}]",
        "resources: [../base, ../base]",
        "resources: [../base]\nreplacements: [{source: {kind: Secret, fieldPath: stringData.a.b}, "
        "targets: [{select: {kind: Secret}, fieldPaths: [data.x]}]}]",
    ],
)
def test_kustomize_tells_no_secret(kubectl: Tool, walls: Walls, text: str) -> None:
    files = {
        "over/kustomization.yaml": text.encode(),
        "base/kustomization.yaml": b"resources: [s.yaml]\n",
        "base/s.yaml": b"apiVersion: v1\nkind: Secret\nmetadata: {name: x}\nstringData: {a: s3cr}\n",
        "base/e.env": b"A/B=s3cr\nPASSWORD=s3cr\n=s3cr\n",
    }
    tools = Tools(Missing("helm", "none"), kubectl)
    options = ("--load-restrictor=LoadRestrictionsNone",)
    said = detail(ProgramRenderer(tools, walls).render(KustomizeRequest(files, "over", options)))
    assert "s3cr" not in said

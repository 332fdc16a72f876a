"""jq expressions as paths: held against jq itself, and against expressions that nobody should run."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.source import jq

WEB = {"name": "web", "image": "nginx:1.25", "resources": {"requests": {"cpu": "1"}}, "ports": [{"p": 80}]}
LOG = {"name": "log.er", "image": "fluent:2", "resources": {}, "env": None}
POD = {"containers": [WEB, LOG], "initContainers": []}
OBJECT = {
    "kind": "Deployment",
    "metadata": {"name": "web", "labels": {"app.kubernetes.io/name": "web", "a b": "c"}},
    "spec": {"replicas": 3, "paused": False, "template": {"spec": POD}},
}
C = ".spec.template.spec.containers"
CERTAIN = [
    ".",
    "..",
    ".spec",
    ".spec.replicas",
    " .spec| .template ",
    ".spec.missing.deeper",
    '.metadata.labels."app.kubernetes.io/name"',
    '.metadata.labels["a b"]',
    '.["metadata"]["labels"]',
    f"{C}[]",
    f"{C}[].resources",
    f"{C}[]?.resources?",
    f"{C}[0].resources",
    f"{C}[5].image",
    f"{C}[]|.image",
    f'{C}[] | select(.name == "web") | .resources',
    f'{C}[] | select(.name != "web").resources.limits',
    f'{C}[] | select(.name == "web" and .image == "x")',
    f'{C}[] | select(.name == "web" or .image == "fluent:2") | .image, .name',
    f'{C}[] | select(.name | test("^w"))',
    f'{C}[] | select(.name|test("g.er$")) | .resources.requests',
    f'{C}[] | select(.name | startswith("lo") | not)',
    f'{C}[] | select(.image | endswith("25"), contains("flu"))',
    f'{C}[] | select(has("env"))',
    f"{C}[] | select(.ports | length > 0)",
    f"{C}[] | select(.ports // [] | any(.p == 80))",
    f"{C}[] | select([.ports[]?.p] == [80])",
    f'{C}[] | select(.resources | type == "object")',
    f'{C}[] | select(.name | IN("a", "web"))',
    f'{C}[] | select(.image | inside("a nginx:1.25 b")).image',
    f"{C}[] | select(.ports[]?.p >= 80) | .ports",
    f"{C}[] | select(true or error)",
    ".spec.replicas, .spec.paused",
    ".spec | (.replicas, .paused)",
    ".spec.missing // .spec.replicas",
    ".spec.replicas // .spec.paused",
    ".. | .resources? // empty",
    '..|select(. == "web")?',
    "first(.spec.template.spec.containers[])",
    ".spec.template.spec[][]",
    # where jq itself stops, and so nothing is found
    ".spec.template.spec.volumes[].name",
    ".spec.replicas.x",
    f"{C}.name",
    ".metadata[0]",
    '"text"',
    ".spec | 1",
    f'{C}[] | select(.env | test("x"))',
    ".spec.replicas[]",
    ".metadata.name | .x",
]


@pytest.fixture(scope="module")
def program() -> str:
    found = shutil.which("jq")
    if found is None:
        if os.environ.get("CI") == "true":
            pytest.fail("jq is missing")
        pytest.skip("jq IS MISSING")
    return found


def told(program: str, expression: str) -> list[list[str | int]]:
    words = [program, "-c", f"[path({expression})]"]
    ran = subprocess.run(words, input=json.dumps(OBJECT), capture_output=True, text=True)
    assert ran.returncode in (0, 5), ran.stderr
    return json.loads(ran.stdout) if ran.returncode == 0 else []


@pytest.mark.parametrize("expression", CERTAIN)
def test_paths_are_those_that_jq_finds(program: str, expression: str) -> None:
    found = jq.find(expression, OBJECT)
    assert all(each.certain for each in found)
    assert sorted(map(repr, (list(each.path) for each in found))) == sorted(
        map(repr, told(program, expression))
    )


def test_items_as_newer_jqs_write_them() -> None:
    assert jq.find(".a.[0].b", {"a": [1, 2]}) == ()
    assert jq.find(".a.[1]", {"a": [1, 2]}) == (jq.Found(("a", 1)),)


def test_the_last_of_a_list() -> None:
    assert jq.find(".a[-1]", {"a": [1, 2]}) == (jq.Found(("a", 1)),)


def test_a_slice_is_its_items() -> None:
    found = [each.path[-1] for each in jq.find(".a[1:]", {"a": [1, 2, 3]})]
    assert (found, [each.path for each in jq.find(".a[:1]", {"a": [1, 2, 3]})]) == ([1, 2], [("a", 0)])


@pytest.mark.parametrize(
    ("expression", "beginning"),
    [
        (f"{C}[] | select(.a as $x | $x)", [("spec", "template", "spec", "containers", at) for at in (0, 1)]),
        (".metadata.labels | with_entries(.)", [("metadata", "labels")]),
        (".metadata.labels[.x]", [("metadata", "labels")]),
        (".metadata, .spec[.x]", [()]),
        ("if .a then .b else .c end", [()]),
        ('getpath(["spec"])', [()]),
        (".spec | .replicas |= 3", [("spec", "replicas")]),
        ('.spec | select("aaa" | test("(a+)+b"))', [("spec",)]),
        (".spec[", [("spec",)]),
        (".spec | select(" + "(" * 100 + "1" + ")" * 101, [("spec",)]),
        ("." + "a" * 5000, [()]),
        (".metadata | ..\u0000", [("metadata",)]),
    ],
)
def test_what_is_not_known_leads_somewhere_below(expression: str, beginning: list) -> None:
    found = jq.find(expression, OBJECT)
    if len(expression) < 5000:
        assert [each.path for each in found] == beginning
    assert not any(each.certain for each in found)


def test_no_expression_goes_on_for_ever() -> None:
    began = time.monotonic()
    wide = {"a": list(range(300))}
    assert not jq.find(".. | .. | .. | .. | .a?", {"a": [wide] * 50})[0].certain
    jq.find("[.a[] as $x | .a[]]", wide)
    jq.find(".a[] | select(" + " and ".join(["(.b, .c, .d)"] * 30) + ")", {"a": [{}]})
    jq.find('.a[] | select(test("a*a*b"))', {"a": ["a" * 200] * 5000})
    assert time.monotonic() - began < 8


@given(st.text(st.sampled_from('.[]()|,;?:"\\ ab01=!<>/$-select'), max_size=40))
def test_any_text_has_an_outcome(expression: str) -> None:
    for each in jq.find(expression, OBJECT):
        assert isinstance(each.path, tuple)

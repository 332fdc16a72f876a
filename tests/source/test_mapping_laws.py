"""Laws of mappings: one value changes, and hostile documents get a reason."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from mapping_world import asked, find, written

from reconciler.model import Discovery, Refused

NAMES = st.sampled_from(["web", "api", "a-b", "x.y", "7", "requests", "null"])
OTHERS = st.recursive(
    st.sampled_from([1, 0.5, "250m", "text # here", "", None, True, "1e3"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)
NOW = st.sampled_from(["250m", 1, "2", 0.5, None])


@st.composite
def documents(draw) -> tuple[str, Any, list[str], bool]:
    """A document in some style, with services in it; their names; and whether it is JSON."""
    services = draw(st.dictionaries(NAMES, NOW, min_size=1, max_size=3))
    body = {
        "before": draw(OTHERS),
        "services": {
            name: {"beside": draw(OTHERS), "resources": {"requests": {"cpu": now}}, "list": draw(OTHERS)}
            for name, now in services.items()
        },
        "after": draw(OTHERS),
    }
    if draw(st.booleans()):
        return json.dumps(body, indent=draw(st.sampled_from([None, 2, 4]))), body, list(services), True
    flow = draw(st.sampled_from([None, False, True]))
    width = draw(st.sampled_from([20, 80]))
    return (
        yaml.safe_dump(body, default_flow_style=flow, width=width, sort_keys=False),
        body,
        list(services),
        False,
    )


ENTRY = """
  - each: services.{service}
    container: "n/Deployment/{service}/main"
    values: {resources: .resources}
    files: ["*.yaml", "*.json"]
    missing: add
"""


@settings(max_examples=120, deadline=None)
@given(documents(), st.sampled_from(["300m", "2", "0.75"]), st.sampled_from(["cpu", "memory", "limits.cpu"]))
def test_an_edit_changes_exactly_the_mapped_value(document, new, field) -> None:
    text, body, services, is_json = document
    name = "a.json" if is_json else "a.yaml"
    found = Discovery("deploy", "", find({name: text}, ENTRY).workloads)
    assert sorted(each.name for each in found.workloads) == sorted(services)
    wanted = "300Mi" if field == "memory" else new
    for service in services:
        after = written(text.encode(), asked(found, f"n/deploy/{service}", f"{field}={wanted}"))
        assert isinstance(after, bytes), after
        meant = json.loads(json.dumps(body))
        which, _, resource = field.rpartition(".")
        block = meant["services"][service]["resources"].setdefault(which or "requests", {})
        block[resource] = then = _value(after, is_json, service, which or "requests", resource)
        assert str(then) == wanted
        assert _loaded(after, is_json) == meant


def _loaded(data: bytes, is_json: bool) -> Any:
    return json.loads(data) if is_json else yaml.safe_load(data)


def _value(data: bytes, is_json: bool, service: str, which: str, resource: str) -> Any:
    return _loaded(data, is_json)["services"][service]["resources"][which][resource]


SEARCH = """
  - when: {kind: Search}
    each: spec.pools[*]
    container: "{metadata.namespace}/Deployment/{.name}/{.container}"
    values: {resources: .resources, image: spec.image}
    missing: add
  - when: {kind: Search}
    each: spec.*.*.*.*
    container: "n/Deployment/{metadata.name}/x"
    values: {requests.cpu: {path: .cpu, unit: cores}, image.tag: {path: .tag, repository: "{.repo}"}}
"""
OBJECT = "kind: Search\nmetadata: {name: a, namespace: n}\nspec:\n"
LAUGHS = "a: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))


@pytest.mark.parametrize(
    "text",
    [
        OBJECT + "  pools: &p\n  - name: a\n    container: c\n    resources: *p\n",  # a circle
        OBJECT + "  pools: &p [{name: a, container: c, resources: {requests: {cpu: 1}}}]\n  more: *p\n",
        OBJECT + "  base: &b {resources: {requests: {cpu: 1}}}\n  pools: [{name: a, container: c, <<: *b}]\n",
        OBJECT + "  pools: [{name: a, container: c, resources: {requests: 5}}]\n",
        OBJECT + "  pools: [{name: a, container: c, resources: [1]}]\n",
        OBJECT + "  pools: {name: a}\n",
        OBJECT + "  pools: 5\n",
        OBJECT + "  pools: [[[]], null, 5, {}, {name: {}}, {name: [a]}, {? {a: b} : c}]\n",
        OBJECT + "  pools: [{name: a, name: b, container: c}]\n",
        OBJECT + "  pools: [{name: ../../etc, container: c}, {name: 'a\\nb', container: c}]\n",
        OBJECT + '  pools: [{name: "\\u001b[2J", container: c}, {name: "\\u202e", container: "\\x07"}]\n',
        OBJECT + f"  pools: [{{name: {'9' * 4000}, container: {'a' * 4000}}}]\n",
        OBJECT + f"  pools: [{{name: a, container: c, resources: {{requests: {{cpu: {'9' * 5000}}}}}}}]\n",
        OBJECT + "  pools: [{name: a, container: c, resources: {requests: {cpu: !!python/object:x 1}}}]\n",
        OBJECT + "  a: {b: {c: {cpu: 0x10, tag: '\\0'}}}\n  d: {e: {f: {g: {cpu: 010, tag: [1]}}}}\n",
        OBJECT + "  pools: " + "[" * 150 + "]" * 150 + "\n",
        OBJECT + "  pools: " + "[" * 5000 + "]" * 5000 + "\n",
        OBJECT + "  pools: [" + ", ".join(["{name: a}"] * 20_000) + "]\n",
        LAUGHS + "kind: Search\nmetadata: {name: a}\nspec: {a: *a11}\n",
        "kind: Search\nmetadata: *nowhere\n",
        "kind: Search\nmetadata: {name: {{ x }}}\nspec: {pools: [{name: a}]}\n",
        "kind: SearchList\nitems: [{kind: SearchList, items: [{kind: Search, items: 5}]}, 5, null]\n",
        "kind: [Search]\n",
        '{"kind": "Search", "spec": {"pools": [{"name": "a", "container": "c"',
        "kind: Search\x00\n",
        "cpu: 1 # reconcile: " + "a/B/c/d requests.cpu," * 3000 + "\n",
        "cpu: 1 # reconcile: " + "/" * 50_000 + "\n",
        'i: 1 # {"$imagepolicy": "' + ":" * 50_000 + '"}\n',
        'i: 1 # {"$imagepolicy": ' + "[" * 90_000 + "}\n",
        "a:\n" + "- 1 # reconcile: n/Job/a/b requests.cpu\n" * 5_000,
        "i: &x 1 # reconcile: n/Job/a/b requests.cpu\nj: *x # reconcile: n/Job/a/c requests.cpu\n",
        "i: {a: 1 # reconcile: n/Job/a/b requests.cpu\n",
        "? i # reconcile: n/Job/a/b requests.cpu\n: 5 # reconcile: n/Job/a/b requests.cpu\n",
    ],
    ids=range(33),
)
def test_hostile_documents_get_a_reason_and_never_a_crash(text: str) -> None:
    for name in ("a.yaml", "a.json"):
        found = find({name: text}, SEARCH)
        for workload in found.workloads:
            for container in workload.containers:
                assert str(container.ref).isprintable()
                for slot in container.slots:
                    assert slot.value is None or slot.value.isprintable()
        assert all(note.detail.isprintable() and len(note.detail) < 600 for note in found.notes)
        assert len(found.notes) < 10


def test_an_alias_is_not_changed_for_everyone() -> None:
    text = OBJECT + "  pools: [&p {name: a, container: c, resources: {requests: {cpu: 1}}}, *p]\n"
    found = find({"a.yaml": text}, SEARCH)
    slots = [slot for each in found.workloads for one in each.containers for slot in one.slots]
    assert all(slot.refused for slot in slots if slot.field == "requests.cpu")


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=60), st.text(max_size=20))
def test_any_text_behind_a_marker_is_read_or_told(comment: str, value: str) -> None:
    text = f"a: {json.dumps(value)} # reconcile: {comment}\nb: 1\n"
    found = find({"a.yaml": text})
    slots = [slot for each in found.workloads for one in each.containers for slot in one.slots]
    assert all(isinstance(slot.refused, Refused) or slot.value == value for slot in slots)

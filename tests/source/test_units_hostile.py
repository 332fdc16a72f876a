"""Whatever a repository says, finding units ends, raises nothing, and never leaves the repository."""

from __future__ import annotations

import copy
import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from unit_repositories import CHART, SHOW, URL, application, found, known, unit, units

from reconciler.source.finding import find_units
from reconciler.source.settings import ChartSetting, Cluster, UnitSettings

HERE = {"repoURL": URL, "targetRevision": "HEAD"}
SOURCES: list[dict[str, Any]] = [
    {
        **HERE,
        "path": "chart",
        "helm": {
            "valueFiles": ["values.yaml", "$ref/values/a.yaml", "*.yaml"],
            "valuesObject": {"a": {"b": 1}},
            "values": "a: 1\n",
            "parameters": [{"name": "a", "value": "b", "forceString": True}],
            "fileParameters": [{"name": "f", "path": "values.yaml"}],
        },
    },
    {**HERE, "ref": "ref"},
    {
        **HERE,
        "path": "overlay",
        "kustomize": {
            "images": ["a=b:c@d"],
            "replicas": [{"name": "web", "count": 1}],
            "commonLabels": {"a": "b"},
            "commonAnnotations": {"a": "b"},
            "patches": [{"patch": "a: 1", "target": {"kind": "X"}}],
            "components": ["../part"],
        },
    },
    {
        **HERE,
        "path": "plain",
        "directory": {"recurse": True, "include": "*", "exclude": "{a,b}", "jsonnet": {}},
    },
]
SPEC: dict[str, Any] = {"destination": {"server": "https://eu", "namespace": "shop"}, "sources": SOURCES}
GENERATORS: list[dict[str, Any]] = [
    {
        "list": {
            "elements": [{"name": "a", "values": {"x": "y"}}],
            "elementsYaml": "- {name: z}",
            "template": {},
        }
    },
    {"git": {**HERE, "directories": [{"path": "*", "exclude": False}], "values": {"a": "{{path}}"}}},
    {
        "git": {**HERE, "files": [{"path": "values/*"}], "pathParamPrefix": "p"},
        "selector": {"matchLabels": {"a": "1"}},
    },
    {"clusters": {"selector": {"matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}]}}},
    {
        "matrix": {
            "generators": [
                {"list": {"elements": [{"n": "1"}]}},
                {"git": {**HERE, "directories": [{"path": "*"}]}},
            ]
        }
    },
    {
        "merge": {
            "mergeKeys": ["name"],
            "generators": [{"clusters": {}}, {"list": {"elements": [{"name": "eu"}]}}],
        }
    },
]
META = {"name": "x", "namespace": "y"}
OBJECTS: list[dict[str, Any]] = [
    {"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": META, "spec": SPEC},
    {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "ApplicationSet",
        "metadata": META,
        "spec": {
            "generators": GENERATORS,
            "template": {"metadata": {"name": "n-{{name}}"}, "spec": SPEC},
            "templatePatch": "spec: {}",
        },
    },
    {
        "apiVersion": "helm.toolkit.fluxcd.io/v2",
        "kind": "HelmRelease",
        "metadata": META,
        "spec": {
            "chart": {
                "spec": {
                    "chart": "chart",
                    "valuesFiles": ["a"],
                    "sourceRef": {"kind": "GitRepository", "name": "g"},
                }
            },
            "valuesFrom": [{"kind": "ConfigMap", "name": "c"}],
            "values": {"a": 1},
        },
    },
    {
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
        "kind": "Kustomization",
        "metadata": META,
        "spec": {
            "path": "overlay",
            "sourceRef": {"name": "flux-system"},
            "images": [{"name": "a"}],
            "patches": [{}],
        },
    },
    {
        "apiVersion": "source.toolkit.fluxcd.io/v1",
        "kind": "GitRepository",
        "metadata": {"name": "g"},
        "spec": {"url": URL},
    },
    {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"values.yaml": "a: 1"}},
    {"kind": "AplTeamWorkload", "metadata": {"name": "w"}, "spec": {"url": URL, "path": "chart"}},
]
JUNK = st.sampled_from(
    [None, True, 0, -1, 1.5, "", "x", "../..", "/etc/passwd", "{{name}}", "{{ .x", "[", "*" * 50, "$ref",
     "\x00", "a" * 300, [], {}, [None], [[]], {"": None}, {"a": {"a": {}}}, ["x", {}], {"path": []},
     {"matchLabels": []}]
)  # fmt: skip


def spots(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(spot for key, each in inner for spot in spots(each, (*path, key)))]


@st.composite
def damaged(draw: st.DrawFn) -> list[dict[str, Any]]:
    objects = copy.deepcopy(OBJECTS)
    for _ in range(draw(st.integers(1, 4))):
        path = draw(st.sampled_from([spot for spot in spots(objects) if len(spot) > 1]))
        at: Any = objects
        for key in path[:-1]:
            at = at[key]
        at[path[-1]] = copy.deepcopy(draw(JUNK))
    return objects


def files_of(objects: list[dict[str, Any]]) -> dict[str, str]:
    manifests = "\n---\n".join(json.dumps(each, ensure_ascii=True) for each in objects)
    return {
        "all.yaml": manifests,
        "chart/Chart.yaml": CHART,
        "chart/values.yaml": "a: 1\n",
        "chart/templates/a.yaml": SHOW,
        "chart/.argocd-source.yaml": json.dumps(objects[0].get("spec")),
        "overlay/kustomization.yaml": json.dumps({"resources": ["a.yaml"], **_table(objects[0])}),
        "overlay/a.yaml": "kind: X\n",
        "part/kustomization.yaml": "kind: Component\n",
        "plain/a.yaml": "kind: X\n",
        "values/a.yaml": "a: 1\n",
        "env/teams/t/workloads/w.yaml": json.dumps(objects[-1]),
    }


def _table(value: Any) -> dict[str, Any]:
    found_table = value.get("spec")
    return found_table if isinstance(found_table, dict) else {}


SETTINGS = UnitSettings((Cluster("eu", "https://eu"),), (ChartSetting("", "chart", ("values.yaml",)),))


def test_the_undamaged_repository_has_its_units() -> None:
    result = find_units([known(files_of(OBJECTS))], SETTINGS)
    assert {"x#1", "x#3", "x#4", "n-a#1", "n-eu#1", "chart", "x"} <= {one.name for one in result.units}


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(damaged())
def test_damaged_definitions_are_refused_and_never_raise(objects: list[dict[str, Any]]) -> None:
    files = files_of(objects)
    result = find_units([known(files)], SETTINGS)
    for one in result.units:
        assert one.source in ("", "deploy")
        for layer in one.layers:
            assert layer.place.path in files or layer.place.repository == ""
        assert set(one.manifests) <= files.keys()
        assert one.refused is None or one.refused.detail


def test_an_alias_bomb_is_told() -> None:
    bomb = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"{name}: &{name} [{', '.join([f'*{last}'] * 10)}]\n"
        for last, name in zip("abcdefg", "bcdefgh", strict=True)
    )
    result = found(
        {"bomb.yaml": application("web", "path: x") + bomb, "ok.yaml": application("ok", "path: .")}
    )
    assert [(each.what, each.path) for each in result.failures] == [("application", "bomb.yaml")]
    assert unit(result, "ok")
    values = found({"a.yaml": application("web", "path: chart"), "chart/Chart.yaml": bomb})
    assert unit(values, "web").refused is not None


def test_deep_and_wide_definitions_end() -> None:
    deep = json.dumps({"apiVersion": "argoproj.io/v1", "kind": "Application", "spec": {}})[:-1]
    files = {
        "deep.yaml": deep + ', "x": ' + "[" * 5000 + "]" * 5000 + "}",
        "wide.yaml": application(
            "wide", "path: .\nhelm: {valueFiles: [" + ", ".join(["'*/**/*/**/x'"] * 300) + "]}"
        ),
        **{f"d{at}/f.yaml": "" for at in range(200)},
    }
    result = found(files)
    assert [(each.what, each.path) for each in result.failures] == [("application", "deep.yaml")]
    assert "wide" in units(result)


def test_a_binary_file_with_the_right_words_is_told() -> None:
    result = found({"a.yaml": b"argoproj.io/v1 \xff\xfe", "b.yaml": "argoproj.io/v1".encode("utf-16")})
    assert [each.path for each in result.failures] == ["a.yaml"]

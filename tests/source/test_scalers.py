"""What scalers own of a workload's containers."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trees import deployment, found_in, only

from reconciler.source import scalers

CONTAINERS = "        - {name: app, image: a}\n        - {name: log, image: b}\n"
WEB = deployment(containers=CONTAINERS)
AIM = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}


def _scaled(version: str, kind: str, spec: object, metadata: object = None) -> list[tuple[str, ...]]:
    """Of each record: what is scaled, then the containers it is limited to."""
    body = {"apiVersion": version, "kind": kind, "metadata": metadata or {"name": "s"}, "spec": spec}
    workload = only(found_in({"web.yaml": WEB, "scaler.json": json.dumps(body)}))
    return [("+".join(scaler.resources), *scaler.containers) for scaler in workload.scalers]


def _resource(name: str) -> dict[str, object]:
    return {"type": "Resource", "resource": {"name": name}}


def _inside(name: str, container: str) -> dict[str, object]:
    return {"type": "ContainerResource", "containerResource": {"name": name, "container": container}}


EXTERNAL = {"type": "External", "external": {"metric": {"name": "queue"}}}
HORIZONTAL = {
    "v2 cpu": ("autoscaling/v2", {"metrics": [_resource("cpu")]}, [("cpu",)]),
    "v2beta1 memory": ("autoscaling/v2beta1", {"metrics": [_resource("memory")]}, [("memory",)]),
    "both": ("autoscaling/v2", {"metrics": [_resource("memory"), _resource("cpu")]}, [("cpu+memory",)]),
    "one container": ("autoscaling/v2", {"metrics": [_inside("cpu", "log")]}, [("cpu", "log")]),
    "each its own": (
        "autoscaling/v2",
        {"metrics": [_inside("cpu", "log"), _resource("memory")]},
        [("memory", "app"), ("cpu+memory", "log")],
    ),
    "another metric": ("autoscaling/v2", {"metrics": [EXTERNAL]}, [("",)]),
    "no metric means cpu": ("autoscaling/v2", {}, [("cpu",)]),
    "v1": ("autoscaling/v1", {"targetCPUUtilizationPercentage": 70}, [("cpu",)]),
    "v1 without a target": ("autoscaling/v1", {}, [("cpu",)]),
    "nonsense": ("autoscaling/v2", {"metrics": ["cpu", None, {"type": 3}, {"type": "Resource"}]}, [("",)]),
}


@pytest.mark.parametrize(("version", "spec", "expected"), HORIZONTAL.values(), ids=HORIZONTAL)
def test_a_horizontal_autoscaler(version: str, spec: dict[str, object], expected: object) -> None:
    assert _scaled(version, "HorizontalPodAutoscaler", {"scaleTargetRef": AIM, **spec}) == expected


def test_metrics_that_version_one_keeps_in_an_annotation() -> None:
    notes = {"autoscaling.alpha.kubernetes.io/metrics": json.dumps([_resource("memory")])}
    spec = {"scaleTargetRef": AIM}
    assert _scaled("autoscaling/v1", "HorizontalPodAutoscaler", spec, {"annotations": notes}) == [("memory",)]
    for broken in ("[", "[" * 100_000, "3", '"x"'):
        notes = {"autoscaling.alpha.kubernetes.io/metrics": broken}
        found = _scaled("autoscaling/v1", "HorizontalPodAutoscaler", spec, {"annotations": notes})
        assert found == [("cpu",)]


VERTICAL = {
    "default": ({}, [("cpu+memory",)]),
    "off": ({"updatePolicy": {"updateMode": "Off"}}, []),
    "initial": ({"updatePolicy": {"updateMode": "Initial"}}, [("cpu+memory",)]),
    "in place": ({"updatePolicy": {"updateMode": "InPlaceOrRecreate"}}, [("cpu+memory",)]),
    "memory only": (
        {
            "resourcePolicy": {
                "containerPolicies": [{"containerName": "*", "controlledResources": ["memory"]}]
            }
        },
        [("memory",)],
    ),
    "one container off": (
        {"resourcePolicy": {"containerPolicies": [{"containerName": "log", "mode": "Off"}]}},
        [("cpu+memory", "app")],
    ),
    "all but one off": (
        {
            "resourcePolicy": {
                "containerPolicies": [
                    {"containerName": "*", "mode": "Off"},
                    {"containerName": "log", "controlledResources": ["cpu"]},
                ]
            }
        },
        [("cpu", "log")],
    ),
    "all off": ({"resourcePolicy": {"containerPolicies": [{"containerName": "*", "mode": "Off"}]}}, []),
}


@pytest.mark.parametrize(("spec", "expected"), VERTICAL.values(), ids=VERTICAL)
def test_a_vertical_autoscaler(spec: dict[str, object], expected: object) -> None:
    spec = {"targetRef": AIM, **spec}
    assert _scaled("autoscaling.k8s.io/v1", "VerticalPodAutoscaler", spec) == expected


KEDA = {
    "cpu": ([{"type": "cpu"}], [("cpu",)]),
    "both": ([{"type": "memory"}, {"type": "cpu"}], [("cpu+memory",)]),
    "one container": ([{"type": "cpu", "metadata": {"containerName": "app"}}], [("cpu", "app")]),
    "a queue": ([{"type": "rabbitmq"}], [("",)]),
}


@pytest.mark.parametrize(("triggers", "expected"), KEDA.values(), ids=KEDA)
def test_a_scaled_object_means_a_deployment_unless_it_says_otherwise(
    triggers: object, expected: object
) -> None:
    spec = {"scaleTargetRef": {"name": "web"}, "triggers": triggers}
    assert _scaled("keda.sh/v1alpha1", "ScaledObject", spec) == expected


@pytest.mark.parametrize(
    "aim",
    [
        {**AIM, "name": "other"},
        {**AIM, "kind": "StatefulSet"},
        {**AIM, "apiVersion": "example.com/v1"},
        {**AIM, "kind": "Thing", "apiVersion": "example.com/v1"},
        {},
        "web",
        None,
    ],
)
def test_a_scaler_of_something_else_is_not_ours(aim: object) -> None:
    assert _scaled("autoscaling/v2", "HorizontalPodAutoscaler", {"scaleTargetRef": aim}) == []


def test_an_object_of_another_group_is_no_scaler() -> None:
    assert _scaled("example.com/v1", "HorizontalPodAutoscaler", {"scaleTargetRef": AIM}) == []


_json = st.recursive(
    st.none() | st.booleans() | st.text(max_size=5) | st.sampled_from(["cpu", "Resource", "Off", "*"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["spec", "metrics", "triggers", "type", "name", "resource", "targetRef", "scaleTargetRef"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(sorted(scalers.KINDS)), _json)
def test_no_shape_of_a_scaler_makes_it_raise(kind: str, body: object) -> None:
    found = scalers.read(kind, "s", "", 1, body)
    if found is not None:
        for scaler in scalers.attach(found, ["app"], "a.yaml"):
            assert set(scaler.resources) <= {"cpu", "memory"}

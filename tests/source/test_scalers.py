"""What scalers own of a workload's containers."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trees import deployment, found_in, only

from reconciler.model import FIELDS, NewValue, Reason
from reconciler.source import facts as records
from reconciler.source import manifests, scalers
from reconciler.source.rewrite import rewrite_values
from reconciler.source.rows import scan_rows

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


# -- what they aim for ----------------------------------------------------------------------------


def _object(version: str, kind: str, spec: object) -> dict[str, object]:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": "s"}, "spec": spec}


def _aimed(version: str, kind: str, spec: dict[str, object]) -> list[tuple[str, str, str | None, object]]:
    """Of each aim: the resource, whose, the per cent, and where they stand."""
    body = {
        "apiVersion": version,
        "kind": kind,
        "metadata": {"name": "s"},
        "spec": {"scaleTargetRef": AIM, **spec},
    }
    (found,) = manifests.read(json.dumps(body).encode()).scalers
    return [(aim.resource, aim.container, aim.percent, aim.keys) for aim in found.aims]


def _metric(name: str, **target: object) -> dict[str, object]:
    return {"type": "Resource", "resource": {"name": name, "target": target}}


_WAY = ("spec", "metrics", 0, "resource", "target", "averageUtilization")
AIMS: dict[str, tuple[str, dict[str, object], list[object]]] = {
    "v2": (
        "autoscaling/v2",
        {"metrics": [_metric("cpu", type="Utilization", averageUtilization=60)]},
        [("cpu", "*", "60", _WAY)],
    ),
    "v2 amount": (
        "autoscaling/v2",
        {"metrics": [_metric("memory", type="AverageValue", averageValue="1Gi")]},
        [("memory", "*", None, ())],
    ),
    "the type says which counts": (
        "autoscaling/v2",
        {"metrics": [_metric("cpu", type="AverageValue", averageValue="1", averageUtilization=60)]},
        [("cpu", "*", None, ())],
    ),
    "v2beta1": (
        "autoscaling/v2beta1",
        {"metrics": [{"type": "Resource", "resource": {"name": "cpu", "targetAverageUtilization": 50}}]},
        [("cpu", "*", "50", ("spec", "metrics", 0, "resource", "targetAverageUtilization"))],
    ),
    "v1": (
        "autoscaling/v1",
        {"targetCPUUtilizationPercentage": 70},
        [("cpu", "*", "70", ("spec", "targetCPUUtilizationPercentage"))],
    ),
    "nothing means 80": (
        "autoscaling/v2",
        {},
        [("cpu", "*", "80", ("spec", "targetCPUUtilizationPercentage"))],
    ),
    "another resource, another metric": (
        "autoscaling/v2",
        {"metrics": [_metric("ephemeral-storage", averageUtilization=3), EXTERNAL, "cpu", None]},
        [],
    ),
}


@pytest.mark.parametrize(("version", "spec", "aims"), AIMS.values(), ids=AIMS)
def test_what_a_horizontal_autoscaler_aims_for(version: str, spec: dict[str, object], aims: object) -> None:
    assert _aimed(version, "HorizontalPodAutoscaler", spec) == aims


def test_what_triggers_of_keda_aim_for() -> None:
    triggers = [
        {"type": "cron", "metadata": {"value": "60"}},
        {"type": "cpu", "metricType": "Utilization", "metadata": {"value": "60"}},
        {"type": "memory", "metadata": {"type": "Utilization", "value": "70", "containerName": "app"}},
        {"type": "cpu", "metricType": "AverageValue", "metadata": {"value": "1"}},
        {"type": "cpu", "metadata": {"value": "60"}},  # KEDA refuses it
    ]
    assert _aimed("keda.sh/v1alpha1", "ScaledObject", {"triggers": triggers}) == [
        ("cpu", "*", "60", ("spec", "triggers", 1, "metadata", "value")),
        ("memory", "app", "70", ("spec", "triggers", 2, "metadata", "value")),
        ("cpu", "*", None, ()),
    ]


def test_targets_are_slots_of_the_containers_that_count() -> None:
    metrics = [
        _metric("cpu", averageUtilization=60),
        {
            "type": "ContainerResource",
            "containerResource": {"name": "memory", "container": "log", "target": {"averageUtilization": 80}},
        },
    ]
    body = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "s"},
            "spec": {"scaleTargetRef": AIM, "metrics": metrics}}  # fmt: skip
    found = found_in({"web.yaml": WEB, "scaler.json": json.dumps(body)})
    app, log = only(found).containers
    assert [(slot.field.value, slot.value) for slot in app.slots[len(FIELDS) :]] == [("target.cpu", "60")]
    assert [(slot.field.value, slot.value) for slot in log.slots[len(FIELDS) :]] == [
        ("target.cpu", "60"),
        ("target.memory", "80"),
    ]
    assert app.slots[-1].consumers == (app.ref, log.ref)
    assert log.slots[-1].consumers == (log.ref,)
    rows = [row for row in scan_rows(found, targets=True) if row["field"].startswith("target.")]
    assert [(row["container"], row["field"], row["path"], row["traced"]) for row in rows] == [
        ("app", "target.cpu", "scaler.json", True),
        ("log", "target.cpu", "scaler.json", True),
        ("log", "target.memory", "scaler.json", True),
    ]
    assert len(scan_rows(found)) == 2 * len(FIELDS)


@pytest.mark.parametrize("percent", ["080", "60%", "60.5", "-1", "0"])
def test_a_target_that_is_no_whole_number_is_left_alone(percent: str) -> None:
    text = (
        WEB
        + f"""---
apiVersion: autoscaling/v1
kind: HorizontalPodAutoscaler
metadata: {{name: s}}
spec: {{scaleTargetRef: {{kind: Deployment, name: web}}, targetCPUUtilizationPercentage: {percent}}}
"""
    )
    slot = only(found_in({"web.yaml": text})).containers[0].slots[-1]
    assert slot.refused is not None
    assert slot.refused.reason is Reason.BAD_QUANTITY


def test_what_a_cache_keeps_is_what_was_found() -> None:
    metrics = [_metric("cpu", averageUtilization=60), _metric("memory", averageValue="1")]
    body = _object("autoscaling/v2", "HorizontalPodAutoscaler", {"scaleTargetRef": AIM, "metrics": metrics})
    facts = manifests.read(json.dumps(body).encode())
    again = records.load(json.loads(json.dumps(records.dump(facts))))
    assert tuple(again.scalers) == tuple(facts.scalers)


def test_a_target_is_not_written_into_what_scales_another_one() -> None:
    hpa = """apiVersion: autoscaling/v1
kind: HorizontalPodAutoscaler
metadata: {name: s}
spec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}, targetCPUUtilizationPercentage: 60}
"""
    slot = only(found_in({"web.yaml": WEB, "hpa.yaml": hpa})).containers[0].slots[-1]
    value = NewValue(slot, "75")
    changed, refused = rewrite_values({"hpa.yaml": hpa.encode()}, [value])
    assert refused is None
    assert b"Percentage: 75}" in changed["hpa.yaml"].after
    changed, refused = rewrite_values({"hpa.yaml": hpa.replace("web", "api").encode()}, [value])
    assert not changed
    assert refused is not None
    assert refused.reason is Reason.UNPROVEN
    assert "scales Deployment/api, not Deployment/web" in refused.detail

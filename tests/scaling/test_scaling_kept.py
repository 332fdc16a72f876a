"""What autoscalers are left alone in, through a whole run: each with the reason and the words for it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from rendered_world import put_tools_on_path
from world import Used, World, manifest, ref

from reconciler.model import Reason, Report

MI = 1 << 20
WEB = manifest("web")
CHART = {
    "chart/Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.0.0\n",
    "chart/values.yaml": "target: 60\nrequests: {cpu: 500m, memory: 512Mi}\n",
    "chart/templates/deployment.yaml": WEB.replace("500m", "{{ .Values.requests.cpu }}").replace(
        "512Mi", "{{ .Values.requests.memory }}"
    ),
}
UNIT = {"units": [{"path": "chart", "namespace": "shop", "releaseName": "web"}]}


def hpa(
    spec: str, kind: str = "HorizontalPodAutoscaler", name: str = "web", version: str = "autoscaling/v2"
) -> str:
    aim = "scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}"
    head = f"apiVersion: {version}\nkind: {kind}\nmetadata: {{name: {name}, namespace: shop}}\n"
    return f"{head}spec: {{{aim}{spec}}}\n"


def resource(percent: str, name: str = "cpu") -> str:
    target = f"{{type: Utilization, averageUtilization: {percent}}}"
    return f"{{type: Resource, resource: {{name: {name}, target: {target}}}}}"


ONE = hpa(f", metrics: [{resource('60')}]")
_VALUE = "{{ .Values.autoscaling }}"
_NOTE = '\'[{"type": "Resource", "resource": {"name": "cpu", "targetAverageUtilization": 60}}]\''
KEPT: dict[str, tuple[Mapping[str, str], str, str]] = {
    "no target": ({"hpa.yaml": hpa("")}, "scaled-by-hpa", "Kubernetes takes 80 %: write it down"),
    "in an annotation": (
        {
            "hpa.yaml": hpa("", version="autoscaling/v1").replace(
                "name: web, ",
                f"name: web, annotations: {{autoscaling.alpha.kubernetes.io/metrics: {_NOTE}}}, ",
                1,
            )
        },
        "scaled-by-hpa",
        "stands within the annotation",
    ),
    "two autoscalers": (
        {"hpa.yaml": f"{ONE}---\n{ONE.replace('name: web,', 'name: more,')}"},
        "scaled-by-hpa",
        "more",
    ),
    "KEDA beside": (
        {
            "hpa.yaml": ONE,
            "keda.yaml": hpa(
                ", triggers: [{type: cpu, metricType: Utilization, metadata: {value: '60'}}]",
                "ScaledObject",
                version="keda.sh/v1alpha1",
            ),
        },
        "scaled-by-hpa",
        "ScaledObject web",
    ),
    "KEDA without a type": (
        {
            "k.yaml": hpa(
                ", triggers: [{type: cpu, metadata: {value: '60'}}]", "ScaledObject", version="keda.sh/v1"
            )
        },
        "scaled-by-keda",
        "another request would change what it does",
    ),
    "VPA": (
        {
            "vpa.yaml": hpa("", "VerticalPodAutoscaler", version="autoscaling.k8s.io/v1").replace(
                "scaleT", "t"
            )
        },
        "scaled-by-vpa",
        "acts on the cpu",
    ),
    "a sidecar without a request": (
        {"hpa.yaml": ONE, "web.yaml": f"{WEB}        - {{name: proxy, image: p}}\n"},
        "scaled-by-hpa",
        "without a request of proxy: set one first",
    ),
    "limits below": (
        {
            "hpa.yaml": hpa(f", metrics: [{resource('120')}]"),
            "web.yaml": manifest("web", more="            limits: {cpu: 520m}\n"),
        },
        "scaled-by-hpa",
        "600m a pod, which limits of 520m never let them reach",
    ),
    "a chart that writes it itself": (
        {**CHART, "chart/templates/hpa.yaml": hpa(f", metrics: [{resource('80')}]")},
        "scaled-by-hpa",
        "no value of the chart",
    ),
    "a chart with one value for both": (
        {
            **CHART,
            "chart/values.yaml": CHART["chart/values.yaml"].replace("target", "autoscaling"),
            "chart/templates/hpa.yaml": hpa(f", metrics: [{resource(_VALUE)}, {resource(_VALUE, 'memory')}]"),
        },
        "side-effect",
        "spec.metrics[1]",
    ),
    "a chart that adds to it": (
        {
            **CHART,
            "chart/values.yaml": CHART["chart/values.yaml"].replace("target", "autoscaling"),
            "chart/templates/hpa.yaml": hpa(f", metrics: [{resource('{{ add .Values.autoscaling 5 }}')}]"),
        },
        "scaled-by-hpa",
        "can't",
    ),
}


@pytest.mark.parametrize(("files", "reason", "words"), KEPT.values(), ids=KEPT)
def test_kept(
    files: Mapping[str, str], reason: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_tools_on_path(monkeypatch)
    chart = "chart/Chart.yaml" in files
    everything = dict(files) if chart else {"web.yaml": WEB, **files}
    world = World(tmp_path, everything, [Used(ref("web"), 200, 400 * MI)], **(UNIT if chart else {}))
    report = world.run()
    assert not any(value.slot.field.resource == "cpu" for change in report.changes for value in change.values)
    assert _told(report, reason)
    assert any(words in detail for detail in _told(report, reason)), _told(report, reason)
    assert world.requests() == [] or "cpu" not in world.requests()[0].body


def _told(report: Report, reason: str) -> list[str]:
    cpu = [keep for keep in report.kept if keep.slot.field.resource == "cpu"]
    return [keep.detail for keep in cpu if keep.reason is Reason(reason)]

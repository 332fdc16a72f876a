"""From a heap in a manifest, an overlay or a chart's values to the request that a run proposes."""

from __future__ import annotations

from pathlib import Path

import pytest
from rendered_world import DEPLOYMENT, application, overlay, put_tools_on_path
from typer.testing import CliRunner
from world import NOW, Used, World, manifest

from reconciler.cli import app
from reconciler.model import Change, ContainerRef, Field, Keep, Reason, Report

MIB = 1 << 20
DEPLOY = "https://git.example.com/platform/deploy.git"
FAST = """\
apiVersion: reconciler/v1
kind: Policy
metadata: {name: fast}
resources: {step: {down: 95%}, memory: {limit: keep}}
"""
HEAP = '          env: [{name: JAVA_OPTS, value: "-server -Xmx1g"}]\n'
SHARE = '          env: [{name: JAVA_TOOL_OPTIONS, value: "-XX:MaxRAMPercentage=75.0"}]\n'
SETTINGS = """\
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: shop}
data:
  JAVA_OPTS: -Xmx2g
  motd: hello
"""
FROM = "          envFrom: [{configMapRef: {name: settings}}]\n"
LIMITED = """\
          env: [{name: JAVA_OPTS, value: -Xmx2g}]
"""


def used(*names: str, namespace: str = "shop", container: str = "app") -> list[Used]:
    return [
        Used(ContainerRef("", namespace, "Deployment", name, container), 400, 300 * MIB) for name in names
    ]


def world(folder: Path, files: dict[str, str], seen: list[Used]) -> World:
    (folder / "policies").mkdir()
    (folder / "policies" / "fast.yaml").write_text(FAST, encoding="utf-8")
    deploy = {"url": str(folder / "deploy.git"), "branch": "main", "aliases": [DEPLOY]}
    return World(folder, files, seen, policies="policies", repositories=[deploy])


def memory(report: Report) -> dict[str, str]:
    """Of each workload the memory that is proposed, or why it is kept."""
    found = {}
    for change in report.changes:
        for slot, new in change.values:
            if slot.field is Field.MEMORY_REQUEST and slot.consumers[0].container != "side":
                found[slot.consumers[0].workload] = new
    for kept in report.kept:
        if kept.slot.field is Field.MEMORY_REQUEST and kept.slot.consumers[0].container != "side":
            found[kept.slot.consumers[0].workload] = kept.reason.value
    return found


def row(report: Report, workload: str) -> Change | Keep:
    rows: list[Change | Keep] = [*report.changes, *report.kept]
    slots = {id(one): one.slot if isinstance(one, Keep) else one.values[0].slot for one in rows}
    (found,) = [
        one
        for one in rows
        if slots[id(one)].field is Field.MEMORY_REQUEST
        and slots[id(one)].consumers[0][-2:] == (workload, "app")
    ]
    return found


def test_manifests_with_their_config_maps(tmp_path: Path) -> None:
    files = {
        "shop/plain.yaml": manifest("plain", memory="4Gi"),
        "shop/heap.yaml": manifest("heap", memory="4Gi", more=HEAP),
        "shop/share.yaml": manifest("share", memory="4Gi", more=SHARE),
        "shop/mapped.yaml": manifest("mapped", memory="4Gi", more=FROM),
        "shop/settings.yaml": SETTINGS.removeprefix("---\n"),
    }
    one = world(tmp_path, files, used("plain", "heap", "share", "mapped"))
    report = one.run(write=False)

    assert report.failed == ()
    assert memory(report) == {
        "plain": "360Mi",
        "heap": "1280Mi",  # 1Gi and a quarter of it
        "share": Reason.PERCENTAGE_HEAP.value,
        "mapped": "2432Mi",  # 2Gi, a quarter of the first and a tenth of the second, rounded up
    }
    change = row(report, "heap")
    assert isinstance(change, Change)
    assert "-Xmx1g (env JAVA_OPTS) and the room beside it can fill 1280Mi" in change.because
    (proposal,) = report.proposals
    assert "started with `-Xmx1g (env JAVA_OPTS)`;" in proposal.body
    mapped = row(report, "mapped")
    assert isinstance(mapped, Change)
    assert "-Xmx2g (ConfigMap settings: JAVA_OPTS)" in mapped.because
    again = one.run(write=False)  # out of the cache
    assert memory(again) == memory(report)
    assert [change.evidence for change in again.changes] == [change.evidence for change in report.changes]


def test_a_heap_above_its_limit_is_noted(tmp_path: Path) -> None:
    text = manifest("web", memory="1Gi", more=LIMITED).replace(
        "            requests:", "            limits: {memory: 1500Mi}\n            requests:"
    )
    report = world(tmp_path, {"shop/web.yaml": text}, used("web")).run(write=False)

    (note,) = [note for note in report.notes if note.what == "heap-above-limit"]
    assert "Deployment/web/app: -Xmx2g (env JAVA_OPTS) is more than its memory limit of 1500Mi" in note.detail
    assert (note.path, note.line) == ("shop/web.yaml", 14)
    assert memory(report) == {"web": "1500Mi"}  # no further than the limit, which only usage moves


def test_two_config_maps_of_one_name_are_nobodys(tmp_path: Path) -> None:
    files = {
        "shop/mapped.yaml": manifest("mapped", memory="4Gi", more=FROM) + SETTINGS,
        "shop/other.yaml": SETTINGS.removeprefix("---\n").replace("2g", "3g"),
    }
    report = world(tmp_path, files, used("mapped")).run(write=False)

    assert memory(report) == {"mapped": "360Mi"}


API = manifest("api", memory="4Gi", more=FROM).replace("  namespace: shop  # where it lives\n", "")


def test_overlays_whose_config_maps_are_generated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_tools_on_path(monkeypatch)
    generated = 'configMapGenerator:\n- name: settings\n  literals: ["JAVA_OPTS=-Xmx1g"]\n'
    files = {
        "base/kustomization.yaml": "resources: [api.yaml]\n",
        "base/api.yaml": API,
        "overlays/prod/kustomization.yaml": overlay("k-prod", "1.2") + generated,
    }
    report = world(tmp_path, files, used("api", namespace="k-prod")).run(write=False)

    assert report.failed == ()
    assert memory(report) == {"api": "1280Mi"}


CHART = DEPLOYMENT.replace(
    '- {name: HEAP, value: "{{ .Values.heap }}"}', "- {name: JAVA_OPTS, value: {{ .Values.java }}}"
)
VALUES = """\
replicas: 2
java: -Xms256m -Xmx1g
image: {repository: nginx, tag: "1.25"}
resources:
  requests: {cpu: 500m, memory: 4Gi}
side: {}
"""


def test_a_chart_whose_values_say_the_heap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_tools_on_path(monkeypatch)
    files = {
        "apps/dev.yaml": application("web-dev", "dev", "dev.yaml"),
        "apps/prod.yaml": application("web-prod", "prod", "prod.yaml"),
        "charts/web/Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.0.0\n",
        "charts/web/values.yaml": VALUES,
        "charts/web/templates/deployment.yaml": CHART,
        "charts/web/dev.yaml": "resources: {requests: {memory: 4Gi}}\n",
        "charts/web/prod.yaml": 'java: "-Xmx2g"\nresources: {requests: {memory: 4Gi}}\n',
    }
    seen = used("web-dev", namespace="dev") + used("web-prod", namespace="prod")
    report = world(tmp_path, files, seen).run(write=False)

    assert report.failed == ()
    found = memory(report)
    assert (found["web-dev"], found["web-prod"]) == ("1280Mi", "2432Mi")
    prod = row(report, "web-prod")
    assert isinstance(prod, Change)
    assert "-Xmx2g (env JAVA_OPTS)" in prod.because


def test_the_command_line_tells_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RECONCILE_CONFIG", raising=False)
    files = {"shop/heap.yaml": manifest("heap", memory="4Gi", more=HEAP)}
    one = world(tmp_path, files, used("heap"))
    common = ["--config", str(one.settings), "--now", str(NOW)]

    ran = CliRunner().invoke(app, ["run", "--dry-run", *common])
    assert ran.exit_code == 0, ran.output
    assert "4Gi → 1280Mi" in ran.output
    told = CliRunner().invoke(app, ["explain", "heap", *common])
    assert told.exit_code == 0, told.output
    assert "runtime" in told.output
    assert "-Xmx1g (env JAVA_OPTS)" in told.output

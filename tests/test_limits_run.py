"""Runs with limits, quotas, nodes and devices, from a repository to its merge requests."""

from __future__ import annotations

from pathlib import Path

from world import Used, World, manifest, ref

from reconciler.model import Keep, Reason, Report
from reconciler.quantity import parse_cpu, parse_memory

MI = 1 << 20
QUOTA = """\
apiVersion: v1
kind: ResourceQuota
metadata: {name: budget, namespace: shop}
spec:
  hard: {requests.cpu: 24000m}
"""
GPU = """\
              nvidia.com/gpu: 1   # the dear one
              ephemeral-storage: 2Gi
            limits: {nvidia.com/gpu: 1, ephemeral-storage: 2Gi, memory: 512Mi}
"""


def kept(report: Report, name: str, field: str) -> Keep:
    return next(
        one for one in report.kept if one.slot.consumers[0].workload == name and one.slot.field.value == field
    )


def raised(report: Report) -> dict[str, int]:
    return {
        value.slot.consumers[0].workload: parse_cpu(value.new)
        for one in report.changes
        for value in one.values
        if value.slot.field.value == "requests.cpu"
    }


def test_raises_share_what_a_quota_leaves(tmp_path: Path) -> None:
    """Three workloads of two pods each, and room for what two of them want."""
    names = ("api", "shop", "web")
    files = {f"{name}.yaml": manifest(name, cpu="300m") for name in names}
    used = [Used(ref(name), 330, 400 * MI) for name in names]
    for folder in ("roomy", "tight"):
        (tmp_path / folder).mkdir()
    roomy = World(tmp_path / "roomy", {**files, "namespace.yaml": QUOTA}, used).run(write=False)

    assert set(raised(roomy)) == {*names}
    (wanted,) = {*raised(roomy).values()}
    hard = 3 * 2 * 300 + 2 * 2 * (wanted - 300) + 30
    quota = QUOTA.replace("24000m", f"{hard}m")
    tight = World(tmp_path / "tight", {**files, "namespace.yaml": quota}, used).run(write=False)

    assert raised(tight) == {"api": wanted, "shop": wanted}
    why = kept(tight, "web", "requests.cpu")
    assert why.reason is Reason.QUOTA
    assert "ResourceQuota budget (namespace.yaml:1) allows in shop 30m are left" in why.detail


def test_the_largest_node_is_the_settings_word(tmp_path: Path) -> None:
    sidecar = """\
        - name: proxy
          image: envoy
          resources: {requests: {cpu: 200m, memory: 64Mi}}
"""
    files = {"web.yaml": manifest("web", cpu="500m", more=sidecar)}
    used = [Used(ref("web")._replace(cluster="prod"), 2000, 400 * MI)]
    world = World(tmp_path, files, used, clusters=[{"name": "prod", "nodes": {"cpu": "1"}}])

    report = world.run(write=False)

    (change,) = report.changes
    assert {value.slot.field.value: value.new for value in change.values} == {"requests.cpu": "800m"}
    assert any("the largest node: 1000m" in stage.words for stage in change.stages)


def test_devices_and_storage_are_left_alone_byte_for_byte(tmp_path: Path) -> None:
    files = {"gpu.yaml": manifest("gpu", cpu="300m", memory="512Mi", more=GPU)}
    used = [Used(ref("gpu"), 400, 100 * MI)]
    world = World(tmp_path, files, used)

    report = world.run()

    assert kept(report, "gpu", "requests.memory").reason is Reason.ACCELERATOR
    (request,) = world.requests()
    before, after = files["gpu.yaml"], world.files(request.branch)["gpu.yaml"].decode()
    assert after == before.replace("cpu: 300m ", f"cpu: {raised(report)['gpu']}m ")


def test_a_policy_moves_limits_by_their_share(tmp_path: Path) -> None:
    policy = """\
apiVersion: reconciler/v1
kind: Policy
metadata: {name: limits}
resources:
  cpu: {limit: ratio}
  memory: {limit: 150%, missingLimit: add}
"""
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "limits.yaml").write_text(policy, encoding="utf-8")
    files = {"web.yaml": manifest("web", "500m", "300Mi", more="            limits: {cpu: 1}\n")}
    world = World(tmp_path, files, [Used(ref("web"), 700, 400 * MI)], policies="policies")

    report = world.run()

    news = {value.slot.field.value: value.new for one in report.changes for value in one.values}
    cpu, memory = parse_cpu(news["requests.cpu"]), parse_memory(news["requests.memory"])
    assert cpu > 500
    assert parse_cpu(news["limits.cpu"]) == 2 * cpu
    assert memory > 300 * MI
    assert parse_memory(news["limits.memory"]) - memory * 3 // 2 in range(16 * MI)
    (request,) = world.requests()
    text = world.files(request.branch)["web.yaml"].decode()
    assert f"limits: {{cpu: {news['limits.cpu']}, memory: {news['limits.memory']}}}" in text

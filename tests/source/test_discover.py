"""A repository as a whole: environments, charts, kustomizations, and one thing defined twice."""

from __future__ import annotations

import gc

import pytest
from trees import Tree, deployment, found_in, only

from reconciler.model import Discovery, Reason, Workload
from reconciler.source.compose import UnitSetting
from reconciler.source.discover import OPT_OUT, discover, opted_out
from reconciler.source.rows import scan_rows

KUSTOMIZATION = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"
HPA = """\
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  metrics:
    - {type: Resource, resource: {name: cpu}}
"""


def _reasons(workload: Workload) -> set[Reason | None]:
    return {slot.refused and slot.refused.reason for c in workload.containers for slot in c.slots}


def _detail(workload: Workload) -> str:
    refused = workload.containers[0].slots[0].refused
    return refused.detail if refused else ""


def _by_path(discovery: Discovery) -> dict[str, Workload]:
    return {workload.path: workload for workload in discovery.workloads}


# -- where ----------------------------------------------------------------------------------------


def test_namespace_and_cluster_come_from_the_manifest_then_from_the_nearest_setting() -> None:
    files = {
        "apps/prod/web.yaml": deployment(),
        "apps/prod/eu/web.yaml": deployment(),
        "apps/production/web.yaml": deployment(),
        "apps/prod/own.yaml": deployment("own", metadata="  namespace: mine\n"),
        "root.yaml": deployment("root"),
    }
    units = [
        UnitSetting("apps/prod/eu", "", "eu"),
        UnitSetting("./apps/prod/", "prod", "main"),
        UnitSetting("apps", "apps", ""),
    ]
    found = {w.path: (w.unit, w.cluster, w.namespace) for w in found_in(files, units, ["a", "b"]).workloads}
    assert found == {
        "apps/prod/web.yaml": ("apps/prod", "main", "prod"),
        "apps/prod/eu/web.yaml": ("apps/prod/eu", "eu", "prod"),
        "apps/production/web.yaml": ("apps/production", "", "apps"),
        "apps/prod/own.yaml": ("apps/prod", "main", "mine"),
        "root.yaml": (".", "", ""),
    }


def test_the_only_cluster_is_meant_everywhere() -> None:
    assert only(found_in({"a.yaml": deployment()}, (), ["one"])).containers[0].ref.cluster == "one"
    assert only(found_in({"a.yaml": deployment()}, [UnitSetting(".", "all", "")], [])).namespace == "all"


def test_the_blob_of_each_file_with_workloads_is_told() -> None:
    tree = Tree({"a.yaml": deployment(), "b.yaml": "kind: ConfigMap\n"})
    found = discover(tree, (), ())
    assert found.blobs == {"a.yaml": tree.entries()[0].blob}
    assert (found.repository, found.commit) == ("deploy", "c0ffee")


# -- charts and kustomizations ----------------------------------------------------------------------


def test_templates_of_a_chart_are_not_read() -> None:
    files = {
        "charts/web/Chart.yaml": "name: web\n",
        "charts/web/templates/a.yaml": deployment("{{ .Release.Name }}"),
        "charts/web/templates/deep/b.yaml": deployment("b"),
        "charts/web/ci/c.yaml": deployment("c"),
        "elsewhere/templates/d.yaml": deployment("d"),
    }
    found = found_in(files)
    assert [w.name for w in found.workloads] == ["c", "d"]
    assert found.notes == ()
    assert found_in({"Chart.yaml": "", "templates/a.yaml": deployment()}).workloads == ()


def test_what_a_kustomization_takes_in_is_refused_in_the_name_of_the_outermost() -> None:
    files = {
        "base/kustomization.yaml": KUSTOMIZATION + "resources: [web.yaml, ./more/api.yaml]\n",
        "base/web.yaml": deployment(),
        "base/more/api.yaml": deployment("api"),
        "base/loose.yaml": deployment("loose"),
        "overlays/mid/kustomization.yml": "bases: [../../base]\n",
        "overlays/prod/Kustomization": "resources: [../mid]\n",
        "overlays/test/kustomization.yaml": "components: [../../base/]\nresources: [https://x.io/y?ref=1]\n",
    }
    found = _by_path(found_in(files))
    assert _reasons(found["base/web.yaml"]) == _reasons(found["base/more/api.yaml"]) == {Reason.RENDERED}
    assert "overlays/prod/Kustomization, overlays/test/kustomization.yaml" in _detail(found["base/web.yaml"])
    assert _reasons(found["base/loose.yaml"]) == {None}


def test_patches_are_no_workloads() -> None:
    files = {
        "kustomization.yaml": "patches: [{path: p1.yaml}, {patch: '- op: x'}]\n"
        "patchesStrategicMerge: [p2.yaml, 'a: b\n\n  c: d']\npatchesJson6902: [{path: p3.yaml}]\n",
        "p1.yaml": deployment(),
        "p2.yaml": deployment(),
        "p3.yaml": deployment(),
        "web.yaml": deployment(),
    }
    found = found_in(files)
    assert list(_by_path(found)) == ["web.yaml"]
    assert _reasons(only(found)) == {None}


@pytest.mark.parametrize("content", ["resources: [../b]\n", "resources: [., ../a, ../b, ../../..]\n"])
def test_kustomizations_in_a_circle_come_to_an_end(content: str) -> None:
    files = {
        "a/kustomization.yaml": content,
        "b/kustomization.yaml": "resources: [../a, web.yaml]\n",
        "b/web.yaml": deployment(),
    }
    assert _reasons(only(found_in(files))) == {Reason.RENDERED}


def test_a_kustomization_that_cannot_be_read_may_render_its_folder() -> None:
    files = {
        "a/kustomization.yaml": "resources: [\n",
        "a/web.yaml": deployment(),
        "b/api.yaml": deployment("api"),
    }
    found = found_in(files)
    assert [(f.path, f.line) for f in found.failures] == [("a/kustomization.yaml", 2)]
    assert _reasons(_by_path(found)["a/web.yaml"]) == {Reason.RENDERED}
    assert _reasons(_by_path(found)["b/api.yaml"]) == {None}


def test_a_flux_object_named_like_a_kustomization_renders_nothing_here() -> None:
    flux = "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nresources: [web.yaml]\n"
    assert _reasons(only(found_in({"kustomization.yaml": flux, "web.yaml": deployment()}))) == {None}


def test_links_in_a_kustomization_lead_to_the_file() -> None:
    files = {"real/web.yaml": deployment(), "k/kustomization.yaml": "resources: [linked/web.yaml]\n"}
    found = discover(Tree(files, links={"k/linked": "../real"}), (), ())
    assert _reasons(only(found)) == {Reason.RENDERED}
    assert [(note.what, note.path) for note in found.notes] == [("symlink", "k/linked")]


# -- twice ------------------------------------------------------------------------------------------


def test_one_workload_in_two_places_is_refused_in_both() -> None:
    files = {"a.yaml": deployment(), "b.yaml": deployment("other") + "---\n" + deployment()}
    first, other, second = found_in(files).workloads
    assert _reasons(other) == {None}
    assert _reasons(first) == _reasons(second) == {Reason.DEFINED_TWICE}
    assert "a.yaml:1" in _detail(first)
    assert "b.yaml:12" in _detail(first)


def test_folders_without_a_namespace_may_be_applied_to_two() -> None:
    files = {"dev/web.yaml": deployment(), "prod/web.yaml": deployment()}
    assert [_reasons(workload) for workload in found_in(files).workloads] == [{None}] * 2
    known = found_in(files, [UnitSetting(".", "one", "")])
    assert [_reasons(workload) for workload in known.workloads] == [{Reason.DEFINED_TWICE}] * 2


def test_namespaces_clusters_and_kinds_keep_equal_names_apart() -> None:
    files = {
        "a.yaml": deployment(metadata="  namespace: a\n"),
        "b.yaml": deployment(metadata="  namespace: b\n"),
        "c/web.yaml": deployment(metadata="  namespace: a\n"),
        "d.yaml": deployment(metadata="  namespace: a\n").replace("Deployment", "StatefulSet"),
    }
    found = found_in(files, [UnitSetting("c", "", "other")])
    assert [_reasons(workload) for workload in found.workloads] == [{None}] * 4


def test_what_is_rendered_has_another_name_later_and_defines_nothing_twice() -> None:
    files = {
        "k/kustomization.yaml": "resources: [web.yaml]\n",
        "k/web.yaml": deployment(),
        "web.yaml": deployment(),
    }
    assert _reasons(_by_path(found_in(files))["web.yaml"]) == {None}


def test_two_containers_of_one_name_are_refused_and_the_third_is_not() -> None:
    rows = "".join(f"        - {{name: {name}, image: x}}\n" for name in ("a", "b", "a"))
    containers = only(found_in({"a.yaml": deployment(containers=rows)})).containers
    assert [c.slots[0].refused is not None for c in containers] == [True, False, True]


# -- scalers ----------------------------------------------------------------------------------------


def test_a_scaler_finds_its_workload_anywhere_in_the_repository() -> None:
    space = "  namespace: prod\n"
    files = {
        "apps/web.yaml": deployment(metadata=space),
        "other/web.yaml": deployment(metadata="  namespace: test\n"),
        "scaling/hpa.yaml": HPA.replace("{name: web}", "{name: web, namespace: prod}", 1),
    }
    found = _by_path(found_in(files))
    (scaler,) = found["apps/web.yaml"].scalers
    assert scaler[:3] == ("HorizontalPodAutoscaler", "web", ("cpu",))
    assert (scaler.path, scaler.line) == ("scaling/hpa.yaml", 1)
    assert found["other/web.yaml"].scalers == ()


def test_an_unknown_namespace_is_that_of_the_folder() -> None:
    files = {
        "a/web.yaml": deployment(metadata="  namespace: prod\n"),
        "a/hpa.yaml": HPA,
        "b/web.yaml": deployment(),
    }
    found = _by_path(found_in(files))
    assert len(found["a/web.yaml"].scalers) == len(found["b/web.yaml"].scalers) == 1
    files["b/web.yaml"] = deployment(metadata="  namespace: prod\n")
    assert _by_path(found_in(files))["b/web.yaml"].scalers == ()


def test_a_scaler_of_a_rollout_scales_the_deployment_whose_pods_it_runs() -> None:
    rollout = (
        "apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nmetadata: {name: front}\n"
        "spec: {workloadRef: {apiVersion: apps/v1, kind: Deployment, name: web}}\n"
    )
    hpa = HPA.replace(
        "apps/v1, kind: Deployment, name: web", "argoproj.io/v1alpha1, kind: Rollout, name: front"
    )
    assert len(only(found_in({"a.yaml": rollout, "b.yaml": hpa, "c.yaml": deployment()})).scalers) == 1


# -- people -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "told"),
    [('"true"', "true"), ("cpu", "cpu"), ('"false"', ""), ('""', ""), ("~", "")],
)
def test_an_annotation_opts_out(value: str, told: str) -> None:
    workload = only(found_in({"a.yaml": deployment(metadata=f"  annotations: {{{OPT_OUT}: {value}}}\n")}))
    assert opted_out(workload) == (f"{OPT_OUT}: {told}" if told else "")
    assert opted_out(workload._replace(annotations=())) == ""


# -- rows -------------------------------------------------------------------------------------------


def test_scan_has_five_rows_a_container_in_the_order_of_the_contract() -> None:
    units = [UnitSetting("apps", "prod", "eu")]
    rows = scan_rows(found_in({"apps/web.yaml": deployment()}, units))
    assert [row["field"] for row in rows] == [
        "requests.cpu",
        "requests.memory",
        "limits.cpu",
        "limits.memory",
        "image",
    ]
    assert rows[4] == {
        "unit": "apps",
        "cluster": "eu",
        "namespace": "prod",
        "kind": "Deployment",
        "workload": "web",
        "container": "app",
        "init": False,
        "field": "image",
        "value": "nginx:1.25",
        "path": "apps/web.yaml",
        "line": 10,
        "document": 0,
        "keys": ["spec", "template", "spec", "containers", 0, "image"],
        "via": "manifest",
        "traced": True,
        "shared_with": [],
        "reason": None,
    }
    twice = scan_rows(found_in({"a.yaml": deployment(), "b.yaml": deployment()}))
    assert {(row["traced"], row["reason"]) for row in twice} == {(False, "defined-twice")}


def test_the_garbage_collector_is_left_as_it_was() -> None:
    assert gc.isenabled()
    found_in({"a.yaml": deployment()})
    assert gc.isenabled()
    gc.disable()
    try:
        found_in({"a.yaml": deployment()})
        assert not gc.isenabled()
    finally:
        gc.enable()

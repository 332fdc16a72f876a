"""LimitRanges and ResourceQuotas: what they say, and whom they meet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from rendered_world import FILES, lay_out, put_tools_on_path
from trees import Tree, deployment, found_in, only

from reconciler.commands.common import Bars
from reconciler.model import Field, LimitRange, Quota, Workload
from reconciler.source.cache import Cache
from reconciler.source.compose import UnitSetting
from reconciler.source.discover import discover
from reconciler.source.namespaces import read
from reconciler.wiring import survey_folder

MI = 1 << 20
RANGE = """\
apiVersion: v1
kind: LimitRange
metadata: {name: limits, namespace: shop}
spec:
  limits:
  - type: Container
    min: {cpu: 50m, memory: 64Mi}
    max: {cpu: "2"}
    defaultRequest: {cpu: 100m}
    maxLimitRequestRatio: {memory: "1.5"}
  - type: Pod
    max: {memory: 4Gi}
  - type: PersistentVolumeClaim
    max: {storage: 10Gi}
"""
QUOTA = """\
apiVersion: v1
kind: ResourceQuota
metadata: {name: budget, namespace: shop}
spec:
  hard: {requests.cpu: "4", limits.memory: 8Gi, pods: "20", memory: 6Gi, requests.nvidia.com/gpu: 4}
"""


def web(metadata: str = "  namespace: shop\n", **files: str) -> Workload:
    found = found_in({"web.yaml": deployment(metadata=metadata), **files})
    return only(found)


def spec(kind: str, **said: Any) -> Any:
    found = read(kind, "one", "shop", 3, {"spec": said})
    return None if found is None else (*found.ranges, *found.quotas)


# -- what they say ----------------------------------------------------------------------------


def test_a_limit_range_is_read_by_resource() -> None:
    found = web(**{"namespace.yaml": RANGE})

    where = ("namespace.yaml", 1)
    assert found.limit_ranges == (
        LimitRange("limits", "Container", "cpu", 50, 2000, None, 2000, 100, *where),
        LimitRange("limits", "Container", "memory", 64 * MI, None, 1500, None, 64 * MI, *where),
        LimitRange("limits", "Pod", "memory", None, 4096 * MI, None, None, None, *where),
    )


def test_a_quota_is_read_by_field() -> None:
    found = web(**{"namespace.yaml": QUOTA})

    where = ("namespace.yaml", 1)
    assert set(found.quotas) == {
        Quota("budget", Field.CPU_REQUEST, 4000, *where),
        Quota("budget", Field.MEMORY_REQUEST, 6144 * MI, *where),
        Quota("budget", Field.MEMORY_LIMIT, 8192 * MI, *where),
    }


@pytest.mark.parametrize(
    ("said", "limit", "request_"),
    [
        ({"max": {"cpu": "2"}}, 2000, 2000),
        ({"max": {"cpu": "2"}, "default": {"cpu": "1"}}, 1000, 1000),
        ({"min": {"cpu": "50m"}}, None, 50),
        ({"min": {"cpu": "50m"}, "default": {"cpu": "1"}}, 1000, 1000),
        ({"default": {"cpu": "1"}, "defaultRequest": {"cpu": "100m"}}, 1000, 100),
    ],
)
def test_defaults_are_completed_as_kubernetes_does(
    said: dict[str, Any], limit: int | None, request_: int
) -> None:
    ((*_, default, default_request),) = spec("LimitRange", limits=[{"type": "Container", **said}])

    assert (default, default_request) == (limit, request_)


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"limits": None},
        {"limits": "all"},
        {"limits": ["all", None, {"type": "Container"}]},
        {"limits": [{"type": "Container", "max": {"cpu": "lots"}}]},
        {"limits": [{"type": "Container", "max": {"cpu": "-1"}}]},
        {"limits": [{"type": "Container", "max": ["cpu"]}]},
        {"limits": [{"max": {"cpu": "1"}}]},
        {"limits": [{"type": "Container", "min": {"cpu": "2"}, "max": {"cpu": "1"}}]},  # it can't be applied
    ],
)
def test_what_kubernetes_would_not_take_says_nothing(said: dict[str, Any]) -> None:
    assert spec("LimitRange", **said) is None


@pytest.mark.parametrize(
    ("scoped", "counts"),
    [
        ({"scopes": ["NotBestEffort", "NotTerminating"]}, True),
        ({"scopes": ["BestEffort"]}, False),
        ({"scopes": ["NotTerminating", "Terminating"]}, False),
        (
            {
                "scopeSelector": {
                    "matchExpressions": [{"scopeName": "NotTerminating", "operator": "Exists"}]
                }
            },
            True,
        ),
        (
            {
                "scopeSelector": {
                    "matchExpressions": [{"scopeName": "PriorityClass", "operator": "In", "values": ["high"]}]
                }
            },
            False,
        ),
    ],
)  # fmt: skip
def test_quotas_of_a_scope(scoped: dict[str, Any], counts: bool) -> None:
    assert (spec("ResourceQuota", hard={"cpu": "1"}, **scoped) is not None) is counts


def test_of_two_names_for_one_field_the_smaller_counts() -> None:
    assert spec("ResourceQuota", hard={"cpu": "1", "requests.cpu": "500m"}) == (("requests.cpu", 500),)


# -- whom they meet ---------------------------------------------------------------------------


def test_only_in_its_own_namespace() -> None:
    other = web("  namespace: other\n", **{"namespace.yaml": RANGE})

    assert other.limit_ranges == ()


def test_of_another_group_it_is_something_else() -> None:
    assert web(**{"x.yaml": RANGE.replace("v1", "example.com/v1", 1)}).limit_ranges == ()


def test_without_a_namespace_it_is_that_of_its_folder() -> None:
    nameless = RANGE.replace(", namespace: shop", "")
    files = {"a/web.yaml": deployment(), "a/limits.yaml": nameless, "b/api.yaml": deployment("api")}
    found = {one.name: one for one in found_in(files).workloads}
    assert (len(found["web"].limit_ranges), len(found["api"].limit_ranges)) == (3, 0)

    units = [UnitSetting("a", "shop", ""), UnitSetting("b", "shop", "")]
    found = {one.name: one for one in found_in(files, units).workloads}
    assert (len(found["web"].limit_ranges), len(found["api"].limit_ranges)) == (3, 3)


def test_by_cluster_where_it_is_known() -> None:
    files = {f"{name}/web.yaml": deployment(metadata="  namespace: shop\n") for name in ("eu", "us", "x")}
    files["eu/limits.yaml"] = RANGE
    units = [UnitSetting("eu", "", "eu"), UnitSetting("us", "", "us")]
    found = {one.path: one for one in found_in(files, units, ["eu", "us"]).workloads}

    assert len(found["eu/web.yaml"].limit_ranges) == 3
    assert found["us/web.yaml"].limit_ranges == ()
    assert len(found["x/web.yaml"].limit_ranges) == 3  # it may run in that cluster


def test_out_of_the_cache_they_are_the_same(tmp_path: Path) -> None:
    tree = Tree({"web.yaml": deployment(metadata="  namespace: shop\n"), "ns.yaml": RANGE + "---\n" + QUOTA})
    first = discover(tree, (), (), Cache(tmp_path))
    read_before = len(tree.read_paths)

    again = discover(tree, (), (), Cache(tmp_path))

    assert len(tree.read_paths) == read_before
    assert again == first
    assert only(first).quotas


def test_in_a_list_and_after_a_broken_neighbour() -> None:
    listed = "apiVersion: v1\nkind: List\nitems:\n- " + RANGE.replace("\n", "\n  ")
    found = found_in({"web.yaml": deployment(metadata="  namespace: shop\n"), "l.yaml": listed})

    assert len(found.workloads[0].limit_ranges) == 3
    assert found.workloads[0].limit_ranges[0].line == 4


def test_out_of_charts_and_overlays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_tools_on_path(monkeypatch)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    nameless = RANGE.replace(", namespace: shop", "")
    files = {
        **FILES,
        "charts/web/templates/limits.yaml": nameless,
        "base/limits.yaml": QUOTA.replace(", namespace: shop", ""),
        "base/kustomization.yaml": "resources: [deployment.yaml, limits.yaml]\n",
    }
    survey = survey_folder(lay_out(tmp_path / "deploy", files), None, Bars(None))
    found = {(one.namespace, one.name): one for one in survey.estate.only.workloads}

    assert len(found["prod", "web-prod"].limit_ranges) == 3
    assert found["prod", "web-prod"].quotas == ()
    assert found["k-dev", "api"].limit_ranges == ()
    assert {one.field for one in found["k-dev", "api"].quotas} >= {Field.CPU_REQUEST}
    assert found["prod", "web-prod"].limit_ranges[0].path == "apps/prod.yaml"


# -- what else containers and pods name -------------------------------------------------------


def test_what_else_is_requested_is_known(tmp_path: Path) -> None:
    containers = (
        "        - name: app\n          resources:\n"
        "            requests: {cpu: 1, ephemeral-storage: 1Gi}\n"
        "            limits: {nvidia.com/gpu: 1, memory: 1Gi, hugepages-2Mi: 10Mi}\n"
    )
    found = only(found_in({"web.yaml": deployment(containers=containers)}))

    assert found.containers[0].extras == ("ephemeral-storage", "hugepages-2Mi", "nvidia.com/gpu")
    assert found.pod_level == ()


def test_what_the_pod_sets_itself_is_known() -> None:
    text = (
        deployment()
        + "      resources:\n        requests: {cpu: 2}\n        limits: {cpu: 2, hugepages-2Mi: 1Mi}\n"
    )

    assert only(found_in({"web.yaml": text})).pod_level == ("cpu",)

"""Which nodes the pods of a workload ask for: what decides on their price."""

from __future__ import annotations

import pytest
from trees import found_in

from reconciler.source import facts
from reconciler.source.tracing.rendered import Render, node_selector

POD = "containers: [{name: app, image: a:1}]"


def text(kind: str = "Deployment", more: str = "nodeSelector: {pool: spot, arch: arm64}") -> str:
    pod = f"      {POD}\n      {more}\n"
    spec = f"spec:\n  template:\n    spec:\n{pod}"
    if kind == "CronJob":
        inner = "".join(f"    {line}\n" for line in spec.splitlines())
        return f"apiVersion: batch/v1\nkind: CronJob\nmetadata: {{name: web}}\nspec:\n  jobTemplate:\n{inner}"
    return f"apiVersion: apps/v1\nkind: {kind}\nmetadata: {{name: web}}\n{spec}"


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet", "CronJob"])
def test_it_is_read_from_the_pod_template_in_one_order(kind: str) -> None:
    (workload,) = found_in({"a.yaml": text(kind)}).workloads
    assert workload.node_selector == (("arch", "arm64"), ("pool", "spot"))


@pytest.mark.parametrize(
    ("more", "found"),
    [
        ("nodeSelector: {}", ()),
        ("nodeSelector:", ()),
        ("nodeSelector: spot", ()),
        ("nodeSelector: [pool]", ()),
        ("nodeSelector: {pool: }", (("pool", ""),)),
        ("nodeSelector: {pool: [a]}", (("pool", ""),)),
        ('nodeSelector: {"a/b": "c\\nd"}', (("a/b", "c\nd"),)),
        ("affinity: {}", ()),
    ],
)
def test_whatever_stands_there_is_no_failure(more: str, found: tuple[tuple[str, str], ...]) -> None:
    seen = found_in({"a.yaml": text(more=more)})
    assert seen.failures == ()
    assert seen.workloads[0].node_selector == found
    (render,) = Render(text(more=more), "", "").workloads()
    assert node_selector(render) == found


def test_the_cache_gives_it_back() -> None:
    selector = (("arch", "arm64"), ("pool", "spot"))
    found = facts.FoundWorkload(0, 1, "Deployment", "web", "", None, {}, {}, (), (), selector)
    (back,) = facts.load(facts.dump(facts.FileFacts([found]))).workloads
    assert tuple(map(tuple, back.node_selector)) == selector

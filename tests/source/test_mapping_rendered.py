"""Mapped values of files that a kustomization takes in: the render must change there, and nowhere else."""

from __future__ import annotations

import pytest
from mapping_world import asked, joined_discovery, written
from trees import Tree

from reconciler.config import PolicyBook
from reconciler.source.mapping import via
from reconciler.source.mapping.proving import intents
from reconciler.source.tracing.proof import differences, judge
from reconciler.source.tracing.rendered import Render

ELASTIC = """\
apiVersion: elasticsearch.k8s.elastic.co/v1
kind: Elasticsearch
metadata: {name: logs}
spec:
  nodeSets:
  - name: hot
    podTemplate:
      spec:
        containers:
        - name: elasticsearch
          resources: {requests: {cpu: 1}}
  - name: cold
    podTemplate: {spec: {containers: [{name: elasticsearch, resources: {}}]}}
"""


def rendered(text: str) -> str:
    """As a kustomization with a namespace and a prefix does."""
    return text.replace("{name: logs}", "{name: eu-logs, namespace: observe}") + "---\nkind: Other\n"


@pytest.mark.parametrize(("pool", "wish"), [("hot", "cpu=2"), ("hot", "memory=4Gi"), ("cold", "cpu=500m")])
@pytest.mark.parametrize("shape", ["alone", "list"])
def test_the_one_object_that_holds_the_value_is_meant(pool: str, wish: str, shape: str) -> None:
    before = ELASTIC
    if shape == "list":
        before = "kind: List\nitems:\n-\n" + "".join(f"  {line}\n" for line in ELASTIC.splitlines())
    discovery = joined_discovery(Tree({"base/es.yaml": before}), PolicyBook().mappings)
    values = asked(discovery, f"sts/logs-es-{pool}/elasticsearch", wish)
    after = written(before.encode(), values)
    assert isinstance(after, bytes)
    renders = [Render(rendered(text)) for text in (before, after.decode())]
    meant = tuple(intents(renders[0], values, lambda repository, path: before.encode()))
    assert len(meant) == 1
    verdict = judge(differences(*renders), meant, frozenset())
    assert (verdict.done, verdict.missing, verdict.beyond) == (meant, (), ())
    elsewhere = Render(rendered(after.decode()).replace("kind: Other", "kind: Another"))
    assert judge(differences(renders[0], elsewhere), meant, frozenset()).beyond


def test_what_is_not_in_a_render_means_nothing_there() -> None:
    discovery = joined_discovery(Tree({"es.yaml": ELASTIC}), PolicyBook().mappings)
    values = asked(discovery, "sts/logs-es-hot/elasticsearch", "cpu=2")
    for text in (ELASTIC.replace("cpu: 1", "cpu: 3"), ELASTIC.replace("logs", "other"), "kind: Other\n"):
        assert not list(intents(Render(text), values, lambda repository, path: ELASTIC.encode()))
    assert not list(intents(Render(ELASTIC), values, lambda repository, path: None))
    assert {via(value.slot.how_traced) for value in values} == {"mapping: ECK Elasticsearch"}
    assert via("manifest") == "manifest"

"""A base that several overlays and clusters take in: everyone is known, and everyone is proven."""

from __future__ import annotations

import pytest
from kustomizing_world import Remembering, container, kubectl_renderer, unit, wishes

from reconciler.model import Reason, Refused
from reconciler.source.kustomizing import Edited, Traced, edit, merge_shared, trace

WEB = """apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
        - name: app
          image: app:1
          resources: {requests: {cpu: 100m}}
"""
FILES = {
    "base/kustomization.yaml": "resources: [web.yaml]\n",
    "base/web.yaml": WEB,
    "dev/kustomization.yaml": "resources: [../base]\nnamespace: dev\n",
    "prod/kustomization.yaml": (
        "resources: [../base]\nnamespace: prod\nimages: [{name: app, newTag: '2'}]\n"
        "patches:\n- path: memory.yaml\n"
    ),
    "prod/memory.yaml": WEB.replace("cpu: 100m", "memory: 1Gi").replace("image: app:1", "env: []"),
}


@pytest.fixture(scope="module")
def renderer() -> Remembering:
    return Remembering(kubectl_renderer())


@pytest.fixture(scope="module")
def dev_and_prod(renderer: Remembering) -> list[Traced]:
    return merge_shared([trace(unit(FILES, folder, cluster="eu"), renderer) for folder in ("dev", "prod")])


def of(traced: Traced, wish: str) -> tuple[Traced, list[str]]:
    return traced, ["web/app", wish]


def made(outcome: Edited | Refused) -> dict[str, str]:
    assert not isinstance(outcome, Refused), outcome
    return {one.change.path: one.change.after.decode() for one in outcome.files}


def test_a_line_of_the_base_feeds_every_overlay(dev_and_prod: list[Traced]) -> None:
    for one in dev_and_prod:
        slots = {slot.field.value: slot for slot in container(one, "web/app").slots}
        assert [ref.namespace for ref in slots["requests.cpu"].consumers] == ["dev", "prod"]
        assert slots["requests.cpu"].place.path == "base/web.yaml"
        assert len(slots["image"].consumers) == 1


def test_a_shared_value_is_edited_once_and_proven_in_both(
    dev_and_prod: list[Traced], renderer: Remembering
) -> None:
    dev, prod = dev_and_prod
    outcome = edit(dev.unit, dev, wishes(dev, ["web/app", "requests.cpu=200m"]), renderer, others=[prod])
    assert made(outcome) == {"base/web.yaml": WEB.replace("100m", "200m")}
    assert isinstance(outcome, Edited)
    assert [name for name, _ in outcome.proof] == ["dev", "prod"]


def test_an_edit_that_another_unit_would_feel_is_refused(
    dev_and_prod: list[Traced], renderer: Remembering
) -> None:
    dev, prod = dev_and_prod
    wanted = wishes(dev, ["web/app", "requests.cpu=200m"])
    lone = [one._replace(slot=one.slot._replace(consumers=one.slot.consumers[:1])) for one in wanted]
    outcome = edit(dev.unit, dev, lone, renderer, others=[prod])
    assert isinstance(outcome, Refused)
    assert outcome.reason is Reason.SIDE_EFFECT
    assert "in prod, Deployment web" in outcome.detail


def test_what_is_set_nowhere_is_added_to_the_overlay_not_to_the_shared_base(
    dev_and_prod: list[Traced], renderer: Remembering
) -> None:
    dev, prod = dev_and_prod
    slot = next(slot for slot in container(dev, "web/app").slots if slot.field.value == "requests.memory")
    assert slot.place.path == "dev/kustomization.yaml"
    assert [ref.namespace for ref in slot.consumers] == ["dev"]
    outcome = edit(dev.unit, dev, wishes(dev, ["web/app", "requests.memory=1Gi"]), renderer, others=[prod])
    assert made(outcome)["dev/kustomization.yaml"].startswith(FILES["dev/kustomization.yaml"] + "patches:\n")


def test_an_overlays_own_patch_takes_what_is_added(dev_and_prod: list[Traced], renderer: Remembering) -> None:
    dev, prod = dev_and_prod
    outcome = edit(prod.unit, prod, wishes(prod, ["web/app", "limits.memory=2Gi"]), renderer, others=[dev])
    assert made(outcome) == {
        "prod/memory.yaml": FILES["prod/memory.yaml"].replace(
            "{requests: {memory: 1Gi}}", "{requests: {memory: 1Gi}, limits: {memory: 2Gi}}"
        )
    }


def test_one_overlay_in_two_clusters_feeds_both(renderer: Remembering) -> None:
    both = [trace(unit(FILES, "dev", cluster=cluster, name=cluster), renderer) for cluster in ("eu", "us")]
    merged = merge_shared(both)
    for slot in container(merged[0], "web/app").slots:
        assert [ref.cluster for ref in slot.consumers] == ["eu", "us"]
        # no other overlay takes the base in, so that a missing value goes beside its container
        assert slot.place.path == "base/web.yaml"
    wanted = wishes(merged[0], ["web/app", "limits.cpu=1"])
    outcome = edit(merged[0].unit, merged[0], wanted, renderer, overlay=True, others=merged[1:])
    assert isinstance(outcome, Edited)
    assert [name for name, _ in outcome.proof] == ["eu", "us"]
